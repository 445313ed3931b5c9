"""What the tests of the outlet share: an outlet in this process, with a Discord of our own at the other end of real sockets."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.errors import DeliveryError
from cogs._outlet import DiscordOutlet, Patience
from tests.card_fakes import AT, DELIVERY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import discord

    from bot.errors import WireError
    from bot.model import Delivery
    from tests.standin import StandIn


class Desk:
    """An outlet, what it said, and the deliveries and answers that it is tried with. now: its clock; rights: what the gateway said last."""

    def __init__(self, stand: StandIn, patience: Patience) -> None:
        self.stand = stand
        self.said: list[str] = []
        self.refused: list[WireError] = []
        self.rights: discord.Permissions | None = None
        self.now = AT
        self.outlet = DiscordOutlet(
            stand.token,
            clock=lambda: self.now,
            log_channel=stand.log.id,
            rights=lambda _: self.rights,
            standing=lambda _: "as it is",
            on_refused=self.refused.append,
            say=self.said.append,
            patience=patience,
        )

    def delivery(self, **changes: object) -> Delivery:
        card = replace(DELIVERY.card, mentions=())
        return replace(replace(DELIVERY, channel_id=self.stand.alerts.id, card=card), **changes)  # type: ignore[arg-type] # a test's own fields

    def doubtful(self, **age: float) -> Delivery:
        return self.delivery(in_doubt=True, first_sent_at=self.now - timedelta(**age))

    async def failure(self, delivery: Delivery, *, edit: bool = False) -> DeliveryError:
        with pytest.raises(DeliveryError) as met:
            await (self.outlet.edit(delivery) if edit else self.outlet.post(delivery))
        return met.value


@asynccontextmanager
async def opened(stand: StandIn, **patience: float) -> AsyncIterator[Desk]:
    """Open an outlet whose patience is this."""
    desk = Desk(stand, Patience(**patience))
    try:
        yield desk
    finally:
        await desk.outlet.close()
