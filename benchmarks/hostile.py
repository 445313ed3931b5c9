"""What hostile feeds and pages cost the real engine: how long the event loop stood, how much memory, how long, and what became of them.

`python -m benchmarks.hostile [--only WORD] [--repeat N]`. Every case runs in a process of its own, beside a calm feed that alerts, and
is served by another. A stall is the part of a delay of the loop in which its thread was not waiting for a CPU and this process used one,
so that other programs on the machine are not counted; of several runs the least of the longest stalls is shown, for a stall of our own is
there each time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.hostile_inputs import CASES, ROBOTS, Host, folder_of, item, rss
from bot.app import open_engine
from bot.config import config_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from bot.app import Engine
    from bot.config import Config
    from bot.model import Delivery

LONGEST_S = 60.0
SETTLING_S = 1.0
CALM_ITEMS = 3
GOAL_STALL_MS = 25.0
GOAL_GROWTH_MIB = 16.0
_PROBE_S = 0.001
_KIB_A_MIB = 1_024
WATCHES = (
    "sanctions OR Shklyarov OR Sochi",
    'actor:"Alexander Lukashenko"',
    '(sanctions OR "asset freeze") NEAR/5 actor:"Alexander Lukashenko" -football',
    "sanctions NEAR/10 arrest* NEAR/10 Sochi",
    "title:(Minsk OR Sochi) arrest* =US",
)


@dataclass(frozen=True)
class Row:
    """What one run of one case came to. growth_mib: of this process, workers not counted. calm_s: the longest wait for the calm feed."""

    stall_ms: float
    callback_ms: float
    growth_mib: float
    took_s: float
    calm_s: float
    said: str


class Probe:
    """Watches the loop that it runs on: the longest stall, and the longest callback by its own CPU time."""

    def __init__(self) -> None:
        self.stall_ms = 0.0
        self.callback_ms = 0.0

    async def watch(self) -> None:
        """Look every millisecond until cancelled."""
        while True:
            wall, cpu, queued = time.perf_counter(), time.process_time(), queued_s()
            await asyncio.sleep(_PROBE_S)
            late_s, spent_s = time.perf_counter() - wall - _PROBE_S - (queued_s() - queued), time.process_time() - cpu
            self.stall_ms = max(self.stall_ms, min(late_s, spent_s) * 1_000)

    @contextlib.contextmanager
    def timing_callbacks(self) -> Iterator[None]:
        """Time every callback of the loop inside the block."""
        handle = asyncio.events.Handle
        run = handle._run  # noqa: SLF001  # the one place through which every callback goes

        def timed(this: asyncio.events.Handle) -> None:
            began = time.thread_time()
            run(this)
            self.callback_ms = max(self.callback_ms, (time.thread_time() - began) * 1_000)

        handle._run = timed  # type: ignore[method-assign,assignment]  # noqa: SLF001  # as above
        try:
            yield
        finally:
            handle._run = run  # type: ignore[method-assign]  # noqa: SLF001  # as above


class Silent:
    """An outlet that takes everything."""

    async def post(self, delivery: Delivery) -> int | None:
        """Take it."""
        return delivery.alert_id

    async def edit(self, delivery: Delivery) -> None:
        """Take it."""


async def run_case(name: str, port: int, folder: Path) -> Row:
    """Let the hostile feed in beside the calm one, and watch until it is done with, or for a minute."""
    origin, probe = f"http://127.0.0.1:{port}", Probe()
    calm, both = (
        config_for(folder, port, urls) for urls in ((f"{origin}/calm",), (f"{origin}/calm", feed_of(name, origin)))
    )
    async with open_engine(calm, Silent(), baseline=False) as engine:
        scheduler = asyncio.create_task(engine.scheduler.run())
        await until(lambda: is_done(engine, 1), LONGEST_S)
        await engine.pipeline.workers.read_page(b"<p>warm", url="", charset=None)
        before_mib = reset_peak_mib()
        watching = asyncio.create_task(probe.watch())
        calm_s = asyncio.create_task(longest_pause_s(engine))
        began = time.perf_counter()
        with probe.timing_callbacks():
            await engine.declare(both)
            await until(lambda: is_done(engine, 2), LONGEST_S)
            took_s = time.perf_counter() - began
            await asyncio.sleep(SETTLING_S)
        for task in (watching, calm_s, scheduler):
            task.cancel()
        await asyncio.gather(watching, scheduler, return_exceptions=True)
        return Row(
            probe.stall_ms, probe.callback_ms, peak_mib() - before_mib, took_s, await calm_s, await verdict(engine)
        )


def config_for(folder: Path, port: int, urls: tuple[str, ...]) -> Config:
    """Return a configuration with these feeds and all watches."""
    rows: dict[str, object] = {
        "store": {"url": f"sqlite:///{folder / 'hostile.db'}"},
        "fetch": {"interval": "1s", "allow_private": [f"127.0.0.1:{port}"]},
        "reading": {"languages": ["en"]},
        "feeds": [{"url": url} for url in urls],
        "actors": [{"name": "Alexander Lukashenko", "aliases": ["Lukashenka"]}],
        "watches": [{"name": query, "query": query} for query in WATCHES],
    }
    return config_in(rows, folder / "config.toml")


def feed_of(name: str, origin: str) -> str:
    """Return the address of a case's feed."""
    return f"{origin}/{folder_of(name)}/feed"


