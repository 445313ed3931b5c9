"""Which channels refuse what they are owed, and what the program remembers of itself. Owns the tables paused_channels and notes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from bot.model import PausedChannel
from bot.store.codec import ms_for, opt_time_in, text_for, time_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from datetime import datetime

MOST_TRIES = 5
RETRY_AFTER = timedelta(days=1)


def pause_channel(
    sql: sqlite3.Connection, channel_id: int, thread_id: int, reason: str, now: datetime, standing: str
) -> bool:
    """Leave a channel alone for a day, from the fifth refusal on until people change something; return whether it is news.

    standing: how the channel looked when it refused; while it looks the same, nothing has changed.
    """
    row = sql.execute(
        """INSERT INTO paused_channels (channel_id, thread_id, reason, paused_at, retry_at, tries, standing)
            VALUES (?, ?, ?, ?, ?, 1, ?)
        ON CONFLICT (channel_id, thread_id) DO UPDATE SET tries = tries + 1, reason = excluded.reason,
            retry_at = CASE WHEN tries + 1 >= ? THEN NULL ELSE excluded.retry_at END, standing = excluded.standing
        RETURNING tries""",
        (channel_id, thread_id, text_for(reason), ms_for(now), ms_for(now + RETRY_AFTER), standing, MOST_TRIES),
    ).fetchone()
    return bool(row[0] == 1)


def reopen_channels(sql: sqlite3.Connection, standings: Mapping[int, str], now: datetime) -> int:
    """Have these paused channels or threads, by id, tried once more where they look otherwise than when they refused.

    They stay paused until something was posted there: what their operators were told, and how often they refused, stays. Returns how
    many there were.
    """
    return sum(
        sql.execute(
            """UPDATE paused_channels SET retry_at = ?1, standing = ?2
            WHERE (CASE thread_id WHEN 0 THEN channel_id ELSE thread_id END) = ?3 AND standing <> ?2""",
            (ms_for(now), standing, id_),
        ).rowcount
        for id_, standing in standings.items()
    )


def lift_pause(sql: sqlite3.Connection, channel_id: int, thread_id: int, arrived: Literal["post", "edit"]) -> None:
    """Leave a channel alone no longer: something arrived. An edit proves nothing where a post is owed: it may refuse just that."""
    sql.execute(
        """DELETE FROM paused_channels WHERE channel_id = ?1 AND thread_id = ?2 AND (?3 = 'post' OR NOT (
            EXISTS (SELECT 1 FROM alerts WHERE channel_id = ?1 AND thread_id = ?2 AND state = 'pending')
            OR EXISTS (SELECT 1 FROM alerts WHERE channel_id = ?1 AND thread_id = ?2 AND state = 'sending')))""",
        (channel_id, thread_id, arrived),
    )


def operators_told(sql: sqlite3.Connection, channel_id: int, thread_id: int) -> None:
    """Remember that the operators know of a paused channel."""
    sql.execute("UPDATE paused_channels SET told = 1 WHERE channel_id = ? AND thread_id = ?", (channel_id, thread_id))


def paused_channels(sql: sqlite3.Connection) -> tuple[PausedChannel, ...]:
    """Return the channels that are left alone, the longest first."""
    rows = sql.execute(
        """SELECT channel_id, thread_id, reason, paused_at, retry_at, tries, told FROM paused_channels
        ORDER BY paused_at, channel_id, thread_id"""
    )
    return tuple(
        PausedChannel(
            channel_id=channel_id,
            thread_id=thread_id,
            reason=reason,
            paused_at=time_in(paused_at),
            retry_at=opt_time_in(retry_at),
            tries=tries,
            told=bool(told),
        )
        for channel_id, thread_id, reason, paused_at, retry_at, tries, told in rows
    )


def note(sql: sqlite3.Connection, key: str) -> str:
    """Return what was noted under a key, "" for nothing."""
    row = sql.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def keep_note(sql: sqlite3.Connection, key: str, value: str) -> None:
    """Note something under a key, in place of what stood there."""
    sql.execute(
        "INSERT INTO notes (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )
