"""How quick the road is: items per second from a feed's body to an owed alert, and what each stage costs. Prints a table.

Everything is real but the network, whose answers come from memory: worker processes parse and extract, SQLite commits with
synchronous=FULL. CPU is that of this process and its workers. Texts are made here, from a seed.
"""

from __future__ import annotations

import asyncio
import html
import random
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import psutil

from benchmarks.matching import made_text
from bot.app import watching_for
from bot.model import DeclaredFeed, Watch
from bot.pipeline import Habits, Pipeline, Watching
from bot.reading.matcher import Matcher
from bot.store import Store
from bot.web.fetch import FeedRequest, Fetched, Web
from bot.workers import Workers

ITEMS = 200
FEED = "http://127.0.0.1/feed"


@dataclass
class Memory:
    """A web whose answers are already here."""

    body: bytes
    pages: dict[str, bytes]

    def may_be_private(self, _: str) -> bool:
        """Take every feed for one of the operator's own: no floors, no spread."""
        return True

    def page_wait_s(self, _: str) -> float:
        """Let nobody wait."""
        return 0.0

    async def fetch_feed(self, request: FeedRequest) -> Fetched:
        """Return the feed."""
        return Fetched(url=request.url, status=200, body=self.body, content_type="application/rss+xml")

    async def fetch_page(self, url: str, *, configured_url: str, patience_s: float) -> Fetched:
        """Return the page of that address."""
        del configured_url, patience_s
        return Fetched(url=url, status=200, body=self.pages[url], content_type="text/html; charset=utf-8")


def memory_of(*, full: bool) -> Memory:
    """Return a feed of articles, one in four of which holds a watched word; full: the feed gives the whole text itself."""
    chance = random.Random(7)
    pages, entries = {}, []
    for number in range(ITEMS):
        text = made_text(chance) + ("\n\nThey agreed on further sanctions." if number % 4 == 0 else "")
        paragraphs = "".join(f"<p>{html.escape(part)}.</p>" for part in text.split("\n\n"))
        url, title = f"http://127.0.0.1/{number}", f"Report number {number} of the week"
        pages[url] = (
            f"<html lang=en><head><title>{title}</title></head><body><article><h1>{title}</h1>{paragraphs}</article>".encode()
        )
        teaser = html.escape(paragraphs if full else text[:200])
        entries.append(
            f"<item><title>{title}</title><link>{url}</link><guid>{url}</guid><description>{teaser}</description></item>"
        )
    head = "<title>Made</title><link>http://127.0.0.1/</link>"
    return Memory(body=f"<rss version='2.0'><channel>{head}{''.join(entries)}</channel></rss>".encode(), pages=pages)


async def measure(folder: Path, *, full: bool) -> tuple[float, float, int]:
    """Take one feed from body to owed; return wall seconds, CPU seconds and how many alerts are owed then."""
    store = await Store.open(folder / f"road-{full}.db", now=now())
    async with Workers() as workers:
        watch = Watch(name="Sanctions", query="sanctions")
        await store.declare(feeds=[DeclaredFeed(url=FEED, name="Made")], actors=(), watches=(watch,), now=now())
        pipeline = Pipeline(
            store=store,
            web=cast("Web", memory_of(full=full)),
            workers=workers,
            watching=Watching(watches=(), matcher=Matcher.compile((), (), forms={})),
            habits=Habits(baseline=False),
            clock=now,
        )
        pipeline.watching = await watching_for(store, workers, ("en",))
        (feed,) = await store.due_feeds(now())
        await workers.read_page(b"<p>warm", url="", charset=None)
        began, cpu = time.perf_counter(), family_cpu_s(workers)
        await pipeline.poll_feed(feed)
        items = await store.items_to_read(limit=ITEMS)
        for start in range(0, len(items), 16):
            await asyncio.gather(*(pipeline.read_item(item) for item in items[start : start + 16]))
        wall_s, cpu_s = time.perf_counter() - began, family_cpu_s(workers) - cpu
        owed = (await store.counts()).owed
    await store.close()
    return wall_s, cpu_s, owed


def family_cpu_s(workers: Workers) -> float:
    """Return the CPU seconds of this process and of its workers so far."""
    total = time.process_time()
    for pid in workers.pids():
        times = psutil.Process(pid).cpu_times()
        total += times.user + times.system
    return total


def now() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


def main() -> None:
    """Measure and print."""
    print(f"from a feed's body to owed, {ITEMS} items of some 3,000 characters, commits with synchronous=FULL\n")
    print("| text | items/s (wall) | items/CPU-s | alerts owed |\n|---|---|---|---|")
    cases: dict[str, bool] = {"whole text in the feed": True, "teaser, page extracted": False}
    for name, full in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            wall_s, cpu_s, owed = asyncio.run(measure(Path(folder), full=full))
        print(f"| {name} | {ITEMS / wall_s:.0f} | {ITEMS / cpu_s:.0f} | {owed} of {ITEMS // 4} |")


if __name__ == "__main__":
    main()
