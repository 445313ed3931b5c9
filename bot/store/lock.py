"""One program per database: a lock on `<database>.lock` that dies with its process.

May create and lock that one file. Never opens the database.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

from bot.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

_PID_CHARS = 20


class Lock:
    """A lock that is held. The file stays behind on purpose: removing it would let two programs lock two files of one name."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def release(self) -> None:
        """Give the lock back; once is enough."""
        if self._fd is not None:
            os.close(self._fd)  # the descriptor is not inheritable: no worker process can keep the lock alive
            self._fd = None


def take_lock(database: Path) -> Lock:
    """Return the lock of this database.

    Raises: StoreError where another process holds it (names its pid), or the lock file cannot be written.
    """
    path = lock_path(database)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(_unwritable(path, error)) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
    except BlockingIOError:
        pid = os.pread(fd, _PID_CHARS, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise StoreError(
            f"{database} is in use by another wirewatch (process {pid}): stop that one first, or set another [store] url"
        ) from None
    except OSError as error:
        os.close(fd)
        raise StoreError(_unwritable(path, error)) from error
    return Lock(fd)


def lock_path(database: Path) -> Path:
    """Return where the lock of a database is."""
    return database.with_name(f"{database.name}.lock")


def _unwritable(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk that holds {path.parent} is full: free some space and start again, nothing was lost"
    return f"{path} cannot be written ({error.strerror}): make its directory writable, or set another [store] url"
