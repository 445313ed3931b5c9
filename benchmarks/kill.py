"""kill -9 at random moments under flow: is any item lost, is any alert owed twice, does anything survive its parent?

Real processes, real HTTP on loopback, a real database: a parent serves feeds that grow all the time, with pages behind their
teasers, runs `wirewatch run --terminal` on them, kills it after a random while, starts it again, and at the end lets it catch up
and looks into the database and at what was printed.

    python -m benchmarks.kill [--kills 50] [--seed 1]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

FEEDS = 3
NEW_EVERY_S = 0.15
LONGEST_RUN_S = 3.0
CATCH_UP_S = 90.0
KEPT_IN_FEED = 2_000
FILLER = (
    "The committee met again on Tuesday, and those who had come from far away said that the week had been a long one. "
)


@dataclass
class Flow:
    """Feeds that grow; every entry's page holds the watched word, every second entry's teaser does not even hint at it."""

    entries: list[list[str]] = field(default_factory=lambda: [[] for _ in range(FEEDS)])
    port: int = 0

    def grow(self) -> None:
        """Publish one more entry in each feed."""
        for number, feed in enumerate(self.entries):
            feed.append(f"token-{number}-{len(feed):05d}")

    @property
    def tokens(self) -> set[str]:
        """What was published so far, each entry by its own word."""
        return {token for feed in self.entries for token in feed}

    async def feed(self, request: web.Request) -> web.Response:
        """Answer with a feed of teasers, the newest first."""
        items = "".join(
            f"<item><title>Report {token}</title><guid>{token}</guid><link>http://127.0.0.1:{self.port}/page/{token}</link>"
            f"<description>A short teaser.</description></item>"
            for token in reversed(self.entries[int(request.match_info["number"])][-KEPT_IN_FEED:])
        )
        body = f'<rss version="2.0"><channel><title>Flow</title><link>http://127.0.0.1/</link>{items}</channel></rss>'
        return web.Response(text=body, content_type="application/rss+xml")

    async def page(self, request: web.Request) -> web.Response:
        """Answer with the page behind a teaser."""
        token = request.match_info["token"]
        text = f"<p>{FILLER * 3}</p><p>They agreed on sanctions in the case of {token}. {FILLER}</p><p>{FILLER * 2}</p>"
        html = f"<html><head><title>Report {token}</title></head><body><article><h1>Report {token}</h1>{text}</article></body></html>"
        return web.Response(text=html, content_type="text/html")


@dataclass(frozen=True)
class Verdict:
    """What was found: all counts, of which lost, twice and orphans should be 0."""

    kills: int
    served: int
    lost_items: int
    lost_alerts: int
    owed_twice: int
    unsent: int
    printed_twice: int
    orphans: int
    integrity: str

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, owed twice, left unsent, or left running."""
        return self.integrity == "ok" and not any(
            (self.lost_items, self.lost_alerts, self.owed_twice, self.unsent, self.orphans)
        )


async def torture(folder: Path, *, kills: int, seed: int) -> Verdict:
    """Kill a bot so many times in `folder` and return what was found at the end."""
    chance = random.Random(seed)
    flow = Flow()
    app = web.Application()
    app.router.add_get("/feed/{number}", flow.feed)
    app.router.add_get("/page/{token}", flow.page)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    flow.port = runner.addresses[0][1]
    config, printed = write_config(folder, flow.port), folder / "printed.txt"
    try:
        await run_until_polled(config, printed)
        growing = asyncio.create_task(grow_for_ever(flow))
        orphans = 0
        for number in range(kills):
            orphans += await run_and_kill(config, printed, chance.uniform(0.2, LONGEST_RUN_S))
            show_progress(number + 1, kills)
        growing.cancel()
        await catch_up(config, printed, flow)
        return judge(folder / "flow.db", printed, flow.tokens, kills=kills, orphans=orphans)
    finally:
        await runner.cleanup()


def write_config(folder: Path, port: int) -> Path:
    """Write a configuration that polls each feed every second."""
    feeds = "".join(
        f'[[feeds]]\nurl = "http://127.0.0.1:{port}/feed/{number}"\nname = "Flow {number}"\n' for number in range(FEEDS)
    )
    config = folder / "config.toml"
    config.write_text(
        f'[store]\nurl = "sqlite:///flow.db"\n[fetch]\ninterval = "1s"\nallow_private = ["127.0.0.1:{port}"]\n{feeds}'
        '[[watches]]\nname = "Sanctions"\nquery = "sanctions"\n',
        encoding="utf-8",
    )
    return config


