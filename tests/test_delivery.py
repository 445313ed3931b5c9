"""Paying what is owed: tried again, given up, in order, late, and never forgotten; on a real database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bot.delivery import retry_s
from bot.errors import DeliveryError, StoreError
from bot.model import Watch
from bot.pipeline import Habits
from bot.store import Store
from tests.fakes import START_AT, Site, entry, open_road

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from bot.workers import Workers
    from tests.fakes import Road

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = Watch(name="Sanctions", query="sanctions", mention=7)
THERE = Watch(name="Ferries", query="ferries", channel_id=20)
STATES = "SELECT state, attempts FROM alerts ORDER BY id"


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with Site() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def road(tmp_path: Path, site: Site, workers: Workers) -> AsyncIterator[Road]:
    async with road_to(site, tmp_path, workers) as opened:
        yield opened


def road_to(site: Site, folder: Path, workers: Workers) -> AbstractAsyncContextManager[Road]:
    habits = Habits(full_text="never", baseline=False)
    return open_road(folder, site, workers, feeds=[site.url("/feed")], watches=(HERE, THERE), habits=habits)


async def owe(site: Site, road: Road, *titles: str) -> None:
    """Have one alert owed for each title, by what it says; nothing is delivered yet."""
    site.feed("/feed", *(entry(title, site.url(f"/{number}")) for number, title in enumerate(titles)))
    await road.poll()
    await road.read()


def headlines(road: Road) -> list[str]:
    return [card.headline for card in road.outlet.posted]


async def test_what_may_succeed_later_is_tried_again_with_ever_longer_pauses(site: Site, road: Road) -> None:
    await owe(site, road, "New sanctions")
    pauses = []
    for _ in range(4):
        road.outlet.fail = [DeliveryError("the network is down", again=True)]
        assert await road.deliverer.pay() == 0
        due_at = await road.store.next_delivery_at()
        assert due_at is not None
        pauses.append((due_at - road.clock()).total_seconds())
        assert await road.deliverer.pay() == 0, "not before its time"
        road.clock.now = due_at
    assert pauses == [2.0, 4.0, 8.0, 16.0]
    assert await road.deliverer.pay() == 1
    assert headlines(road) == ["New sanctions"]
    assert road.rows(STATES) == [("sent", 5)]


async def test_the_pause_has_an_end() -> None:
    assert [retry_s(attempts) for attempts in (1, 8, 9, 10_000)] == [2.0, 60.0, 60.0, 60.0]


async def test_what_cannot_succeed_is_given_up_and_holds_up_nothing(site: Site, road: Road) -> None:
    await owe(site, road, "New sanctions", "More sanctions")
    road.outlet.fail = [DeliveryError("the channel is gone", again=False)]
    assert await road.deliverer.pay() == 1
    road.clock.move(days=3)
    assert await road.deliverer.pay() == 0
    assert headlines(road) == ["More sanctions"]
    assert road.rows("SELECT state, last_error FROM alerts ORDER BY id") == [
        ("failed", "the channel is gone"),
        ("sent", ""),
    ]


async def test_a_surprise_counts_as_something_that_may_pass(site: Site, road: Road) -> None:
    await owe(site, road, "New sanctions", "More sanctions")
    road.outlet.fail = [RuntimeError()]
    assert await road.deliverer.pay() == 1
    assert road.rows("SELECT state, last_error FROM alerts ORDER BY id") == [("pending", "RuntimeError"), ("sent", "")]
    road.clock.move(seconds=5)
    assert await road.deliverer.pay() == 1
    assert headlines(road) == ["More sanctions", "New sanctions"]


async def test_a_channel_is_told_in_the_order_in_which_things_were_owed(site: Site, road: Road) -> None:
    await owe(site, road, *(f"Sanctions, part {n}" if n % 3 else f"Ferries, part {n}" for n in range(9)))
    assert await road.deliverer.pay() == 9
    for word in ("Sanctions", "Ferries"):
        told = [headline for headline in headlines(road) if headline.startswith(word)]
        assert told == sorted(told)
        assert told


async def test_a_channel_that_fails_does_not_hold_up_another(site: Site, road: Road) -> None:
    await owe(site, road, "Sanctions hold", "Ferries run")
    road.outlet.fail = [DeliveryError("no right to post there", again=True)]
    await road.deliverer.pay()
    assert headlines(road) == ["Ferries run"]


async def test_what_comes_late_says_so_and_pings_nobody(site: Site, road: Road) -> None:
    await owe(site, road, "New sanctions")
    road.clock.move(hours=5.9)
    road.outlet.fail = [DeliveryError("down", again=True)]
    await road.deliverer.pay()
    road.clock.move(hours=1)
    await road.deliverer.pay()
    (card,) = road.outlet.posted
    assert (card.late, card.mentions) == ("late: could not be delivered for 7 hours", ())


async def test_an_old_article_whose_edit_alerts_at_once_is_not_late(site: Site, road: Road) -> None:
    site.feed("/feed", entry("Council meets", site.url("/0")))
    await road.poll()
    await road.read()
    road.clock.move(hours=7)
    site.feed("/feed", entry("Council meets", site.url("/0"), text="The council agreed on new sanctions."))
    await road.poll()
    await road.read()
    assert await road.deliverer.pay() == 1
    (card,) = road.outlet.posted
    assert card.mentions == (7,)
    assert "could not be delivered" not in card.late


async def test_what_comes_in_time_pings_as_asked(site: Site, road: Road) -> None:
    await owe(site, road, "New sanctions")
    road.clock.move(hours=5.9)
    await road.deliverer.pay()
    (card,) = road.outlet.posted
    assert (card.late, card.mentions) == ("", (7,))


async def test_what_comes_days_late_says_how_many(site: Site, road: Road) -> None:
    await owe(site, road, "New sanctions")
    road.clock.move(days=3)
    await road.deliverer.pay()
    assert road.outlet.posted[0].late == "late: could not be delivered for 3 days"


async def test_what_a_dead_process_had_claimed_is_released_at_the_next_start(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    async with road_to(site, tmp_path, workers) as road:
        await owe(site, road, "New sanctions", "More sanctions")
        assert len(await road.store.claim(START_AT)) == 1
    async with road_to(site, tmp_path, workers) as road:
        assert await road.deliverer.pay() == 0, "one that is on its way holds its channel"
        assert await road.store.release(now=START_AT) == 1
        assert await road.deliverer.pay() == 2
        assert headlines(road) == ["New sanctions", "More sanctions"]


@asynccontextmanager
async def refusing(monkeypatch: pytest.MonkeyPatch, method: str) -> AsyncIterator[None]:
    """Have the database refuse this one thing inside the block."""

    async def refused(*_: object, **__: object) -> bool:
        raise StoreError("the disk is full: free some space")

    with monkeypatch.context() as patch:
        patch.setattr(Store, method, refused)
        yield


async def test_a_receipt_that_the_database_refused_is_written_later_and_nothing_is_posted_twice(
    site: Site, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owe(site, road, "New sanctions", "More sanctions", "Ferries run")
    async with refusing(monkeypatch, "mark_sent"):
        for _ in range(3):
            with pytest.raises(StoreError):
                await road.deliverer.pay()
    await road.deliverer.pay()
    assert headlines(road) == ["New sanctions", "More sanctions", "Ferries run"]
    assert road.rows(STATES) == [("sent", 1)] * 3


async def test_a_failure_that_the_database_refused_is_written_later_and_tried_again(
    site: Site, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owe(site, road, "New sanctions")
    road.outlet.fail = [DeliveryError("down", again=True)]
    async with refusing(monkeypatch, "mark_failed"):
        with pytest.raises(StoreError):
            await road.deliverer.pay()
    await road.deliverer.pay()
    road.clock.now += timedelta(seconds=5)
    await road.deliverer.pay()
    assert headlines(road) == ["New sanctions"]


async def test_an_edit_that_fails_is_tried_again_as_an_edit(site: Site, road: Road) -> None:
    await owe(site, road, "New sanctions")
    await road.deliverer.pay()
    site.feed("/feed", entry("New sanctions", site.url("/0"), text="The sanctions are told of at greater length."))
    await road.poll()
    await road.read()
    road.outlet.fail = [DeliveryError("down", again=True)]
    assert await road.deliverer.pay() == 0
    road.clock.move(seconds=10)
    assert await road.deliverer.pay() == 1
    assert len(road.outlet.posted) == len(road.outlet.edited) == 1
    assert road.outlet.edited[0].brief[0].text == "The sanctions are told of at greater length."
