"""What people ask about news: what lately matched, why a link did or did not, how it stands. Answers are values; nothing is changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bot import __version__
from bot.cards import bold_in, reasons_for
from bot.desk_feeds import state_of
from bot.desk_queries import read_query, slips_in
from bot.desk_why import explain
from bot.errors import UserError
from bot.feeds.identity import body_hash, canonical_link
from bot.model import BriefSentence, Reason, Span, Watch
from bot.reading.brief import brief_for
from bot.reading.matcher import Matcher
from bot.reading.query_tree import quoted
from bot.toml_table import duration_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from bot.desk_ledger import Ledger
    from bot.desk_sight import Asker, Sight
    from bot.desk_why import Why
    from bot.model import Article, Match, WordForm
    from bot.store import Standing, StoredArticle

    Forms = Callable[[Sequence[Watch]], Awaitable[Mapping[str, Sequence[WordForm]]]]

MOST_FOUND = 25
MOST_HITS = 400
SEARCHED_AT_ONCE = 100
MOST_SEARCHED = 2_000
SEARCHING = -1
DEFAULT_SINCE = timedelta(days=7)
LONGEST_SINCE = timedelta(days=3 * 366)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundArticle:
    """An article that matched. watches: those of the asker's that fired, by name. sentence: the one that matters, None without a text."""

    article: Article
    seen_at: datetime
    watches: tuple[str, ...]
    reasons: tuple[Reason, ...]
    sentence: BriefSentence | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """What was found, newest first. since: from when on. is_cut: not everything since then was looked at.

    doubts: what may be meant otherwise in the query that was asked, sentences.
    """

    found: tuple[FoundArticle, ...]
    since: datetime
    is_cut: bool = False
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How it stands with a server. feeds: how many are in each state. watches: on and paused. troubles: feed and what it last said.

    paused_channels: those of the asker's watches that refuse what they are owed.
    """

    version: str
    feeds: Mapping[str, int]
    watches_on: int
    watches_paused: int
    actors: int
    standing: Standing
    last_poll_at: datetime | None
    troubles: tuple[tuple[str, str], ...]
    paused_channels: tuple[int, ...]


class NewsDesk:
    """Questions about news."""

    def __init__(self, ledger: Ledger, forms: Forms) -> None:
        self.ledger = ledger
        self._forms = forms

    async def latest(
        self, asker: Asker, *, watch: str = "", actor: str = "", query: str = "", since: str = ""
    ) -> Latest:
        """Return what matched, newest first: of the watches that the asker may see, or of one; or of an actor or query in all news.

        Raises:
            QueryError: the query cannot be read.
            UserError: no such watch or actor, or a time that cannot be read.
        """
        sight = await self.ledger.sight(asker)
        since_at = since_in(since, self.ledger.clock())
        watches = (sight.watch(watch),) if watch else sight.watches
        asked = " ".join(
            [
                *([f"actor:{quoted(sight.actor(actor).name)}"] if actor else ()),
                *([f"({query})"] if query.strip() else ()),
            ]
        )
        if not asked:
            return await self._of_watches(sight, watches, since_at)
        doubts: list[str] = []
        if query.strip():  # by itself: a fault's place is in it as typed
            read = await asyncio.to_thread(read_query, query, sight.actors, asker.guild_id)
            doubts = slips_in(read, sight.sources)
        searching = Watch(id=SEARCHING, guild_id=asker.guild_id, name="", query=asked)
        matcher = await asyncio.to_thread(
            Matcher.compile, [searching], sight.actors, forms=await self._forms([searching])
        )
        for _, error in matcher.faults:
            raise error
        latest = await self._searched(sight, matcher, watches if watch else (), since_at)
        return replace(latest, doubts=tuple(doubts))

    async def why(self, asker: Asker, link: str) -> Why:
        """Return why the article at a link fired the asker's watches or did not, and what became of the alerts.

        Raises:
            UserError: nothing is known of that link here.
        """
        sight = await self.ledger.sight(asker)
        link = link.strip().strip("<>")
        if not link.lower().startswith(("http://", "https://")):
            raise UserError(
                "Give the article's link, such as https://example.org/story: /latest shows those that matched."
            )
        key = body_hash(canonical_link(link).encode("utf-8", "surrogatepass"))
        known = [one for one in await self.ledger.store.archive.articles_at(key) if sight.hears(one.feed_id)]
        if not known:
            raise UserError(
                "No feed that this server hears has brought that link. /feed list shows the feeds; /feed test reads one now."
            )
        postings = await self.ledger.store.archive.postings_of([one.item_id for one in known])
        return await asyncio.to_thread(explain, sight, self.ledger.pipeline.watching, known, postings)

    async def status(self, asker: Asker) -> Status:
        """Return how it stands with this server, as far as the asker may see it."""
        sight = await self.ledger.sight(asker)
        feeds: dict[str, int] = {}
        for one in sight.feeds:
            feeds[state_of(one)] = feeds.get(state_of(one), 0) + 1
        places = {(one.channel_id, one.thread_id) for one in sight.watches}
        paused = await self.ledger.store.paused_channels()
        polled = [one.feed.last_poll_at for one in sight.feeds if one.feed.last_poll_at]
        return Status(
            version=__version__,
            feeds=feeds,
            watches_on=sum(one.enabled for one in sight.watches),
            watches_paused=sum(not one.enabled for one in sight.watches),
            actors=len(sight.actors),
            standing=await self.ledger.store.archive.standing(places),
            last_poll_at=max(polled, default=None),
            troubles=tuple(
                (one.name, one.feed.last_error) for one in sight.feeds if one.enabled and one.feed.last_error
            ),
            paused_channels=tuple(
                one.thread_id or one.channel_id for one in paused if (one.channel_id, one.thread_id) in places
            ),
        )

    async def _of_watches(self, sight: Sight, watches: Sequence[Watch], since_at: datetime) -> Latest:
        names = {one.id: one.name for one in watches}
        hits = await self.ledger.store.archive.hits_of(list(names), since=since_at, limit=MOST_HITS)
        by_item: dict[int, list[tuple[int, tuple[Match, ...]]]] = {}
        for item_id, watch_id, spans in hits:
            by_item.setdefault(item_id, []).append((watch_id, spans))
        wanted = list(by_item)[:MOST_FOUND]
        found = [
            _found(
                sight,
                one,
                tuple(sorted({names[watch_id] for watch_id, _ in by_item[one.item_id]})),
                [match for _, spans in by_item[one.item_id] for match in spans],
            )
            for one in await self.ledger.store.archive.articles_of(wanted)
        ]
        return Latest(found=tuple(found), since=since_at, is_cut=len(by_item) > MOST_FOUND or len(hits) == MOST_HITS)

    async def _searched(self, sight: Sight, matcher: Matcher, watches: Sequence[Watch], since_at: datetime) -> Latest:
        """Look through what may match, newest first, a hundred at a time, until enough is found."""
        found, looked_at = list[FoundArticle](), 0
        names = tuple(one.name for one in watches)
        async for batch in self._of_watch(watches, since_at) if watches else self._of_archive(sight, matcher, since_at):
            heard = [one for one in batch if sight.hears(one.feed_id)]
            found += await asyncio.to_thread(_matching, sight, heard, matcher, names)
            looked_at += len(batch)
            if len(found) > MOST_FOUND or looked_at >= MOST_SEARCHED:
                return Latest(found=tuple(found[:MOST_FOUND]), since=since_at, is_cut=True)
        return Latest(found=tuple(found), since=since_at)

    async def _of_archive(
        self, sight: Sight, matcher: Matcher, since_at: datetime
    ) -> AsyncIterator[Sequence[StoredArticle]]:
        """Yield what the index of words offers for a query, of the feeds that this server hears."""
        sought, before = matcher.sought(SEARCHING), None
        while True:
            batch = await self.ledger.store.archive.search(
                sought, feeds=sight.heard_feeds, since=since_at, before=before, limit=SEARCHED_AT_ONCE
            )
            yield batch
            if len(batch) < SEARCHED_AT_ONCE:
                return
            before = batch[-1].item_id

    async def _of_watch(self, watches: Sequence[Watch], since_at: datetime) -> AsyncIterator[Sequence[StoredArticle]]:
        """Yield what these watches fired on."""
        store, ids = self.ledger.store, [one.id for one in watches]
        hits = await store.archive.hits_of(ids, since=since_at, limit=MOST_SEARCHED)
        items = list(dict.fromkeys(item_id for item_id, _, _ in hits))
        for start in range(0, len(items), SEARCHED_AT_ONCE):
            yield await store.archive.articles_of(items[start : start + SEARCHED_AT_ONCE])


def since_in(typed: str, now: datetime) -> datetime:
    """Return the time that "24h", "7d" or an ISO date stands for; a week ago for "".

    Raises:
        UserError: it is neither, or lies ahead.
    """
    text = typed.strip()
    if not text:
        return now - DEFAULT_SINCE
    seconds = duration_s(text)
    if seconds:
        return now - min(timedelta(seconds=min(seconds, LONGEST_SINCE.total_seconds())), LONGEST_SINCE)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f'"{text[:40]}" is no time: say 24h, 7d, or a date such as {now:%Y-%m-%d}.') from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    if at > now:
        raise UserError(f'"{text[:40]}" lies ahead: say 24h, 7d, or a date that is past.')
    return max(at, now - LONGEST_SINCE)


def _matching(
    sight: Sight, articles: Sequence[StoredArticle], matcher: Matcher, names: tuple[str, ...]
) -> list[FoundArticle]:
    found = []
    for one in articles:
        matches = matcher.match(one.article)
        if matches.fired:
            found.append(_found(sight, one, names, matches.matches))
    return found


def _found(sight: Sight, stored: StoredArticle, watches: tuple[str, ...], matches: Sequence[Match]) -> FoundArticle:
    article = sight.article(stored)
    inside = [one for one in matches if one.end <= len(article.text if one.field == "text" else article.title)]
    return FoundArticle(
        article=article,
        seen_at=stored.seen_at,
        watches=watches,
        reasons=reasons_for([replace(one, watch="") for one in inside]),
        sentence=_sentence(article, inside),
    )


def _sentence(article: Article, matches: Sequence[Match]) -> BriefSentence | None:
    in_text = [one for one in matches if one.field == "text"]
    spans = brief_for(article, in_text, limit=1).sentences
    if not spans:
        return None
    span = Span(start=spans[0].start, end=spans[0].end)
    return BriefSentence(text=article.text[span.start : span.end], bold=bold_in(span, in_text))