async def is_done(engine: Engine, feeds: int) -> bool:
    """Return whether so many feeds were asked, and nothing is left to be read."""
    asked = [feed for feed in await engine.store.feeds() if feed.last_poll_at is not None]
    counts = await engine.store.counts()
    return len(asked) >= feeds and not counts.to_read and not counts.owed


async def until(condition: Callable[[], Awaitable[bool]], limit_s: float) -> None:
    """Wait until the condition holds, or that long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while not await condition():  # noqa: ASYNC110  # the store tells nobody of changes
                await asyncio.sleep(0.25)


async def longest_pause_s(engine: Engine) -> float:
    """Return, when cancelled, the longest time in which the calm feed was not asked, beyond its second."""
    longest_s, last, since = 0.0, None, time.perf_counter()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            at = (await engine.store.feeds())[0].last_poll_at
            if at != last:
                last, since = at, time.perf_counter()
            longest_s = max(longest_s, time.perf_counter() - since - 1.0)
            await asyncio.sleep(0.1)
    return longest_s


async def verdict(engine: Engine) -> str:
    """Return what the hostile feed is said to be, in a few words."""
    feed, counts = (await engine.store.feeds())[-1], await engine.store.counts()
    return (
        feed.last_error[:70]
        if feed.last_error
        else f"{feed.state}, {counts.items - CALM_ITEMS} items, {counts.matches} matches"
    )


def queued_s() -> float:
    """Return for how long this thread was ready and got no CPU, because other programs had it. Source: sched-stats in Linux' docs."""
    return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9


def reset_peak_mib() -> float:
    """Let the kernel forget the highest memory so far; return what is used now. Source: proc(5), clear_refs."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status_mib("VmRSS:")


def peak_mib() -> float:
    """Return the highest memory since then."""
    return _status_mib("VmHWM:")


def _status_mib(key: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / _KIB_A_MIB


async def serve_cases(robots: bytes) -> None:
    """Serve all cases on loopback until killed; print the port."""
    calm = rss(*(item(n, f"Sanctions of day {n}.") for n in range(CALM_ITEMS)))
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    host = Host(origin=f"http://127.0.0.1:{port}", calm=calm, robots=robots)
    server = await asyncio.start_server(host.serve, sock=listening)
    print(port, flush=True)
    await server.serve_forever()


def run_apart(name: str) -> Row:
    """Run one case in a process of its own, its server in another."""
    me = [sys.executable, "-m", "benchmarks.hostile"]
    with subprocess.Popen([*me, "--serve", name], stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # ourselves
        try:
            port = server.stdout.readline().strip() if server.stdout else ""
            case = [*me, "--case", name, "--port", port]
            done = subprocess.run(case, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # ourselves
        finally:
            server.kill()
    return Row(**json.loads(done.stdout.splitlines()[-1]))


def show(name: str, rows: list[Row]) -> bool:
    """Print a line of the table; return whether the case keeps to the goals."""
    stall_ms, growth_mib = min(row.stall_ms for row in rows), min(row.growth_mib for row in rows)
    good = stall_ms <= GOAL_STALL_MS and ("bomb" not in name or growth_mib <= GOAL_GROWTH_MIB)
    last = rows[-1]
    print(
        f"| {name} | {stall_ms:.0f}{'' if good else ' **over**'} | {min(row.callback_ms for row in rows):.0f} | {growth_mib:+.0f} "
        f"| {last.took_s:.1f} | {max(0.0, last.calm_s):.1f} | {last.said.replace('|', '/')} |",
        flush=True,
    )
    return good


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve_cases(ROBOTS.get(given.serve, b"")))
        return
    if given.case is not None:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(asdict(asyncio.run(run_case(given.case, given.port, Path(folder))))))
        return
    print(
        "| what is served | loop stood, ms | longest callback, CPU ms | memory, MiB | done after, s | calm feed late, s | verdict |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    wanted = [name for name in CASES if given.only in name]
    good = [show(name, [run_apart(name) for _ in range(given.repeat)]) for name in wanted]
    print(f"\n{sum(good)} of {len(good)} cases keep to {GOAL_STALL_MS:.0f} ms, bombs to {GOAL_GROWTH_MIB:.0f} MiB")


if __name__ == "__main__":
    main()
