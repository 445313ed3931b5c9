"""From a document's bytes to items: every format, every way of being broken, and what is refused."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import ParseError
from bot.feeds.dates import instant_in
from bot.feeds.links import absolute_link
from bot.feeds.parse import parse_feed
from bot.feeds.plaintext import line_in, text_in
from bot.feeds.shape import feed_json
from bot.model import FeedItem, ParsedFeed

if TYPE_CHECKING:
    from pathlib import Path


ATOM = "http://www.w3.org/2005/Atom"


def rss(items: str, *, channel: str = "", root: str = "") -> bytes:
    namespaces = 'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    head = f"<title>Harbour News</title><link>https://example.org/</link>{channel}"
    return (
        f'<?xml version="1.0"?><rss version="2.0" {namespaces} {root}><channel>{head}{items}</channel></rss>'.encode()
    )


def only_item(body: bytes, *, base_url: str = "") -> FeedItem:
    (item,) = parse_feed(body, base_url=base_url).items
    return item


def test_rss_2_gives_every_field() -> None:
    feed = parse_feed(
        rss(
            "<item><guid isPermaLink='false'> tag-1 </guid><link>https://example.org/1</link><title>Cranes &amp;amp; ships</title>"
            "<dc:creator>Ada Wharf</dc:creator><pubDate>Tue, 02 Jan 2024 03:04:05 +0200</pubDate>"
            "<description>Short.</description><content:encoded><![CDATA[<p>One.</p><p>Two<br>lines.</p>]]></content:encoded></item>",
            channel="<language>en-gb</language><ttl>90</ttl><lastBuildDate>Tue, 02 Jan 2024 03:04:05 GMT</lastBuildDate>",
        )
    )
    (item,) = feed.items
    assert (feed.title, feed.link, feed.language) == ("Harbour News", "https://example.org/", "en-gb")
    assert feed.updated_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert feed.hints.ttl_s == 5_400
    assert (item.guid, item.link, item.title, item.author) == (
        "tag-1",
        "https://example.org/1",
        "Cranes & ships",
        "Ada Wharf",
    )
    assert item.published_at == datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert item.text == "One.\n\nTwo\nlines."


def test_atom_resolves_links_against_its_base_and_leaves_ids_alone() -> None:
    body = (
        f'<feed xmlns="{ATOM}" xml:base="https://example.org/news/"><title>A</title><link rel="hub" href="https://hub.example.org/"/>'
        '<entry><id>entry-7</id><link href="seven"/><title type="html">A &lt;b&gt;bold&lt;/b&gt; one</title>'
        "<updated>2024-05-06T07:08:09Z</updated><summary>Text</summary></entry></feed>"
    ).encode()
    item = only_item(body, base_url="https://other.example/")
    assert (item.guid, item.link, item.title) == ("entry-7", "https://example.org/news/seven", "A bold one")
    assert item.updated_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert parse_feed(body).hints.hub == "https://hub.example.org/"


def test_a_guid_is_the_same_wherever_the_document_comes_from() -> None:
    body = rss("<item><guid>abc123</guid><title>x</title></item>")
    assert {only_item(body, base_url=base).guid for base in ("", "http://a.example/", "https://b.example/f")} == {
        "abc123"
    }


def test_rdf_is_read_with_its_items_outside_the_channel() -> None:
    body = (
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        b'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"><channel><title>R</title><sy:updatePeriod>daily</sy:updatePeriod>'
        b"<sy:updateFrequency>2</sy:updateFrequency></channel><item rdf:about='urn:1'><title>One</title>"
        b"<link>https://example.org/1</link></item></rdf:RDF>"
    )
    assert (only_item(body).guid, only_item(body).link) == ("urn:1", "https://example.org/1")
    assert parse_feed(body).hints.period_s == 43_200


def test_cdf_and_old_rss_are_read() -> None:
    cdf = b'<CHANNEL HREF="https://example.org/"><ITEM HREF="https://example.org/1"><TITLE>One</TITLE></ITEM></CHANNEL>'
    old = b'<!DOCTYPE rss SYSTEM "rss-0.91.dtd"><rss version="0.91"><channel><item><title>Two</title></item></channel></rss>'
    assert [only_item(body).title for body in (cdf, old)] == ["One", "Two"]


def test_json_feed_is_read() -> None:
    body = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "J",
        "home_page_url": "https://example.org/",
        "feed_url": "https://example.org/feed.json",
        "language": "be",
        "authors": [{"name": "The Desk"}],
        "hubs": [{"type": "WebSub", "url": "https://hub.example.org/"}],
        "items": [
            {
                "id": 7,
                "url": "/seven",
                "content_html": "<p>First words here.</p><p>More.</p>",
                "date_published": "2024-05-06T09:08:07+02:00",
            },
            {
                "id": "8",
                "external_url": "https://example.net/",
                "title": "Eight",
                "content_text": "a < b",
                "author": {"name": "Ada"},
            },
            "not an object",
        ],
    }
    feed = parse_feed(b"\xef\xbb\xbf  " + json.dumps(body).encode())
    seven, eight = feed.items
    assert (seven.guid, seven.link, seven.title, seven.author) == (
        "7",
        "https://example.org/seven",
        "First words here.",
        "The Desk",
    )
    assert (seven.text, seven.published_at) == ("First words here.\n\nMore.", datetime(2024, 5, 6, 7, 8, 7, tzinfo=UTC))
    assert (eight.link, eight.text, eight.author) == ("https://example.net/", "a < b", "Ada")
    assert (feed.language, feed.hints.hub, len(feed.problems)) == ("be", "https://hub.example.org/", 1)


@pytest.mark.parametrize(
    "body",
    [
        rss("<item><title>Fish &eacute; &nbsp; Q&A ?a=1&b=2</title></item>"),
        rss("<item><title>Fish</title></item>").replace(b"</channel></rss>", b""),
        rss("<item><title>Fish</title><description>a <b> c</description></item>"),
        rss("<item><title>Fish \x01\x0b</title></item>"),
        b"<!-- a --><?xml?xml version='1.0' ??>\n" + rss("<item><title>Fish</title></item>"),
        b"\n\n  \xef\xbb\xbf" + rss("<item><title>Fish</title></item>"),
        b"PHP Warning: something\n" + rss("<item><title>Fish</title></item>"),
        b"<rss><rss:channel><rss:item><rss:title>Fish</rss:title></rss:item></rss:channel></rss>",
        b"<html><body><feed xmlns='http://www.w3.org/2005/Atom'><entry><title>Fish</title></entry></feed></body></html>",
        b"<rss version='2.0'><item><title>Fish</title></item></rss>",
        b'<!DOCTYPE rss [\n<!ENTITY fish "Fish">\n]><rss version="2.0"><channel><item><title>&fish;</title></item></channel></rss>',
    ],
)
def test_a_broken_document_still_yields_its_item(body: bytes) -> None:
    assert only_item(body).title.startswith("Fish")


def test_what_is_not_well_formed_is_noted_not_refused() -> None:
    feed = parse_feed(rss("<item><title>A</title></item><item><title>B & C</title></item>"))
    assert [item.title for item in feed.items] == ["A", "B & C"]
    assert "not well-formed" in feed.problems[0]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n\x00", "empty"),
        (b"<!DOCTYPE html><html><head><title>Home</title></head><body>Hello</body></html>", "html"),
        (b"Just words.", "not_a_feed"),
        (b"<opml version='2.0'><body/></opml>", "not_a_feed"),
        (b'{"version": "https://jsonfeed.org/version/1", "items": [{"id": ', "not_a_feed"),
        (b'{"items": "none", "version": "https://jsonfeed.org/version/1"}', "not_a_feed"),
        (b'{"version":"https://jsonfeed.org/version/1","items":' + b"[" * 100_000, "not_a_feed"),
        (
            b"<!DOCTYPE a [<!ENTITY a 'x'><!ENTITY b '&a;&a;'>]><rss><channel><title>&b;</title></channel></rss>",
            "entities",
        ),
        (b"<!DOCTYPE a [<!ENTITY a SYSTEM 'file:///x'>]><rss><channel><title>&a;</title></channel></rss>", "entities"),
    ],
)
def test_what_is_no_feed_is_refused_in_one_plain_line(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_feed(body)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)


def test_a_web_page_that_names_its_feed_is_refused_with_the_address() -> None:
    page = b'<html><head><link type="application/rss+xml" title="News" href="/feed?a=1&amp;b=2" rel="alternate"></head></html>'
    with pytest.raises(ParseError, match=r"https://example\.org/feed\?a=1&b=2"):
        parse_feed(page, content_type="text/html", base_url="https://example.org/news")


def test_bytes_that_look_like_a_path_are_never_opened(tmp_path: Path) -> None:
    feed = tmp_path / "feed.xml"
    feed.write_bytes(rss("<item><title>secret</title></item>"))
    with pytest.raises(ParseError):
        parse_feed(str(feed).encode())


def test_a_feed_without_items_is_a_feed() -> None:
    assert parse_feed(rss("")).items == ()


def test_of_a_huge_document_the_first_thousand_items_are_read() -> None:
    feed = parse_feed(rss("".join(f"<item><guid>{n}</guid><title>T{n}</title></item>" for n in range(1_200))))
    assert [item.guid for item in feed.items] == [str(n) for n in range(1_000)]
    assert feed.problems == ("Only the first 1,000 items were read.",)


def dated(form: str, number: int, at: datetime | None) -> str:
    """Return an entry of one format, with a date in its own way."""
    text = "" if at is None else at.isoformat() if form != "rss" else at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return {
        "rss": f"<item><guid>{number}</guid><title>{number}</title>" + (text and f"<pubDate>{text}</pubDate>"),
        "rdf": f'<item rdf:about="{number}"><title>{number}</title>' + (text and f"<dc:date>{text}</dc:date>"),
        "atom": f"<entry><id>{number}</id><title>{number}</title>"
        + (text and f"<updated>2030-01-01T00:00:00Z</updated><published>{text}</published>"),
        "json": json.dumps({"id": str(number), "title": str(number), "date_published": text}),
    }[form] + {"rss": "</item>", "rdf": "</item>", "atom": "</entry>", "json": ""}[form]


def document(form: str, dates: list[datetime | None]) -> bytes:
    entries = [dated(form, number, at) for number, at in enumerate(dates)]
    if form == "json":
        return f'{{"version": "https://jsonfeed.org/version/1.1", "items": [{",".join(entries)}]}}'.encode()
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    head, tail = {
        "rss": ('<rss version="2.0"><channel><title>Port</title>', "</channel></rss>"),
        "rdf": (
            f'<rdf:RDF xmlns:rdf="{rdf}" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">',
            "</rdf:RDF>",
        ),
        "atom": (f'<feed xmlns="{ATOM}"><title>Port</title>', "</feed>"),
    }[form]
    return (head + "\n".join(entries) + tail).encode()


START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("form", ["rss", "rdf", "atom", "json"])
def test_of_a_document_that_is_too_long_the_newest_are_read_in_its_order(form: str) -> None:
    oldest_first: list[datetime | None] = [START + timedelta(hours=number) for number in range(1_300)]
    feed = parse_feed(document(form, oldest_first))
    assert [item.title for item in feed.items] == [str(number) for number in range(300, 1_300)]
    assert (feed.cut, feed.problems) == (True, ("Only the newest 1,000 items were read.",))
    newest_first = parse_feed(document(form, oldest_first[::-1]))
    assert [item.title for item in newest_first.items] == [str(number) for number in range(1_000)]
    assert (newest_first.cut, newest_first.problems) == (True, ("Only the first 1,000 items were read.",))
    whole = parse_feed(document(form, oldest_first[:1_000]))
    assert (len(whole.items), whole.cut, whole.problems) == (1_000, False, ())


@pytest.mark.parametrize("form", ["rss", "rdf", "atom", "json"])
@pytest.mark.parametrize(("undated", "by_date"), [(110, True), (111, False)])
def test_one_entry_in_ten_may_lack_a_date_and_is_then_taken_for_new(form: str, undated: int, *, by_date: bool) -> None:
    dates = [None] * undated + [START + timedelta(hours=number) for number in range(1_100 - undated)]
    titles = [int(item.title) for item in parse_feed(document(form, dates)).items]
    assert titles == ([*range(110), *range(210, 1_100)] if by_date else [*range(1_000)])


def test_skipped_hours_and_days_are_read() -> None:
    channel = "<skipHours><hour>0</hour><hour>24</hour><hour>5</hour></skipHours><skipDays><day>Sunday</day><day>Noday</day></skipDays>"
    hints = parse_feed(rss("", channel=channel)).hints
    assert (hints.skip_hours, hints.skip_days) == (frozenset({0, 5}), frozenset({6}))


def test_an_item_without_a_title_is_called_by_its_first_words() -> None:
    long = "word " * 60
    assert only_item(rss("<item><description>Only a note.</description></item>")).title == "Only a note."
    assert only_item(rss(f"<item><description>{long}</description></item>")).title == "word " * 17 + "word…"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("One<br><br>Two<br/>three", "One\n\nTwo\nthree"),
        ("<div><div>One</div> <ul><li>a</li><li>b</li></ul></div>", "One\n\na\n\nb"),
        ("plain\n\nsecond\nline", "plain\n\nsecond line"),
        ("Tom &amp;amp; Jerry", "Tom & Jerry"),
        ("&lt;p&gt;Escaped &lt;b&gt;twice&lt;/b&gt;&lt;/p&gt;", "Escaped twice"),
        ("<b>S</b>anctions", "Sanctions"),
        ("word<sup>1</sup>", "word 1"),
        ("a < b and c > d", "a < b and c > d"),
        ("x<script>alert(1)</script><style>p{}</style>y<!-- z -->", "xy"),
        ("left\u202eright\u2066 \x00\x1b[0m", "leftright [0m"),
        ("&#8238;hidden&#0;", "hidden\ufffd"),
        ("", ""),
    ],
)
def test_markup_becomes_plain_text(markup: str, text: str) -> None:
    assert text_in(markup) == text


@given(st.text(max_size=200), st.booleans())
@settings(max_examples=100, deadline=None)
def test_plain_text_holds_no_controls_and_one_line_is_one_line(value: str, plain: bool) -> None:  # noqa: FBT001 - drawn
    text = text_in(value, plain=plain)
    assert not {letter for letter in text if (letter < " " and letter not in "\n\t") or letter in "\u202e\u2066\x7f"}
    assert "\n" not in line_in(value)


@pytest.mark.parametrize(
    ("written", "base", "link"),
    [
        ("/a b", "https://example.org/x", "https://example.org/a%20b"),
        (" https://example.org/\n1 ", "", "https://example.org/1"),
        ("//example.org/1", "https://other.example/", "https://example.org/1"),
        ("?id=1&amp;x=2", "https://example.org/x", "https://example.org/x?id=1&x=2"),
        ("relative", "", ""),
        ("javascript:alert(1)", "https://example.org/", ""),
        ("file:///etc/hosts", "", ""),
        ("http://[broken", "", ""),
        ("https://", "", ""),
        ("https://example.org/" + "a" * 3_000, "", ""),
    ],
)
def test_a_link_is_absolute_or_nothing(written: str, base: str, link: str) -> None:
    assert absolute_link(written, base) == link


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2020/1/10 14:33", datetime(2020, 1, 10, 14, 33, tzinfo=UTC)),
        ("2020-01-10", datetime(2020, 1, 10, tzinfo=UTC)),
        ("2020.1.10 14:33:20 +03:00", datetime(2020, 1, 10, 11, 33, 20, tzinfo=UTC)),
        ("2020-01-10T14:33:20-05:00", datetime(2020, 1, 10, 19, 33, 20, tzinfo=UTC)),
        ("Fri, 10 Jan 2020 14:33:20 GMT", datetime(2020, 1, 10, 14, 33, 20, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
        ("", None),
    ],
)
def test_dates_are_read_in_utc(written: str, at: datetime | None) -> None:
    assert instant_in(written) == at


def test_the_contracts_shape_has_times_in_utc_or_null() -> None:
    feed = parse_feed(
        rss("<item><guid>1</guid><title>A</title><pubDate>Tue, 02 Jan 2024 03:04:05 +0200</pubDate></item>")
    )
    shape = feed_json(feed)
    assert json.loads(json.dumps(shape)) == {
        "feed": {"title": "Harbour News", "link": "https://example.org/", "language": None, "updated": None},
        "items": [
            {
                "guid": "1",
                "link": "",
                "title": "A",
                "author": "",
                "published": "2024-01-02T01:04:05Z",
                "updated": None,
                "text": "",
            }
        ],
        "problems": [],
    }


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"<rss><channel><item>", b'{"items":[{"id":', b"<feed><entry><title>"]),
)
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_a_feed_or_a_parse_error_that_survives_the_way_back(body: bytes, start: bytes) -> None:
    outcome: ParsedFeed | ParseError
    try:
        outcome = parse_feed(start + body)
    except ParseError as error:
        outcome = error
    back = pickle.loads(pickle.dumps(outcome))  # noqa: S301 - our own bytes
    assert back == outcome if isinstance(outcome, ParsedFeed) else back.reason == outcome.reason
