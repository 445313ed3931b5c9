"""When a feed is asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.feeds.timing import Pace, next_poll, rate_after, rate_in, start_spread_s
from bot.model import FeedHints

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)  # a Monday
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


def wait_s(
    *,
    pace: Pace | None = None,
    rate: float = 100.0,
    fresh_s: float = 0.0,
    hints: FeedHints | None = None,
    fail_count: int = 0,
    retry_after_s: float | None = None,
    chance: float = 0.0,
    failing_s: float = 0.0,
) -> float:
    at = next_poll(
        now=NOW,
        pace=pace or Pace(5 * MINUTE),
        rate=rate,
        fresh_s=fresh_s,
        hints=hints or FeedHints(),
        fail_count=fail_count,
        retry_after_s=retry_after_s,
        chance=chance,
        failing_s=failing_s,
    )
    return (at - NOW).total_seconds()


@pytest.mark.parametrize(("rate", "minutes"), [(100.0, 5), (4.2, 5), (0.7, 30), (0.35, 60), (0.01, 60), (0.0, 60)])
def test_a_feed_is_asked_as_often_as_it_has_news(rate: float, minutes: float) -> None:
    assert wait_s(rate=rate) == pytest.approx(minutes * MINUTE, abs=1)


def test_a_configured_interval_over_an_hour_holds() -> None:
    assert wait_s(pace=Pace(3 * HOUR), rate=100) == 3 * HOUR


@pytest.mark.parametrize(
    ("fresh_s", "hints", "expected_s"),
    [
        (12 * HOUR, FeedHints(), 12 * HOUR),
        (40 * DAY, FeedHints(), DAY),
        (60.0, FeedHints(ttl_s=2 * HOUR), 2 * HOUR),
        (0.0, FeedHints(period_s=6 * HOUR, ttl_s=60), 6 * HOUR),
        (-5.0, FeedHints(), 5 * MINUTE),
    ],
)
def test_what_the_feed_asks_for_is_honoured_up_to_a_day(fresh_s: float, hints: FeedHints, expected_s: float) -> None:
    assert wait_s(fresh_s=fresh_s, hints=hints) == expected_s


def test_errors_back_off_to_a_day_and_a_success_ends_it() -> None:
    waits = [wait_s(fail_count=count, chance=0.5) for count in (0, 1, 2, 5, 40)]
    assert waits == sorted(waits)
    assert waits[1] == pytest.approx(10 * MINUTE * 1.05)
    assert waits[-1] == pytest.approx(22.4 * HOUR)
    assert wait_s(rate=0, fail_count=40, chance=1) == DAY


def test_retry_after_is_a_floor_of_at_most_a_week() -> None:
    assert wait_s(retry_after_s=2 * HOUR) == 2 * HOUR
    assert wait_s(retry_after_s=10.0) == 5 * MINUTE
    assert wait_s(retry_after_s=100 * DAY) == 7 * DAY
    assert wait_s(pace=Pace(1.0, private=True), retry_after_s=9.0) == 9.0


def test_skipped_hours_and_days_are_left_alone() -> None:
    assert wait_s(hints=FeedHints(skip_hours=frozenset({7, 8}))) == 9 * HOUR - (7 * HOUR + 8 * MINUTE + 9)
    until_tuesday = wait_s(hints=FeedHints(skip_days=frozenset({0})), chance=0.5)
    assert (NOW + timedelta(seconds=until_tuesday)).weekday() == 1
    assert wait_s(hints=FeedHints(skip_hours=frozenset(range(24)))) == 5 * MINUTE


def test_a_private_feed_is_not_slowed_down_by_us_but_has_what_it_asks_for() -> None:
    pace = Pace(2.0, private=True)
    assert wait_s(pace=pace, rate=0) == 2.0
    assert wait_s(pace=pace, rate=0, chance=1) == 2.2
    assert wait_s(pace=pace, fresh_s=9.0) == 9.0
    assert wait_s(pace=pace, hints=FeedHints(ttl_s=HOUR)) == HOUR
    assert wait_s(pace=pace, hints=FeedHints(period_s=HOUR)) == HOUR
    assert wait_s(pace=pace, hints=FeedHints(skip_hours=frozenset({7}))) == HOUR - (8 * MINUTE + 9)


def test_a_private_feed_in_trouble_is_asked_again_within_minutes() -> None:
    pace = Pace(2.0, private=True)
    waits = [wait_s(pace=pace, fail_count=count, chance=1 / 3) for count in (1, 2, 5, 50)]
    assert waits == pytest.approx([4.0, 8.0, 64.0, 300.0])
    assert wait_s(pace=pace, fail_count=50, failing_s=90 * DAY) == 300.0
    assert wait_s(pace=Pace(900.0, private=True), fail_count=4) == 900.0


def test_a_feed_that_failed_for_a_month_is_asked_once_a_week() -> None:
    assert wait_s(fail_count=40, failing_s=29 * DAY, chance=1) == DAY
    assert wait_s(fail_count=40, failing_s=30 * DAY) == 7 * DAY


def test_what_counts_as_lasting_is_a_day_and_for_private_hosts_an_interval() -> None:
    assert Pace(5 * MINUTE).lasting_s == DAY
    assert Pace(1.0, private=True).lasting_s == 1.0
    assert Pace(3 * DAY, private=True).lasting_s == DAY


@given(
    st.floats(0, 1e6), st.floats(-1e3, 1e9), st.floats(0, 1), st.floats(0, 1e7), st.integers(0, 2_000), st.booleans()
)
@settings(max_examples=200, deadline=None)
def test_no_feed_is_asked_early_or_forgotten(
    rate: float,
    fresh_s: float,
    chance: float,
    ttl_s: float,
    fail_count: int,
    private: bool,  # noqa: FBT001 - drawn
) -> None:
    wait = wait_s(
        pace=Pace(5 * MINUTE, private=private),
        rate=rate,
        fresh_s=fresh_s,
        hints=FeedHints(ttl_s=ttl_s),
        fail_count=fail_count,
        chance=chance,
    )
    assert 5 * MINUTE <= wait <= 1.1 * DAY + 1


def test_the_rate_forgets_half_in_a_week() -> None:
    assert rate_after(4.0, new_items=0, elapsed_s=7 * DAY) == pytest.approx(2.0)
    assert rate_after(1.5, new_items=3, elapsed_s=0) == 1.5
    rate = 0.0
    for _ in range(24 * 60):
        rate = rate_after(rate, new_items=2, elapsed_s=HOUR)
    assert rate == pytest.approx(2.0, rel=0.01)


def test_the_first_document_shows_a_rate_by_its_dates() -> None:
    dates = [NOW - timedelta(hours=hours) for hours in range(1, 11)]
    assert rate_in(dates, NOW) == pytest.approx(1.0)
    assert rate_in([NOW], NOW) == 1.0
    assert rate_in([None, NOW + timedelta(hours=1)], NOW) == 0.0
    assert rate_in([], NOW) == 0.0


def test_overdue_feeds_are_spread_over_the_start() -> None:
    assert start_spread_s(0, 1, chance=1.0) == 0.0
    starts = [start_spread_s(place, 1_000, chance=0.5) for place in range(1_000)]
    assert starts == sorted(starts)
    assert starts[-1] <= 300
    assert start_spread_s(2, 3, chance=0.0) == pytest.approx(8 / 3)
