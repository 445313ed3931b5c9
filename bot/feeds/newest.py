"""Which entries of a document that is too long are read. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENOUGH_DATED = 0.9
_UNDATED = datetime.max.replace(tzinfo=UTC)  # it may be today's; at most one in ten is such


def places_to_read(dates: Sequence[datetime | None], limit: int) -> tuple[int, ...]:
    """Return the places of the entries to read, ascending: the newest by date where nine in ten have one, else the first.

    dates: of all entries, in document order. Of those of one date the first count; one without a date counts as newer than all.
    """
    places = range(len(dates))
    if sum(date is not None for date in dates) >= _ENOUGH_DATED * len(dates):
        places_by_age = sorted(places, key=lambda place: dates[place] or _UNDATED, reverse=True)
        return tuple(sorted(places_by_age[:limit]))
    return tuple(places[:limit])


def cut_problem(places: Sequence[int], limit: int) -> str:
    """Return the sentence that says which entries of a cut document were read."""
    first = places == tuple(range(limit))
    return f"Only the {'first' if first else 'newest'} {limit:,} items were read."
