"""From a feed document's bytes to a `ParsedFeed`. feedparser lives and dies here; no other room knows it.

Runs in a worker process (bot/workers.py): hostile documents cost time and memory. Opens nothing, fetches nothing: feedparser takes
bytes that look like a path for a path, so it is only ever given a stream.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.sax import SAXParseException

import feedparser
from feedparser import api

from bot.errors import ParseError
from bot.feeds.dates import instant_in
from bot.feeds.encoding import decode_document
from bot.feeds.jsonfeed import looks_like_json, parse_json_feed
from bot.feeds.links import absolute_link
from bot.feeds.newest import cut_problem, places_to_read
from bot.feeds.plaintext import line_in, text_in, title_from, visible
from bot.model import FeedHints, FeedItem, ParsedFeed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

LIMIT_ITEMS = 1_000
_HEAD_CHARS = 65_536

# The guid is an identity, not a link: feedparser would resolve it, and a move from http to https would change every one.
for _parser in (api.StrictFeedParser, api.LooseFeedParser):
    _parser.can_be_relative_uri = frozenset(_parser.can_be_relative_uri - {"id"})

_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ROOT = re.compile(r"<(?:[\w.-]+:)?(?:rss|feed|rdf|channel)[\s>/]", re.IGNORECASE)
_FIRST_TAG = re.compile(r"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)")
_PREAMBLE = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_HTML = re.compile(r"<!doctype\s+html|<html[\s>]", re.IGNORECASE)
_CHALLENGE = re.compile(
    r"cdn-cgi/challenge-platform|cf-chl-|_incapsula_resource|captcha-delivery\.com|ddos-guard/js-challenge|aws-waf-token|px-captcha"
    r"|<title>\s*(?:just a moment|attention required|are you (?:a )?(?:human|robot)|ddos-guard)",
    re.IGNORECASE,
)
_ITEM = re.compile(r"<(?:[\w.-]+:)?(?:item|entry)[\s>]", re.IGNORECASE)
_PREFIXED_ITEM = re.compile(r"<([A-Za-z_][\w.-]*):(?:item|entry)[\s>]", re.IGNORECASE)
_ENTITY = re.compile(r"""<!ENTITY\s+(%\s+)?[^\s"'>]+\s+(?:(SYSTEM|PUBLIC)\b|"([^"]*)"|'([^']*)')""")
_ITEM_END = re.compile(r"</(?:[\w.-]+:)?(?:item|entry)\s*>", re.IGNORECASE)
_DATE = re.compile(
    r"<(?:[\w.-]+:)?(?:(pubDate|published|date|issued|created)|updated|modified)(?:\s[^<>]{0,200})?>\s*(?:<!\[CDATA\[)?([^<\]]{1,80})"
)
_LINK_TAG = re.compile(r"<link\s[^>]{0,1000}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_FEED_TYPES = {"application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/feed+json"}
_PERIODS_S = {"hourly": 3_600.0, "daily": 86_400.0, "weekly": 604_800.0, "monthly": 2_592_000.0, "yearly": 31_536_000.0}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def parse_feed(body: bytes, *, content_type: str | None = None, base_url: str = "") -> ParsedFeed:
    """Return what an RSS, RDF, Atom, CDF or JSON Feed document says; at most 1,000 items, in document order.

    Of a longer one the newest are read where its dates tell, else the first; it is then marked as cut.

    content_type: the HTTP header as received. base_url: where the document came from; links are resolved against it, guids never.

    Raises:
        ParseError: empty, an HTML page, hostile, or nothing that could be read as a feed.
    """
    if not body.strip(b"\x00\t\n\r "):
        raise ParseError(
            "The answer is empty: there is no feed in it. Try again later or check the address.", reason="empty"
        )
    text, _ = decode_document(body, content_type)
    text = text.lstrip("\ufeff\x00 \t\r\n")
    if looks_like_json(text, content_type):
        return parse_json_feed(text, base_url=base_url, limit_items=LIMIT_ITEMS)
    _refuse_page(text, base_url)
    _refuse_entities(text[:_HEAD_CHARS])
    text, problems = _within_limit(text)
    cut = bool(problems)
    document = _read_stubbornly(text)
    if not document.entries and not _ROOT.search(text):
        raise ParseError(
            "This is not a feed: no RSS, Atom or JSON Feed was found in it. Give the feed's own address.",
            reason="not_a_feed",
        )
    if document.get("bozo") and document.get("bozo_exception"):
        problems.append(
            f"The document is not well-formed ({_fault_in(document.bozo_exception)}); it was read as far as it goes."
        )
    return replace(_feed_in(document, text, base_url, problems), cut=cut)


def _read_stubbornly(text: str) -> Any:  # noqa: ANN401 - feedparser has no types
    """Read the document as it is; where that gives no item, without what precedes its root, then without a foreign prefix."""
    document = _read_xml(text)
    root = _ROOT.search(text)
    if document.entries or not root:
        return document
    text = text[root.start() :]  # a broken declaration or comments before the root cost every item
    second = _read_xml(text)
    prefixed = _PREFIXED_ITEM.search(text)
    if not second.entries and prefixed:  # <rss:item> in a namespace that nobody knows
        second = _read_xml(re.sub(rf"(</?){re.escape(prefixed[1])}:", r"\1", text))
    return second if second.entries else document


def _read_xml(text: str) -> Any:  # noqa: ANN401 - feedparser has no types
    document = '<?xml version="1.0" encoding="utf-8"?>\n' + _NOT_XML.sub("", _DECLARATION.sub("", text, count=1))
    for parser in (
        nullcontext,
        _loosely,
    ):  # what the strict one falls over (a blank in a namespace), the loose one may read
        try:
            with parser():
                return _parsed(document)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S112 - which way it is broken is the parser's own affair
            continue
    raise ParseError(
        "This is too broken to be read as a feed. Its publisher must mend it; it is tried again later.",
        reason="not_a_feed",
    )


def _parsed(document: str) -> Any:  # noqa: ANN401 - feedparser has no types
    return feedparser.parse(io.BytesIO(document.encode()), sanitize_html=False, resolve_relative_uris=False)


@contextmanager
def _loosely() -> Iterator[None]:
    """Let feedparser do without its strict parser inside the block; it has no other switch. One job at a time runs in this process."""
    strict, api._XML_AVAILABLE = api._XML_AVAILABLE, False  # noqa: SLF001 - see above
    try:
        yield
    finally:
        api._XML_AVAILABLE = strict  # noqa: SLF001 - see above


def _refuse_page(text: str, base_url: str) -> None:
    head = _PREAMBLE.sub("", text[:_HEAD_CHARS])
    page = _HTML.search(head)
    root = _ROOT.search(text)
    if not page or (root and _ITEM.search(text, root.end())):  # a feed may stand inside a page
        return
    first = _FIRST_TAG.search(head)
    if first and first[1].lower() in {"rss", "feed", "rdf", "channel"}:
        return
    found = _feed_link_in(text[: 4 * _HEAD_CHARS], base_url)
    if not found and _CHALLENGE.search(text[: 4 * _HEAD_CHARS]):
        raise ParseError(
            "The site refuses bots: it gives a page that only browsers get past. Ask its publisher, or use another feed.",
            reason="challenge",
        )
    what = f"The page names this one: {found}" if found else "Give the address of the feed itself."
    raise ParseError(f"This is a web page, not a feed. {what}", reason="html")


def _feed_link_in(page: str, base_url: str) -> str:
    for tag in _LINK_TAG.findall(page):
        values = {name.lower(): a or b or c for name, a, b, c in _ATTRIBUTE.findall(tag)}
        if (
            "alternate" in values.get("rel", "").lower()
            and values.get("type", "").split(";")[0].strip().lower() in _FEED_TYPES
        ):
            return absolute_link(values.get("href", ""), base_url)
    return ""


def _refuse_entities(head: str) -> None:
    """Refuse entities that grow or reach out; plain ones (`<!ENTITY nbsp "&#160;">`) and the old RSS 0.91 DTD are harmless."""
    for parameter, outside, double, single in _ENTITY.findall(head):
        value = double or single
        nested = re.search(r"&(?!#)|%\w", value)
        if not parameter and (outside or nested or len(value) > 1_000):  # noqa: PLR2004 - no letter or phrase is longer
            raise ParseError(
                "The document declares entities that may be an attack; it was not read. Its publisher must remove them.",
                reason="entities",
            )


def _within_limit(text: str) -> tuple[str, list[str]]:
    """Leave out all but 1,000 items before anything is parsed, so that a huge document costs no more than a large one."""
    starts = [hit.start() for hit in _ITEM.finditer(text)]
    if len(starts) <= LIMIT_ITEMS:
        return text, []
    last = _ITEM_END.search(text, starts[-1])
    items = [text[start:end] for start, end in pairwise([*starts, last.end() if last else len(text)])]
    places = places_to_read([_date_in(item) for item in items], LIMIT_ITEMS)
    root = _ROOT.search(text)
    name = re.split(r"[\s>/]", root[0][1:])[0] if root else "rss"
    ends = f"</channel></{name}>" if name.lower() == "rss" else f"</{name}>"
    return text[: starts[0]] + "".join(items[place] for place in places) + ends, [cut_problem(places, LIMIT_ITEMS)]


def _date_in(item: str) -> datetime | None:
    """Return when an item was published, else when it was updated, read from its markup."""
    hits = sorted(_DATE.findall(item), key=lambda hit: not hit[0])
    return next((at for _, written in hits if (at := instant_in(written))), None)


def _feed_in(document: Any, text: str, base_url: str, problems: list[str]) -> ParsedFeed:  # noqa: ANN401 - feedparser has no types
    feed = document.feed
    first_item = _ITEM.search(text)
    head = text[: min(first_item.start() if first_item else len(text), _HEAD_CHARS)]
    home = absolute_link(_value(feed, "link"), base_url)
    return ParsedFeed(
        title=_line(feed, "title"),
        link=home,
        language=line_in(_value(feed, "language")) or None,
        updated_at=_instant(feed, "updated") or _instant(feed, "published"),
        items=tuple(_item_in(entry, base_url or home) for entry in document.entries[:LIMIT_ITEMS]),
        hints=_hints_in(feed, head),
        problems=tuple(problems),
    )


def _item_in(entry: Mapping[str, Any], base_url: str) -> FeedItem:
    text = max(_texts_in(entry), key=len, default="")
    return FeedItem(
        guid=visible(_value(entry, "id")).strip(),
        link=_item_link(entry, base_url),
        title=_line(entry, "title") or title_from(text),
        author=_author_in(entry),
        published_at=_instant(entry, "published") or _instant(entry, "created"),
        updated_at=_instant(entry, "updated"),
        text=text,
    )


def _texts_in(entry: Mapping[str, Any]) -> Iterable[str]:
    details = [*(dict.get(entry, "content") or ()), dict.get(entry, "summary_detail") or {}]  # type: ignore[call-overload]  # see _value
    for detail in details:
        kind = detail.get("type") or "text/html"
        if kind.startswith("text/") or "html" in kind or "xml" in kind:
            yield text_in(
                detail.get("value") or "", plain=kind == "text/plain" and "<" not in (detail.get("value") or "")
            )


def _item_link(entry: Mapping[str, Any], base_url: str) -> str:
    links = [link for link in dict.get(entry, "links") or () if link.get("href")]  # type: ignore[call-overload]  # see _value
    wanted = [link["href"] for link in links if link.get("rel", "alternate") == "alternate"]
    others = [link["href"] for link in links if link.get("rel") in {"via", "related", "self"}]
    link = _value(entry, "link")
    if link == _value(entry, "id") and "://" not in link:
        link = ""  # feedparser takes a guid for the link unless it says isPermaLink="false"; "1" or "tag-7" is none
    for href in (link, *wanted, _value(entry, "feedburner_origlink"), *others):
        if found := absolute_link(href, base_url):
            return found
    return ""


def _author_in(entry: Mapping[str, Any]) -> str:
    people = dict.get(entry, "authors") or ()  # type: ignore[call-overload]  # see _value
    names = dict.fromkeys(line_in(person.get("name") or "") for person in people)
    return ", ".join(name for name in names if name) or line_in(_value(entry, "author"))


def _hints_in(feed: Mapping[str, Any], head: str) -> FeedHints:
    frequency = _number(_value(feed, "sy_updatefrequency")) or 1.0
    period_s = _PERIODS_S.get(_value(feed, "sy_updateperiod").strip().lower(), 0.0)
    hubs = [link.get("href") or "" for link in dict.get(feed, "links") or () if link.get("rel") == "hub"]  # type: ignore[call-overload]  # see _value
    return FeedHints(
        ttl_s=_number(_value(feed, "ttl")) * 60,
        period_s=period_s / frequency,
        skip_hours=frozenset(int(hour) % 24 for hour in _listed(head, "skipHours", r"<hour>\s*(\d{1,2})\s*</hour>")),
        skip_days=frozenset(
            _DAYS.index(day.lower())
            for day in _listed(head, "skipDays", r"<day>\s*(\w+)\s*</day>")
            if day.lower() in _DAYS
        ),
        hub=absolute_link(hubs[0], "") if hubs else "",
    )


def _listed(head: str, element: str, pattern: str) -> list[str]:
    """Read what feedparser keeps only the last of: the hours and days that a feed asks to be left alone in."""
    found = re.search(rf"<{element}>(.*?)(?:</{element}>|\Z)", head, re.DOTALL | re.IGNORECASE)
    return re.findall(pattern, found[1], re.IGNORECASE) if found else []


def _number(value: str) -> float:
    found = re.match(r"\s*(\d{1,7})", value)
    return float(found[1]) if found else 0.0


def _value(mapping: Mapping[str, Any], key: str) -> str:
    # Past feedparser's own lookup, which answers "updated" with "published" and warns about it.
    value = dict.get(mapping, key)  # type: ignore[call-overload]  # its mapping is a dict, by another name
    return value if isinstance(value, str) else ""


def _line(mapping: Mapping[str, Any], key: str) -> str:
    detail = dict.get(mapping, f"{key}_detail") or {}  # type: ignore[call-overload]  # see _value
    return line_in(_value(mapping, key), plain=detail.get("type") == "text/plain" and "<" not in _value(mapping, key))


def _instant(mapping: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401
    return instant_in(_value(mapping, key), dict.get(mapping, f"{key}_parsed"))  # type: ignore[call-overload]  # see _value


def _fault_in(error: Exception) -> str:
    if isinstance(error, SAXParseException):
        return f"{error.getMessage()} in line {max(1, (error.getLineNumber() or 2) - 1)}"  # we put a line before it
    return " ".join(str(error).split())[:200]
