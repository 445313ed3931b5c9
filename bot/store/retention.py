"""What goes with age: texts first, records later, seen marks by their absence. In pieces, so that nothing waits for long.

Nothing that is still ahead is ever deleted: items that are to be read, held, or owed their page; alerts that are owed, on their way or in
doubt, and the items they are of. A seen mark goes by how long its entry has been absent from its feed's documents, never by its own age.
The file does not shrink by it: free pages are used again, and giving them back would write each of them once more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bot.store.codec import ms_for
from bot.store.index import drop_words, first_since

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

ABSENT = timedelta(days=400)
_DAY_MS = 24 * 60 * 60 * 1000
_PRESENT_MS = 2 * _DAY_MS  # marks are renewed once a day
_RENEWED_MS = 7 * _DAY_MS
_DONE = "i.state IN ('read', 'baseline') AND i.page_next_at IS NULL"
_OWED = "state IN ('pending', 'sending') OR edit_state <> ''"


def purge_texts(sql: sqlite3.Connection, before: datetime, limit: int) -> int:
    """Delete the texts of articles first seen before then, and their words in the index; return of how many, 0: none is left."""
    rows = sql.execute(
        f"""SELECT a.item_id FROM articles a INDEXED BY articles_with_text JOIN items i ON i.id = a.item_id
        WHERE a.text IS NOT NULL AND a.item_id < ? AND i.first_seen_at < ? AND {_DONE} ORDER BY a.item_id LIMIT ?""",  # noqa: S608  # a constant
        (first_since(sql, ms_for(before)) or 0, ms_for(before), limit),
    ).fetchall()
    for (item_id,) in rows:
        drop_words(sql, item_id)
        sql.execute("UPDATE articles SET text = NULL WHERE item_id = ?", (item_id,))
    return len(rows)


def settle_feed(sql: sqlite3.Connection, feed_id: int, *, text_before: datetime, now: datetime, limit: int) -> int:
    """Delete of a feed what it wrote itself of items that are old and gone from its document, and marks absent for 400 days.

    Returns how much was deleted, 0: nothing is left to delete. What a feed shows is kept however old it is: an edit is known by it.
    """
    newest, ok_at = sql.execute(
        "SELECT (SELECT MAX(last_seen_at) FROM seen WHERE feed_id = f.id), last_ok_at FROM feeds f WHERE id = ?",
        (feed_id,),
    ).fetchone() or (None, None)
    if newest is None:
        return 0
    if (
        ok_at is not None and ok_at - newest > _RENEWED_MS
    ):  # its document has not changed since: all that stood there still does
        sql.execute(
            "UPDATE seen SET last_seen_at = ? WHERE feed_id = ? AND last_seen_at >= ?",
            (ok_at, feed_id, newest - _PRESENT_MS),
        )
        newest = ok_at
    gone_before = newest - _PRESENT_MS
    bodies = sql.execute(
        f"""DELETE FROM item_bodies WHERE item_id IN (
            SELECT i.id FROM items i JOIN item_bodies b ON b.item_id = i.id
            WHERE i.feed_id = ? AND i.first_seen_at < ? AND {_DONE}
                AND NOT EXISTS (SELECT 1 FROM seen s WHERE s.item_id = i.id AND s.last_seen_at >= ?) LIMIT ?)""",  # noqa: S608  # a constant
        (feed_id, ms_for(text_before), gone_before, limit),
    ).rowcount
    marks = sql.execute(
        "DELETE FROM seen WHERE feed_id = ?1 AND key IN (SELECT key FROM seen WHERE feed_id = ?1 AND last_seen_at < ?2 LIMIT ?3)",
        (feed_id, min(gone_before, ms_for(now - ABSENT)), limit),
    ).rowcount
    return bodies + marks


def purge_records(sql: sqlite3.Connection, before: datetime, limit: int) -> int:
    """Delete items first seen before then, with all that is known of them but their seen marks; return how many, 0: none is left."""
    rows = sql.execute(
        f"""SELECT i.id FROM items i WHERE i.id < ? AND i.first_seen_at < ? AND {_DONE}
            AND NOT EXISTS (SELECT 1 FROM alerts WHERE item_id = i.id AND ({_OWED})) ORDER BY i.id LIMIT ?""",  # noqa: S608  # constants
        (first_since(sql, ms_for(before)) or 0, ms_for(before), limit),
    ).fetchall()
    delete_items(sql, [item_id for (item_id,) in rows])
    return len(rows)


def delete_items(sql: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Delete items with their texts, words, matches and alerts, and stories that nothing tells any more. Their marks stay."""
    for item_id in ids:
        drop_words(sql, item_id)
        story = sql.execute("SELECT story_id FROM items WHERE id = ?", (item_id,)).fetchone()
        for table in ("matches", "alerts", "articles", "item_bodies"):
            sql.execute(f"DELETE FROM {table} WHERE item_id = ?", (item_id,))  # noqa: S608  # fixed names
        sql.execute("UPDATE seen SET item_id = NULL WHERE item_id = ?", (item_id,))
        sql.execute("DELETE FROM items WHERE id = ?", (item_id,))
        sql.execute(
            """DELETE FROM stories WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM items WHERE story_id = ?1)
                AND NOT EXISTS (SELECT 1 FROM alerts WHERE story_key = stories.key)""",
            story,
        )


def purge_rests(sql: sqlite3.Connection, now: datetime) -> None:
    """Forget of hosts what is over since a day."""
    sql.execute("DELETE FROM hosts WHERE rest_until < ?", (ms_for(now) - _DAY_MS,))
