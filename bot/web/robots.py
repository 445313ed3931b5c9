"""What a site's robots.txt allows, kept for a day at most. Feeds are not asked about here: people subscribed them themselves.

Source: RFC 9309; status rules 2.3.1, limits 2.5.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from protego import Protego
from yarl import URL

from bot.errors import FetchError
from bot.web.client import DOCUMENT, Answer

PRODUCT = "wirewatch"
PARSED_BYTES = 512 * 1024
KEPT_S = 86_400.0
UNREACHABLE_KEPT_S = (60.0, 600.0)
UNREACHABLE_IS_OPEN_AFTER_S = 30 * 86_400.0
CRAWL_DELAY_LIMIT_S = 30.0
_KEPT_SITES = 2_048
_KEPT_BYTES = 4 * 1024 * 1024  # of documents; what is made of them takes twenty times as much
_LARGE_BYTES = 16 * 1024

FetchRobots = Callable[[URL, bool], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Rules:
    """A site's rules for us. parser: None where there are none. size: of the document, in bytes. crawl_delay_s: at most 30 s."""

    parser: Protego | None = None
    size: int = 0
    crawl_delay_s: float = 0.0

    async def allow(self, url: URL) -> bool:
        """Return whether this page may be read. Thousands of rules are gone through in a thread."""
        if self.parser is None:
            return True
        if self.size < _LARGE_BYTES:
            return bool(self.parser.can_fetch(str(url), PRODUCT))
        return bool(await asyncio.to_thread(self.parser.can_fetch, str(url), PRODUCT))


@dataclass(frozen=True, slots=True)
class _Kept:
    """rules: None while they cannot be had."""

    rules: Rules | None
    until: float
    failing_since: float | None = None


class RobotsCache:
    """Rules per site (scheme, host, port). Public and private asking are kept apart: their answers differ."""

    def __init__(self, fetch: FetchRobots, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._kept: OrderedDict[tuple[bool, str], _Kept] = OrderedDict()

    async def rules_for(self, url: URL, *, private: bool) -> Rules:
        """Return the rules of this page's site, fetched where they are not known.

        Raises:
            FetchError: refused: the guard's no to robots.txt is its no to the page; resting: the rules cannot be had for now, so nothing
                may be read, and retry_after_s says when they are asked for again.
        """
        key = (private, str(url.origin()))
        kept = self._kept.get(key)
        if kept is None or kept.until <= self._monotonic():
            kept = await self._asked(url, kept, private=private)
            self._kept[key] = kept
            while len(self._kept) > _KEPT_SITES or self._kept_bytes() > _KEPT_BYTES:
                self._kept.popitem(last=False)
        if kept.rules is None:
            raise _out_of_reach(url, kept.until - self._monotonic())
        return kept.rules

    def _kept_bytes(self) -> int:
        return sum(kept.rules.size for kept in self._kept.values() if kept.rules is not None)

    async def _asked(self, url: URL, before: _Kept | None, *, private: bool) -> _Kept:
        now = self._monotonic()
        try:
            answer = await self._fetch(url.origin() / "robots.txt", private)
        except FetchError as error:
            if error.reason == "refused":
                raise
            return _unreachable(before, now) if error.reason != "redirect" else _Kept(Rules(), now + KEPT_S)
        if answer.status in DOCUMENT:
            return _Kept(await _parsed(answer.body), now + KEPT_S)
        if answer.status >= 500:  # noqa: PLR2004  the class of server errors
            return _unreachable(before, now)
        return _Kept(Rules(), now + KEPT_S)


async def _parsed(body: bytes) -> Rules:
    return _rules_in(body) if len(body) < _LARGE_BYTES else await asyncio.to_thread(_rules_in, body)


def _rules_in(body: bytes) -> Rules:
    parser = Protego.parse(body[:PARSED_BYTES].decode("utf-8-sig", "replace"))
    delay_s = min(max(float(parser.crawl_delay(PRODUCT) or 0.0), 0.0), CRAWL_DELAY_LIMIT_S)
    return Rules(parser=parser, size=len(body), crawl_delay_s=delay_s)


def _unreachable(before: _Kept | None, now: float) -> _Kept:
    """Return "nothing may be read", asked again ever more rarely, or after a month of that "all may"."""
    since = before.failing_since if before and before.failing_since is not None else now
    shortest_s, longest_s = UNREACHABLE_KEPT_S
    kept_s = min(max(now - since, shortest_s), longest_s)
    return _Kept(Rules() if now - since >= UNREACHABLE_IS_OPEN_AFTER_S else None, now + kept_s, since)


def _out_of_reach(url: URL, wait_s: float) -> FetchError:
    return FetchError(
        f"The robots.txt of {url.raw_host} cannot be had, so its pages are not read for now; it is tried again later.",
        reason="resting",
        retry_after_s=wait_s,
    )
