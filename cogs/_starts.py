"""How often this bot may begin a session with Discord. Counts, and says how long to wait; connects to nothing.

Discord takes the token away after a thousand IDENTIFYs a day. A program that dies again and again must not come near that, while one
that was merely restarted often is to answer at once: see docs/decisions/0005.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bot.store import Store

log = logging.getLogger(__name__)

DAY_S: Final = 86_400.0
FREE: Final = 100
STEP: Final = 50
FIRST_WAIT_S: Final = 30.0
LONGEST_WAIT_S: Final = 900.0
RESERVE: Final = 100
NOTE: Final = "identified"


@dataclass(frozen=True, slots=True)
class Left:
    """What Discord says is left of a day's sessions, and when the day is over."""

    remaining: int
    reset_after_s: float


def wait_s(begun: int, left: Left | None) -> float:
    """Return for how long a process has to live before it begins a session, after so many within a day; left None: not known."""
    if left is not None and left.remaining <= RESERVE:
        return left.reset_after_s / max(left.remaining, 1)
    if begun < FREE:
        return 0.0
    return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min((begun - FREE) // STEP, 16)))


class Starts:
    """The sessions begun within a day, in memory and, as far as the database can be written, across restarts."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._times: list[float] = []
        self._is_loaded = False

    @property
    def count(self) -> int:
        """How many there were within a day."""
        now_s = self._clock().timestamp()
        self._times = [at for at in self._times if at > now_s - DAY_S]
        return len(self._times)

    async def load(self, store: Store) -> None:
        """Remember what earlier processes counted, where the database can be read."""
        if self._is_loaded:
            return
        try:
            self._times = sorted([*json.loads(await store.note(NOTE) or "[]"), *self._times])
            self._is_loaded = True
        except StoreError as error:
            log.warning("event=starts_not_known reason=%r", str(error))

    def add(self) -> None:
        """Count one more."""
        self._times.append(round(self._clock().timestamp(), 3))

    async def keep(self, store: Store) -> None:
        """Write the count down, where the database can be written."""
        try:
            if self._is_loaded:  # else what stands there would be lost
                await store.keep_note(NOTE, json.dumps(self._times))
        except StoreError as error:
            log.warning("event=starts_not_kept reason=%r", str(error))
