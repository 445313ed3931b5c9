"""What people ask and do: plain values in, values out.

Slash commands and terminal commands share it, so that both stay thin. It asks the pure rooms and the store; it draws nothing. `Desk` is
the one object that chat is handed; what it answers stands in desk_feeds, desk_watches, desk_actors and desk_news.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.desk_actors import ActorDesk
from bot.desk_feeds import FeedDesk
from bot.desk_house import Condition, House, house_of
from bot.desk_ledger import Ledger
from bot.desk_news import NewsDesk
from bot.desk_opml import OpmlDesk
from bot.desk_watches import WatchDesk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from bot.desk_news import Forms
    from bot.desk_sight import Asker, Sight
    from bot.model import Watch, WordForm
    from bot.pipeline import Pipeline
    from bot.store import Store


class Desk:
    """All that chat may ask and do. feeds, lists, watches, actors, news: the desks; `glance` serves names from memory."""

    def __init__(
        self,
        store: Store,
        *,
        pipeline: Pipeline,
        clock: Callable[[], datetime],
        refresh: Callable[[], Awaitable[None]],
        forms: Forms | None = None,
        condition: Callable[[], Condition] = Condition,
    ) -> None:
        """Join the desks.

        refresh: compiles anew what is watched, and wakes what may have become due. forms: the other forms of the words of queries,
        for searches; without it words count as they are typed. condition: what the engine knows of itself.
        """
        self._ledger = Ledger(store, pipeline=pipeline, clock=clock, refresh=refresh)
        self.clock = clock
        self.feeds = FeedDesk(self._ledger)
        self.lists = OpmlDesk(self._ledger)
        self.watches = WatchDesk(self._ledger)
        self.actors = ActorDesk(self._ledger)
        self.news = NewsDesk(self._ledger, forms or _no_forms)
        self._condition = condition

    async def house(self, asker: Asker) -> House:
        """Return how the program itself is, as far as the asker may know it."""
        return await house_of(self._ledger, self._condition(), asker)

    async def glance(self, asker: Asker) -> Sight:
        """Return what the asker may see, from memory: for what is asked at every key stroke."""
        return await self._ledger.glance(asker)


async def _no_forms(_: Sequence[Watch]) -> Mapping[str, Sequence[WordForm]]:
    return {}
