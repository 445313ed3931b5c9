"""What polling needs and what it leaves: which feed is due, which entries are known, and the one commit of a poll.

Owns the tables feeds (their state), hosts, items, item_bodies and seen.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.model import EditedItem, Feed, ItemKeys, Known, KnownItem, NewItem, Poll, Sorted
from bot.store.codec import host_for, ms_for, opt_ms_for, opt_time_in, pack, sparse_json_for, text_for
from bot.store.declared import FEED_COLUMNS, FEEDS, feed_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

_LINK_DAYS = 30
_DAY_MS = 24 * 60 * 60 * 1000
_EDITS_COUNT_MS = 2 * _DAY_MS
_CHUNK = 500
_AHEAD_MS = 60_000
_ASKED_AT_ALL = "f.enabled AND f.state <> 'gone' AND f.id NOT IN (SELECT value FROM json_each(?1))"
_EDITS = "CASE WHEN i.edited_at >= ? THEN i.edits ELSE 0 END"


def due_feeds(
    sql: sqlite3.Connection, now: datetime, limit: int, without: Collection[int], of_host: int | None = None
) -> tuple[Feed, ...]:
    """Return the feeds to be polled now, the longest overdue first, but those in `without` and those whose host rests.

    One that was last asked in the future is due too: its poll was under way when the clock was set back. of_host: so many of one host.
    """
    at = ms_for(now)
    rows = sql.execute(
        f"""SELECT {FEED_COLUMNS} FROM (
            SELECT f.id AS due_id, ROW_NUMBER() OVER (PARTITION BY f.host ORDER BY f.next_poll_at, f.id) AS place FROM {FEEDS}
            WHERE {_ASKED_AT_ALL} AND (h.rest_until IS NULL OR h.rest_until <= ?2) AND f.id IN (
                SELECT id FROM feeds WHERE enabled AND next_poll_at IS NULL
                UNION ALL SELECT id FROM feeds WHERE enabled AND next_poll_at <= ?2
                UNION ALL SELECT id FROM feeds WHERE enabled AND last_poll_at > ?2 + ?4)
        ) CROSS JOIN feeds f ON f.id = due_id LEFT JOIN hosts h ON h.host = f.host
        WHERE ?5 IS NULL OR place <= ?5 ORDER BY f.next_poll_at, f.id LIMIT ?3""",  # noqa: S608  # constants of the store
        (json.dumps(list(without)), at, limit, _AHEAD_MS, of_host),
    )
    return tuple(feed_in(row) for row in rows)


def next_poll_at(sql: sqlite3.Connection, without: Collection[int]) -> datetime | None:
    """Return when the next feed is due, rests of hosts counted in; None without feeds, 1970 where one was never asked."""
    # Two walks over few rows in place of one over all feeds: the first whose host does not rest then, and those whose host does.
    row = sql.execute(
        f"""SELECT MIN(at) FROM (
            SELECT at FROM (SELECT COALESCE(f.next_poll_at, 0) AS at FROM {FEEDS}
                WHERE {_ASKED_AT_ALL} AND COALESCE(h.rest_until, 0) <= COALESCE(f.next_poll_at, 0)
                ORDER BY f.next_poll_at LIMIT 1)
            UNION ALL SELECT MIN(h.rest_until) FROM hosts h CROSS JOIN feeds f ON f.host = h.host
                WHERE {_ASKED_AT_ALL} AND h.rest_until > COALESCE(f.next_poll_at, 0))""",  # noqa: S608  # as above
        (json.dumps(list(without)),),
    ).fetchone()
    return opt_time_in(row[0])


def known(sql: sqlite3.Connection, feed_id: int, keys: Sequence[ItemKeys], now: datetime) -> Known:
    """Return what this feed is known to have held of these entries.

    Only those that are not known by their key are looked for by link, and, where these are more than half, by what they say: among
    what the feed still held 30 days before its last document that was read. The newest item of a link stands.
    Edits count for 48 hours after the last: what is edited too often is put off, never given up.
    """
    edits_since = ms_for(now) - _EDITS_COUNT_MS
    by_key: dict[bytes, KnownItem] = {}
    for chunk, marks in _chunks([one.key for one in keys]):
        rows = sql.execute(
            f"""SELECT s.key, i.id, i.content_hash, i.title_hash, {_EDITS} FROM seen s LEFT JOIN items i ON i.id = s.item_id
            WHERE s.feed_id = ? AND s.key IN ({marks})""",  # noqa: S608  # marks are question marks
            (edits_since, feed_id, *chunk),
        )
        by_key.update(_known_in(rows))
    strange = [one for one in keys if one.key not in by_key]
    links = [one.link_hash for one in strange if one.link_hash is not None]
    by_link = _held_lately(sql, feed_id, "link_hash", links, ms_for(now))
    if 2 * len(strange) <= len(keys):
        return Known(by_key=by_key, by_link=by_link)
    contents = [one.content_hash for one in strange]
    return Known(
        by_key=by_key, by_link=by_link, by_content=_held_lately(sql, feed_id, "content_hash", contents, ms_for(now))
    )


def _held_lately(
    sql: sqlite3.Connection, feed_id: int, column: str, hashes: Sequence[bytes], at: int
) -> dict[bytes, KnownItem]:
    """Return a feed's items by one of their hashes, those alone that its documents still held 30 days ago or later."""
    if not hashes:
        return {}
    # A document that has not changed for long renews no marks: what stood in it the last time still does.
    ((newest,),) = sql.execute("SELECT MAX(last_seen_at) FROM seen WHERE feed_id = ?", (feed_id,)).fetchall()
    since = min(at, newest or at) - _LINK_DAYS * _DAY_MS
    found: dict[bytes, KnownItem] = {}
    for chunk, marks in _chunks(hashes):
        rows = sql.execute(
            f"""SELECT i.{column}, i.id, i.content_hash, i.title_hash, {_EDITS} FROM items i
            WHERE i.{column} IN ({marks}) AND i.feed_id = ?
                AND EXISTS (SELECT 1 FROM seen s WHERE s.item_id = i.id AND s.last_seen_at >= ?) ORDER BY i.id""",  # noqa: S608  # two fixed names
            (at - _EDITS_COUNT_MS, *chunk, feed_id, since),
        )
        found.update(_known_in(rows))
    return found


