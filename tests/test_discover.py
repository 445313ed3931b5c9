"""Which feeds a page names: RSS, Atom and JSON Feed by their links, relative ones too; nothing else, and not for ever."""

from __future__ import annotations

import pytest

from bot.feeds.discover import LIMIT_LINKS, feed_links_in
from bot.workers import Workers

PAGE = "https://news.example/world/today.html"


def links(head: str, url: str = PAGE, body: str = "") -> list[tuple[str, str]]:
    page = f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"
    return [(link.url, link.title) for link in feed_links_in(page.encode(), "text/html; charset=utf-8", url)]


@pytest.mark.parametrize("kind", ["rss+xml", "atom+xml", "feed+json", "rdf+xml"])
def test_each_kind_of_feed_is_found(kind: str) -> None:
    tag = f'<LINK title="World &amp; more" href="/w.xml" TYPE="application/{kind}; charset=utf-8" rel="home ALTERNATE">'
    assert links(tag) == [("https://news.example/w.xml", "World & more")]


@pytest.mark.parametrize(
    ("base", "href", "url"),
    [
        ("", "feed", "https://news.example/world/feed"),
        ("", "?feed=rss2", "https://news.example/world/today.html?feed=rss2"),
        ("", "//cdn.example/f", "https://cdn.example/f"),
        ("", "http://other.example/f?a=1&amp;b=2", "http://other.example/f?a=1&b=2"),
        ('<base href="/de/">', "feed", "https://news.example/de/feed"),
        ('<base href="https://base.example/x/">', "feed", "https://base.example/x/feed"),
        ('<base href="javascript:1">', "feed", "https://news.example/world/feed"),
    ],
)
def test_addresses_are_resolved(base: str, href: str, url: str) -> None:
    assert links(f'{base}<link rel=alternate type=application/rss+xml href="{href}">') == [(url, "")]


@pytest.mark.parametrize(
    "tag",
    [
        '<link rel="stylesheet" type="text/css" href="/rss.css">',
        '<link rel="alternate" hreflang="de" href="/de">',
        '<link rel="alternate" type="text/html" href="/feed">',
        '<link rel="alternate" type="application/json" href="/wp-json/wp/v2/pages/1" title="JSON">',
        '<link rel="alternate" type="application/rss+xml">',
        '<link rel="alternate" type="application/rss+xml" href="">',
        '<link rel="alternate" type="application/rss+xml" href="javascript:alert(1)">',
        '<link rel="alternate" type="application/rss+xml" href="file:///etc/passwd">',
        '<link rel="alternate" type="application/rss+xml" href="data:text/xml,<rss/>">',
        '<!-- <link rel="alternate" type="application/rss+xml" href="/old.xml"> -->',
        f'<link rel="alternate" type="application/rss+xml" href="{PAGE}">',
    ],
)
def test_nothing_else_is_taken_for_a_feed(tag: str) -> None:
    assert links(tag) == []


def test_an_address_is_named_once_and_comments_come_last() -> None:
    head = "".join(
        f'<link rel="alternate" type="application/rss+xml" title="{title}" href="{href}">'
        for title, href in [("Site » Comments Feed", "/c"), ("Site » Feed", "/f"), ("again", "/f"), ("", "/g")]
    )
    assert [url.rpartition("/")[2] for url, _ in links(head)] == ["f", "g", "c"]


def test_a_link_in_the_body_counts_too() -> None:
    assert links("", body='<div><link rel="feed" href="/late"></div>') == [("https://news.example/late", "")]


def test_what_a_title_hides_is_gone() -> None:
    (found,) = links('<link rel="feed" href="/f" title="safe&#x202e; &lt;b&gt;bold&lt;/b&gt;\n@everyone">')
    assert found[1] == "safe bold @everyone"


async def test_a_page_of_nothing_but_links_is_read_up_to_a_limit_in_a_worker() -> None:
    head = "".join(f'<link rel="alternate" type="application/rss+xml" href="/{n}">' for n in range(50_000))
    nested = "<div>" * 50_000
    async with Workers() as workers:
        found = await workers.feed_links((head + nested).encode(), "text/html", PAGE)
    assert len(found) == LIMIT_LINKS
