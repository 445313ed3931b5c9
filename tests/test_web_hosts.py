"""Turns by a clock of the test's own, and the header readings that any bytes must survive."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from bot.errors import FetchError
from bot.web.headers import fresh_s, retry_after_s, skew_s, timestamp_for, validator
from bot.web.hosts import HostGate, host_key


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 50.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, delay_s: float) -> None:
        self.now += delay_s
        await asyncio.sleep(0)


def gate_for(time: Time, *, gap_s: float = 1.0, slots: int = 1) -> HostGate:
    return HostGate(gap_s=gap_s, slots=slots, monotonic=time.monotonic, sleep=time.sleep)


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(10):
        await asyncio.sleep(0)


async def starts(gate: HostGate, time: Time, host: str, count: int) -> list[float]:
    seen: list[float] = []

    async def one() -> None:
        async with gate.turn(host):
            seen.append(time.now)

    await asyncio.gather(*(one() for _ in range(count)))
    return seen


async def test_starts_are_a_gap_apart_and_the_first_is_at_once() -> None:
    time = Time()
    assert await starts(gate_for(time), time, "a.example", 4) == [50.0, 51.0, 52.0, 53.0]


async def test_hosts_do_not_wait_for_each_other() -> None:
    time = Time()
    gate = gate_for(time)
    await starts(gate, time, "a.example", 2)
    at = time.now
    assert await starts(gate, time, "b.example", 1) == [at]


async def test_the_wait_counts_the_pause_and_those_who_wait_already() -> None:
    time = Time()
    gate = gate_for(time, gap_s=2.0)
    assert gate.wait_s("a.example") == 0.0
    async with gate.turn("a.example"):
        assert gate.wait_s("a.example") == 2.0
        waiting = asyncio.create_task(starts(gate, time, "a.example", 1))
        await settle()
        assert gate.wait_s("a.example") == 4.0
        time.now += 0.5
        assert gate.wait_s("a.example") == 3.5
    assert await waiting == [52.0]
    time.now += 10
    assert gate.wait_s("a.example") == 0.0


async def test_turns_are_taken_in_the_order_of_asking() -> None:
    time = Time()
    gate = gate_for(time)
    order: list[int] = []

    async def one(number: int) -> None:
        async with gate.turn("a.example"):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(one(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_a_rest_holds_everybody_and_the_longer_one_stays() -> None:
    time = Time()
    gate = gate_for(time)
    gate.rest("a.example", 60)
    gate.rest("a.example", 10)
    with pytest.raises(FetchError) as caught:
        async with gate.turn("a.example", patience_s=59):
            pass
    assert (caught.value.reason, caught.value.retry_after_s) == ("resting", 60.0)
    assert "a.example" in str(caught.value)
    assert await starts(gate, time, "a.example", 1) == [110.0]


async def test_who_waits_only_for_short_rests_is_refused_at_once_when_a_long_one_begins() -> None:
    gate = HostGate(gap_s=0.0, slots=1, monotonic=lambda: 50.0)

    async def one() -> None:
        async with gate.turn("a.example", rest_limit_s=30.0):
            pass

    async with gate.turn("a.example"):
        waiting = [asyncio.create_task(one()) for _ in range(3)]
        await settle()
        gate.rest("a.example", 30.0)
        await settle()
        assert not any(task.done() for task in waiting)
        gate.rest("a.example", 31.0)
        gate.rest("a.example", 90.0)
        caught = await asyncio.gather(*waiting, return_exceptions=True)
    assert [(error.reason, error.retry_after_s) for error in caught if isinstance(error, FetchError)] == [
        ("resting", 90.0)
    ] * 3
    with pytest.raises(FetchError):
        await one()
    assert gate._hosts["a.example"].hurried == {}


async def test_a_short_rest_is_waited_for() -> None:
    time = Time()
    gate = gate_for(time)
    gate.rest("a.example", 30.0)
    async with gate.turn("a.example", rest_limit_s=30.0):
        assert time.now == 80.0


async def test_two_strikes_in_a_row_make_a_rest_and_forgiveness_breaks_the_row() -> None:
    gate = gate_for(Time())
    gate.forgive("a.example")
    gate.strike("a.example")
    gate.forgive("a.example")
    gate.strike("a.example")
    assert gate.wait_s("a.example") == 0.0
    gate.strike("a.example")
    assert gate.wait_s("a.example") == 6 * 3_600.0


async def test_a_waiter_that_is_cancelled_or_a_turn_that_fails_leaves_the_gate_usable() -> None:
    time = Time()
    gate = gate_for(time, gap_s=0.0)
    with pytest.raises(RuntimeError, match="boom"):  # noqa: PT012  the turn is held while the others are cancelled
        async with gate.turn("a.example"):
            waiting = [asyncio.create_task(starts(gate, time, "a.example", 1)) for _ in range(3)]
            await settle()
            waiting[0].cancel()
            waiting[1].cancel()
            await settle()
            raise RuntimeError("boom")
    assert await waiting[2] == [50.0]
    assert gate.wait_s("a.example") == 0.0
    assert await starts(gate, time, "a.example", 2) == [50.0, 50.0]


async def test_a_gate_forgets_hosts_that_nobody_uses() -> None:
    time = Time()
    gate = gate_for(time)
    gate.rest("resting.example", 1_000_000)
    for number in range(9_000):
        time.now += 2
        await starts(gate, time, f"{number}.example", 1)
    assert len(gate._hosts) < 4_200
    assert gate.wait_s("resting.example") > 0


def test_a_host_is_its_name_without_www_and_a_named_one_counts_per_port() -> None:
    assert host_key(URL("https://www.News.example./a"), named=False) == "news.example"
    assert host_key(URL("http://news.example:8080/"), named=False) == "news.example"
    assert host_key(URL("http://localhost:8811/"), named=True) == "localhost:8811"


# --- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_the_three_forms_of_an_http_date_are_the_same_moment(form: str) -> None:
    assert timestamp_for(form) == 784_111_777.0


NAMES = st.sampled_from(["Cache-Control", "Age", "Expires", "Date", "Retry-After", "ETag"])
VALUES = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        ["max-age=" + "9" * 5_000, "9" * 5_000, "Sun, 06 Nov 99999 08:49:37 GMT", "Sun, 06 Nov 0001 00:00:00 +2359"]
    ),
    st.from_regex(r"(max-age=)?[0-9]{1,15}", fullmatch=True),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # the first run builds tables of characters
@given(st.dictionaries(NAMES, VALUES))
def test_any_header_gives_a_sane_number_or_nothing(headers: dict[str, str]) -> None:
    assert 0 <= fresh_s(headers) <= 365 * 86_400
    wait_s = retry_after_s(headers, 1_772_712_000.0)
    assert wait_s is None or 0 <= wait_s <= 7 * 86_400
    skew = skew_s(headers, 1_772_712_000.0)
    assert skew is None or abs(skew) < 1e12
    tag = validator(headers, "ETag")
    assert tag is None or (tag == headers["ETag"] and tag.encode())
