"""What people ask of the store: how it stands, what lately matched, what was read and holds some words. Reads only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.model import Article, Match, TextKind
from bot.store.codec import ms_for, opt_time_in, time_in, unpack, value_in
from bot.store.index import found
from bot.store.told import Posting, postings_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from bot.reading.sought import Sought
    from bot.store.chat import Runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How the store stands. feeds: those that are on; failing: of them. to_read, pages_owed, owed: work that is still ahead.

    owed: posts and edits. failed: alerts given up for good. db_bytes: without the write-ahead log.
    """

    feeds: int
    failing: int
    items: int
    to_read: int
    pages_owed: int
    owed: int
    sent: int
    failed: int
    matches: int
    db_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One article that fired one watch. spans: where, offsets into the article's title and text as it was read."""

    item_id: int
    watch_id: int
    watch: str
    title: str
    url: str
    source: str
    kind: TextKind
    published_at: datetime | None
    matched_at: datetime
    spans: tuple[Match, ...]


class Archive:
    """What people ask, as part of an open store."""

    def __init__(self, read: Runs) -> None:
        self._read = read

    async def latest(self, *, watch: str | None, since: datetime, limit: int) -> tuple[Hit, ...]:
        """Return what matched since then, newest first: of one watch (by name), or of all."""
        return await self._read(lambda sql: latest(sql, watch, since, limit))

    async def hits_of(
        self, watch_ids: Collection[int], *, since: datetime, limit: int
    ) -> tuple[tuple[int, int, tuple[Match, ...]], ...]:
        """Return item, watch and places of what these watches fired on since then, newest first."""
        return await self._read(lambda sql: hits_of(sql, watch_ids, since, limit))

    async def articles_of(self, item_ids: Sequence[int]) -> tuple[StoredArticle, ...]:
        """Return these items' articles, in the order asked for; those that are gone are left out."""
        return await self._read(lambda sql: articles_of(sql, item_ids))

    async def search(
        self,
        sought: Sought,
        *,
        feeds: Collection[int] | None = None,
        since: datetime,
        before: int | None = None,
        limit: int,
    ) -> tuple[StoredArticle, ...]:
        """Return articles that hold what is sought, newest first; a Matcher has the last word on them.

        feeds: of these alone. before: an item id, to go on from. Those whose text was deleted with age are not found.
        """

        def question(sql: sqlite3.Connection) -> tuple[StoredArticle, ...]:
            return articles_of(sql, found(sql, sought, feeds=feeds, since=since, before=before, limit=limit))

        return await self._read(question)

    async def articles_at(self, link_hash: bytes) -> tuple[StoredArticle, ...]:
        """Return the articles that stand at a canonical link, those that were read first, newest first."""
        return await self._read(lambda sql: articles_at(sql, link_hash))

    async def feed_lines(self, feed_id: int, *, limit: int) -> tuple[int, tuple[FeedLine, ...]]:
        """Return how many items of a feed are kept, and its newest."""
        return await self._read(lambda sql: feed_lines(sql, feed_id, limit))

    async def standing(self, places: Collection[tuple[int, int]]) -> Standing:
        """Return how it stands with these places: channel and thread, 0 for none."""
        return await self._read(lambda sql: standing(sql, places))

    async def postings_of(self, item_ids: Collection[int]) -> tuple[Posting, ...]:
        """Return what all channels were told, or are owed, of the stories that these items tell, oldest first."""
        return await self._read(lambda sql: postings_of(sql, item_ids))


def counts(sql: sqlite3.Connection) -> Counts:
    """Return how the store stands at this moment."""
    row = sql.execute(
        """SELECT (SELECT COUNT(*) FROM feeds WHERE enabled),
            (SELECT COUNT(*) FROM feeds WHERE enabled AND state IN ('failing', 'blocked', 'limited', 'gone')),
            (SELECT COUNT(*) FROM items),
            (SELECT COUNT(*) FROM items WHERE state = 'to_read'),
            (SELECT COUNT(*) FROM items WHERE page_next_at IS NOT NULL AND state = 'read'),
            (SELECT COUNT(*) FROM alerts WHERE state IN ('pending', 'sending'))
                + (SELECT COUNT(*) FROM alerts WHERE edit_state <> '' AND +state = 'sent'),
            (SELECT COUNT(*) FROM alerts WHERE state = 'sent'),
            (SELECT COUNT(*) FROM alerts WHERE state = 'failed'),
            (SELECT COUNT(*) FROM matches),
            (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())"""
    ).fetchone()
    return Counts(
        feeds=row[0],
        failing=row[1],
        items=row[2],
        to_read=row[3],
        pages_owed=row[4],
        owed=row[5],
        sent=row[6],
        failed=row[7],
        matches=row[8],
        db_bytes=row[9],
    )


