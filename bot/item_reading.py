"""From an item that is to be read to what is owed because of it: its page, the text that wins, its matches, one transaction.

`except Exception` stands here around one page, so that a fault in one never stops another.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from bot.alerts import alerts_for, heard_in
from bot.errors import FeedError, FetchError, ParseError
from bot.feeds.identity import believable
from bot.feeds.links import host_of
from bot.means import without_stalling
from bot.model import Article, Reading
from bot.reading.choose import choose_text, whole_enough
from bot.reading.language import language_of

if TYPE_CHECKING:
    from datetime import datetime

    from bot.means import Means, Watching
    from bot.model import Item, Matches, PageText
    from bot.reading.choose import Chosen
    from bot.web.fetch import Fetched

log = logging.getLogger(__name__)

PAGE_AGAIN_LIMIT_S = 40.0
PAGE_AGAIN_S = (10.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
EXTRACTING_S = 0.5
SLOW_FOR = timedelta(seconds=30)
SLOW = "its host is slow just now"
QUEUED = "its page is still to be read"
PAGE_GIVEN_UP_AFTER = timedelta(days=1)
ARTICLE_CHARS = 200_000
AT_WORK = 4  # articles whose hits are held in memory at once: one is placed, the next ones are matched
LONG_CHARS, LONG_AT_WORK = 8_000, 2  # of such texts fewer: a queue of them would hold up all others
KEPT_MATCHES = 100  # of one watch in one article: an article that is nothing but hits would fill the disk with them
FINAL_REASONS = frozenset({"robots", "refused", "content_type", "too_large"})
ADVICE = re.compile(r";[^()]*(?=\.$| \()")  # "…; check the address (HTTP 404)."


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTry:
    """What came of trying to read an item's page. failure: why there is none, "" where none was wanted. again: worth another try."""

    page: PageText | None = None
    failure: str = ""
    again: bool = False
    wait_s: float | None = None


