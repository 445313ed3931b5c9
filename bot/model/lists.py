"""Feeds as pages and other programs name them: the lines of an OPML list, the links of a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFeed:
    """One feed of an OPML list. url: as it stands there. name, folder: one line each, "" for none; line: where it stands, from 1."""

    url: str
    name: str = ""
    folder: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedList:
    """An OPML list, read. Feeds stand in document order; problems are sentences for people."""

    title: str = ""
    feeds: tuple[ListedFeed, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLink:
    """A feed that a page names. url: absolute. title: one line, "" where the page gives none."""

    url: str
    title: str = ""
