"""Whom the pipeline waits for and whom not: slow hosts, our own queue, and what is old although it is seen for the first time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest
import pytest_asyncio

from bot import item_reading
from bot.model import PageText, Watch
from bot.pipeline import Habits
from tests.fakes import FILLER, START_AT, Site, entry, open_road

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot.workers import Workers
    from tests.fakes import Road

pytestmark = pytest.mark.asyncio(loop_scope="module")

TITLE = "Committee spent the week in the capital"
SANCTIONED = "Two ministers said that the sanctions would stay in force until the harbour is open again."
IN_SOCHI = "The next meeting will be held in Sochi, where a hall has been rented for three days."
WATCHES = (Watch(name="Sanctions", query="sanctions"), Watch(name="Sochi", query="Sochi"))


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with Site() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def road(tmp_path: Path, site: Site, workers: Workers) -> AsyncIterator[Road]:
    async with open_road(tmp_path, site, workers, feeds=[site.url("/feed")], watches=WATCHES) as opened:
        yield opened


class Queue:
    """Workers whose pages wait until the test lets them go."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.open = asyncio.Event()

    async def parse_feed(self, body: bytes, content_type: str | None, base_url: str) -> object:
        return await self._workers.parse_feed(body, content_type, base_url)

    async def read_page(self, html: bytes, *, url: str, charset: str | None) -> PageText:
        await self.open.wait()
        return await self._workers.read_page(html, url=url, charset=charset)


async def test_a_page_that_waits_for_our_own_queue_delays_no_alert_and_is_not_fetched_twice(
    site: Site, road: Road, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_reading, "EXTRACTING_S", 0.0)
    queue = Queue(workers)
    road.pipeline.workers = cast("Workers", queue)
    road.pipeline.habits = replace(road.pipeline.habits, page_limit_s=0.5)
    site.feed("/feed", entry(TITLE, site.url("/a"), text=SANCTIONED))
    site.page("/a", TITLE, *FILLER[:3], SANCTIONED, IN_SOCHI)
    await road.poll()
    (item,) = await road.store.items_to_read(limit=9)
    reading = asyncio.create_task(road.pipeline.read_item(item))
    async with asyncio.timeout(10):
        while not await road.deliverer.pay():  # noqa: ASYNC110 - the alert is what is waited for
            await asyncio.sleep(0.02)
    assert [(card.kind, card.watches) for card in road.outlet.posted] == [("teaser", ("Sanctions",))]
    queue.open.set()
    await reading
    await road.deliverer.pay()
    assert [(card.kind, card.watches) for card in road.outlet.posted[1:]] == [("full", ("Sochi",))]
    assert [(card.kind, card.watches) for card in road.outlet.edited] == [("full", ("Sanctions",))]
    assert site.asked.count("/a") == 1
    assert await road.store.next_page_at() is None


async def test_nobody_waits_for_a_host_that_was_slow_a_moment_ago(site: Site, road: Road) -> None:
    road.pipeline.habits = replace(road.pipeline.habits, page_limit_s=0.3)
    site.feed("/feed", *(entry(f"{TITLE} {n}", site.url(f"/{n}"), text=SANCTIONED) for n in range(3)))
    for n in range(3):
        site.page(f"/{n}", TITLE, SANCTIONED, delay_s=2.0)
    await road.round()
    assert [card.kind for card in road.outlet.posted] == ["teaser"] * 3
    assert len([path for path in site.asked if path in {"/0", "/1", "/2"}]) == 1
    assert await road.store.next_page_at() == START_AT + timedelta(seconds=10)


async def test_an_edit_of_what_stood_there_at_first_alerts_only_where_it_fires_something_new(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    habits = Habits(interval_s=1, baseline=True, full_text="never")
    feeds = [site.url("/feed")]
    async with open_road(tmp_path, site, workers, feeds=feeds, watches=WATCHES, habits=habits) as road:
        for text in (SANCTIONED, SANCTIONED + " So they say."):
            site.feed("/feed", entry(TITLE, site.url("/a"), guid="a", text=text))
            await road.round()
        assert road.outlet.posted == []
        site.feed("/feed", entry(TITLE, site.url("/a"), guid="a", text=f"{SANCTIONED} {IN_SOCHI}"))
        await road.round()
        assert len(road.outlet.posted) == 1
        assert "Sochi" in road.outlet.posted[0].watches


async def test_old_entries_that_surface_in_a_document_too_long_to_be_read_whole_tell_nobody(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    def entries(first: int, last: int) -> list[str]:
        return [
            entry(
                f"Sanctions, report {n}",
                site.url(f"/{n}"),
                guid=str(n),
                date=f"Sun, 01 Feb 2015 {n // 60:02}:{n % 60:02}:00 GMT",
            )
            for n in range(last, first, -1)
        ]

    habits = Habits(interval_s=1, baseline=True, full_text="never")
    async with open_road(tmp_path, site, workers, feeds=[site.url("/feed")], watches=WATCHES, habits=habits) as road:
        site.feed("/feed", *entries(0, 1100))
        await road.round()
        site.feed("/feed", *entries(0, 1050))  # the newest are withdrawn, and older ones surface
        await road.round()
        assert road.outlet.posted == []
        site.feed("/feed", entry("Sanctions, today", site.url("/new"), guid="new"), *entries(0, 1050))
        await road.round()
        assert [card.headline for card in road.outlet.posted] == ["Sanctions, today"]