def commit_poll(sql: sqlite3.Connection, poll: Poll) -> tuple[int, ...]:
    """Store all that one poll brought, and return the ids of the items that are new, in document order.

    The same poll once more adds nothing. A feed that was paused meanwhile stays paused, one that was woken stays due; of one that was
    removed nothing is stored.
    """
    at = ms_for(poll.polled_at)
    is_there = _keep_feed(sql, poll.feed)
    if poll.host_rest is not None:
        host, until = poll.host_rest
        sql.execute(
            """INSERT INTO hosts (host, rest_until) VALUES (?, ?)
            ON CONFLICT (host) DO UPDATE SET rest_until = MAX(rest_until, excluded.rest_until)""",
            (host_for(host), ms_for(until)),
        )
    return () if poll.entries is None or not is_there else _keep_entries(sql, poll.feed.id, poll.entries, at)


def release_feed(sql: sqlite3.Connection, feed_id: int, *, drop: bool) -> int:
    """Let what a feed held back be read, or lie; one that held nothing is asked again at once, also where it is gone.

    Returns how many items were held back.
    """
    held = sql.execute(
        "UPDATE items SET state = ? WHERE feed_id = ? AND state = 'held'",
        ("baseline" if drop else "to_read", feed_id),
    ).rowcount
    sql.execute(
        """UPDATE feeds SET next_poll_at = CASE WHEN ?2 THEN next_poll_at END, wakes = wakes + NOT ?2,
            fail_count = CASE state WHEN 'gone' THEN 0 ELSE fail_count END,
            state = CASE WHEN state IN ('gone', 'suspect') THEN CASE WHEN subscribed_at IS NULL THEN 'new' ELSE 'ok' END ELSE state END,
            health = json_set(health, '$.emptied', json('false'))
        WHERE id = ?1 AND enabled""",
        (feed_id, held > 0),
    )
    return held


