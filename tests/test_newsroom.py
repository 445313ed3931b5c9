"""The sample newsroom: what it serves is what real feeds serve, and its articles keep the promise that they are there for."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import aiohttp
import pytest

import bot.newsroom
from bot.model import Article, Watch
from bot.newsroom import Newsroom
from bot.newsroom.library import Library, SampleArticle, open_library
from bot.reading.extract import page_text
from bot.reading.forms import word_forms
from bot.reading.matcher import Matcher
from bot.reading.query import keywords_in, parse_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ATOM = "{http://www.w3.org/2005/Atom}"
LIBRARY: Library = open_library()
FULL_TEXT = {outlet.key for outlet in LIBRARY.outlets if outlet.full_text}
READABLE = [article for article in LIBRARY.articles if article.page == "open"]
TEASED = [article for article in READABLE if article.outlet not in FULL_TEXT]
WORDS = {
    "Sanctions": re.compile(r"\bsanction|\bсанкци", re.IGNORECASE),
    "Shklyarov": re.compile(r"\bshklyarov|\bшкляров", re.IGNORECASE),
    "Sochi": re.compile(r"\b(sochi|сочи)\b", re.IGNORECASE),
    "Lukashenko": re.compile(r"(?<!viktor )\b(lukashenk[oa]|łukaszenka|лукашенко|лукашэнка)\b", re.IGNORECASE),
    "Tikhanovskaya": re.compile(r"\b(tikhanovskaya|tsikhanouskaya|тихановск(ая|ой|ую))\b", re.IGNORECASE),
}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def slug(article: SampleArticle) -> str:
    return article.slug


def fired_by(text: str) -> set[str]:
    return {name for name, words in WORDS.items() if words.search(text)}


@pytest.fixture
async def newsroom() -> AsyncIterator[Newsroom]:
    async with Newsroom() as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def document(http: aiohttp.ClientSession, url: str) -> tuple[bytes, str]:
    """Return a body and its content type."""
    async with http.get(url) as answer:
        assert answer.status == 200
        return await answer.read(), answer.headers["Content-Type"]


def xml(body: bytes) -> ET.Element:
    return ET.fromstring(body)  # noqa: S314  our own document, made a moment ago


def links_in(body: bytes, form: str) -> list[str]:
    """Return the addresses of a feed's articles, in the feed's order."""
    if form == "json":
        return [item["url"] for item in json.loads(body)["items"]]
    if form == "atom":
        return [link.get("href", "") for link in xml(body).iterfind(f"{ATOM}entry/{ATOM}link")]
    return [link.text or "" for link in xml(body).iterfind("channel/item/link")]


async def all_links(newsroom: Newsroom, http: aiohttp.ClientSession) -> list[list[str]]:
    """Return the links of each of the feeds."""
    return [
        links_in((await document(http, feed.url))[0], outlet.form)
        for feed, outlet in zip(newsroom.feeds, LIBRARY.outlets, strict=True)
    ]


# --- the feeds --------------------------------------------------------------------------------------------------------


async def test_there_are_four_feeds_each_in_its_format_with_its_content_type(
    newsroom: Newsroom, http: aiohttp.ClientSession
) -> None:
    rss, atom, json_feed, russian = [await document(http, feed.url) for feed in newsroom.feeds]
    assert rss[1] == "application/rss+xml; charset=utf-8"
    assert xml(rss[0]).get("version") == "2.0"
    assert atom[1] == "application/atom+xml; charset=utf-8"
    assert xml(atom[0]).tag == f"{ATOM}feed"
    assert json_feed[1] == "application/feed+json; charset=utf-8"
    assert json.loads(json_feed[0])["version"] == "https://jsonfeed.org/version/1.1"
    assert russian[1] == "application/rss+xml; charset=windows-1251"
    assert xml(russian[0]).findtext("channel/language") == "ru"


async def test_the_russian_feed_and_its_pages_are_windows_1251_bytes(
    newsroom: Newsroom, http: aiohttp.ClientSession
) -> None:
    body, _ = await document(http, newsroom.feeds[3].url)
    with pytest.raises(UnicodeDecodeError):
        body.decode("utf-8")
    assert body.startswith(b"<?xml version='1.0' encoding='windows-1251'?>")
    assert "<title>Северный листок</title>" in body.decode("windows-1251")
    page, content_type = await document(http, links_in(body, "rss")[0])
    assert content_type == "text/html; charset=windows-1251"
    assert "Александр Лукашенко прилетел в Сочи" in page.decode("windows-1251")


async def test_a_feed_that_has_not_changed_answers_304_without_a_body(
    newsroom: Newsroom, http: aiohttp.ClientSession
) -> None:
    for feed in newsroom.feeds:
        async with http.get(feed.url) as first:
            tag, modified = first.headers["ETag"], first.headers["Last-Modified"]
            assert first.headers["Cache-Control"] == "max-age=1"
        for validators in ({"If-None-Match": tag}, {"If-Modified-Since": modified}):
            async with http.get(feed.url, headers=validators) as again:
                assert (again.status, await again.read()) == (304, b"")
                assert again.headers["ETag"] == tag
        stale = {"If-None-Match": '"older"', "If-Modified-Since": modified}
        async with http.get(feed.url, headers=stale) as changed:
            assert changed.status == 200


async def test_items_stand_newest_first_and_none_is_from_the_future(
    newsroom: Newsroom, http: aiohttp.ClientSession
) -> None:
    body, _ = await document(http, newsroom.feeds[1].url)
    times = [datetime.fromisoformat(at.text or "") for at in xml(body).iterfind(f"{ATOM}entry/{ATOM}published")]
    assert times == sorted(times, reverse=True)
    assert all(at <= datetime.now(UTC) for at in times)


async def test_one_article_stands_in_two_feeds_under_two_addresses(
    newsroom: Newsroom, http: aiohttp.ClientSession
) -> None:
    links = [link for feed in await all_links(newsroom, http) for link in feed]
    pages = Counter(link.partition("?")[0] for link in links)
    (twice,) = [page for page, count in pages.items() if count == 2]
    assert {link for link in links if link.startswith(twice)} == {twice, f"{twice}?utm_source=harbour&utm_medium=feed"}


# --- staggered --------------------------------------------------------------------------------------------------------


async def test_without_staggering_every_article_is_there_at_once(
    newsroom: Newsroom, http: aiohttp.ClientSession
) -> None:
    links = [link for feed in await all_links(newsroom, http) for link in feed]
    assert {link.partition("?")[0] for link in links} == {
        f"http://{newsroom.origin}{article.path}" for article in LIBRARY.articles
    }


async def test_staggered_feeds_grow_one_article_at_a_time_until_all_are_there(http: aiohttp.ClientSession) -> None:
    clock = Clock()
    async with Newsroom(staggered=True, clock=clock) as newsroom:
        counts = []
        for _ in range(61):
            counts.append([len(links) for links in await all_links(newsroom, http)])
            clock.now += timedelta(seconds=1)
        assert all(count >= 2 for count in counts[0])
        assert all(late > early for early, late in zip(counts[0], counts[-1], strict=True))
        assert sum(counts[-1]) == len(LIBRARY.articles) + 1  # one stands in two feeds
        totals = [sum(count) for count in counts]
        assert {late - early for early, late in pairwise(totals)} <= {0, 1}


async def test_held_back_articles_wait_for_the_first_reader_however_late(http: aiohttp.ClientSession) -> None:
    clock = Clock()
    async with Newsroom(staggered=True, clock=clock) as newsroom:
        clock.now += timedelta(hours=1)
        early = sum(map(len, await all_links(newsroom, http)))
        clock.now += timedelta(minutes=1)
        assert sum(map(len, await all_links(newsroom, http))) == early + len(newsroom.feeds)


async def test_a_grown_feed_has_a_new_tag_and_the_page_is_there_with_it(http: aiohttp.ClientSession) -> None:
    clock = Clock()
    async with Newsroom(staggered=True, clock=clock) as newsroom:
        url = newsroom.feeds[0].url
        async with http.get(url) as first:
            tag, before = first.headers["ETag"], links_in(await first.read(), "rss")
        clock.now += timedelta(minutes=1)
        async with http.get(url, headers={"If-None-Match": tag}) as second:
            assert second.status == 200
            after = links_in(await second.read(), "rss")
        assert after[1:] == before
        async with http.get(after[0]) as page:
            assert page.status == 200


async def test_a_held_back_article_has_no_page_yet(http: aiohttp.ClientSession) -> None:
    async with Newsroom(staggered=True, clock=Clock()) as newsroom:
        newest = next(article for article in LIBRARY.articles if article.outlet == "lantern")
        async with http.get(f"http://{newsroom.origin}{newest.path}") as page:
            assert page.status == 404


# --- the pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("article", READABLE, ids=slug)
async def test_a_page_has_its_article_and_says_that_it_is_a_sample(
    article: SampleArticle, newsroom: Newsroom, http: aiohttp.ClientSession
) -> None:
    body, content_type = await document(http, f"http://{newsroom.origin}{article.path}")
    page = body.decode(content_type.partition("charset=")[2])
    assert page.count("<p>") >= len(article.paragraphs)
    assert article.author in page
    footer = page.partition('<footer class="site-footer">')[2]
    assert "wirewatch" in footer
    metadata = re.search(r'<script type="application/ld\+json">(.*?)</script>', page)
    assert metadata is not None
    assert json.loads(metadata[1])["headline"] == article.title
    assert "$" not in page


@pytest.mark.parametrize("article", READABLE, ids=slug)
async def test_the_reader_takes_exactly_the_article_from_a_page(
    article: SampleArticle, newsroom: Newsroom, http: aiohttp.ClientSession
) -> None:
    url = f"http://{newsroom.origin}{article.path}"
    body, content_type = await document(http, url)
    page = page_text(body, url=url, charset=content_type.partition("charset=")[2])
    assert page.title == article.title
    assert page.text.split("\n\n") == [article.teaser, *article.paragraphs]


def test_what_stands_around_an_article_would_fool_a_reader_that_takes_the_whole_page() -> None:
    for outlet in LIBRARY.outlets:
        if not outlet.full_text:
            assert fired_by("\n".join(outlet.navigation))


async def test_robots_txt_forbids_the_closed_page_and_no_other(newsroom: Newsroom, http: aiohttp.ClientSession) -> None:
    body, _ = await document(http, f"http://{newsroom.origin}/robots.txt")
    forbidden = re.findall(r"^Disallow: (.+)$", body.decode(), re.MULTILINE)
    closed = [article for article in LIBRARY.articles if article.path.startswith(tuple(forbidden))]
    assert closed == [article for article in LIBRARY.articles if article.page == "closed"]
    assert len(closed) == 1


async def test_a_missing_page_answers_404(newsroom: Newsroom, http: aiohttp.ClientSession) -> None:
    (missing,) = [article for article in LIBRARY.articles if article.page == "missing"]
    async with http.get(f"http://{newsroom.origin}{missing.path}") as answer:
        assert answer.status == 404


async def test_a_front_page_leads_to_its_feed(newsroom: Newsroom, http: aiohttp.ClientSession) -> None:
    for feed in newsroom.feeds:
        home = feed.url.rpartition("/")[0] + "/"
        body, _ = await document(http, home)
        assert f'href="{feed.url}"'.encode() in body


async def test_the_newsroom_listens_on_loopback_only_and_is_gone_when_closed(http: aiohttp.ClientSession) -> None:
    async with Newsroom() as newsroom:
        assert re.fullmatch(r"127\.0\.0\.1:\d+", newsroom.origin)
        assert all(feed.url.startswith(f"http://{newsroom.origin}/") for feed in newsroom.feeds)
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.get(newsroom.feeds[0].url)


# --- the texts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("article", TEASED, ids=slug)
def test_the_watched_words_stand_in_the_third_paragraph_or_later_and_not_in_the_teaser(article: SampleArticle) -> None:
    assert fired_by(f"{article.title}\n{article.teaser}") == set()
    assert fired_by("\n".join(article.paragraphs[:2])) == set()
    assert fired_by("\n".join(article.paragraphs[2:])) == article.expects


@pytest.mark.parametrize("article", [a for a in READABLE if a.outlet in FULL_TEXT], ids=slug)
def test_a_feed_with_whole_articles_needs_no_page(article: SampleArticle) -> None:
    assert len("\n\n".join(article.paragraphs)) >= 1500
    assert fired_by("\n".join(article.paragraphs)) == article.expects


@pytest.mark.parametrize("article", [a for a in LIBRARY.articles if a.page != "open"], ids=slug)
def test_an_article_whose_page_cannot_be_had_fires_by_its_teaser(article: SampleArticle) -> None:
    assert fired_by(article.teaser) == article.expects != set()


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    """The bundled watches, as `wirewatch try` compiles them."""
    watches = [Watch(name=name, query=query) for name, query in LIBRARY.watches]
    words = [word for watch in watches for word in keywords_in(parse_query(watch.query))]
    return Matcher.compile(watches, LIBRARY.actors, forms=word_forms(words, ("en", "ru")))


@pytest.mark.parametrize("article", LIBRARY.articles, ids=slug)
def test_the_bundled_watches_fire_where_the_article_says_and_nowhere_else(
    article: SampleArticle, matcher: Matcher
) -> None:
    outlet = next(outlet for outlet in LIBRARY.outlets if outlet.key == article.outlet)
    text = "\n\n".join([article.teaser, *(article.paragraphs if article.page == "open" else ())])
    found = matcher.match(Article(title=article.title, text=text, lang=outlet.language))
    assert {match.watch for match in found.matches} == article.expects


def test_a_son_is_not_taken_for_his_father(matcher: Matcher) -> None:
    article = next(article for article in LIBRARY.articles if article.slug == "forty-names")
    text = "\n\n".join(article.paragraphs)
    assert "Viktor Lukashenko" in text
    found = matcher.match(Article(title=article.title, text=text, lang="en"))
    assert [match.text for match in found.matches if match.watch == "Lukashenko"] == ["Alexander Lukashenko"]


def test_every_watch_fires_on_two_articles_or_more_and_several_articles_fire_none() -> None:
    fired = Counter(name for article in LIBRARY.articles for name in article.expects)
    assert set(fired) == {name for name, _ in LIBRARY.watches} == set(WORDS)
    assert min(fired.values()) >= 2
    assert sum(not article.expects for article in LIBRARY.articles) >= 4
    assert len(LIBRARY.articles) >= 12


def test_what_a_tail_advertises_is_no_part_of_any_article() -> None:
    for article in TEASED:
        assert article.tail
        assert fired_by("\n".join(article.tail)) == set()


def test_actors_are_spelled_as_a_person_would_type_them() -> None:
    rules = {alias.rule for actor in LIBRARY.actors for alias in actor.aliases}
    assert rules == {"user"}
    spellings = [alias.text for actor in LIBRARY.actors for alias in actor.aliases]
    assert len(spellings) == len(set(spellings))


def test_no_file_of_the_newsroom_names_a_place_on_somebodys_machine() -> None:
    home = Path(bot.newsroom.__file__).parent
    files = [file for file in home.rglob("*") if file.suffix in {".toml", ".html", ".py"}]
    assert len(files) > len(LIBRARY.articles)
    for file in files:
        assert not re.search(r"/(home|root|work|tmp|Users)/|[A-Z]:\\", file.read_text(encoding="utf-8")), file.name
