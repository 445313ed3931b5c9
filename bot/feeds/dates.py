"""The instants that feeds write in a hundred ways, in UTC. Says nothing about whether they are believable (identity.py). Pure."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# feedparser reads 2020/1/10 as the first of November.
_YEAR_FIRST = re.compile(
    r"(\d{4})([/.-])(\d{1,2})\2(\d{1,2})(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?\Z"
)


def instant_in(written: str, parsed: Sequence[int] | None = None) -> datetime | None:
    """Return the instant that is written, None where there is none. parsed: the same as another parser read it, in UTC."""
    written = written.strip()
    if found := _YEAR_FIRST.match(written):
        return _year_first(found)
    for read in (_from_struct, _from_iso, _from_rfc):
        try:
            at = read(written, parsed)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        if at is not None:
            return in_utc(at)
    return None


def in_utc(at: datetime) -> datetime | None:
    """Return the instant in UTC; a time without zone is taken for UTC. None where it leaves the calendar."""
    try:
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _from_struct(_: str, parsed: Sequence[int] | None) -> datetime | None:
    return datetime.fromtimestamp(calendar.timegm(tuple(parsed)), UTC) if parsed else None


def _from_iso(written: str, _: Sequence[int] | None) -> datetime:
    return datetime.fromisoformat(written)


def _from_rfc(written: str, _: Sequence[int] | None) -> datetime:
    return parsedate_to_datetime(written)


def _year_first(found: re.Match[str]) -> datetime | None:
    year, _, month, day, hour, minute, second, zone = found.groups()
    try:
        at = datetime(int(year), int(month), int(day), tzinfo=_zone(zone))
        at += timedelta(hours=int(hour or 0), minutes=int(minute or 0), seconds=int(second or 0))
    except (ValueError, OverflowError):
        return None
    return in_utc(at)


def _zone(written: str | None) -> timezone:
    if not written or written[0] not in "+-":
        return UTC
    offset = timedelta(hours=int(written[1:3]), minutes=int(written[-2:]))
    return timezone(-offset if written[0] == "-" else offset)
