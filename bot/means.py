"""What the stages of the road work with, as one protocol: the pipeline is it, and hands itself to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from bot.model import Watch
    from bot.reading.matcher import Matcher
    from bot.store import Store
    from bot.web.fetch import Web
    from bot.web.own_headers import Headers
    from bot.workers import Workers

PUBLIC_FLOOR_S = 300.0
PAGE_LIMIT_S = 8.0


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
    """What is watched, swapped whole when it changes: the watches, the matcher compiled from them, who hears which feed."""

    watches: Sequence[Watch]
    matcher: Matcher
    audiences: Mapping[int, frozenset[int]] = field(default_factory=dict)


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
