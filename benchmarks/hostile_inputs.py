"""What a publisher who means harm can answer: bombs, floods, drips, markup that costs more to read than to write.

A server of them for loopback, one folder for each: `/NAME/feed`, `/NAME/page`. Used by `benchmarks/hostile.py` and the tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import itertools
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import brotli  # type: ignore[import-untyped]  # ships no types

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20
BOMB_BYTES = 300 * MIB
BODY_BYTES = 10 * MIB - 4_096  # just under what is read of a feed
PAGE_BYTES = 2_990_000
PAGE_TAGS = 39_000

Drip = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer. body: made when it is first asked for. drip: written in its place, for as long as the other side listens."""

    body: Callable[[], bytes] = lambda: b""
    kind: str = "application/rss+xml; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: Drip | None = None


def item(place: int, text: str, *, title: str = "", link: str = "") -> str:
    """Return one RSS item; the text is put in as markup that is escaped already."""
    link = link and f"<link>{link}</link>"
    return f"<item><guid>h{place}</guid><title>{title or f'Harbour {place}'}</title>{link}<description>{text}</description></item>"


def rss(*items: str, doctype: str = "") -> bytes:
    """Return a whole document."""
    head = f'<?xml version="1.0" encoding="utf-8"?>{doctype}<rss version="2.0"><channel><title>Hostile</title>'
    return f"{head}{''.join(items)}</channel></rss>".encode("utf-8", "surrogatepass")


def filled(piece: str, size: int = BODY_BYTES, items: int = 1) -> bytes:
    """Return a feed of so many bytes whose items say nothing but this piece, over and over."""
    room = size // items - 120
    text = piece * (room // len(piece.encode()))
    return rss(*(item(place, text) for place in range(items)))


def paged(name: str, count: int = 1) -> bytes:
    """Return a feed of teasers whose pages stand beside it."""
    return rss(*(item(place, "Sanctions, they say.", link=f"ORIGIN/{name}/page?{place}") for place in range(count)))


def page(inside: str) -> bytes:
    """Return a page whose article is this markup."""
    head = "<!doctype html><html lang=en><head><title>Harbour 0</title></head><body><article><h1>Harbour 0</h1>"
    return f"{head}<p>Sanctions, they say, of the harbour.</p>{inside}</article></body></html>".encode()


async def _endless_chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"<item>x" * 9_362 + b"ab" + b"\r\n")
        await writer.drain()


async def _drip_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n\r\n<rss>")
    await _drip(writer, b" ")


async def _drip_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await _drip(writer, b"X-More: 1\r\n")


async def _tiny_chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n" * 10_000)
        await writer.drain()


async def _large_header(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * (10 * MIB) + b"\r\n\r\n")
    await writer.drain()


async def _many_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(100_000)) + b"\r\n")
    await writer.drain()


async def _drip(writer: asyncio.StreamWriter, drop: bytes) -> None:
    while True:
        writer.write(drop)
        await writer.drain()
        await asyncio.sleep(0.1)


def _gzip_bomb() -> bytes:
    return gzip.compress(b"<item>" * (BOMB_BYTES // 6), compresslevel=6)


def _brotli_bomb() -> bytes:
    packed: bytes = brotli.compress(bytes(BOMB_BYTES), quality=4)
    return packed


def _zstd_bomb() -> bytes:
    packed: bytes = zstd.compress(bytes(BOMB_BYTES))
    return packed


def _laughs() -> bytes:
    lines = ['<!ENTITY a0 "ha">', *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))]
    return rss(item(1, "&a11;"), doctype=f"<!DOCTYPE rss [{''.join(lines)}]>")


def _late_laughs() -> bytes:
    lines = ['<!ENTITY a0 "ha">', *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))]
    return rss(item(1, "&a11;"), doctype=f"<!DOCTYPE rss [<!--{' ' * 70_000}-->{''.join(lines)}]>")


def _short_entity() -> bytes:
    return rss(item(1, "&e;" * 3_000_000), doctype=f'<!DOCTYPE rss [<!ENTITY e "{"x" * 990}">]>')


def _quadratic_entity() -> bytes:
    return rss(item(1, "&e;" * 20_000), doctype=f'<!DOCTYPE rss [<!ENTITY e "{"x" * 100_000}">]>')


