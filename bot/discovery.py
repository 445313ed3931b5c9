"""From an address that somebody pasted to the feed that is meant: the feed itself, the one that a page names, or one at a usual place.

Joins network and workers, keeps nothing. Each request passes the guard and its host's pace; six at most, and a page that is reached
without permission never opens a private host by what it names.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from bot.errors import ChoiceError, FeedError, FetchError, ParseError
from bot.web.fetch import FeedRequest, NotModified

if TYPE_CHECKING:
    from bot.model import ParsedFeed
    from bot.web.fetch import Fetched, Web
    from bot.workers import Workers

PATIENCE_S = 10.0
USUAL_PLACES = ("/feed", "/rss.xml", "/atom.xml", "/feed.json")
_PAGES = frozenset({"html", "not_a_feed"})
_SERVER_TROUBLE = 500
_TOO_MANY = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFeed:
    """A feed, read. url: where it is asked from now on. page: the address of the page that led to it, "" where it was given itself."""

    url: str
    answer: Fetched
    feed: ParsedFeed
    page: str = ""


async def find_feed(url: str, *, web: Web, workers: Workers, patience_s: float = PATIENCE_S) -> FoundFeed:
    """Return the feed that an address stands for. patience_s: for each address that is asked.

    Raises:
        FeedError: it is none and leads to none, or cannot be had; the text names hosts, and addresses that pages name.
        ChoiceError: the page names several, none of which was asked.
    """
    return await _Search(url, web, workers, patience_s).found()


class _Search:
    def __init__(self, url: str, web: Web, workers: Workers, patience_s: float) -> None:
        self._url = url
        self._web = web
        self._workers = workers
        self._patience_s = patience_s

    async def found(self) -> FoundFeed:
        answer = await self._ask(self._url)
        try:
            return FoundFeed(url=self._url, answer=answer, feed=await self._parse(answer))
        except ParseError as error:
            if error.reason not in _PAGES:
                raise
            fault = error
        named = await self._workers.feed_links(answer.body, answer.content_type, answer.url)
        links = [link for link in named if self._web.may_lead(self._url, link.url)]
        if len(links) > 1:
            raise ChoiceError(
                f"This is a web page that names {len(links)} feeds: {', '.join(link.url for link in links)}. Give one of them.",
                choices=tuple((link.url, link.title) for link in links),
            )
        return await self._named(links[0].url) if links else await self._usual(answer.url, fault)

    async def _named(self, link: str) -> FoundFeed:
        try:
            answer = await self._ask(link)
            return FoundFeed(url=link, answer=answer, feed=await self._parse(answer), page=self._url)
        except FetchError as error:
            said = f"This is a web page; the feed that it names, {link}, cannot be had: {error}"
            raise FetchError(
                said, reason=error.reason, status=error.status, retry_after_s=error.retry_after_s
            ) from None
        except ParseError as error:
            said = f"This is a web page; what it names as its feed, {link}, is none: {error}"
            raise ParseError(said, reason=error.reason) from None

    async def _usual(self, page: str, fault: ParseError) -> FoundFeed:
        for place in USUAL_PLACES:
            url = urljoin(page, place)
            if url == page or not self._web.may_lead(self._url, url):
                continue
            try:
                answer = await self._ask(url)
                return FoundFeed(url=url, answer=answer, feed=await self._parse(answer), page=self._url)
            except FetchError as error:
                status = error.status or _SERVER_TROUBLE
                if status >= _SERVER_TROUBLE or status == _TOO_MANY:  # it has trouble, or wants to be left alone
                    break
            except FeedError:
                continue
        if fault.reason != "html":
            raise fault
        raise ParseError(
            f"This is a web page that names no feed, and none was found at {', '.join(USUAL_PLACES)}. Give the address of the feed itself.",
            reason=fault.reason,
        )

    async def _ask(self, url: str) -> Fetched:
        try:
            async with asyncio.timeout(self._patience_s):
                answer = await self._web.fetch_feed(FeedRequest(url=url))
        except TimeoutError:
            said = f"The server did not give its feed within {self._patience_s:.0f} s: try again later."
            raise FetchError(said, reason="timeout") from None
        if isinstance(answer, NotModified):
            said = "The server says that nothing changed, although nothing was asked of it before."
            raise FetchError(said, reason="status", status=304)
        return answer

    async def _parse(self, answer: Fetched) -> ParsedFeed:
        return await self._workers.parse_feed(answer.body, answer.content_type, answer.url)
