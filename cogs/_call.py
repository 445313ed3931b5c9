"""One question to Discord as it goes over the wire: how long the network may take, and what was answered. Decides nothing.

discord.py keeps to the buckets, sleeps out a 429 and repeats after a 502, all inside one call. So the time limit runs only while a
request is on the network: cutting short one of those sleeps would leave discord.py waiting for ever for the end of a limit.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from cogs._pace import Pace

LIMITED = 429


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer. Of a 429: for how long to wait (None: not said), whether everywhere, and whether it is Discord's own (JSON)."""

    status: int
    retry_after_s: float | None = None
    everywhere: bool = False
    is_discords: bool = True


@dataclass(slots=True)
class Call:
    """What one call of discord.py's meets on the wire; it may ask several times."""

    limit_s: float
    heard: list[Heard] = field(default_factory=list)
    broke_off: bool = False
    _limit: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch what is asked inside the block.

        Raises:
            TimeoutError: the network took longer than it may.
        """
        async with self._limit:
            token = _current.set(self)
            try:
                yield
            finally:
                _current.reset(token)

    def go(self, *, waiting: bool) -> None:
        """Let the time run, or stand."""
        if not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self.limit_s if waiting else None)

    def read(self, body: bytes, pace: Pace) -> None:
        """Take in what the body of a 429 says: more exactly than its headers for how long, and whose word it is."""
        if self.refused:
            self.heard[-1] = heard = _with_body(self.heard[-1], body)
            if heard.everywhere and heard.retry_after_s:
                pace.rest(heard.retry_after_s)

    @property
    def refused(self) -> Heard | None:
        """The 429 that ended it, if one did."""
        return self.heard[-1] if self.heard and self.heard[-1].status == LIMITED else None

    @property
    def may_have_arrived(self) -> bool:
        """Whether what was met leaves open what became of a request: discord.py may have asked again, and met something else."""
        return self.broke_off or any(answer.status >= 500 for answer in self.heard)  # noqa: PLR2004 - HTTP


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def trace_for(pace: Pace) -> aiohttp.TraceConfig:
    """Return what tells the current call, and the pace, of every request and answer; it holds requests back while all must rest."""
    trace = aiohttp.TraceConfig()

    async def began(_: object, __: object, ___: aiohttp.TraceRequestStartParams) -> None:
        await pace.all_clear()  # discord.py repeats after a 429 of one route even while another forbids everything
        if call := _current.get():
            call.go(waiting=True)

    async def answered(_: object, __: object, end: aiohttp.TraceRequestEndParams) -> None:
        pace.count(end.response.status, end.response.headers.get("X-RateLimit-Scope"))
        if call := _current.get():
            call.heard.append(_heard(end.response.status, end.response.headers))

    async def came(_: object, __: object, chunk: aiohttp.TraceResponseChunkReceivedParams) -> None:
        if call := _current.get():
            call.go(waiting=False)  # the whole answer is here
            call.read(chunk.chunk, pace)

    async def broke(_: object, __: object, ___: aiohttp.TraceRequestExceptionParams) -> None:
        if call := _current.get():
            call.broke_off = True
            call.go(waiting=False)

    trace.on_request_start.append(began)
    trace.on_request_end.append(answered)
    trace.on_response_chunk_received.append(came)
    trace.on_request_exception.append(broke)
    return trace


def _heard(status: int, headers: Mapping[str, str]) -> Heard:
    try:
        retry_after_s = float(headers["Retry-After"]) if status == LIMITED else None
    except (KeyError, ValueError):
        retry_after_s = None
    return Heard(status, retry_after_s, headers.get("X-RateLimit-Global") == "true")


def _with_body(heard: Heard, body: bytes) -> Heard:
    try:
        said = json.loads(body)
        everywhere = heard.everywhere or bool(said.get("global"))
        return Heard(heard.status, float(said["retry_after"]), everywhere)
    except (ValueError, TypeError, AttributeError, KeyError):
        return Heard(heard.status, heard.retry_after_s, heard.everywhere, is_discords=False)
