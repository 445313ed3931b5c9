"""A close look at a database file, while the bot runs or not: whose it is, its schema, its soundness, its size. Changes nothing."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.store.connection import settle, store_error_for, uri_for
from bot.store.lock import lock_path
from bot.store.schema import check_version, existing_place

if TYPE_CHECKING:
    from pathlib import Path

FAULTS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheckup:
    """A database of ours. faults: what SQLite found wrong in it, none in a sound one. holder: the bot's process, 0: nobody runs on it."""

    schema: int
    faults: tuple[str, ...]
    db_bytes: int
    wal_bytes: int
    holder: int


def check_file(path: Path) -> FileCheckup:
    """Return how the database at `path` is; reads all of it, about 100 MB a second.

    Raises: StoreError where there is none, it is not ours, is newer, or cannot be read.
    """
    path = existing_place(path)
    wal = path.with_name(f"{path.name}-wal")
    try:
        with closing(sqlite3.connect(uri_for(path, "rw"), uri=True, isolation_level=None)) as sql:
            settle(sql)
            sql.execute("PRAGMA query_only = ON")
            schema = check_version(sql, path)
            said = [str(row[0]).splitlines()[0] for row in sql.execute(f"PRAGMA quick_check({FAULTS_SHOWN})")]
    except sqlite3.Error as error:
        meant = store_error_for(error)
        if meant is None:
            raise
        raise meant from error
    return FileCheckup(
        schema=schema,
        faults=() if said == ["ok"] else tuple(said),
        db_bytes=path.stat().st_size,
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
        holder=holder_of(path),
    )


def holder_of(path: Path, *, locks: str = "/proc/locks") -> int:
    """Return the process that holds the lock of a database, 0 where none does; takes no lock itself. Source: proc(5), locks.

    btrfs shows another device there than stat(2); then the process that wrote its number into the file must be the one that holds it.
    """
    lock = lock_path(path.resolve())
    try:
        seen = lock.stat()
        with open(locks, encoding="ascii") as file:  # noqa: PTH123 - a list that the kernel makes as it is read
            lines = [words for words in map(str.split, file) if "FLOCK" in words and "->" not in words]
    except OSError:
        return 0
    device, inode = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}", str(seen.st_ino)
    held = [(int(words[4]), words[5].rpartition(":")) for words in lines]
    written = _written_in(lock)
    return next((pid for pid, (at, _, of) in held if of == inode and (at == device or pid == written)), 0)


def _written_in(lock: Path) -> int:
    try:
        return int(lock.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
