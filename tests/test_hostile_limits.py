"""What hostile documents may cost: memory, work on the event loop, room for others. Times: benchmarks/hostile.py."""

from __future__ import annotations

import asyncio
import sys
import unicodedata
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]  # ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import workers as bounds
from bot.errors import FetchError, ParseError
from bot.feeds.identity import items_hash, keys_for, sort_entries
from bot.feeds.links import without_credentials
from bot.feeds.parse import parse_feed
from bot.item_reading import KEPT_MATCHES, few_of
from bot.means import LONG, without_stalling
from bot.model import DeclaredFeed, FeedItem, Known, Match, Matches, Poll
from bot.reading.extract import LIMIT_TEXT_CHARS, page_text
from bot.reading.marks import LIMIT_RUN, with_few_marks
from bot.store import Store
from bot.web import client
from bot.web.fetch import FeedRequest, Fetched, Limits, Web
from bot.web.guard import AllowList, check_url, readable_url
from bot.web.robots import RobotsCache
from bot.workers import Workers
from bot.workers.process import WorkerProcess
from tests.cli_fakes import environment
from tests.web_fakes import Names, Seen, answer, serving

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from yarl import URL

    from bot.web.client import Answer

MIB = 1 << 20
BOMB = 300 * MIB
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


# --- bombs ------------------------------------------------------------------------------------------------------------

CHILD = """
import asyncio, sys
from pathlib import Path
from bot.errors import FetchError
from bot.web.fetch import FeedRequest, Web
from bot.web.guard import AllowList

def kib(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))

async def main(port):
    async with Web(allow=AllowList.parse([f"127.0.0.1:{port}"])) as web:
        await web.fetch_feed(FeedRequest(url=f"http://127.0.0.1:{port}/warm"))
        for kind in ("gzip", "br", "zstd"):
            Path("/proc/self/clear_refs").write_text("5")
            before = kib("VmRSS:")
            try:
                await web.fetch_feed(FeedRequest(url=f"http://127.0.0.1:{port}/{kind}"))
            except FetchError as error:
                print(kind, error.reason, kib("VmHWM:") - before, flush=True)

asyncio.run(main(sys.argv[1]))
"""


