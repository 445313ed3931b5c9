"""Whose files they are, for `doctor` that root asks: root may write everything, the user that runs the bot may not.

Reads owners, modes and the unit's `User=`; access(2) would answer for whoever runs the doctor, and is asked only whether a file is there.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.store.files import TAILS
from bot.store.lock import lock_path

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIT = Path("/etc/systemd/system/wirewatch.service")
ROOT_UID = 0


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine, with all groups."""

    name: str
    uid: int
    gids: frozenset[int]


def account_for(folder: Path, unit: Path = UNIT) -> Account:
    """Return the user that runs the bot: this one, but for root the one that the unit names, else the owner of the store's folder."""
    if os.geteuid() != ROOT_UID:
        return Account("this user", os.geteuid(), frozenset({os.getegid(), *os.getgroups()}))
    try:
        lines = unit.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition("=")[2].strip() for line in lines if line.startswith("User=")), "")
    try:
        entry = pwd.getpwnam(named) if named else pwd.getpwuid(folder.stat().st_uid)
    except KeyError:
        return Account(named or "its owner", folder.stat().st_uid, frozenset({folder.stat().st_gid}))
    gids = {group.gr_gid for group in grp.getgrall() if entry.pw_name in group.gr_mem}
    return Account(entry.pw_name, entry.pw_uid, frozenset({entry.pw_gid, *gids}))


def unwritable_of(database: Path, account: Account) -> Iterator[Path]:
    """Yield what an account would have to write for a store, and may not: its folder, its files."""
    if not may(account, database.parent, os.W_OK | os.X_OK):
        yield database.parent
    for path in (*(database.with_name(f"{database.name}{tail}") for tail in TAILS), lock_path(database)):
        if os.access(path, os.F_OK) and not may(account, path, os.R_OK | os.W_OK):
            yield path


def may(account: Account, path: Path, what: int) -> bool:
    """Return whether owner and mode let an account do that. what: of os.R_OK, W_OK and X_OK."""
    seen = path.stat()
    if account.uid == ROOT_UID:
        return True
    mode = stat.S_IMODE(seen.st_mode)
    bits = mode >> 6 if account.uid == seen.st_uid else mode >> 3 if seen.st_gid in account.gids else mode
    return bits & what == what
