"""What answer headers say: freshness, Retry-After, dates, validators. Pure; a header that makes no sense says nothing."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRY_AFTER_LIMIT_S = 7 * 86_400.0
RETRY_UNSAID_S = 30 * 60.0
_FRESH_LIMIT_S = 365 * 86_400.0
_MAX_AGE = re.compile(r'(?:^|,)\s*max-age\s*=\s*"?([0-9]{1,12})"?\s*(?=,|$)', re.IGNORECASE)
_NO_STORE = re.compile(r"(?:^|,)\s*no-(?:store|cache)\s*(?=,|$)", re.IGNORECASE)
_SECONDS = re.compile(r"\s*([0-9]{1,12})\s*")


def timestamp_for(value: str | None) -> float | None:
    """Return an HTTP date as Unix seconds; None where there is none or it makes no sense. Source: RFC 9110 5.6.7."""
    if not value or len(value) > 64:  # noqa: PLR2004  the longest form has 33 characters
        return None
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def fresh_s(headers: Mapping[str, str]) -> float:
    """Return for how long the answer asks to be called fresh, 0 where it says nothing. Source: RFC 9111 4.2.1, 5.2.2, 5.3."""
    control = headers.get("Cache-Control", "")
    if _NO_STORE.search(control):
        return 0.0
    max_age = _MAX_AGE.search(control)
    if max_age:
        age = _SECONDS.fullmatch(headers.get("Age", ""))
        return _clamped(float(max_age[1]) - (float(age[1]) if age else 0.0), _FRESH_LIMIT_S)
    expires, date = timestamp_for(headers.get("Expires")), timestamp_for(headers.get("Date"))
    return 0.0 if expires is None or date is None else _clamped(expires - date, _FRESH_LIMIT_S)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long the server asks to be left alone, at most 7 days; None where it says nothing.

    now: Unix seconds; a date is read relative to the server's own Date where it sends one. Source: RFC 9110 10.2.3.
    """
    value = headers.get("Retry-After", "")
    seconds = _SECONDS.fullmatch(value)
    if seconds:
        return _clamped(float(seconds[1]), RETRY_AFTER_LIMIT_S)
    until = timestamp_for(value)
    if until is None:
        return None
    date = timestamp_for(headers.get("Date"))
    return _clamped(until - (now if date is None else date), RETRY_AFTER_LIMIT_S)


def asked_rest_s(status: int, headers: Mapping[str, str], now: float) -> float:
    """Return for how long the whole host is to be left alone after this answer, 0 where nothing is asked; a bare 429 means half an hour."""
    if status not in {429, 503}:
        return 0.0
    said_s = retry_after_s(headers, now)
    if said_s is None:
        return RETRY_UNSAID_S if status == 429 else 0.0  # noqa: PLR2004  too many requests
    return said_s


def skew_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return by how many seconds the server's clock is ahead of `now` (Unix); None where it can't be told (no Date, or cached)."""
    date = timestamp_for(headers.get("Date"))
    return None if date is None or "Age" in headers else date - now


def validator(headers: Mapping[str, str], name: str) -> str | None:
    """Return a validator byte for byte as it came; None where there is none, or where it could not be sent back as it came."""
    value = headers.get(name)
    return value if value and value.isprintable() else None


def _clamped(value: float, limit: float) -> float:
    return min(max(value, 0.0), limit)