def rebaseline_feeds(sql: sqlite3.Connection) -> int:
    """Take the next document of every feed for what stands there already, so that an old backup alerts nobody anew; return of how many."""
    return sql.execute(
        """UPDATE feeds SET subscribed_at = NULL, validators = '[null,null]', body_hash = NULL, items_hash = NULL,
            next_poll_at = NULL, wakes = wakes + 1 WHERE subscribed_at IS NOT NULL"""
    ).rowcount


def settle_items(sql: sqlite3.Connection, ids: Collection[int] | None = None) -> int:
    """Take what was still to be read, and pages still owed, for done, so that nothing comes of them; return of how many items.

    ids: of these alone, held ones too.
    """
    return sql.execute(
        """UPDATE items SET page_next_at = NULL, state = CASE WHEN state = 'read' OR readings THEN 'read' ELSE 'baseline' END
        WHERE (state = 'to_read' OR page_next_at IS NOT NULL OR (?1 IS NOT NULL AND state = 'held'))
            AND (?1 IS NULL OR id IN (SELECT value FROM json_each(?1)))""",
        (None if ids is None else json.dumps(list(ids)),),
    ).rowcount


def _keep_feed(sql: sqlite3.Connection, feed: Feed) -> bool:
    """Store what a feed is from now on; return whether it is still there."""
    done = sql.execute(
        """UPDATE feeds SET name = CASE WHEN name = '' THEN ? ELSE name END, validators = ?, body_hash = ?, items_hash = ?,
            hints = ?, rate = ?, state = CASE WHEN enabled THEN ? ELSE state END, fail_count = ?, last_error = ?,
            next_poll_at = CASE WHEN wakes = ? THEN ? END, last_poll_at = ?, last_ok_at = ?, subscribed_at = ?, language = ?,
            host = ?, moved_url = ?, health = ?
        WHERE id = ?""",
        (
            text_for(feed.name),
            json.dumps([feed.etag, feed.last_modified]),
            feed.body_hash,
            feed.items_hash,
            sparse_json_for(feed.hints),
            feed.rate,
            feed.state,
            feed.fail_count,
            text_for(feed.last_error),
            feed.wakes,
            opt_ms_for(feed.next_poll_at),
            opt_ms_for(feed.last_poll_at),
            opt_ms_for(feed.last_ok_at),
            opt_ms_for(feed.subscribed_at),
            None if feed.language is None else text_for(feed.language),
            host_for(feed.moved_url or feed.url),
            text_for(feed.moved_url),
            sparse_json_for(feed.health),
            feed.id,
        ),
    )
    return done.rowcount > 0


def _keep_entries(sql: sqlite3.Connection, feed_id: int, entries: Sorted, at: int) -> tuple[int, ...]:
    if entries.partial:  # what stood in the last document stands there still
        sql.execute(
            """UPDATE seen SET last_seen_at = ?2 WHERE feed_id = ?1 AND last_seen_at <= ?2 - ?3
                AND last_seen_at >= (SELECT MAX(last_seen_at) FROM seen WHERE feed_id = ?1) - 2 * ?3""",
            (feed_id, at, _DAY_MS),
        )
    ids = [_keep_new(sql, feed_id, one, at) for one in entries.new]
    for edited in entries.edited:
        _keep_edited(sql, feed_id, edited, at)
    sql.executemany(
        "INSERT INTO seen (feed_id, key, item_id, last_seen_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(feed_id, key, item_id, at) for key, item_id in entries.moved],
    )
    for chunk, marks in _chunks(
        entries.seen
    ):  # once a day is enough to tell what left the document, and saves 50 writes a poll
        sql.execute(
            f"UPDATE seen SET last_seen_at = ? WHERE feed_id = ? AND last_seen_at <= ? AND key IN ({marks})",  # noqa: S608  # marks are question marks
            (at, feed_id, at - _DAY_MS, *chunk),
        )
    return tuple(item_id for item_id in ids if item_id is not None)


