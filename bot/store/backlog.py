"""How the store stands as a whole, for its operator: what is ahead, what is stuck, how large it is. Reads only.

Counts through partial indexes, so that a scrape every few seconds costs the same at ten million items.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.store.codec import opt_time_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Everything of every server. feeds: how many are in each state.

    pending, sending: posts that are owed, and that are on their way or in doubt. owed_since_at: the oldest of them.
    to_read_since_at: since when the oldest unread item is here. given_up: posts that failed for good. db_bytes: without the log.
    """

    feeds: Mapping[str, int] = field(default_factory=dict)
    to_read: int = 0
    to_read_since_at: datetime | None = None
    pages_owed: int = 0
    pending: int = 0
    sending: int = 0
    owed_since_at: datetime | None = None
    edits_owed: int = 0
    given_up: int = 0
    paused_channels: int = 0
    db_bytes: int = 0
    last_poll_at: datetime | None = None
    last_sent_at: datetime | None = None


def backlog(sql: sqlite3.Connection) -> Backlog:
    """Return how the store stands at this moment."""
    feeds = sql.execute("SELECT CASE WHEN enabled THEN state ELSE 'paused' END, COUNT(*) FROM feeds GROUP BY 1")
    row = sql.execute(
        """SELECT (SELECT COUNT(*) FROM items WHERE state = 'to_read'),
            (SELECT COALESCE(edited_at, first_seen_at) FROM items WHERE state = 'to_read' ORDER BY id LIMIT 1),
            (SELECT COUNT(*) FROM items WHERE page_next_at IS NOT NULL),
            (SELECT COUNT(*) FROM alerts WHERE state = 'pending'),
            (SELECT COUNT(*) FROM alerts WHERE state = 'sending'),
            (SELECT MIN(created_at) FROM alerts WHERE state IN ('pending', 'sending')),
            (SELECT COUNT(*) FROM alerts WHERE edit_state <> ''),
            (SELECT COUNT(*) FROM alerts WHERE state = 'failed'),
            (SELECT COUNT(*) FROM paused_channels),
            (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()),
            (SELECT MAX(last_poll_at) FROM feeds),
            (SELECT sent_at FROM alerts WHERE state = 'sent' ORDER BY id DESC LIMIT 1)"""
    ).fetchone()
    return Backlog(
        feeds=dict(feeds.fetchall()),
        to_read=row[0],
        to_read_since_at=opt_time_in(row[1]),
        pages_owed=row[2],
        pending=row[3],
        sending=row[4],
        owed_since_at=opt_time_in(row[5]),
        edits_owed=row[6],
        given_up=row[7],
        paused_channels=row[8],
        db_bytes=row[9],
        last_poll_at=opt_time_in(row[10]),
        last_sent_at=opt_time_in(row[11]),
    )
