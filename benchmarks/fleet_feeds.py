"""The outlets of `benchmarks.fleet`: thousands of hosts, one feed each, every connection new; and the store that knows them all already.

Runs in processes of its own. Each host is a name under `.localhost`, which no resolver asks a network for (RFC 6761), and speaks TLS with
a certificate of a CA made for the run. An answer is a 304, the same document once more, or one with a new article, by the mix that was
set last.
"""

from __future__ import annotations

import asyncio
import gzip
import html
import random
import re
import shutil
import ssl
import subprocess
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.matching import made_text
from bot.feeds.identity import body_hash, items_hash, keys_for
from bot.feeds.parse import parse_feed
from bot.model import FeedHealth, ItemKeys, NewItem, Poll, Sorted
from bot.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bot.config import Config
    from bot.model import Feed, FeedItem

DOMAIN = "fleet.localhost"
KEPT = 12
TEXTS = 16
TEXT_CHARS = 2_800
ALERTED_EVERY = 2
SEEDED_AT_ONCE = 100
INTERVAL_S = 300.0
JITTER = 1.05  # what `feeds.timing` adds on average
GOLDEN = 0.618033988749895  # its multiples spread evenly, however many there are
USUAL = (70, 20, 10)
"""Of a hundred polls: 304, the same document, a new article."""


def host_of(feed: int) -> str:
    """Return a feed's host."""
    return f"f{feed}.{DOMAIN}"


@cache
def texts() -> tuple[str, ...]:
    """Return the articles' texts, as HTML: whole ones, so that no page is asked for."""
    chance = random.Random(11)
    made = [made_text(chance).replace("’s", "")[:TEXT_CHARS] for _ in range(TEXTS)]
    return tuple("".join(f"<p>{html.escape(part)}.</p>" for part in text.split("\n\n")) for text in made)


def document(feed: int, articles: int, origin: str) -> bytes:
    """Return a feed's document when it has brought so many articles: the newest of them."""
    entries = []
    for number in reversed(range(articles - KEPT, articles)):
        alerted = number >= KEPT and (feed + number) % ALERTED_EVERY == 0
        body = texts()[number % TEXTS] + ("<p>They agreed on sanctions.</p>" if alerted else "")
        entries.append(
            f"<item><title>Report {number} of the day</title><link>{origin}/{feed}/{number}</link>"
            f'<guid isPermaLink="false">{feed}/{number}</guid><description>{html.escape(body)}</description></item>'
        )
    head = f"<title>Outlet {feed}</title><link>{origin}/</link><description>made</description>"
    return f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>{head}{"".join(entries)}</channel></rss>'.encode()


def tag_of(feed: int, articles: int) -> str:
    """Return the validator of that document."""
    return f'"{feed}-{articles}"'


@dataclass
class Outlets:
    """All of them behind one port. mix: of a hundred polls, as in USUAL."""

    scheme: str = "https"
    port: int = 0
    mix: Sequence[int] = USUAL
    chance: random.Random = field(default_factory=lambda: random.Random(5))
    articles: Counter[int] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = request.split(" ", 2)[1]
            if path.startswith("/mix/"):
                self.mix = tuple(map(int, path.split("/")[2].split("-")))
                writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            else:
                writer.write(self.answer(int(path.rpartition("/")[2]), request))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError, ssl.SSLError):
            pass
        finally:
            writer.close()

    def answer(self, feed: int, request: str) -> bytes:
        """Return what a feed answers now."""
        (outcome,) = self.chance.choices(("not modified", "same", "new"), self.mix)
        count = KEPT + self.articles[feed]
        asked = re.search(r"\r\nif-none-match: ([^\r]+)", request, re.IGNORECASE)
        if outcome == "not modified" and asked and asked[1] == tag_of(feed, count):
            return f"HTTP/1.1 304 Not Modified\r\nETag: {asked[1]}\r\nConnection: close\r\n\r\n".encode()
        if outcome == "new":
            self.articles[feed] += 1
            count += 1
        body = gzip.compress(document(feed, count, f"{self.scheme}://{host_of(feed)}:{self.port}"), 1, mtime=0)
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml; charset=utf-8\r\nContent-Encoding: gzip\r\n"
            f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S GMT}\r\nETag: {tag_of(feed, count)}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


