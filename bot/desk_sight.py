"""What one person may see of what is watched, and how they name it. The one place where servers are kept apart. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from bot.desk_names import host_in, named, natural_order, short_name, told_apart
from bot.errors import UserError
from bot.feeds.links import without_credentials
from bot.store.subscriptions import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bot.model import Actor, Article, Feed, Watch
    from bot.store import Holdings, StoredArticle


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, and where. sees: whether they can see a channel of this server. holds: whether a channel is known to be this server's.

    moderates: whether they can see a channel's private threads without being in them. role: the name of the role that makes managers
    beside the permission, "" where there is none.
    """

    guild_id: int
    user_id: int
    is_manager: bool
    sees: Callable[[int], bool]
    holds: Callable[[int], bool]
    moderates: Callable[[int], bool] = lambda _: False
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFeed:
    """A feed as a server knows it. name: unlike that of any other feed there. enabled: it is heard.

    is_declared: it is the operator's, by the configuration file or by their own list, and not to be changed in chat.
    """

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
        listed = {
            one.feed_id: one.name for one in self._holdings.subscriptions if one.guild_id == OPERATOR and one.enabled
        }
        seen: dict[int, SeenFeed] = {}
        for feed in self._holdings.feeds:
            operators = feed.origin == "config" or feed.id in listed
            if operators and feed.state != "paused" and self.hears(feed.id):
                seen[feed.id] = SeenFeed(feed=feed, name=self._name(feed, listed.get(feed.id, "")), is_declared=True)
        for one in own.values():
            feed = by_id[one.feed_id]
            if feed.origin == "config" or feed.id in listed:
                continue
            seen[feed.id] = SeenFeed(
                feed=feed,
                name=self._name(feed, one.name),
                is_declared=False,
                enabled=one.enabled,
                created_by=one.created_by,
            )
        apart = told_apart((one.name, host_in(one.feed.url), one) for _, one in sorted(seen.items()))
        feeds = [replace(one, name=name) for name, one in apart.items()]
        return tuple(sorted(feeds, key=lambda one: natural_order(one.name)))

    @cached_property
    def watches(self) -> tuple[Watch, ...]:
        """The watches of this server whose channel the asker can see, by name."""
        return tuple(filter(self._sees, self.all_watches))

    @cached_property
    def watches_by_name(self) -> Mapping[str, Watch]:
        """The watches that the asker can see, by names that are offered and found again: a declared one gives way to one from chat."""
        return told_apart((one.name, "declared" if one.origin == "config" else "", one) for one in self.watches)

    @cached_property
    def actors_by_name(self) -> Mapping[str, Actor]:
        """The actors, likewise."""
        return told_apart((one.name, "declared" if one.origin == "config" else "", one) for one in self.actors)

    @cached_property
    def all_watches(self) -> tuple[Watch, ...]:
        """The watches of this server, by name, also those that the asker cannot see: to judge by, never to be shown."""
        return tuple(sorted(filter(self._is_ours, self._holdings.watches), key=lambda watch: natural_order(watch.name)))

    def shown(self, watches: Iterable[Watch]) -> tuple[str, ...]:
        """Return what may be said of watches: the names of those that the asker can see, and whether there are others."""
        seen, ids = [], {one.id for one in self.watches}
        hidden = ""
        for one in watches:
            if one.id in ids:
                seen.append(one.name)
            else:
                hidden = "a watch in a channel that you cannot see"
        return (*seen, *filter(None, [hidden]))

    @cached_property
    def actors(self) -> tuple[Actor, ...]:
        """The actors of this server, and the declared ones where declared watches alert."""
        guild_id = self.asker.guild_id
        actors = [
            one for one in self._holdings.actors if one.guild_id == guild_id or (not one.guild_id and self.is_home)
        ]
        return tuple(sorted(actors, key=lambda actor: natural_order(actor.name)))

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The names that `source:` goes by: those that the feeds which this server hears give themselves, or were declared with."""
        return tuple(one.feed.name or host_in(one.feed.url) for one in self.feeds)

    @cached_property
    def is_home(self) -> bool:
        """Whether the operator's own lists are this server's: a declared watch alerts here."""
        return any(one.origin == "config" for one in self.all_watches)

    def hears(self, feed_id: int) -> bool:
        """Return whether this server hears a feed."""
        return feed_id in self.heard_feeds

    @cached_property
    def heard_feeds(self) -> frozenset[int]:
        """Ids of the feeds that this server hears, resting ones too."""
        audiences, guild_id = self._holdings.audiences, self.asker.guild_id
        ids = (feed.id for feed in self._holdings.feeds)
        return frozenset(one for one in ids if one not in audiences or guild_id in audiences[one])

    def decides_on(self, feed: SeenFeed) -> bool:
        """Return whether what becomes of a feed's items is this server's to decide: it alone hears it, or the operator's lists are its."""
        if feed.is_declared:
            return self.is_home
        return self._holdings.audiences.get(feed.feed.id) == frozenset({self.asker.guild_id})

    def watch(self, name: str) -> Watch:
        """Return the watch of that name.

        Raises:
            UserError: there is none that the asker can see.
        """
        return named(name, self.watches_by_name, "watch")

    def actor(self, name: str) -> Actor:
        """Return the actor of that name, else the one that it is an alias of.

        Raises:
            UserError: there is none here, or several bear that alias.
        """
        low = " ".join(name.split()).casefold()
        if low not in {one.casefold() for one in self.actors_by_name}:
            bearers = {one: actor for one, actor in self.actors_by_name.items() if low in self.spellings_of(actor)}
            if len(bearers) > 1:
                raise UserError(f'"{name.strip()}" is an alias of {" and of ".join(bearers)}: say which.')
            for actor in bearers.values():
                return actor
        return named(name, self.actors_by_name, "actor")

    @staticmethod
    def spellings_of(actor: Actor) -> set[str]:
        """Return the aliases of an actor as they are compared."""
        return {" ".join(alias.text.split()).casefold() for alias in actor.aliases if not alias.struck}

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

    def _is_ours(self, watch: Watch) -> bool:
        if watch.origin == "chat":
            return watch.guild_id == self.asker.guild_id
        return watch.home_id == self.asker.guild_id or self.asker.holds(watch.thread_id or watch.channel_id)

    def _sees(self, watch: Watch) -> bool:
        """Return whether the asker can see where a watch alerts. Of an archived thread, unknown to us, its channel's rights decide."""
        asker, place = self.asker, watch.thread_id or watch.channel_id
        if asker.sees(place):
            return True
        if asker.holds(place):
            return False
        if watch.thread_id and asker.holds(watch.channel_id):
            return asker.sees(watch.channel_id) and (not watch.in_private or asker.moderates(watch.channel_id))
        return asker.is_manager and watch.origin == "chat"  # its channel is gone: who else would move or remove it

    @staticmethod
    def _name(feed: Feed, given: str) -> str:
        return short_name(given) or short_name(feed.name) or host_in(feed.url) or "feed"


def need_manager(asker: Asker) -> None:
    """Refuse who may not change things.

    Raises:
        UserError: the asker is no manager.
    """
    if not asker.is_manager:
        role = f" or the role {asker.role}" if asker.role else ""
        raise UserError(f"This is for people with the Manage Server permission{role}: ask one of them.")
