"""Housekeeping runs beside the road: it says a time away once, cleans and reads the file by itself, and survives a store in trouble."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot import housekeeping
from bot.errors import StoreError
from bot.housekeeping import Keep, keep_house, line_for
from bot.store import Store, soundness
from tests.store_fakes import DAY, HOUR, NOW, URL, declared, first, new, poll_of, read

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from pathlib import Path

MANY_ROWS = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 60000000) SELECT MAX(i) FROM n"


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    for name in ("LOOK_S", "FIRST_S", "BREATH_S", "DAILY_S"):
        monkeypatch.setattr(housekeeping, name, 0.01)
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, URL)
    feed = replace(await first(store), subscribed_at=NOW, last_poll_at=NOW, last_ok_at=NOW, state="ok")
    (item_id,) = await store.commit_poll(poll_of(feed, new("one")))
    item = await store.item(item_id)
    assert item
    await store.commit_reading(await read(store, item))
    yield store
    await store.close()


@asynccontextmanager
async def kept(
    store: Store,
    said: list[str],
    days: float = 0,
    *,
    arrives: bool | asyncio.Future[bool] = True,
    clock: Callable[[], datetime] | None = None,
) -> AsyncIterator[None]:
    async def is_told(line: str) -> bool:
        said.append(line)
        return arrives if isinstance(arrives, bool) else await arrives

    keeping = asyncio.create_task(
        keep_house(
            store,
            keep=Keep,
            clock=clock or (lambda: NOW + days * DAY + 6 * HOUR),
            say=said.append,
            is_told=is_told,
        )
    )
    yield
    keeping.cancel()
    await asyncio.wait([keeping])


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.01)


async def test_a_time_away_is_said_once_even_if_the_program_ends_before(store: Store) -> None:
    said: list[str] = []
    await store.upkeep.note_outage(now=NOW + 5 * HOUR)
    async with kept(store, said):
        await until(lambda: bool(said))  # the feed was not asked again, but an hour is over
    assert len(said) == 1
    assert said[0].startswith("the bot was away from 2026-03-01 12:00 to 2026-03-01 17:00 UTC")
    async with kept(store, said):
        await asyncio.sleep(0.1)
    assert len(said) == 1


async def test_a_time_away_that_was_said_and_did_not_arrive_is_said_by_the_next_start(store: Store) -> None:
    said: list[str] = []
    await store.upkeep.note_outage(now=NOW + 5 * HOUR)
    async with kept(store, said, arrives=asyncio.get_running_loop().create_future()):
        await until(lambda: bool(said))  # Discord does not answer, and the program is stopped
    async with kept(store, said, arrives=False):
        await until(lambda: len(said) == 2)  # the log channel refuses
        await asyncio.sleep(0.1)
    async with kept(store, said):
        await until(lambda: len(said) == 3)
    assert len(set(said)) == 1
    assert await store.upkeep.outage() is None


@pytest.mark.parametrize("hours", [0.4, 9.0])
async def test_a_machine_that_slept_for_long_is_a_time_away(store: Store, hours: float) -> None:
    ahead = timedelta(0)
    async with kept(store, [], clock=lambda: NOW + ahead):
        await asyncio.sleep(0.05)
        ahead = hours * HOUR
        await asyncio.sleep(0.1)
        away = await store.upkeep.outage()
    assert (away is not None) is (hours == 9.0)
    if away is not None:
        said = line_for(away)
        assert said.startswith(
            "this machine slept, or its clock was set, from 2026-03-01 12:00 to 2026-03-01 21:00 UTC: "
        )


async def test_what_is_over_age_goes_by_itself(store: Store) -> None:
    async with kept(store, [], days=100):
        async with asyncio.timeout(20):
            while (await store.archive.articles_of([1]))[0].article.text:  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.01)
    assert (await store.counts()).items == 1


async def test_a_damaged_file_is_told_of_with_the_way_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fault() -> str:
        return "row 7 missing from index alerts_story"

    monkeypatch.setattr(store.upkeep, "fault", fault)
    said: list[str] = []
    async with kept(store, said):
        await until(lambda: bool(said))
    assert "row 7 missing" in said[0]
    assert "wirewatch restore FILE" in said[0]


async def test_the_daily_reading_of_a_large_file_holds_up_no_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, over = threading.Event(), threading.Event()

    def long(sql: sqlite3.Connection) -> str:
        begun.set()
        try:
            return str(sql.execute(MANY_ROWS).fetchone())
        finally:
            over.set()

    monkeypatch.setattr(soundness, "first_fault", long)
    reading = asyncio.create_task(store.upkeep.fault())
    await until(begun.is_set)
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert over.is_set(), "the end of the program would wait for it"


async def test_a_store_in_trouble_is_waited_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0
    whole = store.upkeep.feed_ids

    async def feed_ids() -> tuple[int, ...]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise StoreError("the disk is full")
        return await whole()

    monkeypatch.setattr(store.upkeep, "feed_ids", feed_ids)
    async with kept(store, []):
        await until(lambda: tries >= 3)
