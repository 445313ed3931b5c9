"""What people do with feeds: add, look, pause, remove. Plain values in, values out; every refusal is a sentence.

A feed that is added is asked at once, in the asker's presence: what it holds is its baseline, and what is wrong with it is said. A page
leads to the feed that it names. Nothing is stored before the feed was read.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.desk_ledger import in_turn
from bot.desk_names import clean_name, host_in
from bot.desk_sight import need_manager
from bot.errors import FeedError, UserError
from bot.feeds.links import without_credentials
from bot.feeds.notices import remarks_on, span
from bot.toml_table import duration_s, shown_duration

if TYPE_CHECKING:
    from datetime import datetime

    from bot.desk_ledger import Ledger
    from bot.desk_sight import Asker, SeenFeed, Sight
    from bot.discovery import FoundFeed
    from bot.model import Feed, ParsedFeed
    from bot.store import FeedLine
    from bot.web.fetch import Fetched

PATIENCE_S = 10.0
MOST_FEEDS = 500
PUBLIC_FLOOR_S = 300.0
PRIVATE_FLOOR_S = 1.0
LONGEST_S = 7 * 86400.0
SHOWN_ITEMS = 3
URL_CHARS = 2_000
DEFAULT = "default"
RELEASE_GAP_S = 60.0
LOOKS_KEPT = 20
STATES = {
    "new": "waits to be read",
    "ok": "works",
    "slow": "slow",
    "failing": "fails",
    "blocked": "refuses us",
    "limited": "asked us to wait",
    "suspect": "looks wrong",
    "moved": "has moved",
    "gone": "is gone",
    "paused": "paused",
}
AGAIN = re.compile(r"; it is tried again later")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedFeed:
    """A feed that a server now hears. items: how many its document holds, none of which is posted. reopened: but the newest one.

    page: the address that was given, where it led to the feed without being it. problems: what is wrong with the document.
    """

    feed: SeenFeed
    items: int
    newest: tuple[FeedLine, ...]
    reopened: bool
    page: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReport:
    """What a feed gave: one that is heard here (feed), or one that was only looked at (parsed).

    page: the address that was given, where it led to the feed without being it. fresh_s: how long the answer asked to be called fresh.
    """

    address: str
    feed: SeenFeed | None = None
    items: int = 0
    newest: tuple[FeedLine, ...] = ()
    parsed: ParsedFeed | None = None
    page: str = ""
    fresh_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedFeed:
    """A feed that was released, as it was before. items: how many it held back."""

    feed: SeenFeed
    items: int


class FeedDesk:
    """The feeds of a server."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._looks: dict[str, tuple[datetime, FeedReport]] = {}

    async def list(self, asker: Asker, *, state: str = "") -> tuple[SeenFeed, ...]:
        """Return the feeds that this server hears or has paused, by name; state: only those in it."""
        feeds = (await self.ledger.sight(asker)).feeds
        return tuple(one for one in feeds if not state or state_of(one) == state)

    async def add(self, asker: Asker, url: str, *, name: str = "", backfill: bool = False) -> AddedFeed:
        """Subscribe this server to a feed, and read it at once; a page stands for the feed that it names.

        backfill: its newest item counts as new, unless another server hears the feed already.

        Raises:
            UserError: it is no feed, cannot be had, or is heard here already.
            ChoiceError: it is a page that names several feeds.
        """
        need_manager(asker)
        ledger, url = self.ledger, address_in(url)
        name = clean_name(name, "feed") if name else ""
        sight = await ledger.sight(asker)
        if any(one.feed.url == url for one in sight.feeds):
            raise UserError("This server has that feed already: /feed list shows it.")
        if sum(not one.is_declared for one in sight.feeds) >= MOST_FEEDS:
            raise UserError(f"A server may have {MOST_FEEDS} feeds: remove one first.")
        found = None if await self._is_read(url) else await self._find(url)
        feed_id, fresh = await ledger.store.chat.add_feed(
            asker.guild_id, found.url if found else url, by=asker.user_id, now=ledger.clock()
        )
        if fresh:
            await self._read_first(asker, feed_id, found.answer if found else None)
        await ledger.store.chat.edit_feed(asker.guild_id, feed_id, name=name or None, interval_s=None)
        # Of a shared feed nothing is opened anew: other servers would be told of it too.
        reopened = backfill and fresh and await ledger.store.chat.reopen_newest(asker.guild_id, feed_id)
        await ledger.changed()
        items, newest = await ledger.store.archive.feed_lines(feed_id, limit=SHOWN_ITEMS)
        feed = next(one for one in (await ledger.glance(asker)).feeds if one.feed.id == feed_id)
        return AddedFeed(
            feed=feed,
            items=items,
            newest=newest,
            reopened=reopened,
            page=found.page if found else "",
            problems=found.feed.problems if found else (),
        )

    @in_turn
    async def edit(self, asker: Asker, name: str, *, new_name: str = "", interval: str = "") -> SeenFeed:
        """Give a feed another name, or another shortest interval; return it as it is now.

        Raises:
            UserError: it is declared, not here, or what is asked for cannot be.
        """
        feed = await self._own(asker, name)
        if not new_name and not interval:
            raise UserError("Say what to change: name, or interval (such as 10m).")
        interval_s = self._interval_s(feed.feed, interval) if interval else None
        await self.ledger.store.chat.edit_feed(
            asker.guild_id,
            feed.feed.id,
            name=_name(new_name) if new_name else None,
            interval_s=interval_s,
        )
        return await self._after(asker, feed)

    @in_turn
    async def switch(self, asker: Asker, name: str, *, on: bool) -> SeenFeed:
        """Pause or resume a feed for this server.

        Raises:
            UserError: it is declared, not here, or so already.
        """
        feed = await self._own(asker, name)
        if feed.enabled is on:
            raise UserError(f"{feed.name} {'is not paused' if on else 'is paused already'}: nothing to do.")
        await self.ledger.store.chat.switch_feed(asker.guild_id, feed.feed.id, on=on, now=self.ledger.clock())
        return await self._after(asker, feed)

    async def release(self, asker: Asker, name: str, *, drop: bool = False) -> ReleasedFeed:
        """Let through what a feed held back, or drop it; else ask one that is in trouble again at once, whatever its back-off says.

        Raises:
            UserError: it is not here, is paused, holds nothing back and is in no trouble, or may not be asked just now; for drop also
                where it is not this server's alone to decide.
        """
        need_manager(asker)
        sight = await self.ledger.sight(asker)
        feed = sight.feed(name)
        if not feed.enabled:
            raise UserError(f"{feed.name} is paused: /feed resume lets it go on.")
        if drop and not feed.feed.held:
            raise UserError(f"Nothing is held back: {feed.name} has no items to drop.")
        if drop and not sight.decides_on(feed):
            raise UserError("Other servers hear this feed too: its items can be let through from here, not dropped.")
        if not feed.feed.held:
            self._refuse_too_soon(feed)
        items = await self.ledger.store.release_feed(feed.feed.id, drop=drop)
        await self.ledger.changed()
        return ReleasedFeed(feed=feed, items=items)

    def _refuse_too_soon(self, feed: SeenFeed) -> None:
        """Refuse to have a feed asked that works, that was asked a moment ago, or whose host wants to be left alone."""
        if feed.feed.state in {"new", "ok", "slow", "moved"} and not feed.feed.last_error:
            raise UserError(f"Nothing is held back: {feed.name} works.")
        now, asked_at, rests_until_at = self.ledger.clock(), feed.feed.last_poll_at, feed.feed.host_rest_until_at
        if rests_until_at and rests_until_at > now:
            left = span((rests_until_at - now).total_seconds())
            raise UserError(f"Its host asked to be left alone: {feed.name} can be asked again in {left}, and then is.")
        left_s = RELEASE_GAP_S - (now - asked_at).total_seconds() if asked_at else 0.0
        if left_s > 0:
            raise UserError(f"{feed.name} was asked less than a minute ago: it can be asked again in {left_s:.0f} s.")

    def remarks(self, feed: SeenFeed) -> tuple[str, ...]:
        """Return what is remarkable about a feed, a sentence each."""
        return remarks_on(feed.feed, interval_s=feed.feed.interval_s or self.ledger.pipeline.habits.interval_s)

    async def one_to_change(self, asker: Asker, name: str) -> tuple[SeenFeed, tuple[str, ...]]:
        """Return a feed that may be changed here, and the watches that listen to nothing else: what a confirmation shows.

        Raises:
            UserError: it is declared, or not here.
        """
        feed = await self._own(asker, name)
        sight = await self.ledger.glance(asker)
        return feed, sight.shown(watch for watch in sight.all_watches if watch.feeds == (feed.feed.id,))

    @in_turn
    async def remove(self, asker: Asker, feed: SeenFeed) -> None:
        """Remove a feed from this server.

        Raises:
            UserError: the asker may not, or it is not heard here any more.
        """
        need_manager(asker)
        if feed.feed.id not in {one.feed.id for one in (await self.ledger.sight(asker)).feeds if not one.is_declared}:
            raise UserError(f"{feed.name} is not heard here any more: somebody removed it.")
        await self.ledger.store.chat.remove_feed(asker.guild_id, feed.feed.id)
        await self.ledger.changed()

    async def test(self, asker: Asker, name_or_url: str) -> FeedReport:
        """Return what a feed gave when it was last asked; of an address that is not heard here, what it gives now. Changes nothing.

        Raises:
            UserError: there is no such feed, or the asker may not have addresses fetched.
            ChoiceError: it is a page that names several feeds.
        """
        sight = await self.ledger.sight(asker)
        if "://" in name_or_url and not _known(sight, name_or_url):
            need_manager(asker)
            return await self._look_again(address_in(name_or_url))
        feed = sight.feed(name_or_url)
        items, newest = await self.ledger.store.archive.feed_lines(feed.feed.id, limit=SHOWN_ITEMS)
        return FeedReport(address=shown_address(feed, asker), feed=feed, items=items, newest=newest)

    async def _look_again(self, url: str) -> FeedReport:
        """Return what an address gives; who looks again within a minute sees the same, and its server is not asked."""
        now = self.ledger.clock()
        kept = {one: look for one, look in self._looks.items() if (now - look[0]).total_seconds() < RELEASE_GAP_S}
        self._looks = dict(list(kept.items())[-LOOKS_KEPT:])
        if url not in self._looks:
            found = await self._find(url)
            report = FeedReport(
                address=without_credentials(found.url),
                parsed=found.feed,
                page=without_credentials(found.page),
                fresh_s=found.answer.fresh_s,
            )
            self._looks[url] = (now, report)
        return self._looks[url][1]

    async def _is_read(self, url: str) -> bool:
        """Return whether the feed at this address is polled already, so that nothing need be asked of it."""
        feeds = await self.ledger.store.feeds()
        return any(one.url == url and one.subscribed_at and one.state != "paused" for one in feeds)

    async def _find(self, url: str) -> FoundFeed:
        from bot.discovery import find_feed  # noqa: PLC0415 - whoever only reads a file needs no HTTP client

        pipeline = self.ledger.pipeline
        try:
            return await find_feed(url, web=pipeline.web, workers=pipeline.workers, patience_s=PATIENCE_S)
        except FeedError as error:
            raise UserError(_now(str(error))) from None

    async def _read_first(self, asker: Asker, feed_id: int, answer: Fetched | None) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                fault = await self._first_fault(feed_id, answer)
        except BaseException as error:  # also a cancelled one: nothing half added stays
            await asyncio.shield(self.ledger.store.chat.remove_feed(asker.guild_id, feed_id))
            if isinstance(error, TimeoutError):
                raise _too_slow() from None
            raise
        if fault:
            await self.ledger.store.chat.remove_feed(asker.guild_id, feed_id)
            raise UserError(fault)

    async def _first_fault(self, feed_id: int, answer: Fetched | None) -> str:
        """Return what is wrong with a feed that was never read, "" where it now was."""
        quiet = replace(self.ledger.pipeline, notice=lambda _: None)  # the asker is told, the operator need not be
        await quiet.poll_feed(await self._feed(feed_id), answer)
        feed = await self._feed(feed_id)
        if feed.subscribed_at is not None:
            return ""
        return _now(feed.last_error) or "Its host asked to be left alone for now: try again later."

    async def _feed(self, feed_id: int) -> Feed:
        return next(feed for feed in await self.ledger.store.feeds() if feed.id == feed_id)

    async def _own(self, asker: Asker, name: str) -> SeenFeed:
        need_manager(asker)
        feed = (await self.ledger.sight(asker)).feed(name)
        if feed.is_declared and feed.feed.origin == "chat":
            raise UserError(f"{feed.name} is on the operator's own list: wirewatch opml import --replace changes that.")
        if feed.is_declared:
            raise UserError(
                f"{feed.name} is declared in the configuration file: change its [[feeds]] entry there and reload."
            )
        return feed

    async def _after(self, asker: Asker, before: SeenFeed) -> SeenFeed:
        await self.ledger.changed()
        feeds = (await self.ledger.glance(asker)).feeds
        return next((one for one in feeds if one.feed.id == before.feed.id), before)

    def _interval_s(self, feed: Feed, typed: str) -> float:
        if typed.strip().casefold() == DEFAULT:
            return 0.0
        seconds = duration_s(typed)
        floor_s = PRIVATE_FLOOR_S if self.ledger.pipeline.web.may_be_private(feed.url) else PUBLIC_FLOOR_S
        if seconds is None or not floor_s <= seconds <= LONGEST_S:
            raise UserError(
                f"An interval is a duration from {shown_duration(floor_s)} to 7d, such as 10m or 2h; or default."
            )
        return seconds


