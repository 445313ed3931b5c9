"""What a feed is after a poll: its validators, its state, when it is asked again. Pure; the pipeline commits what this returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.errors import FetchError, ParseError
from bot.feeds.timing import next_poll, rate_after, rate_in
from bot.web.headers import RETRY_UNSAID_S

if TYPE_CHECKING:
    from datetime import datetime

    from bot.errors import FeedError
    from bot.feeds.timing import Pace
    from bot.model import Feed, FeedState, ParsedFeed

FAILING_AFTER = 3
UNAUTHORISED = (401, 403)
ASKED_TO_WAIT = (429, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an answer said besides its body: validators byte for byte, and for how long it calls itself fresh."""

    etag: str | None
    last_modified: str | None
    fresh_s: float


def after_unchanged(
    feed: Feed, answer: Answer, *, at: datetime, pace: Pace, chance: float, body_hash: bytes | None = None
) -> Feed:
    """Return the feed after a 304 or a body that says nothing new; new validators and freshness count all the same."""
    rate = _rate(feed, at, new_items=0)
    return replace(
        feed,
        etag=answer.etag or feed.etag,
        last_modified=answer.last_modified or feed.last_modified,
        body_hash=body_hash or feed.body_hash,
        rate=rate,
        state="ok",
        fail_count=0,
        last_error="",
        last_poll_at=at,
        last_ok_at=at,
        next_poll_at=_next(feed, at, pace, rate=rate, fresh_s=answer.fresh_s, chance=chance),
    )


def after_document(
    feed: Feed,
    answer: Answer,
    parsed: ParsedFeed,
    *,
    at: datetime,
    pace: Pace,
    chance: float,
    hashes: tuple[bytes, bytes],
    new_items: int,
) -> Feed:
    """Return the feed after a document was taken in. hashes: of the body, of its items. Validators are the answer's own, or none."""
    rate = _rate(feed, at, new_items=new_items)
    if feed.subscribed_at is None:  # a first document tells by its dates how busy the feed is
        rate = rate_in([item.published_at for item in parsed.items], at)
    feed = replace(feed, hints=parsed.hints)
    return replace(
        feed,
        name=feed.name or parsed.title,
        language=parsed.language,
        etag=answer.etag,
        last_modified=answer.last_modified,
        body_hash=hashes[0],
        items_hash=hashes[1],
        rate=rate,
        state="ok",
        fail_count=0,
        last_error="",
        last_poll_at=at,
        last_ok_at=at,
        subscribed_at=feed.subscribed_at or at,
        next_poll_at=_next(feed, at, pace, rate=rate, fresh_s=answer.fresh_s, chance=chance),
    )


def after_failure(feed: Feed, error: FeedError, *, at: datetime, pace: Pace, chance: float) -> Feed:
    """Return the feed after a failed poll. Its validators stay, so that nothing is missed when it works again."""
    fail_count = feed.fail_count + 1
    return replace(
        feed,
        state=_state(feed.state, error, fail_count),
        fail_count=fail_count,
        last_error=str(error),
        last_poll_at=at,
        next_poll_at=_next(
            feed,
            at,
            pace,
            rate=feed.rate,
            fresh_s=0.0,
            chance=chance,
            fail_count=fail_count,
            retry_after_s=asked_wait_s(error),
        ),
    )


def asked_wait_s(error: FeedError) -> float | None:
    """Return for how long the whole host asked to be left alone, None where it did not; a bare 429 means half an hour."""
    if not isinstance(error, FetchError):
        return None
    if error.retry_after_s is None and error.status == ASKED_TO_WAIT[0]:
        return RETRY_UNSAID_S
    return error.retry_after_s


def _state(before: FeedState, error: FeedError, fail_count: int) -> FeedState:
    if isinstance(error, FetchError):
        if error.status in UNAUTHORISED:
            return "blocked"
        if error.status in ASKED_TO_WAIT and asked_wait_s(error) is not None:
            return "limited"
    elif isinstance(error, ParseError) and error.reason == "html":
        return "suspect"
    return "failing" if fail_count >= FAILING_AFTER else before


def _rate(feed: Feed, at: datetime, *, new_items: int) -> float:
    if feed.last_poll_at is None or feed.subscribed_at is None:
        return feed.rate
    return rate_after(feed.rate, new_items=new_items, elapsed_s=(at - feed.last_poll_at).total_seconds())


def _next(
    feed: Feed,
    at: datetime,
    pace: Pace,
    *,
    rate: float,
    fresh_s: float,
    chance: float,
    fail_count: int = 0,
    retry_after_s: float | None = None,
) -> datetime:
    return next_poll(
        now=at,
        pace=pace,
        rate=rate,
        fresh_s=fresh_s,
        hints=feed.hints,
        fail_count=fail_count,
        retry_after_s=retry_after_s,
        chance=chance,
    )
