"""Whether a database file is sound. At a start as much is read as a second allows, the rest once a day while the bot works.

A file of up to 64 MB is read whole at each start. Of a larger one a start reads the schema, the list of free pages and the tables that
decide what is told (feeds, watches, what is owed); so ten million items are open in a moment, also after a kill. What the daily reading
finds is noted, and the next start then reads everything until all is well.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from bot.errors import StoreError
from bot.store.channels import keep_note
from bot.store.connection import store_error_for
from bot.store.files import plain_connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READ_WHOLE_BYTES = 64 * 1024 * 1024
VERDICT = "damaged"
_SMALL = (
    "feeds",
    "hosts",
    "actors",
    "aliases",
    "watches",
    "watch_feeds",
    "subscriptions",
    "guilds_left",
    "paused_channels",
    "notes",
)
_CACHE_KIB = 4096


def fault_at_start(sql: sqlite3.Connection, path: Path) -> str:
    """Return what is wrong as far as a start looks, on one line; "" for nothing. Raises what SQLite raises on a damaged page."""
    if path.stat().st_size <= READ_WHOLE_BYTES:
        return first_fault(sql)
    if fault := _fault_of_size(sql, path):
        return fault
    tables = {str(row[0]) for row in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in _SMALL:
        if table in tables and (fault := first_fault(sql, table)):
            return fault
    if "notes" in tables and sql.execute("SELECT 1 FROM notes WHERE key = ?", (VERDICT,)).fetchone():
        return first_fault(sql)
    return ""


def fault_in_file(path: Path, opened: Callable[[sqlite3.Connection], None] = lambda _: None) -> str:
    """Return the first thing that is wrong with a database file, also while it is written; "" for nothing.

    opened: handed the connection before anything is read; whoever interrupts it ends the reading.

    Raises: StoreError where it cannot be read.
    """
    try:
        with closing(plain_connection(path, "rw")) as sql:
            opened(sql)
            sql.execute("PRAGMA wal_autocheckpoint = 0")
            sql.execute("PRAGMA query_only = ON")
            sql.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            return first_fault(sql)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return str(error)
        raise (store_error_for(error) or StoreError(str(error))) from error


def first_fault(sql: sqlite3.Connection, table: str = "1") -> str:
    """Return the first thing that is wrong with an open database, or one table of it, on one line; "" for nothing."""
    faults = [str(row[0]) for row in sql.execute(f"PRAGMA quick_check({table})")]
    return "" if faults == ["ok"] else faults[0].splitlines()[0]


def keep_verdict(sql: sqlite3.Connection, fault: str) -> None:
    """Note what the daily reading found, for the next start; nothing: forget it."""
    if fault:
        keep_note(sql, VERDICT, fault)
    else:
        sql.execute("DELETE FROM notes WHERE key = ?", (VERDICT,))


def _fault_of_size(sql: sqlite3.Connection, path: Path) -> str:
    """Return what is wrong where the file is shorter than its header says; pages that are only in the log do not count."""
    ((pages, size, free),) = sql.execute(
        "SELECT * FROM pragma_page_count(), pragma_page_size(), pragma_freelist_count()"
    ).fetchall()
    wal = path.with_name(f"{path.name}-wal")
    if path.stat().st_size < pages * size and not (wal.exists() and wal.stat().st_size):
        return f"{pages} pages are expected, {path.stat().st_size // size} are there"
    return f"{free} of {pages} pages are called free" if free >= pages else ""
