"""What becomes of a feed's state, who is told of it, and what is odd about a document; at a scripted server, by the test's clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from bot.feeds.notices import remarks_on, span
from bot.model import Watch
from bot.web.client import Limits
from bot.web.fetch import Web
from bot.web.guard import AllowList
from tests.fakes import START_AT, entry
from tests.politeness_fakes import PublicFace, ScriptedSite, feed_answer, open_polite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from pathlib import Path

    from aiohttp import web

    from bot.workers import Workers
    from tests.politeness_fakes import Polite

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = 3_600.0


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[ScriptedSite]:
    async with ScriptedSite() as opened:
        yield opened


class Opener:
    """Opens roads to the site of a test."""

    def __init__(self, folder: Path, workers: Workers, site: ScriptedSite) -> None:
        self._folder, self._workers, self._site = folder, workers, site

    def __call__(self, *, public: bool = False) -> AbstractAsyncContextManager[Polite]:
        watches = (Watch(name="Reports", query="report"),)
        return open_polite(self._folder, self._workers, self._site, public=public, watches=watches)


@pytest.fixture
def opened(tmp_path: Path, workers: Workers, site: ScriptedSite) -> Opener:
    return Opener(tmp_path, workers, site)


def item(name: str, site: ScriptedSite, at: datetime | None = None, guid: str = "") -> str:
    date = format_datetime(at, usegmt=True) if at else ""
    return entry(f"Report {name}", site.url(f"/{name}"), guid=guid or name, date=date)


def serve(site: ScriptedSite, *items: str, **headers: Any) -> None:  # noqa: ANN401  # as `feed_answer` takes them
    site.scripts["/feed"] = lambda _: feed_answer(*items, **headers)


def page_answer(text: str) -> web.Response:
    answer = feed_answer()
    answer.body = f"<!doctype html><html><head><title>{text}</title></head><body><p>{text}</p></body></html>".encode()
    answer.content_type = "text/html"
    return answer


# --- states: how each is entered and left ---


async def test_a_new_feed_is_new_until_it_worked(opened: Opener, site: ScriptedSite) -> None:
    site.script("/feed", status=404)
    async with opened() as polite:
        assert (await polite.road.feed()).state == "new"
        assert (await polite.poll()).state == "new"
        serve(site, item("a", site))
        assert (await polite.poll()).state == "ok"


async def test_a_document_over_half_of_the_limit_makes_a_feed_slow_until_three_normal_polls(
    opened: Opener, site: ScriptedSite
) -> None:
    serve(site, item("a", site))
    async with (
        opened() as polite,
        Web(allow=AllowList.parse((site.origin,)), page_gap_s=0, limits=Limits(body_bytes=4_000)) as small,
    ):
        polite.road.pipeline.web = small
        assert (await polite.poll()).state == "ok"
        serve(site, *(item(f"b{number}", site) for number in range(20)))
        assert (await polite.poll()).state == "slow"
        serve(site, item("a", site))
        states = [(await polite.poll()).state for _ in range(4)]
    assert states == ["slow", "slow", "ok", "ok"]


async def test_three_errors_make_a_feed_failing_until_the_first_success(opened: Opener, site: ScriptedSite) -> None:
    serve(site, item("a", site))
    async with opened() as polite:
        await polite.poll()
        site.script("/feed", status=500)
        assert [(await polite.poll()).state for _ in range(4)] == ["ok", "ok", "failing", "failing"]
        serve(site, item("a", site))
        feed = await polite.poll()
    assert (feed.state, feed.fail_count, feed.last_error) == ("ok", 0, "")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_blocks_a_feed_and_the_text_says_so_with_the_status(
    opened: Opener, site: ScriptedSite, status: int
) -> None:
    async with opened() as polite:
        site.script("/feed", status=status)
        feed = await polite.poll()
        assert (feed.state, f"HTTP {status}" in feed.last_error) == ("blocked", True)
        serve(site, item("a", site))
        assert (await polite.poll()).state == "ok"


async def test_a_page_against_bots_blocks_a_feed(opened: Opener, site: ScriptedSite) -> None:
    async with opened() as polite:
        site.scripts["/feed"] = lambda _: page_answer("Just a moment...")
        feed = await polite.poll()
        assert (feed.state, feed.last_error.startswith("The site refuses bots")) == ("blocked", True)


async def test_a_document_that_lost_all_its_entries_is_suspect_until_a_normal_one(
    opened: Opener, site: ScriptedSite
) -> None:
    items = [item(str(number), site) for number in range(8)]
    async with opened() as polite:
        serve(site, *items)
        await polite.poll()
        serve(site, ETag='"empty"')
        assert (await polite.poll()).state == "suspect"
        site.script("/feed", status=304)
        feed = await polite.poll()
        assert feed.state == "suspect", "the same empty document is no normal one"
        assert "Its document is empty, which it was not before." in remarks_on(feed, interval_s=1)
        serve(site, *items)
        assert (await polite.poll()).state == "ok"
        assert polite.road.rows("SELECT COUNT(*) FROM items WHERE state = 'to_read'") == [(0,)], "emptied and refilled"


async def test_a_redirect_that_ends_ends_the_state_moved(opened: Opener, site: ScriptedSite) -> None:
    async with opened() as polite:
        serve(site, item("a", site))
        site.scripts["/new"] = site.scripts["/feed"]
        await polite.poll()
        site.script("/feed", status=301, Location="/new")
        assert (await polite.poll()).state == "moved"
        serve(site, item("a", site))
        feed = await polite.poll()
    assert (feed.state, feed.health.moving_to) == ("ok", "")


async def test_a_feed_that_is_paused_while_it_is_polled_stays_paused(opened: Opener, site: ScriptedSite) -> None:
    serve(site, item("a", site))
    async with opened() as polite:
        feed = await polite.road.feed()
        await polite.road.store.declare(feeds=(), actors=(), watches=(), now=START_AT)
        await polite.road.pipeline.poll_feed(feed)
        assert (await polite.road.feed()).state == "paused"
        assert await polite.run(days=2) == 0


# --- who is told ---


async def test_operators_are_told_once_after_a_day_of_failing_and_once_when_it_works_again(
    opened: Opener, site: ScriptedSite
) -> None:
    serve(site, item("a", site))
    async with opened(public=True) as polite:
        await polite.poll()
        site.script("/feed", status=500)
        await polite.run(hours=23)
        assert polite.road.notices == []
        await polite.run(days=5)
        site.script("/feed", status=404)
        await polite.run(days=5)
        (notice,) = polite.road.notices
        assert "HTTP 500" in notice
        assert site.url("/feed") not in notice
        serve(site, item("a", site))
        await polite.run(days=2)
    assert polite.road.notices[1:] == ["Sample wire: works again"]


async def test_trouble_that_is_over_within_a_day_is_not_spoken_of(opened: Opener, site: ScriptedSite) -> None:
    async with opened(public=True) as polite:
        for _ in range(3):
            serve(site, item("a", site))
            await polite.run(days=2)
            site.script("/feed", status=500)
            await polite.run(hours=12)
    assert polite.road.notices == []


async def test_a_feed_that_never_worked_is_spoken_of_at_once_for_whoever_set_it_up(
    opened: Opener, site: ScriptedSite
) -> None:
    site.script("/feed", status=404)
    async with opened(public=True) as polite:
        await polite.run(hours=6)
    (notice,) = polite.road.notices
    assert "404" in notice


async def test_a_feed_that_worked_before_a_restore_is_spoken_of_only_once_its_trouble_lasts(
    opened: Opener, site: ScriptedSite
) -> None:
    async with opened(public=True) as polite:
        serve(site, item("a", site))
        await polite.poll()
        await polite.road.store.rebaseline_feeds()
        site.script("/feed", status=500)
        await polite.run(hours=12)
        assert polite.road.notices == []
        await polite.run(days=2)
        assert len(polite.road.notices) == 1
        assert "It has failed for" in polite.road.notices[0]


async def test_after_a_month_of_failing_a_feed_is_asked_once_a_week(opened: Opener, site: ScriptedSite) -> None:
    serve(site, item("a", site))
    async with opened(public=True) as polite:
        await polite.poll()
        site.script("/feed", status=500)
        await polite.run(days=32)
        assert await polite.run(days=70) == 10
        serve(site, item("a", site))
        await polite.run(days=8)
        assert (await polite.road.feed()).state == "ok"


# --- floods, gaps, ids that change ---


def dated(site: ScriptedSite, count: int, *, newest_at: datetime, kind: str) -> list[str]:
    return [item(f"{kind}-{number}", site, newest_at - timedelta(hours=number)) for number in range(count)]


async def flooded(polite: Polite) -> None:
    """Have a feed that was heard for eight days bring thirty items that look old, all at once."""
    site = polite.site
    serve(site, *dated(site, 10, newest_at=START_AT, kind="known"))
    await polite.poll()
    polite.road.clock.move(days=8)
    serve(site, *dated(site, 30, newest_at=START_AT - timedelta(days=40), kind="old"))
    await polite.poll()


def states_in(polite: Polite) -> list[tuple[object, ...]]:
    return polite.road.rows("SELECT state, COUNT(*) FROM items GROUP BY state ORDER BY state")


async def test_a_flood_of_old_items_is_held_back_said_once_and_released(opened: Opener, site: ScriptedSite) -> None:
    async with opened() as polite:
        await flooded(polite)
        feed = await polite.road.feed()
        assert (feed.state, feed.held) == ("suspect", 30)
        assert states_in(polite) == [("baseline", 10), ("held", 30)]
        (notice,) = polite.road.notices
        assert "30 items" in notice
        assert "/feed release" in notice
        assert any("30 items are held back" in remark for remark in remarks_on(feed, interval_s=1))
        serve(site, item("fresh", site, polite.road.clock()), *dated(site, 10, newest_at=START_AT, kind="known"))
        await polite.road.round()
        assert [card.headline for card in polite.road.outlet.posted] == ["Report fresh"], "what is new goes on"
        assert (await polite.road.feed()).state == "suspect"
        assert await polite.road.store.release_feed(feed.id) == 30
        await polite.road.read()
        await polite.road.deliverer.pay()
        assert len(polite.road.outlet.posted) == 31
        assert ((await polite.poll()).state, len(polite.road.notices)) == ("ok", 1)


async def test_a_flood_that_is_dropped_is_never_posted(opened: Opener, site: ScriptedSite) -> None:
    async with opened() as polite:
        await flooded(polite)
        old = dated(site, 30, newest_at=START_AT - timedelta(days=40), kind="old")
        serve(site, *(one.replace("<title>Report", "<title>Edited report") for one in old))
        await polite.poll()
        assert states_in(polite) == [("baseline", 10), ("held", 30)], "an edit lets nothing through"
        assert await polite.road.store.release_feed(1, drop=True) == 30
        await polite.road.round()
        assert polite.road.outlet.posted == []
        assert states_in(polite) == [("baseline", 40)]
        assert (await polite.road.feed()).state == "ok"


@pytest.mark.parametrize(
    ("days", "count", "older_days"), [(6, 30, 40), (8, 20, 40), (8, 30, -8)], ids=["young", "few", "new dates"]
)
async def test_what_is_no_flood_is_not_held(
    opened: Opener, site: ScriptedSite, days: int, count: int, older_days: int
) -> None:
    async with opened() as polite:
        serve(site, *dated(site, 10, newest_at=START_AT, kind="known"))
        await polite.poll()
        polite.road.clock.move(days=days)
        serve(site, *dated(site, count, newest_at=START_AT - timedelta(days=older_days), kind="next"))
        await polite.poll()
        assert states_in(polite) == [("baseline", 10), ("to_read", count)]


async def test_a_document_that_shares_nothing_with_the_last_is_a_gap_and_said_so(
    opened: Opener, site: ScriptedSite
) -> None:
    async with opened() as polite:
        serve(site, *dated(site, 10, newest_at=START_AT, kind="known"))
        await polite.poll()
        polite.road.clock.move(days=2)
        serve(site, *dated(site, 10, newest_at=START_AT + timedelta(days=2), kind="next"))
        feed = await polite.poll()
        assert (feed.health.gap_items, feed.health.gap_at) == (39, polite.road.clock())
        assert polite.road.notices == [
            "Sample wire: nothing of what it holds was there before; up to 39 items may be missed."
        ]
        assert any("Up to 39 items may have been missed at 2026-03-03" in one for one in remarks_on(feed, interval_s=1))
        polite.road.clock.move(hours=20)
        serve(site, *dated(site, 10, newest_at=START_AT + timedelta(days=2, hours=20), kind="later"))
        await polite.poll()
        assert len(polite.road.notices) == 1, "one that has gaps all day is spoken of once"
        serve(site, item("more", site), *dated(site, 9, newest_at=START_AT + timedelta(days=2, hours=20), kind="later"))
        assert (await polite.poll()).health.gap_at == feed.health.gap_at + timedelta(hours=20)  # type: ignore[operator]  # there was one


async def test_new_ids_at_each_fetch_repeat_nothing_and_are_noticed_also_after_two_months(
    opened: Opener, site: ScriptedSite
) -> None:
    fetches = 0

    def churning(_: object) -> web.Response:
        nonlocal fetches
        fetches += 1
        return feed_answer(*(item(str(number), site, guid=f"{fetches}-{number}") for number in range(6)))

    site.scripts["/feed"] = churning
    async with opened() as polite:
        for _ in range(6):
            await polite.poll()
            polite.road.clock.move(hours=1)
        feed = await polite.road.feed()
        assert any("new ids each time" in remark for remark in remarks_on(feed, interval_s=1))
        marks = polite.road.rows("SELECT COUNT(*) FROM seen")
        for _ in range(8):
            polite.road.clock.move(days=8)
            await polite.poll()
        assert polite.road.rows("SELECT COUNT(*) FROM items") == [(6,)]
        assert polite.road.rows("SELECT COUNT(*) FROM seen") == marks, "the marks do not grow with each fetch"
    assert polite.road.notices == []


async def test_after_a_restore_the_next_document_is_a_baseline(opened: Opener, site: ScriptedSite) -> None:
    old = [item(str(number), site) for number in range(4)]
    async with opened() as polite:
        serve(site, *old, ETag='"one"')
        await polite.poll()
        assert await polite.road.store.rebaseline_feeds() == 1
        edited = old[0].replace("Report 0", "Edited report 0")
        serve(site, item("while away", site), edited, *old[1:], ETag='"one"')
        await polite.road.round()
        assert polite.last.get("If-None-Match") is None
        assert polite.road.outlet.posted == []
        serve(site, item("since", site), item("while away", site), *old)
        await polite.road.round()
        assert [card.headline for card in polite.road.outlet.posted] == ["Report since"]


# --- what people see of it ---


async def test_a_feed_that_asks_for_more_than_we_would_wait_says_so(opened: Opener, site: ScriptedSite) -> None:
    serve(site, item("a", site), Cache_Control="max-age=43200")
    async with opened() as polite:
        feed = await polite.poll()
    assert remarks_on(feed, interval_s=300) == ("Asks for 12 h between two polls.",)
    assert remarks_on(feed, interval_s=86_400) == ()


async def test_a_server_whose_clock_is_wrong_is_remarked_on(opened: Opener, site: ScriptedSite) -> None:
    serve(site, item("a", site), Date="Sun, 01 Mar 2020 12:00:00 GMT")
    async with opened() as polite:
        feed = await polite.poll()
    (remark,) = remarks_on(feed, interval_s=300)
    assert remark.startswith("Its server's clock is ")
    assert remark.endswith(" d behind.")
    assert remarks_on(replace(feed, health=replace(feed.health, skew_s=599.0)), interval_s=300) == ()


@pytest.mark.parametrize(
    ("seconds", "said"), [(1, "1 s"), (90, "1.5 min"), (43_200, "12 h"), (86_400 * 40, "40 d"), (0.4, "0.4 s")]
)
async def test_spans_are_said_in_their_largest_unit(seconds: float, said: str) -> None:
    assert span(seconds) == said


async def test_where_a_public_feed_moved_to_opens_no_private_host_later(opened: Opener, site: ScriptedSite) -> None:
    serve(site, item("a", site))
    async with opened() as polite:
        feed = replace(await polite.poll(), moved_url=site.url("/moved"), url="https://news.example/feed")
        polling = polite.road.pipeline._polling
        assert polling._url(feed) == "https://news.example/feed"
        polite.road.pipeline.web = PublicFace(polite.road.pipeline.web)  # type: ignore[assignment]  # it stands in for a Web
        assert polling._url(feed) == site.url("/moved")
