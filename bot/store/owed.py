"""What is owed, and which channels refuse it, as part of an open store: one method for one transaction, like the store's own.

The SQL is `outbox`'s and `channels`'. Counts what became of deliveries, and decides nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

from bot.store import channels, outbox

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from bot.model import Delivery, PausedChannel
    from bot.vitals import Vitals

T = TypeVar("T")


class OwedRows(ABC):
    """The part of a store through which what is owed is paid."""

    vitals: Vitals

    @abstractmethod
    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T: ...

    @abstractmethod
    async def _read(self, question: Callable[[sqlite3.Connection], T]) -> T: ...

    async def claim(
        self,
        now: datetime,
        *,
        limit: int = 20,
        edits: int | None = None,
        lease_s: float = 60,
        late_before: datetime | None = None,
        without: Collection[int] = (),
    ) -> tuple[Delivery, ...]:
        """Return what is to be sent now, leased to the caller; arguments as in `outbox.claim`."""
        return await self._write(lambda sql: outbox.claim(sql, now, limit, lease_s, late_before, edits, without))

    async def reclaim(
        self, now: datetime, *, lease_s: float = 60, without: Collection[int] = ()
    ) -> tuple[Delivery, ...]:
        """Return the posts whose lease is over, but those in `without`, in doubt and leased anew to the caller."""
        return await self._write(lambda sql: outbox.reclaim(sql, now, lease_s, without))

    async def end_leases(self, *, now: datetime) -> None:
        """Let every lease end: at a start nobody holds one any more."""
        await self._write(lambda sql: outbox.end_leases(sql, now))

    async def mark_unknown(self, delivery: Delivery, reason: str, *, look_at: datetime) -> bool:
        """Leave a post that may have arrived as it is, to be looked for then. False where the lease is not the caller's."""
        settled = await self._write(lambda sql: outbox.mark_unknown(sql, delivery, reason, look_at))
        if reason:  # else it was only given back, never begun
            self.vitals.delivered(delivery, "in_doubt")
        return settled

    async def mark_sent(self, delivery: Delivery, *, message_id: int | None, now: datetime) -> bool:
        """Settle a delivery that arrived; False where its lease is no longer the caller's."""
        settled = await self._write(lambda sql: outbox.mark_sent(sql, delivery, message_id, now))
        self.vitals.delivered(delivery, "sent", after_s=(now - delivery.owed_at).total_seconds())
        return settled

    async def mark_failed(
        self,
        delivery: Delivery,
        reason: str,
        *,
        next_try_at: datetime | None,
        now: datetime,
        whole_channel: bool = False,
    ) -> bool:
        """Settle a delivery that certainly did not arrive; as `outbox.mark_failed`."""
        settled = await self._write(
            lambda sql: outbox.mark_failed(sql, delivery, reason, next_try_at, now, whole_channel=whole_channel)
        )
        if reason:  # as above
            self.vitals.delivered(delivery, "refused" if next_try_at else "given_up")
        return settled

    async def mark_closed(
        self, delivery: Delivery, reason: str, *, now: datetime, unknown: bool, standing: str
    ) -> bool:
        """Leave a channel that refused alone, and what it is owed as it was; return whether that is news."""
        news = await self._write(
            lambda sql: outbox.mark_closed(sql, delivery, reason, now, unknown=unknown, standing=standing)
        )
        self.vitals.delivered(delivery, "refused")
        return news

    async def bring_forward(self, due_at: Mapping[int, datetime]) -> None:
        """Have these alerts, by id, tried or looked for then, where that is sooner; for those that nobody holds."""
        await self._write(lambda sql: outbox.bring_forward(sql, due_at))

    async def release(self, *, now: datetime) -> int:
        """Make owed again whatever was on its way, for an outlet that cannot look back. Returns how many posts."""
        return await self._write(lambda sql: outbox.release(sql, now))

    async def next_delivery_at(self) -> datetime | None:
        """Return from when on a claim has something to give, if nothing else happens; None where it has nothing."""
        return await self._read(outbox.next_delivery_at)

    async def next_doubt_at(self) -> datetime | None:
        """Return when the next lease ends of what is on its way; None where nothing is."""
        return await self._read(outbox.next_doubt_at)

    # --- channels that refuse, and what the program remembers of itself -----------------------------------------------

    async def reopen_channels(self, standings: Mapping[int, str], *, now: datetime) -> int:
        """Have these channels and threads tried once more where they changed since they refused; return how many did."""
        return await self._write(lambda sql: channels.reopen_channels(sql, standings, now))

    async def operators_told(self, channel_id: int, thread_id: int) -> None:
        """Remember that the operators know of a paused channel."""
        await self._write(lambda sql: channels.operators_told(sql, channel_id, thread_id))

    async def paused_channels(self) -> tuple[PausedChannel, ...]:
        """Return the channels that are left alone, the longest first."""
        return await self._read(channels.paused_channels)

    async def note(self, key: str) -> str:
        """Return what was noted under a key, "" for nothing."""
        return await self._read(lambda sql: channels.note(sql, key))

    async def prove_writable(self) -> None:
        """Write something small.

        Raises:
            StoreError: the store takes nothing just now.
        """
        await self._write(lambda sql: channels.keep_note(sql, "writable", ""))

    async def keep_note(self, key: str, value: str) -> None:
        """Note something under a key, in place of what stood there."""
        await self._write(lambda sql: channels.keep_note(sql, key, value))
