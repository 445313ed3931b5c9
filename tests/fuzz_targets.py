# ruff: noqa: PT017  # both ends are right: a value that keeps its promises, or a fault that keeps its own
"""What reads hostile bytes, each as one function that takes bytes and asserts what must hold whatever they are, with seeds.

Run by `tests/test_hostile_fuzz.py` on Hypothesis' bytes, and by `make fuzz` under atheris, which looks for new paths through the code.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from bot.config import load_config
from bot.errors import ConfigError, FetchError, ParseError, QueryError
from bot.feeds.encoding import decode_document
from bot.feeds.identity import canonical_link, items_hash, keys_for, sort_entries
from bot.feeds.links import absolute_link, without_credentials
from bot.feeds.parse import LIMIT_ITEMS, parse_feed
from bot.model import Actor, Alias, Article, Known, ParsedFeed, Watch
from bot.reading.extract import page_text
from bot.reading.matcher import Matcher
from bot.reading.query import parse_query
from bot.web.guard import AllowList, check_url
from bot.web.headers import fresh_s, retry_after_s, skew_s, timestamp_for
from bot.web.own_headers import headers_in
from bot.web.robots import _rules_in

Target = Callable[[bytes], None]

TYPES = (None, "application/rss+xml", "text/xml; charset=koi8-r", "application/feed+json", "text/html; charset=utf-16")
UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
QUERIES = (
    "sanctions OR Shklyarov",
    'actor:"Alexander Lukashenko"',
    '(sanctions OR "asset freeze") NEAR/3 actor:"Alexander Lukashenko" -football',
    "title:(Minsk OR Sochi) arrest* =US",
    '"asset freeze" NEAR/2 arrest*',
)
BASE = "https://news.example/feed"
_place = Path(tempfile.gettempdir())


def feed(data: bytes) -> None:
    """Read a feed: a ParseError, or items whose every field keeps its promise, and whose keys can be told."""
    try:
        parsed = parse_feed(data[1:], content_type=TYPES[data[0] % len(TYPES)] if data else None, base_url=BASE)
    except ParseError as error:
        assert "\n" not in str(error)
        return
    hold_feed(parsed)


def json_feed(data: bytes) -> None:
    """Read a JSON Feed."""
    with contextlib.suppress(ParseError):
        hold_feed(parse_feed(b"{" + data, content_type="application/feed+json", base_url=BASE))


def hold_feed(parsed: ParsedFeed) -> None:
    """Assert what holds of every feed that was read."""
    assert len(parsed.items) <= LIMIT_ITEMS
    for item in parsed.items:
        assert item.link == "" or item.link.startswith(("http://", "https://", "HTTP", "Http", "hTTP"))
        assert "\n" not in item.title
        assert not UNSEEN.search(item.title + item.text + item.author + item.guid + item.link)
        assert all(at is None or at.tzinfo for at in (item.published_at, item.updated_at))
    keys = keys_for(parsed.items)
    first = sort_entries(parsed.items, keys, Known(by_key={}, by_link={}))
    assert len(first.new) == len({one.keys.key for one in first.new})


def encoding(data: bytes) -> None:
    """Decode bytes: always to text that can be written again."""
    text, name = decode_document(data[1:], TYPES[data[0] % len(TYPES)] if data else None)
    text.encode("utf-8")
    assert name
    assert len(items_hash(data)) == 16


def query(data: bytes) -> None:
    """Read a query: a fault at a place inside it, or a tree that its printed form reads back to."""
    text = data.decode("utf-8", "ignore")
    try:
        read = parse_query(text)
    except QueryError as error:
        assert 0 <= error.start <= error.end <= len(text)
        assert str(error)
        return
    assert parse_query(str(read)) == read


_matcher = Matcher.compile(
    [Watch(id=place, name=text, query=text) for place, text in enumerate(QUERIES, start=1)],
    [Actor(id=1, name="Alexander Lukashenko", aliases=(Alias(text="Лукашенко"), Alias(text="Lukashenka")))],
    forms={},
)


def offsets(data: bytes) -> None:
    """Match a text: each match is what stands at its place."""
    title, _, text = data.decode("utf-8", "replace").partition("\n")
    found = _matcher.match(Article(title=title, text=text, host="news.example"))
    for match in found.matches:
        given = title if match.field == "title" else text
        assert 0 <= match.start <= match.end <= len(given)
        assert given[match.start : match.end] == match.text


def config(data: bytes) -> None:
    """Read a configuration: a Config, or faults that each say something."""
    path = _place / "wirewatch-fuzz.toml"
    path.write_bytes(data)
    try:
        load_config(path)
    except ConfigError as error:
        assert error.faults
        assert all("\n" not in str(fault) for fault in error.faults)


def robots(data: bytes) -> None:
    """Read a robots.txt and ask it about a page."""
    rules = _rules_in(data)
    assert 0.0 <= rules.crawl_delay_s <= 30.0
    assert rules.parser is not None
    assert rules.parser.can_fetch("https://news.example/a/b?c=ü#d", "wirewatch") in {True, False}


def links(data: bytes) -> None:
    """Read an address in every way that there is."""
    text = data.decode("utf-8", "surrogateescape")
    found = absolute_link(text, BASE)
    assert not found or (urlsplit(found).scheme.lower() in {"http", "https"} and urlsplit(found).hostname)
    assert "@" not in urlsplit(found).netloc
    canonical_link(text)
    shown = without_credentials(text)
    with contextlib.suppress(ValueError):
        assert "@" not in urlsplit(shown).netloc or "://" not in shown
    with contextlib.suppress(FetchError):
        url = check_url(text, AllowList())
        again = check_url(str(url), AllowList())
        assert (again.scheme, again.raw_host, again.port) == (url.scheme, url.raw_host, url.port)


def page(data: bytes) -> None:
    """Read a page: text, or that it is too large."""
    with contextlib.suppress(ParseError):
        read = page_text(data, url=BASE, charset=None)
        read.text.encode("utf-8")
        read.title.encode("utf-8")


def headers(data: bytes) -> None:
    """Read what servers say in headers, and what operators write into header files."""
    text = data.decode("latin-1")
    said = {"Cache-Control": text, "Expires": text, "Date": text, "Age": text, "Retry-After": text}
    timestamp_for(text)
    skew_s(said, 0.0)
    assert fresh_s(said) >= 0
    assert fresh_s({**said, "Cache-Control": ""}) >= 0
    assert (retry_after_s(said, 0.0) or 0.0) <= 7 * 86_400
    with contextlib.suppress(ValueError):
        assert all("\r" not in value and "\n" not in name for name, value in headers_in(text))


_RSS = b"\x01<rss version='2.0'><channel><title>t</title><ttl>5</ttl><item><guid>1</guid><title>A &amp; B</title>"
_ATOM = b"\x00<feed xmlns='http://www.w3.org/2005/Atom'><title>t</title><entry><id>1</id><link href='/a'/><updated>2026-01-01</updated>"
_JSON = b'"version":"https://jsonfeed.org/version/1.1","title":"t","items":[{"id":1,"content_html":"<p>a","authors":[{"name":"x"}]}]}'

TARGETS: dict[str, tuple[Target, tuple[bytes, ...]]] = {
    "feed": (
        feed,
        (
            _RSS + b"<pubDate>Mon, 1 Jan 2026</pubDate></item></channel></rss>",
            _ATOM + b"</entry></feed>",
            b"\x00<rdf:RDF><item>",
        ),
    ),
    "json_feed": (json_feed, (_JSON,)),
    "encoding": (
        encoding,
        (b"\x02<?xml version='1.0' encoding='windows-1251'?>\xcf\xf0\xe8\xe2\xe5\xf2", b"\x00\xff\xfea\x00"),
    ),
    "query": (query, (*(text.encode() for text in QUERIES), 'actor:("a" OR b) -c lang:ru «d»'.encode())),
    "offsets": (
        offsets,
        ("Sochi Minsk\nSanctions of Alexander Lúkashenko, Лукашенко asset\u00ad freeze arrested US".encode(),),
    ),
    "config": (
        config,
        (
            b"[fetch]\ninterval = '5m'\nallow_private = ['10.0.0.0/8']\n[[feeds]]\nurl='https://a.example/'\n[[watches]]\nname='x'\nquery='a'",
        ),
    ),
    "robots": (robots, (b"User-agent: *\nDisallow: /a*b$\nAllow: /\nCrawl-delay: 5\nSitemap: x",)),
    "links": (links, ("http://u:p@münchen.example:8080/a?b=c&utm_source=x#d".encode(), b"//h/a", b"../a b")),
    "page": (
        page,
        (b"<!doctype html><html lang=en><title>t</title><article><p>One.<br><br>Two.<table><tr><td>a</table><script>",),
    ),
    "headers": (headers, (b"max-age=60, public", b"Mon, 01 Jan 2026 00:00:00 GMT", b"X-Key: a\r\nB: c")),
}
