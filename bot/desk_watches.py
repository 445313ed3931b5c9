"""What people do with watches: add, change, pause, remove, look. A query is read before it is kept, and said back in words."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.desk_ledger import in_turn
from bot.desk_names import clean_name, one_line
from bot.desk_queries import doubts_about, meaning_of, read_query
from bot.desk_sight import need_manager
from bot.errors import UserError
from bot.model import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.desk_ledger import Ledger
    from bot.desk_sight import Asker, Sight

MOST_WATCHES = 200
SHOWN_HITS = 3
HITS_OF = timedelta(days=30)
ALL_FEEDS = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchDraft:
    """What a person gave for a watch; None or "" where they gave nothing. place: channel and thread. feeds: names, by commas.

    in_private: the thread is a private one.
    """

    name: str = ""
    query: str = ""
    place: tuple[int, int] | None = None
    mention: int | None = None
    feeds: str = ""
    in_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchView:
    """A watch as it is shown. meaning: its query in words. doubts: sentences. feeds: the names of those that it is limited to."""

    watch: Watch
    meaning: str
    doubts: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchReport:
    """A watch, and what it lately fired on: when it was seen, headline, link."""

    view: WatchView
    hits: tuple[tuple[datetime, str, str], ...]


class WatchDesk:
    """The watches of a server."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def list(self, asker: Asker) -> tuple[Watch, ...]:
        """Return the watches that the asker may see, by name."""
        return (await self.ledger.sight(asker)).watches

    @in_turn
    async def add(self, asker: Asker, draft: WatchDraft) -> WatchView:
        """Keep a watch; it is in force when this returns.

        Raises:
            QueryError: the query cannot be read.
            UserError: something else is wrong with it.
        """
        need_manager(asker)
        sight = await self.ledger.sight(asker)
        own = [one for one in sight.all_watches if one.origin == "chat"]
        if len(own) >= MOST_WATCHES:
            raise UserError(f"A server may have {MOST_WATCHES} watches: remove one first, or join two with OR.")
        channel_id, thread_id = draft.place or (0, 0)
        watch = Watch(
            guild_id=asker.guild_id,
            name=clean_name(draft.name, "watch"),
            query=draft.query.strip(),
            channel_id=channel_id,
            thread_id=thread_id,
            mention=draft.mention or 0,
            origin="chat",
            feeds=feeds_named(sight, draft.feeds),
            home_id=asker.guild_id,
            in_private=draft.in_private,
        )
        _refuse_declared_name(sight, watch.name)
        view = await self._view(sight, watch)
        watch_id = await self.ledger.store.chat.add_watch(watch, by=asker.user_id, now=self.ledger.clock())
        await self.ledger.changed()
        return replace(view, watch=replace(watch, id=watch_id))

    @in_turn
    async def edit(self, asker: Asker, name: str, draft: WatchDraft) -> WatchView:
        """Change what the draft gives of a watch; it is in force when this returns.

        Raises:
            QueryError: the query cannot be read.
            UserError: it is declared, not here, or something is wrong with the draft.
        """
        sight, watch = await self._own(asker, name)
        if draft == WatchDraft():
            raise UserError("Say what to change: name, query, channel, mention, mention_off or feeds.")
        new_name = clean_name(draft.name, "watch") if draft.name else watch.name
        if new_name.casefold() != watch.name.casefold():
            _refuse_declared_name(sight, new_name)
        channel_id, thread_id = draft.place or (watch.channel_id, watch.thread_id)
        changed = replace(
            watch,
            name=new_name,
            query=draft.query.strip() or watch.query,
            channel_id=channel_id,
            thread_id=thread_id,
            in_private=draft.in_private if draft.place else watch.in_private,
            mention=watch.mention if draft.mention is None else draft.mention,
            feeds=feeds_named(sight, draft.feeds) if draft.feeds else watch.feeds,
        )
        view = await self._view(sight, changed)
        await self.ledger.store.chat.edit_watch(changed, now=self.ledger.clock())
        await self.ledger.changed()
        return view

    @in_turn
    async def switch(self, asker: Asker, name: str, *, on: bool) -> Watch:
        """Pause or resume a watch.

        Raises:
            UserError: it is declared, not here, or so already.
        """
        _, watch = await self._own(asker, name)
        if watch.enabled is on:
            raise UserError(f"{watch.name} {'is not paused' if on else 'is paused already'}: nothing to do.")
        await self.ledger.store.chat.edit_watch(replace(watch, enabled=on), now=self.ledger.clock())
        await self.ledger.changed()
        return replace(watch, enabled=on)

    async def one_to_change(self, asker: Asker, name: str) -> Watch:
        """Return a watch that may be changed here: what a confirmation shows.

        Raises:
            UserError: it is declared, or not here.
        """
        return (await self._own(asker, name))[1]

    @in_turn
    async def remove(self, asker: Asker, watch: Watch) -> None:
        """Remove a watch as it was shown; the alerts that it raised stay.

        Raises:
            UserError: the asker may not, or it was changed or removed since.
        """
        need_manager(asker)
        now = next((one for one in (await self.ledger.sight(asker)).watches if one.id == watch.id), None)
        if now is None:
            raise UserError(f'"{watch.name}" is not here any more: somebody removed it.')
        if replace(now, enabled=watch.enabled, since_at=watch.since_at) != watch:
            raise UserError(f'"{watch.name}" was changed meanwhile: look at it with /watch show, then ask again.')
        await self.ledger.store.chat.remove_watch(asker.guild_id, watch.id)
        await self.ledger.changed()

    async def show(self, asker: Asker, name: str) -> WatchReport:
        """Return a watch and what it lately fired on.

        Raises:
            UserError: the asker can see none of that name.
        """
        sight = await self.ledger.sight(asker)
        watch = sight.watch(name)
        since = self.ledger.clock() - HITS_OF
        hits = await self.ledger.store.archive.hits_of([watch.id], since=since, limit=SHOWN_HITS)
        articles = await self.ledger.store.archive.articles_of([item_id for item_id, _, _ in hits])
        try:
            view = await self._view(sight, watch)
        except UserError as error:  # its actor was removed since, say: it is shown all the same
            view = WatchView(watch=watch, meaning="", doubts=(str(error),), feeds=_feed_names(sight, watch))
        return WatchReport(view=view, hits=tuple((one.seen_at, one.article.title, one.article.url) for one in articles))

    async def _own(self, asker: Asker, name: str) -> tuple[Sight, Watch]:
        need_manager(asker)
        sight = await self.ledger.sight(asker)
        watch = sight.watch(name)
        if watch.origin == "config":
            raise UserError(
                f'"{watch.name}" is declared in the configuration file: change its [[watches]] entry there and reload.'
            )
        return sight, watch

    async def _view(self, sight: Sight, watch: Watch) -> WatchView:
        query = await asyncio.to_thread(read_query, watch.query, sight.actors, sight.asker.guild_id)
        return WatchView(
            watch=watch,
            meaning=meaning_of(query.root),
            doubts=tuple(doubts_about(query, sight.sources)),
            feeds=_feed_names(sight, watch),
        )


def feeds_named(sight: Sight, typed: str) -> tuple[int, ...]:
    """Return the feeds that a person named, by commas; none for "all".

    Raises:
        UserError: this server hears no feed of such a name.
    """
    if typed.strip().casefold() == ALL_FEEDS:
        return ()
    whole = {one.name.casefold(): one for one in sight.feeds}
    if typed.strip().casefold() in whole:  # a name may hold a comma
        return (whole[typed.strip().casefold()].feed.id,)
    names = [part.strip() for part in typed.split(",") if part.strip()]
    if typed and not names:
        raise UserError("Say which feeds, by commas; all for every feed that this server hears.")
    return tuple(dict.fromkeys(sight.feed(name).feed.id for name in names))


def _feed_names(sight: Sight, watch: Watch) -> tuple[str, ...]:
    return tuple(map(sight.feed_name, watch.feeds))


def _refuse_declared_name(sight: Sight, name: str) -> None:
    taken: Sequence[str] = [one.name for one in sight.all_watches if one.origin == "config"]
    if name.casefold() in {one_line(one).casefold() for one in taken}:
        raise UserError(f'The configuration file declares a watch "{name}" already: take another name.')