def _keep_new(sql: sqlite3.Connection, feed_id: int, new: NewItem, at: int) -> int | None:
    """Return the id of the stored item; None where its key was known already."""
    mark = sql.execute(
        "INSERT INTO seen (feed_id, key, last_seen_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1",
        (feed_id, new.keys.key, at),
    ).fetchall()
    if not mark:
        return None
    entry, keys = new.entry, new.keys
    ((item_id,),) = sql.execute(
        """INSERT INTO items (feed_id, key, link_hash, title_hash, content_hash, guid, url, title, author, published_at,
            updated_at, first_seen_at, state, missed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id""",
        (
            feed_id,
            keys.key,
            keys.link_hash,
            keys.title_hash,
            keys.content_hash,
            text_for(entry.guid),
            text_for(entry.link),
            text_for(entry.title),
            text_for(entry.author),
            opt_ms_for(entry.published_at),
            opt_ms_for(entry.updated_at),
            at,
            "held" if new.held else "to_read" if new.to_read else "baseline",
            opt_ms_for(new.missed_at),
        ),
    ).fetchall()
    sql.execute("UPDATE seen SET item_id = ? WHERE feed_id = ? AND key = ?", (item_id, feed_id, keys.key))
    sql.execute("INSERT INTO item_bodies (item_id, text) VALUES (?, ?)", (item_id, pack(entry.text)))
    return int(item_id)


def _keep_edited(sql: sqlite3.Connection, feed_id: int, edited: EditedItem, at: int) -> None:
    entry, keys = edited.entry, edited.keys
    changed = sql.execute(
        """UPDATE items SET link_hash = ?, title_hash = ?, content_hash = ?, url = ?, title = ?, author = ?,
            published_at = COALESCE(?, published_at), updated_at = ?,
            edits = CASE WHEN edited_at >= ? THEN edits + 1 ELSE 1 END, edited_at = ?,
            state = CASE WHEN ? AND state <> 'held' THEN 'to_read' ELSE state END, fired_before = COALESCE(?, fired_before),
            page_tries = CASE WHEN ? THEN 0 ELSE page_tries END, page_next_at = CASE WHEN ? THEN NULL ELSE page_next_at END
        WHERE id = ? AND feed_id = ? AND content_hash <> ?""",
        (
            keys.link_hash,
            keys.title_hash,
            keys.content_hash,
            text_for(entry.link),
            text_for(entry.title),
            text_for(entry.author),
            opt_ms_for(entry.published_at),
            opt_ms_for(entry.updated_at),
            at - _EDITS_COUNT_MS,
            at,
            edited.to_read,
            json.dumps(sorted(edited.fired_before)) if edited.fired_before else None,
            edited.to_read,
            edited.to_read,
            edited.item_id,
            feed_id,
            keys.content_hash,
        ),
    ).rowcount
    if changed:
        sql.execute(
            "INSERT OR REPLACE INTO item_bodies (item_id, text) VALUES (?, ?)", (edited.item_id, pack(entry.text))
        )
    sql.execute(
        "INSERT INTO seen (feed_id, key, item_id, last_seen_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (feed_id, keys.key, edited.item_id, at),
    )


def _known_in(rows: sqlite3.Cursor) -> Iterator[tuple[bytes, KnownItem]]:
    for key, item_id, content_hash, title_hash, edits in rows:
        yield (
            key,
            KnownItem(item_id=item_id, content_hash=content_hash, title_hash=title_hash, edits=edits),
        )


def _chunks(values: Sequence[Any]) -> Iterator[tuple[Sequence[Any], str]]:
    """Yield the values in pieces that one statement can bear, each with its question marks."""
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        yield chunk, ",".join("?" * len(chunk))
