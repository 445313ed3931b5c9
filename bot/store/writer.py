"""The one writer: it owns the only connection that writes, and commits many works at once.

Works are functions of a sqlite3 connection; each runs whole, in a savepoint of its own, inside a transaction shared with what
else was waiting. A caller may be cancelled, a work may not: once handed over it runs. A result is given out only after the commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from bot.errors import StoreError
from bot.store.connection import run_whole, store_error_for

if TYPE_CHECKING:
    import aiosqlite

    from bot.vitals import Vitals

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

GROUP_LIMIT = 100
_CLOSED = "the store is closed"


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of one work: its result, or the error that rolled it back."""

    result: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    work: Work
    future: asyncio.Future[Any]

    def answer(self, done: _Done) -> None:
        if self.future.done():  # the caller was cancelled; the work was done all the same
            return
        if done.error is None:
            self.future.set_result(done.result)
        else:
            self.future.set_exception(done.error)


class Writer:
    """Takes works from any task and runs them on one connection, in the order in which they came."""

    def __init__(self, connection: aiosqlite.Connection, vitals: Vitals) -> None:
        self._connection = connection
        self._vitals = vitals
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._closed = False
        self._task = asyncio.create_task(self._run(), name="store writer")

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returned, after it is committed and on the disk.

        Raises: StoreError where the disk, another program or a closed store is in the way; any other error of the work itself.
            In either case nothing of this work is stored.
        """
        return await self.submit(work)

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Hand a work over at once and return what `write` waits for; what is handed over right after it mostly shares its commit.

        Raises: StoreError where the store is closed.
        """
        if self._closed or self._task.done():
            raise StoreError(_CLOSED)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(work, future))
        return future

    async def close(self) -> None:
        """Do what is still waiting, then stop. The connection stays open."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        waiting: list[_Waiting] = []
        try:
            open_for_more = True
            while open_for_more:
                waiting, open_for_more = await self._gather()
                if waiting:
                    await self._commit(waiting)
        finally:  # also when this task is cancelled: nobody may wait for an answer that will not come
            for one in waiting + self._left():
                one.answer(_Done(error=StoreError(_CLOSED)))

    async def _gather(self) -> tuple[list[_Waiting], bool]:
        """Return the works that wait now, at least one, and whether more may come.

        Nothing is waited for: while one group is being synced to the disk the next one gathers by itself.
        """
        first = await self._queue.get()
        group: list[_Waiting] = []
        while first is not None:
            group.append(first)
            if len(group) >= GROUP_LIMIT or self._queue.empty():
                return group, True
            first = self._queue.get_nowait()
        return group, False

    async def _commit(self, group: Sequence[_Waiting]) -> None:
        works = [one.work for one in group]
        began_s = time.monotonic()
        try:
            answers = await run_whole(self._connection, lambda sql: commit_group(sql, works))
        except Exception as error:  # noqa: BLE001  # whatever befell this group, the next one gets its turn
            answers = [_Done(error=error) for _ in group]
        faults = [str(done.error) for done in answers if isinstance(done.error, StoreError)]
        self._vitals.committed(time.monotonic() - began_s, faults[0] if len(faults) == len(group) else "")
        for one, done in zip(group, answers, strict=True):
            one.answer(done)

    def _left(self) -> list[_Waiting]:
        left: list[_Waiting] = []
        while not self._queue.empty():
            one = self._queue.get_nowait()
            if one is not None:
                left.append(one)
        return left


def commit_group(sql: sqlite3.Connection, works: Sequence[Work]) -> list[_Done]:
    """Run the works in one transaction and commit it; return what became of each, in their order.

    A work that fails rolls back alone. Where the transaction itself fails (disk full), each work is run again by itself, so that
    one that is too large for the disk does not take the others along. Where it cannot even begin, none is run.
    """
    try:
        if sql.in_transaction:  # left by a rollback that failed
            sql.execute("ROLLBACK")
        sql.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        return [_Done(error=_meant(error)) for _ in works]
    try:
        return _commit_together(sql, works)
    except Exception as error:  # noqa: BLE001  # the border of a group: the writer lives on, and each caller gets the error
        if sql.in_transaction:  # SQLite has mostly rolled back by itself; a second ROLLBACK would then be an error
            sql.execute("ROLLBACK")
        if len(works) == 1:
            return [_Done(error=_meant(error))]
        return [commit_group(sql, [work])[0] for work in works]


def _commit_together(sql: sqlite3.Connection, works: Sequence[Work]) -> list[_Done]:
    answers: list[_Done] = []
    for work in works:
        sql.execute("SAVEPOINT work")
        try:
            done = _Done(work(sql))
        except Exception as error:  # the border of one work: it fails alone
            if not sql.in_transaction:
                raise
            sql.execute("ROLLBACK TO work")
            done = _Done(error=_meant(error))
        sql.execute("RELEASE work")
        answers.append(done)
    sql.execute("COMMIT")
    return answers


def _meant(error: Exception) -> Exception:
    return (store_error_for(error) or error) if isinstance(error, sqlite3.Error) else error
