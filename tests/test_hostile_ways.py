"""The other ways to make the bot fetch or read (G1 to G15), and H6, through the real pipeline, desk, engine and command."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from bot.app import open_engine
from bot.config import config_in
from bot.desk import Desk
from bot.desk_sight import Asker
from bot.errors import FetchError, UserError
from bot.means import Habits
from bot.model import DeclaredFeed, Watch
from bot.pipeline import Pipeline
from bot.store import Store
from bot.web.fetch import FeedRequest, Fetched
from bot.workers import Workers
from tests.cli_fakes import one_line, wirewatch
from tests.fakes import Clock, KeepingOutlet, watching_in
from tests.hostile_net import Net, hostile_net
from tests.web_fakes import answer, moved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot.web.fetch import Web

ANYONE = Asker(guild_id=11, user_id=1, is_manager=True, sees=lambda _: True, holds=lambda _: True)
WATCH = Watch(name="Secret", query="secret OR harbour OR root")


@pytest.fixture
async def net(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Net]:
    async with hostile_net(monkeypatch) as world:
        yield world


@asynccontextmanager
async def pipeline_to(web: Web, folder: Path, *urls: str) -> AsyncIterator[Pipeline]:
    """Open a pipeline whose client is this one; full_text = "always", so that every link is followed."""
    clock = Clock()
    store = await Store.open(folder / "ways.db", now=clock())
    try:
        feeds = [DeclaredFeed(url=url) for url in urls]
        await store.declare(feeds=feeds, actors=(), watches=(WATCH,), now=clock())
        async with web, Workers() as workers:
            yield Pipeline(
                store=store,
                web=web,
                workers=workers,
                watching=await watching_in(store),
                habits=Habits(baseline=False, full_text="always", page_limit_s=2.0),
                clock=clock,
                chance=lambda: 0.0,
            )
    finally:
        await store.close()


def rss(items: str, *, head: str = "", doctype: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{doctype}<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>t</title>'
        f"{head}{items}</channel></rss>"
    ).encode()


PRIVATE = "http://127.0.0.1:PORT"
ATOM = '<feed xmlns="http://www.w3.org/2005/Atom" xml:base="{0}/base/"><title>t</title>{1}</feed>'
DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "G2": (rss(f"<item><title>harbour</title><link>{PRIVATE}/page</link></item>"), "application/rss+xml"),
    "G3": (
        rss(f'<item><title>harbour</title><enclosure url="{PRIVATE}/a.mp3" type="audio/mpeg" length="1"/></item>'),
        "application/rss+xml",
    ),
    "G4": (
        ATOM.format(PRIVATE, '<entry><id>1</id><title>harbour</title><link href="page"/></entry>').encode(),
        "application/atom+xml",
    ),
    "G5 DTD": (
        rss("<item><title>harbour</title></item>", doctype=f'<!DOCTYPE rss SYSTEM "{PRIVATE}/dtd">'),
        "application/xml",
    ),
    "G5 entity": (
        rss("<item><title>x &e;</title></item>", doctype=f'<!DOCTYPE rss [<!ENTITY e SYSTEM "{PRIVATE}/e">]>'),
        "application/xml",
    ),
    "G5 file": (
        rss("<item><title>x &e;</title></item>", doctype='<!DOCTYPE rss [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
        "application/xml",
    ),
    "G5 parameter": (
        rss("<item><title>x</title></item>", doctype=f'<!DOCTYPE rss [<!ENTITY % p SYSTEM "{PRIVATE}/p"> %p;]>'),
        "application/xml",
    ),
    "G6 url": (f"{PRIVATE}/feed".encode(), "application/rss+xml"),
    "G6 path": (b"/etc/passwd", "application/rss+xml"),
    "G8": (
        rss(
            "<item><title>harbour</title></item>",
            head=f'<atom:link rel="self" href="{PRIVATE}/self"/><atom:link rel="next" href="{PRIVATE}/next"/>'
            f'<atom:link rel="prev-archive" href="{PRIVATE}/prev"/>',
        ),
        "application/rss+xml",
    ),
    "G9": (
        b"""{"version": "https://jsonfeed.org/version/1.1", "title": "t", "feed_url": "http://127.0.0.1:PORT/self",
        "next_url": "http://127.0.0.1:PORT/next", "icon": "http://127.0.0.1:PORT/icon", "items": [{"id": "1", "title": "harbour"}]}""",
        "application/feed+json",
    ),
    "G10": (
        rss("<item><title>harbour</title></item>", head=f'<atom:link rel="hub" href="{PRIVATE}/hub"/>'),
        "application/rss+xml",
    ),
}


read_from: dict[str, list[str]] = {}
"""By number, what was read of each document: all go down one road, once."""


async def read_all(net: Net, folder: Path) -> None:
    """Let the stand-in give each document under its number, poll and read them all, pages included."""
    urls = {number: net.public.url(f"/{place}", "public.example") for place, number in enumerate(DOCUMENTS)}
    for place, (body, kind) in enumerate(DOCUMENTS.values()):
        net.public.scripts[f"/{place}"] = answer(body=body.replace(b"PORT", str(net.port).encode()), Content_Type=kind)
    async with pipeline_to(net.web(), folder, *urls.values()) as pipeline:
        for feed in await pipeline.store.feeds():
            await pipeline.poll_feed(feed)
        read_from.update({number: [] for number in DOCUMENTS})
        for item in await pipeline.store.items_to_read(limit=50):
            await pipeline.read_item(item)
            (read,) = await pipeline.store.archive.articles_of([item.id])
            number = next(number for number, url in urls.items() if url == item.feed_url)
            read_from[number].append(f"{read.article.title}: {read.article.text}")


@pytest.mark.parametrize("number", DOCUMENTS)
async def test_nothing_that_a_document_names_is_fetched_from_a_private_host(
    net: Net, tmp_path: Path, number: str
) -> None:
    if not read_from:
        await read_all(net, tmp_path)
    assert not any("secret" in text or "root:" in text for text in read_from[number])
    if number in {"G2", "G3", "G4", "G8", "G9", "G10"}:
        assert any("harbour" in text for text in read_from[number])
    net.assert_untouched()


@pytest.mark.parametrize("number", ["G1"])
async def test_a_page_that_names_a_private_feed_leads_nobody_there(net: Net, tmp_path: Path, number: str) -> None:
    page = (
        f'<!doctype html><html><head><link rel="alternate" type="application/rss+xml" href="{net.victim.url()}"></head>'
    )
    net.public.scripts["/feed"] = answer(body=page.encode(), Content_Type="text/html")
    async with pipeline_to(net.web(), tmp_path) as pipeline:
        desk = desk_of(pipeline)
        for ask in (desk.feeds.test, desk.feeds.add):
            with pytest.raises(UserError):
                await ask(ANYONE, net.feed)
        assert await pipeline.store.feeds() == (), number
    net.assert_untouched()


@pytest.mark.parametrize("number", ["G7"])
async def test_an_address_that_came_into_the_store_past_every_check_is_judged_when_it_is_polled(
    net: Net, tmp_path: Path, number: str
) -> None:
    async with pipeline_to(net.web(), tmp_path, net.victim.url(), "file:///etc/passwd") as pipeline:
        for feed in await pipeline.store.feeds():
            await pipeline.poll_feed(feed)
        states = [feed.fail_count for feed in await pipeline.store.feeds()]
    assert states == [1, 1], number
    net.assert_untouched()


@pytest.mark.parametrize("number", ["G11"])
async def test_a_robots_txt_that_lies_elsewhere_is_not_fetched_from_a_private_host(net: Net, number: str) -> None:
    net.public.scripts["/robots.txt"] = moved(net.victim.url("/robots.txt"))
    net.public.scripts["/page"] = answer(body=b"<html>", Content_Type="text/html")
    async with net.web() as web:
        with pytest.raises(FetchError):
            await web.fetch_page(net.public.url("/page", "public.example"), configured_url=net.feed, patience_s=1)
    assert net.public.paths == ["/robots.txt"], number
    net.assert_untouched()


@pytest.mark.parametrize("number", ["G12"])
async def test_proxies_and_netrc_of_the_environment_are_not_used(
    net: Net, number: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.setenv(name, net.victim.url())
    (tmp_path / ".netrc").write_text("machine public.example login somebody password hidden\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    net.public.scripts["/feed"] = answer(body=b"<rss/>")
    assert isinstance(await net.ask(net.feed), Fetched), number
    assert "authorization" not in net.public.requests[0].headers
    net.assert_untouched()


@pytest.mark.parametrize("number", ["G13"])
async def test_an_alternative_service_is_not_used(net: Net, number: str) -> None:
    alternative = f'http/1.1="127.0.0.1:{net.port}"; ma=3600, h2="127.0.0.1:{net.port}"'
    net.public.scripts["/feed"] = answer(body=b"<rss/>", Alt_Svc=alternative, Connection="close")
    async with net.web() as web:
        for _ in range(2):
            assert isinstance(await web.fetch_feed(FeedRequest(url=net.feed)), Fetched), number
    assert len(net.public.requests) == 2
    net.assert_untouched()


@pytest.mark.parametrize("number", ["G14"])
@pytest.mark.parametrize(
    "typed", ["http://localhost:{0}/", "http://[::1]:{0}/", "file:///etc/passwd", "http://2130706433/"]
)
async def test_an_address_typed_into_a_command_is_guarded_and_nothing_is_kept_of_it(
    net: Net, tmp_path: Path, number: str, typed: str
) -> None:
    async with pipeline_to(net.web(), tmp_path) as pipeline:
        desk = desk_of(pipeline)
        for ask in (desk.feeds.add, desk.feeds.test):
            with pytest.raises(UserError):
                await ask(ANYONE, typed.format(net.port))
        assert await pipeline.store.feeds() == (), number
    net.assert_untouched()


@pytest.mark.parametrize("number", ["G15"])
async def test_the_command_feed_is_guarded_like_the_bot(net: Net, number: str, tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:8080/", "http://[::ffff:127.0.0.1]/"):
        done = await asyncio.to_thread(wirewatch, "feed", url, cwd=tmp_path)
        one_line(done, 1, "not fetched")
        assert net.opened == [], number
    net.assert_untouched()


@pytest.mark.parametrize("number", ["H6"])
async def test_when_an_entry_is_removed_its_open_connections_are_closed_with_it(
    net: Net, tmp_path: Path, number: str
) -> None:
    net.victim.scripts["*"] = answer(body=rss("<item><title>x</title></item>"), Content_Type="application/rss+xml")
    url = net.victim.url(host="127.0.0.1")

    def config(*allowed: str) -> dict[str, object]:
        return {"fetch": {"allow_private": list(allowed)}, "feeds": [{"url": "https://public.example/"}]}

    path = tmp_path / "config.toml"
    async with open_engine(config_in(config(f"127.0.0.1:{net.port}"), path), KeepingOutlet()) as engine:
        web = engine.pipeline.web
        assert isinstance(await web.fetch_feed(FeedRequest(url=url)), Fetched), number
        await engine.declare(config_in(config(), path))
        with pytest.raises(FetchError, match="allow_private"):
            await engine.pipeline.web.fetch_feed(FeedRequest(url=url))
        with pytest.raises(RuntimeError):  # the old client, and with it every open connection, is gone
            await web.fetch_feed(FeedRequest(url=url))
    assert len(net.victim.requests) == 1


def desk_of(pipeline: Pipeline) -> Desk:
    async def nothing() -> None:
        pass

    return Desk(pipeline.store, pipeline=pipeline, clock=pipeline.clock, refresh=nothing)
