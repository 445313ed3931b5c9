"""What a time away cost: when the program was last alive, and what its feeds held when it came back. Reads, and keeps one note.

A store that was alive within half an hour was not away. Otherwise a start notes from when to when, and the note stays until it was said:
a crash in between says it later. A restore leaves the same note, marked as one, and so does a clock that leaps while the program runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.model import FeedHealth
from bot.store.channels import keep_note, note
from bot.store.codec import ms_for, time_in, value_in
from bot.store.index import first_since

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

NOTE = "away"
AWAY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time away and what is known of it so far.

    leap: the clock leapt, nobody stopped the program. late: items that came meanwhile, were still in the feeds and are read after all.
    silent: items taken as known, or as read, because the store was restored. gaps: feed and how many of its items may be missed.
    waiting: feeds that were not asked again yet.
    """

    from_at: datetime
    to_at: datetime
    restored: bool
    leap: bool
    late: int
    silent: int
    gaps: tuple[tuple[str, int], ...]
    waiting: int


def last_life(sql: sqlite3.Connection) -> int | None:
    """Return the last moment that left a trace, in unix ms; None where nothing ever happened."""
    ((at,),) = sql.execute(
        """SELECT MAX(at) FROM (SELECT MAX(last_poll_at) AS at FROM feeds
            UNION ALL SELECT first_seen_at FROM items WHERE id = (SELECT MAX(id) FROM items)
            UNION ALL SELECT sent_at FROM alerts WHERE id = (SELECT MAX(id) FROM alerts))"""
    ).fetchall()
    return None if at is None else int(at)


def note_outage(sql: sqlite3.Connection, now: datetime) -> None:
    """Note a time away that ends now, if it was one; of several that were not said yet, the first beginning stands."""
    alive_at = last_life(sql)
    if alive_at is None or ms_for(now) - alive_at < AWAY // timedelta(milliseconds=1):
        return
    _keep(sql, alive_at, ms_for(now))


def note_leap(sql: sqlite3.Connection, from_at: datetime, to_at: datetime) -> None:
    """Note a time away that the program did not live through: its machine slept, or started with a clock that was set only later."""
    if to_at - from_at >= AWAY:
        _keep(sql, ms_for(from_at), ms_for(to_at), leap=True)


def _keep(sql: sqlite3.Connection, since: int, to: int, *, leap: bool = False) -> None:
    unsaid = json.loads(note(sql, NOTE) or "{}")
    kept = {"restored": False, "leap": leap} | unsaid | {"from": min(since, unsaid.get("from", since)), "to": to}
    keep_note(sql, NOTE, json.dumps(kept))


def outage(sql: sqlite3.Connection) -> Outage | None:
    """Return the time away that nobody was told of yet."""
    noted = json.loads(note(sql, NOTE) or "{}")
    if not noted:
        return None
    to = noted["to"]
    first = first_since(sql, to)
    ((late, silent),) = sql.execute(
        """SELECT TOTAL(i.state IN ('to_read', 'read') AND COALESCE(i.published_at, 0) < ?2),
            TOTAL(i.state = 'baseline' AND f.added_at < ?2)
        FROM items i JOIN feeds f ON f.id = i.feed_id WHERE i.id >= ?1 AND i.first_seen_at >= ?2""",
        (first, to),
    ).fetchall()
    feeds = sql.execute(
        "SELECT name, health, COALESCE(last_poll_at, 0) < ? FROM feeds WHERE enabled AND state <> 'gone' AND added_at < ?",
        (to, to),
    ).fetchall()
    known = [(name, value_in(FeedHealth, health)) for name, health, _ in feeds]
    gaps = [(name, one.gap_items) for name, one in known if one.gap_at and ms_for(one.gap_at) >= to]
    return Outage(
        from_at=time_in(noted["from"]),
        to_at=time_in(to),
        restored=noted["restored"],
        leap=bool(noted.get("leap")),
        late=int(late),
        silent=int(silent) + noted.get("settled", 0) if noted["restored"] else 0,
        gaps=tuple(gaps),
        waiting=sum(bool(waits) for _, _, waits in feeds),
    )


def outage_told(sql: sqlite3.Connection, to_at: datetime) -> None:
    """Forget the time away until then, which was told of; not one that became longer meanwhile."""
    if json.loads(note(sql, NOTE) or "{}").get("to") == ms_for(to_at):
        sql.execute("DELETE FROM notes WHERE key = ?", (NOTE,))
