"""What became of what channels were told of an article, for those who ask. Reads only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.store.codec import opt_time_in, time_in, value_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """An alert and what became of it. told: its keys, as in `Alert`. at: since when it is owed, or when it was sent.

    trouble: why it is not sent, "" where it is or nothing is in its way. message_id: None until it is sent.
    """

    channel_id: int
    thread_id: int
    state: Literal["owed", "sent", "failed"]
    told: frozenset[str]
    at: datetime
    message_id: int | None
    trouble: str


def postings_of(sql: sqlite3.Connection, item_ids: Collection[int]) -> tuple[Posting, ...]:
    """Return what all channels were told, or are owed, of the stories that these items tell, oldest first."""
    rows = sql.execute(
        """SELECT a.channel_id, a.thread_id, a.state, a.told, a.created_at, a.sent_at, a.message_id, a.last_error, p.reason
        FROM alerts a LEFT JOIN paused_channels p ON p.channel_id = a.channel_id AND p.thread_id = a.thread_id
        WHERE a.state <> 'dropped' AND a.story_key IN (SELECT s.key FROM items i JOIN stories s ON s.id = i.story_id
            WHERE i.id IN (SELECT value FROM json_each(?))) ORDER BY a.id""",
        (json.dumps(list(item_ids)),),
    )
    return tuple(
        Posting(
            channel_id=channel_id,
            thread_id=thread_id,
            state=state if state in {"sent", "failed"} else "owed",
            told=value_in(frozenset[str], told),
            at=opt_time_in(sent_at) or time_in(created_at),
            message_id=message_id,
            trouble="" if state == "sent" else reason or last_error,
        )
        for channel_id, thread_id, state, told, created_at, sent_at, message_id, last_error, reason in rows
    )