def _outside() -> bytes:
    return rss(item(1, "&e;"), doctype='<!DOCTYPE rss SYSTEM "ORIGIN/dtd" [<!ENTITY e SYSTEM "file:///etc/hostname">]>')


def _deep_json() -> bytes:
    return b'{"version":"https://jsonfeed.org/version/1.1","title":"x","items":' + b"[" * 5_000_000


def _wide_json() -> bytes:
    head = b'{"version":"https://jsonfeed.org/version/1.1","title":"x","items":['
    return head + b"{}," * 3_400_000 + b"{}]}"


def _rare_letters() -> bytes:
    letters = "".join(map(chr, itertools.chain(range(0xA1, 0xD800), range(0xF900, 0xFFFE), range(0x10000, 0x2FFFE))))
    return rss(*(item(n, letters[n * 15_000 : (n + 1) * 15_000] + " sanctions") for n in range(14)))


def _varied() -> bytes:
    return rss(*(item(n, " ".join(f"Harbour {n * k % 9_973} of {k}." for k in range(420))) for n in range(1_000)))[
        :BODY_BYTES
    ]


_WATCHED = "Sanctions arrested Alexander Lukashenko Sochi us. "
_NESTED = "&lt;div&gt;"
RSS, HTML = "application/rss+xml", "text/html; charset=utf-8"

