"""The tables, as numbered migrations, and the gate that a database file passes before anyone may use it.

Migrations only go forward and are never edited once released. Each runs in one transaction together with its number
(`PRAGMA user_version`). A damaged, foreign or newer file is refused; never does a program start empty in its place.
Times are unix milliseconds, hashes are 16 bytes, guild_id 0 is the operator's, thread_id 0 is "no thread".
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import StoreError
from bot.store.connection import store_error_for
from bot.store.files import copy_whole, discard, plain_connection, put_in_place
from bot.store.index import TABLE as TABLE_OF_WORDS
from bot.store.soundness import fault_at_start

if TYPE_CHECKING:
    from datetime import datetime

APPLICATION_ID = 0x77697265  # "wire": how a file says that it is ours

Migration = Sequence[str]

_FIRST: Migration = (
    # An id is never used twice: a poll may be under way when its feed is removed.
    """CREATE TABLE feeds (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        guild_id INTEGER NOT NULL DEFAULT 0, url TEXT NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL,
        origin TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1, added_at INTEGER NOT NULL, interval_s REAL, language TEXT,
        validators TEXT NOT NULL DEFAULT '[null,null]', body_hash BLOB, items_hash BLOB, hints TEXT NOT NULL DEFAULT '{}',
        rate REAL NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'new', fail_count INTEGER NOT NULL DEFAULT 0,
        last_error TEXT NOT NULL DEFAULT '', next_poll_at INTEGER, last_poll_at INTEGER, last_ok_at INTEGER,
        subscribed_at INTEGER, wakes INTEGER NOT NULL DEFAULT 0,
        moved_url TEXT NOT NULL DEFAULT '', health TEXT NOT NULL DEFAULT '{}', UNIQUE (guild_id, url)) STRICT""",
    "CREATE INDEX feeds_due ON feeds (next_poll_at) WHERE enabled",
    "CREATE INDEX feeds_asked ON feeds (last_poll_at) WHERE enabled",
    "CREATE INDEX feeds_host ON feeds (host) WHERE enabled",
    "CREATE TABLE hosts (host TEXT PRIMARY KEY, rest_until INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE stories (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, title TEXT NOT NULL, first_item_id INTEGER NOT NULL,
        first_seen_at INTEGER NOT NULL, last_item_at INTEGER NOT NULL, item_count INTEGER NOT NULL DEFAULT 0) STRICT""",
    # state: baseline (stood there when the feed was subscribed), held (came in a flood of old items), to_read, read
    # fired_before: ids of the watches that an earlier wording fired
    """CREATE TABLE items (
        id INTEGER PRIMARY KEY, feed_id INTEGER NOT NULL REFERENCES feeds (id), key BLOB NOT NULL, link_hash BLOB,
        title_hash BLOB, content_hash BLOB NOT NULL, guid TEXT NOT NULL, url TEXT NOT NULL, title TEXT NOT NULL,
        author TEXT NOT NULL, published_at INTEGER, updated_at INTEGER, first_seen_at INTEGER NOT NULL,
        edits INTEGER NOT NULL DEFAULT 0, edited_at INTEGER, state TEXT NOT NULL, readings INTEGER NOT NULL DEFAULT 0,
        page_tries INTEGER NOT NULL DEFAULT 0, page_next_at INTEGER, story_id INTEGER REFERENCES stories (id),
        fired_before TEXT NOT NULL DEFAULT '[]', missed_at INTEGER) STRICT""",
    "CREATE INDEX items_feed ON items (feed_id)",
    "CREATE INDEX items_link ON items (link_hash) WHERE link_hash IS NOT NULL",
    "CREATE INDEX items_to_read ON items (id) WHERE state = 'to_read'",
    "CREATE INDEX items_held ON items (feed_id) WHERE state = 'held'",
    "CREATE INDEX items_page_owed ON items (page_next_at) WHERE page_next_at IS NOT NULL",
    "CREATE INDEX items_story ON items (story_id) WHERE story_id IS NOT NULL",
    "CREATE TABLE item_bodies (item_id INTEGER PRIMARY KEY REFERENCES items (id), text BLOB NOT NULL) STRICT",
    # every key a feed was ever seen to hold; item_id is NULL once the item is purged, several keys may name one item
    """CREATE TABLE seen (
        feed_id INTEGER NOT NULL REFERENCES feeds (id), key BLOB NOT NULL, item_id INTEGER, last_seen_at INTEGER NOT NULL,
        PRIMARY KEY (feed_id, key)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX seen_item ON seen (item_id) WHERE item_id IS NOT NULL",
    """CREATE TABLE articles (
        item_id INTEGER PRIMARY KEY REFERENCES items (id), title TEXT NOT NULL, text BLOB, url TEXT NOT NULL,
        source TEXT NOT NULL, host TEXT NOT NULL, lang TEXT, author TEXT NOT NULL, published_at INTEGER, kind TEXT NOT NULL,
        note TEXT NOT NULL, read_at INTEGER NOT NULL) STRICT""",
    "CREATE INDEX articles_with_text ON articles (item_id) WHERE text IS NOT NULL",
    TABLE_OF_WORDS,
    """CREATE TABLE actors (
        id INTEGER PRIMARY KEY, guild_id INTEGER NOT NULL DEFAULT 0, name TEXT NOT NULL, origin TEXT NOT NULL,
        enabled INTEGER NOT NULL DEFAULT 1, added_at INTEGER NOT NULL, created_by INTEGER NOT NULL DEFAULT 0,
        UNIQUE (guild_id, name)) STRICT""",
    # lang is '' where a spelling counts in every language: NULLs would all be different
    """CREATE TABLE aliases (
        actor_id INTEGER NOT NULL REFERENCES actors (id), text TEXT NOT NULL, rule TEXT NOT NULL, lang TEXT NOT NULL,
        position INTEGER NOT NULL, origin TEXT NOT NULL, struck INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (actor_id, text, rule, lang)) STRICT, WITHOUT ROWID""",
    # An id is never used twice: what a channel was told of is kept by it. home_id: the server that the channel is in, 0 while unknown.
    # in_private: its thread is a private one. since_at, here and in subscriptions: added or resumed; what was there before is not told
    """CREATE TABLE watches (
        id INTEGER PRIMARY KEY AUTOINCREMENT, guild_id INTEGER NOT NULL DEFAULT 0, name TEXT NOT NULL, query TEXT NOT NULL,
        channel_id INTEGER NOT NULL, thread_id INTEGER NOT NULL, mention INTEGER NOT NULL, origin TEXT NOT NULL,
        enabled INTEGER NOT NULL DEFAULT 1, added_at INTEGER NOT NULL, created_by INTEGER NOT NULL DEFAULT 0,
        home_id INTEGER NOT NULL DEFAULT 0, since_at INTEGER NOT NULL DEFAULT 0, in_private INTEGER NOT NULL DEFAULT 0,
        UNIQUE (guild_id, name)) STRICT""",
    # the feeds that a watch is limited to; none: all that its server hears
    """CREATE TABLE watch_feeds (
        watch_id INTEGER NOT NULL REFERENCES watches (id), feed_id INTEGER NOT NULL REFERENCES feeds (id),
        PRIMARY KEY (watch_id, feed_id)) STRICT, WITHOUT ROWID""",
    # the feeds that a server asked for in chat; an address is polled once for all of them
    """CREATE TABLE subscriptions (
        guild_id INTEGER NOT NULL, feed_id INTEGER NOT NULL REFERENCES feeds (id), name TEXT NOT NULL, interval_s REAL,
        enabled INTEGER NOT NULL DEFAULT 1, created_by INTEGER NOT NULL, added_at INTEGER NOT NULL,
        since_at INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (guild_id, feed_id)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX subscriptions_feed ON subscriptions (feed_id)",
    "CREATE TABLE guilds_left (guild_id INTEGER PRIMARY KEY, left_at INTEGER NOT NULL) STRICT",
    """CREATE TABLE matches (
        item_id INTEGER NOT NULL REFERENCES items (id), watch_id INTEGER NOT NULL, spans TEXT NOT NULL,
        matched_at INTEGER NOT NULL, PRIMARY KEY (item_id, watch_id)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX matches_watch ON matches (watch_id, matched_at)",
    "CREATE INDEX matches_time ON matches (matched_at)",
    # state: pending, sending, sent, failed, suspended, dropped. edit_state: '' (nothing owed), owed, sending
    # digest: the first of the late alerts that go into one message, NULL where it goes alone
    """CREATE TABLE alerts (
        id INTEGER PRIMARY KEY, guild_id INTEGER NOT NULL DEFAULT 0, channel_id INTEGER NOT NULL, thread_id INTEGER NOT NULL,
        story_key BLOB NOT NULL, number INTEGER NOT NULL, item_id INTEGER NOT NULL REFERENCES items (id),
        dedup_key TEXT NOT NULL UNIQUE, nonce TEXT NOT NULL, reply_to INTEGER, told TEXT NOT NULL, card TEXT NOT NULL,
        payload_version INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'pending', created_at INTEGER NOT NULL,
        next_try_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, lease BLOB, lease_until INTEGER,
        first_sent_at INTEGER, sent_at INTEGER, message_id INTEGER, last_error TEXT NOT NULL DEFAULT '',
        edit_state TEXT NOT NULL DEFAULT '', edit_next_try_at INTEGER, edit_attempts INTEGER NOT NULL DEFAULT 0,
        edit_lease BLOB, edit_lease_until INTEGER, digest INTEGER, sent_late TEXT NOT NULL DEFAULT '') STRICT""",
    "CREATE INDEX alerts_pending ON alerts (channel_id, thread_id, id, next_try_at) WHERE state = 'pending'",
    "CREATE INDEX alerts_sending ON alerts (channel_id, thread_id) WHERE state = 'sending'",
    "CREATE INDEX alerts_edits ON alerts (id) WHERE edit_state <> ''",
    "CREATE INDEX alerts_story ON alerts (story_key)",
    "CREATE INDEX alerts_item ON alerts (item_id)",
    "CREATE INDEX alerts_state ON alerts (state)",
    """CREATE TABLE paused_channels (
        channel_id INTEGER NOT NULL, thread_id INTEGER NOT NULL, reason TEXT NOT NULL, paused_at INTEGER NOT NULL,
        retry_at INTEGER, tries INTEGER NOT NULL, told INTEGER NOT NULL DEFAULT 0, standing TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (channel_id, thread_id)) STRICT, WITHOUT ROWID""",
    # what the program remembers of itself: the commands it registered, when it identified
    "CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE word_forms (
        word TEXT NOT NULL, lang TEXT NOT NULL, forms TEXT NOT NULL, PRIMARY KEY (word, lang)) STRICT, WITHOUT ROWID""",
)

