"""Whose turn it is: how many requests one host gets at once, the pause between them, and when it is left alone.

It knows hosts and a clock, nothing of HTTP; it never asks a host anything.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from yarl import URL

STRIKES = 2
STRIKE_REST_S = 6 * 3_600.0
_KEPT_HOSTS = 4_096


@dataclass(slots=True)
class _Host:
    """door: one at a time waits at the front, the others behind it in order. Times are the gate's clock.

    hurried: those who wait, by the longest rest they would wait for.
    """

    slots: asyncio.Semaphore
    gap_s: float
    door: asyncio.Lock = field(default_factory=asyncio.Lock)
    started_at: float | None = None
    rest_until: float | None = None
    users: int = 0
    waiting: int = 0
    strikes: int = 0
    hurried: dict[asyncio.Timeout, float] = field(default_factory=dict)


class HostGate:
    """Turns per host: at most `slots` at once, starts at least `gap_s` apart, none while the host rests."""

    def __init__(
        self,
        *,
        gap_s: float,
        slots: int,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._gap_s = gap_s
        self._slots = slots
        self._monotonic = monotonic
        self._sleep = sleep
        self._hosts: dict[str, _Host] = {}

    def wait_s(self, host: str) -> float:
        """Return how long a new request would wait for its turn, at the least: rest, pause, and those who wait already."""
        known = self._hosts.get(host)
        if known is None:
            return 0.0
        return self._pause_s(known) + known.waiting * known.gap_s

    @asynccontextmanager
    async def turn(
        self, host: str, *, patience_s: float | None = None, rest_limit_s: float | None = None, follows: bool = False
    ) -> AsyncIterator[None]:
        """Wait for the host's turn and hold it for the block.

        patience_s: the longest acceptable wait, None: any. rest_limit_s: the longest rest that is waited for, None: any; one that begins
        during the wait counts too. follows: a redirect inside the same host goes on without a further pause.

        Raises:
            FetchError: resting; with retry_after_s, at once where the wait is known to be longer than the patience, or a rest
                than its limit.
        """
        known = self._known(host)
        if not follows:
            self._refuse_if_longer(host, patience_s)
            self.refuse_resting(host, rest_limit_s)
        known.users += 1
        try:
            try:
                async with asyncio.timeout(patience_s) as wait:
                    if rest_limit_s is not None:
                        known.hurried[wait] = rest_limit_s
                    try:
                        await self._pass(known, follows=follows)
                    finally:
                        known.hurried.pop(wait, None)
            except TimeoutError:
                self.refuse_resting(host, rest_limit_s)
                raise _resting(host, max(self.wait_s(host), 1.0)) from None
            try:
                yield
            finally:
                known.slots.release()
        finally:
            known.users -= 1

    def rest(self, host: str, rest_s: float) -> None:
        """Leave the host alone for so long from now; a longer rest that it has already stays."""
        known = self._known(host)
        until = self._monotonic() + rest_s
        known.rest_until = until if known.rest_until is None else max(known.rest_until, until)
        for wait, limit_s in known.hurried.items():
            if known.rest_until - self._monotonic() > limit_s and not wait.expired():
                wait.reschedule(0.0)

    def pace(self, host: str, gap_s: float) -> None:
        """Give this host a pause of its own (a crawl delay; 0 for what the operator named); it counts from the last start on."""
        self._known(host).gap_s = gap_s

    def strike(self, host: str) -> None:
        """Note that the host turned a request away; the second time in a row it rests for six hours."""
        known = self._known(host)
        known.strikes += 1
        if known.strikes >= STRIKES:
            known.strikes = 0
            self.rest(host, STRIKE_REST_S)

    def forgive(self, host: str) -> None:
        """Note that the host answered properly: strikes count in a row."""
        if host in self._hosts:
            self._hosts[host].strikes = 0

    def refuse_resting(self, host: str, rest_limit_s: float | None) -> None:
        """Refuse where the host rests for longer than this; None: never.

        Raises:
            FetchError: resting; retry_after_s is the rest that is left.
        """
        known = self._hosts.get(host)
        if known is None or known.rest_until is None or rest_limit_s is None:
            return
        rest_s = known.rest_until - self._monotonic()
        if rest_s > rest_limit_s:
            raise _resting(host, rest_s)

    def _refuse_if_longer(self, host: str, patience_s: float | None) -> None:
        wait_s = self.wait_s(host)
        if patience_s is not None and wait_s > patience_s:
            raise _resting(host, wait_s)

    async def _pass(self, known: _Host, *, follows: bool) -> None:
        known.waiting += 1
        try:
            async with known.door:
                await known.slots.acquire()
                try:
                    while not follows and (pause_s := self._pause_s(known)) > 0:
                        await self._sleep(pause_s)
                except BaseException:
                    known.slots.release()
                    raise
                known.started_at = self._monotonic()
        finally:
            known.waiting -= 1

    def _pause_s(self, known: _Host) -> float:
        now = self._monotonic()
        gap_s = 0.0 if known.started_at is None else known.started_at + known.gap_s - now
        rest_s = 0.0 if known.rest_until is None else known.rest_until - now
        return max(gap_s, rest_s, 0.0)

    def _known(self, host: str) -> _Host:
        known = self._hosts.get(host)
        if known is None:
            self._forget_idle()
            known = self._hosts[host] = _Host(asyncio.Semaphore(self._slots), self._gap_s)
        return known

    def _forget_idle(self) -> None:
        if len(self._hosts) < _KEPT_HOSTS:
            return
        idle = [name for name, host in self._hosts.items() if not host.users and self._pause_s(host) <= 0]
        for name in idle:
            del self._hosts[name]


def host_key(url: URL, *, named: bool) -> str:
    """Return what counts as one host: the name without "www."; for a host that the operator named, name and port."""
    host = (url.raw_host or "").removesuffix(".")
    return f"{host}:{url.port}" if named else host.removeprefix("www.")


def _resting(host: str, wait_s: float) -> FetchError:
    return FetchError(
        f"{host} is left alone for another {max(1, round(wait_s)):,} s; it is tried again then.",
        reason="resting",
        retry_after_s=wait_s,
    )
