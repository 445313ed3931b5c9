"""Why an article was posted, or was not: what each watch says to it, and what became of the alerts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.alerts import heard_in
from bot.cards import reasons_for
from bot.desk_queries import silence_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.desk_sight import Sight
    from bot.model import Article, Matches, Reason, Watch
    from bot.pipeline import Watching
    from bot.store import Posting, StoredArticle

TOO_OLD = "the article was there before this watch, or this server's subscription, came into force"
CHANGED = "it did not match when the article was last read; the watch, its channel or an actor was changed since"
UNREAD = "the article has not been read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a watch says to an article. reasons: why it matches; none: it does not. postings: where it was told, that the asker can see.

    silence: why it does not match, or why nobody was told although it does; half a sentence, "" where it was told.
    """

    watch: str
    reasons: tuple[Reason, ...]
    silence: str
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why an article was posted or not. was_read False: it stood in its feed at the subscription and only that text is known.

    verdicts: of each watch that the asker can see, first those that match, by name.
    """

    article: Article
    seen_at: datetime
    was_read: bool
    verdicts: tuple[Verdict, ...]


def explain(sight: Sight, watching: Watching, copies: Sequence[StoredArticle], postings: Sequence[Posting]) -> Why:
    """Return why an article was posted or not. copies: it, as each feed that this server hears brought it; those that were read first."""
    heard = [
        (one, heard_in(watching.matcher.match(one.article), watching.watches, one.feed_id, watching.audiences))
        for one in copies
    ]
    seen = [one for one in postings if _is_seen(sight, one)]
    verdicts = [_verdict(watch, watching, heard, seen) for watch in sight.watches]
    return Why(
        article=sight.article(copies[0]),
        seen_at=copies[0].seen_at,
        was_read=any(one.read_at is not None for one in copies),
        verdicts=tuple(sorted(verdicts, key=lambda one: not one.reasons)),
    )


def _verdict(
    watch: Watch, watching: Watching, heard: Sequence[tuple[StoredArticle, Matches]], seen: Sequence[Posting]
) -> Verdict:
    postings = tuple(one for one in seen if f"watch:{watch.id}" in one.told)
    fired = next(((copy, found) for copy, found in heard if watch.id in found.fired), None)
    if fired is None:
        silence = _silence(watch, watching, heard)
        return Verdict(watch=watch.name, reasons=(), silence=silence, postings=postings)
    reasons = reasons_for([match for match in fired[1].matches if match.watch_id == watch.id])
    untold = "" if postings else _untold(watch, watching, [copy for copy, found in heard if watch.id in found.fired])
    return Verdict(watch=watch.name, reasons=reasons, silence=untold, postings=postings)


def _silence(watch: Watch, watching: Watching, heard: Sequence[tuple[StoredArticle, Matches]]) -> str:
    """Return why a watch does not match."""
    if not watch.enabled:
        return "it is paused"
    if watch.id not in {one.id for one in watching.watches}:
        return "it is not in force: its query cannot be read"
    if watch.feeds and not {copy.feed_id for copy, _ in heard} & set(watch.feeds):
        return "it is limited to other feeds"
    reasons = (one.reason for _, found in heard for one in found.why_not if one.watch_id == watch.id)
    return next(reasons, "") or silence_of(watch.query)


def _untold(watch: Watch, watching: Watching, copies: Sequence[StoredArticle]) -> str:
    """Return why nobody was told although a watch matches."""
    read = [one for one in copies if one.read_at is not None]
    if not read:
        return UNREAD
    return TOO_OLD if all(_was_there(one, watch, watching) for one in read) else CHANGED


def _was_there(copy: StoredArticle, watch: Watch, watching: Watching) -> bool:
    hearing = watching.hearings.get((copy.feed_id, watch.home_id))
    starts = [at for at in (watch.since_at, hearing.since_at if hearing else None) if at is not None]
    return any(copy.seen_at < at for at in starts)


def _is_seen(sight: Sight, posting: Posting) -> bool:
    """Return whether the asker can see where an alert was posted: where a watch of theirs alerts, or did before it was moved."""
    place = posting.thread_id or posting.channel_id
    alerting = {(one.channel_id, one.thread_id) for one in sight.watches}
    return (posting.channel_id, posting.thread_id) in alerting or (sight.asker.holds(place) and sight.asker.sees(place))
