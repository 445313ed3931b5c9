"""poll_feed, read_item, read_page_again: the only place where network, workers, reading and store meet.

Each call takes one feed or one item from one durable state to the next and ends in one commit; a crash before it changes nothing.
`except Exception` stands here around one feed and one item, so that a fault in one never stops another.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit

from bot.alerts import alerts_for, heard_in
from bot.errors import FeedError, FetchError, ParseError, StoreError
from bot.feeds.health import Answer, after_document, after_failure, after_unchanged, asked_wait_s
from bot.feeds.identity import believable, body_hash, items_hash, keys_for, sort_entries
from bot.feeds.timing import Pace
from bot.model import Article, Poll, Reading, Sorted
from bot.reading.choose import choose_text, whole_enough
from bot.reading.language import language_of
from bot.web.fetch import FeedRequest, NotModified

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from bot.model import EditedItem, Feed, Item, Matches, PageText, ParsedFeed, Watch
    from bot.reading.choose import Chosen
    from bot.reading.matcher import Matcher
    from bot.store import Store
    from bot.web.fetch import Fetched, Web
    from bot.workers import Workers

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

PUBLIC_FLOOR_S = 300.0
PAGE_LIMIT_S = 8.0
PAGE_AGAIN_LIMIT_S = 40.0
PAGE_AGAIN_S = (10.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
EXTRACTING_S = 0.5
SLOW_FOR = timedelta(seconds=30)
SLOW = "its host is slow just now"
QUEUED = "its page is still to be read"
SURFACED = timedelta(days=1)
PAGE_GIVEN_UP_AFTER = timedelta(days=1)
ARTICLE_CHARS = 200_000
LONG_CHARS = 20_000
FINAL_REASONS = frozenset({"robots", "refused", "content_type", "too_large"})
ADVICE = re.compile(r";[^()]*(?=\.$| \()")  # "…; check the address (HTTP 404)."


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How feeds are polled and pages read; from the configuration.

    baseline: what a feed holds when it is first read is old (`run`); False: it counts as new (`try`). page_limit_s: how long a new
    item's page may take before the item is read with what the feed gave; patience_s: how much longer it may wait for its host's turn.
    """

    interval_s: float = PUBLIC_FLOOR_S
    full_text: str = "auto"
    per: str = "story"
    baseline: bool = True
    page_limit_s: float = PAGE_LIMIT_S
    patience_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What is watched, swapped whole when it changes: the watches, the matcher compiled from them, who hears which feed."""

    watches: Sequence[Watch]
    matcher: Matcher
    audiences: Mapping[int, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTry:
    """What came of trying to read an item's page. failure: why there is none, "" where none was wanted. again: worth another try."""

    page: PageText | None = None
    failure: str = ""
    again: bool = False
    wait_s: float | None = None


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
    _slow_until: dict[str, datetime] = field(default_factory=dict)
    _placing: asyncio.Lock = field(default_factory=asyncio.Lock)

    # --- feeds ---

    async def poll_feed(self, feed: Feed) -> int:
        """Ask a feed once and commit what came of it; return how many new or edited items it held.

        A feed's trouble is committed as its state, never raised.

        Raises:
            StoreError: the outcome could not be committed; the feed stays due.
        """
        at, web = self.clock(), self.web
        try:
            poll = await self._poll(feed, at)
        except FeedError as error:
            if web is not self.web:  # the client was replaced under the request: not the feed's fault
                return await self.poll_feed(feed)
            poll = self._failed(feed, error, at)
        except StoreError:
            raise
        except Exception:  # one feed's surprise never stops another
            log.exception("event=poll_broke feed=%s", feed.id)
            poll = self._failed(feed, ParseError("this feed could not be read: see the log", reason="worker"), at)
        self._say_change(feed, poll.feed)
        new = await self.store.commit_poll(poll)
        return len(new) + len(poll.entries.edited if poll.entries else ())

    async def _poll(self, feed: Feed, at: datetime) -> Poll:
        answer = await self.web.fetch_feed(FeedRequest(url=feed.url, etag=feed.etag, last_modified=feed.last_modified))
        said = Answer(etag=answer.etag, last_modified=answer.last_modified, fresh_s=answer.fresh_s)
        if isinstance(answer, NotModified):
            return Poll(
                feed=after_unchanged(feed, said, at=at, pace=self._pace(feed), chance=self.chance()), polled_at=at
            )
        hashes = body_hash(answer.body), items_hash(answer.body)
        if feed.subscribed_at and (hashes[0] == feed.body_hash or hashes[1] == feed.items_hash):
            unchanged = after_unchanged(
                feed, said, at=at, pace=self._pace(feed), chance=self.chance(), body_hash=hashes[0]
            )
            return Poll(feed=replace(unchanged, etag=said.etag, last_modified=said.last_modified), polled_at=at)
        parsed = await self.workers.parse_feed(answer.body, answer.content_type, answer.url)
        entries = await self._sort(feed, parsed, at)
        feed = after_document(
            feed,
            said,
            parsed,
            at=at,
            pace=self._pace(feed),
            chance=self.chance(),
            hashes=hashes,
            new_items=len(entries.new),
        )
        return Poll(feed=feed, polled_at=at, entries=entries)

    async def _sort(self, feed: Feed, parsed: ParsedFeed, at: datetime) -> Sorted:
        keys = keys_for(parsed.items)
        entries = sort_entries(parsed.items, keys, await self.store.known(feed.id, keys, now=at))
        if feed.subscribed_at is None and self.habits.baseline:
            entries = replace(entries, new=tuple(replace(entry, to_read=False) for entry in entries.new))
        elif (
            feed.subscribed_at and parsed.cut
        ):  # of a document that was cut, old entries surface when newer ones leave it
            old_at = feed.subscribed_at - SURFACED
            new = [replace(one, to_read=not (one.entry.published_at or at) < old_at) for one in entries.new]
            entries = replace(entries, new=tuple(new))
        edited = [replace(one, to_read=await self._says_something_new(one)) for one in entries.edited]
        return replace(entries, edited=tuple(edited))

    async def _says_something_new(self, edited: EditedItem) -> bool:
        """Return whether an edit may alert: always, but what stood there when the feed was subscribed must fire what it did not."""
        item = await self.store.item(edited.item_id)
        if item is None or not item.baseline:
            return True
        match = self.watching.matcher.match
        before = match(Article(title=item.title, text=item.text, source=item.feed_name, host=host_of(item.url)))
        after = match(
            Article(title=edited.entry.title, text=edited.entry.text, source=item.feed_name, host=host_of(item.url))
        )
        return not set(after.fired) <= set(before.fired)

    def _failed(self, feed: Feed, error: FeedError, at: datetime) -> Poll:
        wait_s = asked_wait_s(error)
        if isinstance(error, FetchError) and error.reason == "resting":  # put off, not failed: it was not even asked
            return Poll(feed=replace(feed, next_poll_at=at + timedelta(seconds=wait_s or PUBLIC_FLOOR_S)), polled_at=at)
        rest = None if wait_s is None else (feed.url, at + timedelta(seconds=wait_s))
        after = after_failure(feed, error, at=at, pace=self._pace(feed), chance=self.chance())
        return Poll(feed=after, polled_at=at, host_rest=rest)

    def _say_change(self, before: Feed, after: Feed) -> None:
        if before.last_error == after.last_error:
            return
        name = after.name or host_of(after.url)
        said = after.last_error or "works again"
        self.notice(said if said.startswith(name) else f"{name}: {said}")

    def _pace(self, feed: Feed) -> Pace:
        private = self.web.may_be_private(feed.url)
        interval_s = feed.interval_s or self.habits.interval_s
        return Pace(min_s=interval_s if private else max(interval_s, PUBLIC_FLOOR_S), private=private)

    # --- items ---

    async def read_item(self, item: Item) -> None:
        """Read an item that is to be read: its page within eight seconds, else what the feed gave; match it; commit what is owed.

        A page that is here in time but waits to be extracted delays nobody either: the item is read with what the feed gave, and
        again when the page's turn has come.

        Raises:
            StoreError: the reading could not be committed; the item stays to be read.
        """
        again = "found when the article was read again" if item.readings else ""
        if not self._wants_page(item):
            return await self._commit(item, PageTry(), late=again)
        if self._is_slow(item):
            return await self._commit(item, PageTry(failure=SLOW, again=True, wait_s=PAGE_AGAIN_S[0]), late=again)
        limit_s = self.habits.page_limit_s + min(self.web.page_wait_s(item.url), self.habits.patience_s)
        trying = asyncio.create_task(self._try_page(item, limit_s))
        try:
            await asyncio.wait({trying}, timeout=limit_s + EXTRACTING_S)
            if trying.done():
                return await self._commit(item, trying.result(), late=again)
            await self._commit(item, PageTry(failure=QUEUED, again=True, wait_s=PAGE_AGAIN_LIMIT_S), late=again)
            tried = await trying
        finally:
            await stop_task(trying)
        if unread := await self.store.item(item.id):
            await self._read_again(unread, tried)
        return None

    async def read_page_again(self, item: Item) -> None:
        """Try the page of an item that was read as a teaser; where it comes, read the item again, else put the page off.

        Raises:
            StoreError: nothing was committed; the page stays owed.
        """
        await self._read_again(item, await self._try_page(item, PAGE_AGAIN_LIMIT_S))

    async def _read_again(self, item: Item, tried: PageTry) -> None:
        if tried.page is None:
            tries = item.page_tries + (tried.wait_s is None)
            await self.store.put_off_page(item.id, next_at=self._page_next_at(item, tried, tries), tries=tries)
        else:
            await self._commit(item, tried, late="found in the page, which came {minutes} min after the teaser")

    def _wants_page(self, item: Item) -> bool:
        if not item.url or self.habits.full_text == "never":
            return False
        return self.habits.full_text == "always" or not whole_enough(item.text)

    async def _try_page(self, item: Item, limit_s: float) -> PageTry:
        try:
            async with asyncio.timeout(limit_s):
                fetched = await self.web.fetch_page(item.url, configured_url=item.feed_url, patience_s=limit_s)
            page = await self.workers.read_page(fetched.body, url=fetched.url, charset=charset_in(fetched))
        except TimeoutError:
            self._slow_until = {host: until for host, until in self._slow_until.items() if until > self.clock()}
            self._slow_until[host_of(item.url)] = self.clock() + SLOW_FOR
            return PageTry(failure=f"the page took over {limit_s:.0f} s", again=True)
        except FetchError as error:
            if error.reason == "resting":
                return PageTry(failure="its host is given a rest", again=True, wait_s=error.retry_after_s)
            return PageTry(failure=half_sentence(error), again=error.reason not in FINAL_REASONS)
        except ParseError as error:
            return PageTry(failure=half_sentence(error), again=error.reason != "too_large")
        except Exception:  # one page's surprise never stops another
            log.exception("event=page_broke item=%s", item.id)
            return PageTry(failure="the page could not be read", again=True)
        return PageTry(page=page)

    def _is_slow(self, item: Item) -> bool:
        """Return whether a page of this item's host was not to be had in time a moment ago: then nobody waits for the next one."""
        until = self._slow_until.get(host_of(item.url))
        return until is not None and self.clock() < until

    async def _commit(self, item: Item, tried: PageTry, *, late: str) -> None:
        read_at = self.clock()
        late = late.format(minutes=max(1, round((read_at - since(item)).total_seconds() / 60)))
        watching = self.watching
        chosen, article, matches = await self._without_stalling(item, tried, read_text, item, tried, watching, read_at)
        if tried.page and chosen.again:  # a consent page, a login, another page: the article may come yet
            tried = replace(tried, failure=chosen.note, again=True)
        tries = item.page_tries + (bool(tried.failure) and tried.wait_s is None)
        async with self._placing:  # stories are placed one item at a time, from here to the commit
            # Each report is a story of its own where a desk wants it so: nothing but the link says that two are one.
            story = await self.store.story_for(item if self.habits.per == "story" else replace(item, link_hash=None))
            told = await self.store.told(story.key)
            tell = partial(alerts_for, item=item, article=article, matches=matches, watches=watching.watches)
            tell = partial(tell, story=story, told=told, late=late)
            alerts, edits = await self._without_stalling(item, tried, tell)
            await self.store.commit_reading(
                Reading(
                    item=item,
                    read_at=read_at,
                    article=article,
                    matches=matches,
                    story=story,
                    alerts=alerts,
                    edits=edits,
                    page_next_at=self._page_next_at(item, tried, tries),
                    page_tries=tries,
                )
            )

    async def _without_stalling(
        self, item: Item, tried: PageTry, step: Callable[P, T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Return what a pure step gives; long texts are worked on in a thread, so that the event loop goes on meanwhile."""
        if len(item.text) + len(tried.page.text if tried.page else "") < LONG_CHARS:
            return step(*args, **named)
        return await asyncio.to_thread(step, *args, **named)

    def _page_next_at(self, item: Item, tried: PageTry, tries: int) -> datetime | None:
        """Return when the page is tried again: with back-off, for a day; None: it is given up or was never wanted."""
        if not tried.again:
            return None
        wait_s = tried.wait_s if tried.wait_s is not None else PAGE_AGAIN_S[min(max(tries, 1), len(PAGE_AGAIN_S)) - 1]
        now, end_at = self.clock(), since(item) + PAGE_GIVEN_UP_AFTER
        at = min(
            now + timedelta(seconds=wait_s * (1 + 0.1 * self.chance())), end_at
        )  # the last try is at the end of the day
        return at if now < end_at else None


def read_text(item: Item, tried: PageTry, watching: Watching, read_at: datetime) -> tuple[Chosen, Article, Matches]:
    """Return which text of an item won, the article that it makes, and what matches there."""
    chosen = choose_text(title=item.title, feed_text=item.text, page=tried.page, failure=tried.failure)
    article = article_for(item, chosen, tried.page, read_at)
    matches = heard_in(watching.matcher.match(article), watching.watches, item.feed_id, watching.audiences)
    return chosen, article, matches


async def stop_task(task: asyncio.Task[PageTry]) -> None:
    """Cancel a task that is not done and wait until it is gone."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})


def since(item: Item) -> datetime:
    """Return when an item became what it is: when it was first seen, or last edited."""
    return item.edited_at or item.first_seen_at


def article_for(item: Item, chosen: Chosen, page: PageText | None, read_at: datetime) -> Article:
    """Return what is matched and shown of an item, from the text that won."""
    text, kind, note = chosen.text, chosen.kind, chosen.note
    if len(text) > ARTICLE_CHARS:
        text, kind, note = text[:ARTICLE_CHARS], "partly", f"only the first {ARTICLE_CHARS:,} characters were read"
    declared = page.lang if page and page.lang and kind in {"full", "partly"} else item.lang
    published_at = believable(item.published_at, item.first_seen_at) or believable(
        page.published_at if page else None, read_at
    )
    return Article(
        title=chosen.title,
        text=text,
        url=item.url,
        source=item.feed_name,
        host=host_of(item.url),
        lang=language_of(text or chosen.title, declared),
        author=item.author or (page.author if page else ""),
        published_at=published_at,
        kind=kind,
        note=note,
    )


def half_sentence(error: FeedError) -> str:
    """Return what befell a page, as the end of a sentence: without the advice, which is for who can change the address."""
    said = ADVICE.sub("", str(error)).removesuffix(".")
    return said[:1].lower() + said[1:]


def host_of(url: str) -> str:
    """Return the host of a URL, without www. and without credentials; "" where it has none."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def charset_in(fetched: Fetched) -> str | None:
    """Return the charset that the answer's Content-Type names, None where it names none."""
    for part in (fetched.content_type or "").split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip().lower() == "charset":
            return value.strip().strip("\"'") or None
    return None
