"""What people ask and do: plain values in, values out.

Slash commands and terminal commands share it, so that both stay thin. It asks the pure rooms and the store; it draws nothing. `Desk` is
the one object that chat is handed; what it answers stands in desk_feeds, desk_watches, desk_actors and desk_news.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.desk_actors import ActorDesk
from bot.desk_feeds import FeedDesk
from bot.desk_news import NewsDesk
from bot.desk_sight import Ledger
from bot.desk_watches import WatchDesk
from bot.errors import UserError
from bot.model import Article
from bot.reading.language import language_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from bot.desk_news import Forms
    from bot.desk_sight import Asker, Sight
    from bot.model import Match, Matches, PageText, Watch, WordForm
    from bot.pipeline import Pipeline
    from bot.store import Store

ARTICLE_FIELDS = ("title", "url", "source", "lang")


class Desk:
    """All that chat may ask and do. feeds, watches, actors, news: the desks; `glance` serves names from memory."""

    def __init__(
        self,
        store: Store,
        *,
        pipeline: Pipeline,
        clock: Callable[[], datetime],
        refresh: Callable[[], Awaitable[None]],
        forms: Forms | None = None,
    ) -> None:
        """Join the desks.

        refresh: compiles anew what is watched, and wakes what may have become due. forms: the other forms of the words of queries,
        for searches; without it words count as they are typed.
        """
        self._ledger = Ledger(store, pipeline=pipeline, clock=clock, refresh=refresh)
        self.clock = clock
        self.feeds = FeedDesk(self._ledger)
        self.watches = WatchDesk(self._ledger)
        self.actors = ActorDesk(self._ledger)
        self.news = NewsDesk(self._ledger, forms or _no_forms)

    async def glance(self, asker: Asker) -> Sight:
        """Return what the asker may see, from memory: for what is asked at every key stroke."""
        return await self._ledger.glance(asker)


async def _no_forms(_: Sequence[Watch]) -> Mapping[str, Sequence[WordForm]]:
    return {}


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


def counted(count: int, noun: str) -> str:
    """Return "1 feed", "2 feeds", "3 watches"."""
    plural = "es" if noun.endswith("ch") else "s"
    return f"{count} {noun}{'' if count == 1 else plural}"
