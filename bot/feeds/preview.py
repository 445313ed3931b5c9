"""What a feed is, in a few words, for somebody who is about to subscribe: its rhythm, its newest items. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.feeds.timing import asked_s, rate_in

if TYPE_CHECKING:
    from datetime import datetime

    from bot.model import FeedItem, ParsedFeed

_HOURS = ((1.0, "an hour"), (24.0, "a day"), (168.0, "a week"), (730.0, "a month"))
_LEAST_DATED = 2


def newest_of(feed: ParsedFeed, count: int) -> tuple[FeedItem, ...]:
    """Return its newest items by their dates, newest first; those without a date come last, in document order."""
    dated = sorted(
        (item for item in feed.items if item.published_at or item.updated_at),
        key=lambda item: (item.published_at or item.updated_at).timestamp(),  # type: ignore[union-attr]  # one of the two is there
        reverse=True,
    )
    undated = [item for item in feed.items if not (item.published_at or item.updated_at)]
    return (*dated, *undated)[:count]


def rhythm_of(feed: ParsedFeed, now: datetime) -> str:
    """Return how often a feed publishes, by the dates of what it holds, "" where they do not tell."""
    dates = [item.published_at or item.updated_at for item in feed.items]
    return rhythm_said(rate_in(dates, now)) if sum(at is not None for at in dates) >= _LEAST_DATED else ""


def rhythm_said(rate: float) -> str:
    """Return a rate of items per hour as people say it: "about 3 items a day"; "" for none."""
    if rate <= 0:
        return ""
    hours, unit = next((one for one in _HOURS if rate * one[0] >= 1), _HOURS[-1])
    count = rate * hours
    if count < 1:
        return f"less than one item {unit}"
    return f"about {count:,.0f} {'item' if round(count) == 1 else 'items'} {unit}"


def asking_s(feed: ParsedFeed, fresh_s: float = 0.0) -> float:
    """Return how long a feed asks to be left alone between two polls, 0 where it asks for nothing."""
    return asked_s(fresh_s, feed.hints)
