"""Database files as files: opened plainly, copied whole, put in place under their name, moved aside.

Every new file is built under another name and renamed when its bytes are on the disk, so that a crash leaves none or a whole one.
Never knows a table.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Literal

from bot.store.connection import settle, uri_for

if TYPE_CHECKING:
    from pathlib import Path

TAILS = ("", "-wal", "-shm", "-journal")


def plain_connection(path: Path, mode: Literal["rw", "rwc"]) -> sqlite3.Connection:
    """Return a connection of this thread with the store's settings; "rw" never creates a file."""
    sql = sqlite3.connect(uri_for(path, mode), uri=True, isolation_level=None)
    try:
        settle(sql)
    except BaseException:
        sql.close()
        raise
    return sql


def copy_whole(sql: sqlite3.Connection, target: Path) -> None:
    """Copy a database into one file, as it is at this moment, log and all; what stood at `target` is replaced."""
    draft = draft_of(target)
    discard(draft)
    try:
        copy_into(sql, draft)
        put_in_place(draft, target)
    except BaseException:
        discard(draft)
        raise


def copy_into(sql: sqlite3.Connection, draft: Path) -> None:
    """Copy a database into a new file that only its owner may read: it holds addresses with passwords."""
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    sql.execute("VACUUM INTO ?", (str(draft),))


def draft_of(target: Path) -> Path:
    """Return the name under which a file is built that will be `target`."""
    return target.with_name(f"{target.name}.new")


def put_in_place(draft: Path, target: Path) -> None:
    """Rename, with both the bytes and the name on the disk before and after."""
    for place, then in ((draft, lambda: draft.replace(target)), (target.parent, lambda: None)):
        fd = os.open(place, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        then()


def move_aside(database: Path, name: Path) -> bool:
    """Give a database another name, its log with it; return whether there was one. Stopped half-way, no program starts empty.

    The file goes first: one whose log is missing would open as an older one, a log whose file is missing is refused.
    """
    moved = False
    for tail in ("", "-wal", "-journal"):
        part = database.with_name(f"{database.name}{tail}")
        if part.exists():
            part.rename(name.with_name(f"{name.name}{tail}"))
            moved = True
    database.with_name(f"{database.name}-shm").unlink(missing_ok=True)
    return moved


def discard(draft: Path) -> None:
    """Remove a file that was never put in place, and what SQLite made beside it."""
    for tail in TAILS:
        draft.with_name(f"{draft.name}{tail}").unlink(missing_ok=True)
