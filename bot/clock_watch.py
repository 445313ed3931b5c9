"""Notices when the wall clock is set: against the event loop's own time, which never jumps.

It tells by how much, and changes nothing: what is due is moved by whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

TOLERANCE = timedelta(seconds=2)
"""Less is drift and rounding: what is due comes that much early or late."""


@dataclass(slots=True)
class ClockWatch:
    """Compares two clocks from call to call. monotonic: seconds that only ever pass."""

    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    _wall_at: datetime = field(init=False)
    _passed_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._wall_at, self._passed_s = self.clock(), self.monotonic()

    def set_by(self) -> timedelta:
        """Return by how much the clock was set since the last call, nothing where it only went on. Forward: positive."""
        wall_at, passed_s = self.clock(), self.monotonic()
        by = wall_at - self._wall_at - timedelta(seconds=passed_s - self._passed_s)
        self._wall_at, self._passed_s = wall_at, passed_s
        return by if abs(by) > TOLERANCE else timedelta(0)
