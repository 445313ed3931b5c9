"""What the housekeeping asks of an open store: deletion by age, times away, the daily check. One method for one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from bot.store import outage, retention
from bot.store.soundness import fault_in_file, keep_verdict

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from bot.store.chat import Runs

BATCH = 100
INTERRUPTED_EVERY_S = 0.05


class Upkeep:
    """Housekeeping, as part of an open store."""

    def __init__(self, path: Path, write: Runs, read: Runs) -> None:
        self._path = path
        self._write = write
        self._read = read

    async def purge_texts(self, before: datetime) -> int:
        """Delete the texts of some articles first seen before then; return of how many, 0: none is left."""
        return await self._write(lambda sql: retention.purge_texts(sql, before, BATCH))

    async def settle_feed(self, feed_id: int, *, text_before: datetime, now: datetime) -> int:
        """Delete some of what a feed wrote long ago and shows no more, and of its marks; return how much, 0: nothing is left."""
        return await self._write(
            lambda sql: retention.settle_feed(sql, feed_id, text_before=text_before, now=now, limit=BATCH)
        )

    async def purge_records(self, before: datetime) -> int:
        """Delete some items first seen before then, with their matches and alerts; return how many, 0: none is left."""
        return await self._write(lambda sql: retention.purge_records(sql, before, BATCH))

    async def purge_rests(self, *, now: datetime) -> None:
        """Forget which hosts asked for a rest that is over."""
        await self._write(lambda sql: retention.purge_rests(sql, now))

    async def feed_ids(self) -> tuple[int, ...]:
        """Return the ids of all feeds."""
        return await self._read(lambda sql: tuple(row[0] for row in sql.execute("SELECT id FROM feeds ORDER BY id")))

    async def note_outage(self, *, now: datetime) -> None:
        """Note at a start how long the program was away, where that was long; before anything is polled."""
        await self._write(lambda sql: outage.note_outage(sql, now))

    async def note_leap(self, from_at: datetime, to_at: datetime) -> None:
        """Note a leap of the wall clock as a time away, where it was long."""
        await self._write(lambda sql: outage.note_leap(sql, from_at, to_at))

    async def outage(self) -> outage.Outage | None:
        """Return the time away that nobody was told of yet."""
        return await self._read(outage.outage)

    async def outage_told(self, to_at: datetime) -> None:
        """Forget the time away until then, which was told of; not one that became longer meanwhile."""
        await self._write(lambda sql: outage.outage_told(sql, to_at))

    async def fault(self) -> str:
        """Return what is wrong with the file, "" for nothing; every page is read, beside the work. The next start heeds a fault.

        Ends at once when it is cancelled: what is read of a large file takes minutes.

        Raises: StoreError where it cannot be read or written.
        """
        fault = await _fault_in(self._path)
        await self._write(lambda sql: keep_verdict(sql, fault))
        return fault


async def _fault_in(path: Path) -> str:
    opened: list[sqlite3.Connection] = []
    reading = asyncio.create_task(asyncio.to_thread(fault_in_file, path, opened.append))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        while not reading.done():  # an interruption that comes before the reading begins is not heard
            for sql in opened:
                with suppress(sqlite3.ProgrammingError):  # it was closed meanwhile
                    sql.interrupt()
            await asyncio.wait({reading}, timeout=INTERRUPTED_EVERY_S)
        reading.exception()
        raise
