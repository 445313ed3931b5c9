"""When a feed is asked again: by its own pace, what it asks for, its errors, and what its host demanded. Pure.

Randomness comes in as a number from 0 to 1, so that the same arguments give the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.model import FeedHints

_HOUR_S = 3_600.0
_DAY_S = 86_400.0
LIMIT_FRESH_S = _DAY_S
LIMIT_BACK_OFF_S = _DAY_S
LIMIT_RETRY_AFTER_S = 7 * _DAY_S
_LIMIT_PRIVATE_S = 300.0
_PROBE_S = 7 * _DAY_S
_PROBED_AFTER_S = 30 * _DAY_S
_QUIET_S = _HOUR_S
_ITEMS_PER_POLL = 0.35  # a poll finds a third of an item on average: 5 minutes at 4.2 items an hour
_HALF_LIFE_S = 7 * _DAY_S
_START_WINDOW_S = 300.0
_HOURS_A_WEEK = 7 * 24


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a feed may be asked. min_s: its configured interval, the shortest. private: an allow_private host.

    There the interval holds without our own slowing down; what the server asks for is heeded all the same.
    """

    min_s: float
    private: bool = False

    @property
    def lasting_s(self) -> float:
        """For how long a 410, a redirect or a failure must last to be taken for lasting: a day; of private hosts, an interval."""
        return min(self.min_s, _DAY_S) if self.private else _DAY_S


def next_poll(
    *,
    now: datetime,
    pace: Pace,
    rate: float,
    fresh_s: float,
    hints: FeedHints,
    fail_count: int,
    retry_after_s: float | None,
    chance: float,
    failing_s: float = 0.0,
) -> datetime:
    """Return when the feed is due again.

    rate: new items per hour. fresh_s: how long the last answer stays fresh (max-age, Expires), honoured up to a day. fail_count:
    errors in a row, 0 after a success, for failing_s now. retry_after_s: a floor, up to 7 days. chance: 0 to 1; it spreads polls, only
    ever later.
    """
    wait_s = max(pace.min_s if pace.private else _own_s(pace, rate), min(asked_s(fresh_s, hints), LIMIT_FRESH_S))
    if fail_count <= 0:
        wait_s *= 1 + 0.1 * chance
    elif failing_s >= _PROBED_AFTER_S and not pace.private:
        wait_s = _PROBE_S * (1 + 0.1 * chance)
    else:
        limit_s = max(_LIMIT_PRIVATE_S if pace.private else LIMIT_BACK_OFF_S, wait_s)
        wait_s = min(wait_s * 2.0 ** min(fail_count, 8) * (0.9 + 0.3 * chance), limit_s)
    floor_s = min(max(retry_after_s or 0.0, 0.0), LIMIT_RETRY_AFTER_S)
    return _past_skipped(now + timedelta(seconds=max(wait_s, floor_s)), hints, chance)


def asked_s(fresh_s: float, hints: FeedHints) -> float:
    """Return how long a feed asks to be left alone between two polls, 0 where it asks for nothing."""
    return max(fresh_s, hints.ttl_s, hints.period_s, 0.0)


def rate_after(rate: float, *, new_items: int, elapsed_s: float) -> float:
    """Return the rate in items per hour after a poll that found so many new items since the last; half-life 7 days."""
    if elapsed_s <= 0:
        return rate
    kept: float = 0.5 ** (elapsed_s / _HALF_LIFE_S)
    return rate * kept + (1 - kept) * new_items * _HOUR_S / elapsed_s


def rate_in(published: Sequence[datetime | None], now: datetime) -> float:
    """Return the rate that a feed's first document shows by its dates, in items per hour, 0 where it shows none.

    Without it a busy feed would be asked once an hour for its first days.
    """
    ages_s = [(now - at).total_seconds() for at in published if at is not None and at <= now]
    return len(ages_s) * _HOUR_S / max(*ages_s, _HOUR_S) if ages_s else 0.0


def start_spread_s(place: int, count: int, *, chance: float) -> float:
    """Return after how many seconds the place-th (from 0) of `count` overdue feeds is asked at the start: 2 s apart, within 5 minutes."""
    window_s = min(_START_WINDOW_S, 2.0 * (count - 1))
    return window_s * (place + chance) / count if count else 0.0


def _own_s(pace: Pace, rate: float) -> float:
    """Return how often a feed is worth asking by what it holds, never more often than it may be."""
    wanted_s = _ITEMS_PER_POLL / rate * _HOUR_S if rate > 0 else _QUIET_S
    return min(max(wanted_s, pace.min_s), max(_QUIET_S, pace.min_s))


def _past_skipped(at: datetime, hints: FeedHints, chance: float) -> datetime:
    """Push the time out of the hours and days (GMT) in which the feed asks to be left alone; one that skips all is not heard."""
    moved = at
    for _ in range(_HOURS_A_WEEK + 1):
        if moved.hour not in hints.skip_hours and moved.weekday() not in hints.skip_days:
            return moved
        # Not on the hour itself: every reader of that feed is waiting for it.
        moved = moved.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1, seconds=_START_WINDOW_S * chance)
    return at
