"""What the desks share: the store, the clock, whose turn it is to change something, and the last look at it all.

The one place that keeps anything in memory between two questions, so that names are offered while somebody types.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from bot.desk_sight import Sight
from bot.errors import UserError, WireError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from datetime import datetime

    from bot.desk_sight import Asker
    from bot.pipeline import Pipeline, Watching
    from bot.store import Holdings, Store

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class HasLedger(Protocol):
    """A desk."""

    @property
    def ledger(self) -> Ledger:
        """Return what it shares with the others."""


D = TypeVar("D", bound=HasLedger)


def in_turn(
    change: Callable[Concatenate[D, Asker, P], Awaitable[T]],
) -> Callable[Concatenate[D, Asker, P], Coroutine[Any, Any, T]]:
    """Return a change of a desk that waits until nobody else of the asker's server is at one."""

    @functools.wraps(change)
    async def one_after_another(desk: D, asker: Asker, /, *args: P.args, **named: P.kwargs) -> T:
        async with desk.ledger.turn(asker):
            return await change(desk, asker, *args, **named)

    return one_after_another


class Ledger:
    """What the desks share: the store, the pipeline, the clock, what is to happen after a change, and the last look at it all."""

    def __init__(
        self,
        store: Store,
        *,
        pipeline: Pipeline,
        clock: Callable[[], datetime],
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        self.store = store
        self.pipeline = pipeline
        self.clock = clock
        self._refresh = refresh
        self._changing = asyncio.Lock()
        self._turns: dict[int, asyncio.Lock] = {}
        self._memory: dict[int, Holdings] = {}
        self._seen_with: Watching | None = None

    async def sight(self, asker: Asker) -> Sight:
        """Return what the asker may see at this moment."""
        holdings = await self._look(asker.guild_id)
        unplaced = {one.channel_id for one in holdings.watches if one.origin == "config" and not one.home_id}
        homes = {channel_id: asker.guild_id for channel_id in unplaced if channel_id and asker.holds(channel_id)}
        if homes and await self.store.chat.settle_homes(homes):  # declared since the bot met its servers
            await self.changed()
            holdings = await self._look(asker.guild_id)
        return Sight(holdings, asker)

    async def glance(self, asker: Asker) -> Sight:
        """Return what the asker may see, from memory; the store is asked again only after what is watched was swapped."""
        if self._seen_with is self.pipeline.watching and asker.guild_id in self._memory:
            return Sight(self._memory[asker.guild_id], asker)
        return await self.sight(asker)

    def turn(self, asker: Asker) -> asyncio.Lock:
        """Return what a server's people hold while they look, judge and change: one after another, so that no change is lost."""
        return self._turns.setdefault(asker.guild_id, asyncio.Lock())

    async def changed(self) -> None:
        """Let a change take effect: compile anew what is watched, one change after another.

        Raises:
            UserError: it is stored, but not in force yet.
        """
        async with self._changing:
            try:
                await self._refresh()
            except WireError as error:
                log.warning("event=change_waits reason=%r", str(error))
                raise UserError(
                    "That is kept, but not in force yet: what it takes could not be worked out just now. Any later change brings it about."
                ) from error

    async def _look(self, guild_id: int) -> Holdings:
        seen_with = self.pipeline.watching
        holdings = await self.store.chat.holdings(guild_id)
        if self._seen_with is not seen_with:
            self._memory, self._seen_with = {}, seen_with
        self._memory[guild_id] = holdings
        return holdings
