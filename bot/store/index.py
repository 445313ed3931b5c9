"""The index of words over articles that were read: what is in it, and how it is asked, newest first.

Owns the table words: FTS5 without a copy of the texts, one row for each article whose text is kept. Words are folded as the matcher
folds them (reading/text.py), one character a byte, so that whatever a query can find is found here too. What it finds is a first
choice: the matcher reads it again. A row can only be taken out by saying what was put in, so it goes before its text does.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING

from bot.reading.sought import AllOf, AnyOf, Mark, Phrase, Sought
from bot.reading.text import fold_parted, fold_term
from bot.store.codec import ms_for, unpack

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator
    from datetime import datetime

TABLE = """CREATE VIRTUAL TABLE words USING fts5 (
    title, text, marks, content = '', columnsize = 0, tokenize = 'ascii', prefix = '3')"""
FEW_FEEDS = 48
_HASH_BYTES = 6
_NOTHING = '{marks} : "none"'  # no mark is that short

_KEPT = """SELECT a.title, a.text, a.host, a.source, a.lang, i.feed_id FROM articles a JOIN items i ON i.id = a.item_id
    WHERE a.item_id = ? AND a.text IS NOT NULL"""

_MATCHING = "words w CROSS JOIN items i ON i.id = w.rowid WHERE words MATCH ?1"
_ALL = """(SELECT item_id AS rowid FROM articles WHERE text IS NOT NULL) w CROSS JOIN items i ON i.id = w.rowid
    WHERE ?1 = ''"""


def add_words(sql: sqlite3.Connection, item_id: int) -> None:
    """Put an article into the index; it must not be there. Without a text it stays out."""
    if row := _row_for(sql, item_id):
        sql.execute("INSERT INTO words (rowid, title, text, marks) VALUES (?, ?, ?, ?)", (item_id, *row))


def drop_words(sql: sqlite3.Connection, item_id: int) -> None:
    """Take an article out of the index, while it still is as it was put in."""
    if row := _row_for(sql, item_id):
        sql.execute(
            "INSERT INTO words (words, rowid, title, text, marks) VALUES ('delete', ?, ?, ?, ?)", (item_id, *row)
        )


def found(
    sql: sqlite3.Connection,
    sought: Sought,
    *,
    feeds: Collection[int] | None,
    since: datetime,
    before: int | None,
    limit: int,
) -> tuple[int, ...]:
    """Return the ids of items that hold what is sought, newest first. feeds: of these alone; before: an item id, to go on from."""
    if feeds is not None and not feeds:
        return ()
    asked = expression_for(sought)
    if feeds is not None and len(feeds) <= FEW_FEEDS:  # of more, most rows are theirs, or many are looked at in passing
        of_feeds = f"{{marks}} : ({' OR '.join(_hashed('f', str(one)) for one in feeds)})"
        asked, feeds = (f"({asked}) AND {of_feeds}" if asked else of_feeds), None
    rows = sql.execute(
        f"""SELECT w.rowid FROM {_MATCHING if asked else _ALL} AND w.rowid >= ?2 AND w.rowid < ?3 AND i.first_seen_at >= ?4
            AND (?5 IS NULL OR i.feed_id IN (SELECT value FROM json_each(?5))) ORDER BY w.rowid DESC LIMIT ?6""",  # noqa: S608  # constants
        (
            asked,
            first_since(sql, ms_for(since)),
            before if before is not None else 1 << 62,
            ms_for(since),
            None if feeds is None else json.dumps(sorted(feeds)),
            limit,
        ),
    )
    return tuple(row[0] for row in rows)


def expression_for(sought: Sought) -> str:
    """Return what is sought in the language of FTS5; "" for everything. Only letters, digits and our own marks come into it."""
    match sought:
        case Phrase():
            words = f'"{_shown(b" ".join(sought.words))}"{" *" if sought.is_head else ""}'
            return f"{{{sought.scope}}} : {words}" if sought.scope else f"{{title text}} : {words}"
        case Mark():
            return f"{{marks}} : ({' OR '.join(_marks_meant(sought))})"
        case AllOf():
            return " AND ".join(f"({one})" for one in filter(None, map(expression_for, sought.parts)))
        case AnyOf():
            return " OR ".join(f"({expression_for(one)})" for one in sought.parts) or _NOTHING


def _row_for(sql: sqlite3.Connection, item_id: int) -> tuple[str, str, str] | None:
    row = sql.execute(_KEPT, (item_id,)).fetchone()
    if row is None:
        return None
    title, text, host, source, lang, feed_id = row
    marks = [
        _hashed("f", str(feed_id)),
        *(_hashed("h", one) for one in _hosts(host)),
        _hashed("s", fold_term(source).hex()),
    ]
    if lang:
        marks.append(_hashed("l", _language(lang)))
    return _shown(fold_parted(title)), _shown(fold_parted(unpack(text))), " ".join(marks)


def _marks_meant(mark: Mark) -> Iterator[str]:
    if mark.name == "lang":
        yield _hashed("l", _language(mark.value))
    else:
        yield _hashed("h", mark.value.lower().removeprefix("www."))
        if folded := fold_term(mark.value):
            yield _hashed("s", folded.hex())


def _hosts(host: str) -> list[str]:
    """Return a host and all above it."""
    labels = host.removeprefix("www.").split(".")
    return [".".join(labels[at:]) for at in range(len(labels))]


def _language(code: str) -> str:
    return code.partition("-")[0].lower()


def _hashed(kind: str, value: str) -> str:
    """Return a mark as one word."""
    return kind + blake2b(value.encode("utf-8", "replace"), digest_size=_HASH_BYTES).hexdigest()


def _shown(folded: bytes) -> str:
    """Return folded bytes as text in which each letter is one character, and none of them parts words."""
    return folded.decode("latin-1")


def first_since(sql: sqlite3.Connection, at: int) -> int:
    """Return the id from which on items were seen since then, if any: ids grow as time does, so it is found by halving."""
    low, high = sql.execute("SELECT (SELECT MIN(id) FROM items), (SELECT MAX(id) FROM items)").fetchone()
    if low is None:
        return 0
    high += 1
    while low < high:
        middle = (low + high) // 2
        ((id_, seen_at),) = sql.execute(
            "SELECT id, first_seen_at FROM items WHERE id >= ? ORDER BY id LIMIT 1", (middle,)
        )
        if seen_at >= at:
            high = middle
        else:
            low = id_ + 1
    return int(low)
