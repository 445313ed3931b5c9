"""What reading needs and what it leaves: items to be read, pages still owed, stories, and the one commit of a reading.

Owns the tables articles, stories and matches and what reading changes of items; hands what is owed to the outbox, in the same transaction.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from bot.model import Article, Item, Match, Reading, Story, ToldAlert
from bot.store import outbox
from bot.store.codec import (
    card_in,
    json_for,
    ms_for,
    opt_ms_for,
    opt_time_in,
    pack,
    text_for,
    time_in,
    unpack,
    value_in,
)
from bot.store.index import add_words, drop_words

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

_SAME_LINK_DAYS = 14

_ITEMS = """SELECT i.id, i.feed_id, f.name, i.key, i.link_hash, i.url, i.title, i.author, i.published_at, i.first_seen_at, b.text,
        COALESCE(a.lang, f.language), f.url, i.readings, i.page_tries, i.state = 'baseline',
        i.edited_at, i.fired_before, i.missed_at
    FROM items i JOIN feeds f ON f.id = i.feed_id LEFT JOIN item_bodies b ON b.item_id = i.id
    LEFT JOIN articles a ON a.item_id = i.id"""
# A twin has the same link, and the same title; or it is of another feed, where the link names one article in both feeds. Under a
# link that one feed gives to several articles (a live blog, notices that all lead to "/") only the title can tell that two are one.
_TWIN = """WITH near AS MATERIALIZED (
        SELECT id, feed_id, title_hash, story_id FROM items WHERE link_hash = ? AND first_seen_at BETWEEN ? AND ?),
    mixed AS (SELECT feed_id FROM near GROUP BY feed_id HAVING COUNT(DISTINCT COALESCE(title_hash, id)) > 1)
    SELECT s.id, s.key, n.id FROM items own JOIN near n ON n.id <> own.id JOIN stories s ON s.id = n.story_id
    WHERE own.id = ? AND (n.title_hash = own.title_hash OR (n.feed_id <> own.feed_id
        AND n.feed_id NOT IN (SELECT feed_id FROM mixed) AND own.feed_id NOT IN (SELECT feed_id FROM mixed)))
    ORDER BY n.title_hash IS NOT own.title_hash, n.id LIMIT 1"""
_LOOKED_AT = 2_000
_WITHOUT = "i.id NOT IN (SELECT value FROM json_each(?))"


def items_to_read(sql: sqlite3.Connection, limit: int, without: Collection[int]) -> tuple[Item, ...]:
    """Return items that are new or edited and not read since, but those in `without`: each feed's oldest first, one feed after another.

    So a feed with a thousand items holds up no other. Of a long backlog the oldest 2,000 are looked at.
    """
    rows = sql.execute(
        f"""WITH turns AS (
            SELECT id AS turn_id, ROW_NUMBER() OVER (PARTITION BY feed_id ORDER BY id) AS place FROM (
                SELECT i.id, i.feed_id FROM items i WHERE i.state = 'to_read' AND {_WITHOUT} ORDER BY i.id LIMIT ?)
            ORDER BY place, id LIMIT ?)
        {_ITEMS} JOIN turns ON turns.turn_id = i.id ORDER BY turns.place, i.id""",  # noqa: S608  # constants
        (json.dumps(list(without)), max(limit, _LOOKED_AT), limit),
    )
    return tuple(_item_in(row) for row in rows)


def pages_owed(sql: sqlite3.Connection, now: datetime, limit: int, without: Collection[int]) -> tuple[Item, ...]:
    """Return items that were read as a teaser and whose page is to be tried again by now, longest overdue first."""
    rows = sql.execute(
        f"{_ITEMS} WHERE i.state = 'read' AND i.page_next_at <= ? AND {_WITHOUT} ORDER BY i.page_next_at, i.id LIMIT ?",
        (ms_for(now), json.dumps(list(without)), limit),
    )
    return tuple(_item_in(row) for row in rows)


def next_page_at(sql: sqlite3.Connection, without: Collection[int]) -> datetime | None:
    """Return when the next page is to be tried again, but those of items in `without`; None where none is owed."""
    (at,) = sql.execute(
        f"SELECT MIN(i.page_next_at) FROM items i WHERE i.page_next_at IS NOT NULL AND i.state = 'read' AND {_WITHOUT}",  # noqa: S608  # a constant
        (json.dumps(list(without)),),
    ).fetchone()
    return opt_time_in(at)


def put_off_page(sql: sqlite3.Connection, item_id: int, next_at: datetime | None, tries: int) -> None:
    """Note that an item's page could not be had again, and when it is tried next; None gives it up."""
    sql.execute("UPDATE items SET page_next_at = ?, page_tries = ? WHERE id = ?", (opt_ms_for(next_at), tries, item_id))


