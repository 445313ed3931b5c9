"""What becomes of a feed when it is polled: unchanged, resting, broken, hanging; on real SQLite, HTTP on loopback and real workers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bot.model import DeclaredFeed, Watch
from bot.pipeline import Habits
from bot.workers import Workers
from tests.fakes import START_AT, Reply, Site, entry, open_road, page, rss, watching_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from bot.model import ParsedFeed
    from tests.fakes import Road

pytestmark = pytest.mark.asyncio(loop_scope="module")

TITLE = "New sanctions"
SANCTIONS = Watch(name="Sanctions", query="sanctions")
CONSENT = page(
    "Before you continue", "We value your privacy. We and our partners use cookies. Accept all cookies or manage."
)
NO_PAGES = Habits(interval_s=1, full_text="never", baseline=False)


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with Site() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def road(tmp_path: Path, site: Site, workers: Workers) -> AsyncIterator[Road]:
    """A road whose only feed is /feed, where what a feed holds at first is news and no page is read."""
    async with road_to(site, tmp_path, workers) as opened:
        yield opened


def road_to(
    site: Site, folder: Path, workers: Workers, *paths: str, habits: Habits = NO_PAGES
) -> AbstractAsyncContextManager[Road]:
    feeds = [site.url(path) for path in paths or ("/feed",)]
    return open_road(folder, site, workers, feeds=feeds, watches=(SANCTIONS,), habits=habits)


# --- feeds that say nothing new ---


class Counted:
    """Counts what is parsed."""

    def __init__(self, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        parse = workers.parse_feed

        async def counted(body: bytes, content_type: str | None, base_url: str) -> ParsedFeed:
            self.times += 1
            return await parse(body, content_type, base_url)

        monkeypatch.setattr(workers, "parse_feed", counted)


async def test_a_304_parses_nothing_and_validators_go_back_byte_for_byte(
    site: Site, road: Road, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = Counted(workers, monkeypatch)
    validators = {"ETag": 'W/"a b;c--gzip"', "Last-Modified": "Sun, 1 Mar 2026 9:00:00 +0000"}
    site.feed("/feed", entry(TITLE, site.url("/a")), headers=validators)
    await road.poll()
    road.clock.move(minutes=10)
    await road.poll()
    assert parsed.times == 1
    assert site.sent_headers[-1]["If-None-Match"] == validators["ETag"]
    assert site.sent_headers[-1]["If-Modified-Since"] == validators["Last-Modified"]
    feed = await road.feed()
    assert (feed.etag, feed.last_modified, feed.state) == (*validators.values(), "ok")
    assert feed.last_ok_at == road.clock()


@pytest.mark.parametrize("new_head", [False, True], ids=["same body", "new time before the items"])
async def test_a_body_that_says_nothing_new_is_not_parsed_and_its_validators_are_kept(
    site: Site, road: Road, workers: Workers, monkeypatch: pytest.MonkeyPatch, *, new_head: bool
) -> None:
    parsed = Counted(workers, monkeypatch)
    site.feed("/feed", entry(TITLE, site.url("/a")), headers={"ETag": '"one"'})
    await road.poll()
    body = rss("Sample wire", entry(TITLE, site.url("/a")))
    if new_head:
        body = body.replace("<description>d</description>", "<lastBuildDate>later</lastBuildDate>")
    site.put("/feed", Reply(body=body.encode(), content_type="text/xml", headers={"ETag": '"two"'}))
    await road.poll()
    assert parsed.times == 1
    assert (await road.feed()).etag == '"two"'


async def test_an_edit_beyond_the_third_is_taken_in_once_there_was_none_for_48_hours(site: Site, road: Road) -> None:
    edits = [entry("A visit", site.url("/a"), guid="a", text=f"Nothing yet, {number}.") for number in range(4)]
    for one in (*edits, entry("A visit", site.url("/a"), guid="a", text="New sanctions.")):
        road.clock.move(minutes=10)
        site.feed("/feed", one, headers={"ETag": f'"{len(site.asked)}"'})
        await road.round()
    assert (await road.item()).text == "Nothing yet, 3."
    road.clock.move(hours=47)
    await road.round()
    assert road.outlet.posted == []
    road.clock.move(hours=2)
    await road.round()
    assert (await road.item()).text == "New sanctions."
    assert len(road.outlet.posted) == 1
    await road.round()
    assert (await road.feed()).etag is not None, "from then on it is asked as ever"


@pytest.mark.parametrize("hours", [5, 12])
async def test_what_came_while_nobody_could_ask_is_as_late_as_it_is_old(site: Site, road: Road, hours: int) -> None:
    site.feed("/feed", entry("Nothing yet", site.url("/a")))
    await road.round()
    dates = {name: road.clock() + timedelta(hours=at) for name, at in (("before", -9), ("away", 1))}
    items = [entry(f"Sanctions {name}", site.url(f"/{name}"), date=format_datetime(at)) for name, at in dates.items()]
    road.clock.move(hours=hours)
    site.feed("/feed", *items, entry("Sanctions undated", site.url("/c")))
    await road.round()
    late = {card.headline: card.late for card in road.outlet.posted}
    away = "late: could not be delivered for 11 hours" if hours > 6 else ""
    assert late == {"Sanctions before": "", "Sanctions away": away, "Sanctions undated": ""}


async def test_a_typo_mended_in_an_old_article_whose_text_is_deleted_alerts_no_watch_that_came_later(
    site: Site, road: Road
) -> None:
    site.feed("/feed", entry("A visit", site.url("/a"), guid="a", text="The ferry saild."))
    await road.round()
    at = road.clock() + timedelta(days=95)
    assert await road.store.upkeep.purge_texts(at) == 1
    await road.store.declare(
        feeds=[DeclaredFeed(url=site.url("/feed"))],
        actors=(),
        watches=(Watch(name="Ferries", query="ferry"), SANCTIONS),
        now=road.clock(),
    )
    road.pipeline.watching = await watching_in(road.store)
    road.clock.now = at
    for text, alerts in (("The ferry sailed.", 0), ("The ferry sailed. New sanctions.", 1)):
        site.feed("/feed", entry("A visit", site.url("/a"), guid="a", text=text))
        await road.round()
        assert len(road.outlet.posted) == alerts


# --- feeds in trouble ---


async def test_a_host_that_asks_for_rest_gets_it_for_all_its_feeds(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    site.put("/feed", Reply(status=429, headers={"Retry-After": "600"}))
    site.feed("/other", entry(TITLE, site.url("/a")))
    async with road_to(site, tmp_path, workers, "/feed", "/other") as road:
        await road.poll()
        feeds = {feed.url: feed for feed in await road.store.feeds()}
        assert feeds[site.url("/feed")].state == "limited"
        assert feeds[site.url("/other")].fail_count == 0, "put off is not failed"
        assert await road.store.due_feeds(START_AT + timedelta(seconds=599)) == ()
        assert len(await road.store.due_feeds(START_AT + timedelta(seconds=601))) == 2
        assert await road.store.next_poll_at() == START_AT + timedelta(seconds=600)


async def test_a_feed_that_turns_into_a_page_is_suspect_keeps_its_validators_and_is_spoken_of_once_it_lasts(
    site: Site, road: Road
) -> None:
    site.feed("/feed", entry("Nothing yet", site.url("/a")), headers={"ETag": '"one"'})
    await road.poll()
    site.put("/feed", Reply(body=CONSENT.encode(), headers={"ETag": '"page"'}))
    await road.poll()
    feed = await road.feed()
    assert (feed.state, feed.etag, feed.fail_count) == ("suspect", '"one"', 1)
    assert "\n" not in feed.last_error
    assert road.notices == [], "it may be over with the next poll"
    for _ in range(4):
        road.clock.move(seconds=4)
        await road.poll()
    assert road.notices == [f"Sample wire: {feed.last_error} It has failed for 8 s."]
    site.feed("/feed", entry("More sanctions", site.url("/b")))
    await road.round()
    assert [card.link for card in road.outlet.posted] == [site.url("/b")]
    assert (await road.feed()).state == "ok"
    assert road.notices[1:] == ["Sample wire: works again"]


@pytest.mark.parametrize("body", [b"", b"just a line of text", b'{"a": 1}'], ids=["empty", "text", "other JSON"])
async def test_what_is_no_feed_fails_with_a_plain_line(site: Site, road: Road, body: bytes) -> None:
    site.put("/feed", Reply(body=body, content_type="text/plain"))
    for _ in range(3):
        await road.poll()
    feed = await road.feed()
    assert (feed.state, feed.subscribed_at) == ("failing", None)
    assert len(road.notices) == 1
    assert "\n" not in feed.last_error
    assert feed.last_error.endswith(".")


async def test_a_feed_that_failed_at_first_still_gets_its_baseline(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    async with road_to(site, tmp_path, workers, habits=Habits(interval_s=1)) as road:
        await road.round()
        site.feed("/feed", entry(TITLE, site.url("/a")))
        await road.round()
        assert road.outlet.posted == []
        assert road.rows("SELECT state FROM items") == [("baseline",)]


class OneHangs(Workers):
    """Real workers, one of which is given a pattern that never ends in place of one feed."""

    async def parse_feed(self, body: bytes, content_type: str | None, base_url: str) -> ParsedFeed:
        if base_url.endswith("/hangs"):
            await self._feeds.call("re:match", "(a+)+$", "a" * 60 + "b")
        return await super().parse_feed(body, content_type, base_url)


async def test_a_feed_whose_parsing_hangs_costs_the_others_nothing(site: Site, tmp_path: Path) -> None:
    site.feed("/hangs", entry(TITLE, site.url("/h")))
    site.feed("/feed", entry(TITLE, site.url("/a")))
    async with (
        OneHangs(timeout_s=1.0) as workers,
        road_to(site, tmp_path, workers, "/hangs", "/feed") as road,
    ):
        await asyncio.gather(*map(road.pipeline.poll_feed, await road.store.feeds()))
        await road.read()
        await road.deliverer.pay()
        hanging, sound = await road.store.feeds()
    assert [card.link for card in road.outlet.posted] == [site.url("/a")]
    assert (sound.state, sound.fail_count) == ("ok", 0)
    assert hanging.fail_count == 1
    assert "took longer than 1 s" in hanging.last_error


async def test_a_surprise_in_one_feed_is_its_own_failure(
    site: Site, road: Road, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def surprise(*_: object) -> ParsedFeed:
        raise RuntimeError("nobody thought of this")

    site.feed("/feed", entry(TITLE, site.url("/a")))
    monkeypatch.setattr(workers, "parse_feed", surprise)
    assert await road.poll() == 0
    assert (await road.feed()).last_error == "this feed could not be read: see the log"
    monkeypatch.undo()
    assert await road.poll() == 1
