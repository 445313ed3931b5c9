"""The pipeline on real SQLite, real HTTP on loopback and real workers: what becomes of a feed, an item and a page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bot.model import Watch
from bot.pipeline import Habits
from tests.fakes import FILLER, START_AT, KeepingOutlet, Reply, Site, entry, open_road, page, watching_in, web_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from bot.workers import Workers
    from tests.fakes import Road

pytestmark = pytest.mark.asyncio(loop_scope="module")

TITLE = "Committee spent the week in the capital"
TEASER = "Officials met for longer than anyone had planned."
SANCTIONED = "Two ministers said that the sanctions would stay in force until the harbour is open again."
IN_SOCHI = "The next meeting will be held in Sochi, where a hall has been rented for three days."
SANCTIONS = Watch(name="Sanctions", query="sanctions")
SOCHI = Watch(name="Sochi", query="Sochi")
CONSENT = page(
    "Before you continue", "We value your privacy. We and our partners use cookies. Accept all cookies or manage."
)


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with Site() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def road(tmp_path: Path, site: Site, workers: Workers) -> AsyncIterator[Road]:
    """A road whose only feed is /feed and where what a feed holds at first is news."""
    async with road_to(site, tmp_path, workers) as opened:
        yield opened


def road_to(
    site: Site,
    folder: Path,
    workers: Workers,
    *paths: str,
    watches: tuple[Watch, ...] = (SANCTIONS, SOCHI),
    habits: Habits | None = None,
) -> AbstractAsyncContextManager[Road]:
    feeds = [site.url(path) for path in paths or ("/feed",)]
    return open_road(folder, site, workers, feeds=feeds, watches=watches, habits=habits)


def teaser(site: Site, path: str = "/a", *, feed: str = "/feed", text: str = TEASER, title: str = TITLE) -> None:
    """Serve a feed with one entry that leads to a page."""
    site.feed(feed, entry(title, site.url(path), guid=path, text=text))


def article(site: Site, *sentences: str, path: str = "/a") -> None:
    site.page(path, TITLE, *FILLER[:3], *sentences, FILLER[3])


# --- which text is read ---


async def test_a_teaser_is_read_in_full_and_matches_by_its_page_alone(site: Site, road: Road) -> None:
    teaser(site)
    article(site, SANCTIONED)
    await road.round()
    (card,) = road.outlet.posted
    assert (card.headline, card.link, card.source) == (TITLE, site.url("/a"), "Sample wire")
    assert (card.kind, card.note, card.found, card.watches) == ("full", "", "", ("Sanctions",))
    assert [sentence.text for sentence in card.brief] == [SANCTIONED]
    assert await road.store.next_page_at() is None


async def test_a_page_without_the_words_raises_nothing(site: Site, road: Road) -> None:
    teaser(site)
    article(site)
    await road.round()
    assert road.outlet.posted == []
    assert road.rows("SELECT kind FROM articles") == [("full",)]


async def test_a_feed_that_gives_the_whole_text_is_not_asked_for_the_page(site: Site, road: Road) -> None:
    whole = "".join(f"<p>{text}</p>" for text in (*FILLER * 4, SANCTIONED, FILLER[0]))
    teaser(site, text=whole)
    await road.round()
    (card,) = road.outlet.posted
    assert (card.kind, card.note) == ("feed", "")
    assert "/a" not in site.asked


async def test_full_text_never_leaves_pages_alone_and_always_fetches_them(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    teaser(site, text=SANCTIONED)
    article(site, SANCTIONED)
    async with road_to(site, tmp_path, workers, habits=Habits(full_text="never", baseline=False)) as road:
        await road.round()
    assert [card.kind for card in road.outlet.posted] == ["teaser"]
    assert "/a" not in site.asked
    whole = "".join(f"<p>{text}</p>" for text in FILLER * 4)
    teaser(site, "/b", text=whole)
    site.page("/b", TITLE, *FILLER * 5, SANCTIONED, FILLER[0])
    async with road_to(site, tmp_path, workers, habits=Habits(full_text="always", baseline=False)) as road:
        await road.round()
    assert [card.kind for card in road.outlet.posted] == ["full"]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(status=404), "404"),
        (Reply(body=b"<html>", delay_s=2.0), "the page took over"),
        (Reply(body=CONSENT.encode()), "consent to cookies"),
        (Reply(status=500), "500"),
        (Reply(body=page("Gardening", *["Roses want sun, and much of it." * 9] * 3).encode()), "not seem to be this"),
    ],
    ids=["404", "slow", "consent", "500", "another page"],
)
async def test_a_page_that_cannot_be_had_leaves_the_teaser_a_note_and_a_debt(
    site: Site, road: Road, reply: Reply, why: str
) -> None:
    if reply.delay_s:
        road.pipeline.habits = replace(road.pipeline.habits, page_limit_s=0.5)
    teaser(site, text=SANCTIONED)
    site.put("/a", reply)
    await road.round()
    (card,) = road.outlet.posted
    assert (card.kind, card.watches) == ("teaser", ("Sanctions",))
    assert card.note.startswith("only the teaser was read: ")
    assert why in card.note
    assert await road.store.next_page_at() == START_AT + timedelta(seconds=10)


async def test_a_page_closed_by_robots_is_never_asked_for_and_not_owed(site: Site, road: Road) -> None:
    site.put("/robots.txt", Reply(body=b"User-agent: *\nDisallow: /a", content_type="text/plain"))
    teaser(site, text=SANCTIONED)
    article(site, SANCTIONED, IN_SOCHI)
    await road.round()
    (card,) = road.outlet.posted
    assert (card.kind, card.watches) == ("teaser", ("Sanctions",))
    assert "robots.txt" in card.note
    assert await road.store.next_page_at() is None
    assert "/a" not in site.asked


async def test_a_document_that_is_no_page_is_not_owed(site: Site, road: Road) -> None:
    teaser(site, text=SANCTIONED)
    site.put("/a", Reply(body=b"%PDF-1.7", content_type="application/pdf"))
    await road.round()
    assert [card.kind for card in road.outlet.posted] == ["teaser"]
    assert await road.store.next_page_at() is None


# --- a page that comes later ---


async def test_a_page_that_comes_later_betters_its_alert_and_raises_the_new_watch_late(site: Site, road: Road) -> None:
    teaser(site, text=SANCTIONED)
    await road.round()
    article(site, SANCTIONED, IN_SOCHI)
    await road.try_pages()
    first, second = road.outlet.posted
    assert (first.watches, first.kind, first.found) == (("Sanctions",), "teaser", "")
    assert (second.watches, second.kind) == (("Sochi",), "full")
    assert second.found == "found in the page, which came 1 min after the teaser"
    assert await road.store.next_page_at() is None


async def test_a_page_that_comes_later_with_the_same_words_edits_the_alert(site: Site, road: Road) -> None:
    teaser(site, text=SANCTIONED)
    await road.round()
    article(site, SANCTIONED)
    await road.try_pages()
    assert len(road.outlet.posted) == 1
    (better,) = road.outlet.edited
    assert (better.watches, better.kind, better.note) == (("Sanctions",), "full", "")
    assert road.rows("SELECT COUNT(*) FROM alerts") == [(1,)]


async def test_a_consent_page_is_followed_by_the_article_when_it_is_gone(site: Site, road: Road) -> None:
    teaser(site)
    site.put("/a", Reply(body=CONSENT.encode()))
    await road.round()
    assert road.outlet.posted == []
    await road.try_pages()
    assert road.outlet.posted == []
    article(site, SANCTIONED)
    await road.try_pages()
    assert [card.kind for card in road.outlet.posted] == ["full"]


async def test_a_page_that_never_comes_is_asked_for_ever_more_rarely_and_given_up_after_a_day(
    site: Site, road: Road
) -> None:
    teaser(site)
    await road.round()
    tried_at = []
    while await road.store.next_page_at():
        await road.try_pages()
        tried_at.append(road.clock.now)
    waits = [later - sooner for sooner, later in zip([START_AT, *tried_at], tried_at, strict=False)]
    assert waits[:-1] == sorted(waits[:-1])
    assert tried_at[-1] == START_AT + timedelta(days=1), "the last try is at the end of the day"
    assert timedelta(hours=12) < tried_at[-1] - START_AT <= timedelta(days=1)
    assert site.asked.count("/a") == len(tried_at) + 1 == (await road.item()).page_tries
    article(site, SANCTIONED)
    road.clock.move(days=2)
    assert await road.store.pages_owed(road.clock(), limit=9) == ()


async def test_robots_that_close_a_page_which_is_owed_end_the_debt(site: Site, road: Road) -> None:
    teaser(site, text=SANCTIONED)
    await road.round()
    site.put("/robots.txt", Reply(body=b"User-agent: *\nDisallow: /", content_type="text/plain"))
    article(site, SANCTIONED, IN_SOCHI)
    async with web_to(site) as restarted:  # robots.txt is remembered for a day
        road.pipeline.web = restarted
        await road.try_pages()
    assert await road.store.next_page_at() is None
    assert len(road.outlet.posted) == 1


# --- what is one item, one story ---


async def test_an_edited_entry_is_read_again_and_alerts_if_it_now_matches(site: Site, road: Road) -> None:
    teaser(site)
    article(site)
    await road.round()
    assert road.outlet.posted == []
    article(site, SANCTIONED)
    teaser(site, text="Officials met for longer than planned, and agreed.")
    await road.round()
    (card,) = road.outlet.posted
    assert card.found == "found when the article was read again"
    assert road.rows("SELECT COUNT(*) FROM items") == [(1,)]


async def test_an_edit_that_changes_nothing_for_the_watches_raises_no_second_alert(site: Site, road: Road) -> None:
    teaser(site)
    article(site, SANCTIONED)
    await road.round()
    teaser(site, text="Officials met. Corrected: they met twice.")
    await road.round()
    assert len(road.outlet.posted) == 1
    assert road.rows("SELECT readings FROM items") == [(2,)]


async def test_a_twin_in_another_feed_joins_the_alert(site: Site, tmp_path: Path, workers: Workers) -> None:
    article(site, SANCTIONED)
    site.feed("/feed", entry(TITLE, site.url("/a"), guid="x1", text=TEASER), title="First wire")
    site.feed("/other", entry(TITLE, site.url("/a?utm_source=rss"), guid="y7", text=TEASER), title="Second wire")
    async with road_to(site, tmp_path, workers, "/feed", "/other") as road:
        await road.round()
        assert road.rows("SELECT COUNT(*) FROM alerts") == [(1,)]
        assert road.rows("SELECT COUNT(*) FROM items") == [(2,)]
    shown = [*road.outlet.posted, *road.outlet.edited][-1]
    assert len(road.outlet.posted) == 1
    assert (shown.source, shown.also) == ("First wire", ("Second wire",))


async def test_a_twin_in_another_feed_is_told_of_by_itself_where_each_report_is_to_be(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    article(site, SANCTIONED)
    for feed, link in (("/feed", "/a"), ("/other", "/a?utm_source=rss"), ("/third", "/a#top")):
        site.feed(feed, entry(TITLE, site.url(link), guid="1", text=TEASER), title=feed)
    habits = Habits(per="item", baseline=False)
    async with road_to(site, tmp_path, workers, "/feed", "/other", "/third", habits=habits) as road:
        await road.round()
        teaser(site, text="Officials met. Corrected: they met twice.")
        await road.round()
    assert sorted(card.source for card in road.outlet.posted) == ["/feed", "/other", "/third"]
    assert {card.also for card in [*road.outlet.posted, *road.outlet.edited]} == {()}


@pytest.mark.parametrize("change", ["date", "host", "guid", "fragment"])
async def test_an_entry_that_only_looks_new_raises_no_second_alert(site: Site, road: Road, change: str) -> None:
    article(site, SANCTIONED)
    link, guid = site.url("/a"), "" if change in {"host", "fragment"} else "g1"
    site.feed("/feed", entry(TITLE, link, guid=guid, text=TEASER, date="Sun, 01 Mar 2026 10:00:00 GMT"))
    await road.round()
    if change == "host":
        link = link.replace("http://", "https://www.")
    elif change == "guid":
        guid = "g2"
    elif change == "fragment":
        link += "?utm_campaign=x&fbclid=1#top"
    site.feed("/feed", entry(TITLE, link, guid=guid, text=TEASER, date="Sun, 01 Mar 2026 11:30:00 GMT"))
    await road.round()
    assert len(road.outlet.posted) == 1
    assert road.outlet.edited == []
    assert road.rows("SELECT COUNT(*) FROM items") == [(1,)]


async def test_what_stands_in_a_feed_at_first_never_alerts_and_what_comes_later_does(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    article(site, SANCTIONED, path="/old")
    article(site, SANCTIONED, path="/new")
    old = entry(f"{TITLE} once", site.url("/old"), text=SANCTIONED)
    site.feed("/feed", old)
    async with road_to(site, tmp_path, workers, habits=Habits(interval_s=1)) as road:
        await road.round()
        assert road.outlet.posted == []
        assert "/old" not in site.asked
        site.feed("/feed", entry(f"{TITLE} again", site.url("/new"), text=TEASER), old)
        await road.round()
    assert [card.link for card in road.outlet.posted] == [site.url("/new")]
    assert "/old" not in site.asked


# --- what is watched ---


async def test_a_watch_with_a_faulty_query_does_not_stop_the_others(
    site: Site, tmp_path: Path, workers: Workers
) -> None:
    watches = (Watch(name="Broken", query="(sanctions AND"), SANCTIONS)
    teaser(site)
    article(site, SANCTIONED)
    async with road_to(site, tmp_path, workers, watches=watches) as road:
        assert [watch.name for watch, _ in road.pipeline.watching.matcher.faults] == ["Broken"]
        await road.round()
        assert [card.watches for card in road.outlet.posted] == [("Sanctions",)]


async def test_what_is_watched_may_change_between_two_readings(site: Site, road: Road) -> None:
    teaser(site)
    article(site, SANCTIONED, IN_SOCHI)
    await road.store.declare(feeds=(), actors=(), watches=(SOCHI,), now=START_AT)
    road.pipeline.watching = await watching_in(road.store)
    await road.round()
    assert isinstance(road.outlet, KeepingOutlet)
    assert [card.watches for card in road.outlet.posted] == [("Sochi",)]
