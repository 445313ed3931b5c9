"""The one writer: commits together, fails alone, survives cancelled callers, full disks and kill -9."""

from __future__ import annotations

import asyncio
import inspect
import json
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiosqlite
import pytest

from bot.errors import StoreError
from bot.store import Store
from bot.store.connection import run_whole
from bot.store.writer import GROUP_LIMIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[1]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    yield store
    await store.close()


def rest(host: str, until: int = 1, *, boom: bool = False) -> Callable[[sqlite3.Connection], str]:
    """Return a work that stores one row, and then may fail."""

    def work(sql: sqlite3.Connection) -> str:
        sql.execute("INSERT INTO hosts VALUES (?, ?)", (host, until))
        if boom:
            raise LookupError(host)
        return host

    return work


async def hosts(store: Store) -> list[str]:
    return await store._read(lambda sql: [row[0] for row in sql.execute("SELECT host FROM hosts ORDER BY host")])


async def test_a_failing_work_rolls_back_alone_and_the_others_of_its_group_are_kept(store: Store) -> None:
    works = [rest(f"host-{n:03}", boom=n % 10 == 3) for n in range(2 * GROUP_LIMIT + 5)]
    answers = await asyncio.gather(*(store._write(work) for work in works), return_exceptions=True)
    failed = {n for n, answer in enumerate(answers) if isinstance(answer, LookupError)}
    assert failed == {n for n in range(len(works)) if n % 10 == 3}
    assert await hosts(store) == [f"host-{n:03}" for n in range(len(works)) if n not in failed]


async def test_a_fault_of_the_program_comes_back_as_it_is(store: Store) -> None:
    await store._write(lambda sql: sql.execute("INSERT INTO hosts VALUES ('a', 1)"))
    with pytest.raises(sqlite3.IntegrityError):
        await store._write(lambda sql: sql.execute("INSERT INTO hosts VALUES ('a', 1)"))
    with pytest.raises(sqlite3.OperationalError):
        await store._write(lambda sql: sql.execute("INSERT INTO nowhere VALUES (1)"))
    assert await hosts(store) == ["a"]


