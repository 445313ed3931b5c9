"""What is due when, across all tables, for the day on which the wall clock is set: due times keep their distance from now.

Touches no other column than due times, and what would lie ahead of a clock that was set back: the last poll, and since when a watch or
a subscription is in force (else what is new would be older than they are).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.store.codec import ms_for, opt_time_in

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime, timedelta

_DUE = (
    ("feeds", "next_poll_at"),
    ("hosts", "rest_until"),
    ("items", "page_next_at"),
    ("alerts", "next_try_at"),
    ("alerts", "lease_until"),
    ("alerts", "edit_next_try_at"),
    ("alerts", "edit_lease_until"),
    ("paused_channels", "retry_at"),
)
_PAST = (("feeds", "last_poll_at"), ("watches", "since_at"), ("subscriptions", "since_at"))
# What is settled is not due any more, and there may be very much of it.
_OPEN = {
    "items": "page_next_at IS NOT NULL",
    "alerts": "id IN (SELECT id FROM alerts WHERE state = 'pending' UNION ALL SELECT id FROM alerts WHERE state = 'sending'"
    " UNION ALL SELECT id FROM alerts WHERE edit_state <> '')",
}


def shift_due_times(sql: sqlite3.Connection, by: timedelta, now: datetime) -> None:
    """Move all that is due along with a clock that was set by so much; what was overdue stays overdue.

    by: positive where the clock was set forward. now: what it shows since.
    """
    by_ms, at = round(by.total_seconds() * 1000), ms_for(now)
    for table, column in _DUE:
        sql.execute(
            f"UPDATE {table} SET {column} = {column} + ? WHERE {_OPEN.get(table, f'{column} IS NOT NULL')}",  # noqa: S608  # names of this module
            (by_ms,),
        )
    for table, column in _PAST:
        sql.execute(f"UPDATE {table} SET {column} = ?1 WHERE {column} > ?1", (at,))  # noqa: S608  # as above


def latest_poll_at(sql: sqlite3.Connection) -> datetime | None:
    """Return when a feed was last asked; None where none ever was. Where that lies ahead, the clock was set back meanwhile."""
    return opt_time_in(sql.execute("SELECT MAX(last_poll_at) FROM feeds").fetchone()[0])
