"""Pays what is owed, through an outlet. Decides when to try again; never what is said (`cards`) nor how it looks (the outlet).

An alert is claimed (committed as `sending`) before its outlet hears of it, and marked sent only after the outlet gave its receipt,
so that a crash in between leaves it owed or in doubt, never lost. What is in doubt stays `sending` and is handed out again as such:
an outlet that can look back does so before it posts once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from bot.errors import DeliveryError
from bot.store.connection import finish

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from bot.model import Delivery
    from bot.store import Store

log = logging.getLogger(__name__)

FIRST_RETRY_S = 2.0
LAST_RETRY_S = 300.0
LOOK_AGAIN_S = 0.25
GRACE_S = 4.0
EDIT_TRIES = 5
LATE = "late: found {ago} before it could be delivered"


class Outlet(Protocol):
    """Where alerts go. Both calls raise `DeliveryError`; anything else counts as one that may be tried again."""

    async def post(self, delivery: Delivery) -> int | None:
        """Post a card; return the receipt to edit it by, None where there are no receipts."""

    async def edit(self, delivery: Delivery) -> None:
        """Show a better card for what `delivery.message_id` was the receipt of."""


async def tell_nobody(delivery: Delivery, reason: str) -> None:
    """Stand for operators where there are none to be told of a channel that was paused."""
    log.warning("event=channel_paused channel=%s reason=%r", delivery.channel_id, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverer:
    """The engine's last stage: `pay` is called whenever something may be owed, by one task at a time.

    at_once: how many deliveries may be on their way together, each in a channel of its own. digests: whether late alerts of a channel
    share a message. on_paused: told once of each channel that refuses.

    A database that refuses for a while makes `pay` raise; what was claimed and what outlets answered is kept and settled by the
    next call.
    """

    store: Store
    outlet: Outlet
    clock: Callable[[], datetime]
    late_after_s: float = 6 * 3600.0
    at_once: int = 1
    digests: bool = False
    on_paused: Callable[[Delivery, str], Awaitable[None]] = tell_nobody
    _claimed: deque[Delivery] = field(default_factory=deque)
    _unwritten: deque[tuple[Delivery, Callable[[], Awaitable[object]]]] = field(default_factory=deque)
    _under_way: dict[asyncio.Task[bool], Delivery] = field(default_factory=dict)

    async def pay(self) -> int:
        """Deliver everything that is due now; return how many cards an outlet took.

        Cancelled, it gives what is on its way a few seconds to be settled; the rest stays in doubt.

        Raises:
            StoreError: a claim or an outcome could not be written; the next call goes on from there.
        """
        paid = 0
        try:
            while True:
                self.store.vitals.tick("_pay_due")  # a long backlog is no standstill
                await self._settle()
                if not self._claimed:
                    await finish(self._claim())  # a claim that nobody heard of would be in doubt for nothing
                self._start()
                if not self._under_way and not self._unwritten:
                    return paid
                if self._under_way:
                    done, _ = await asyncio.wait(
                        self._under_way, timeout=LOOK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED
                    )
                    paid += sum(task.result() for task in done)
                    for task in done:
                        del self._under_way[task]
        except asyncio.CancelledError:
            await self._wind_up()
            raise

    async def next_at(self) -> datetime | None:
        """Return when `pay` has something to do again, if nothing else happens."""
        times = [await self.store.next_delivery_at(), await self.store.next_doubt_at()]
        return min((at for at in times if at), default=None)

    async def _claim(self) -> None:
        now = self.clock()
        held = {one.alert_id for delivery in self._held() for one in (delivery, *delivery.others)}
        doubtful_at = await self.store.next_doubt_at()
        if doubtful_at is not None and doubtful_at <= now:
            self._claimed.extend(await self.store.reclaim(now, without=held))
        late_before = now - timedelta(seconds=self.late_after_s) if self.digests else None
        self._claimed.extend(await self.store.claim(now, late_before=late_before))

    def _held(self) -> list[Delivery]:
        return [*self._claimed, *self._under_way.values(), *(delivery for delivery, _ in self._unwritten)]

    def _start(self) -> None:
        """Start what there are places for. Edits, which may be repeated or dropped, leave half of the places to posts."""
        waiting = list(self._claimed)
        self._claimed.clear()
        for delivery in waiting:
            edits = sum(one.kind == "edit" for one in self._under_way.values())
            places = self.at_once if delivery.kind == "post" else max(1, self.at_once // 2)
            if len(self._under_way) >= self.at_once or (delivery.kind == "edit" and edits >= places):
                self._claimed.append(delivery)
            else:
                self._under_way[asyncio.create_task(self._hand_over(delivery))] = delivery

    async def _settle(self) -> None:
        while self._unwritten:
            await self._unwritten[0][1]()
            self._unwritten.popleft()

    async def _wind_up(self) -> None:
        while self._claimed:
            self._unwritten.append(self._unbegun(self._claimed.popleft()))
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=GRACE_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._under_way.clear()
        await self._settle()

    def _unbegun(self, delivery: Delivery) -> tuple[Delivery, Callable[[], Awaitable[object]]]:
        """Give back what was claimed and never begun: it is as much in doubt as it was."""
        now = self.clock()
        if delivery.in_doubt:
            return delivery, lambda: self.store.mark_unknown(delivery, "", look_at=now)
        return delivery, lambda: self.store.mark_failed(delivery, "", next_try_at=now, now=now)

    async def _hand_over(self, delivery: Delivery) -> bool:
        """Give one delivery to the outlet and note what is to be written about it; return whether the outlet took it."""
        delivery = late_marked(delivery, self.clock(), self.late_after_s)
        try:
            if delivery.kind == "post":
                message_id = await self.outlet.post(delivery)
            else:
                await self.outlet.edit(delivery)
                message_id = delivery.message_id
        except Exception as error:  # noqa: BLE001 - one delivery never stops another
            self._unwritten.append((delivery, self._failed(delivery, error)))
            return False
        now = self.clock()
        self._unwritten.append((delivery, lambda: self.store.mark_sent(delivery, message_id=message_id, now=now)))
        return True

    def _failed(self, delivery: Delivery, error: Exception) -> Callable[[], Awaitable[object]]:
        now = self.clock()
        met = error if isinstance(error, DeliveryError) else DeliveryError(str(error), again=True)
        pause_s = max(retry_s(delivery.attempts), met.after_s or 0.0)
        next_try_at = now + timedelta(seconds=0 if met.closed else pause_s)
        post = delivery.kind == "post"
        again = met.again and (post or delivery.attempts < EDIT_TRIES)
        reason = str(error) or type(error).__name__
        log.warning(
            "event=delivery_failed alert=%s kind=%s again=%s unknown=%s reason=%r",
            delivery.alert_id,
            delivery.kind,
            again,
            met.unknown,
            reason,
        )
        if met.closed and post:
            return lambda: self._pause(delivery, reason, now, unknown=met.unknown)
        if met.unknown and post:
            return lambda: self.store.mark_unknown(delivery, reason, look_at=next_try_at)
        return lambda: self.store.mark_failed(
            delivery, reason, next_try_at=next_try_at if again and not met.closed else None, now=now
        )

    async def _pause(self, delivery: Delivery, reason: str, now: datetime, *, unknown: bool) -> None:
        """Leave a channel that refuses alone; what it is owed stays owed, what is in doubt stays that."""
        news = await self.store.pause_channel(delivery.channel_id, delivery.thread_id, reason, now=now)
        if unknown:
            await self.store.mark_unknown(delivery, reason, look_at=now)
        else:
            await self.store.mark_failed(delivery, reason, next_try_at=now, now=now)
        if news:
            await self.on_paused(delivery, reason)


def retry_s(attempts: int) -> float:
    """Return the pause after so many attempts: doubling from two seconds, five minutes at most."""
    return float(min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(max(attempts - 1, 0), 16)))


def late_marked(delivery: Delivery, now: datetime, late_after_s: float) -> Delivery:
    """Return the delivery, marked late and without its pings where it could not be made in time."""
    others = tuple(late_marked(one, now, late_after_s) for one in delivery.others)
    age_s = (
        now - delivery.owed_at
    ).total_seconds()  # not since the article was seen: an edit of an old one may alert at once
    if delivery.kind != "post" or age_s <= late_after_s:
        return replace(delivery, others=others)
    hours = age_s / 3600
    late = LATE.format(ago=f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days")  # noqa: PLR2004 - two days
    card = replace(delivery.card, late=delivery.card.late or late, mentions=())
    return replace(delivery, card=card, others=others)