async def test_a_cancelled_caller_does_not_stop_its_work_nor_harm_the_next(store: Store) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(sql: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(10)
        sql.execute("INSERT INTO hosts VALUES ('slow', 1)")

    running = asyncio.create_task(store._write(slow))
    await asyncio.to_thread(begun.wait, 10)
    waiting = asyncio.create_task(store._write(lambda sql: sql.execute("INSERT INTO hosts VALUES ('waiting', 1)")))
    await asyncio.sleep(0)
    running.cancel()
    waiting.cancel()
    go_on.set()
    assert all(
        isinstance(one, asyncio.CancelledError)
        for one in await asyncio.gather(running, waiting, return_exceptions=True)
    )
    await store._write(lambda sql: sql.execute("INSERT INTO hosts VALUES ('next', 1)"))
    assert await hosts(store) == ["next", "slow", "waiting"]


async def test_closing_writes_what_still_waits(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    tasks = [asyncio.create_task(store._write(rest(f"{n}"))) for n in range(250)]
    await asyncio.sleep(0)
    await store.close()
    assert len(await asyncio.gather(*tasks)) == 250
    again = await Store.open(tmp_path / "a.db", now=NOW)
    assert len(await hosts(again)) == 250
    await again.close()


async def test_a_work_that_leaves_no_transaction_behind_does_not_stop_the_writer(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError):
        await store._write(lambda sql: sql.execute("ROLLBACK"))
    await store._write(lambda sql: sql.execute("INSERT INTO hosts VALUES ('next', 1)"))
    assert await hosts(store) == ["next"]


async def test_a_question_sees_one_snapshot_while_others_write(store: Store) -> None:
    asked, written = threading.Event(), threading.Event()

    def question(sql: sqlite3.Connection) -> tuple[int, int]:
        before = sql.execute("SELECT COUNT(*) FROM hosts").fetchone()[0]
        asked.set()
        written.wait(10)
        return before, sql.execute("SELECT COUNT(*) FROM hosts").fetchone()[0]

    reading = asyncio.create_task(store._read(question))
    await asyncio.to_thread(asked.wait, 10)
    await store._write(lambda sql: sql.execute("INSERT INTO hosts VALUES ('a', 1)"))
    written.set()
    assert await reading == (0, 0)
    assert await hosts(store) == ["a"]


async def test_the_one_private_call_of_aiosqlite_is_still_what_the_store_takes_it_for() -> None:
    assert list(inspect.signature(aiosqlite.Connection._execute).parameters) == ["self", "fn", "args", "kwargs"]
    async with aiosqlite.connect(":memory:") as connection:

        def work(sql: sqlite3.Connection) -> tuple[bool, str]:
            return isinstance(sql, sqlite3.Connection), threading.current_thread().name

        is_raw, thread = await run_whole(connection, work)
        assert is_raw
        assert thread == connection._thread.name
        assert thread != threading.current_thread().name


async def test_a_full_database_refuses_in_one_line_keeps_what_it_said_yes_to_and_recovers(store: Store) -> None:
    assert store._writer is not None
    pages = await store._write(lambda sql: sql.execute("PRAGMA page_count").fetchone()[0])
    await store._write(lambda sql: sql.execute(f"PRAGMA max_page_count = {pages + 20}").fetchall())
    works = [rest(f"{n:04}" + "x" * (60_000 if n == 7 else 2000)) for n in range(120)]
    answers = await asyncio.gather(*(store._write(work) for work in works), return_exceptions=True)
    refused = [answer for answer in answers if not isinstance(answer, str)]
    assert refused
    assert all(isinstance(one, StoreError) and "disk is full" in str(one) and "\n" not in str(one) for one in refused)
    assert await hosts(store) == sorted(answer for answer in answers if isinstance(answer, str))
    await store._write(lambda sql: sql.execute("PRAGMA max_page_count = 1000000").fetchall())
    await store._write(lambda sql: sql.execute("INSERT INTO hosts VALUES ('room again', 1)"))
    assert "room again" in await hosts(store)


async def test_a_database_held_by_another_program_is_named_as_such_and_then_goes_on(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store._writer is not None
    await store._writer._connection.execute("PRAGMA busy_timeout = 20")
    refused = await asyncio.gather(*(store._write(rest(f"{n}")) for n in range(30)), return_exceptions=True)
    assert {type(one) for one in refused} == {StoreError}
    assert "another program holds the database" in str(refused[0])
    other.execute("COMMIT")
    other.close()
    await store._write(lambda sql: sql.execute("INSERT INTO hosts VALUES ('b', 1)"))
    assert await hosts(store) == ["b"]
    await store.close()


FULL_DISK = """
import asyncio, json, resource, sys
from datetime import UTC, datetime
from bot.errors import StoreError
from bot.store import DeclaredFeed, Store

NOW = datetime(2026, 3, 1, tzinfo=UTC)

async def main():
    store = await Store.open(sys.argv[1], now=NOW)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    kept, refused = [], []
    for n in range(60):
        feed = DeclaredFeed(url=f"https://news.example/{n}", name="x" * 9000)
        try:
            await store.declare(feeds=[*kept, feed], actors=(), watches=(), now=NOW)
            kept.append(feed)
        except StoreError as error:
            refused.append(str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    before = [feed.url for feed in await store.feeds()]
    last = DeclaredFeed(url="https://news.example/last")
    await store.declare(feeds=[*kept, last], actors=(), watches=(), now=NOW)
    await store.close()
    again = await Store.open(sys.argv[1], now=NOW)
    after = [feed.url for feed in await again.feeds()]
    await again.close()
    print(json.dumps({"kept": [feed.url for feed in kept], "refused": refused, "before": before, "after": after}))

asyncio.run(main())
"""


def test_a_disk_without_room_loses_nothing_that_was_acknowledged_and_work_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    told = subprocess.run(  # noqa: S603  # our own words
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "a.db")], cwd=ROOT, capture_output=True, check=True, text=True
    )
    said = json.loads(told.stdout)
    assert said["kept"]
    assert said["refused"]
    assert all("\n" not in line and "nothing that was stored is lost" in line for line in said["refused"])
    assert said["before"] == said["kept"]
    assert said["after"] == [*said["kept"], "https://news.example/last"]


KILLED = """
import asyncio, sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from bot.model import FeedItem, ItemKeys, NewItem, Poll, Sorted
from bot.store import DeclaredFeed, Store

NOW = datetime(2026, 3, 1, tzinfo=UTC)

async def poll(store, feed, run, n):
    key = blake2b(f"{run} {n}".encode(), digest_size=16).digest()
    keys = ItemKeys(key=key, link_hash=key, title_hash=key, content_hash=key)
    new = NewItem(entry=FeedItem(guid=f"{run} {n}", title="t", text="text " * 300), keys=keys)
    await store.commit_poll(Poll(feed=feed, polled_at=NOW, entries=Sorted(new=(new,), seen=(key,))))
    print(key.hex(), flush=True)

async def main():
    store = await Store.open(sys.argv[1], now=NOW)
    await store.declare(feeds=[DeclaredFeed(url="https://news.example/")], actors=(), watches=(), now=NOW)
    (feed,) = await store.feeds()
    for n in range(0, 1_000_000, 7):
        await asyncio.gather(*(poll(store, feed, sys.argv[2], n + one) for one in range(7)))

asyncio.run(main())
"""


async def test_kill_9_loses_no_row_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for run, lines in enumerate((1, 30, 77, 150)):
        with subprocess.Popen(  # noqa: ASYNC220, S603  # our own words
            [sys.executable, "-c", KILLED, str(tmp_path / "a.db"), str(run)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            acknowledged.update(child.stdout.readline().strip() for _ in range(lines))
            child.send_signal(signal.SIGKILL)
            acknowledged.update(line.strip() for line in child.stdout if line.endswith("\n"))
    assert len(acknowledged) >= 1 + 30 + 77 + 150
    store = await Store.open(tmp_path / "a.db", now=NOW)
    kept = {item.key.hex(): item.text for item in await store.items_to_read(limit=1_000_000)}
    assert acknowledged <= kept.keys()
    assert set(kept.values()) == {"text " * 300}
    await store.close()
