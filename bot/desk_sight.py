"""What one person may see of what is watched, and how they name it. The one place where servers are kept apart.

Pure but for `Ledger`, which keeps the last look at the store in memory, so that names are offered while somebody types.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from bot.errors import UserError, WireError
from bot.feeds.links import without_credentials
from bot.plurals import plural_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import datetime

    from bot.model import Actor, Article, Feed, Watch
    from bot.pipeline import Pipeline, Watching
    from bot.store import Holdings, Store, StoredArticle

T = TypeVar("T")

log = logging.getLogger(__name__)

NAME_CHARS = 100
OFFERS = 25
CLOSEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, and where. sees: whether they can see a channel of this server. holds: whether a channel is this server's."""

    guild_id: int
    user_id: int
    is_manager: bool
    sees: Callable[[int], bool]
    holds: Callable[[int], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFeed:
    """A feed as a server knows it. name: unlike that of any other feed there. enabled: it is heard."""

    feed: Feed
    name: str
    is_declared: bool
    enabled: bool = True
    created_by: int = 0


class Sight:
    """What is known, as one person may see it."""

    def __init__(self, holdings: Holdings, asker: Asker) -> None:
        self._holdings = holdings
        self.asker = asker

    @cached_property
    def feeds(self) -> tuple[SeenFeed, ...]:
        """The feeds that this server hears or has paused, by name."""
        by_id = {feed.id: feed for feed in self._holdings.feeds}
        own = {one.feed_id: one for one in self._holdings.subscriptions if one.guild_id == self.asker.guild_id}
        seen: dict[int, SeenFeed] = {}
        for feed in self._holdings.feeds:
            if feed.origin == "config" and feed.state != "paused" and self.hears(feed.id):
                seen[feed.id] = SeenFeed(feed=feed, name=self._name(feed, ""), is_declared=True)
        for one in own.values():
            feed = by_id[one.feed_id]
            if feed.origin == "config":
                continue
            seen[feed.id] = SeenFeed(
                feed=feed,
                name=self._name(feed, one.name),
                is_declared=False,
                enabled=one.enabled,
                created_by=one.created_by,
            )
        names = Counter(each.name.casefold() for each in seen.values())
        return tuple(
            sorted(
                (one if names[one.name.casefold()] == 1 else _told_apart(one) for one in seen.values()),
                key=lambda one: one.name.casefold(),
            )
        )

    @cached_property
    def watches(self) -> tuple[Watch, ...]:
        """The watches of this server whose channel the asker can see; of a manager, all."""
        return tuple(sorted(filter(self._may_see, self._holdings.watches), key=lambda watch: watch.name.casefold()))

    @cached_property
    def actors(self) -> tuple[Actor, ...]:
        """The actors of this server, and the declared ones where declared watches alert."""
        guild_id = self.asker.guild_id
        actors = [
            one for one in self._holdings.actors if one.guild_id == guild_id or (not one.guild_id and self.is_home)
        ]
        return tuple(sorted(actors, key=lambda actor: actor.name.casefold()))

    @cached_property
    def is_home(self) -> bool:
        """Whether the operator's own lists are this server's: a declared watch alerts here, or none alerts anywhere."""
        placed = [one for one in self._holdings.watches if one.origin == "config" and one.channel_id]
        return not placed or any(self.asker.holds(one.thread_id or one.channel_id) for one in placed)

    def hears(self, feed_id: int) -> bool:
        """Return whether this server hears a feed."""
        guilds = self._holdings.audiences.get(feed_id)
        return guilds is None or self.asker.guild_id in guilds

    @property
    def heard_feeds(self) -> frozenset[int] | None:
        """Ids of the feeds that this server hears, resting ones too; None where it hears all."""
        heard = frozenset(feed.id for feed in self._holdings.feeds if self.hears(feed.id))
        return None if len(heard) == len(self._holdings.feeds) else heard

    def watch(self, name: str) -> Watch:
        """Return the watch of that name.

        Raises:
            UserError: there is none that the asker can see.
        """
        return named(name, {one.name: one for one in self.watches}, "watch")

    def actor(self, name: str) -> Actor:
        """Return the actor of that name.

        Raises:
            UserError: there is none here.
        """
        return named(name, {one.name: one for one in self.actors}, "actor")

    def feed(self, name: str) -> SeenFeed:
        """Return the feed of that name or address.

        Raises:
            UserError: this server hears no such feed.
        """
        for one in self.feeds:
            if name.strip() in {one.feed.url, without_credentials(one.feed.url)}:
                return one
        return named(name, {one.name: one for one in self.feeds}, "feed")

    def feed_name(self, feed_id: int) -> str:
        """Return how this server calls a feed."""
        return next((one.name for one in self.feeds if one.feed.id == feed_id), "a feed that is gone")

    def article(self, stored: StoredArticle) -> Article:
        """Return an article as this server reads it: its source under the name that was given to the feed here."""
        own = self._names_given.get(stored.feed_id)
        return replace(stored.article, source=own) if own else stored.article

    @cached_property
    def _names_given(self) -> Mapping[int, str]:
        declared = {feed.id for feed in self._holdings.feeds if feed.origin == "config"}
        own = [one for one in self._holdings.subscriptions if one.guild_id == self.asker.guild_id]
        return {one.feed_id: one.name for one in own if one.feed_id not in declared}

    def _may_see(self, watch: Watch) -> bool:
        place = watch.thread_id or watch.channel_id
        if watch.origin == "config":
            return self.asker.holds(place) and (self.asker.is_manager or self.asker.sees(place))
        if watch.guild_id != self.asker.guild_id:
            return False
        return self.asker.is_manager or self.asker.sees(place)

    @staticmethod
    def _name(feed: Feed, given: str) -> str:
        return short_name(given or feed.name or host_in(feed.url) or "feed")


def host_in(url: str) -> str:
    """Return the host and port that an address leads to."""
    return re.split(r"[/?#]", without_credentials(url).partition("://")[2])[0]


def short_name(text: str) -> str:
    """Return a name on one line, short enough to be offered."""
    line = " ".join(text.split())
    return line if len(line) <= NAME_CHARS else line[: NAME_CHARS - 1] + "…"


def _told_apart(one: SeenFeed) -> SeenFeed:
    rest = without_credentials(one.feed.url).partition("://")[2].partition("?")[0]
    name = f"{one.name[:40]} · {rest[-50:]}" if not one.is_declared else f"{one.name[:40]} · declared {one.feed.id}"
    return SeenFeed(
        feed=one.feed, name=name, is_declared=one.is_declared, enabled=one.enabled, created_by=one.created_by
    )


def named(name: str, known: Mapping[str, T], noun: str) -> T:
    """Return what bears this name, whatever its case.

    Raises:
        UserError: nothing does; names the closest.
    """
    wanted = " ".join(name.split())
    if wanted in known:
        return known[wanted]
    by_low = {one.casefold(): one for one in known}
    low = wanted.casefold()
    if low in by_low:
        return known[by_low[low]]
    closest = [by_low[one] for one in get_close_matches(low, by_low, n=CLOSEST, cutoff=0.5)]
    way_out = f"Closest: {', '.join(closest)}." if closest else f"/{noun} list shows the {plural_of(noun)} you can see."
    raise UserError(f'There is no {noun} "{wanted[:NAME_CHARS]}" here. {way_out}')


def offers_for(typed: str, names: Iterable[str]) -> list[str]:
    """Return what may be meant by what is typed so far, best first: what begins so, then a word that does, then what holds it."""
    wanted = " ".join(typed.split()).casefold()
    ranked: list[tuple[int, int, str]] = []
    for place, name in enumerate(dict.fromkeys(names)):
        low = name.casefold()
        if low.startswith(wanted):
            rank = 0
        elif any(word.startswith(wanted) for word in low.split()):
            rank = 1
        elif wanted in low:
            rank = 2
        else:
            continue
        if len(name) <= NAME_CHARS:
            ranked.append((rank, place, name))
    return [name for _, _, name in sorted(ranked)[:OFFERS]]


def need_manager(asker: Asker) -> None:
    """Refuse who may not change things.

    Raises:
        UserError: the asker is no manager.
    """
    if not asker.is_manager:
        raise UserError("This is for people with the Manage Server permission: ask one of them.")


def clean_name(name: str, noun: str) -> str:
    """Return a name that was typed, on one line.

    Raises:
        UserError: it is empty or too long.
    """
    line = " ".join(name.split())
    if not any(map(str.isalnum, line)):
        raise UserError(f"A {noun} needs a name with at least one letter or digit.")
    if len(line) > NAME_CHARS:
        raise UserError(f"A name may have {NAME_CHARS} characters; this one has {len(line)}.")
    return line


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
        self._memory: Holdings | None = None
        self._seen_with: Watching | None = None

    async def sight(self, asker: Asker) -> Sight:
        """Return what the asker may see at this moment."""
        holdings = await self._look()
        unplaced = {one.channel_id for one in holdings.watches if one.origin == "config" and not one.home_id}
        homes = {channel_id: asker.guild_id for channel_id in unplaced if channel_id and asker.holds(channel_id)}
        if homes and await self.store.chat.settle_homes(homes):  # declared since the bot met its servers
            await self.changed()
            holdings = await self._look()
        return Sight(holdings, asker)

    async def glance(self, asker: Asker) -> Sight:
        """Return what the asker may see, from memory; the store is asked again only after what is watched was swapped."""
        if self._memory is None or self._seen_with is not self.pipeline.watching:
            return await self.sight(asker)
        return Sight(self._memory, asker)

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
            await self._look()

    async def _look(self) -> Holdings:
        seen_with = self.pipeline.watching
        self._memory = await self.store.chat.holdings()
        self._seen_with = seen_with
        return self._memory
