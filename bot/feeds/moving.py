"""A feed that moves: a lasting redirect is watched, then followed for good, and left again where it leads nowhere for long. Pure.

The configured address stays what the feed is known by; only where it is asked changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from datetime import datetime

    from bot.model import Feed, FeedHealth

POLLS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where an answer came from by lasting redirects alone, "" where it did not. known: it held what the feed is known to hold."""

    to: str
    known: bool


def after_move(
    feed: Feed, health: FeedHealth, move: Move, *, at: datetime, lasting_s: float
) -> tuple[Feed, FeedHealth]:
    """Return the feed and its health after an answer: with its new address once that was seen three times, for long enough.

    Whether it leads to the same feed is judged when it is first seen: later anything that stands there is known. An old address that
    works again is asked from now on, unless it leads where the feed had moved to.
    Source: RFC 9110 15.4.2, 15.4.9.
    """
    if health.left_url:
        left_url, health = health.left_url, replace(health, left_url="")
        if move.to == left_url:
            return replace(feed, moved_url=left_url), still(health)
    if not move.to or move.to == (feed.moved_url or feed.url):
        return feed, still(health)
    if health.moving_to != move.to or health.moving_since_at is None:
        return feed, replace(health, moving_to=move.to, moving_since_at=at, moving_polls=1, moving_known=move.known)
    health = replace(health, moving_polls=health.moving_polls + 1)
    lasting = health.moving_since_at is not None and (at - health.moving_since_at).total_seconds() >= lasting_s
    if lasting and health.moving_polls >= POLLS and health.moving_known:
        return replace(feed, moved_url=move.to), still(health)
    return feed, health


def other_address(feed: Feed, health: FeedHealth) -> tuple[Feed, FeedHealth]:
    """Return a feed that moved as it is asked at its other address the next time, the old or the new; both are remembered.

    The validators of one do not count at the other.
    """
    there = replace(feed, moved_url=health.left_url, etag=None, last_modified=None)
    return there, replace(still(health), left_url=feed.moved_url)


def still(health: FeedHealth) -> FeedHealth:
    """Return the health of a feed of which no redirect is being watched."""
    if not health.moving_to:
        return health
    return replace(health, moving_to="", moving_since_at=None, moving_polls=0, moving_known=False)


def same_server(url: str, other: str) -> bool:
    """Return whether two addresses name the same host and port, so that what is secret at one may be sent to the other."""
    one, two = urlsplit(url), urlsplit(other)
    return one.netloc.rpartition("@")[2].lower() == two.netloc.rpartition("@")[2].lower()
