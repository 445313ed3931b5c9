"""An article as it was read, what was found in it, and the story it tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.model.watching import Rule

FieldName = Literal["title", "text"]
TextKind = Literal["full", "feed", "teaser", "partly"]
Relation = Literal["new", "same", "duplicate", "update"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """What an HTML page holds: the article's own paragraphs, separated by a blank line, without headline, tail and furniture.

    words_said: the length the page itself claims (JSON-LD wordCount), 0 where it claims none. wall: it ends in a paywall line.
    """

    title: str = ""
    author: str = ""
    published_at: datetime | None = None
    lang: str | None = None
    text: str = ""
    words_said: int = 0
    wall: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """What is matched and shown. kind says whose text it is: the page's (full, partly) or the feed's own (feed, teaser).

    note: one sentence for people where something was missing ("only the teaser was read: the page answered 403"), else "".
    source: the outlet as people know it. host: of the link, lower case, without www. lang: BCP 47, None where unknown.
    """

    title: str
    text: str
    url: str = ""
    source: str = ""
    host: str = ""
    lang: str | None = None
    author: str = ""
    published_at: datetime | None = None
    kind: TextKind = "full"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Why a watch fired, at one place. watch is None for an actor asked for by itself; actor is None for a keyword.

    `text` is `title[start:end]` or `text[start:end]` of the article, by `field`. score: 1.0 for stored spellings.
    """

    watch_id: int
    watch: str | None
    actor: str | None
    field: FieldName
    start: int
    end: int
    text: str
    alias: str
    rule: Rule
    score: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """Why a watch that had a hit did not fire: the smallest reason, a sentence in the query's own words."""

    watch_id: int
    watch: str | None
    actor: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """All that was found in one article. matches: by field (title first), start, then longest first. fired: ids of watches."""

    matches: tuple[Match, ...] = ()
    why_not: tuple[WhyNot, ...] = ()
    fired: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of a text, `[start, end)`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """The sentences that matter, verbatim spans of the article's text in document order, and the terms that occur in them."""

    sentences: tuple[Span, ...] = ()
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Which story an item tells. key: the key hash of the story's first item. of: the item that a duplicate or update repeats."""

    id: int | None
    key: bytes
    relation: Relation = "new"
    of: int | None = None