def gzip_bomb() -> bytes:
    packer, piece = zlib.compressobj(1, zlib.DEFLATED, 31), bytes(MIB)
    return b"".join(packer.compress(piece) for _ in range(BOMB // MIB)) + packer.flush()


def brotli_bomb() -> bytes:
    packer, piece = brotli.Compressor(quality=1), bytes(MIB)
    packed: bytes = b"".join(packer.process(piece) for _ in range(BOMB // MIB)) + packer.finish()
    return packed


def zstd_bomb() -> bytes:
    packed: bytes = zstd.compress(bytes(BOMB), 1)
    return packed


async def test_a_bomb_of_300_mib_raises_the_process_by_16_mib_at_most() -> None:
    bombs: dict[str, Callable[[], bytes]] = {"gzip": gzip_bomb, "br": brotli_bomb, "zstd": zstd_bomb}
    async with serving(warm=answer(body=b"<rss/>" * 20_000)) as server:
        for kind, make in bombs.items():
            server.scripts[f"/{kind}"] = answer(body=await asyncio.to_thread(make), Content_Encoding=kind)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CHILD, str(server.port)), stdout=asyncio.subprocess.PIPE, env=environment()
        )
        said, _ = await child.communicate()
    lines = [line.split() for line in said.decode().splitlines()]
    assert [(kind, reason) for kind, reason, _ in lines] == [(kind, "too_large") for kind in bombs]
    assert all(int(grown_kib) <= 16 * 1024 for *_, grown_kib in lines), lines


async def fetched(body: bytes) -> FetchError | None:
    async with serving(feed=answer(body=body, Content_Encoding="deflate")) as server:
        allow = AllowList.parse([f"localhost:{server.port}"])
        async with Web(allow=allow, resolver=Names(), limits=Limits(total_s=20)) as web:
            try:
                await web.fetch_feed(FeedRequest(url=server.url("/feed")))
            except FetchError as error:
                return error
    return None


async def test_what_unfolds_like_a_bomb_is_refused_long_before_the_limit_and_an_ordinary_feed_is_not() -> None:
    error = await fetched(zlib.compress(bytes(8 * MIB)))
    assert error is not None
    assert "as only a bomb does" in str(error)
    items = b"".join(b"<item><guid>%d</guid><title>Harbour %d</title></item>" % (n, n * n) for n in range(120_000))
    assert len(items) > 5 * MIB
    assert await fetched(zlib.compress(items)) is None


async def test_a_body_of_crumbs_is_refused() -> None:
    async def crumbs(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n" * 1_000)
            await writer.drain()

    async with serving(feed=crumbs) as server:
        allow = AllowList.parse([f"localhost:{server.port}"])
        async with Web(allow=allow, resolver=Names(), limits=Limits(total_s=20)) as web:
            with pytest.raises(FetchError, match="in crumbs"):
                await web.fetch_feed(FeedRequest(url=server.url("/feed")))


async def test_many_large_bodies_at_once_wait_and_small_ones_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_LIMIT_HELD_BYTES", 2 * MIB)
    async with serving(large=answer(body=b"<rss>" + b"x" * 3 * MIB), small=answer(body=b"<rss/>")) as server:
        allow = AllowList.parse([f"localhost:{server.port}"])
        async with Web(allow=allow, resolver=Names()) as web:
            with pytest.raises(FetchError, match="must wait"):
                await web.fetch_feed(FeedRequest(url=server.url("/large")))
            small = await web.fetch_feed(FeedRequest(url=server.url("/small")))
            assert isinstance(small, Fetched)
            assert web._client._held_bytes == 0


# --- what waits for a worker, and what comes back ---------------------------------------------------------------------


async def test_more_documents_than_fit_are_put_off_and_small_ones_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LIMIT_WAITING_BYTES", MIB)
    large = b"<html><p>" + b"x " * MIB
    async with Workers() as workers:
        with pytest.raises(ParseError, match="Too many large documents"):
            await workers.read_page(large, url="", charset=None)
        assert (await workers.read_page(b"<html><title>Hello</title>", url="", charset=None)).title == "Hello"
        assert workers._waiting_bytes == 0


async def test_an_answer_comes_in_pieces_and_one_that_is_too_large_not_at_all() -> None:
    process = WorkerProcess(timeout_s=20, memory_mb=512, max_tasks=9)
    try:
        text = "Über den Hafen. " * 100_000
        assert await process.call("builtins:str", text) == text
        many = tuple(f"{n}" * 9 for n in range(200_000))
        assert await process.call("builtins:tuple", many) == many
        with pytest.raises(ParseError) as caught:
            await process.call("builtins:bytes", 30 * MIB)
        assert caught.value.reason == "too_large"
        assert await process.call("builtins:len", "next") == 4
    finally:
        await process.close()


async def test_long_work_leaves_the_loops_thread_and_short_work_stays() -> None:
    import threading  # noqa: PLC0415  # only here

    here = threading.get_ident()
    assert await without_stalling(LONG - 1, threading.get_ident) == here
    assert await without_stalling(LONG, threading.get_ident) != here


# --- texts ------------------------------------------------------------------------------------------------------------


@given(st.text(alphabet="ae\u0301\u0316\u05b0\U0001d165 й", max_size=200))
def test_a_text_keeps_at_most_thirty_marks_in_a_row_and_nothing_else_changes(text: str) -> None:
    kept = with_few_marks(text)
    runs = "".join("m" if unicodedata.combining(char) else " " for char in kept).split()
    assert max(map(len, runs), default=0) <= LIMIT_RUN
    plain = [char for char in text if not unicodedata.combining(char)]
    assert [char for char in kept if not unicodedata.combining(char)] == plain
    if (
        max(map(len, "".join("m" if unicodedata.combining(char) else " " for char in text).split()), default=0)
        <= LIMIT_RUN
    ):
        assert kept == text


def test_no_run_of_marks_comes_out_of_a_feed_or_a_page() -> None:
    marks = "\u0301\u0316" * 2_000
    feed = parse_feed(f"<rss><channel><item><title>a{marks}</title><description>b{marks}</description></item>".encode())
    page = page_text(f"<html><head><title>a{marks}</title></head><body><article><p>b{marks} c</p></article>".encode())
    entities = parse_feed(
        f"<rss><channel><item><title>a</title><description>b{'&amp;#769;' * 900}</description></item>".encode()
    )
    for text in (feed.items[0].title, feed.items[0].text, page.title, page.text, entities.items[0].text):
        assert sum(map(bool, map(unicodedata.combining, text))) <= LIMIT_RUN


def test_a_page_gives_no_more_text_than_is_read_of_an_article() -> None:
    page = page_text(b"<html><body><article><p>" + b"The harbour stays shut for another week. " * 6_000)
    assert len(page.text) == LIMIT_TEXT_CHARS


def test_of_an_article_that_is_nothing_but_hits_a_hundred_of_each_watch_are_kept() -> None:
    one = Match(
        watch_id=1, watch="a", actor=None, field="text", start=0, end=1, text="x", alias="x", rule="user", score=1.0
    )
    found = Matches(matches=(one,) * 500 + (replace(one, watch_id=2),) * 3, fired=(1, 2))
    kept = few_of(found)
    assert [match.watch_id for match in kept.matches] == [1] * KEPT_MATCHES + [2] * 3
    assert kept.fired == (1, 2)
    assert few_of(kept) is not None


def test_the_first_item_is_looked_for_near_the_beginning_only() -> None:
    head = b"<rss><channel><lastBuildDate>%d</lastBuildDate>"
    assert items_hash(head % 1 + b"<item>x") == items_hash(head % 2 + b"<item>x")
    far = b"<" * 70_000
    assert items_hash(head % 1 + far + b"<item>x") != items_hash(head % 2 + far + b"<item>x")


# --- addresses and robots.txt -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [f"http://{'ü' * 4_000}/", f"http://u:p@{'ü' * 300}:80/", f"//{'a.' * 200}"])
def test_a_host_longer_than_any_name_is_not_even_read(url: str) -> None:
    with pytest.raises(ValueError, match="too long"):
        readable_url(url)
    with pytest.raises(FetchError):
        check_url(url, AllowList())


@given(st.text(max_size=60) | st.from_regex(r"https?://[a-zü:@/?#\\\[\]0-9.]{0,30}"))
def test_whatever_is_put_in_an_address_is_a_url_or_one_plain_refusal(text: str) -> None:
    try:
        url = check_url(text, AllowList())
    except FetchError as error:
        assert error.reason == "refused"  # noqa: PT017  both ends are right
    else:
        assert url.scheme in {"http", "https"}
        again = check_url(str(url), AllowList())
        assert (again.scheme, again.raw_host, again.port) == (url.scheme, url.raw_host, url.port)


async def test_long_rules_are_gone_through_and_few_of_them_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    body = "User-agent: *\nDisallow: /closed*x\n" + "\n".join(f"Disallow: /{n}*e*g*x" for n in range(1_500))
    monkeypatch.setattr("bot.web.robots._KEPT_BYTES", 4 * len(body))

    async def fetch(url: URL, _: bool) -> Answer:  # noqa: FBT001  the shape of FetchRobots
        return client.Answer(url=url, status=200, headers={}, body=body.encode())

    cache = RobotsCache(fetch)
    for site in range(6):
        url = readable_url(f"http://h{site}.example/closed/abcx")
        rules = await cache.rules_for(url, private=False)
        assert not await rules.allow(url)
        assert await rules.allow(url.with_path("/open"))
    assert len(cache._kept) == 4


# --- a feed that has much is not before one that has little -----------------------------------------------------------


async def test_feeds_are_read_in_turn_so_that_one_with_many_items_holds_up_no_other(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "turns.db", now=NOW)
    try:
        urls = ("https://many.example/", "https://few.example/")
        await store.declare(feeds=[DeclaredFeed(url=url) for url in urls], actors=(), watches=(), now=NOW)
        for feed, count in zip(await store.feeds(), (30, 2), strict=True):
            items = tuple(FeedItem(guid=f"{n}", title=f"Harbour {n}") for n in range(count))
            new = sort_entries(items, keys_for(items), Known(by_key={}, by_link={}))
            await store.commit_poll(Poll(feed=feed, polled_at=NOW, entries=new))
        due = await store.items_to_read(limit=6)
        assert [item.feed_url for item in due] == [*urls, *urls, urls[0], urls[0]]
        later = await store.items_to_read(limit=2, without={item.id for item in due})
        assert [item.title for item in later] == ["Harbour 4", "Harbour 5"]
    finally:
        await store.close()


# --- found by fuzzing -------------------------------------------------------------------------------------------------


def test_a_namespace_with_a_blank_in_it_costs_no_item() -> None:
    entry = "<item><guid>1</guid><title>Harbour</title></item>"
    feed = parse_feed(
        f"<rss xmlns='http://a b c' version='2.0'><channel><title>t</title>{entry}</channel></rss>".encode()
    )
    assert [item.title for item in feed.items] == ["Harbour"]


@pytest.mark.parametrize(
    "url", ["https://me:pw@h/a@b", "//me:pw@h/a@b", "me:pw@h/a@b", "//me:pw@t'p://=", "https://me:p@w@h/a@b?c://me"]
)
def test_an_address_is_shown_without_its_secret_however_it_was_mistyped(url: str) -> None:
    shown = without_credentials(url)
    assert "pw" not in shown
    assert "p@w" not in shown
    assert shown.endswith(url.rpartition("/")[2]) or "://" in url
