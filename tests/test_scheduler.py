"""The scheduler as it runs: what is new is told within seconds, trouble stays where it is, and nothing is left when it stops."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import pytest_asyncio

from bot import scheduler as scheduling
from bot.app import Engine, open_engine, utc_now, watching_for
from bot.config import Config, Fetching
from bot.errors import StoreError
from bot.model import DeclaredFeed, Poll, Watch
from bot.pipeline import Habits, Pipeline
from bot.scheduler import Scheduler
from bot.service import run_engine
from bot.store import Store
from bot.web.guard import AllowList
from tests.fakes import FILLER, KeepingOutlet, Reply, Site, entry, open_road, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bot.model import Feed, Item
    from bot.pipeline import Watching
    from bot.workers import Workers
    from tests.fakes import Road

pytestmark = pytest.mark.asyncio(loop_scope="module")

SANCTIONS = Watch(name="Sanctions", query="sanctions")


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with Site() as opened:
        yield opened


@asynccontextmanager
async def scheduled(
    site: Site, folder: Path, workers: Workers, *paths: str, habits: Habits
) -> AsyncIterator[tuple[Road, Scheduler, list[str]]]:
    """Open a road with a scheduler over it, on the real clock."""
    feeds = [site.url(path) for path in paths or ("/feed",)]
    async with open_road(folder, site, workers, feeds=feeds, watches=(SANCTIONS,), habits=habits) as road:
        road.pipeline.clock = utc_now
        deliverer = replace(road.deliverer, clock=utc_now)
        troubles: list[str] = []
        yield (
            road,
            Scheduler(
                store=road.store,
                pipeline=road.pipeline,
                deliverer=deliverer,
                clock=utc_now,
                on_trouble=troubles.append,
            ),
            troubles,
        )


@asynccontextmanager
async def running(scheduler: Scheduler) -> AsyncIterator[None]:
    """Let it run inside the block; whatever breaks it is raised at the end."""
    task = asyncio.create_task(scheduler.run())
    try:
        yield
    finally:
        if task.done():
            await task
        task.cancel()
        await asyncio.wait({task})


def told(road: Road) -> list[str]:
    return [card.headline for card in road.outlet.posted]


FAST = Habits(interval_s=0.1, full_text="never", baseline=False)


async def test_what_a_feed_newly_holds_is_told_within_seconds(site: Site, tmp_path: Path, workers: Workers) -> None:
    old = entry("Old sanctions", site.url("/old"))
    site.feed("/feed", old)
    habits = replace(FAST, baseline=True)
    async with scheduled(site, tmp_path, workers, habits=habits) as (road, scheduler, troubles), running(scheduler):
        await until(lambda: len(site.asked) > 1)
        site.feed("/feed", entry("New sanctions", site.url("/new")), old)
        await until(lambda: bool(road.outlet.posted))
    assert told(road) == ["New sanctions"]
    assert troubles == []


async def test_a_page_that_fails_is_tried_again_while_it_runs(
    site: Site, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.item_reading.PAGE_AGAIN_S", (0.1,))
    site.feed("/feed", entry("The committee in the capital", site.url("/a"), text="A teaser."))
    habits = replace(FAST, full_text="auto")
    async with scheduled(site, tmp_path, workers, habits=habits) as (road, scheduler, _), running(scheduler):
        await until(lambda: site.asked.count("/a") > 2)
        site.page("/a", "The committee in the capital", *FILLER, "They spoke of sanctions.")
        await until(lambda: bool(road.outlet.posted))
    assert [card.kind for card in road.outlet.posted] == ["full"]


async def test_a_broken_item_neither_spins_nor_blocks_the_others(
    site: Site, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    read_item = Pipeline.read_item

    async def one_breaks(pipeline: Pipeline, item: Item) -> None:
        tried.append(item.title)
        if item.title == "Broken sanctions":
            raise RuntimeError("nobody thought of this")
        await read_item(pipeline, item)

    monkeypatch.setattr(Pipeline, "read_item", one_breaks)
    site.feed("/feed", *(entry(f"{word} sanctions", site.url(f"/{word}")) for word in ("Broken", "Old", "New")))
    async with scheduled(site, tmp_path, workers, habits=FAST) as (road, scheduler, _), running(scheduler):
        await until(lambda: len(road.outlet.posted) == 2)
        asked = len(site.asked)
        await until(lambda: len(site.asked) > asked + 5)
    assert sorted(told(road)) == ["New sanctions", "Old sanctions"]
    assert tried.count("Broken sanctions") == 1
    assert road.rows("SELECT title FROM items WHERE state = 'to_read'") == [("Broken sanctions",)]


async def test_a_broken_feed_neither_spins_nor_blocks_the_others_nor_items_of_its_number(
    site: Site, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    poll_feed = Pipeline.poll_feed

    async def one_breaks(pipeline: Pipeline, feed: Feed) -> int:
        tried.append(feed.url)
        if feed.url.endswith("/broken"):
            raise RuntimeError("nobody thought of this")
        return await poll_feed(pipeline, feed)

    monkeypatch.setattr(Pipeline, "poll_feed", one_breaks)
    site.feed("/feed", entry("New sanctions", site.url("/new")))
    async with (
        scheduled(site, tmp_path, workers, "/broken", "/feed", habits=FAST) as (road, scheduler, _),
        running(scheduler),
    ):
        await until(lambda: len(site.asked) > 5)
    assert told(road) == ["New sanctions"]
    assert road.rows("SELECT id FROM items") == [(1,)], "the broken feed has the same number"
    assert tried.count(site.url("/broken")) == 1


async def test_a_database_that_refuses_once_is_spoken_of_once_and_nothing_is_lost(
    site: Site, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "STORE_TROUBLE_NAP_S", 0.05)
    left = {"commit_poll": 3, "commit_reading": 3, "claim": 3, "mark_sent": 3, "due_feeds": 0}
    for method in left:
        refuse_for_a_while(monkeypatch, method, left)
    site.feed("/feed", entry("New sanctions", site.url("/new")))
    async with scheduled(site, tmp_path, workers, habits=FAST) as (road, scheduler, troubles), running(scheduler):
        await until(lambda: road.rows("SELECT state FROM alerts") == [("sent",)])
        left["due_feeds"] = 2
        await until(lambda: left["due_feeds"] == 0)
        asked = len(site.asked)
        await until(lambda: len(site.asked) > asked)
    assert told(road) == ["New sanctions"]
    assert sorted(troubles) == sorted(f"the disk is full ({method}): free some space" for method in left)
    assert set(left.values()) == {0}


def refuse_for_a_while(monkeypatch: pytest.MonkeyPatch, method: str, left: dict[str, int]) -> None:
    """Have the database refuse this method as often as `left` says."""
    real = getattr(Store, method)

    async def refused(store: Store, *args: object, **named: object) -> object:
        if left[method]:
            left[method] -= 1
            raise StoreError(f"the disk is full ({method}): free some space")
        return await real(store, *args, **named)

    monkeypatch.setattr(Store, method, refused)


async def test_one_round_polls_reads_delivers_and_returns(site: Site, tmp_path: Path, workers: Workers) -> None:
    site.feed("/feed", *(entry(f"Sanctions {number}", site.url(f"/{number}")) for number in range(40)))
    site.put("/bad", Reply(status=500))
    async with scheduled(site, tmp_path, workers, "/bad", "/feed", habits=FAST) as (road, scheduler, _):
        await scheduler.run_once()
        assert sorted(told(road)) == sorted(f"Sanctions {number}" for number in range(40))
        counts = await road.store.counts()
        assert (counts.to_read, counts.owed, counts.sent) == (0, 0, 40)
    assert sorted(site.asked) == ["/bad", "/feed"]


async def test_one_round_that_the_database_stops_leaves_no_task_behind(
    site: Site, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise StoreError("the disk is full: free some space")

    site.feed("/feed", *(entry(f"Sanctions {number}", site.url(f"/{number}")) for number in range(40)))
    async with scheduled(site, tmp_path, workers, habits=FAST) as (_, scheduler, _):
        monkeypatch.setattr(Store, "commit_reading", refused)
        before = bot_tasks()
        with pytest.raises(StoreError):
            await scheduler.run_once()
        assert bot_tasks() == before


async def test_a_restart_asks_no_feed_before_its_time_and_spreads_those_that_are_overdue(
    site: Site, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    polled: list[str] = []

    async def noted(_: Pipeline, feed: Feed) -> int:
        polled.append(feed.url)
        return 0

    site.feed("/feed", entry("Old sanctions", site.url("/old")))
    others = [f"http://news-{number}.example.org/feed" for number in range(30)]
    async with scheduled(site, tmp_path, workers, habits=FAST) as (road, _, _):
        declared = [DeclaredFeed(url=url) for url in (site.url("/feed"), *others)]
        await road.store.declare(feeds=declared, actors=(), watches=(), now=utc_now())
        for feed in await road.store.feeds():
            await road.store.commit_poll(polled_long_ago(feed))
    monkeypatch.setattr(Pipeline, "poll_feed", noted)
    monkeypatch.setattr(Store, "declare", nothing)
    async with scheduled(site, tmp_path, workers, habits=FAST) as (road, scheduler, _):
        road.pipeline.chance = lambda: 0.9
        async with running(scheduler):
            await until(lambda: site.url("/feed") in polled)
    assert len([url for url in polled if url in others]) <= 1


async def test_a_host_whose_feeds_hang_leaves_places_and_looks_for_those_of_others(
    site: Site, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def crowd_hangs(pipeline: Pipeline, feed: Feed) -> int:
        asked.append(feed.url)
        if "crowd" in feed.url:
            await asyncio.Event().wait()
        later = utc_now() + timedelta(hours=1)
        await pipeline.store.commit_poll(Poll(feed=replace(feed, next_poll_at=later), polled_at=utc_now()))
        return 0

    monkeypatch.setattr(Pipeline, "poll_feed", crowd_hangs)
    monkeypatch.setattr(scheduling, "POLLS", 5)
    monkeypatch.setattr(scheduling, "POLLS_OF_A_HOST", 4)
    crowd = [f"http://crowd.example.org/{number}" for number in range(12)]
    others = [f"http://news-{number}.example.org/feed" for number in range(6)]
    async with scheduled(site, tmp_path, workers, habits=FAST) as (road, scheduler, _):
        declared = [DeclaredFeed(url=url) for url in (*crowd, *others)]
        await road.store.declare(feeds=declared, actors=(), watches=(), now=utc_now())
        async with running(scheduler):
            await until(lambda: set(others) <= set(asked))
    assert len([url for url in asked if url in crowd]) == 4


async def nothing(*_: object, **__: object) -> None:
    """Declare nothing."""


def polled_long_ago(feed: Feed) -> Poll:
    at = utc_now() - timedelta(hours=9)
    return Poll(feed=replace(feed, last_poll_at=at, subscribed_at=at, next_poll_at=at), polled_at=at)


@asynccontextmanager
async def engine_on(site: Site, folder: Path, outlet: KeepingOutlet) -> AsyncIterator[Engine]:
    config = Config(
        path=folder / "config.toml",
        store_path=folder / "engine.db",
        fetch=Fetching(interval_s=1, allow_private=AllowList.parse((site.origin,))),
        languages=(),
        feeds=tuple(DeclaredFeed(url=site.url(path)) for path in ("/feed", "/slow")),
        watches=(SANCTIONS,),
    )
    async with open_engine(config, outlet, baseline=False) as engine:
        yield engine


def bot_tasks() -> list[str]:
    """Return the names of the tasks that run code of the program."""
    codes = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()]
    return sorted(code.co_qualname for code in codes if code and "bot" in Path(code.co_filename).parts)


def threads() -> set[str]:
    """Return the threads that run, but those that the loop keeps for later work."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


