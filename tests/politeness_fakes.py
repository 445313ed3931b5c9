"""What the tests of politeness share: a scripted server with a log of its own, and a road to it whose clock is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.errors import FetchError
from bot.pipeline import Habits
from tests.fakes import Road, Site, entry, open_road, rss

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from bot.model import Feed, Watch
    from bot.web.fetch import FeedRequest, Fetched, NotModified, Web
    from bot.workers import Workers
    from tests.fakes import Clock

Script = Callable[[web.Request], web.Response]
INTERVAL_S = 300.0


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it. at: by the clock of the test."""

    path: str
    headers: dict[str, str]
    at: datetime


class ScriptedSite(Site):
    """A site that answers by scripts, and writes down each request."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: dict[str, Script] = {}
        self.log: list[Asked] = []
        self.clock: Clock | None = None

    def script(self, path: str, **named: Any) -> None:  # noqa: ANN401  # as `feed_answer` takes them
        """Always answer alike at a path."""
        self.scripts[path] = lambda _: feed_answer(**named)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        assert self.clock is not None
        self.asked.append(request.path_qs)
        self.log.append(Asked(path=request.path_qs, headers=dict(request.headers), at=self.clock()))
        return self.scripts[request.path](request)


def feed_answer(*items: str, status: int = 200, channel: str = "", **headers: str) -> web.Response:
    """Return an answer with an RSS document of these items; header names are written with underscores."""
    body = rss("Sample wire", *items).replace(
        "<description>d</description>", f"<description>d</description>{channel}", 1
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if status in {200, 226}:
        return web.Response(status=status, body=body.encode(), content_type="application/rss+xml", headers=named)
    return web.Response(status=status, headers=named)


class PublicFace:
    """A client to a private server that calls it public, so that the rules for public hosts are seen at work."""

    def __init__(self, inner: Web) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the client has
        return getattr(self._inner, name)

    def may_be_private(self, _: str) -> bool:
        return False

    async def fetch_feed(self, request: FeedRequest) -> Fetched | NotModified:
        return await self._inner.fetch_feed(request)


class NoLine:
    """A client on a machine whose own line is down."""

    def __init__(self, inner: Web) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the client has
        return getattr(self._inner, name)

    async def fetch_feed(self, _: FeedRequest) -> Fetched | NotModified:
        raise FetchError("The name news.example cannot be resolved; check the address.", reason="dns")


@dataclass(kw_only=True)
class Polite:
    """A road to a scripted site, and what its server saw."""

    road: Road
    site: ScriptedSite

    @property
    def count(self) -> int:
        """How many requests the server saw."""
        return len(self.site.log)

    @property
    def last(self) -> dict[str, str]:
        """The headers of the last request."""
        return self.site.log[-1].headers

    async def run(self, **time: float) -> int:
        """Let so much time pass, polling what is due each time something is; return how many requests that made."""
        road, before = self.road, self.count
        end_at = road.clock.now
        road.clock.move(**time)
        end_at, road.clock.now = road.clock.now, end_at
        while True:
            for feed in await road.store.due_feeds(road.clock.now):
                await road.pipeline.poll_feed(feed)
            due_at = await road.store.next_poll_at()
            if due_at is None or due_at > end_at:
                road.clock.now = end_at
                return self.count - before
            road.clock.now = max(due_at, road.clock.now)

    async def poll(self) -> Feed:
        """Poll the only feed now, due or not; return it as it is then."""
        await self.road.poll()
        return await self.road.feed()

    def waits_s(self, path: str) -> list[float]:
        """Return the pauses between the requests for a path."""
        times = [one.at for one in self.site.log if one.path == path]
        return [(later - sooner).total_seconds() for sooner, later in pairwise(times)]


@asynccontextmanager
async def open_polite(
    folder: Path,
    workers: Workers,
    site: ScriptedSite,
    *paths: str,
    public: bool = False,
    baseline: bool = True,
    watches: tuple[Watch, ...] = (),
    interval_s: float = 1.0,
) -> AsyncIterator[Polite]:
    """Open a road to these paths of the site. public: by the rules for public hosts, at 5 minutes; else private, at one second."""
    habits = Habits(interval_s=INTERVAL_S if public else interval_s, full_text="never", baseline=baseline)
    feeds = [site.url(path) for path in paths or ("/feed",)]
    async with open_road(folder, site, workers, feeds=feeds, watches=watches, habits=habits) as road:
        site.clock = road.clock
        if public:
            road.pipeline.web = PublicFace(road.pipeline.web)  # type: ignore[assignment]  # it stands in for a Web
        yield Polite(road=road, site=site)


class Opener:
    """Opens roads to the site of a test."""

    def __init__(self, folder: Path, workers: Workers, site: ScriptedSite) -> None:
        self._folder, self._workers, self._site = folder, workers, site

    def __call__(self, *paths: str, public: bool = False) -> AbstractAsyncContextManager[Polite]:
        """Open one to these paths, /feed where there are none."""
        return open_polite(self._folder, self._workers, self._site, *paths, public=public)


def item(name: str, site: ScriptedSite) -> str:
    """Return an entry of that name."""
    return entry(f"Report {name}", site.url(f"/{name}"), guid=name)
