"""What people ask of the store: how it stands, and what lately matched. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.model import Match, TextKind
from bot.store.codec import ms_for, opt_time_in, time_in, value_in

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime


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
