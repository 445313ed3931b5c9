"""Backups: a copy of an open store into one file, and a store made anew from such a copy.

A backup never stops or waits for the bot. A restore refuses while the bot runs, checks the backup before it touches anything, and keeps
what it replaces. What was told between the two must not be told again, so the restored store takes every feed's next document for what
stands there already, items and pages that were still to be read for read, and looks in the channel before it posts what the backup owed.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import StoreError
from bot.store.channels import keep_note
from bot.store.codec import ms_for
from bot.store.connection import store_error_for
from bot.store.files import copy_into, copy_whole, discard, draft_of, move_aside, plain_connection, put_in_place
from bot.store.lock import take_lock
from bot.store.outage import NOTE, last_life
from bot.store.polls import rebaseline_feeds, settle_items
from bot.store.schema import MIGRATIONS, check_version, existing_place, migrate, place_for

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEASE_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did. replaced: where the store that stood there is now, None where none did. doubtful: alerts to be looked for."""

    items: int
    feeds: int
    doubtful: int
    replaced: Path | None


def back_up(database: Path, target: Path) -> int:
    """Copy the store into `target`, also while the bot runs; return its size in bytes. A backup of that name is replaced.

    Raises: StoreError, one line; nothing is then left at `target` that was not there.
    """
    database, target = existing_place(database), Path(target).absolute()
    _refuse_target(database, target)
    with _said_of(target), closing(plain_connection(database, "rw")) as sql:
        sql.execute("PRAGMA wal_autocheckpoint = 0")  # folding the log into the file is the bot's business
        check_version(sql, database)
        draft = draft_of(target)
        discard(draft)
        try:
            copy_into(sql, draft)
            _check_sound(draft)
            put_in_place(draft, target)
        except BaseException:
            discard(draft)
            raise
    with suppress(OSError):
        _mark_of(database).touch()
    return target.stat().st_size


def last_backup(database: Path) -> datetime | None:
    """Return when this store was last backed up, None where it never was: the time of an empty file beside it."""
    try:
        return datetime.fromtimestamp(_mark_of(database.resolve()).stat().st_mtime, UTC)
    except OSError:
        return None


def _mark_of(database: Path) -> Path:
    return database.with_name(f"{database.name}.backed-up")


def restore(database: Path, backup: Path, *, now: datetime) -> Restored:
    """Make the store what a backup holds; what stood there is kept beside it under another name.

    Raises: StoreError, one line: the bot runs, or the backup is none, damaged or of a newer program; the store is then as it was.
    """
    database, backup = place_for(database), Path(backup).absolute()
    if not backup.is_file():
        raise StoreError(f"there is no backup at {backup}: name a file that `wirewatch backup` wrote")
    if backup.resolve() == database:
        raise StoreError(f"{backup} is the store itself: name a backup of it")
    lock = take_lock(database)
    try:
        with _said_of(backup):
            draft = database.with_name(f"{database.name}.restoring")
            discard(draft)
            try:
                return _restore_through(draft, database, backup, now)
            finally:
                discard(draft)
    finally:
        lock.release()


def _restore_through(draft: Path, database: Path, backup: Path, now: datetime) -> Restored:
    _check_sound(backup)
    with closing(plain_connection(backup, "rw")) as sql:
        copy_whole(sql, draft)
    with closing(plain_connection(draft, "rw")) as sql:
        migrate(sql)
        sql.execute("BEGIN IMMEDIATE")
        doubtful = _doubt_what_is_owed(sql, now)
        feeds = rebaseline_feeds(sql)
        note = {
            "from": last_life(sql) or ms_for(now),
            "to": ms_for(now),
            "restored": True,
            "settled": settle_items(sql),
        }
        keep_note(sql, NOTE, json.dumps(note))
        sql.execute("COMMIT")
        ((items,),) = sql.execute("SELECT COUNT(*) FROM items").fetchall()
        sql.execute("PRAGMA journal_mode = WAL")
    aside = database.with_name(f"{database.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
    moved = move_aside(database, aside)
    put_in_place(draft, database)
    return Restored(items=items, feeds=feeds, doubtful=doubtful, replaced=aside if moved else None)


def _doubt_what_is_owed(sql: sqlite3.Connection, now: datetime) -> int:
    """Leave what the backup owed in doubt: it may have been posted since, so an outlet that can look back does so first."""
    owed = sql.execute("SELECT id FROM alerts WHERE state = 'pending'").fetchall()
    sql.executemany(
        """UPDATE alerts SET state = 'sending', lease = ?, lease_until = ?, first_sent_at = COALESCE(first_sent_at, created_at)
        WHERE id = ?""",
        [(secrets.token_bytes(_LEASE_BYTES), ms_for(now), alert_id) for (alert_id,) in owed],
    )
    return len(owed)


def _check_sound(path: Path) -> None:
    with closing(plain_connection(path, "rw")) as sql:
        check_version(sql, path, len(MIGRATIONS))
        faults = [str(row[0]) for row in sql.execute("PRAGMA quick_check(1)")]
    if faults != ["ok"]:
        raise StoreError(
            f"{path} is damaged ({faults[0].splitlines()[0]}): take another backup, the store was not touched"
        )


def _refuse_target(database: Path, target: Path) -> None:
    if not target.parent.is_dir():
        raise StoreError(f"the directory {target.parent} does not exist: create it, or name another file")
    if target.is_dir():
        raise StoreError(f"{target} is a directory: name a file in it")
    if target.resolve() == database:
        raise StoreError(f"{target} is the store itself: name another file")
    if target.exists() and target.stat().st_size:
        try:
            with closing(sqlite3.connect(f"{target.as_uri()}?mode=ro", uri=True)) as sql:
                check_version(sql, target, 1 << 30)
        except (sqlite3.Error, StoreError):
            raise StoreError(f"{target} is there and is no backup of wirewatch: name another file") from None


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Let what SQLite and the disk refuse be said of the file at hand."""
    try:
        yield
    except sqlite3.Error as error:
        meant = store_error_for(error)
        if meant is None:
            raise
        raise StoreError(f"{path}: {meant}") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be used ({error.strerror}): look at the path, permissions and disk") from error
