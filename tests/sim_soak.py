"""Days of load in virtual time, without a fault: what stays behind of it in memory, open files and tasks. No test itself."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import random
import sys
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil

from tests.sim_judge import rows
from tests.sim_life import NAME, Life
from tests.sim_loop import VirtualLoop
from tests.sim_plan import WORDS, End, Story, plan_for
from tests.sim_run import _lived
from tests.sim_world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim_plan import Plan

SHOWN_ITEMS = 50
HOUR_S = 3600.0


@dataclass(frozen=True)
class Sample:
    """How the process stands at an hour. objects: of Python's own allocation, in blocks."""

    hour: float
    items: int
    rss_bytes: int
    objects: int
    files: int
    tasks: int


class SteadyWorld(World):
    """A world whose documents hold the newest items alone, and which forgets what it has seen of the bot."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._of_feed: dict[int, list[Story]] = defaultdict(list)
        for story in self.plan.stories:
            self._of_feed[story.feed].append(story)

    def published(self, feed: int) -> list[Story]:
        """Return what a document lists now."""
        there = self._of_feed[feed]
        end = bisect_right(there, self.now_s, key=lambda story: story.at_s)
        return there[max(0, end - SHOWN_ITEMS) : end]

    def forget(self) -> None:
        """Let go of what a real world would not hold in this process."""
        self.trace.clear()
        self.polls.clear()
        self.discord.messages.clear()
        self.discord.asked.clear()


def steady_plan(hours: float, feeds: int, per_hour: float) -> Plan:
    """Return a plan in which nothing goes wrong and much is published."""
    chance = random.Random(23)
    times = sorted(chance.uniform(0, hours * HOUR_S) for _ in range(round(hours * feeds * per_hour)))
    stories = tuple(
        Story(number, chance.randrange(feeds), at_s, frozenset(chance.sample(WORDS, chance.randint(0, 2))))
        for number, at_s in enumerate(times)
    )
    calm = replace(
        plan_for(0), private=False, interval_s=300.0, feeds=feeds, stories=stories, troubles=(), jumps=(), ends=()
    )
    return replace(calm, length_s=hours * HOUR_S, flips=(math.inf,) * feeds, fault_share=0.0, deleted_share=0.0)


def soak(
    *,
    hours: float,
    every_h: float,
    feeds: int = 10,
    per_hour: float = 5.0,
    tell: Callable[[Sample], None] = lambda _: None,
) -> list[Sample]:
    """Return how the process stood every so many hours."""
    world, samples = SteadyWorld(steady_plan(hours, feeds, per_hour), random.Random(0)), list[Sample]()
    with TemporaryDirectory() as folder:
        place, loop = Path(folder) / "0", VirtualLoop(0.0)
        place.mkdir()
        world.loop = loop
        life = Life(0, world, loop, place, place / "nothing", random.Random(0))

        def look() -> None:
            world.forget()
            gc.collect()
            process = psutil.Process()
            samples.append(
                Sample(
                    hour=loop.time() / HOUR_S,
                    items=int(rows(place / NAME, "SELECT COUNT(*) FROM items")[0][0]),
                    rss_bytes=process.memory_info().rss,
                    objects=sys.getallocatedblocks(),
                    files=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names are enough
                    tasks=len(asyncio.all_tasks(loop)),
                )
            )
            tell(samples[-1])
            loop.call_later(every_h * HOUR_S, look)

        loop.call_later(every_h * HOUR_S, look)
        _lived(life, End(0.0, after_s=hours * HOUR_S - 1))
    return samples
