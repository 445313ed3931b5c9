"""Stand-ins that tests share: a scriptable site on loopback, an outlet that remembers, a road to drive by hand, texts of our own."""

from __future__ import annotations

import asyncio
import html
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from bot.delivery import Deliverer
from bot.model import DeclaredFeed
from bot.pipeline import Habits, Pipeline, Watching
from bot.reading.matcher import Matcher
from bot.store import Store
from bot.web.fetch import Web
from bot.web.guard import AllowList

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from bot.errors import DeliveryError
    from bot.model import Actor, Card, Delivery, Feed, Item, Watch
    from bot.workers import Workers

START_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Reply:
    """What the site answers at one path. delay_s: before the first byte."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


class Site:
    """Real HTTP on 127.0.0.1, on a free port; what it answers is changed by the test while it runs."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.asked: list[str] = []
        self.sent_headers: list[dict[str, str]] = []
        self.origin = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.origin = f"127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    def url(self, path: str) -> str:
        """Return the address of a path ("/feed")."""
        return f"http://{self.origin}{path}"

    def put(self, path: str, reply: Reply) -> str:
        """Answer like this from now on; return the address."""
        self.replies[path] = reply
        return self.url(path)

    def feed(self, path: str, *entries: str, title: str = "Sample wire", headers: dict[str, str] | None = None) -> str:
        """Serve an RSS feed of these entries (see `entry`); return its address."""
        body = rss(title, *entries).encode()
        return self.put(path, Reply(body=body, content_type="application/rss+xml", headers=headers or {}))

    def page(self, path: str, title: str, *paragraphs: str, delay_s: float = 0.0, status: int = 200) -> str:
        """Serve an article page; return its address."""
        return self.put(path, Reply(body=page(title, *paragraphs).encode(), delay_s=delay_s, status=status))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self.sent_headers.append(dict(request.headers))
        reply = self.replies.get(request.path)
        if reply is None:
            return web.Response(status=404)
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        etag = reply.headers.get("ETag")
        if etag and request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        headers = {"Content-Type": reply.content_type, **reply.headers}
        return web.Response(body=reply.body, status=reply.status, headers=headers)


class KeepingOutlet:
    """An outlet that keeps what it is given. fail: raised instead, once for each that is put there."""

    def __init__(self) -> None:
        self.posted: list[Card] = []
        self.edited: list[Card] = []
        self.fail: list[DeliveryError | RuntimeError] = []

    async def post(self, delivery: Delivery) -> int | None:
        if self.fail:
            raise self.fail.pop(0)
        self.posted.append(delivery.card)
        return len(self.posted)

    async def edit(self, delivery: Delivery) -> None:
        if self.fail:
            raise self.fail.pop(0)
        self.edited.append(delivery.card)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = START_AT) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **time: float) -> None:
        """Move on by so much: `seconds=`, `hours=`, as of timedelta."""
        self.now += timedelta(**time)


