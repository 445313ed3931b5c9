"""Feeds and article pages, fetched politely: what the rest of the program sees of the web.

It alone joins the guarded client, the turns of the hosts and robots.txt. It never reads a document, never stores, never logs.
"""

from __future__ import annotations

import re
import time
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import aiohttp

from bot import __version__
from bot.errors import FetchError
from bot.plurals import counted
from bot.web.client import DOCUMENT, Answer, Ask, Client, Limits, Turn
from bot.web.failures import status_error
from bot.web.guard import AllowList, check_url, readable_url, refusal_of
from bot.web.headers import asked_rest_s, fresh_s, skew_s, validator
from bot.web.hosts import HostGate, host_key
from bot.web.robots import PARSED_BYTES, RobotsCache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import TracebackType

    from aiohttp.abc import AbstractResolver
    from yarl import URL

__all__ = ["FeedRequest", "Fetched", "Limits", "NotModified", "Web"]

PROJECT_URL = "https://github.com/wirewatch/wirewatch"
PAGE_BYTES = 3_000_000  # more is not extracted either
FEED_GAP_S = 1.0
FEED_SLOTS = 2
_NOT_MODIFIED = 304
FEED_REST_WAITED_S = 30.0
_TURNED_AWAY = frozenset({403, 429})
_TROUBLE = 500
_FEED_TYPES = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1"
)
_PAGE_TYPES = "text/html, application/xhtml+xml;q=0.9"
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_HTML_START = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_SNIFFED_BYTES = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRequest:
    """A feed to ask, with the validators exactly as it sent them. subscribers: told to the publisher in the User-Agent.

    headers: secrets of this feed (its header file), for its own host alone.
    """

    url: str = field(repr=False)
    etag: str | None = None
    last_modified: str | None = None
    subscribers: int = 1
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A document. url: the final one, without credentials. body: decoded. content_type: the header verbatim.

    fresh_s: how long it asks to be called fresh, 0 where it says nothing. moved_to: the final address (with the credentials of the
    configured one where the host stayed) if every redirect was permanent. skew_s: the server's clock ahead of ours. slow: it took more
    than half of what a document may cost in time or size.
    """

    url: str
    status: int
    body: bytes
    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    fresh_s: float = 0.0
    moved_to: str | None = None
    skew_s: float | None = None
    slow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModified:
    """A 304. The validators are those it sent, else those that were asked with: they are stored in any case.

    fresh_s: None where it says nothing of it: what the document said holds anew. The rest as in `Fetched`.
    """

    etag: str | None
    last_modified: str | None
    fresh_s: float | None = None
    moved_to: str | None = None
    skew_s: float | None = None
    slow: bool = False


class Web:
    """Everything that leaves the machine; an async context manager."""

    def __init__(
        self,
        *,
        allow: AllowList,
        contact: str = "",
        page_gap_s: float = 2.0,
        resolver: AbstractResolver | None = None,
        limits: Limits = Limits(),  # noqa: B008  frozen
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._allow = allow
        self._contact = " ".join(contact.split())
        self._page_gap_s = page_gap_s
        self._limits = limits
        self._wall = wall
        self._client = Client(allow=allow, resolver=resolver, limits=limits)
        self._feeds = HostGate(gap_s=FEED_GAP_S, slots=FEED_SLOTS, monotonic=monotonic)
        self._pages = HostGate(gap_s=page_gap_s, slots=1, monotonic=monotonic)
        self._robots = RobotsCache(self._fetch_robots, monotonic=monotonic)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    def may_be_private(self, configured_url: str) -> bool:
        """Return whether what is configured at this address may lead to private hosts that the operator named."""
        return self._allow.names(configured_url)

    def refusal(self, url: str) -> str:
        """Return why this address would not be asked, one sentence, "" where it may be; names are not resolved for it."""
        return refusal_of(url, self._allow)

    def may_lead(self, configured_url: str, link: str) -> bool:
        """Return whether what stands at a configured address may name this one: to private hosts lead only those the operator named."""
        return not self.refusal(link) and (self.may_be_private(configured_url) or not self.may_be_private(link))

    def rest_host(self, url: str, rest_s: float) -> None:
        """Leave this URL's host alone for so long from now, its feeds and its pages (a Retry-After that the store remembers)."""
        try:
            self._rest(readable_url(url), rest_s)
        except ValueError:
            return

    def page_wait_s(self, url: str) -> float:
        """Return how long a page of this URL's host would wait for its turn now, 0 where it would not."""
        try:
            return self._pages.wait_s(self._key(readable_url(url)))
        except ValueError:
            return 0.0

    async def fetch_feed(self, request: FeedRequest) -> Fetched | NotModified:
        """Return the feed's document, or that it did not change.

        Raises:
            FetchError: with reason, status and retry_after_s; its text names the host only. resting: nothing was sent, for the host
                asked for a rest of which over 30 s are left, be it before the call or while this feed waited for its turn.
        """
        url = check_url(request.url, self._allow, limit_chars=self._limits.url_chars)
        private = self.may_be_private(request.url)
        answer = await self._client.answer_for(
            Ask(
                url=url.with_user(None),
                private=private,
                headers=self._headers(_FEED_TYPES, counted(request.subscribers, "subscriber")),
                own_headers=_own_headers(url, request),
                turn=self._feed_turn(private=private),
            )
        )
        if answer.status == _NOT_MODIFIED and answer.own and (request.etag or request.last_modified):
            return NotModified(
                etag=validator(answer.headers, "ETag") or request.etag,
                last_modified=validator(answer.headers, "Last-Modified") or request.last_modified,
                fresh_s=fresh_s(answer.headers) if _says_fresh(answer.headers) else None,
                moved_to=_moved_to(answer, url),
                skew_s=skew_s(answer.headers, self._wall()),
                slow=self._is_slow(answer),
            )
        self._heed(answer)
        if answer.status not in DOCUMENT:
            raise self._status_error(answer)
        return self._fetched(answer, url)

    async def fetch_page(self, url: str, *, configured_url: str, patience_s: float) -> Fetched:
        """Return an article page, if robots.txt and the host's pace let us.

        configured_url: the feed's; only where the operator named that one, hops may go to private hosts that they named.
        patience_s: the longest acceptable wait for the host's turn.

        Raises:
            FetchError: as for feeds, and robots (closed by its rules), content_type, resting (the host's turn comes later than that, or its
                robots.txt cannot be had for now; retry_after_s says when to come back).
        """
        start = check_url(url, self._allow, credentials=False, limit_chars=self._limits.url_chars)
        private = self.may_be_private(configured_url)
        answer = await self._client.answer_for(
            Ask(
                url=start,
                private=private,
                headers=self._headers(_PAGE_TYPES),
                turn=self._page_turn(private=private, patience_s=patience_s),
                vet=_refuse_other_types,
                body_bytes=min(PAGE_BYTES, self._limits.body_bytes),
            )
        )
        self._heed(answer)
        self._count_strikes(answer)
        if answer.status not in DOCUMENT:
            raise self._status_error(answer)
        if not answer.headers.get("Content-Type", "").strip() and not _HTML_START.search(answer.body[:_SNIFFED_BYTES]):
            raise _no_page(answer.url)
        return self._fetched(answer, start)

    async def _fetch_robots(self, url: URL, private: bool) -> Answer:  # noqa: FBT001  the shape of FetchRobots
        answer = await self._client.answer_for(
            Ask(
                url=url,
                private=private,
                headers=self._headers("text/plain, */*;q=0.1"),
                turn=_at_once,
                body_bytes=PARSED_BYTES,
                cut=True,
            )
        )
        self._heed(answer)
        return answer

    def _feed_turn(self, *, private: bool) -> Turn:
        def turn(url: URL, follows: bool) -> AbstractAsyncContextManager[None]:  # noqa: FBT001  the shape of Turn
            if private and self._allow.names(str(url)):
                self._feeds.refuse_resting(self._key(url), FEED_REST_WAITED_S)
                return _at_once(url, follows)
            return self._feeds.turn(self._key(url), rest_limit_s=FEED_REST_WAITED_S, follows=follows)

        return turn

    def _page_turn(self, *, private: bool, patience_s: float) -> Turn:
        @asynccontextmanager
        async def turn(url: URL, follows: bool) -> AsyncIterator[None]:  # noqa: FBT001  the shape of Turn
            named = private and self._allow.names(str(url))
            key = self._key(url)
            if named:
                self._pages.pace(key, 0.0)
            async with self._pages.turn(key, patience_s=patience_s, follows=follows):
                rules = await self._robots.rules_for(url, private=private)
                if not named:
                    self._pages.pace(key, max(self._page_gap_s, rules.crawl_delay_s))
                if not await rules.allow(url):
                    raise _closed_by_robots(url)
                self._pages.refuse_resting(key, 0.0)  # robots.txt itself may have been answered so
                yield

        return turn

    def _key(self, url: URL) -> str:
        return host_key(url, named=self._allow.names(str(url)))

    def _headers(self, accept: str, *about: str) -> dict[str, str]:
        said = "; ".join(part for part in (f"+{PROJECT_URL}", self._contact, *about) if part)
        return {
            "User-Agent": f"wirewatch/{__version__} ({said})",
            "Accept": accept,
            "Accept-Encoding": "gzip, br, zstd",
        }

    def _heed(self, answer: Answer) -> None:
        """Let what one answer asked for count for the whole host, its feeds and its pages; the store remembers it for the next start."""
        rest_s = asked_rest_s(answer.status, answer.headers, self._wall())
        if rest_s:
            self._rest(answer.url, rest_s)

    def _rest(self, url: URL, rest_s: float) -> None:
        for gate in (self._feeds, self._pages):
            gate.rest(self._key(url), rest_s)

    def _count_strikes(self, answer: Answer) -> None:
        if answer.status in _TURNED_AWAY:
            self._pages.strike(self._key(answer.url))
        elif answer.status < _TROUBLE:  # a server's own trouble says nothing of whether we are welcome
            self._pages.forgive(self._key(answer.url))

    def _status_error(self, answer: Answer) -> FetchError:
        return status_error(answer.url.raw_host or "", answer.status, answer.headers, self._wall())

    def _fetched(self, answer: Answer, configured: URL) -> Fetched:
        return Fetched(
            url=str(answer.url),
            status=answer.status,
            body=answer.body,
            content_type=answer.headers.get("Content-Type"),
            etag=validator(answer.headers, "ETag"),
            last_modified=validator(answer.headers, "Last-Modified"),
            fresh_s=fresh_s(answer.headers),
            moved_to=_moved_to(answer, configured),
            skew_s=skew_s(answer.headers, self._wall()),
            slow=self._is_slow(answer),
        )

    def _is_slow(self, answer: Answer) -> bool:
        return 2 * answer.took_s > self._limits.total_s or 2 * len(answer.body) > self._limits.body_bytes


