"""Servers that mean harm: garbage, lies, bombs, drips, floods. Each ends in one plain error, bounded in time and memory."""

from __future__ import annotations

import asyncio
import gzip
import sys
import tracemalloc
import zlib

import brotli  # type: ignore[import-untyped]  # ships no types
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from typing import TYPE_CHECKING

from bot.errors import FetchError
from bot.web.fetch import FeedRequest, Fetched, Limits, NotModified, Web
from bot.web.guard import AllowList
from tests.web_fakes import Names, Script, Seen, Server, answer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMIT_BYTES = 1024 * 1024
IMPATIENT = Limits(body_bytes=LIMIT_BYTES, total_s=0.2, connect_s=0.2, read_s=0.2)
PATIENT = Limits(body_bytes=LIMIT_BYTES, total_s=10, connect_s=5, read_s=5)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


async def fetch(server: Server, limits: Limits = PATIENT) -> Fetched | NotModified:
    allow = AllowList.parse([f"localhost:{server.port}"])
    async with Web(allow=allow, resolver=Names(), limits=limits) as web:
        return await web.fetch_feed(FeedRequest(url=server.url("/feed?token=secret")))


async def failure(server: Server, limits: Limits = PATIENT) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await fetch(server, limits)
    assert "localhost" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def closing(raw: bytes) -> Script:
    async def script(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    return script


GARBAGE = {
    "nothing": b"",
    "noise": b"\x00\xff\xfe\x16\x03\x01" * 40,
    "another protocol": b"SSH-2.0-OpenSSH_9.9\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "status of letters": b"HTTP/1.1 OK fine\r\n\r\n",
    "huge status": b"HTTP/1.1 99999999999999999999 x\r\n\r\n",
    "control characters in a header": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "header without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length of letters": b"HTTP/1.1 200 OK\r\nContent-Length: lots\r\n\r\nab",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab",
    "endless length": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\nab",
    "long header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 10_000 + b"\r\n",
    "bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
    "broken chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "body too short": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab",
    "headers cut": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "not gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "not brotli": b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff",
    "not zstd": b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: 4\r\n\r\nabcd",
    "not deflate": b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff",
}


@pytest.mark.parametrize("what", GARBAGE)
async def test_an_answer_that_is_no_http_is_one_plain_failure(server: Server, what: str) -> None:
    server.scripts["*"] = closing(GARBAGE[what])
    assert (await failure(server)).reason in {"connect", "too_large"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    noise=st.binary(max_size=200),
    head=st.sampled_from(
        [
            b"",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: ",
            b"HTTP/1.1 200 OK\r\nETag: ",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: ",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n",
        ]
    ),
)
async def test_whatever_bytes_come_nothing_but_a_fetch_error_escapes(noise: bytes, head: bytes) -> None:
    async with serving() as server:
        server.scripts["*"] = closing(head + noise + b"\r\n\r\n")
        try:
            await fetch(server)
        except FetchError as error:
            assert "\n" not in str(error)  # noqa: PT017  both ends are right


def gzip_bomb(size: int) -> bytes:
    return gzip.compress(bytes(size))


def zstd_bomb(size: int) -> bytes:
    packed: bytes = zstd.compress(bytes(size))
    return packed


def brotli_bomb(size: int) -> bytes:
    packed: bytes = brotli.compress(bytes(size), quality=5)
    return packed


def deflate_bomb(size: int) -> bytes:
    return zlib.compress(bytes(size))


BOMBS = {"gzip": gzip_bomb, "zstd": zstd_bomb, "br": brotli_bomb, "deflate": deflate_bomb}


@pytest.mark.parametrize("encoding", BOMBS)
async def test_a_compressed_body_is_decoded(server: Server, encoding: str) -> None:
    server.scripts["*"] = answer(body=BOMBS[encoding](1_000), Content_Encoding=encoding)
    got = await fetch(server)
    assert isinstance(got, Fetched)
    assert got.body == bytes(1_000)


@pytest.mark.parametrize("encoding", BOMBS)
async def test_a_bomb_is_stopped_while_it_unfolds(server: Server, encoding: str) -> None:
    server.scripts["*"] = answer(body=BOMBS[encoding](64 * 1024 * 1024), Content_Encoding=encoding)
    tracemalloc.start()
    try:
        assert (await failure(server)).reason == "too_large"
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * 1024 * 1024


@pytest.mark.parametrize("encoding", BOMBS)
async def test_a_compressed_body_that_breaks_off_is_a_failure_or_what_came(server: Server, encoding: str) -> None:
    whole = BOMBS[encoding](100_000)
    server.scripts["*"] = answer(body=whole[: len(whole) // 2], Content_Encoding=encoding)
    try:
        got = await fetch(server)
    except FetchError as error:
        assert error.reason == "connect"  # noqa: PT017  both ends are right
    else:
        assert isinstance(got, Fetched)
        assert len(got.body) < 100_000


async def test_a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_not(server: Server) -> None:
    server.scripts["*"] = answer(body=bytes(LIMIT_BYTES))
    got = await fetch(server)
    assert isinstance(got, Fetched)
    assert len(got.body) == LIMIT_BYTES
    server.scripts["*"] = answer(body=bytes(LIMIT_BYTES + 1))
    assert (await failure(server)).reason == "too_large"


async def test_a_larger_content_length_is_refused_before_the_body(server: Server) -> None:
    server.scripts["*"] = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
    assert (await failure(server)).reason == "too_large"


async def test_endless_chunks_end_at_the_limit(server: Server) -> None:
    async def flood(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"ffff\r\n" + bytes(0xFFFF) + b"\r\n")
            await writer.drain()

    server.scripts["*"] = flood
    assert (await failure(server)).reason == "too_large"


async def drip(writer: asyncio.StreamWriter, start: bytes, drop: bytes) -> None:
    writer.write(start)
    while not writer.is_closing():
        writer.write(drop)
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip_bomb(10)[:10], b""),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silence", "dripping headers", "dripping body", "dripping chunks", "stalled gzip", "endless 100 Continue"],
)
async def test_a_slow_server_ends_at_the_total_time(server: Server, start: bytes, drop: bytes) -> None:
    async def script(_: Seen, writer: asyncio.StreamWriter) -> None:
        await drip(writer, start, drop)

    server.scripts["*"] = script
    assert (await failure(server, IMPATIENT)).reason == "timeout"


async def test_the_total_time_runs_over_all_redirects(server: Server) -> None:
    async def slow_hop(_: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.08)
        writer.write(answer(302, Location="/again"))

    server.scripts["*"] = slow_hop
    assert (await failure(server, IMPATIENT)).reason == "timeout"
    assert len(server.requests) < 6


async def test_after_a_hostile_answer_the_next_request_is_served_well(server: Server) -> None:
    server.scripts["/feed?token=secret"] = answer(body=gzip_bomb(8 * 1024 * 1024), Content_Encoding="gzip")
    server.scripts["/good"] = answer(body=b"<rss/>")
    async with Web(allow=AllowList.parse([f"localhost:{server.port}"]), resolver=Names(), limits=PATIENT) as web:
        with pytest.raises(FetchError):
            await web.fetch_feed(FeedRequest(url=server.url("/feed?token=secret")))
        got = await web.fetch_feed(FeedRequest(url=server.url("/good")))
    assert isinstance(got, Fetched)
    assert got.body == b"<rss/>"


async def test_a_cancelled_fetch_is_cancelled_not_a_failure(server: Server) -> None:
    asked = asyncio.Event()

    async def hang(_: Seen, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await drip(writer, b"", b"")

    server.scripts["*"] = hang
    task = asyncio.create_task(fetch(server))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
