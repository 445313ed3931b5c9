"""Of the 26 checks of politeness 1 to 11 and 19 to 26, by number, at a scripted server with its own log; the clock is the test's.

The others, 12 to 18, stand in test_politeness_refused.py.
"""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]  # it ships no types
import pytest
import pytest_asyncio
from aiohttp import web as http
from yarl import URL

from bot.desk import Desk
from bot.desk_sight import Asker
from bot.errors import StoreError, UserError
from bot.store import Store
from bot.web.fetch import FEED_GAP_S, FEED_SLOTS
from bot.web.hosts import HostGate, host_key
from tests.fakes import START_AT, rss
from tests.politeness_fakes import Opener, ScriptedSite, feed_answer, item

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot.model import Poll
    from bot.workers import Workers
    from tests.politeness_fakes import Polite

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOON = "Sun, 01 Mar 2026 12:00:00 GMT"
HOUR, DAY = 3_600.0, 86_400.0
MANAGER = Asker(guild_id=1, user_id=2, is_manager=True, sees=bool, holds=bool)
FACES = pytest.mark.parametrize("public", [False, True], ids=["private", "public"])


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[ScriptedSite]:
    async with ScriptedSite() as opened:
        yield opened


@pytest.fixture
def opened(tmp_path: Path, workers: Workers, site: ScriptedSite) -> Opener:
    return Opener(tmp_path, workers, site)


async def refresh() -> None:
    """Change nothing that is watched."""


# --- validators ---


@pytest.mark.parametrize("etag", ['W/"a b;c--gzip"', '"x"', "bare", '""', '"with \\"quotes\\""'])
async def test_01_an_etag_goes_back_byte_for_byte(opened: Opener, site: ScriptedSite, etag: str) -> None:
    site.script("/feed", ETag=etag)
    async with opened() as polite:
        await polite.run(seconds=2)
    assert polite.count > 1
    assert polite.last["If-None-Match"] == etag
    assert "If-Modified-Since" not in polite.last


@pytest.mark.parametrize("date", [NOON, "Sun, 1 Mar 2026 9:00:00 +0000", "yesterday, they say"])
async def test_02_a_last_modified_goes_back_byte_for_byte(opened: Opener, site: ScriptedSite, date: str) -> None:
    site.script("/feed", Last_Modified=date)
    async with opened() as polite:
        await polite.run(seconds=2)
    assert polite.last["If-Modified-Since"] == date
    assert "If-None-Match" not in polite.last


async def test_03_the_same_body_with_new_validators_renews_them(opened: Opener, site: ScriptedSite) -> None:
    site.script("/feed", ETag='"one"', Last_Modified=NOON)
    async with opened() as polite:
        await polite.poll()
        later = NOON.replace("12:00", "13:00")
        site.script("/feed", ETag='"two"', Last_Modified=later)
        await polite.poll()
        await polite.poll()
        assert (polite.last["If-None-Match"], polite.last["If-Modified-Since"]) == ('"two"', later)
        site.script("/feed")
        await polite.poll()
        await polite.poll()
    assert "If-None-Match" not in polite.last, "an answer without any takes them back"


async def test_04_validators_in_a_304_are_stored(opened: Opener, site: ScriptedSite) -> None:
    site.script("/feed", ETag='"one"', Last_Modified=NOON)
    async with opened() as polite:
        await polite.poll()
        site.script("/feed", status=304, ETag='"two"')
        await polite.poll()
        await polite.poll()
    assert (polite.last["If-None-Match"], polite.last["If-Modified-Since"]) == ('"two"', NOON)


async def test_05_validators_are_never_stored_before_the_items(
    opened: Opener, site: ScriptedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_: Store, __: Poll) -> tuple[int, ...]:
        raise StoreError("the disk is full")

    site.scripts["/feed"] = lambda _: feed_answer(item("a", site), ETag='"one"')
    async with opened() as polite:
        with monkeypatch.context() as full:
            full.setattr(Store, "commit_poll", refused)
            with pytest.raises(StoreError):
                await polite.poll()
        await polite.poll()
        assert "If-None-Match" not in polite.last
        assert polite.road.rows("SELECT guid FROM items") == [("a",)]


# --- freshness ---


