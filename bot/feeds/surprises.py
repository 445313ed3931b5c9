"""What is odd about the entries of a document: a flood of old ones, a gap before them, a time away, ids that change each time. Pure.

It holds nothing back and tells nobody: it says what is so, and the stage that asks feeds acts on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.feeds.identity import believable
from bot.feeds.timing import LIMIT_FRESH_S, asked_s

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.model import Feed, FeedItem, Sorted

FLOOD_ITEMS = 20
SETTLED = timedelta(days=7)
GAP_ITEMS = 3
MOST_MISSED = 10_000
CHURNS = 3
AWAY_S = 1_800.0
_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What a document's entries came to.

    entries: those it lists. new: of them. held: of the new, held back. missed: how many may have come and gone unseen, 0: no gap.
    churns: documents in a row, up to this one, whose items had new ids. is_known: at least half of what it lists was known. put_off: it
    holds an edit that is left for a later poll.
    """

    entries: int = 0
    new: int = 0
    held: int = 0
    missed: int = 0
    churns: int = 0
    newest_at: datetime | None = None
    is_known: bool = True
    put_off: bool = False


def harvest_of(feed: Feed, items: Sequence[FeedItem], entries: Sorted, *, at: datetime) -> Harvest:
    """Return what a whole document came to. entries: sorted, floods held back already."""
    new, listed = len(entries.new), len(entries.seen)
    dates = [date for one in items if (date := believable(one.published_at, at))]
    held = sum(one.held for one in entries.new)
    churning = listed >= GAP_ITEMS and 2 * len(entries.moved) >= listed
    return Harvest(
        entries=listed,
        new=new,
        held=held,
        missed=0 if held else _missed(feed, entries, at),
        churns=feed.health.churns if guids_change(feed) else feed.health.churns + 1 if churning else 0,
        newest_at=max(dates, default=None),
        is_known=feed.subscribed_at is not None and 2 * (listed - new) >= listed,
        put_off=entries.put_off,
    )


def guids_change(feed: Feed) -> bool:
    """Return whether a feed gives its items new ids each time, so that links and titles have to tell them apart."""
    return feed.health.churns >= CHURNS


def hold_flood(feed: Feed, entries: Sorted, *, at: datetime) -> Sorted:
    """Return the entries with all new ones held back where they are a flood.

    A flood: more than 20, and than half of the document, on a feed heard for a week, most of them older than what was known.
    """
    new = entries.new
    settled = feed.subscribed_at is not None and at - feed.subscribed_at >= SETTLED
    if not settled or len(new) <= FLOOD_ITEMS or 2 * len(new) <= len(entries.seen):
        return entries
    newest_at = feed.health.newest_at
    dates = [believable(one.entry.published_at, at) for one in new]
    older = sum(date is not None and newest_at is not None and date < newest_at for date in dates)
    if 2 * older <= len(new):
        return entries
    return replace(entries, new=tuple(replace(one, held=one.to_read, to_read=False) for one in new))


def mark_missed(feed: Feed, entries: Sorted, *, at: datetime) -> Sorted:
    """Return the entries with when those were published that came while the feed could not be asked, because of us or of it.

    Only after a pause that is longer than it asks for, and than ours between two polls.
    """
    asks_s = max(min(asked_s(feed.health.fresh_s, feed.hints), LIMIT_FRESH_S), feed.interval_s or 0.0, _HOUR_S)
    ok_at = feed.last_ok_at
    if feed.subscribed_at is None or ok_at is None or (at - ok_at).total_seconds() < 1.1 * asks_s + AWAY_S:
        return entries
    dates = [believable(one.entry.published_at, at) for one in entries.new]
    new = [
        replace(one, missed_at=date if date and date > ok_at else None)
        for one, date in zip(entries.new, dates, strict=True)
    ]
    return replace(entries, new=tuple(new))


def _missed(feed: Feed, entries: Sorted, at: datetime) -> int:
    """Return how many items may have come and gone between two documents that share none, 0 where they share one."""
    new = entries.new
    if feed.subscribed_at is None or len(new) < max(len(entries.seen), GAP_ITEMS):
        return 0
    newest_at = feed.health.newest_at
    dates = sorted(date for one in new if (date := believable(one.entry.published_at, at)))
    span_s = (dates[-1] - dates[0]).total_seconds() if dates else 0.0
    if newest_at is not None and span_s > 0 and dates[0] > newest_at:
        wanted = (dates[0] - newest_at).total_seconds() * (len(dates) - 1) / span_s
    else:
        elapsed_s = (at - (feed.last_ok_at or at)).total_seconds()
        wanted = feed.rate * elapsed_s / _HOUR_S - len(new)
    return min(max(math.ceil(wanted), 1), MOST_MISSED)
