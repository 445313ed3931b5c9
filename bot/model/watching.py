"""Whom and what a desk watches, under which spellings, and where it is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Origin = Literal["config", "chat"]
Rule = Literal["user", "exact", "transliteration", "inflection", "lemma", "prefix", "name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """One spelling that stands for an actor. lang: counts only in articles of that language (or of unknown), None: in all.

    origin: how it came about, for people ("typed", "canonical name", "be→BGN"). struck: a person took it away, for good.
    """

    text: str
    rule: Rule = "user"
    origin: str = "typed"
    lang: str | None = None
    struck: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person, organisation or place with one canonical name. id is 0 where there is no store (the `match` command)."""

    id: int = 0
    guild_id: int = 0
    name: str
    aliases: tuple[Alias, ...] = ()
    origin: Origin = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a desk wants to hear of, and where. channel_id 0 is the terminal; thread_id 0 is no thread; mention 0 pings nobody.

    feeds: the only ones it listens to; none: all that its server hears. home_id: the server that its channel is in, 0 while unknown.
    since_at: when it was added or last resumed; None: it always was there. in_private: its thread is a private one.
    """

    id: int = 0
    guild_id: int = 0
    name: str
    query: str
    channel_id: int = 0
    thread_id: int = 0
    mention: int = 0
    origin: Origin = "config"
    enabled: bool = True
    feeds: tuple[int, ...] = ()
    home_id: int = 0
    since_at: datetime | None = None
    in_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How a server hears a feed that it asked for: under which name ("": the feed's own), and since when."""

    name: str = ""
    since_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WordForm:
    """Another form of a keyword, with the language that licenses it ("sanctioned", "en")."""

    text: str
    lang: str
