"""Erasure: of a person from everything that is kept, of a server with all that is only its. The bot does not run meanwhile.

What is erased is in no page of the file afterwards: rows are changed or deleted, the index of words is merged into one piece, and the file
is written anew, log and all. A name is blacked out letter by letter, so that every offset into a text stays; marks stay too, so that what
a feed still shows does not come back, and no page of it is fetched. What a feed writes of them later is kept as ever, an edit too. A new
table that holds texts is one line in `_TEXTS`.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

from bot.errors import StoreError
from bot.reading.text import fold_term
from bot.store.blackout import Blackout
from bot.store.codec import pack, unpack
from bot.store.connection import store_error_for
from bot.store.files import plain_connection
from bot.store.index import add_words, drop_words
from bot.store.lock import take_lock
from bot.store.polls import settle_items
from bot.store.retention import delete_items
from bot.store.schema import check_version, existing_place
from bot.store.subscriptions import settle_feeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

STILL_NAMED = "feeds whose address names them"
# table, its key, columns of plain text, of JSON, of packed text
_TEXTS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ("articles", "item_id", ("title", "url", "source", "author", "note"), (), ("text",)),
    ("item_bodies", "item_id", (), (), ("text",)),
    ("items", "id", ("guid", "url", "title", "author"), (), ()),
    ("stories", "id", ("title",), (), ()),
    ("alerts", "id", ("last_error",), ("card", "told"), ()),
    ("matches", "rowid", (), ("spans",), ()),
    ("feeds", "id", ("name", "last_error"), (), ()),
    ("subscriptions", "rowid", ("name",), (), ()),
    ("notes", "key", ("value",), (), ()),
)
# where a row says which item it is of
_ITEM_OF = {
    "articles": "item_id", "item_bodies": "item_id", "items": "id", "alerts": "item_id", "matches": "item_id", "stories": "first_item_id"
}  # fmt: skip
_KEYS = {"matches": "item_id, watch_id", "subscriptions": "guild_id, feed_id"}


def erase_person(database: Path, names: Sequence[str]) -> Mapping[str, int]:
    """Black out a person's names wherever they stand, and delete actors, watches and word forms that are about them.

    names: as people write them, each as it stands, its words in either order; where one of several words stands in a text, its last
    word alone goes too. Returns how many rows were changed or deleted, by what they are, and what still names the person.

    Raises: StoreError: the bot runs, or the store cannot be used.
    """
    return _erased(database, lambda sql: _without_person(sql, names))


def erase_guild(database: Path, guild_id: int) -> Mapping[str, int]:
    """Delete what a server has: watches, actors, subscriptions, alerts and matches of its channels, and feeds that only it heard.

    Returns how many rows were deleted, by what they are.

    Raises: StoreError: the bot runs, or the store cannot be used.
    """
    return _erased(database, lambda sql: _without_guild(sql, guild_id))


def copies_beside(database: Path) -> tuple[Path, ...]:
    """Return older copies of the store that lie beside it, and hold whatever was erased since."""
    names = (f"{database.name}.replaced-*", f"{database.name}.schema-*")
    return tuple(sorted(one for name in names for one in database.parent.glob(name)))


def _erased(database: Path, work: Callable[[sqlite3.Connection], Counter[str]]) -> Mapping[str, int]:
    database = existing_place(database)
    lock = take_lock(database)
    try:
        with closing(plain_connection(database, "rw")) as sql:
            check_version(sql, database)
            sql.execute("PRAGMA secure_delete = ON")
            sql.execute("BEGIN IMMEDIATE")
            done = work(sql)
            sql.execute("INSERT INTO words (words) VALUES ('optimize')")
            sql.execute("COMMIT")
            sql.execute("VACUUM")
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        meant = store_error_for(error)
        if meant is None:
            raise
        raise StoreError(f"{database}: {meant}") from error
    finally:
        lock.release()
    return {what: count for what, count in done.items() if count}


# --- a person ---


def _without_person(sql: sqlite3.Connection, names: Sequence[str]) -> Counter[str]:
    done: Counter[str] = Counter()
    black = Blackout([*names, *_other_names(sql, names)])
    done["actors"] = _drop_rows(sql, "actors", "name", black, ("DELETE FROM aliases WHERE actor_id = ?",))
    spellings = [row for row in sql.execute("SELECT actor_id, text FROM aliases") if black.names_in(str(row[1]))]
    sql.executemany("DELETE FROM aliases WHERE actor_id = ? AND text = ?", spellings)
    for_watches = ("DELETE FROM watch_feeds WHERE watch_id = ?", "DELETE FROM matches WHERE watch_id = ?")
    done["watches"] = _drop_rows(sql, "watches", "query || ' ' || name", black, for_watches)
    sql.executemany("DELETE FROM word_forms WHERE word = ?", [(word,) for word in _words_about(sql, black)])
    about = _items_about(sql, black)
    settle_items(sql, about)  # its page would bring the name back
    for item_id in about:
        drop_words(sql, item_id)  # while the article still is as it was put in
    for table, *_ in _TEXTS:
        keys = [tuple(row) for row in sql.execute(f"SELECT {_key_of(table)} FROM {table}")]  # noqa: S608  # names of this module
        done[table] = sum(_black_out_row(sql, table, key, black, about) for key in keys)
    for item_id in about:
        add_words(sql, item_id)
    done[STILL_NAMED] = sum(black.names_in(str(row[0])) for row in sql.execute("SELECT url FROM feeds"))
    return done


def _items_about(sql: sqlite3.Connection, black: Blackout) -> frozenset[int]:
    """Return the items that name the person, wherever: in what their feed wrote, in the article, in its address."""
    rows = sql.execute(
        """SELECT i.id, i.title || char(10) || i.guid || char(10) || i.url || char(10) || i.author,
            a.title || char(10) || a.url || char(10) || a.source || char(10) || a.author, a.text, b.text
        FROM items i LEFT JOIN articles a ON a.item_id = i.id LEFT JOIN item_bodies b ON b.item_id = i.id"""
    )
    return frozenset(
        item_id
        for item_id, given, read, text, body in rows
        if any(map(black.names_in, (given, read or "", unpack(text), unpack(body))))
    )


def _other_names(sql: sqlite3.Connection, names: Sequence[str]) -> list[str]:
    """Return the spellings of actors who bear one of these names."""
    wanted = {fold_term(name) for name in names}
    known: dict[int, list[str]] = {}
    for actor_id, name in sql.execute("SELECT id, name FROM actors UNION ALL SELECT actor_id, text FROM aliases"):
        known.setdefault(actor_id, []).append(name)
    return [text for texts in known.values() if wanted & set(map(fold_term, texts)) for text in texts]


def _drop_rows(sql: sqlite3.Connection, table: str, column: str, black: Blackout, more: Sequence[str]) -> int:
    rows = sql.execute(f"SELECT id, {column} FROM {table}").fetchall()  # noqa: S608  # names of this module
    named = [(row[0],) for row in rows if black.names_in(str(row[1]))]
    for statement in (*more, f"DELETE FROM {table} WHERE id = ?"):  # noqa: S608  # as above
        sql.executemany(statement, named)
    return len(named)


def _words_about(sql: sqlite3.Connection, black: Blackout) -> list[str]:
    return [word for (word,) in sql.execute("SELECT DISTINCT word FROM word_forms") if black.is_word_of(str(word))]


def _black_out_row(
    sql: sqlite3.Connection, table: str, key: tuple[object, ...], black: Blackout, about: frozenset[int]
) -> bool:
    """Black out one row; return whether anything stood there. Of an item that names the person a surname alone goes too."""
    _, _, plain, as_json, packed = next(one for one in _TEXTS if one[0] == table)
    columns = (*plain, *as_json, *packed)
    where = " AND ".join(f"{name.strip()} = ?" for name in _key_of(table).split(","))
    row = sql.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", key).fetchone()  # noqa: S608  # as above
    given = dict(zip(columns, row, strict=True))
    item = _ITEM_OF.get(table)
    ((item_id,),) = sql.execute(f"SELECT {item or 0} FROM {table} WHERE {where}", key).fetchall()  # noqa: S608  # as above
    named = True if item_id in about else None
    fresh: dict[str, object] = {name: black.out(str(given[name] or ""), surnames=named) for name in plain}
    fresh |= {name: _json_out(str(given[name]), black, named) for name in as_json}
    for name in packed:
        if given[name] is not None and (text := unpack(given[name])) != (clean := black.out(text, surnames=named)):
            fresh[name] = pack(clean)
    changed = {name: value for name, value in fresh.items() if value != (given[name] or "")}
    if changed:
        sets = ", ".join(f"{name} = ?" for name in changed)
        sql.execute(f"UPDATE {table} SET {sets} WHERE {where}", (*changed.values(), *key))  # noqa: S608  # as above
    return bool(changed)


def _json_out(payload: str, black: Blackout, named: bool | None) -> str:  # noqa: FBT001  # as in Blackout.out
    value = json.loads(payload)
    clean = _value_out(value, black, named or any(map(black.names_in, _strings_in(value))))
    return payload if clean == value else json.dumps(clean, separators=(",", ":"))


def _value_out(value: Any, black: Blackout, named: bool) -> Any:  # noqa: ANN401, FBT001  # a JSON value; whether it names the person
    if isinstance(value, str):
        return black.out(value, surnames=named)
    if isinstance(value, list):
        return [_value_out(one, black, named) for one in value]
    if isinstance(value, dict):
        return {name: _value_out(one, black, named) for name, one in value.items()}
    return value


def _strings_in(value: Any) -> Iterator[str]:  # noqa: ANN401  # a JSON value
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings_in(one)


def _key_of(table: str) -> str:
    return _KEYS.get(table) or next(one[1] for one in _TEXTS if one[0] == table)


# --- a server ---


def _without_guild(sql: sqlite3.Connection, guild_id: int) -> Counter[str]:
    done: Counter[str] = Counter()
    channels = sql.execute(
        "SELECT DISTINCT channel_id FROM watches WHERE channel_id <> 0 AND (guild_id = ?1 OR home_id = ?1)", (guild_id,)
    ).fetchall()
    watches = sql.execute("SELECT id FROM watches WHERE guild_id = ? AND origin = 'chat'", (guild_id,)).fetchall()
    told = [(f'%"watch:{watch_id}"%',) for (watch_id,) in watches]
    for statement, values in (
        ("DELETE FROM alerts WHERE guild_id = ?", [(guild_id,)]),
        ("DELETE FROM alerts WHERE channel_id = ?", channels),
        ("DELETE FROM alerts WHERE told LIKE ?", told),
        ("DELETE FROM paused_channels WHERE channel_id = ?", channels),
    ):
        done["alerts" if "alerts" in statement else "paused channels"] += (
            sql.executemany(statement, values).rowcount if values else 0
        )
    done["matches"] = sql.executemany("DELETE FROM matches WHERE watch_id = ?", watches).rowcount if watches else 0
    feeds = sql.execute(
        """SELECT id FROM feeds f WHERE origin = 'chat' AND (guild_id = ?1
            OR EXISTS (SELECT 1 FROM subscriptions WHERE feed_id = f.id AND guild_id = ?1))
            AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE feed_id = f.id AND guild_id <> ?1)""",
        (guild_id,),
    ).fetchall()
    mine = (guild_id,)
    shared = sql.execute("SELECT feed_id FROM subscriptions WHERE guild_id = ?", mine).fetchall()
    sql.execute("DELETE FROM watch_feeds WHERE watch_id IN (SELECT id FROM watches WHERE guild_id = ?)", mine)
    sql.execute("DELETE FROM aliases WHERE actor_id IN (SELECT id FROM actors WHERE guild_id = ?)", mine)
    for table in ("watches", "actors", "subscriptions", "guilds_left"):
        done[table.replace("_", " ")] = sql.execute(f"DELETE FROM {table} WHERE guild_id = ?", mine).rowcount  # noqa: S608  # fixed names
    for (feed_id,) in feeds:
        done["items"] += _drop_feed(sql, feed_id)
    settle_feeds(sql, [feed_id for (feed_id,) in shared])
    done["feeds"] = len(feeds)
    return done


def _drop_feed(sql: sqlite3.Connection, feed_id: int) -> int:
    items = [row[0] for row in sql.execute("SELECT id FROM items WHERE feed_id = ?", (feed_id,))]
    delete_items(sql, items)
    for table in ("seen", "watch_feeds", "subscriptions"):
        sql.execute(f"DELETE FROM {table} WHERE feed_id = ?", (feed_id,))  # noqa: S608  # fixed names
    sql.execute("DELETE FROM feeds WHERE id = ?", (feed_id,))
    return len(items)