async def asked_within(polite: Polite, seconds: float) -> tuple[int, int]:
    """Return how many requests come up to just before that time, and from then on to when it is surely due."""
    early = await polite.run(seconds=seconds - 1)
    return early, await polite.run(seconds=0.1 * seconds + 2)


@FACES
@pytest.mark.parametrize(("control", "wait_s"), [("max-age=7200", 7200), ("public, max-age=43200", 43200)])
async def test_06_max_age_on_a_200_is_respected(
    opened: Opener, site: ScriptedSite, control: str, wait_s: float, *, public: bool
) -> None:
    site.script("/feed", Cache_Control=control)
    async with opened(public=public) as polite:
        assert await asked_within(polite, wait_s) == (1, 1)


@FACES
@pytest.mark.parametrize(
    "headers",
    [{"Cache_Control": "max-age=7200"}, {"Expires": "Sun, 01 Mar 2026 14:00:00 GMT", "Date": NOON}],
    ids=["max-age", "Expires"],
)
async def test_07_freshness_on_a_304_is_respected(
    opened: Opener, site: ScriptedSite, headers: dict[str, str], *, public: bool
) -> None:
    site.script("/feed", ETag='"one"')
    async with opened(public=public) as polite:
        await polite.poll()
        site.script("/feed", status=304, **headers)
        await polite.poll()
        early = await polite.run(seconds=7199)
        assert (early, await polite.run(seconds=900)) == (0, 1)


async def test_07_a_304_that_says_nothing_of_it_leaves_what_the_document_said(
    opened: Opener, site: ScriptedSite
) -> None:
    site.script("/feed", ETag='"one"', Cache_Control="max-age=7200")
    async with opened() as polite:
        await polite.poll()
        site.script("/feed", status=304)
        await polite.poll()
        assert await polite.run(seconds=7199) == 0


@FACES
@pytest.mark.parametrize("skew_h", [-30, 0, 30])
async def test_08_expires_is_read_by_the_clock_of_the_server(
    opened: Opener, site: ScriptedSite, skew_h: float, *, public: bool
) -> None:
    there = datetime.now(UTC) + timedelta(hours=skew_h)
    dates = {
        "Date": format_datetime(there, usegmt=True),
        "Expires": format_datetime(there + timedelta(hours=2), usegmt=True),
    }
    site.script("/feed", **dates)
    async with opened(public=public) as polite:
        assert await asked_within(polite, 7200) == (1, 1)


@FACES
async def test_09_ttl_is_respected_also_after_a_304(opened: Opener, site: ScriptedSite, *, public: bool) -> None:
    site.script("/feed", channel="<ttl>120</ttl>", ETag='"one"')
    async with opened(public=public) as polite:
        assert await asked_within(polite, 7200) == (1, 1)
        site.script("/feed", status=304)
        await polite.poll()
        early = await polite.run(seconds=7199)
        assert (early, await polite.run(seconds=900)) == (0, 1)


@FACES
async def test_10_skip_hours_and_skip_days_are_left_alone_in_gmt(
    opened: Opener, site: ScriptedSite, *, public: bool
) -> None:
    hours = "".join(f"<hour>{hour}</hour>" for hour in (12, 13, 14, 22, 23, 0))
    site.script(
        "/feed",
        channel=f"<skipHours>{hours}</skipHours><skipDays><day>Monday</day></skipDays>",
        Cache_Control="max-age=900",
    )
    async with opened(public=public) as polite:  # 12:00 on a Sunday; the first request knows of nothing
        await polite.run(days=4)
    asked = [one.at for one in site.log[1:]]
    assert not {12, 13, 14, 22, 23, 0} & {at.hour for at in asked}
    assert {at.strftime("%A") for at in asked} == {"Sunday", "Tuesday", "Wednesday", "Thursday"}
    assert min(asked).hour == 15


@FACES
@pytest.mark.parametrize(("period", "frequency", "wait_s"), [("hourly", "1", HOUR), ("daily", "4", DAY / 4)])
async def test_11_the_syndication_module_is_respected(
    opened: Opener, site: ScriptedSite, period: str, frequency: str, wait_s: float, *, public: bool
) -> None:
    space = 'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
    said = f"<sy:updatePeriod {space}>{period}</sy:updatePeriod><sy:updateFrequency {space}>{frequency}</sy:updateFrequency>"
    site.script("/feed", channel=said)
    async with opened(public=public) as polite:
        assert await asked_within(polite, wait_s) == (1, 1)


