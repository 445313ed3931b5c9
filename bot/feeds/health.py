"""What a feed is after a poll: its validators, its state, when it is asked again. Pure; the stage that asks commits what this returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.errors import FetchError, ParseError
from bot.feeds.moving import Move, after_move, other_address
from bot.feeds.timing import next_poll, rate_after, rate_in
from bot.web.headers import RETRY_UNSAID_S

if TYPE_CHECKING:
    from datetime import datetime

    from bot.errors import FeedError
    from bot.feeds.surprises import Harvest
    from bot.feeds.timing import Pace
    from bot.model import Feed, FeedHealth, FeedState, ParsedFeed

FAILING_AFTER = 3
NORMAL_AFTER = 3
MANY_ENTRIES = 5
UNAUTHORISED = (401, 403)
ASKED_TO_WAIT = (429, 503)
GONE = 410
REMARKABLE_SKEW_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an answer said besides its body: validators byte for byte, and for how long it calls itself fresh.

    fresh_s: None where a 304 says nothing of it. moved_to: where only lasting redirects led to it. skew_s: its server's clock ahead of
    ours. slow: it came near a limit. delta: it holds what is new alone (226).
    """

    etag: str | None
    last_modified: str | None
    fresh_s: float | None
    moved_to: str | None = None
    skew_s: float | None = None
    slow: bool = False
    delta: bool = False


def after_unchanged(
    feed: Feed, answer: Answer, *, at: datetime, pace: Pace, chance: float, body_hash: bytes | None = None
) -> Feed:
    """Return the feed after a 304 or a body that says nothing new; new validators and freshness count all the same."""
    feed = replace(
        feed,
        etag=answer.etag or feed.etag,
        last_modified=answer.last_modified or feed.last_modified,
        body_hash=body_hash or feed.body_hash,
        rate=_rate(feed, at, new_items=0),
    )
    return _after_success(feed, answer, feed.health, at=at, pace=pace, chance=chance, known=True)


def after_document(
    feed: Feed,
    answer: Answer,
    parsed: ParsedFeed,
    *,
    at: datetime,
    pace: Pace,
    chance: float,
    hashes: tuple[bytes, bytes],
    harvest: Harvest,
) -> Feed:
    """Return the feed after a document was taken in. hashes: of the body, of its items. Validators are the answer's own, or none.

    harvest: what its entries are. Of a delta nothing is concluded from what it does not hold. A document of which an edit was put off is
    read again however often it comes: nothing is kept that it could be known by.
    """
    rate = _rate(feed, at, new_items=harvest.new)
    if feed.subscribed_at is None:  # a first document tells by its dates how busy the feed is
        rate = rate_in([item.published_at for item in parsed.items], at)
    health = _health_after(feed.health, answer, harvest, at)
    feed = replace(
        feed,
        name=feed.name or parsed.title,
        language=parsed.language,
        etag=answer.etag,
        last_modified=answer.last_modified,
        body_hash=feed.body_hash if answer.delta else hashes[0],
        items_hash=feed.items_hash if answer.delta else hashes[1],
        hints=parsed.hints,
        rate=rate,
        held=feed.held + harvest.held,
        subscribed_at=feed.subscribed_at or at,
    )
    if harvest.put_off:
        feed = replace(feed, etag=None, last_modified=None, body_hash=None, items_hash=None)
    return _after_success(feed, answer, health, at=at, pace=pace, chance=chance, known=answer.delta or harvest.is_known)


def after_failure(feed: Feed, error: FeedError, *, at: datetime, pace: Pace, chance: float) -> Feed:
    """Return the feed after a failed poll. Its validators stay, so that nothing is missed when it works again.

    At a second 410 that comes long enough after the first it is gone, and due no more. One that moved, and fails for long, is asked at its
    old and its new address by turns.
    """
    fail_count = feed.fail_count + 1
    before = feed.health
    since_at = before.failing_since_at if feed.fail_count else None
    gone_at = before.gone_at if feed.fail_count else None
    is_410 = isinstance(error, FetchError) and error.status == GONE
    gone = is_410 and gone_at is not None and _lasts(gone_at, at, pace) and not feed.moved_url
    since_at = since_at or at
    lasting = fail_count >= FAILING_AFTER and _lasts(since_at, at, pace)
    health = replace(
        before,
        failing_since_at=since_at,
        gone_at=gone_at or (at if is_410 else None),
        # Whoever named a feed that never worked is still there to put it right.
        told=before.told or lasting or feed.last_ok_at is None,
    )
    if lasting and (feed.moved_url or health.left_url):
        feed, health = other_address(feed, health)
    return replace(
        feed,
        state="gone" if gone else _state_after(feed.state, error, fail_count),
        fail_count=fail_count,
        last_error=str(error),
        last_poll_at=at,
        health=health,
        next_poll_at=None
        if gone
        else next_poll(
            now=at,
            pace=pace,
            rate=feed.rate,
            fresh_s=health.fresh_s,
            hints=feed.hints,
            fail_count=fail_count,
            retry_after_s=asked_wait_s(error),
            chance=chance,
            failing_s=(at - since_at).total_seconds(),
        ),
    )