def item(sql: sqlite3.Connection, item_id: int) -> Item | None:
    """Return an item; None where there is none of that id."""
    row = sql.execute(f"{_ITEMS} WHERE i.id = ?", (item_id,)).fetchone()
    return None if row is None else _item_in(row)


def text_is_gone(sql: sqlite3.Connection, item_id: int) -> bool:
    """Return whether an item's article was read and its text deleted since; an article without words is not gone."""
    row = sql.execute("SELECT text IS NULL FROM articles WHERE item_id = ?", (item_id,)).fetchone()
    return row is not None and bool(row[0])


def story_for(sql: sqlite3.Connection, item: Item) -> Story:
    """Return the story that an item tells, by what is known without its words.

    Its own story where it is placed already ("update", of itself, once it was read); else that of its twin within 14 days
    ("duplicate"); else a new one. See _TWIN for what a twin is.
    """
    own = sql.execute(
        "SELECT s.id, s.key, i.readings FROM items i JOIN stories s ON s.id = i.story_id WHERE i.id = ?", (item.id,)
    ).fetchone()
    if own is not None:
        id_, key, readings = own
        return Story(id=id_, key=key, relation="update" if readings else "new", of=item.id if readings else None)
    if item.link_hash is not None:
        span = timedelta(days=_SAME_LINK_DAYS)
        twin = sql.execute(
            _TWIN, (item.link_hash, ms_for(item.first_seen_at - span), ms_for(item.first_seen_at + span), item.id)
        ).fetchone()
        if twin is not None:
            return Story(id=twin[0], key=twin[1], relation="duplicate", of=twin[2])
    return Story(id=None, key=_free_key(sql, item))


def _free_key(sql: sqlite3.Connection, item: Item) -> bytes:
    """Return the key of a story that begins with this item: the item's own, unless another story has it.

    Feeds number their entries as they like ("1", "2", …), so two feeds can send the same guid for different news; under one key
    the second would count as told.
    """
    taken = sql.execute("SELECT 1 FROM stories WHERE key = ? AND first_item_id <> ?", (item.key, item.id)).fetchone()
    if taken is None:
        return item.key
    return blake2b(item.key + item.feed_url.encode("utf-8", "replace"), digest_size=16, person=b"story").digest()


def told(sql: sqlite3.Connection, story_key: bytes) -> tuple[ToldAlert, ...]:
    """Return what all channels were told of a story, or are owed, by number."""
    rows = sql.execute(
        """SELECT id, item_id, channel_id, thread_id, number, told, card, payload_version
        FROM alerts WHERE story_key = ? AND state <> 'dropped' ORDER BY number, id""",
        (story_key,),
    )
    return tuple(
        ToldAlert(
            id=id_,
            item_id=item_id,
            channel_id=channel_id,
            thread_id=thread_id,
            number=number,
            told=value_in(frozenset[str], keys),
            card=card_in(card, version),
        )
        for id_, item_id, channel_id, thread_id, number, keys, card, version in rows
    )


