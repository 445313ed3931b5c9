"""The one reader: a connection that can change nothing, for every question. Each question sees one snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bot.store.connection import run_whole

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    import aiosqlite

T = TypeVar("T")


class Reader:
    """Runs questions one after another on its own thread, beside the writer."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `question` returned; it saw everything that was committed before it began, and nothing later.

        Raises: StoreError where the disk or another program is in the way.
        """
        return await run_whole(self._connection, lambda sql: _in_snapshot(sql, question))


def _in_snapshot(sql: sqlite3.Connection, question: Callable[[sqlite3.Connection], T]) -> T:
    sql.execute("BEGIN")
    try:
        return question(sql)
    finally:
        if sql.in_transaction:
            sql.execute("ROLLBACK")
