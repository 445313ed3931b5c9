"""Whether the engine is well: one plain sentence for each thing that is not. Asks the store a small question or three; changes nothing.

Two things are told apart. What a restart may cure is a standstill: the loops of the scheduler come round no more. What it cannot cure
(a full disk, Discord away) is a trouble all the same, but no reason to be killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.errors import StoreError
from bot.plurals import counted

if TYPE_CHECKING:
    from datetime import datetime

    from bot.store import Backlog, Store
    from bot.vitals import Stage

STILL_S = 180.0  # the loops nap for a minute at most
OVERDUE_S = 600.0
AWAY_S = 600.0
STAGES: tuple[Stage, ...] = ("poll", "read", "deliver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the engine is. troubles: none, and all is well. moving: the loops come round. round_over: what was due was polled."""

    troubles: tuple[str, ...] = ()
    moving: bool = True
    round_over: bool = False

    @property
    def line(self) -> str:
        """All of it in one line."""
        return "; ".join(self.troubles) or "all is well"


async def health_of(store: Store, *, now: datetime, away_s: float) -> Health:
    """Return how the engine on this store is. away_s: for how long Discord is away, 0 where it is not or is not needed."""
    vitals, troubles = store.vitals, []
    still_s = vitals.still_s()
    if still_s > STILL_S:
        troubles.append(f"the scheduler stands still since {minutes(still_s)}")
    if vitals.store_fault:
        troubles.append(f"the store refuses to be written: {vitals.store_fault}")
    if away_s > AWAY_S:
        troubles.append(f"Discord is away since {minutes(away_s)}")
    round_over = "poll" in vitals.done_s
    try:
        next_delivery_at = await store.next_delivery_at()
        if not round_over or max(vitals.idle_s(stage) for stage in STAGES) > OVERDUE_S:  # else nothing can be stuck
            next_poll_at = await store.next_poll_at()
            round_over = round_over or next_poll_at is None or next_poll_at > now
            troubles += _stuck(store, await store.backlog(), next_poll_at, next_delivery_at, now)
    except StoreError as error:
        troubles.append(f"the store cannot be read: {error}")
    return Health(troubles=tuple(troubles), moving=still_s <= STILL_S, round_over=round_over)


def _stuck(
    store: Store, ahead: Backlog, next_poll_at: datetime | None, next_delivery_at: datetime | None, now: datetime
) -> list[str]:
    """Return a sentence for each stage that has had something to do for ten minutes and did nothing in that time."""
    vitals, since = store.vitals, now - timedelta(seconds=OVERDUE_S)
    idle = {stage: vitals.idle_s(stage) for stage in STAGES}
    found = []
    if next_poll_at is not None and next_poll_at < since and idle["poll"] > OVERDUE_S:
        found.append(f"feeds are due and none was polled for {minutes(idle['poll'])}")
    if ahead.to_read_since_at is not None and ahead.to_read_since_at < since and idle["read"] > OVERDUE_S:
        found.append(f"{ahead.to_read} items wait and none was read for {minutes(idle['read'])}")
    if next_delivery_at is not None and next_delivery_at < since and idle["deliver"] > OVERDUE_S:
        found.append(f"{ahead.pending} alerts are owed and none was settled for {minutes(idle['deliver'])}")
    return found


def minutes(seconds: float) -> str:
    """Return "1 minute", "12 minutes"."""
    return counted(max(1, round(seconds / 60)), "minute")