# --- manners ---


async def test_19_a_host_has_few_connections_and_a_gap_between_requests() -> None:
    now, starts, most = [0.0], [], 0

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    gate = HostGate(gap_s=FEED_GAP_S, slots=FEED_SLOTS, monotonic=lambda: now[0], sleep=sleep)
    held = 0

    @asynccontextmanager
    async def asked() -> AsyncIterator[None]:
        nonlocal held, most
        async with gate.turn("news.example"):
            held += 1
            starts.append(now[0])
            most = max(most, held)
            yield
            held -= 1

    async def poll() -> None:
        async with asked():
            await asyncio.sleep(0)

    await asyncio.gather(*(poll() for _ in range(20)))
    assert FEED_GAP_S >= 1
    assert most <= FEED_SLOTS <= 2
    assert all(later - sooner >= 1 for sooner, later in pairwise(sorted(starts)))
    one, other = (host_key(URL(f"https://{host}/feed"), named=False) for host in ("www.news.example", "news.example"))
    assert one == other


async def test_20_feeds_of_one_interval_drift_apart_and_none_comes_early(opened: Opener, site: ScriptedSite) -> None:
    paths = [f"/feed-{number}" for number in range(60)]
    for path in paths:
        site.script(path)
    async with opened(*paths, public=True) as polite:
        chances = iter(range(10_000))
        polite.road.pipeline.chance = lambda: next(chances) * 0.617 % 1
        await polite.run(seconds=1)
        due = sorted(feed.next_poll_at for feed in await polite.road.store.feeds() if feed.next_poll_at)
    waits = [(at - START_AT).total_seconds() for at in due]
    assert len(set(waits)) == len(paths)
    assert min(waits) >= HOUR
    assert max(waits) - min(waits) > 300, "spread over minutes"
    assert max(waits) <= 1.1 * HOUR


@pytest.mark.parametrize(("coding", "packed"), [("gzip", gzip.compress), ("br", brotli.compress)])
async def test_21_gzip_and_br_are_offered_and_decoded(
    opened: Opener, site: ScriptedSite, coding: str, packed: object
) -> None:
    assert callable(packed)
    body = packed(rss("Sample wire", item("a", site)).encode())
    site.scripts["/feed"] = lambda _: http.Response(
        body=body, headers={"Content-Encoding": coding, "Content-Type": "application/rss+xml"}
    )
    async with opened() as polite:
        await polite.poll()
        assert {"gzip", "br"} <= {one.strip() for one in polite.last["Accept-Encoding"].split(",")}
        assert polite.road.rows("SELECT guid FROM items") == [("a",)]


async def test_22_the_user_agent_names_the_program_and_where_to_read_of_it(opened: Opener, site: ScriptedSite) -> None:
    site.script("/feed")
    async with opened() as polite:
        await polite.poll()
        assert "; 1 subscriber)" in polite.last["User-Agent"]
        store = polite.road.store
        assert store._writer
        subscribed = "INSERT INTO subscriptions (guild_id, feed_id, name, created_by, added_at) VALUES (?, 1, '', 0, 0)"
        await store._writer.write(lambda sql: sql.executemany(subscribed, [(1,), (2,), (3,)]))
        await polite.poll()
        assert "; 3 subscribers)" in polite.last["User-Agent"]
    assert polite.last["User-Agent"].startswith("wirewatch/")
    assert "(+https://" in polite.last["User-Agent"]
    assert polite.last["Accept"].startswith("application/atom+xml, application/rss+xml")


async def test_23_no_cookie_no_referer_no_query_of_our_own(opened: Opener, site: ScriptedSite) -> None:
    site.script("/feed?a=1", status=200)
    site.scripts["/feed"] = lambda _: feed_answer(status=302, Location="/there", Set_Cookie="id=7; Path=/")
    site.script("/there", Set_Cookie="id=8; Path=/")
    async with opened("/feed?a=1") as polite:
        await polite.run(seconds=3)
    assert {one.path for one in site.log} == {"/feed?a=1", "/there"}
    assert len(site.log) >= 4
    sent = {name.lower() for one in site.log for name in one.headers}
    assert not sent & {"cookie", "referer", "dnt", "origin"}