async def start(config: Path, printed: Path) -> asyncio.subprocess.Process:
    """Start the bot; what it prints is appended."""
    with printed.open("ab") as out:
        command = (sys.executable, "-m", "bot", "run", "--terminal", "--config", str(config))
        return await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out)


async def run_until_polled(config: Path, printed: Path) -> None:
    """Run once until every feed has its (empty) baseline, so that all that comes later is new."""
    process = await start(config, printed)
    await until(
        lambda: count(config.parent / "flow.db", "SELECT COUNT(*) FROM feeds WHERE subscribed_at") == FEEDS, limit_s=60
    )
    process.send_signal(signal.SIGTERM)
    await process.wait()


async def run_and_kill(config: Path, printed: Path, after_s: float) -> int:
    """Start, kill -9 after so long, and return how many of its processes are still there five seconds later at the most."""
    process = await start(config, printed)
    await asyncio.sleep(after_s)
    family = psutil.Process(process.pid).children(recursive=True) if process.returncode is None else []
    if process.returncode is None:
        os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, 5.0)
    return len(alive)


async def catch_up(config: Path, printed: Path, flow: Flow) -> None:
    """Run undisturbed until everything is read and delivered, then stop in order."""
    process = await start(config, printed)
    database = config.parent / "flow.db"
    open_work = (
        "SELECT (SELECT COUNT(*) FROM items WHERE state = 'to_read' OR page_next_at IS NOT NULL)"
        " + (SELECT COUNT(*) FROM alerts WHERE state IN ('pending', 'sending'))"
    )
    everything = len(flow.tokens)
    await until(
        lambda: count(database, "SELECT COUNT(*) FROM items") >= everything and count(database, open_work) == 0,
        limit_s=CATCH_UP_S,
    )
    process.send_signal(signal.SIGTERM)
    await process.wait()


async def until(holds: Callable[[], bool], *, limit_s: float) -> None:
    """Wait until a condition holds, or so long."""
    for _ in range(int(limit_s / 0.25)):
        if await asyncio.to_thread(holds):
            return
        await asyncio.sleep(0.25)


def count(database: Path, query: str) -> int:
    """Return the one number that a query gives, -1 where the database is not there yet."""
    if not database.exists():
        return -1
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as sql:
        return int(sql.execute(query).fetchone()[0])


def judge(database: Path, printed: Path, tokens: set[str], *, kills: int, orphans: int) -> Verdict:
    """Hold the database and what was printed against what was served."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as sql:
        guids = [row[0] for row in sql.execute("SELECT guid FROM items")]
        alerts = [row[0] for row in sql.execute("SELECT i.guid FROM alerts a JOIN items i ON i.id = a.item_id")]
        unsent = count(database, "SELECT COUNT(*) FROM alerts WHERE state <> 'sent'")
        integrity = str(sql.execute("PRAGMA integrity_check").fetchone()[0])
    lines = printed.read_text(encoding="utf-8", errors="replace").splitlines()
    shown = [line.removeprefix("Report ") for line in lines if line.startswith("Report token-")]
    return Verdict(
        kills=kills,
        served=len(tokens),
        lost_items=len(tokens - set(guids)),
        lost_alerts=len(tokens - set(alerts)) + len(tokens - set(shown)),
        owed_twice=len(alerts) - len(set(alerts)) + len(guids) - len(set(guids)),
        unsent=unsent,
        printed_twice=len(shown) - len(set(shown)),
        orphans=orphans,
        integrity=integrity,
    )


async def grow_for_ever(flow: Flow) -> None:
    """Let the feeds grow until cancelled."""
    while True:
        flow.grow()
        await asyncio.sleep(NEW_EVERY_S)


def show_progress(done: int, of: int) -> None:
    """Say on a terminal how far it is."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done}/{of} kills")
        sys.stderr.flush()


def run_trial(what: str | None, trial: Trial) -> int:
    """Read the arguments, run a trial in a folder of its own, print its table; status 1 where something was lost or doubled."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        verdict = asyncio.run(trial(Path(folder), kills=args.kills, seed=args.seed))
    print("| what | count |\n|---|---|")
    for name, value in vars(verdict).items():
        print(f"| {name.replace('_', ' ')} | {value} |")
    return 0 if verdict.sound else 1


class Sound(Protocol):
    """What a trial found: counts, and whether they are as they should be."""

    @property
    def sound(self) -> bool:
        """Whether nothing was lost or doubled."""


class Trial(Protocol):
    """A trial by kill -9."""

    def __call__(self, folder: Path, *, kills: int, seed: int) -> Coroutine[Any, Any, Sound]:
        """Kill so many times, and return what was found."""


if __name__ == "__main__":
    sys.exit(run_trial(__doc__, torture))
