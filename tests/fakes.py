"""Stand-ins that tests share: a scriptable site on loopback, an outlet that remembers, and texts of our own writing."""

from __future__ import annotations

import asyncio
import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from types import TracebackType

    from bot.errors import DeliveryError
    from bot.model import Card, Delivery


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