def _says_fresh(headers: Mapping[str, str]) -> bool:
    return "Cache-Control" in headers or "Expires" in headers


def _moved_to(answer: Answer, configured: URL) -> str | None:
    """Return where the document lives now, None where no lasting redirect led to it."""
    if not answer.lasting:
        return None
    kept = answer.own and configured.raw_user is not None
    return str(answer.url.with_user(configured.user).with_password(configured.password) if kept else answer.url)


@asynccontextmanager
async def _at_once(url: URL, follows: bool) -> AsyncIterator[None]:  # noqa: ARG001, FBT001  the shape of Turn
    yield


def _own_headers(url: URL, request: FeedRequest) -> dict[str, str]:
    """Return what only the feed's own host may see: credentials, validators, the headers of its header file."""
    headers: dict[str, str] = {}
    if url.raw_user is not None or url.raw_password is not None:
        headers["Authorization"] = aiohttp.encode_basic_auth(url.user or "", url.password or "")
    if request.etag:
        headers["If-None-Match"] = request.etag
    if request.last_modified:
        headers["If-Modified-Since"] = request.last_modified
    if request.etag or request.last_modified:
        headers["A-IM"] = "feed"
    return headers | dict(request.headers)


def _refuse_other_types(url: URL, headers: Mapping[str, str]) -> None:
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind and kind not in _HTML:
        raise _no_page(url)


def _no_page(url: URL) -> FetchError:
    return FetchError(
        f"{url.raw_host} sent something that is no web page; the feed's own text is used.", reason="content_type"
    )


def _closed_by_robots(url: URL) -> FetchError:
    return FetchError(
        f"The robots.txt of {url.raw_host} asks not to read this page; the feed's own text is used.", reason="robots"
    )
