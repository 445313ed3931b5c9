"""OPML, the lists of feeds that readers exchange: read and written.

Reading runs in a worker process (bot/workers/): such a file is a stranger's. It knows no entities and no DTD, opens nothing, and asks
nobody. Whether an address may be asked says the guard, not this.  Source: OPML 2.0 (opml.org/spec2.opml).
"""

from __future__ import annotations

import re
from email.utils import format_datetime
from itertools import groupby
from typing import TYPE_CHECKING
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from bot.errors import ParseError
from bot.feeds.encoding import decode_document
from bot.feeds.plaintext import visible
from bot.model import FeedList, ListedFeed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

LIMIT_BYTES = 4 << 20
LIMIT_FEEDS = 5_000
LIMIT_DEPTH = 32
LIMIT_CHARS = 2_048
BETWEEN_FOLDERS = " / "

_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def feeds_in_opml(body: bytes) -> FeedList:
    """Return the feeds that a list names, with the names and folders that it gives them; at most 5,000.

    A list that breaks off, or is not well-formed, is read as far as it goes.

    Raises:
        ParseError: empty, too large, nested too deeply, hostile, or no list of feeds.
    """
    if len(body) > LIMIT_BYTES:
        raise ParseError(f"The list is larger than {LIMIT_BYTES >> 20} MiB: split it.", reason="too_large")
    text, _ = decode_document(body)
    text = _AMPERSAND.sub("&amp;", _NOT_XML.sub("", text)).lstrip("\ufeff \t\r\n")
    if not text:
        raise ParseError("The file is empty: give the OPML file that a feed reader exported.", reason="empty")
    reader = _Reader()
    try:
        reader.parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        what = f"not well-formed in line {error.lineno} ({expat.ErrorString(error.code)})"
        if not reader.feeds:
            raise ParseError(f"This is no OPML list, for it is {what}: export it anew.", reason="not_opml") from None
        reader.problems.append(f"The list is {what}: what stands before that was read.")
    if not reader.is_opml and not reader.feeds:
        raise ParseError(
            f"This is no OPML list, it begins with <{reader.root[:40]}>: give the file that a feed reader exported.",
            reason="not_opml",
        )
    if reader.left_out:
        reader.problems.append(f"The list holds {reader.left_out} feeds more: only the first {LIMIT_FEEDS:,} are read.")
    return FeedList(title=_line(reader.title), feeds=tuple(reader.feeds), problems=tuple(reader.problems))


def opml_for(feeds: Iterable[ListedFeed], *, title: str, at: datetime) -> str:
    """Return a list that any feed reader takes: feeds without a folder first, then folder by folder."""
    ordered = sorted(feeds, key=lambda one: one.folder)
    rows = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<opml version="2.0">',
        f"  <head><title>{escape(_line(title))}</title><dateCreated>{format_datetime(at)}</dateCreated></head>",
        "  <body>",
    ]
    for folder, group in groupby(ordered, key=lambda one: _line(one.folder)):
        outlines = [_outline(one) for one in group]
        rows += [f"    <outline text={quoteattr(folder)}>", *(f"  {each}" for each in outlines)] if folder else outlines
        rows += ["    </outline>"] if folder else []
    return "\n".join([*rows, "  </body>", "</opml>", ""])


def _outline(feed: ListedFeed) -> str:
    name, url = _line(feed.name), _NOT_XML.sub("", feed.url)
    titled = f" title={quoteattr(name)}" if name else ""
    return f'    <outline type="rss" text={quoteattr(name or url)}{titled} xmlUrl={quoteattr(url)}/>'


class _Reader:
    """Takes what the XML parser finds; keeps no tree."""

    def __init__(self) -> None:
        self.root = ""
        self.title = ""
        self.feeds: list[ListedFeed] = []
        self.problems: list[str] = []
        self.left_out = 0
        self._folders: list[str] = []
        self._open: list[str] = []
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.EntityDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    @property
    def is_opml(self) -> bool:
        return self.root == "opml"

    def _refuse_doctype(self, *_: object) -> None:
        raise ParseError(
            "The list declares a document type, which may be an attack; remove its <!DOCTYPE …> and try again.",
            reason="entities",
        )

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        tag = name.rpartition(":")[2].lower()
        self.root = self.root or tag
        self._open.append(tag)
        if len(self._open) > LIMIT_DEPTH:
            raise ParseError(f"The list is nested deeper than {LIMIT_DEPTH} folders: flatten it.", reason="too_deep")
        folder = ""
        if tag == "outline":
            given = {key.lower(): value for key, value in attributes.items()}
            label = _line(given.get("title") or given.get("text") or "")
            if url := given.get("xmlurl", "").strip():
                self._take(url, "" if label == url else label)
            else:
                folder = label
        self._folders.append(folder)

    def _end(self, _: str) -> None:
        self._open.pop()
        self._folders.pop()

    def _text(self, text: str) -> None:
        if self._open[-1:] == ["title"] and len(self.title) < LIMIT_CHARS:
            self.title += text

    def _take(self, url: str, name: str) -> None:
        if len(self.feeds) >= LIMIT_FEEDS:
            self.left_out += 1
            return
        folder = BETWEEN_FOLDERS.join(filter(None, self._folders))
        self.feeds.append(
            ListedFeed(url=url, name=name, folder=folder[:LIMIT_CHARS], line=self.parser.CurrentLineNumber)
        )


def _line(text: str) -> str:
    return " ".join(_NOT_XML.sub("", visible(text[:LIMIT_CHARS])).split())