async def test_stopping_in_the_middle_is_prompt_and_leaves_no_task_thread_or_process(
    site: Site, tmp_path: Path
) -> None:
    site.feed("/feed", entry("The committee and sanctions", site.url("/a")), entry("Sanctions stay", site.url("/b")))
    site.page("/a", "The committee and sanctions", *FILLER)
    site.page("/b", "Sanctions stay", *FILLER, delay_s=20)
    site.put("/slow", Reply(delay_s=20))
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    outlet, stop = KeepingOutlet(), asyncio.Event()
    before = threads()
    async with asyncio.timeout(30):
        async with engine_on(site, tmp_path, outlet) as engine:
            going = asyncio.create_task(run_engine(engine, stop))
            await until(lambda: bool(outlet.posted) and "/b" in site.asked and "/slow" in site.asked)
            stop.set()
            async with asyncio.timeout(scheduling.STORE_TROUBLE_NAP_S + 3):
                await going
    assert bot_tasks() == []
    await until(lambda: threads() == before)
    assert {child.pid for child in psutil.Process().children(recursive=True)} == children


async def test_what_was_under_way_when_it_stopped_is_told_after_the_next_start(site: Site, tmp_path: Path) -> None:
    site.feed("/feed", entry("The committee in the capital", site.url("/a"), text="A teaser."))
    site.page("/a", "The committee in the capital", *FILLER, "They spoke of sanctions.", delay_s=20)
    site.put("/slow", Reply(status=404))
    outlet, stop = KeepingOutlet(), asyncio.Event()
    async with engine_on(site, tmp_path, outlet) as engine:
        going = asyncio.create_task(run_engine(engine, stop))
        await until(lambda: "/a" in site.asked)
        stop.set()
        await going
    assert outlet.posted == []
    site.page("/a", "The committee in the capital", *FILLER, "They spoke of sanctions.")
    async with engine_on(site, tmp_path, outlet) as engine:
        await engine.scheduler.run_once()
    assert [card.kind for card in outlet.posted] == ["full"]


async def test_a_change_is_not_taken_back_by_a_slower_look_that_began_before_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_read, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow_at_first(store: Store, workers: Workers, languages: Sequence[str]) -> Watching:
        watching = await watching_for(store, workers, languages)
        if not has_read.is_set():
            has_read.set()
            await may_go_on.wait()
        return watching

    async with engine_on(site, tmp_path, KeepingOutlet()) as engine:
        monkeypatch.setattr("bot.app.watching_for", slow_at_first)
        before = asyncio.create_task(engine.refresh())
        await has_read.wait()
        added = Watch(name="Added", query="committee", channel_id=1, guild_id=1, origin="chat")
        await engine.store.chat.add_watch(added, by=1, now=utc_now())
        after = asyncio.create_task(engine.refresh())
        await asyncio.wait({after}, timeout=0.2)  # it waits for its turn; without turns it is through by now
        may_go_on.set()
        await asyncio.gather(before, after)
        assert {watch.name for watch in engine.pipeline.watching.watches} == {"Sanctions", "Added"}