def commit_reading(sql: sqlite3.Connection, reading: Reading, voice: str) -> None:
    """Store one reading and all that is owed because of it. The same reading once more changes nothing.

    An item that was edited while it was being read stays to be read. An item that is gone meanwhile leaves nothing.
    """
    item, at = reading.item, ms_for(reading.read_at)
    row = sql.execute(
        "SELECT i.title, b.text FROM items i LEFT JOIN item_bodies b ON b.item_id = i.id WHERE i.id = ?", (item.id,)
    ).fetchone()
    if row is None:
        return
    story_id = _join_story(sql, reading)
    still_so = (row[0], unpack(row[1])) == (item.title, item.text)
    sql.execute(
        """UPDATE items SET story_id = ?, fired_before = ?, readings = MAX(readings, ?), state = CASE WHEN ? THEN 'read' ELSE state END,
            page_tries = CASE WHEN ? THEN ? ELSE page_tries END, page_next_at = CASE WHEN ? THEN ? ELSE page_next_at END
        WHERE id = ?""",
        (
            story_id,
            json.dumps(sorted(reading.fired_before)),
            item.readings + 1,
            still_so,
            still_so,
            reading.page_tries,
            still_so,
            opt_ms_for(reading.page_next_at),
            item.id,
        ),
    )
    _count_story(sql, story_id)
    _keep_article(sql, item.id, reading.article, at)
    _keep_matches(sql, reading, at)
    outbox.owe(sql, reading, voice)


def _join_story(sql: sqlite3.Connection, reading: Reading) -> int:
    """Return the id of the reading's story, begun where it is new."""
    item, story = reading.item, reading.story
    seen_at = ms_for(item.first_seen_at)
    ((story_id,),) = sql.execute(
        """INSERT INTO stories (key, title, first_item_id, first_seen_at, last_item_at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET last_item_at = MAX(last_item_at, excluded.last_item_at) RETURNING id""",
        (story.key, text_for(reading.article.title or item.title), item.id, seen_at, seen_at),
    ).fetchall()
    return int(story_id)


def _count_story(sql: sqlite3.Connection, story_id: int) -> None:
    sql.execute(
        "UPDATE stories SET item_count = (SELECT COUNT(*) FROM items WHERE story_id = stories.id) WHERE id = ?",
        (story_id,),
    )


def _keep_article(sql: sqlite3.Connection, item_id: int, article: Article, at: int) -> None:
    drop_words(sql, item_id)
    sql.execute(
        """INSERT OR REPLACE INTO articles (item_id, title, text, url, source, host, lang, author, published_at, kind, note,
            read_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            item_id,
            text_for(article.title),
            pack(article.text),
            text_for(article.url),
            text_for(article.source),
            text_for(article.host),
            None if article.lang is None else text_for(article.lang),
            text_for(article.author),
            opt_ms_for(article.published_at),
            article.kind,
            text_for(article.note),
            at,
        ),
    )
    add_words(sql, item_id)


def _keep_matches(sql: sqlite3.Connection, reading: Reading, at: int) -> None:
    """Replace the item's matches; a watch that fired before keeps the time at which it first did."""
    spans: dict[int, list[Match]] = {watch_id: [] for watch_id in reading.matches.fired}
    for match in reading.matches.matches:
        if match.watch_id in spans:
            spans[match.watch_id].append(match)
    item_id = reading.item.id
    sql.execute(
        "DELETE FROM matches WHERE item_id = ? AND watch_id NOT IN (SELECT value FROM json_each(?))",
        (item_id, json.dumps(list(spans))),
    )
    sql.executemany(
        """INSERT INTO matches (item_id, watch_id, spans, matched_at) VALUES (?, ?, ?, ?)
        ON CONFLICT (item_id, watch_id) DO UPDATE SET spans = excluded.spans""",
        [(item_id, watch_id, json_for(found), at) for watch_id, found in spans.items()],
    )


def _item_in(row: Any) -> Item:  # noqa: ANN401  # a row of _ITEMS
    return Item(
        id=row[0],
        feed_id=row[1],
        feed_name=row[2],
        key=row[3],
        link_hash=row[4],
        url=row[5],
        title=row[6],
        author=row[7],
        published_at=opt_time_in(row[8]),
        first_seen_at=time_in(row[9]),
        text=unpack(row[10]),
        lang=row[11],
        feed_url=row[12],
        readings=row[13],
        page_tries=row[14],
        baseline=bool(row[15]),
        edited_at=opt_time_in(row[16]),
        fired_before=frozenset(json.loads(row[17])),
        missed_at=opt_time_in(row[18]),
    )
