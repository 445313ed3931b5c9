"""What operators are told of feeds, many lines in one message: a day without a network is one matter, not one for each feed.

The first lines are told after a moment, what comes later once an hour; what could not be told meanwhile is told together. Keeps
nothing on disk: how each feed is stands in the store.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from bot.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

log = logging.getLogger(__name__)

GATHERED_S = 20.0
BETWEEN_S = 3600.0
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
LAST_TRY_S = 2.0
SHOWN = 5


class Bundle:
    """Lines that wait, each once. tell: writes a message, and raises a DeliveryError where it is not there."""

    def __init__(self, tell: Callable[[str], Coroutine[object, object, None]]) -> None:
        self._tell = tell
        self._lines: dict[str, None] = {}
        self._fixed: tuple[str, ...] = ()  # may have arrived: until that is known they are told as they were
        self._next_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def add(self, line: str) -> None:
        """Have a line told; waits for nothing."""
        self._lines[line] = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._empty())

    async def close(self) -> None:
        """Stop; what waits is tried once more."""
        if self._task is None or self._task.done():
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        try:
            async with asyncio.timeout(LAST_TRY_S):
                while self._lines:
                    await self._tell_some()
        except (DeliveryError, TimeoutError) as error:
            log.warning("event=operators_not_told lines=%s reason=%r", len(self._lines), str(error))

    async def _empty(self) -> None:
        loop = asyncio.get_running_loop()
        while self._lines:
            await asyncio.sleep(max(GATHERED_S, self._next_s - loop.time()))
            pause_s = FIRST_PAUSE_S
            while not await self._is_told():
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            self._next_s = loop.time() + BETWEEN_S

    async def _is_told(self) -> bool:
        """Tell what waits; return whether it is settled: told, or refused for good."""
        try:
            await self._tell_some()
        except DeliveryError as error:
            log.warning("event=operators_not_told lines=%s reason=%r", len(self._lines), str(error))
            if error.again and not error.closed:
                return False
            self._lines.clear()
            self._fixed = ()
        return True

    async def _tell_some(self) -> None:
        lines = self._fixed or tuple(self._lines)
        try:
            await self._tell(bundled(lines))
        except DeliveryError as error:
            self._fixed = lines if error.unknown else ()
            raise
        except asyncio.CancelledError:
            self._fixed = lines
            raise
        self._fixed = ()
        for line in lines:
            del self._lines[line]


def bundled(lines: Sequence[str]) -> str:
    """Return one line that says these."""
    if len(lines) == 1:
        return lines[0]
    rest = f" | and {len(lines) - SHOWN} more: /feed list says how each is" if len(lines) > SHOWN else ""
    return f"{len(lines)} notices of feeds: {' | '.join(lines[:SHOWN])}{rest}"
