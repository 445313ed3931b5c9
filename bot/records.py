"""The contract's records: what `match` and `extract` take and give as JSON, as plain dictionaries.

Pure: from the values that travel to what the contract names, and back. It reads no line, writes none, and draws nothing.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.errors import UserError
from bot.model import Article
from bot.reading.language import language_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.model import Match, Matches, PageText

ARTICLE_FIELDS = ("title", "url", "source", "lang")


def article_in(record: Mapping[str, object]) -> Article:
    """Return the article that one input record of the contract describes (`id`, `text`, `title`?, `url`?, `source`?, `lang`?).

    Raises:
        UserError: the record has no text, or a field is of the wrong type.
    """
    text = record.get("text")
    if not isinstance(text, str):
        raise UserError('a record needs "text", the article as a string')
    given: dict[str, str] = {}
    for name in ARTICLE_FIELDS:
        value = record.get(name)
        if value is not None and not isinstance(value, str):
            raise UserError(f'"{name}" must be a string or null')
        given[name] = value or ""
    try:
        host = (urlsplit(given["url"]).hostname or "").removeprefix("www.")
    except ValueError:
        host = ""
    return Article(
        title=given["title"],
        text=text,
        url=given["url"],
        source=given["source"],
        host=host,
        lang=language_of(text, given["lang"] or None),
    )


def match_record(record_id: object, found: Matches) -> dict[str, object]:
    """Return the contract's `match` record; its matches by start, then longest first, those of the title before those of the text."""
    matches = sorted(found.matches, key=lambda match: (match.start, -match.end, match.field == "text"))
    return {
        "id": record_id,
        "matches": [match_row(match) for match in matches],
        "why_not": [{"watch": why.watch, "actor": why.actor, "reason": why.reason} for why in found.why_not],
    }


def page_record(page: PageText) -> dict[str, object]:
    """Return the contract's `extract` record without its id; null where the page says nothing, but the text is never null."""
    at = page.published_at
    return {
        "title": page.title or None,
        "author": page.author or None,
        "published": at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None,
        "lang": page.lang,
        "text": page.text,
    }


def match_row(match: Match) -> dict[str, object]:
    """Return one match as the contract writes it."""
    return {
        "watch": match.watch,
        "actor": match.actor,
        "field": match.field,
        "start": match.start,
        "end": match.end,
        "text": match.text,
        "alias": match.alias,
        "rule": match.rule,
        "score": round(match.score, 3),
    }