MIGRATIONS: tuple[Migration, ...] = (_FIRST,)
"""Migration n (from 1) leads from schema n - 1 to schema n."""


def open_gate(path: Path, *, now: datetime, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Make sure that `path` is a sound database of this program's schema; create or migrate it where that is safe.

    An older one is first copied to `<name>.schema-<version>-<time>` beside it. The caller holds the lock.

    Raises: StoreError, one line that says what to do; the file is then as it was.
    """
    try:
        if _is_there(path):
            _admit(path, now, migrations)
        else:
            _create(path, migrations)
    except sqlite3.Error as error:
        meant = store_error_for(error)
        if meant is None:
            raise
        raise StoreError(f"{path}: {meant}") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be used ({error.strerror}): look at the path, permissions and disk") from error


def place_for(path: Path | str) -> Path:
    """Return the one true path of a database, however it was called: the lock hangs on its name.

    Raises: StoreError where nothing can live there, because the directory is missing or may not be written.
    """
    path = Path(path).resolve()
    if not path.parent.is_dir():
        raise StoreError(f"the directory {path.parent} does not exist: create it, or set another [store] url")
    if path.is_dir():
        raise StoreError(f"{path} is a directory: set [store] url to a file in it")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise StoreError(f"{path} may not be written: make it and its directory writable for this user")
    return path


def existing_place(path: Path | str) -> Path:
    """Return the one true path of a database that is there.

    Raises: StoreError where there is none.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise StoreError(f"there is no database at {path}: start wirewatch run once, or set another [store] url")
    return path


def check_version(sql: sqlite3.Connection, path: Path, latest: int = len(MIGRATIONS)) -> int:
    """Return the schema version of a database of ours.

    Raises: StoreError for a database of another program, and for one that a newer wirewatch wrote.
    """
    (application,) = sql.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program, left untouched: set another [store] url")
    (version,) = sql.execute("PRAGMA user_version").fetchone()
    if version > latest:
        raise StoreError(
            f"{path} was written by a newer wirewatch (schema {version}, this one knows {latest}): upgrade this program,"
            " or restore a backup of the older one"
        )
    return int(version)


def migrate(sql: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring an open database to the latest schema, one transaction for each step; stopped anywhere, it goes on from there."""
    (version,) = sql.execute("PRAGMA user_version").fetchone()
    for number, statements in enumerate(migrations[version:], start=version + 1):
        sql.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                sql.execute(statement)
            sql.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            sql.execute(f"PRAGMA user_version = {number}")
            sql.execute("COMMIT")
        except BaseException:
            if sql.in_transaction:
                sql.execute("ROLLBACK")
            raise


def _is_there(path: Path) -> bool:
    """Return whether there is a file to admit; refuse what is left of one whose main file is gone or emptied."""
    if path.exists() and path.stat().st_size > 0:
        return True
    wal = path.with_name(f"{path.name}-wal")
    if path.exists() or (wal.exists() and wal.stat().st_size > 0):
        what = "is empty" if path.exists() else f"is missing while {wal.name} is there"
        raise StoreError(
            f"{path} {what}, so the database is damaged: restore the latest backup (wirewatch restore FILE),"
            " or move what is left away to start anew"
        )
    return False


def _create(path: Path, migrations: Sequence[Migration]) -> None:
    """Build the database under another name, so that a crash leaves either none or a whole one."""
    draft = path.with_name(f"{path.name}.new")
    discard(draft)
    try:
        with closing(plain_connection(draft, "rwc")) as sql:
            migrate(sql, migrations)
        with closing(plain_connection(draft, "rw")) as sql:
            sql.execute("PRAGMA journal_mode = WAL")  # kept in the file; everyone who opens it later finds it so
        put_in_place(draft, path)
    except BaseException:
        discard(draft)
        raise


def _admit(path: Path, now: datetime, migrations: Sequence[Migration]) -> None:
    with closing(plain_connection(path, "rw")) as sql:
        version = check_version(sql, path, len(migrations))
        if fault := fault_at_start(sql, path):
            raise StoreError(f"{path} is damaged ({fault}): restore the latest backup (wirewatch restore FILE)")
        if version < len(migrations):
            copy_whole(sql, path.with_name(f"{path.name}.schema-{version}-{now:%Y%m%dT%H%M%SZ}"))
            migrate(sql, migrations)
        sql.execute("PRAGMA journal_mode = WAL")
