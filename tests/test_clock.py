"""F15: the wall clock is set. Nothing comes in a storm, nothing stops; real store, real HTTP on loopback, real loops."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bot.app import utc_now
from bot.clock_watch import ClockWatch
from bot.errors import DeliveryError, StoreError
from bot.model import Poll, Watch
from bot.pipeline import Habits
from bot.scheduler import Scheduler
from tests.fakes import START_AT, KeepingOutlet, Site, entry, open_road, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot.workers import Workers
    from tests.fakes import Road

pytestmark = pytest.mark.asyncio(loop_scope="module")

SANCTIONS = Watch(name="Sanctions", query="sanctions")
FAST = Habits(interval_s=0.1, full_text="never", baseline=False)
DAY = timedelta(days=1)


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with Site() as opened:
        yield opened


class SetClock:
    """The time, set by hand on top of the real one."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


def scheduler_over(road: Road, clock: SetClock) -> Scheduler:
    road.pipeline.clock = clock
    deliverer = replace(road.deliverer, clock=clock)
    return Scheduler(store=road.store, pipeline=road.pipeline, deliverer=deliverer, clock=clock)


@pytest.mark.parametrize("by", [DAY, -DAY], ids=["forward", "back"])
async def test_f15_a_clock_that_is_set_neither_stops_polls_nor_brings_any_forward(
    site: Site, tmp_path: Path, workers: Workers, by: timedelta
) -> None:
    site.feed("/feed", entry("Old sanctions", site.url("/old")))
    site.feed("/fresh", entry("Fresh", site.url("/fresh-1")), headers={"Cache-Control": "max-age=43200"})
    clock = SetClock()
    feeds = [site.url(path) for path in ("/feed", "/fresh")]
    async with open_road(tmp_path, site, workers, feeds=feeds, watches=(SANCTIONS,), habits=FAST) as road:
        running = asyncio.create_task(scheduler_over(road, clock).run())
        try:
            await until(lambda: site.asked.count("/feed") > 2 and "/fresh" in site.asked)
            await until(lambda: road.rows("SELECT 1 FROM feeds WHERE next_poll_at IS NULL") == [])
            clock.ahead += by
            asked = len(site.asked)
            site.feed("/feed", entry("New sanctions", site.url("/new")), entry("Old sanctions", site.url("/old")))
            await until(lambda: len(site.asked) > asked + 5)
            await until(lambda: len(road.outlet.posted) == 2)
            due_at = {feed.url: feed.next_poll_at for feed in await road.store.feeds()}[site.url("/fresh")]
        finally:
            running.cancel()
            await asyncio.wait({running})
    assert site.asked.count("/fresh") == 1, "it is fresh for twelve hours that have not passed"
    assert due_at is not None
    assert timedelta(hours=11) < due_at - clock() < timedelta(hours=14)


async def test_f15_what_is_owed_waits_no_day_because_the_clock_was_set_back(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    clock = SetClock()
    site.feed("/feed", entry("New sanctions", site.url("/new")))
    async with open_road(tmp_path, site, workers, feeds=[site.url("/feed")], watches=(SANCTIONS,), habits=FAST) as road:
        assert isinstance(road.outlet, KeepingOutlet)
        road.outlet.fail.append(RuntimeError("away"))  # so that it is tried again in two seconds
        running = asyncio.create_task(scheduler_over(road, clock).run())
        try:
            await until(lambda: not road.outlet.fail)
            clock.ahead -= DAY
            await until(lambda: bool(road.outlet.posted))
        finally:
            running.cancel()
            await asyncio.wait({running})
    assert [card.headline for card in road.outlet.posted] == ["New sanctions"]


@pytest.mark.parametrize("unknown", [False, True])
async def test_f15_a_delivery_that_was_under_way_while_the_clock_was_set_back_waits_no_day(
    site: Site, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch, *, unknown: bool
) -> None:
    clock = SetClock()
    site.feed("/feed", entry("New sanctions", site.url("/new")))
    async with open_road(tmp_path, site, workers, feeds=[site.url("/feed")], watches=(SANCTIONS,), habits=FAST) as road:
        road.outlet.fail.append(DeliveryError("away", again=True, unknown=unknown))
        scheduler = scheduler_over(road, clock)
        with monkeypatch.context() as patch:
            patch.setattr(type(road.store), "mark_unknown" if unknown else "mark_failed", refuse)
            with pytest.raises(StoreError):
                await scheduler.run_once()
        clock.ahead -= DAY
        await road.store.shift_due_times(-DAY, now=clock())
        await scheduler.deliverer.pay()
        next_at = await scheduler.deliverer.next_at()
        assert next_at is not None
        assert next_at - clock() < timedelta(minutes=2)


async def refuse(*_: object, **__: object) -> bool:
    raise StoreError("the disk is full")


async def test_f15_a_clock_set_back_while_nothing_ran_stops_nothing_after_the_start(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    clock, feeds = SetClock(), [site.feed(path, entry("Old", site.url("/old"))) for path in ("/feed", "/fresh")]
    async with open_road(tmp_path, site, workers, feeds=feeds, watches=(SANCTIONS,), habits=FAST) as road:
        ahead = clock() + DAY
        for feed, due_in in zip(await road.store.feeds(), (timedelta(seconds=1), DAY / 2), strict=True):
            asked = replace(feed, last_poll_at=ahead, subscribed_at=ahead, next_poll_at=ahead + due_in)
            await road.store.commit_poll(Poll(feed=asked, polled_at=ahead))
        running = asyncio.create_task(scheduler_over(road, clock).run())
        try:
            await until(lambda: site.asked.count("/feed") > 2)
        finally:
            running.cancel()
            await asyncio.wait({running})
    assert "/fresh" not in site.asked, "nothing of its twelve hours has passed"


async def test_f15_a_poll_that_was_under_way_while_the_clock_was_set_back_does_not_stop_its_feed(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    async with open_road(tmp_path, site, workers, feeds=[site.url("/feed")], watches=()) as road:
        feed = await road.feed()
        feed = replace(feed, last_poll_at=START_AT, next_poll_at=START_AT + timedelta(hours=1))
        await road.store.commit_poll(Poll(feed=feed, polled_at=START_AT))
        assert await road.store.due_feeds(START_AT) == ()
        assert len(await road.store.due_feeds(START_AT - DAY)) == 1


async def test_f15_summer_time_is_no_change_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = ClockWatch(utc_now, asyncio.get_running_loop().time)
    monkeypatch.setenv("TZ", "Pacific/Apia")
    assert watch.set_by() == timedelta(0)


async def test_f15_drift_is_no_change_and_a_step_is_told_once() -> None:
    wall, passed = [START_AT], [0.0]
    watch = ClockWatch(lambda: wall[0], lambda: passed[0])
    wall[0], passed[0] = START_AT + timedelta(seconds=61), 60.0
    assert watch.set_by() == timedelta(0)
    wall[0] += timedelta(hours=-1)
    assert watch.set_by() == timedelta(hours=-1)
    assert watch.set_by() == timedelta(0)