def _name(typed: str) -> str:
    return "" if typed.strip().casefold() == DEFAULT else clean_name(typed, "feed")


def state_of(one: SeenFeed) -> str:
    """Return a feed's state as this server has it."""
    return one.feed.state if one.enabled else "paused"


def shown_address(one: SeenFeed, asker: Asker) -> str:
    """Return what may be shown of a feed's address: all but the password to a manager of a feed from chat, else the host."""
    address = without_credentials(one.feed.url)
    if asker.is_manager and not one.is_declared:
        return address
    return host_in(one.feed.url)


def _known(sight: Sight, url: str) -> bool:
    return any(url.strip() in {one.feed.url, without_credentials(one.feed.url)} for one in sight.feeds)


def address_in(typed: str) -> str:
    """Return the address that somebody typed or pasted.

    Raises:
        UserError: it is none.
    """
    url = typed.strip().strip("<>")
    if not url or any(map(str.isspace, url)):
        raise UserError(
            "An address has no blanks in it: copy it from the feed's page, such as https://example.org/feed.xml."
        )
    if not _SCHEME.match(url):
        url = f"https://{url}"
    if len(url) > URL_CHARS:
        raise UserError(f"An address may have {URL_CHARS} characters; this one has {len(url)}.")
    return url


def _now(said: str) -> str:
    return AGAIN.sub("", said)


def _too_slow() -> UserError:
    return UserError(f"The server did not give its feed within {PATIENCE_S:.0f} s: try again later.")
