"""The guarded client: one request, hop by hop, bounded in size, time and redirects.

It alone opens aiohttp sessions: one for public hosts, one for hosts that the operator named, so that a pooled connection never
carries a permission over. It never keeps cookies, obeys no proxy variables, and never decides whose turn it is.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp.resolver import AsyncResolver
from yarl import URL

from bot.errors import FetchError
from bot.web.failures import plain_failures, too_large
from bot.web.guard import AllowList, asking, check_url, private_sockets, public_sockets, readable_url

if TYPE_CHECKING:
    from types import TracebackType

    from aiohttp.abc import AbstractResolver

FOLLOWED = frozenset({301, 302, 303, 307, 308})
LASTING = frozenset({301, 308})
DOCUMENT = frozenset({200, 203, 226})
_DNS_KEPT_S = 300
_CONNECTIONS = 100
# What unfolds like this is a bomb: stopped before the decoder's own window, which no limit here reaches, has grown as well.
_BOMB_FROM_BYTES = 4 * 1024 * 1024
_BOMB_RATIO = 100
_PIECES = 20_000  # of any size; beyond that a body of one-byte chunks would cost ten times the CPU of what is in it
_PIECE_BYTES = 16
_LIMIT_HELD_BYTES = 64 * 1024 * 1024  # of all bodies that are under way
_SMALL_BYTES = 512 * 1024  # such a body always finds room
_CONTROL = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")

Turn = Callable[[URL, bool], AbstractAsyncContextManager[None]]
Vet = Callable[[URL, Mapping[str, str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may cost. body_bytes: decoded. total_s: all hops together, without the waiting for a turn."""

    body_bytes: int = 10 * 1024 * 1024
    total_s: float = 30.0
    connect_s: float = 10.0
    read_s: float = 15.0
    redirects: int = 5
    url_chars: int = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to make.

    private: whether hops may go to hosts that the operator named; the CONFIGURED address decides it, never a server. own_headers: what
    only the first host may see. turn: entered around each hop, told whether the hop stays on its host. vet: looks at the headers of a
    document before its body is read. cut: a longer body is cut rather than refused.
    """

    url: URL
    private: bool
    headers: Mapping[str, str]
    turn: Turn
    own_headers: Mapping[str, str] = field(default_factory=dict)
    vet: Vet | None = None
    body_bytes: int | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The last hop's answer. lasting: there were redirects and each was permanent. own: the own headers were still sent.

    took_s: all hops, without the waiting for turns.
    """

    url: URL
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    lasting: bool = False
    own: bool = True
    took_s: float = 0.0


