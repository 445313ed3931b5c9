"""What the stages of the road work with, as one protocol: the pipeline is it, and hands itself to them; and where long work goes."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from bot.model import Hearing, Watch
    from bot.reading.matcher import Matcher
    from bot.store import Store
    from bot.web.fetch import Web
    from bot.web.own_headers import Headers
    from bot.workers import Workers

PUBLIC_FLOOR_S = 300.0
PAGE_LIMIT_S = 8.0
LONG = 1_000  # a text that is nothing but hits takes a hundred times as long as another

P = ParamSpec("P")
T = TypeVar("T")

# One thread: the interpreter runs one at a time anyway, and each more that wants it makes the event loop wait a turn longer.
_aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How feeds are polled and pages read; from the configuration.

    baseline: what a feed holds when it is first read is old (`run`); False: it counts as new (`try`). page_limit_s: how long a new
    item's page may take before the item is read with what the feed gave; patience_s: how much longer it may wait for its host's turn.
    own_headers: the secret headers of declared feeds, by address.
    """

    interval_s: float = PUBLIC_FLOOR_S
    full_text: str = "auto"
    per: str = "story"
    baseline: bool = True
    page_limit_s: float = PAGE_LIMIT_S
    patience_s: float = 0.0
    own_headers: Mapping[str, Headers] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What is watched, swapped whole when it changes: the watches, the matcher compiled from them, who hears which feed, and how."""

    watches: Sequence[Watch]
    matcher: Matcher
    audiences: Mapping[int, frozenset[int]] = field(default_factory=dict)
    hearings: Mapping[tuple[int, int], Hearing] = field(default_factory=dict)


class Means(Protocol):
    """What the stages work with. All may be replaced between two calls (a reload): a stage looks here each time, and keeps nothing."""

    store: Store
    web: Web
    workers: Workers
    watching: Watching
    habits: Habits

    @property
    def clock(self) -> Callable[[], datetime]:
        """Return what tells the time."""

    @property
    def notice(self) -> Callable[[str], None]:
        """Return who is told one line when a feed's trouble begins, changes or ends."""

    @property
    def chance(self) -> Callable[[], float]:
        """Return what gives a number from 0 to 1, new each time."""


async def without_stalling(size: int, step: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Return what a pure step gives; one with much to do (size: characters or bytes) goes to a thread, so that the event loop goes on.

    No single call into C of such a step may take long: it would keep the interpreter to itself all the same.
    """
    if size < LONG:
        return step(*args, **named)
    return await asyncio.get_running_loop().run_in_executor(_aside, partial(step, *args, **named))