def asked_wait_s(error: FeedError) -> float | None:
    """Return for how long the whole host asked to be left alone, None where it did not; a bare 429 means half an hour."""
    if not isinstance(error, FetchError):
        return None
    if error.retry_after_s is None and error.status == ASKED_TO_WAIT[0]:
        return RETRY_UNSAID_S
    return error.retry_after_s


def _after_success(
    feed: Feed, answer: Answer, health: FeedHealth, *, at: datetime, pace: Pace, chance: float, known: bool
) -> Feed:
    fresh_s = health.fresh_s if answer.fresh_s is None else answer.fresh_s
    skewed = answer.skew_s is not None and abs(answer.skew_s) >= REMARKABLE_SKEW_S
    health = replace(
        health,
        fresh_s=fresh_s,
        skew_s=round(answer.skew_s) if skewed and answer.skew_s is not None else None,
        normal_polls=0 if answer.slow else min(health.normal_polls + 1, NORMAL_AFTER),
        failing_since_at=None,
        gone_at=None,
        told=False,
    )
    feed, health = after_move(
        feed, health, Move(to=answer.moved_to or "", known=known), at=at, lasting_s=pace.lasting_s
    )
    return replace(
        feed,
        state=_state_of(feed, health),
        fail_count=0,
        last_error="",
        last_poll_at=at,
        last_ok_at=at,
        health=health,
        next_poll_at=next_poll(
            now=at,
            pace=pace,
            rate=feed.rate,
            fresh_s=fresh_s,
            hints=feed.hints,
            fail_count=0,
            retry_after_s=None,
            chance=chance,
        ),
    )


def _health_after(before: FeedHealth, answer: Answer, harvest: Harvest, at: datetime) -> FeedHealth:
    newest = [one for one in (before.newest_at, harvest.newest_at) if one]
    health = replace(before, newest_at=max(newest, default=None))
    if answer.delta:
        return health
    if harvest.missed:
        health = replace(health, gap_items=harvest.missed, gap_at=at)
    emptied = not harvest.entries and (before.emptied or before.entries >= MANY_ENTRIES)
    return replace(health, entries=harvest.entries, emptied=emptied, churns=harvest.churns)


def _state_of(feed: Feed, health: FeedHealth) -> FeedState:
    if feed.held or health.emptied:
        return "suspect"
    if health.moving_to:
        return "moved"
    was_slow = feed.state == "slow" and health.normal_polls < NORMAL_AFTER
    return "slow" if was_slow or not health.normal_polls else "ok"


def _state_after(before: FeedState, error: FeedError, fail_count: int) -> FeedState:
    if isinstance(error, FetchError):
        if error.status in UNAUTHORISED:
            return "blocked"
        if error.status in ASKED_TO_WAIT and asked_wait_s(error) is not None:
            return "limited"
    elif isinstance(error, ParseError) and error.reason == "html":
        return "suspect"
    elif isinstance(error, ParseError) and error.reason == "challenge":
        return "blocked"
    return "failing" if fail_count >= FAILING_AFTER else before


def _lasts(since_at: datetime, at: datetime, pace: Pace) -> bool:
    return (at - since_at).total_seconds() >= pace.lasting_s


def _rate(feed: Feed, at: datetime, *, new_items: int) -> float:
    if feed.last_poll_at is None or feed.subscribed_at is None:
        return feed.rate
    return rate_after(feed.rate, new_items=new_items, elapsed_s=(at - feed.last_poll_at).total_seconds())
