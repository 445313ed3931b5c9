"""Pays what is owed, through an outlet. Decides when to try again; never what is said (`cards`) nor how it looks (the outlet).

An alert is claimed (committed as `sending`) before its outlet hears of it, and marked sent only after the outlet gave its receipt,
so that a crash in between leaves it owed or in doubt, never lost. What is in doubt stays `sending` and is handed out again as such:
an outlet that can look back does so before it posts once more.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol

from bot.errors import DeliveryError
from bot.store.connection import finish

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from bot.model import Delivery
    from bot.store import Store

    Settling = Callable[[], Awaitable[object]]

log = logging.getLogger(__name__)

FIRST_RETRY_S = 2.0
LAST_RETRY_S = 60.0
LEAST_GAP_S = 15.0
LOOK_AGAIN_S = 0.25
GRACE_S = 4.0
LATE = "late: could not be delivered for {ago}"


class Outlet(Protocol):
    """Where alerts go. Both calls raise `DeliveryError`; anything else counts as one that may be tried again.

    A post in doubt that is refused for good, and not `unknown`, is certainly not there: the outlet has looked, or has waited long to.
    """

    async def post(self, delivery: Delivery) -> int | None:
        """Post a card; return the receipt to edit it by, None where there are no receipts."""

    async def edit(self, delivery: Delivery) -> None:
        """Show a better card for what `delivery.message_id` was the receipt of."""


async def tell_nobody(delivery: Delivery, reason: str) -> None:
    """Stand for operators where there are none to be told of what a channel refuses."""
    log.warning("event=refused alert=%s channel=%s reason=%r", delivery.alert_id, delivery.channel_id, reason)


@dataclass(slots=True, kw_only=True, eq=False)
class Deliverer:
    """The engine's last stage: `pay` is called whenever something may be owed, by one task at a time.

    at_once: how many posts may be on their way together, each in a channel of its own; half as many edits besides. digests: whether late
    alerts of a channel share a message. on_paused: told once of each channel that refuses. on_given_up: told of each delivery that never
    will arrive. spread: which part of the usual pause to wait, so that not all come back at once.

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
    on_given_up: Callable[[Delivery, str], Awaitable[None]] = tell_nobody
    spread: Callable[[], float] = lambda: random.uniform(0.75, 1.0)  # noqa: S311 - nothing secret
    _doubtful: deque[Delivery] = field(default_factory=deque)
    _unwritten: deque[tuple[Delivery, Settling]] = field(default_factory=deque)
    _under_way: dict[asyncio.Task[bool], Delivery] = field(default_factory=dict)
    _unanswered: dict[int, datetime] = field(default_factory=dict)

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
                await finish(self._claim())  # a claim that nobody heard of would be in doubt for nothing
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

    async def hurry(self) -> None:
        """Try soon again what only waits because nobody answered: the outlet answers again."""
        if not self._unanswered:
            return
        waiting, now, gap = self._unanswered.copy(), self.clock(), timedelta(seconds=LEAST_GAP_S)
        await self.store.bring_forward({id_: max(now, tried_at + gap) for id_, tried_at in waiting.items()})
        for id_, tried_at in waiting.items():
            if self._unanswered.get(id_) == tried_at:
                del self._unanswered[id_]

    async def _claim(self) -> None:
        """Claim as many posts and edits as there are free places, and start them; edits may wait, and never take a post's place.

        Of one alert one edit is under way at a time, however long it takes: else the older could arrive last.
        """
        now, held = self.clock(), self._held()
        places = {"post": self.at_once, "edit": max(1, self.at_once // 2)}
        for delivery in self._under_way.values():
            places[delivery.kind] -= 1
        if not self._doubtful:
            doubtful_at = await self.store.next_doubt_at()
            if doubtful_at is not None and doubtful_at <= now:
                self._doubtful.extend(await self.store.reclaim(now, without=held))
        while self._doubtful and places["post"]:
            self._start(self._doubtful.popleft())
            places["post"] -= 1
        if not any(places.values()):
            return
        late_before = now - timedelta(seconds=self.late_after_s) if self.digests else None
        for delivery in await self.store.claim(
            now, limit=places["post"], edits=places["edit"], late_before=late_before, without=held
        ):
            self._start(delivery)

    def _start(self, delivery: Delivery) -> None:
        self._under_way[asyncio.create_task(self._hand_over(delivery))] = delivery

    def _held(self) -> set[int]:
        deliveries = [*self._doubtful, *self._under_way.values(), *(delivery for delivery, _ in self._unwritten)]
        return {one.alert_id for delivery in deliveries for one in (delivery, *delivery.others)}

    async def _settle(self) -> None:
        while self._unwritten:
            await self._unwritten[0][1]()
            self._unwritten.popleft()

    async def _wind_up(self) -> None:
        now = self.clock()
        while self._doubtful:  # claimed and never begun: as much in doubt as it was
            unbegun = self._doubtful.popleft()
            self._unwritten.append((unbegun, partial(self.store.mark_unknown, unbegun, "", look_at=now)))
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=GRACE_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._under_way.clear()
        await self._settle()

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
        self._unwritten.append((delivery, self._arrived(delivery, message_id)))
        return True

    def _arrived(self, delivery: Delivery, message_id: int | None) -> Settling:
        now = self.clock()

        async def settle() -> None:
            self._unanswered.pop(delivery.alert_id, None)
            await self.hurry()
            await self.store.mark_sent(delivery, message_id=message_id, now=now)

        return settle

    def _failed(self, delivery: Delivery, error: Exception) -> Settling:
        """Return what settles a failure. What was in doubt before stays so: a later refusal says nothing of the earlier try."""
        now = self.clock()
        met = error if isinstance(error, DeliveryError) else DeliveryError(str(error), again=True)
        unknown = delivery.kind == "post" and (met.unknown or delivery.in_doubt)
        reason = str(error) or type(error).__name__
        log.warning(
            "event=delivery_failed alert=%s kind=%s again=%s unknown=%s reason=%r",
            delivery.alert_id,
            delivery.kind,
            met.again,
            unknown,
            reason,
        )
        self._unanswered.pop(delivery.alert_id, None)
        if met.closed:
            return self._closed(delivery, reason, now, unknown=unknown, standing=met.standing)
        if not met.again and not (delivery.kind == "post" and met.unknown):
            return self._given_up(delivery, reason, now)
        return self._again(delivery, reason, unknown=unknown, after_s=met.after_s)

    def _again(self, delivery: Delivery, reason: str, *, unknown: bool, after_s: float | None) -> Settling:
        # what is in doubt holds up its channel, where nothing can arrive then that would show that somebody answers again
        most_s = LEAST_GAP_S if unknown else LAST_RETRY_S
        pause_s = min(retry_s(delivery.attempts), most_s) * self.spread() if after_s is None else after_s
        pause = timedelta(seconds=pause_s)

        async def settle() -> None:
            now = (
                self.clock()
            )  # by now, not by when it failed: the clock may have been set since, and what is due moved along
            if unknown:
                await self.store.mark_unknown(delivery, reason, look_at=now + pause)
            else:
                limited = after_s is not None
                await self.store.mark_failed(delivery, reason, next_try_at=now + pause, now=now, whole_channel=limited)
            if after_s is None:
                self._unanswered[delivery.alert_id] = now

        return settle

    def _given_up(self, delivery: Delivery, reason: str, now: datetime) -> Settling:
        async def settle() -> None:
            if await self.store.mark_failed(delivery, reason, next_try_at=None, now=now):
                await self.on_given_up(delivery, reason)

        return settle

    def _closed(self, delivery: Delivery, reason: str, now: datetime, *, unknown: bool, standing: str) -> Settling:
        """Return what leaves a channel that refuses alone; what it is owed stays owed, what is in doubt stays that."""

        async def settle() -> None:
            if await self.store.mark_closed(delivery, reason, now=now, unknown=unknown, standing=standing):
                await self.on_paused(delivery, reason)

        return settle


def retry_s(attempts: int) -> float:
    """Return the pause after so many attempts: doubling from two seconds, a minute at most."""
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
