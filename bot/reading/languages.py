"""What the program knows of each language, read from `languages/<code>.toml`. It alone reads those files; it decides nothing.

All words are in lower case, as `str.casefold` leaves them; abbreviations stand without their last full stop ("e.g").
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any

CODES = ("be", "de", "en", "fr", "pl", "ru", "uk")
Words = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """The word lists of one language, or of several together.

    titles: abbreviations that never end a sentence ("Mr"). abbreviations: those that may. before_number: only before figures ("No").
    ordinals: a full stop after a number makes an ordinal ("5. Mai"). dangling: openings that point back ("he").
    headers: a short line that opens a list of other things ("Read more"). headers_weak: the same, but it may also stand by itself
    inside an article ("Advertisement"). end_lines, top_lines: beginnings of lines that are furniture at the end or the top.
    paywall: beginnings or parts of the line where the free text stops.
    consent, login, script, missing: phrases of pages that are not the article.
    """

    titles: Words = field(default=frozenset())
    abbreviations: Words = field(default=frozenset())
    before_number: Words = field(default=frozenset())
    ordinals: bool = False
    dangling: Words = field(default=frozenset())
    stop_words: Words = field(default=frozenset())
    headers: Words = field(default=frozenset())
    headers_weak: Words = field(default=frozenset())
    end_lines: Words = field(default=frozenset())
    top_lines: Words = field(default=frozenset())
    paywall: Words = field(default=frozenset())
    consent: Words = field(default=frozenset())
    login: Words = field(default=frozenset())
    script: Words = field(default=frozenset())
    missing: Words = field(default=frozenset())


@cache
def language(code: str | None) -> Language:
    """Return what is known of a language; of an unknown or undeclared one (None), what is known of any."""
    return _loaded(code) if code in CODES else any_language()


@cache
def any_language() -> Language:
    """Return the word lists of all languages together; ordinals stay off."""
    every = [_loaded(code) for code in CODES]
    names = [each.name for each in fields(Language) if each.name != "ordinals"]
    lists: dict[str, Any] = {name: frozenset[str]().union(*(getattr(one, name) for one in every)) for name in names}
    return Language(**lists)


@cache
def _loaded(code: str) -> Language:
    raw = tomllib.loads((resources.files("bot.reading") / "languages" / f"{code}.toml").read_text(encoding="utf-8"))
    lists: dict[str, Any] = {**raw, **raw["not_article"]}
    known = {each.name for each in fields(Language)}
    return Language(**{key: _words(value) for key, value in lists.items() if key in known})


def _words(value: Any) -> Any:  # noqa: ANN401  TOML values: a flag stays a flag, a list becomes a set of folded words
    return value if isinstance(value, bool) else frozenset(word.casefold() for word in value)
