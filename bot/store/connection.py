"""How a connection to the database is opened, how a whole piece of work runs on its thread, and what its errors mean.

The only place that knows aiosqlite's inside. Never knows a table.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Literal, TypeVar

import aiosqlite

from bot.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

T = TypeVar("T")

BUSY_TIMEOUT_S = 5.0
_CACHE_KIB = 64 * 1024
_JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024

_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space, nothing that was stored is lost and work then goes on",
    sqlite3.SQLITE_IOERR: "the disk refuses to work: look at its space and health, nothing that was stored is lost",
    sqlite3.SQLITE_READONLY: "the database may not be written: make the file and its directory writable",
    sqlite3.SQLITE_BUSY: "another program holds the database: close it (a database shell, a backup), then try again",
    sqlite3.SQLITE_LOCKED: "another program holds the database: close it (a database shell, a backup), then try again",
    sqlite3.SQLITE_CORRUPT: "the database is damaged: restore the latest backup (wirewatch restore FILE)",
    sqlite3.SQLITE_NOTADB: "the file is no database: restore the latest backup (wirewatch restore FILE), or set another [store] url",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened: look at the path, the permissions and the disk",
    sqlite3.SQLITE_NOMEM: "there is no memory left for the database: free some, then try again",
}


def store_error_for(error: sqlite3.Error) -> StoreError | None:
    """Return what an error of SQLite means for people, or None where it is a fault of this program."""
    code = getattr(error, "sqlite_errorcode", None)
    advice = None if code is None else _ADVICE.get(code & 0xFF)
    if advice is None:
        return None
    failure = StoreError(f"{advice} ({error})")
    failure.__cause__ = error
    return failure


def settle(sql: sqlite3.Connection) -> None:
    """Give a connection the settings that every connection of the store has."""
    sql.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    sql.execute("PRAGMA foreign_keys = ON")
    sql.execute("PRAGMA temp_store = MEMORY")
    sql.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    sql.execute("PRAGMA synchronous = FULL")
    sql.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}")


def uri_for(path: Path, mode: Literal["rw", "rwc"]) -> str:
    """Return the name under which SQLite opens `path`; "rw" never creates a file."""
    return f"{path.absolute().as_uri()}?mode={mode}"


async def connect(path: Path, *, reading: bool) -> aiosqlite.Connection:
    """Return an open connection; a reading one can change nothing, not even by a checkpoint. The file must exist.

    Raises: StoreError.
    """
    connection = aiosqlite.connect(uri_for(path, "rw"), uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    try:
        await connection
    except sqlite3.Error as error:
        raise (store_error_for(error) or error) from error
    try:
        await run_whole(connection, settle)
        if reading:
            await connection.execute("PRAGMA wal_autocheckpoint = 0")
            await connection.execute("PRAGMA query_only = ON")
    except BaseException:
        await connection.close()
        raise
    return connection


async def run_whole(connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run the whole of `work` in one hop on the connection's own thread, and return its result.

    A caller that is cancelled does not stop the work. aiosqlite offers this only through a private call, made here alone:
    statement by statement would cost more than twice as much, and let other statements join a half-done transaction.

    Raises: StoreError for what the disk or another program did; any other error of the work as it is.
    """
    try:
        raw: sqlite3.Connection = connection._conn  # noqa: SLF001  # the one private door, held by a test
        result: T = await connection._execute(work, raw)  # type: ignore[no-untyped-call]  # noqa: SLF001  # as above
    except sqlite3.Error as error:
        raise (store_error_for(error) or error) from error
    return result


async def finish(awaitable: Awaitable[T]) -> T:
    """Await to the very end, also when the caller is cancelled meanwhile; the cancellation is then passed on."""
    future = asyncio.ensure_future(awaitable)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if not future.done():
            await asyncio.wait([future])
        raise
