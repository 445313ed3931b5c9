"""poll_feed, read_item, read_page_again: the only place where network, workers, reading and store meet.

Each call takes one feed or one item from one durable state to the next and ends in one commit; a crash before it changes nothing.
The stages themselves stand in `polling` and `item_reading`; here is what they work with, and what is swapped on a reload.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.item_reading import ItemReading
from bot.means import Habits, Watching
from bot.polling import Polling

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bot.model import Feed, Item
    from bot.store import Store
    from bot.web.fetch import Fetched, Web
    from bot.workers import Workers

__all__ = ["Habits", "Pipeline", "Watching"]


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """The stages, with what they need. `watching`, `habits` and `web` may be replaced between two calls (a reload).

    notice: told one line when a feed's trouble begins, changes or ends.
    """

    store: Store
    web: Web
    workers: Workers
    watching: Watching
    habits: Habits
    clock: Callable[[], datetime]
    notice: Callable[[str], None] = lambda _: None
    chance: Callable[[], float] = random.random
    _polling: Polling = field(init=False)
    _reading: ItemReading = field(init=False)

    def __post_init__(self) -> None:
        self._polling, self._reading = Polling(self), ItemReading(self)

    async def poll_feed(self, feed: Feed, answer: Fetched | None = None) -> int:
        """Ask a feed once and commit what came of it; return how many new or edited items it held.

        answer: what it gave a moment ago, so that it is not asked again. A feed's trouble is committed as its state, never raised.

        Raises:
            StoreError: the outcome could not be committed; the feed stays due.
        """
        return await self._polling.poll_feed(feed, answer)

    def interval_s(self, feed: Feed) -> float:
        """Return how long a feed is left alone between two polls at the least."""
        return self._polling.interval_s(feed)

    async def read_item(self, item: Item) -> None:
        """Read an item that is to be read: its page within eight seconds, else what the feed gave; match it; commit what is owed.

        Raises:
            StoreError: the reading could not be committed; the item stays to be read.
        """
        await self._reading.read_item(item)

    async def read_page_again(self, item: Item) -> None:
        """Try the page of an item that was read as a teaser; where it comes, read the item again, else put the page off.

        Raises:
            StoreError: nothing was committed; the page stays owed.
        """
        await self._reading.read_page_again(item)
