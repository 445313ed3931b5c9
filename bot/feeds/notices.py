"""What people are told of a feed: operators once when it changes, whoever asks how it stands. Pure.

A feed is named by its name or its host, never by its address: that may hold a key.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bot.feeds.links import host_of
from bot.feeds.surprises import guids_change
from bot.feeds.timing import asked_s
from bot.plurals import counted

if TYPE_CHECKING:
    from bot.model import Feed

GAP_QUIET = timedelta(days=1)
SKEW_SHOWN_S = 600.0
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def notices_for(before: Feed, after: Feed) -> tuple[str, ...]:
    """Return what the operators are to be told because of one poll, a line each: mostly nothing."""
    name = after.name or host_of(after.url)
    lines = (
        _failure(before, after, name),
        _move(before, after, name),
        _flood(before, after, name),
        _gap(before, after, name),
    )
    return tuple(line for line in lines if line)


def remarks_on(feed: Feed, *, interval_s: float) -> tuple[str, ...]:
    """Return what is remarkable about a feed, a sentence each, for who asks. interval_s: how often it would be polled by itself."""
    health = feed.health
    asks_s = asked_s(health.fresh_s, feed.hints)
    skew_s = health.skew_s or 0.0
    lines = (
        f"Asks for {span(asks_s)} between two polls." if asks_s > interval_s else "",
        f"{counted(feed.held, 'item')} {_are(feed.held)} held back: /feed release lets them through, or drops them."
        if feed.held
        else "",
        "Its document is empty, which it was not before." if health.emptied else "",
        f"It redirects for good to {host_of(health.moving_to)}; that is being watched." if health.moving_to else "",
        f"It has moved, and is asked at its new address on {host_of(feed.moved_url)}." if feed.moved_url else "",
        f"Up to {counted(health.gap_items, 'item')} may have been missed at {health.gap_at:%Y-%m-%d %H:%M} UTC."
        if health.gap_at
        else "",
        "It gives its items new ids each time; they are told apart by link and title." if guids_change(feed) else "",
        f"Its server's clock is {span(abs(skew_s))} {'ahead' if skew_s > 0 else 'behind'}."
        if abs(skew_s) >= SKEW_SHOWN_S
        else "",
        "It is not asked any more: /feed release tries it again." if feed.state == "gone" else "",
    )
    return tuple(line for line in lines if line)


def span(seconds: float) -> str:
    """Return a length of time as people say it, in the largest unit of which there is one."""
    size, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"


def _failure(before: Feed, after: Feed, name: str) -> str:
    said = after.last_error if after.last_error.startswith(name) else f"{name}: {after.last_error}"
    if after.state == "gone":
        return f"{name} is gone for good (HTTP 410): it is not asked any more. /feed release tries it again."
    if before.health.told and not after.health.told:
        return f"{name}: works again"
    if before.health.told or not after.health.told:
        return ""
    since_at = after.health.failing_since_at
    if after.last_ok_at is None or since_at is None or after.last_poll_at is None:
        return said
    return f"{said} It has failed for {span((after.last_poll_at - since_at).total_seconds())}."


def _move(before: Feed, after: Feed, name: str) -> str:
    left_url = before.health.left_url
    if left_url and not after.health.left_url and not after.moved_url:
        return f"{name}: its new address fails and its old one works: that is asked again."
    if after.moved_url in {"", before.moved_url, left_url}:
        return ""
    return f"{name} has moved for good, to {host_of(after.moved_url)}: it is asked at its new address from now on."


def _flood(before: Feed, after: Feed, name: str) -> str:
    held = after.held - before.held
    if held <= 0:
        return ""
    return (
        f"{name}: {counted(held, 'item')} that look old appeared all at once and are held back."
        " /feed release lets them through, or drops them."
    )


def _gap(before: Feed, after: Feed, name: str) -> str:
    gap_at, last_at = after.health.gap_at, before.health.gap_at
    if gap_at is None or gap_at == last_at or (last_at is not None and gap_at - last_at < GAP_QUIET):
        return ""
    return f"{name}: nothing of what it holds was there before; up to {counted(after.health.gap_items, 'item')} may be missed."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
