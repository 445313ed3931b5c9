"""From a due feed to its commit: one answer, one document, one transaction.

Asks the web and a worker, decides nothing by itself: what is new says `feeds.identity`, what the feed is from now on `feeds.health`.
`except Exception` stands here around one feed, so that a fault in one never stops another.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from bot.errors import FeedError, FetchError, ParseError, StoreError
from bot.feeds.health import Answer, after_document, after_failure, after_unchanged, asked_wait_s
from bot.feeds.identity import body_hash, items_hash, keys_for, sort_entries
from bot.feeds.links import host_of
from bot.feeds.moving import same_server
from bot.feeds.notices import notices_for
from bot.feeds.surprises import guids_change, harvest_of, hold_flood, mark_missed
from bot.feeds.timing import Pace
from bot.means import PUBLIC_FLOOR_S, without_stalling
from bot.model import Article, Poll, Sorted
from bot.web.fetch import FeedRequest, Fetched, NotModified

if TYPE_CHECKING:
    from datetime import datetime

    from bot.means import Means
    from bot.model import EditedItem, Feed, ParsedFeed
    from bot.web.own_headers import Headers

log = logging.getLogger(__name__)

SURFACED = timedelta(days=1)
DELTA = 226
AN_ITEM = 200  # what an entry costs beside its text, in characters of it
HASHED_BYTES = 50  # as much work as one such character


class Polling:
    """The stage that asks feeds."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def poll_feed(self, feed: Feed, answer: Fetched | None = None) -> int:
        """Ask a feed once and commit what came of it; return how many new or edited items it held.

        answer: what it gave a moment ago, so that it is not asked again. A feed's trouble is committed as its state, never raised.

        Raises:
            StoreError: the outcome could not be committed; the feed stays due.
        """
        web = self._means.web
        try:
            poll = await self._poll(feed, answer)
        except FeedError as error:
            if web is not self._means.web:  # the client was replaced under the request: not the feed's fault
                return await self.poll_feed(feed)
            poll = self._failed(feed, error)
        except StoreError:
            raise
        except Exception:  # one feed's surprise never stops another
            log.exception("event=poll_broke feed=%s", feed.id)
            poll = self._failed(feed, ParseError("this feed could not be read: see the log", reason="worker"))
        new = await self._means.store.commit_poll(poll)
        for line in notices_for(feed, poll.feed):
            self._means.notice(line)
        return len(new) + len(poll.entries.edited if poll.entries else ())

    async def _poll(self, feed: Feed, given: Fetched | None) -> Poll:
        answer = given or await self._ask(feed)
        at = self._means.clock()  # not when it was asked: what is fresh for an hour is so from now on
        said = Answer(
            etag=answer.etag,
            last_modified=answer.last_modified,
            fresh_s=answer.fresh_s,
            moved_to=answer.moved_to,
            skew_s=answer.skew_s,
            slow=answer.slow,
            delta=isinstance(answer, Fetched) and answer.status == DELTA,
        )
        after = partial(after_unchanged, feed, said, at=at, pace=self._pace(feed), chance=self._means.chance())
        if isinstance(answer, NotModified):
            return Poll(feed=after(), polled_at=at)
        hashes = await without_stalling(len(answer.body) // HASHED_BYTES, hashes_of, answer.body)
        if feed.subscribed_at and (hashes[0] == feed.body_hash or hashes[1] == feed.items_hash):
            unchanged = after(body_hash=hashes[0])
            return Poll(feed=replace(unchanged, etag=said.etag, last_modified=said.last_modified), polled_at=at)
        parsed = await self._means.workers.parse_feed(answer.body, answer.content_type, answer.url)
        return await self._taken_in(feed, said, parsed, hashes, at)

    async def _ask(self, feed: Feed) -> Fetched | NotModified:
        url = self._url(feed)
        headers = self._headers_for(feed, url)
        return await self._means.web.fetch_feed(
            FeedRequest(
                url=url,
                etag=feed.etag,
                last_modified=feed.last_modified,
                subscribers=max(feed.subscribers, 1),
                headers=headers,
            )
        )

    async def _taken_in(
        self, feed: Feed, said: Answer, parsed: ParsedFeed, hashes: tuple[bytes, bytes], at: datetime
    ) -> Poll:
        entries, size = await self._sort(feed, parsed, at), len(parsed.items) * AN_ITEM
        if said.delta:
            entries = replace(entries, partial=True)
        else:
            entries = await without_stalling(size, hold_flood, feed, mark_missed(feed, entries, at=at), at=at)
        harvest = await without_stalling(size, harvest_of, feed, parsed.items, entries, at=at)
        after = after_document(
            feed,
            said,
            parsed,
            at=at,
            pace=self._pace(feed),
            chance=self._means.chance(),
            hashes=hashes,
            harvest=harvest,
        )
        return Poll(feed=after, polled_at=at, entries=entries)

    async def _sort(self, feed: Feed, parsed: ParsedFeed, at: datetime) -> Sorted:
        named = [replace(item, guid="") for item in parsed.items] if guids_change(feed) else parsed.items
        size = sum(len(item.text) for item in parsed.items) + len(parsed.items) * AN_ITEM
        keys = await without_stalling(size, keys_for, named)
        known = await self._means.store.known(feed.id, keys, now=at)
        entries = await without_stalling(size, sort_entries, parsed.items, keys, known)
        if feed.subscribed_at is None and self._means.habits.baseline:  # edited, too, while nobody listened
            new = [replace(one, to_read=False) for one in entries.new]
            edited = [replace(await self._judged(one), to_read=False) for one in entries.edited]
            return replace(entries, new=tuple(new), edited=tuple(edited))
        if feed.subscribed_at and parsed.cut:  # of such a document old entries surface when newer ones leave it
            old_at = feed.subscribed_at - SURFACED
            new = [replace(one, to_read=not (one.entry.published_at or at) < old_at) for one in entries.new]
            entries = replace(entries, new=tuple(new))
        edited = [await self._judged(one) for one in entries.edited]
        return replace(entries, edited=tuple(edited))

    async def _judged(self, edited: EditedItem) -> EditedItem:
        """Return an edit with whether it may alert: where only the feed still says what stood there, it must fire what that did not.

        So it is with what stood there when the feed was subscribed, and where the article's text is deleted by age.
        """
        item = await self._means.store.item(edited.item_id)
        if item is None or not (item.baseline or await self._means.store.text_is_gone(item.id)):
            return edited
        match, entry = self._means.watching.matcher.match, edited.entry
        named = partial(Article, source=item.feed_name, host=host_of(item.url))
        before = await without_stalling(len(item.text), match, named(title=item.title, text=item.text))
        after = await without_stalling(len(entry.text), match, named(title=entry.title, text=entry.text))
        fired_before = item.fired_before | set(before.fired)
        return replace(edited, to_read=not fired_before.issuperset(after.fired), fired_before=fired_before)

    def _failed(self, feed: Feed, error: FeedError) -> Poll:
        at = self._means.clock()
        wait_s = asked_wait_s(error)
        if isinstance(error, FetchError) and error.reason == "resting":  # put off, not failed: it was not even asked
            return Poll(feed=replace(feed, next_poll_at=at + timedelta(seconds=wait_s or PUBLIC_FLOOR_S)), polled_at=at)
        rest = None if wait_s is None else (self._url(feed), at + timedelta(seconds=wait_s))
        after = after_failure(feed, error, at=at, pace=self._pace(feed), chance=self._means.chance())
        return Poll(feed=after, polled_at=at, host_rest=rest)

    def _url(self, feed: Feed) -> str:
        """Return where the feed is asked: where it moved to, unless what a server sent would open a private host by that."""
        private = self._means.web.may_be_private
        if not feed.moved_url or (private(feed.moved_url) and not private(feed.url)):
            return feed.url
        return feed.moved_url

    def _headers_for(self, feed: Feed, url: str) -> Headers:
        """Return the secret headers of a declared feed; what chat subscribed at the same address has none, nor has another server."""
        own = feed.origin == "config" and same_server(feed.url, url)
        return self._means.habits.own_headers.get(feed.url, ()) if own else ()

    def interval_s(self, feed: Feed) -> float:
        """Return how long a feed is left alone between two polls at the least."""
        return self._pace(feed).min_s

    def _pace(self, feed: Feed) -> Pace:
        private = self._means.web.may_be_private(feed.url)
        interval_s = feed.interval_s or self._means.habits.interval_s
        return Pace(min_s=interval_s if private else max(interval_s, PUBLIC_FLOOR_S), private=private)


def hashes_of(body: bytes) -> tuple[bytes, bytes]:
    """Return the hash of a document, and of its items alone."""
    return body_hash(body), items_hash(body)