async def serve_outlets(folder: Path, *, tls: bool) -> None:
    """Serve until killed; print the port."""
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "leaf.pem", folder / "leaf.key")
    outlets = Outlets("https" if tls else "http")
    server = await asyncio.start_server(outlets.serve, "127.0.0.1", 0, ssl=context, backlog=1024)
    outlets.port = server.sockets[0].getsockname()[1]
    texts()
    print(outlets.port, flush=True)
    await server.serve_forever()


def make_certificates(folder: Path) -> bool:
    """Make a CA (ca.pem) and a certificate for all hosts (leaf.pem, leaf.key); False where this machine has no openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return False
    (folder / "leaf.ext").write_text(
        f"subjectAltName=DNS:*.{DOMAIN}\nbasicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n", encoding="ascii"
    )
    ca = [
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=A CA for one run",
        "-addext",
        "keyUsage=critical,keyCertSign",
    ]
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "leaf.ext"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for command in (
        ["req", "-x509", *key, *ca, "-days", "2"],
        ["req", *key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=fleet"],
        ["x509", "-req", "-in", "leaf.csr", *signed, "-out", "leaf.pem"],
    ):
        subprocess.run([openssl, *command], cwd=folder, check=True, capture_output=True)  # noqa: S603  # ours
    return True


async def seed(config: Config, port: int) -> None:
    """Fill the store as if every feed had been read before, and let them fall due evenly over an interval from now on."""
    store = await Store.open(config.store_path, now=datetime.now(UTC))
    try:
        began = datetime.now(UTC)
        await store.declare(feeds=config.feeds, actors=(), watches=(), now=began)
        feeds = [feed for feed in await store.feeds() if feed.subscribed_at is None]
        scheme = config.feeds[0].url.partition(":")[0]
        model = parse_feed(document(0, KEPT, origin_of(0, scheme, port)), content_type=None, base_url="").items
        keys = keys_for(model)
        for start in range(0, len(feeds), SEEDED_AT_ONCE):
            those = feeds[start : start + SEEDED_AT_ONCE]
            polls = [poll_of(feed, model, keys, began, (scheme, port)) for feed in those]
            await asyncio.gather(*map(store.commit_poll, polls))
        await store.shift_due_times(datetime.now(UTC) - began, now=datetime.now(UTC))
    finally:
        await store.close()


def origin_of(feed: int, scheme: str, port: int) -> str:
    """Return where a feed's host is."""
    return f"{scheme}://{host_of(feed)}:{port}"


def poll_of(
    feed: Feed,
    model: Sequence[FeedItem],
    keys: Sequence[ItemKeys],
    at: datetime,
    place: tuple[str, int],
) -> Poll:
    """Return the first poll of a feed, whose items are those of the model but for their number."""
    number = int(feed.url.rpartition("/")[2])
    origin = origin_of(number, *place)
    items = [
        replace(
            item,
            guid=f"{number}/{item.guid.partition('/')[2]}",
            link=f"{origin}/{number}/{item.guid.partition('/')[2]}",
            text="",
        )
        for item in model
    ]
    new = [
        NewItem(entry=item, keys=replace(its, content_hash=known.content_hash), to_read=False)
        for item, its, known in zip(items, keys_for(items), keys, strict=True)
    ]
    body = document(number, KEPT, origin)
    known_feed = replace(
        feed,
        name=f"Outlet {number}",
        etag=tag_of(number, KEPT),
        body_hash=body_hash(body),
        items_hash=items_hash(body),
        rate=1.0,
        state="ok",
        last_poll_at=at,
        last_ok_at=at,
        subscribed_at=at,
        health=FeedHealth(entries=KEPT, normal_polls=3),
        next_poll_at=at + timedelta(seconds=INTERVAL_S * JITTER * (number * GOLDEN % 1)),
    )
    return Poll(feed=known_feed, polled_at=at, entries=Sorted(new=tuple(new), seen=tuple(one.keys.key for one in new)))
