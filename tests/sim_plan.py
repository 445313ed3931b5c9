"""What befalls one simulated bot, all of it drawn from one seed: news, troubles, and how each life ends. No test itself."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sim_life import Kill

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = ("alpha", "beta", "gamma", "delta")
WATCHES: dict[str, tuple[frozenset[str], tuple[int, int]]] = {
    "A": (frozenset({"alpha"}), (101, 0)),
    "B": (frozenset({"beta"}), (102, 0)),
    "C": (frozenset({"gamma"}), (103, 7)),
    "D": (frozenset({"alpha", "delta"}), (101, 0)),
}
"""By name: the words of which one must stand there, and the channel and thread that are told."""
PLACES = (101, 102, 7)
REQUEST_FATES = ("unreached", "lost", "lost", "5xx", "5xx accepted", "429", "slow", "slow answer")


@dataclass(frozen=True)
class Story:
    """One article. twin: another feed that has it too. words: of the feed's text; late_words: that an edit adds; page_words: only there."""

    number: int
    feed: int
    at_s: float
    words: frozenset[str]
    page_words: frozenset[str] = frozenset()
    twin: int | None = None
    edited_s: float | None = None
    late_words: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """The headline."""
        return f"Item {self.number} of today"

    @property
    def feeds(self) -> tuple[int, ...]:
        """The feeds that have it."""
        return (self.feed,) if self.twin is None else (self.feed, self.twin)

    def text_words(self, now_s: float) -> frozenset[str]:
        """Return what the feed's text holds by then."""
        return self.words | (self.late_words if self.edited_s is not None and self.edited_s <= now_s else frozenset())


@dataclass(frozen=True)
class End:
    """How a life ends: by a kill, or orderly after so many seconds; and for how long the bot is away then."""

    away_s: float
    kill: Kill | None = None
    after_s: float = math.inf


@dataclass(frozen=True)
class Plan:
    """All of it. troubles: what is wrong from when to when. jumps: when the bot's clock is set, and by how much."""

    seed: int
    private: bool
    interval_s: float
    length_s: float
    feeds: int
    stories: tuple[Story, ...]
    troubles: tuple[tuple[str, float, float], ...]
    jumps: tuple[tuple[float, float], ...]
    flips: tuple[float, ...]
    ends: tuple[End, ...]
    fault_share: float
    nonce_s: float
    deleted_share: float


def plan_for(seed: int) -> Plan:
    """Return what is drawn from a seed."""
    chance = random.Random(seed)
    private = chance.random() < 0.4
    length_s = chance.uniform(1500, 3600) if private else chance.uniform(3600, 9000)
    feeds = chance.randint(1, 3)
    flips = tuple(chance.uniform(0, length_s) if chance.random() < 0.3 else math.inf for _ in range(feeds))
    jumps: tuple[tuple[float, float], ...] = ()
    if chance.random() < 0.2:
        jumps = ((chance.uniform(60, length_s), chance.choice((-86400.0, 86400.0, 3600.0, -3600.0))),)
    return Plan(
        seed=seed,
        private=private,
        interval_s=60.0 if private else 300.0,
        length_s=length_s,
        feeds=feeds,
        stories=_stories(chance, length_s, feeds),
        troubles=_troubles(chance, length_s, feeds),
        jumps=jumps,
        flips=flips,
        ends=_ends(chance, length_s),
        fault_share=chance.choice((0.0, 0.1, 0.3, 0.6)),
        nonce_s=chance.choice((120.0, 300.0, 900.0)),
        deleted_share=chance.choice((0.0, 0.0, 0.1)),
    )


def _stories(chance: random.Random, length_s: float, feeds: int) -> tuple[Story, ...]:
    def words(most: int) -> frozenset[str]:
        return frozenset(chance.sample(WORDS, chance.randint(0, most)))

    stories = [Story(number, number % feeds, 0.0, words(2)) for number in range(2 * feeds)]
    times = sorted(chance.uniform(30, length_s) for _ in range(chance.randint(3, 14)))
    if chance.random() < 0.1:
        times += [times[-1]] * 20
    for at_s in times:
        feed = chance.randrange(feeds)
        twin = chance.choice([None, None, *(one for one in range(feeds) if one != feed)])
        edited_s = at_s + chance.uniform(10, 3000) if chance.random() < 0.25 else None
        page_words = words(1) if chance.random() < 0.3 else frozenset()
        late_words = words(1) if edited_s else frozenset()
        stories.append(Story(len(stories), feed, at_s, words(2), page_words, twin, edited_s, late_words))
    return tuple(stories)


def _troubles(chance: random.Random, length_s: float, feeds: int) -> tuple[tuple[str, float, float], ...]:
    troubles: list[tuple[str, float, float]] = []

    def perhaps(share: float, name: str, spans_s: Sequence[float]) -> None:
        if chance.random() < share:
            from_s = chance.uniform(0, length_s)
            troubles.append((name, from_s, min(from_s + chance.choice(spans_s), length_s)))

    for kind in ("full", "locked", "ioerr"):
        perhaps(0.2, kind, (2.0, 20.0, 120.0, 1200.0))
    for place in PLACES:
        perhaps(0.15, f"closed {place}", (60.0, 1500.0))
        perhaps(0.15, f"history {place}", (600.0, math.inf))
    if chance.random() < 0.05:
        troubles.append((f"gone {chance.choice(PLACES)}", chance.uniform(0, length_s), math.inf))
    for feed in range(feeds):
        perhaps(0.3, f"feed {feed}", (60.0, 900.0))
    perhaps(0.3, "pages", (60.0, 1500.0))
    return tuple(troubles)


def _ends(chance: random.Random, length_s: float) -> tuple[End, ...]:
    ends = []
    for _ in range(chance.choice((0, 1, 1, 2, 3, 4))):
        away_s = chance.choice((0.1, 2.0, 30.0, 200.0, 1800.0))
        if chance.random() < 0.25:
            ends.append(End(away_s, after_s=chance.uniform(0, length_s / 2)))
            continue
        seam, most = chance.choice(
            (("store", 400.0), ("store", 60.0), ("web", 25.0), ("outlet", 12.0), ("outlet", 12.0))
        )
        whens = {
            "store": ("before", "inside", "after"),
            "web": ("before", "after"),
            "outlet": ("before", "accepted", "accepted"),
        }
        nth = round(math.exp(chance.uniform(0, math.log(most))))
        ends.append(End(away_s, kill=Kill(seam, chance.choice(whens[seam]), nth)))  # type: ignore[arg-type]  # as above
    return tuple(ends)