FEEDS: dict[str, Answer] = {
    "gzip bomb, 300 MiB": Answer(body=_gzip_bomb, headers={"Content-Encoding": "gzip"}),
    "br bomb, 300 MiB": Answer(body=_brotli_bomb, headers={"Content-Encoding": "br"}),
    "zstd bomb, 300 MiB": Answer(body=_zstd_bomb, headers={"Content-Encoding": "zstd"}),
    "gzip, 10 MiB of items": Answer(body=lambda: gzip.compress(_varied()), headers={"Content-Encoding": "gzip"}),
    "endless chunks": Answer(drip=_endless_chunks),
    "endless chunks of one byte": Answer(drip=_tiny_chunks),
    "body in drips": Answer(drip=_drip_body),
    "headers in drips": Answer(drip=_drip_headers),
    "header of 10 MB": Answer(drip=_large_header),
    "100,000 headers": Answer(drip=_many_headers),
    "billion laughs": Answer(body=_laughs),
    "billion laughs behind 70 kB": Answer(body=_late_laughs),
    "entity of 100 kB, 20,000 times": Answer(body=_quadratic_entity),
    "entity of 1 kB, 3 million times": Answer(body=_short_entity),
    "external entity and DTD": Answer(body=_outside),
    "20,000 items": Answer(body=lambda: rss(*(item(n, "Harbour news.") for n in range(20_000)))),
    "1,000 items, 10 MiB of text": Answer(body=lambda: filled("The harbour stays shut. ", items=1_000)),
    "1,000 items, 10 MiB of hits": Answer(body=lambda: filled(_WATCHED, items=1_000)),
    "150 items of 64 kB, all hits": Answer(body=lambda: filled(_WATCHED, items=150)),
    "1,000 items of links": Answer(
        body=lambda: rss(*(item(n, "x", link=f"https://{'ü' * 1_900}{n}.example/") for n in range(1_000)))
    ),
    "combining marks, 10 MiB": Answer(body=lambda: filled("\u0301\u0316", items=100)),
    "combining marks in titles": Answer(
        body=lambda: rss(*(item(n, "x", title="a" + "\u0301\u0316" * 5_000) for n in range(500)))
    ),
    "every letter there is": Answer(body=_rare_letters),
    "nested div, 200,000 deep": Answer(body=lambda: rss(item(1, _NESTED * 200_000), item(2, _NESTED * 5_000))),
    "comments that never end": Answer(body=lambda: filled("&lt;!--", items=100)),
    "&amp; flood": Answer(body=lambda: filled("&amp;")),
    "&amp;# flood": Answer(body=lambda: filled("&amp;#", items=100)),
    "bare & flood": Answer(body=lambda: filled("&")),
    "<! flood": Answer(body=lambda: filled("<!")),
    "<item flood": Answer(body=lambda: filled("<item ")),
    "tag of 10 MB of blanks": Answer(body=lambda: rss("<item" + " " * BODY_BYTES + ">")),
    "10 MiB without a tag": Answer(body=lambda: b"\xd0\x96" * (BODY_BYTES // 2)),
    "10 MiB of bad bytes": Answer(body=lambda: b"<rss>" + b"\xe6\xf2\x81" * (BODY_BYTES // 3)),
    "JSON, 5 million deep": Answer(body=_deep_json, kind="application/feed+json"),
    "JSON, 3 million items": Answer(body=_wide_json, kind="application/feed+json"),
}

PAGES: dict[str, Answer] = {
    "page: gzip bomb, 300 MiB": Answer(body=_gzip_bomb, kind=HTML, headers={"Content-Encoding": "gzip"}),
    "page: 200,000 links": Answer(body=lambda: page('<a href="/x">y</a>' * 200_000), kind=HTML),
    "page: 19,000 links": Answer(body=lambda: page('<a href="/x">yes</a> ' * (PAGE_TAGS // 2)), kind=HTML),
    "page: 39,000 unclosed p": Answer(body=lambda: page("<p>The harbour stays shut." * PAGE_TAGS), kind=HTML),
    "page: table of 12,000 rows": Answer(
        body=lambda: page("<table>" + "<tr><td>harbour</tr>" * (PAGE_TAGS // 3)), kind=HTML
    ),
    "page: 200,000 nested div": Answer(body=lambda: page("<div>" * 200_000), kind=HTML),
    "page: 39,000 nested div": Answer(body=lambda: page("<div>" * PAGE_TAGS), kind=HTML),
    "page: 3 MB of text": Answer(body=lambda: page("The harbour stays shut. " * (PAGE_BYTES // 24)), kind=HTML),
    "page: 3 MB in one sentence": Answer(body=lambda: page("harbour " * (PAGE_BYTES // 8)), kind=HTML),
    "page: 3 MB of hits": Answer(body=lambda: page(_WATCHED * (PAGE_BYTES // len(_WATCHED))), kind=HTML),
    "page: 1 MB of combining marks": Answer(body=lambda: page("\u0301\u0316" * (MIB // 4)), kind=HTML),
    "page: 3 MB of quotation marks": Answer(body=lambda: page("\u201c" * (PAGE_BYTES // 3)), kind=HTML),
    "page: 3 MB of full stops": Answer(body=lambda: page("Mr. A. " * (PAGE_BYTES // 7)), kind=HTML),
    "page: attribute of 2.9 MB": Answer(body=lambda: page(f'<p title="{"x" * 2_900_000}">y'), kind=HTML),
    "page: headers in drips": Answer(drip=_drip_headers),
}

_RULES = "\n".join(f"Disallow: /{n % 10}*e*g*e*{n}*x" for n in range(20_000))
ROBOTS = {"robots.txt of 512 kB": ("User-agent: *\n" + _RULES).encode()[: 512 * 1024]}

CASES = (*FEEDS, *PAGES, *ROBOTS)


def folder_of(name: str) -> str:
    """Return the part of the address that stands for a case."""
    return f"c{CASES.index(name)}"


@dataclass(frozen=True, kw_only=True)
class Host:
    """A server of all cases. origin: its own address. calm: the body of `/calm`, a feed that means no harm. robots: of `/robots.txt`."""

    origin: str
    calm: bytes = b""
    robots: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection for as long as it asks."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                answer = self._answer(head.split(b" ", 2)[1].decode())
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(writer)
        writer.close()

    def _answer(self, path: str) -> bytes | Drip:
        if path == "/calm":
            return _whole(self.calm, RSS, {})
        if path == "/robots.txt":
            return _whole(self.robots, "text/plain", {})
        folder, _, what = path.lstrip("/").partition("?")[0].partition("/")
        name = next((case for case in CASES if folder_of(case) == folder), "")
        if what == "feed":
            answer = FEEDS.get(name) or Answer(body=functools.partial(paged, folder, 20 if name in ROBOTS else 1))
        else:
            answer = PAGES.get(name) or Answer(body=lambda: page("<p>Nothing more."), kind=HTML)
        body = _body(name, what, answer).replace(b"ORIGIN", self.origin.encode())
        return answer.drip or _whole(body, answer.kind, answer.headers)


_made: dict[tuple[str, str], bytes] = {}


def _body(name: str, what: str, answer: Answer) -> bytes:
    if (name, what) not in _made:
        _made[name, what] = answer.body()
    return _made[name, what]


def _whole(body: bytes, kind: str, headers: Mapping[str, str]) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", f"Content-Type: {kind}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
