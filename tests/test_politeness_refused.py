"""Of the 26 checks of politeness 12 to 18: what a server refuses, takes back or moves; see test_politeness.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bot.web.fetch import Web
from bot.web.guard import AllowList
from tests.fakes import START_AT
from tests.politeness_fakes import NoLine, Opener, ScriptedSite, feed_answer, item

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web as http

    from bot.workers import Workers

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOON = "Sun, 01 Mar 2026 12:00:00 GMT"
HOUR, DAY = 3_600.0, 86_400.0
FACES = pytest.mark.parametrize("public", [False, True], ids=["private", "public"])


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[ScriptedSite]:
    async with ScriptedSite() as opened:
        yield opened


@pytest.fixture
def opened(tmp_path: Path, workers: Workers, site: ScriptedSite) -> Opener:
    return Opener(tmp_path, workers, site)


# --- when it is refused ---


@pytest.mark.parametrize("status", [429, 503], ids=["12: 429", "13: 503"])
@pytest.mark.parametrize("said", ["7200", "date"])
async def test_12_and_13_retry_after_is_respected_for_the_whole_host(
    opened: Opener, site: ScriptedSite, status: int, said: str
) -> None:
    there = datetime.now(UTC)
    date = format_datetime(there + timedelta(hours=2), usegmt=True)
    headers = {"Retry_After": date if said == "date" else said, "Date": format_datetime(there, usegmt=True)}
    site.script("/feed", status=status, **headers)
    site.script("/other")
    async with opened("/feed", "/other") as polite:
        feed, other = await polite.road.store.feeds()
        await polite.road.pipeline.poll_feed(feed)
        assert await polite.run(seconds=7198) == 0
        assert {one.state for one in await polite.road.store.feeds()} == {"limited", "new"}
        async with Web(allow=AllowList.parse((site.origin,)), page_gap_s=0) as restarted:
            polite.road.pipeline.web = restarted  # whose own clock has not gone on by two hours
            site.script("/feed")
            await polite.run(seconds=60)
        assert {one.path for one in site.log[1:]} == {"/feed", "/other"}
        assert {one.state for one in await polite.road.store.feeds()} == {"ok"}
        assert other.state == "new"


async def test_14_a_bare_429_rests_the_host_for_half_an_hour(opened: Opener, site: ScriptedSite) -> None:
    site.script("/feed", status=429)
    async with opened() as polite:
        await polite.poll()
        assert await polite.run(minutes=29.9) == 0
        assert len(await polite.road.store.due_feeds(START_AT + timedelta(minutes=31))) == 1


@FACES
async def test_15_errors_back_off_exponentially_up_to_a_limit(
    opened: Opener, site: ScriptedSite, *, public: bool
) -> None:
    site.script("/feed", status=500)
    async with opened(public=public) as polite:
        await polite.run(days=4 if public else 0, hours=0.5)
    waits = polite.waits_s("/feed")
    rising = waits[:6] if public else waits[:7]
    assert all(later > 1.9 * sooner for sooner, later in pairwise(rising[:4])), waits
    assert max(waits) <= (DAY if public else 300.0)
    assert waits[-1] >= (0.9 * DAY if public else 0.9 * 256.0)


@FACES
async def test_16_a_feed_that_works_again_is_polled_normally(
    opened: Opener, site: ScriptedSite, *, public: bool
) -> None:
    async with opened(public=public) as polite:
        site.scripts["/feed"] = lambda _: feed_answer(*(item(str(number), site) for number in range(3)))
        await polite.run(seconds=2)
        site.script("/feed", status=500)
        await polite.run(days=3 if public else 0, minutes=1)
        site.scripts["/feed"] = lambda _: feed_answer(item("new", site))
        failed = polite.count
        await polite.run(days=2 if public else 0, seconds=70)
        waits = polite.waits_s("/feed")[failed:]
        assert waits
        assert max(waits) <= (1.1 * HOUR + 1 if public else 1.1)
        assert (await polite.road.feed()).state == "ok"


@FACES
async def test_17_a_410_that_lasts_stops_the_polling_and_is_said_once(
    opened: Opener, site: ScriptedSite, *, public: bool
) -> None:
    site.scripts["/feed"] = lambda _: feed_answer(item("a", site))
    async with opened(public=public) as polite:
        await polite.poll()
        site.script("/feed", status=410)
        first = await polite.poll()
        assert (first.state, polite.count) == ("ok", 2), "one 410 may be a mistake"
        await polite.run(days=2 if public else 0, minutes=1)
        assert (await polite.road.feed()).state == "gone"
        assert await polite.run(days=60) == 0
        assert polite.waits_s("/feed")[-1] + sum(polite.waits_s("/feed")[1:-1]) >= (DAY if public else 1)
        assert polite.count == 3 or public
        notices = [line for line in polite.road.notices if "gone for good" in line]
        assert len(notices) == 1
        await polite.road.store.release_feed(1)
        site.scripts["/feed"] = lambda _: feed_answer(item("a", site))
        await polite.run(seconds=1)
        assert (await polite.road.feed()).state == "ok"


@FACES
@pytest.mark.parametrize("status", [301, 308])
async def test_18_a_lasting_redirect_changes_where_the_feed_is_asked(
    opened: Opener, site: ScriptedSite, status: int, *, public: bool
) -> None:
    def document(request: http.Request) -> http.Response:
        if status == 308 and request.headers.get("If-None-Match") == '"v"':
            return feed_answer(status=304, ETag='"v"')
        return feed_answer(item("a", site), item("b", site), ETag='"v"')

    site.scripts["/feed"] = site.scripts["/new"] = document
    async with opened(public=public) as polite:
        await polite.poll()
        site.script("/feed", status=status, Location="/new?key=secret")
        started = polite.road.clock.now
        assert (await polite.poll()).state == "moved"
        await polite.run(days=1.2 if public else 0, seconds=4)
        left_at = max(one.at for one in site.log if one.path == "/feed")
        assert (left_at - started).total_seconds() >= (DAY if public else 2)
        feed = await polite.road.feed()
        assert (feed.state, feed.url, feed.moved_url) == ("ok", site.url("/feed"), site.url("/new?key=secret"))
        before = site.asked.count("/feed")
        await polite.run(days=1 if public else 0, seconds=5)
        assert site.asked.count("/feed") == before
        assert polite.road.rows("SELECT COUNT(*) FROM items") == [(2,)]
        (notice,) = polite.road.notices
        assert "has moved for good" in notice
        assert "secret" not in notice


async def test_18_a_redirect_that_is_not_lasting_or_leads_to_another_feed_changes_nothing(
    opened: Opener, site: ScriptedSite
) -> None:
    site.scripts["/feed"] = lambda _: feed_answer(item("a", site))
    site.scripts["/elsewhere"] = lambda _: feed_answer(item("x", site), item("y", site))
    async with opened() as polite:
        await polite.poll()
        site.script("/feed", status=301, Location="/hop")
        site.script("/hop", status=302, Location="/elsewhere")
        await polite.run(seconds=9)
        assert (await polite.road.feed()).moved_url == ""
        site.script("/hop", status=301, Location="/elsewhere")
        site.scripts["/elsewhere"] = lambda _: feed_answer(item("z", site), item("w", site))
        await polite.run(seconds=9)
        feed = await polite.road.feed()
        assert (feed.state, feed.moved_url) == ("moved", "")


@pytest.mark.parametrize("hours", [2, 60], ids=["two hours", "days"])
async def test_18_a_feed_that_moved_is_asked_there_again_once_our_own_line_works(
    opened: Opener, site: ScriptedSite, hours: int
) -> None:
    site.scripts["/feed"] = site.scripts["/new"] = lambda _: feed_answer(item("a", site), ETag='"one"')
    async with opened(public=True) as polite:
        await polite.poll()
        site.script("/feed", status=301, Location="/new")
        await polite.run(days=1.3)
        assert (await polite.road.feed()).moved_url == site.url("/new")
        online = polite.road.pipeline.web
        polite.road.pipeline.web = NoLine(online)  # type: ignore[assignment]  # it stands in for a Web
        await polite.run(hours=hours)
        polite.road.pipeline.web = online
        await polite.run(days=3)
        feed = await polite.road.feed()
        assert (feed.moved_url, feed.state) == (site.url("/new"), "ok")
        assert "fails and its old one" not in str(polite.road.notices)
        assert sum("moved for good" in line for line in polite.road.notices) == 1
        site.scripts["/feed"] = lambda _: feed_answer(status=404)
        assert (await polite.poll()).fail_count == 0, "it is not asked at its old address"


async def test_18_there_is_a_way_back_where_the_new_address_stops_working(opened: Opener, site: ScriptedSite) -> None:
    site.scripts["/feed"] = site.scripts["/new"] = lambda _: feed_answer(item("a", site), ETag='"one"')
    async with opened() as polite:
        await polite.poll()
        site.script("/feed", status=301, Location="/new")
        await polite.run(seconds=5)
        assert (await polite.road.feed()).moved_url
        site.script("/new", status=404)
        await polite.run(minutes=30)
        assert len(polite.road.notices) == 2, "it has moved, it fails: while both fail there is no news of either"
        assert site.asked[-6:].count("/feed") == 2, "by turns, and the old one leads to the new one"
        site.scripts["/feed"] = lambda _: feed_answer(item("a", site), item("b", site))
        await polite.run(minutes=10)
        feed = await polite.road.feed()
        assert (feed.moved_url, feed.state) == ("", "ok")
        assert polite.road.rows("SELECT COUNT(*) FROM items") == [(2,)]
        assert any("its old one works" in line for line in polite.road.notices)