def latest(sql: sqlite3.Connection, watch: str | None, since: datetime, limit: int) -> tuple[Hit, ...]:
    """Return what matched since then, newest first: of one watch (by name), or of all that still are known."""
    rows = sql.execute(
        """SELECT m.item_id, m.watch_id, w.name, a.title, a.url, a.source, a.kind, a.published_at, m.matched_at, m.spans
        FROM matches m JOIN watches w ON w.id = m.watch_id JOIN articles a ON a.item_id = m.item_id
        WHERE m.matched_at >= ? AND (? IS NULL OR w.name = ?) ORDER BY m.matched_at DESC, m.item_id DESC LIMIT ?""",
        (ms_for(since), watch, watch, limit),
    )
    return tuple(
        Hit(
            item_id=item_id,
            watch_id=watch_id,
            watch=name,
            title=title,
            url=url,
            source=source,
            kind=kind,
            published_at=opt_time_in(published),
            matched_at=time_in(matched),
            spans=value_in(tuple[Match, ...], spans),
        )
        for item_id, watch_id, name, title, url, source, kind, published, matched, spans in rows
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArticle:
    """An article as it was read. read_at: None where only what its feed said is known: it stood there at the subscription."""

    item_id: int
    feed_id: int
    seen_at: datetime
    read_at: datetime | None
    article: Article


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLine:
    """One item of a feed, as a list shows it."""

    title: str
    url: str
    published_at: datetime | None
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How it stands with some channels. owed: posts and edits; in_doubt: of these, on their way or perhaps there already.

    owed_since_at: since when the oldest post is owed. last_sent_at: None where nothing was ever sent.
    """

    owed: int
    in_doubt: int
    owed_since_at: datetime | None
    sent: int
    failed: int
    last_sent_at: datetime | None


_ARTICLES = """SELECT i.id, i.feed_id, i.first_seen_at, a.read_at, COALESCE(a.title, i.title), a.text, b.text, COALESCE(a.url, i.url),
        COALESCE(a.source, f.name), COALESCE(a.host, f.host), COALESCE(a.lang, f.language), COALESCE(a.author, i.author),
        COALESCE(a.published_at, i.published_at), COALESCE(a.kind, 'feed'), COALESCE(a.note, '')
    FROM items i JOIN feeds f ON f.id = i.feed_id LEFT JOIN articles a ON a.item_id = i.id
    LEFT JOIN item_bodies b ON b.item_id = i.id"""


def hits_of(
    sql: sqlite3.Connection, watch_ids: Collection[int], since: datetime, limit: int
) -> tuple[tuple[int, int, tuple[Match, ...]], ...]:
    """Return item, watch and places of what these watches fired on since then, newest first."""
    rows = sql.execute(
        """SELECT item_id, watch_id, spans FROM matches
        WHERE matched_at >= ? AND watch_id IN (SELECT value FROM json_each(?))
        ORDER BY matched_at DESC, item_id DESC, watch_id LIMIT ?""",
        (ms_for(since), json.dumps(list(watch_ids)), limit),
    )
    return tuple((item_id, watch_id, value_in(tuple[Match, ...], spans)) for item_id, watch_id, spans in rows)


def articles_of(sql: sqlite3.Connection, item_ids: Sequence[int]) -> tuple[StoredArticle, ...]:
    """Return these items' articles, in the order asked for; those that are gone are left out."""
    where = "WHERE i.id IN (SELECT value FROM json_each(?))"
    rows = sql.execute(f"{_ARTICLES} {where}", (json.dumps(list(item_ids)),))
    by_id = {row[0]: _article_in(row) for row in rows}
    return tuple(by_id[item_id] for item_id in item_ids if item_id in by_id)


def articles_at(sql: sqlite3.Connection, link_hash: bytes) -> tuple[StoredArticle, ...]:
    """Return the articles that stand at a canonical link, those that were read first, newest first."""
    rows = sql.execute(
        f"{_ARTICLES} WHERE i.link_hash = ? ORDER BY a.item_id IS NULL, i.id DESC LIMIT 20", (link_hash,)
    )
    return tuple(map(_article_in, rows))


def feed_lines(sql: sqlite3.Connection, feed_id: int, limit: int) -> tuple[int, tuple[FeedLine, ...]]:
    """Return how many items of a feed are kept, and its newest."""
    ((count,),) = sql.execute("SELECT COUNT(*) FROM items WHERE feed_id = ?", (feed_id,)).fetchall()
    rows = sql.execute(
        """SELECT title, url, published_at, first_seen_at FROM items WHERE feed_id = ?
        ORDER BY COALESCE(published_at, first_seen_at) DESC, id DESC LIMIT ?""",
        (feed_id, limit),
    )
    return int(count), tuple(
        FeedLine(title=title, url=url, published_at=opt_time_in(published), seen_at=time_in(seen))
        for title, url, published, seen in rows
    )


def standing(sql: sqlite3.Connection, places: Collection[tuple[int, int]]) -> Standing:
    """Return how it stands with these places."""
    (row,) = sql.execute(
        """SELECT TOTAL(state IN ('pending', 'sending') OR (edit_state <> '' AND state = 'sent')), TOTAL(state = 'sent'),
            TOTAL(state = 'failed'), MAX(sent_at), TOTAL(state = 'sending'), MIN(created_at) FILTER (WHERE state IN ('pending', 'sending'))
        FROM alerts JOIN json_each(?) ON channel_id = json_extract(value, '$[0]') AND thread_id = json_extract(value, '$[1]')""",
        (json.dumps(sorted(places)),),
    ).fetchall()
    return Standing(
        owed=int(row[0]),
        in_doubt=int(row[4]),
        owed_since_at=opt_time_in(row[5]),
        sent=int(row[1]),
        failed=int(row[2]),
        last_sent_at=opt_time_in(row[3]),
    )


def _article_in(row: Sequence[Any]) -> StoredArticle:
    text = row[5] if row[3] is not None else row[6]
    return StoredArticle(
        item_id=row[0],
        feed_id=row[1],
        seen_at=time_in(row[2]),
        read_at=opt_time_in(row[3]),
        article=Article(
            title=row[4],
            text=unpack(text),
            url=row[7],
            source=row[8],
            host=row[9].removeprefix("www."),
            lang=row[10],
            author=row[11],
            published_at=opt_time_in(row[12]),
            kind=row[13],
            note=row[14],
        ),
    )
