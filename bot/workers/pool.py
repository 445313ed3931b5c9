"""Processes that do the same work: whoever has a job takes the first that is idle, so that one that hangs holds up nobody else's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.workers.process import WorkerProcess


class WorkerPool:
    """Some processes, of which the later ones start only when all before them are busy; jobs wait in the order in which they came."""

    def __init__(self, processes: Sequence[WorkerProcess]) -> None:
        self.processes = tuple(processes)
        self._idle = asyncio.Semaphore(len(self.processes))

    async def call(self, function: str, /, *args: object, **named: object) -> object:
        """Return what the function returns over there.

        Raises:
            ParseError: as of WorkerProcess.call.
        """
        async with self._idle:
            first = next(each for each in self.processes if not each.waiting)
            return await first.call(function, *args, **named)
