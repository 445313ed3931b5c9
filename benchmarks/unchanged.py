"""What a thousand polls that brought nothing cost the disk, each committed by itself and written together. Prints a table.

300 feeds at five minutes are a poll a second, so half a minute of them, thirty, are one commit. Each commit of a store with
synchronous=FULL is one sync of the log; bytes are what the process wrote, as the kernel counts them.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.model import DeclaredFeed, Poll
from bot.store import Store, polls

FEEDS = 300
POLLS = 1_000
TOGETHER = 30
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def written_bytes() -> int:
    """Return how many bytes this process has handed to the kernel for writing."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["wchar"])


async def measure(folder: Path, *, together: bool) -> tuple[int, int]:
    """Return commits and bytes of a thousand unchanged polls."""
    store = await Store.open(folder / f"{together}.db", now=NOW)
    urls = [
        DeclaredFeed(url=f"https://site{n}.example/a/feed/of/usual/length.xml", name=f"Site {n}") for n in range(FEEDS)
    ]
    await store.declare(feeds=urls, actors=(), watches=(), now=NOW)
    feeds = await store.feeds()
    commits, begun = sum(store.vitals.commits.counts), written_bytes()
    for number in range(POLLS):
        at = NOW + timedelta(seconds=number)
        feed = replace(
            feeds[number % FEEDS], state="ok", subscribed_at=NOW, last_poll_at=at, last_ok_at=at, etag='"a3f5-5d1c7e"',
            next_poll_at=at + timedelta(minutes=5),
        )  # fmt: skip
        poll = Poll(feed=feed, polled_at=at)
        if together:
            await store.commit_poll(poll)
            if number % TOGETHER == TOGETHER - 1:
                await store.feeds()  # whoever asks for all feeds has them written
        else:
            await store._write(lambda sql, poll=poll: polls.commit_poll(sql, poll))  # type: ignore[misc]  # noqa: SLF001  # as it was
    await store.feeds()
    result = sum(store.vitals.commits.counts) - commits, written_bytes() - begun
    await store.close()
    return result


def main() -> None:
    """Measure both and print."""
    print("| 1,000 unchanged polls | syncs of the log | MB written |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for together, name in ((False, "each by itself"), (True, "thirty together")):
            commits, size = asyncio.run(measure(Path(folder), together=together))
            print(f"| {name} | {commits:,} | {size / 1e6:.1f} |")


if __name__ == "__main__":
    main()
