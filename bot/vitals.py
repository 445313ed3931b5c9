"""What this process has done since it began, in memory: plain numbers for /status, the heartbeat and the metrics.

Rooms below add to it, rooms above read it. It stores, sends and decides nothing; what must survive is in the database.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bot.model import Delivery, Poll, Reading

Stage = Literal["poll", "read", "deliver"]
Outcome = Literal["sent", "refused", "given_up", "in_doubt"]

QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
SLOW_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 3600.0)


class Spread:
    """How long something took, all times together: how many up to each bound, and their sum."""

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds

    def up_to(self) -> list[tuple[float, int]]:
        """Return how many took up to each bound; the last bound is infinite."""
        total, rows = 0, []
        for bound_s, count in zip((*self.bounds_s, float("inf")), self.counts, strict=True):
            total += count
            rows.append((bound_s, total))
        return rows


@dataclass(slots=True)
class Vitals:
    """The numbers. done_s, ticked_s: when a stage last committed something, and when its loop last came round (monotonic).

    store_fault: why the last commit failed, "" where it did not.
    """

    began_s: float = field(default_factory=time.monotonic)
    polls: Counter[str] = field(default_factory=Counter)
    items: int = 0
    readings: Counter[str] = field(default_factory=Counter)
    matches: int = 0
    alerts: int = 0
    edits: int = 0
    deliveries: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    owed_to_posted: Spread = field(default_factory=lambda: Spread(SLOW_S))
    commits: Spread = field(default_factory=lambda: Spread(QUICK_S))
    store_faults: int = 0
    store_fault: str = ""
    loop_lag: Spread = field(default_factory=lambda: Spread(QUICK_S))
    done_s: dict[Stage, float] = field(default_factory=dict)
    ticked_s: dict[str, float] = field(default_factory=dict)

    @property
    def uptime_s(self) -> float:
        """How long this process runs."""
        return time.monotonic() - self.began_s

    def idle_s(self, stage: Stage) -> float:
        """Return how long ago a stage last committed something, at most since the start."""
        return time.monotonic() - self.done_s.get(stage, self.began_s)

    def still_s(self) -> float:
        """Return how long ago the slowest of the scheduler's loops came round; 0 before they run."""
        return time.monotonic() - min(self.ticked_s.values(), default=time.monotonic())

    def tick(self, loop: str) -> None:
        """Note that one of the scheduler's loops came round."""
        self.ticked_s[loop] = time.monotonic()

    def polled(self, poll: Poll, new: int) -> None:
        """Count a poll: changed, unchanged, failed, or put_off where its host rests and was not even asked."""
        if poll.entries is not None:
            outcome = "changed"
        elif poll.feed.last_poll_at != poll.polled_at:
            outcome = "put_off"
        else:
            outcome = "failed" if poll.feed.fail_count else "unchanged"
        self.polls[outcome] += 1
        self.items += new
        self.done_s["poll"] = time.monotonic()

    def read(self, reading: Reading) -> None:
        """Count a reading by which text it is of."""
        self.readings[reading.article.kind] += 1
        self.matches += len(reading.matches.matches)
        self.alerts += len(reading.alerts)
        self.edits += len(reading.edits)
        self.done_s["read"] = time.monotonic()

    def delivered(self, delivery: Delivery, outcome: Outcome, *, after_s: float | None = None) -> None:
        """Count what became of a delivery. after_s: how long it was owed before it was posted."""
        self.deliveries[delivery.kind, outcome] += 1 + len(delivery.others)
        if after_s is not None and delivery.kind == "post":
            self.owed_to_posted.add(max(after_s, 0.0))
        self.done_s["deliver"] = time.monotonic()

    def committed(self, seconds: float, fault: str) -> None:
        """Count a commit of the store. fault: why it failed, "" where it did not."""
        self.commits.add(seconds)
        self.store_faults += bool(fault)
        self.store_fault = fault
