"""What is said of a feed before anybody hears it, and which addresses may be kept: pure, by example."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.feeds.importing import plan_import
from bot.feeds.preview import asking_s, newest_of, rhythm_of, rhythm_said
from bot.model import FeedHints, FeedItem, FeedList, ListedFeed, ParsedFeed
from bot.web.fetch import Web
from bot.web.guard import AllowList, refusal_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0.0, ""),
        (120.0, "about 120 items an hour"),
        (1.0, "about 1 item an hour"),
        (0.5, "about 12 items a day"),
        (1 / 24, "about 1 item a day"),
        (1 / 84, "about 2 items a week"),
        (1 / 500, "about 1 item a month"),
        (1 / 5_000, "less than one item a month"),
    ],
)
def test_a_rhythm_is_said_as_people_say_it(rate: float, said: str) -> None:
    assert rhythm_said(rate) == said


def item(title: str, days: float | None) -> FeedItem:
    return FeedItem(title=title, published_at=None if days is None else NOW - timedelta(days=days))


def test_the_newest_items_come_first_and_undated_ones_last() -> None:
    feed = ParsedFeed(items=(item("old", 9), item("undated", None), item("new", 1), item("middle", 5)))
    assert [one.title for one in newest_of(feed, 3)] == ["new", "middle", "old"]
    assert newest_of(feed, 4)[3].title == "undated"
    assert rhythm_of(feed, NOW) == "about 2 items a week"
    assert rhythm_of(ParsedFeed(items=(item("alone", 1), item("undated", None))), NOW) == ""


def test_the_longest_wait_that_is_asked_for_counts() -> None:
    feed = ParsedFeed(hints=FeedHints(ttl_s=3_600))
    assert (asking_s(feed), asking_s(feed, 7_200.0)) == (3_600, 7_200)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://news.example/feed", ""),
        ("https://anna:hush@news.example/feed", ""),
        ("http://127.0.0.1/", "this machine"),
        ("http://localhost/", "this machine"),
        ("http://a.localhost./", "this machine"),
        ("http://[::1]/", "not a public IPv6 address"),
        ("http://[fd00:ec2::254]/", "not a public IPv6 address"),
        ("http://169.254.169.254/", "a link-local network"),
        ("http://10.0.0.5:8080/", ""),
        ("http://10.0.0.6:8080/", "a private network"),
        ("http://2130706433/", "names no host"),
        ("file:///etc/passwd", "Only http"),
        ("feed:http://127.0.0.1/", "Only http"),
        ("http://news.example:6379/", "Port 6379"),
        ("", "Only http"),
    ],
)
def test_g7_an_address_is_judged_before_it_is_kept(url: str, words: str) -> None:
    said = refusal_of(url, AllowList.parse(["10.0.0.5:8080"]))
    assert (words in said) if words else said == ""
    assert "hush" not in said


@pytest.mark.parametrize(
    ("page", "link", "leads"),
    [
        ("https://news.example/", "https://other.example/feed", True),
        ("https://news.example/", "http://10.0.0.5:8080/feed", False),
        ("http://10.0.0.5:8080/page", "http://10.0.0.5:8080/feed", True),
        ("http://10.0.0.5:8080/page", "http://10.0.0.6:8080/feed", False),
        ("http://10.0.0.5:8080/page", "https://news.example/feed", True),
    ],
)
async def test_g1_only_a_host_that_the_operator_named_leads_to_such_hosts(page: str, link: str, leads: bool) -> None:  # noqa: FBT001  a column of the table
    assert Web(allow=AllowList.parse(["10.0.0.5:8080"])).may_lead(page, link) is leads


def test_what_is_beyond_the_room_is_refused_and_what_stands_twice_is_known() -> None:
    listed = FeedList(feeds=tuple(ListedFeed(url=url) for url in ("a", "b", "a", "k", "x", "c")))
    plan = plan_import(listed, known={"k"}, refusal=lambda url: "No." if url == "x" else "", room=2, full="Full.")
    assert [line.verdict for line in plan.lines] == ["new", "new", "known", "known", "refused", "refused"]
    assert [line.why for line in plan.lines][4:] == ["No.", "Full."]