async def test_24_a_restart_asks_nothing_before_its_time(opened: Opener, site: ScriptedSite) -> None:
    site.script("/feed", ETag='"one"', Cache_Control="max-age=7200")
    async with opened() as polite:
        await polite.run(seconds=1)
    async with opened() as polite:
        polite.road.clock.move(seconds=7000)
        assert await polite.run(seconds=1) == 0
    async with opened() as polite:
        assert await polite.run(seconds=7190) == 0
        assert await polite.run(seconds=900) == 1
        assert polite.last["If-None-Match"] == '"one"'


async def test_25_a_delta_is_asked_for_with_a_validator_and_merged(opened: Opener, site: ScriptedSite) -> None:
    old = [item(f"old-{number}", site) for number in range(10)]
    site.scripts["/feed"] = lambda _: feed_answer(*old, ETag='"one"')
    async with opened() as polite:
        await polite.poll()
        assert "A-IM" not in polite.last, "without a validator there is nothing to differ from"
        site.scripts["/feed"] = lambda _: feed_answer(
            *(item(f"new-{n}", site) for n in range(5)), status=226, ETag='"two"', IM="feed"
        )
        feed = await polite.poll()
        assert polite.last["A-IM"] == "feed"
        assert (feed.state, feed.health.gap_at, feed.etag) == ("ok", None, '"two"')
        assert polite.road.rows("SELECT COUNT(*) FROM items WHERE state = 'to_read'") == [(5,)]
        site.scripts["/feed"] = lambda _: feed_answer(item("new-9", site), *old, ETag='"three"')
        await polite.poll()
        assert polite.last["If-None-Match"] == '"two"'
        assert polite.road.rows("SELECT COUNT(*) FROM items WHERE state = 'to_read'") == [(6,)], (
            "what was absent is not new"
        )
    assert polite.road.notices == []


async def test_26_a_manual_refresh_is_debounced_and_says_when_the_next_is_possible(
    opened: Opener, site: ScriptedSite
) -> None:
    site.scripts["/feed"] = lambda _: feed_answer(item("a", site))

    async with opened() as polite:
        road = polite.road
        desk = Desk(road.store, pipeline=road.pipeline, clock=road.clock, refresh=refresh)
        name = (await polite.poll()).name
        site.script("/feed", status=404)
        await polite.poll()
        with pytest.raises(UserError, match="again in 60 s"):
            await desk.feeds.release(MANAGER, name)
        road.clock.move(seconds=15)
        with pytest.raises(UserError, match="again in 45 s"):
            await desk.feeds.release(MANAGER, name)
        road.clock.move(seconds=45)
        await desk.feeds.release(MANAGER, name)
        assert await polite.run(seconds=0) == 1
        with pytest.raises(UserError, match="less than a minute ago"):
            await desk.feeds.release(MANAGER, name)
        site.script("/feed", status=503, Retry_After="7200")
        await polite.poll()
        road.clock.move(minutes=30)
        with pytest.raises(UserError, match=r"asked to be left alone: .* again in 1\.5 h"):
            await desk.feeds.release(MANAGER, name)
        assert await polite.run(minutes=80) == 0


async def test_26_whoever_looks_at_an_address_again_within_a_minute_sees_the_same(
    opened: Opener, site: ScriptedSite
) -> None:
    site.script("/feed")
    site.scripts["/looked-at"] = lambda _: feed_answer(item("a", site))

    async with opened() as polite:
        road = polite.road
        desk = Desk(road.store, pipeline=road.pipeline, clock=road.clock, refresh=refresh)
        looks = [await desk.feeds.test(MANAGER, site.url("/looked-at")) for _ in range(3)]
        assert [look.parsed and len(look.parsed.items) for look in looks] == [1, 1, 1]
        assert site.asked == ["/looked-at"]
        road.clock.move(seconds=61)
        await desk.feeds.test(MANAGER, site.url("/looked-at"))
        assert site.asked == ["/looked-at"] * 2
