"""The sample newsroom: invented outlets that answer real HTTP on loopback, so that `wirewatch try` has something to read.

`Newsroom` alone opens a socket here, and only on 127.0.0.1. It never reaches out, writes no file, and knows nothing of the bot:
what it serves goes through the same guard, parser and reader as anybody's feed. The texts: desk.toml and articles/.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING, Self

from aiohttp import ETag, web

from bot.newsroom.feeds import MEDIA_TYPES, Entry, feed_document
from bot.newsroom.library import Outlet, SampleArticle, open_library
from bot.newsroom.pages import article_page, front_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

FIRST_LATER_S = 4.0
"""How long after its first reader a staggered newsroom publishes the first article that it holds back ..."""
NEXT_LATER_S = 3.0
"""... and how long after that the next."""
RELATED_COUNT = 3

__all__ = ["Newsroom", "SampleFeed"]


@dataclass(frozen=True)
class SampleFeed:
    """A feed of the newsroom, as somebody would subscribe to it."""

    name: str
    url: str


class Newsroom:
    """Four feeds with their pages on 127.0.0.1, on a free port, open inside `async with`.

    staggered: each feed holds back its newest third, at least one article, and these appear one by one, every few seconds, once
    somebody has read a feed. All other published times are some hours before the opening.
    origin ("127.0.0.1:PORT") and feeds are empty until it is open. watches: (name, query).
    """

    def __init__(self, *, staggered: bool = False, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        library = open_library()
        self.origin = ""
        self.feeds: tuple[SampleFeed, ...] = ()
        self.watches = library.watches
        self.actors = library.actors
        self.articles = library.articles
        self._outlets = {outlet.key: outlet for outlet in library.outlets}
        self._staggered = staggered
        self._clock = clock
        self._published_at: dict[SampleArticle, datetime] = {}
        self._to_come: tuple[SampleArticle, ...] = ()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        self._open_desk()
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.origin = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.feeds = tuple(
            SampleFeed(name=outlet.name, url=self._home_url(outlet) + outlet.feed_path)
            for outlet in self._outlets.values()
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _open_desk(self) -> None:
        """Publish what is there from the beginning, hours ago; what is held back has no time yet."""
        opened_at = self._clock().replace(microsecond=0)
        self._to_come = self._held_back() if self._staggered else ()
        self._published_at = {
            article: opened_at - timedelta(hours=article.hours_ago)
            for article in self.articles
            if article not in self._to_come
        }

    def _plan_the_rest(self) -> None:
        """Give what is held back its time, from the first reader on: a slow start of the program must not use it up."""
        now = self._clock().replace(microsecond=0)
        for place, article in enumerate(self._to_come):
            self._published_at[article] = now + timedelta(seconds=FIRST_LATER_S + place * NEXT_LATER_S)
        self._to_come = ()

    def _held_back(self) -> tuple[SampleArticle, ...]:
        """Return the newest third of each outlet's articles, the oldest of them all first."""
        shelves = ([article for article in self.articles if article.outlet == key] for key in self._outlets)
        held = {article for shelf in shelves for article in shelf[: max(1, len(shelf) // 3)]}
        return tuple(article for article in reversed(self.articles) if article in held)

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/robots.txt", self._robots)
        for outlet in self._outlets.values():
            application.router.add_get(f"/{outlet.key}/", self._front_page)
            application.router.add_get(f"/{outlet.key}/{outlet.feed_path}", self._feed)
        for article in self.articles:
            if article.page != "missing":
                application.router.add_get(article.path, self._article)
        return application

    def _home_url(self, outlet: Outlet) -> str:
        return f"http://{self.origin}/{outlet.key}/"

    def _entries(self, outlet: Outlet) -> tuple[Entry, ...]:
        """Return what the outlet has published by now, newest first."""
        now = self._clock()
        there = (
            Entry(article=article, url=self._url(article, outlet), published_at=published_at)
            for article, published_at in self._published_at.items()
            if article.stands_in(outlet) and published_at <= now
        )
        return tuple(sorted(there, key=attrgetter("published_at"), reverse=True))

    def _url(self, article: SampleArticle, outlet: Outlet) -> str:
        guest = "" if article.outlet == outlet.key else f"?utm_source={outlet.key}&utm_medium=feed"
        return f"http://{self.origin}{article.path}{guest}"

    def _outlet_of(self, request: web.Request) -> Outlet:
        return self._outlets[request.path.split("/")[1]]

    async def _robots(self, _request: web.Request) -> web.Response:
        closed = sorted({a.path.rpartition("/")[0] + "/" for a in self.articles if a.page == "closed"})
        rules = "".join(f"Disallow: {path}\n" for path in closed)
        return web.Response(text=f"# What wirewatch may not read, it says so.\nUser-agent: *\n{rules}")

    async def _front_page(self, request: web.Request) -> web.Response:
        outlet = self._outlet_of(request)
        return _page(outlet, front_page(outlet, self._entries(outlet), home_url=self._home_url(outlet)))

    async def _feed(self, request: web.Request) -> web.Response:
        outlet = self._outlet_of(request)
        self._plan_the_rest()
        entries = self._entries(outlet)
        body = feed_document(outlet, entries, home_url=self._home_url(outlet))
        modified_at = max(entry.published_at for entry in entries)
        tag = ETag(sha256(body).hexdigest()[:20])
        known = _is_known(request, tag, modified_at)
        response = web.Response(status=304) if known else web.Response(body=body)
        if not known:
            response.headers["Content-Type"] = f"{MEDIA_TYPES[outlet.form]}; charset={outlet.encoding}"
        response.etag = tag
        response.last_modified = modified_at
        response.headers["Cache-Control"] = "max-age=1"
        return response

    async def _article(self, request: web.Request) -> web.Response:
        outlet = self._outlet_of(request)
        entries = self._entries(outlet)
        wanted = next((entry for entry in entries if entry.article.path == request.path), None)
        if wanted is None:
            raise web.HTTPNotFound
        related = [entry for entry in entries if entry is not wanted][:RELATED_COUNT]
        return _page(outlet, article_page(outlet, wanted, related=related, home_url=self._home_url(outlet)))


def _is_known(request: web.Request, tag: ETag, modified_at: datetime) -> bool:
    """Whether the client has this version. Source: RFC 9110 section 13.2.2 (a tag, where there is one, decides alone)."""
    if request.if_none_match is not None:
        return any(known.value in {tag.value, "*"} for known in request.if_none_match)
    return request.if_modified_since is not None and modified_at <= request.if_modified_since


def _page(outlet: Outlet, body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": f"text/html; charset={outlet.encoding}"})