@dataclass(kw_only=True)
class Road:
    """A pipeline with everything real behind it but the outlet and the clock, driven by hand, step by step."""

    store: Store
    pipeline: Pipeline
    deliverer: Deliverer
    outlet: KeepingOutlet
    clock: Clock
    notices: list[str]

    async def poll(self) -> int:
        """Poll every feed, due or not; return how many new items there were."""
        return sum([await self.pipeline.poll_feed(feed) for feed in await self.store.feeds()])

    async def read(self) -> None:
        """Read every item that is to be read, one after another."""
        for item in await self.store.items_to_read(limit=100):
            await self.pipeline.read_item(item)

    async def round(self) -> None:
        """Poll, read, deliver."""
        await self.poll()
        await self.read()
        await self.deliverer.pay()

    async def try_pages(self) -> None:
        """Move the clock to when the next page is due, try the pages that are, deliver."""
        due_at = await self.store.next_page_at()
        assert due_at is not None, "no page is owed"
        self.clock.now = max(self.clock.now, due_at)
        for item in await self.store.pages_owed(self.clock.now, limit=100):
            await self.pipeline.read_page_again(item)
        await self.deliverer.pay()

    async def feed(self) -> Feed:
        """Return the only feed."""
        (feed,) = await self.store.feeds()
        return feed

    async def item(self, item_id: int = 1) -> Item:
        """Return an item that must be there."""
        item = await self.store.item(item_id)
        assert item is not None
        return item

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what the database on the disk answers to a question."""
        return rows_in(self.store.path, query)


def rows_in(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a database answers to a question."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as sql:
        return sql.execute(query).fetchall()


@asynccontextmanager
async def open_road(
    folder: Path,
    site: Site,
    workers: Workers,
    *,
    feeds: Sequence[str],
    watches: Sequence[Watch],
    actors: Sequence[Actor] = (),
    habits: Habits | None = None,
) -> AsyncIterator[Road]:
    """Open a road in a folder; a second one in the same folder, after the first, is a restart. Nothing random, no word forms."""
    clock, outlet = Clock(), KeepingOutlet()
    notices: list[str] = []
    store = await Store.open(folder / "road.db", now=clock())
    try:
        declared = [DeclaredFeed(url=url) for url in feeds]
        await store.declare(feeds=declared, actors=actors, watches=watches, now=clock())
        async with web_to(site) as fetching:
            pipeline = Pipeline(
                store=store,
                web=fetching,
                workers=workers,
                watching=await watching_in(store),
                habits=habits or Habits(interval_s=1, baseline=False),
                clock=clock,
                notice=notices.append,
                chance=lambda: 0.0,
            )
            deliverer = Deliverer(store=store, outlet=outlet, clock=clock, spread=lambda: 1.0)
            yield Road(store=store, pipeline=pipeline, deliverer=deliverer, outlet=outlet, clock=clock, notices=notices)
    finally:
        await store.close()


async def watching_in(store: Store) -> Watching:
    """Return what the store says is watched, without word forms."""
    watches = await store.watches()
    return Watching(watches=watches, matcher=Matcher.compile(watches, await store.actors(), forms={}))


def web_to(site: Site) -> Web:
    """Return a client that may talk to this site alone."""
    return Web(allow=AllowList.parse((site.origin,)), page_gap_s=0)


async def until(holds: Callable[[], bool], *, limit_s: float = 60.0) -> None:
    """Wait until something holds; fail where it does not within the limit."""
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110 - what a test waits for sets no event
            await asyncio.sleep(0.02)


def entry(title: str, link: str, *, guid: str = "", text: str = "", date: str = "") -> str:
    """Return one RSS item."""
    parts = [f"<title>{html.escape(title)}</title>", f"<link>{html.escape(link)}</link>"]
    parts += [f'<guid isPermaLink="false">{html.escape(guid)}</guid>'] if guid else []
    parts += [f"<description>{html.escape(text)}</description>"] if text else []
    parts += [f"<pubDate>{date}</pubDate>"] if date else []
    return f"<item>{''.join(parts)}</item>"


def rss(title: str, *entries: str) -> str:
    """Return an RSS 2.0 document."""
    head = f"<title>{html.escape(title)}</title><link>http://127.0.0.1/</link><description>d</description>"
    return f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>{head}{"".join(entries)}</channel></rss>'


def page(title: str, *paragraphs: str) -> str:
    """Return an article page as outlets write them: navigation above, furniture below."""
    body = "".join(f"<p>{html.escape(text)}</p>" for text in paragraphs)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)} | Sample wire</title>'
        f'<meta property="og:title" content="{html.escape(title, quote=True)}"></head><body>'
        '<nav><a href="/">Home</a> <a href="/world">World</a></nav>'
        f"<article><h1>{html.escape(title)}</h1>{body}</article>"
        '<aside><h3>Most read</h3><a href="/other">Something else entirely</a></aside><footer>About us</footer></body></html>'
    )


FILLER = (
    "The ministry's spokesman met reporters in the capital on Tuesday and described how the committee had spent the week.",
    "Officials from three neighbouring countries travelled to the meeting, which lasted longer than anyone had planned.",
    "A harbour town in the north expects more visitors this year, and its council has asked for two further ferries.",
    "Farmers said that the rain came late, that prices had risen, and that nobody in the district expected a quick change.",
)
