"""How the program itself is, for /status.

Everybody learns whether it is well. What is the matter, and how much there is of everything, only the managers of the server that holds
the operators' log channel: these numbers are of all servers together.
"""

from __future__ import annotations

import platform
import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from bot.desk_ledger import Ledger
    from bot.desk_sight import Asker
    from bot.store import Backlog


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What the engine knows of itself. log_channel: where its operators are told things, 0: nowhere. troubles: none, and all is well."""

    log_channel: int = 0
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Engineroom:
    """What is for operators alone. versions: of Python and SQLite."""

    troubles: tuple[str, ...]
    ahead: Backlog
    versions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """How the program is. engineroom: None for who is no operator."""

    is_well: bool
    up_since_at: datetime
    engineroom: Engineroom | None = None


async def house_of(ledger: Ledger, condition: Condition, asker: Asker) -> House:
    """Return how the program is, as far as the asker may know it."""
    up_since_at = ledger.clock() - timedelta(seconds=ledger.store.vitals.uptime_s)
    engineroom = None
    if asker.is_manager and condition.log_channel and asker.holds(condition.log_channel):
        versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
        engineroom = Engineroom(troubles=condition.troubles, ahead=await ledger.store.backlog(), versions=versions)
    return House(is_well=not condition.troubles, up_since_at=up_since_at, engineroom=engineroom)
