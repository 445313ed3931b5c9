"""Does the bot live on a small server? 300 feeds, ten minutes, 512 MiB for the process and its workers together; prints memory over time.

The real bot in a process of its own, a Discord and thirty outlets of our own on loopback. Each feed is asked every minute (five times
as often as a public one may be), brings a new article every five minutes, and every tenth article is alerted. The limit is a memory
cgroup (v2 or v1) where this system lets us make one; else the table only says what was taken, and nothing enforces it.

    python -m benchmarks.small_server [--minutes 10] [--feeds 300] [--mib 512]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import shlex
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from aiohttp import web

from benchmarks.matching import made_text
from tests.fakes import entry, page, rss, until
from tests.standin import StandIn, duplicates
from tests.wire_fakes import Bot, environment, titles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OUTLETS = 30
INTERVAL_S = 60.0
NEW_EVERY_S = 300.0
KEPT_IN_FEED = 25
ALERTED_EVERY = 10
ROW_EVERY_S = 30.0
TEXTS = 3
SETTLE_S = 90.0
MIB = 1024 * 1024
# discord.py takes the time of a heartbeat after it is sent; on loopback the answer may be there before that.
FALSE_ALARM = "Can't keep up, shard ID None websocket is"
STOOD = "event=loop_stood"  # shown, but on a machine that does other things too it says nothing of the bot
CGROUPS = Path("/sys/fs/cgroup")


@dataclass
class Outlets:
    """Thirty sites with ten feeds each; a feed's articles follow from the time alone."""

    feeds: int
    origins: list[str] = field(default_factory=list)
    asked: int = 0
    unchanged: int = 0
    pages: int = 0
    began_s: float = field(default_factory=time.monotonic)
    until_s: float = float("inf")
    body: tuple[str, ...] = ()
    baselines: dict[int, int] = field(default_factory=dict)

    def published(self, feed: int) -> int:
        """Return how many articles a feed has brought by now; the feeds take turns, so that their sum grows evenly."""
        passed_s = min(time.monotonic(), self.until_s) - self.began_s - NEW_EVERY_S * feed / self.feeds
        return KEPT_IN_FEED + max(0, int(passed_s // NEW_EVERY_S) + 1)

    def titles(self) -> list[str]:
        """Return the headlines of what is to be alerted: those articles that came after a feed was first read."""
        return [
            title_of(feed, number)
            for feed, first in self.baselines.items()
            for number in range(first, self.published(feed))
            if is_alerted(feed, number)
        ]

    def url(self, feed: int) -> str:
        """Return a feed's address."""
        return f"http://{self.origins[feed % OUTLETS]}/feed/{feed}"

    async def answer_feed(self, request: web.Request) -> web.Response:
        """Answer 304 where nothing is new."""
        feed = int(request.match_info["feed"])
        last = self.published(feed)
        self.asked += 1
        self.baselines.setdefault(feed, last)
        tag = f'"{feed}-{last}"'
        if request.headers.get("If-None-Match") == tag:
            self.unchanged += 1
            return web.Response(status=304, headers={"ETag": tag})
        origin = self.origins[feed % OUTLETS]
        entries = [
            entry(
                title_of(feed, number),
                f"http://{origin}/article/{feed}/{number}",
                guid=f"{feed}-{number}",
                text="A teaser.",
            )
            for number in range(last - KEPT_IN_FEED, last)
        ]
        return web.Response(
            body=rss(f"Outlet {feed}", *entries).encode(), content_type="application/rss+xml", headers={"ETag": tag}
        )

    async def answer_page(self, request: web.Request) -> web.Response:
        """Answer an article of usual length, whose words stand nowhere but here."""
        feed, number = int(request.match_info["feed"]), int(request.match_info["number"])
        self.pages += 1
        last = "They agreed on sanctions." if is_alerted(feed, number) else "They agreed on little."
        chance = random.Random(f"{feed}-{number}")
        body = page(title_of(feed, number), *chance.sample(self.body, len(self.body)), last)
        return web.Response(text=body, content_type="text/html")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Serve inside the block, each outlet at an address of its own."""
        chance = random.Random(1)
        self.body = tuple(paragraph for _ in range(TEXTS) for paragraph in made_text(chance).split("\n\n"))
        app = web.Application()
        app.router.add_get("/feed/{feed}", self.answer_feed)
        app.router.add_get("/article/{feed}/{number}", self.answer_page)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        for outlet in range(OUTLETS):
            site = web.TCPSite(runner, f"127.0.1.{outlet + 1}", 0)
            await site.start()
        self.origins = [f"{host}:{port}" for host, port in runner.addresses]
        try:
            yield
        finally:
            await runner.cleanup()


def title_of(feed: int, number: int) -> str:
    """Return an article's headline."""
    return f"Report {number} of outlet {feed}"


def is_alerted(feed: int, number: int) -> bool:
    """Return whether an article holds the watched word."""
    return (feed + number) % ALERTED_EVERY == 0


class Cage:
    """A memory cgroup for the bot and its workers; without one, nothing is limited. kind: what it is, in words."""

    def __init__(self, limit_bytes: int) -> None:
        self.folder: Path | None = None
        self.kind = "no limit: this system lets us make no memory cgroup"
        name = f"wirewatch-small-{os.getpid()}"
        for mark, limit, kind in (
            (CGROUPS / "cgroup.controllers", "memory.max", "cgroup v2"),
            (CGROUPS / "memory" / "cgroup.procs", "memory.limit_in_bytes", "cgroup v1"),
        ):
            if not mark.exists():
                continue
            folder = mark.parent / name
            try:
                folder.mkdir()
                (folder / limit).write_text(str(limit_bytes), encoding="ascii")
                self.folder, self.kind = folder, f"{kind}, {limit_bytes // MIB} MiB"
                return
            except OSError:
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def wrap(self, command: list[str]) -> list[str]:
        """Return the command as it starts inside."""
        if self.folder is None:
            return command
        return ["/bin/sh", "-c", f"echo $$ > {self.folder}/cgroup.procs && exec {shlex.join(command)}"]

    def number(self, *names: str) -> int:
        """Return the first of these that is there, 0 where none is."""
        for name in names if self.folder else ():
            with contextlib.suppress(OSError, ValueError):
                return int((self.folder / name).read_text(encoding="ascii"))  # type: ignore[operator] # there is one: see above
        return 0

    @property
    def kills(self) -> int:
        """How many processes the kernel killed in it for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError, AttributeError):
                lines = (self.folder / name).read_text(encoding="ascii").splitlines()  # type: ignore[operator] # suppressed
                return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
        return 0

    def open(self) -> None:
        """Take it away; it is empty by then."""
        if self.folder is not None:
            with contextlib.suppress(OSError):
                self.folder.rmdir()


@dataclass
class Taken:
    """What was taken at one moment. bot, workers: resident; both: resident with shared pages counted once. cpu_s: of both, so far."""

    bot: int = 0
    workers: int = 0
    both: int = 0
    cpu_s: float = 0.0

    def most(self, other: Taken) -> Taken:
        """Return the larger of each."""
        both, cpu_s = max(self.both, other.both), max(self.cpu_s, other.cpu_s)
        return Taken(max(self.bot, other.bot), max(self.workers, other.workers), both, cpu_s)


def taken_by(pid: int) -> Taken:
    """Return the memory of a process and its children."""
    main = psutil.Process(pid)
    workers = main.children(recursive=True)
    both, cpu_s = 0, 0.0
    for process in (main, *workers):
        with contextlib.suppress(psutil.Error):
            both += process.memory_full_info().pss
            times = process.cpu_times()
            cpu_s += times.user + times.system + times.children_user + times.children_system
    return Taken(main.memory_info().rss, sum(_resident(each) for each in workers), both, cpu_s)


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def configure(folder: Path, outlets: Outlets, discord: StandIn) -> None:
    """Write the configuration."""
    feeds = "".join(f"[[feeds]]\nurl = '{outlets.url(feed)}'\n" for feed in range(outlets.feeds))
    (folder / "config.toml").write_text(
        f"[discord]\nlog_channel = {discord.log.id}\n[fetch]\ninterval = '{INTERVAL_S:.0f}s'\n"
        f"allow_private = ['127.0.0.0/8']\n{feeds}"
        f"[[watches]]\nname = 'Sanctions'\nquery = 'sanctions OR Lukashenko'\nchannel = {discord.alerts.id}\n",
        encoding="utf-8",
    )


@asynccontextmanager
async def bot_in(folder: Path, discord: StandIn, cage: Cage) -> AsyncIterator[Bot]:
    """Run the bot in the cage."""
    process = await asyncio.create_subprocess_exec(
        *cage.wrap([sys.executable, "-m", "bot", "run"]),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment() | discord.environment,
    )
    bot = Bot(process)
    bot.listen()
    try:
        yield bot
        status = await bot.stop()
        print(f"ended with status {status}; {len(bot.said)} lines said, the last: {bot.said[-1] if bot.said else ''}")
    finally:
        await bot.end()


async def measure(outlets: Outlets, cage: Cage, minutes: float) -> bool:
    """Run it, print a row every half minute; return whether there was no trouble."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with StandIn() as discord, outlets.open():
            configure(folder, outlets, discord)
            async with bot_in(folder, discord, cage) as bot:
                await until(lambda: outlets.asked >= outlets.feeds, limit_s=120)
                peak = await watch(bot, outlets, discord, cage, minutes)
                wanted = outlets.titles()
                posted = titles(discord.messages(discord.alerts))
                said = [line for line in bot.said if ("WARNING" in line or "ERROR" in line) and FALSE_ALARM not in line]
            size = (folder / "wirewatch.db").stat().st_size
            return report(outlets, cage, peak, wanted, posted, said, size, discord)


async def watch(bot: Bot, outlets: Outlets, discord: StandIn, cage: Cage, minutes: float) -> Taken:
    """Print the table while it runs; return the most that was taken, after the outlets fell silent and all was posted."""
    print(f"{'min':>5} {'bot':>5} {'workers':>8} {'both':>5} {'cgroup':>7}  MiB; polls, pages, alerts")
    peak, end_s = Taken(), time.monotonic() + minutes * 60
    outlets.until_s = end_s
    next_row_s = began_s = time.monotonic()
    while time.monotonic() < end_s + SETTLE_S:
        now = await asyncio.to_thread(taken_by, bot.process.pid)
        peak = peak.most(now)
        alerts = len(discord.messages(discord.alerts))
        if time.monotonic() >= next_row_s:
            next_row_s += ROW_EVERY_S
            used = cage.number("memory.current", "memory.usage_in_bytes")
            row = f"{(time.monotonic() - began_s) / 60:5.1f} {now.bot / MIB:5.0f} {now.workers / MIB:8.0f} {now.both / MIB:5.0f}"
            print(f"{row} {used / MIB:7.0f}       {outlets.asked:6} {outlets.pages:6} {alerts:6}", flush=True)
        if time.monotonic() > end_s and alerts >= len(outlets.titles()):
            break
        await asyncio.sleep(1)
    return peak


def report(
    outlets: Outlets,
    cage: Cage,
    peak: Taken,
    wanted: list[str],
    posted: list[str],
    said: list[str],
    db_bytes: int,
    discord: StandIn,
) -> bool:
    """Print what came of it, and return whether there was no trouble."""
    lost, twice = sorted(set(wanted) - set(posted)), len(posted) - len(set(posted))
    print(
        f"\nlimit: {cage.kind}; most it held: {cage.number('memory.peak', 'memory.max_usage_in_bytes') / MIB:.0f} MiB, page cache included"
    )
    print(
        f"most resident: bot {peak.bot / MIB:.0f}, workers {peak.workers / MIB:.0f}, both with shared pages once {peak.both / MIB:.0f} MiB"
    )
    print(f"CPU: {peak.cpu_s:.0f} s in {time.monotonic() - outlets.began_s:.0f} s, of both")
    print(
        f"{outlets.asked} polls ({outlets.unchanged} answered 304), {outlets.pages} pages; database {db_bytes / MIB:.1f} MiB"
    )
    print(
        f"{len(wanted)} alerts due, {len(posted)} posted: {len(lost)} lost, {twice} twice; {cage.kills} killed for want of memory"
    )
    for line in [*discord.violations, *map(str, duplicates(discord)), *said][:20]:
        print(f"  {line}")
    faults = [line for line in said if STOOD not in line]
    return not any((lost, twice, cage.kills, faults, discord.violations, duplicates(discord)))


def main() -> None:
    """Measure and say whether it was without trouble."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--feeds", type=int, default=300)
    options.add_argument("--mib", type=int, default=512)
    given = options.parse_args()
    cage = Cage(given.mib * MIB)
    try:
        sound = asyncio.run(measure(Outlets(given.feeds), cage, given.minutes))
    finally:
        cage.open()
    print("without trouble" if sound else "THERE WAS TROUBLE: see above")
    sys.exit(not sound)


if __name__ == "__main__":
    main()