class ItemReading:
    """The stage that reads items. It remembers which hosts were slow a moment ago; stories are placed one item at a time."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._slow_until: dict[str, datetime] = {}
        self._at_work = asyncio.Semaphore(AT_WORK)
        self._long_at_work = asyncio.Semaphore(LONG_AT_WORK)
        self._placing = asyncio.Lock()

    async def read_item(self, item: Item) -> None:
        """Read an item that is to be read: its page within eight seconds, else what the feed gave; match it; commit what is owed.

        A page that is here in time but waits to be extracted delays nobody either: the item is read with what the feed gave, and
        again when the page's turn has come.

        Raises:
            StoreError: the reading could not be committed; the item stays to be read.
        """
        again = "found when the article was read again" if item.readings else ""
        if not self._wants_page(item):
            return await self._commit(item, PageTry(), found=again)
        if self._is_slow(item):
            return await self._commit(item, PageTry(failure=SLOW, again=True, wait_s=PAGE_AGAIN_S[0]), found=again)
        limit_s = self._means.habits.page_limit_s + min(
            self._means.web.page_wait_s(item.url), self._means.habits.patience_s
        )
        trying = asyncio.create_task(self._try_page(item, limit_s))
        try:
            await asyncio.wait({trying}, timeout=limit_s + EXTRACTING_S)
            if trying.done():
                return await self._commit(item, trying.result(), found=again)
            await self._commit(item, PageTry(failure=QUEUED, again=True, wait_s=PAGE_AGAIN_LIMIT_S), found=again)
            tried = await trying
        finally:
            await stop_task(trying)
        if unread := await self._means.store.item(item.id):
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
            await self._means.store.put_off_page(item.id, next_at=self._page_next_at(item, tried, tries), tries=tries)
        else:
            await self._commit(item, tried, found="found in the page, which came {minutes} min after the teaser")

    def _wants_page(self, item: Item) -> bool:
        if not item.url or self._means.habits.full_text == "never":
            return False
        return self._means.habits.full_text == "always" or not whole_enough(item.text)

    async def _try_page(self, item: Item, limit_s: float) -> PageTry:
        try:
            async with asyncio.timeout(limit_s):
                fetched = await self._means.web.fetch_page(item.url, configured_url=item.feed_url, patience_s=limit_s)
            page = await self._means.workers.read_page(fetched.body, url=fetched.url, charset=charset_in(fetched))
        except TimeoutError:
            self._slow_until = {host: until for host, until in self._slow_until.items() if until > self._means.clock()}
            self._slow_until[host_of(item.url)] = self._means.clock() + SLOW_FOR
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
        # A clock that was set back makes no host slow for longer.
        return until is not None and timedelta(0) < until - self._means.clock() <= SLOW_FOR

    async def _commit(self, item: Item, tried: PageTry, *, found: str) -> None:
        long = len(item.text) + len(tried.page.text if tried.page else "") > LONG_CHARS
        async with self._long_at_work if long else nullcontext(), self._at_work:
            await self._commit_in_turn(item, tried, found=found)

    async def _commit_in_turn(self, item: Item, tried: PageTry, *, found: str) -> None:
        read_at = self._means.clock()
        found = found.format(minutes=max(1, round((read_at - since(item)).total_seconds() / 60)))
        watching, size = self._means.watching, len(item.text) + len(tried.page.text if tried.page else "")
        chosen, article, matches = await without_stalling(size, read_text, item, tried, watching, read_at)
        if tried.page and chosen.again:  # a consent page, a login, another page: the article may come yet
            tried = replace(tried, failure=chosen.note, again=True)
        tries = item.page_tries + (bool(tried.failure) and tried.wait_s is None)
        fired_before = await self._fired_before(item, watching)
        async with self._placing:  # stories are placed one item at a time, from here to the commit
            # Each report is a story of its own where a desk wants it so: nothing but the link says that two are one.
            story = await self._means.store.story_for(
                item if self._means.habits.per == "story" else replace(item, link_hash=None)
            )
            told = await self._means.store.told(story.key)
            tell = partial(alerts_for, item=item, article=article, matches=matches, watches=watching.watches)
            tell = partial(tell, story=story, told=told, now=read_at, found=found)
            tell = partial(tell, fired_before=fired_before, hearings=watching.hearings)
            alerts, edits = await without_stalling(size, tell)
            await self._means.store.commit_reading(
                Reading(
                    item=item,
                    read_at=read_at,
                    owed_at=owed_at(item, read_at),
                    article=article,
                    matches=matches,
                    story=story,
                    alerts=alerts,
                    edits=edits,
                    page_next_at=self._page_next_at(item, tried, tries),
                    page_tries=tries,
                    fired_before=fired_before,
                )
            )

    async def _fired_before(self, item: Item, watching: Watching) -> frozenset[int]:
        """Return the watches, as they stand now, that an earlier wording of an item fired."""
        fired = set(item.fired_before)
        for one in await self._means.store.archive.articles_of([item.id]) if item.readings else ():
            found = await without_stalling(len(one.article.text), watching.matcher.match, one.article)
            fired.update(heard_in(found, watching.watches, item.feed_id, watching.audiences).fired)
        return frozenset(fired)

    def _page_next_at(self, item: Item, tried: PageTry, tries: int) -> datetime | None:
        """Return when the page is tried again: with back-off, for a day; None: it is given up or was never wanted."""
        if not tried.again:
            return None
        wait_s = tried.wait_s if tried.wait_s is not None else PAGE_AGAIN_S[min(max(tries, 1), len(PAGE_AGAIN_S)) - 1]
        now, end_at = self._means.clock(), since(item) + PAGE_GIVEN_UP_AFTER
        at = min(
            now + timedelta(seconds=wait_s * (1 + 0.1 * self._means.chance())), end_at
        )  # the last try is at the end of the day
        return at if now < end_at else None


def read_text(item: Item, tried: PageTry, watching: Watching, read_at: datetime) -> tuple[Chosen, Article, Matches]:
    """Return which text of an item won, the article that it makes, and what matches there."""
    chosen = choose_text(title=item.title, feed_text=item.text, page=tried.page, failure=tried.failure)
    article = article_for(item, chosen, tried.page, read_at)
    matches = heard_in(watching.matcher.match(article), watching.watches, item.feed_id, watching.audiences)
    return chosen, article, few_of(matches)


def few_of(found: Matches) -> Matches:
    """Return what was found with at most the first hundred matches of each watch."""
    if len(found.matches) <= KEPT_MATCHES:
        return found
    counts: Counter[int] = Counter()
    kept = []
    for match in found.matches:
        counts[match.watch_id] += 1
        if counts[match.watch_id] <= KEPT_MATCHES:
            kept.append(match)
    return replace(found, matches=tuple(kept))


async def stop_task(task: asyncio.Task[PageTry]) -> None:
    """Cancel a task that is not done and wait until it is gone."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})


def since(item: Item) -> datetime:
    """Return when an item became what it is: when it was first seen, or last edited."""
    return item.edited_at or item.first_seen_at


def owed_at(item: Item, read_at: datetime) -> datetime:
    """Return since when it is owed to tell of a reading: of an item that was missed, since that could have been had."""
    return min(item.missed_at, read_at) if item.missed_at and not item.edited_at else read_at


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


def charset_in(fetched: Fetched) -> str | None:
    """Return the charset that the answer's Content-Type names, None where it names none."""
    for part in (fetched.content_type or "").split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip().lower() == "charset":
            return value.strip().strip("\"'") or None
    return None
