"""Pays what is owed, through an outlet. Decides when to try again; never what is said (`cards`) nor how it looks (the outlet).

An alert is claimed (committed as `sending`) before its outlet hears of it, and marked sent only after the outlet gave its receipt,
so that a crash in between leaves it owed or in doubt, never lost.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from bot.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from bot.model import Delivery
    from bot.store import Store

log = logging.getLogger(__name__)

FIRST_RETRY_S = 2.0
LAST_RETRY_S = 300.0
LATE = "late: found {ago} before it could be delivered"


class Outlet(Protocol):
    """Where alerts go. Both calls raise `DeliveryError`; anything else counts as one that may be tried again."""

    async def post(self, delivery: Delivery) -> int | None:
        """Post a card; return the receipt to edit it by, None where there are no receipts."""

    async def edit(self, delivery: Delivery) -> None:
        """Show a better card for what `delivery.message_id` was the receipt of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverer:
    """The engine's last stage: `pay` is called whenever something may be owed, by one task at a time.

    A database that refuses for a while makes `pay` raise; what was claimed and what outlets answered is kept and settled by the
    next call, since a claim that nobody settles would hold up its channel until the next start.
    """

    store: Store
    outlet: Outlet
    clock: Callable[[], datetime]
    late_after_s: float = 6 * 3600.0
    _claimed: deque[Delivery] = field(default_factory=deque)
    _unwritten: deque[Callable[[], Awaitable[bool]]] = field(default_factory=deque)

    async def pay(self) -> int:
        """Deliver everything that is due now; return how many cards an outlet took.

        Raises:
            StoreError: a claim or an outcome could not be written; the next call goes on from there.
        """
        paid = 0
        while True:
            while self._unwritten:
                await self._unwritten[0]()
                self._unwritten.popleft()
            if not self._claimed:
                self._claimed.extend(await self.store.claim(self.clock()))
            if not self._claimed:
                return paid
            paid += await self._hand_over(self._claimed.popleft())

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
            self._unwritten.append(self._failed(delivery, error))
            return False
        now = self.clock()
        self._unwritten.append(lambda: self.store.mark_sent(delivery, message_id=message_id, now=now))
        return True

    def _failed(self, delivery: Delivery, error: Exception) -> Callable[[], Awaitable[bool]]:
        now = self.clock()
        again = not isinstance(error, DeliveryError) or error.again
        next_try_at = now + timedelta(seconds=retry_s(delivery.attempts)) if again else None
        log.warning(
            "event=delivery_failed alert=%s kind=%s again=%s reason=%r",
            delivery.alert_id,
            delivery.kind,
            again,
            str(error),
        )
        reason = str(error) or type(error).__name__
        return lambda: self.store.mark_failed(delivery, reason, next_try_at=next_try_at, now=now)


def retry_s(attempts: int) -> float:
    """Return the pause after so many attempts: doubling from two seconds, five minutes at most."""
    return float(min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(max(attempts - 1, 0), 16)))


def late_marked(delivery: Delivery, now: datetime, late_after_s: float) -> Delivery:
    """Return the delivery, marked late and without its pings where it could not be made in time."""
    age_s = (
        now - delivery.owed_at
    ).total_seconds()  # not since the article was seen: an edit of an old one may alert at once
    if delivery.kind != "post" or age_s <= late_after_s:
        return delivery
    hours = age_s / 3600
    late = LATE.format(ago=f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days")  # noqa: PLR2004 - two days
    return replace(delivery, card=replace(delivery.card, late=delivery.card.late or late, mentions=()))
