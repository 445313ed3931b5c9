"""Pays what is owed, through an outlet. Decides when to try again; never what is said (`cards`) nor how it looks (the outlet).

An alert is claimed (committed as `sending`) before its outlet hears of it, and marked sent only after the outlet gave its receipt,
so that a crash in between leaves it owed or in doubt, never lost.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from bot.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable
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
    """The engine's last stage: `pay` is called whenever something may be owed."""

    store: Store
    outlet: Outlet
    clock: Callable[[], datetime]
    late_after_s: float = 6 * 3600.0

    async def pay(self) -> int:
        """Deliver everything that is due now; return how many cards an outlet took."""
        paid = 0
        while owed := await self.store.claim(self.clock()):
            for delivery in owed:
                paid += await self._pay_one(delivery)
        return paid

    async def _pay_one(self, delivery: Delivery) -> bool:
        delivery = late_marked(delivery, self.clock(), self.late_after_s)
        try:
            if delivery.kind == "post":
                message_id = await self.outlet.post(delivery)
            else:
                await self.outlet.edit(delivery)
                message_id = delivery.message_id
        except Exception as error:  # noqa: BLE001 - one delivery never stops another
            await self._put_back(delivery, error)
            return False
        await self.store.mark_sent(delivery, message_id=message_id, now=self.clock())
        return True

    async def _put_back(self, delivery: Delivery, error: Exception) -> None:
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
        await self.store.mark_failed(delivery, str(error) or type(error).__name__, next_try_at=next_try_at, now=now)


def retry_s(attempts: int) -> float:
    """Return the pause after so many attempts: doubling from two seconds, five minutes at most."""
    return float(min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(attempts, 16)))


def late_marked(delivery: Delivery, now: datetime, late_after_s: float) -> Delivery:
    """Return the delivery, marked late and without its pings where it could not be made in time."""
    age_s = (now - delivery.card.seen_at).total_seconds()
    if delivery.kind != "post" or age_s <= late_after_s:
        return delivery
    hours = age_s / 3600
    late = LATE.format(ago=f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days")  # noqa: PLR2004 - two days
    return replace(delivery, card=replace(delivery.card, late=delivery.card.late or late, mentions=()))
