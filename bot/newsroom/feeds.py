"""Draws an outlet's feed document: RSS 2.0, Atom or JSON Feed 1.1, in the outlet's own encoding.

Pure: the articles, their addresses and their times come in. It never reads a clock or a file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from bot.newsroom.library import FeedForm, Outlet, SampleArticle

MEDIA_TYPES: dict[FeedForm, str] = {
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "json": "application/feed+json",
}
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An article as one feed lists it. url: absolute, with whatever this feed appends to it."""

    article: SampleArticle
    url: str
    published_at: datetime


def feed_document(outlet: Outlet, entries: tuple[Entry, ...], *, home_url: str) -> bytes:
    """Return the document; the entries stand in it in the order given. home_url: the outlet's front page."""
    match outlet.form:
        case "rss":
            return _encoded(_rss(outlet, entries, home_url), outlet.encoding)
        case "atom":
            return _encoded(_atom(outlet, entries, home_url), outlet.encoding)
        case "json":
            return _json(outlet, entries, home_url)


def _encoded(root: ET.Element, encoding: str) -> bytes:
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding=encoding, xml_declaration=True)
    return document


def _child(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, name, attributes)
    child.text = text or None
    return child


def _rss(outlet: Outlet, entries: tuple[Entry, ...], home_url: str) -> ET.Element:
    root = ET.Element("rss", {"version": "2.0", "xmlns:dc": "http://purl.org/dc/elements/1.1/"})
    channel = _child(root, "channel")
    _child(channel, "title", outlet.name)
    _child(channel, "link", home_url)
    _child(channel, "description", outlet.strapline)
    _child(channel, "language", outlet.language)
    for entry in entries:
        item = _child(channel, "item")
        _child(item, "title", entry.article.title)
        _child(item, "link", entry.url)
        _child(item, "guid", _tag(entry), isPermaLink="false")
        _child(item, "dc:creator", entry.article.author)
        _child(item, "pubDate", format_datetime(entry.published_at, usegmt=True))
        _child(item, "description", _html(_told(outlet, entry)))
    return root


def _atom(outlet: Outlet, entries: tuple[Entry, ...], home_url: str) -> ET.Element:
    root = ET.Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": outlet.language})
    _child(root, "title", outlet.name)
    _child(root, "subtitle", outlet.strapline)
    _child(root, "id", home_url)
    _child(root, "link", href=home_url)
    _child(root, "link", rel="self", href=home_url + outlet.feed_path)
    _child(root, "updated", max((entry.published_at for entry in entries), default=_EPOCH).isoformat())
    for entry in entries:
        item = _child(root, "entry")
        _child(item, "title", entry.article.title)
        _child(item, "id", _tag(entry))
        _child(item, "link", href=entry.url)
        _child(item, "published", entry.published_at.isoformat())
        _child(item, "updated", entry.published_at.isoformat())
        _child(_child(item, "author"), "name", entry.article.author)
        _child(item, "summary", _html(_told(outlet, entry)), type="html")
    return root


def _json(outlet: Outlet, entries: tuple[Entry, ...], home_url: str) -> bytes:
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": outlet.name,
        "description": outlet.strapline,
        "home_page_url": home_url,
        "feed_url": home_url + outlet.feed_path,
        "language": outlet.language,
        "items": [
            {
                "id": _tag(entry),
                "url": entry.url,
                "title": entry.article.title,
                "summary": entry.article.teaser,
                "content_html": _html(_told(outlet, entry)),
                "date_published": entry.published_at.isoformat(),
                "authors": [{"name": entry.article.author}],
            }
            for entry in entries
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode(outlet.encoding)


def _told(outlet: Outlet, entry: Entry) -> tuple[str, ...]:
    """Return the paragraphs that the feed gives of an article."""
    return entry.article.paragraphs if outlet.full_text else (entry.article.teaser,)


def _html(paragraphs: tuple[str, ...]) -> str:
    return "\n".join(f"<p>{escape(paragraph, quote=False)}</p>" for paragraph in paragraphs)


def _tag(entry: Entry) -> str:
    """Return an id that says nothing of the server's port, so that it is the same the next time."""
    return f"tag:newsroom.example,2020:{entry.article.outlet}/{entry.article.slug}"