class Client:
    """Two sessions behind one door; an async context manager."""

    def __init__(self, *, allow: AllowList, resolver: AbstractResolver | None, limits: Limits) -> None:
        self._allow = allow
        self._resolver = resolver
        self._limits = limits
        self._held_bytes = 0
        self._stack = AsyncExitStack()
        self._public: aiohttp.ClientSession | None = None
        self._private: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        resolver = self._resolver
        if resolver is None:
            resolver = AsyncResolver()
            self._stack.push_async_callback(resolver.close)
        public = aiohttp.TCPConnector(
            socket_factory=public_sockets(self._allow),
            resolver=resolver,
            ttl_dns_cache=_DNS_KEPT_S,
            limit=_CONNECTIONS,
            limit_per_host=2,
        )
        private = aiohttp.TCPConnector(
            socket_factory=private_sockets(self._allow),
            resolver=resolver,
            ttl_dns_cache=_DNS_KEPT_S,
            limit=_CONNECTIONS,
        )
        self._public = await self._stack.enter_async_context(_session(public, self._limits))
        self._private = await self._stack.enter_async_context(_session(private, self._limits))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        self._public = self._private = None

    async def answer_for(self, ask: Ask) -> Answer:
        """Return the first answer that is no followed redirect, whatever its status; only a document has a body.

        Raises:
            FetchError: refused, dns, connect, timeout, too_large, redirect, and what the turn and `vet` raise.
        """
        url, own, lasting, follows = ask.url, True, True, False
        left_s = self._limits.total_s
        for hop in range(self._limits.redirects + 1):
            async with ask.turn(url, follows):
                started = time.monotonic()
                answer = await self._hop(ask, url, own=own, left_s=left_s)
                left_s -= time.monotonic() - started
            location = answer.headers.get("Location", "")
            if answer.status not in FOLLOWED or not location:
                return Answer(
                    url=url,
                    status=answer.status,
                    headers=answer.headers,
                    body=answer.body,
                    lasting=lasting and hop > 0,
                    own=own,
                    took_s=self._limits.total_s - left_s,
                )
            target = self._target(url, location)
            lasting = lasting and answer.status in LASTING
            follows = target.raw_host == url.raw_host
            own = own and _same_place(url, target)
            url = target
        raise FetchError(
            f"{url.raw_host} redirects more than {self._limits.redirects} times; check the address.", reason="redirect"
        )

    async def _hop(self, ask: Ask, url: URL, *, own: bool, left_s: float) -> Answer:
        session = self._private if ask.private and self._allow.names(str(url)) else self._public
        if session is None:
            raise RuntimeError("the web client is not open; use it as `async with`")
        headers = {**ask.headers, **ask.own_headers} if own else dict(ask.headers)
        with plain_failures(url), asking(url):
            async with (
                asyncio.timeout(max(left_s, 0.0)),
                session.get(url, headers=headers, allow_redirects=False) as response,
            ):
                body = b""
                if response.status in DOCUMENT:
                    if ask.vet:
                        ask.vet(url, response.headers)
                    limit = self._limits.body_bytes if ask.body_bytes is None else ask.body_bytes
                    body = await self._body(response, url, limit, cut=ask.cut)
                elif response.status != 304:  # noqa: PLR2004  a 304 has no body and leaves the connection usable
                    response.close()
                return Answer(url=url, status=response.status, headers=response.headers, body=body)

    async def _body(self, response: aiohttp.ClientResponse, url: URL, limit_bytes: int, *, cut: bool) -> bytes:
        """Return the decoded body, counted while it streams, so that a small bomb never becomes a large one."""
        host, body, pieces = url.raw_host or "", bytearray(), 0
        too_long = None if cut else too_large(host, limit_bytes)
        try:
            if too_long and (response.content_length or 0) > limit_bytes:
                raise too_long
            async for piece, _ in response.content.iter_chunks():
                body += piece
                self._held_bytes += len(piece)
                pieces += 1
                self._refuse_excess(host, len(body), pieces, response.content.total_compressed_bytes or len(body))
                if len(body) > limit_bytes:
                    response.close()
                    if too_long:
                        raise too_long
                    return bytes(body[:limit_bytes])
                await asyncio.sleep(0)  # what is here is unpacked without a pause: others would wait for all of it
            return bytes(body)
        except FetchError:
            response.close()
            raise
        finally:
            self._held_bytes -= len(body)

    def _refuse_excess(self, host: str, size: int, pieces: int, packed: int) -> None:
        """Refuse a body, as far as it has come, for what it does to us rather than for its length."""
        if size > _BOMB_FROM_BYTES and size > _BOMB_RATIO * packed:
            raise FetchError(f"The answer of {host} unfolds as only a bomb does; it is not read.", reason="too_large")
        if pieces > _PIECES + size // _PIECE_BYTES:
            raise FetchError(f"{host} sends its answer in crumbs, byte by byte; it is not read.", reason="connect")
        if size > _SMALL_BYTES and self._held_bytes > _LIMIT_HELD_BYTES:
            raise FetchError(
                f"The answer of {host} must wait, too much comes at once; it is tried again later.", reason="connect"
            )

    def _target(self, url: URL, location: str) -> URL:
        """Return where a redirect leads, put to the same rules as any address."""
        host = url.raw_host
        if len(location) > self._limits.url_chars or _CONTROL.search(location):
            raise FetchError(f"{host} redirects to an address that cannot be read.", reason="redirect")
        try:
            target = url.join(readable_url(location))
        except ValueError:
            raise FetchError(f"{host} redirects to an address that cannot be read.", reason="redirect") from None
        target = check_url(str(target), self._allow, credentials=False, limit_chars=self._limits.url_chars)
        if url.scheme == "https" and target.scheme == "http":
            raise FetchError(f"{host} redirects from https to http, which is not followed.", reason="redirect")
        return target


def _session(connector: aiohttp.TCPConnector, limits: Limits) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        # The total runs over all hops, so answer_for keeps it.
        timeout=aiohttp.ClientTimeout(
            total=None, connect=limits.connect_s, sock_connect=limits.connect_s, sock_read=limits.read_s
        ),
    )


def _same_place(url: URL, target: URL) -> bool:
    """Return whether what the first host may see may also go here: same host and port, or its step from http to https."""
    if url.raw_host != target.raw_host:
        return False
    return url.port == target.port or (url.port, target.port) == (80, 443)
