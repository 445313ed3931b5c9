"""What thousands of feeds at five minutes cost: the real engine, its store on disk, every connection new and by TLS. Prints tables.

`make fleet` runs 10,000 feeds and then 30,000, in some six minutes: of a hundred polls seventy are answered 304, twenty with the same
document, ten with a new article (whole text, so no page is asked for; every second one is alerted, to an outlet that only takes the time).
The feeds are served by a process of its own, the store was filled by another, so that the bot's memory is its own; each feed was read
before and they fall due evenly. "Late" is what the loop's probe (every 5 ms) came round too late; "less waiting" leaves out the time in
which the loop's thread was ready and other programs had the CPU. CPU per poll comes from rounds with one kind of answer only, all at once.

    python -m benchmarks.fleet [--feeds 10000 30000] [--seconds 150 45] [--plain] [--profile FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psutil

from benchmarks.fleet_feeds import INTERVAL_S, JITTER, USUAL, host_of, make_certificates, seed, serve_outlets
from bot.app import open_engine
from bot.config import load_config
from bot.vitals import Vitals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.app import Engine
    from bot.model import Delivery, Feed, Reading
    from bot.pipeline import Pipeline

WARM_S = 10.0
PROBE_S = 0.005
LATE_S = 10.0
MIB = 1024 * 1024
KINDS = {"304": (100, 0, 0), "same document": (0, 100, 0), "new article": (0, 0, 100)}
ROUND = 400
ROUND_LIMIT_S = 60.0
GOALS = {"lag_p99_ms": 15.0, "lag_max_ms": 50.0, "rss_mib": 150.0}


@dataclass
class Figures:
    """What one run came to; times of the loop in ms, memory in MiB, CPU in ms for each poll."""

    feeds: int = 0
    polls_s: float = 0.0
    failed: int = 0
    late_slots: int = 0
    start_p99_s: float = 0.0
    core: float = 0.0
    loop_core: float = 0.0
    worker_core: float = 0.0
    lag_ms: list[float] = field(default_factory=list)
    own_lag_ms: list[float] = field(default_factory=list)
    rss_mib: float = 0.0
    peak_mib: float = 0.0
    pss_mib: float = 0.0
    workers_mib: float = 0.0
    body_to_owed_ms: list[float] = field(default_factory=list)
    owed_to_posted_ms: list[float] = field(default_factory=list)
    alerts: int = 0
    commits_s: float = 0.0
    written_kib_s: float = 0.0
    load: float = 0.0
    rounds: dict[str, list[float]] = field(default_factory=dict)


class Witness(Vitals):
    """Vitals that also keep single times."""

    def __init__(self) -> None:
        super().__init__()
        self.to_owed_s: list[float] = []
        self.to_posted_s: list[float] = []

    def read(self, reading: Reading) -> None:
        """Note how long ago the body of what is owed now was here."""
        super().read(reading)
        if reading.alerts:
            self.to_owed_s.append((datetime.now(UTC) - reading.item.first_seen_at).total_seconds())

    async def post(self, delivery: Delivery) -> int | None:
        """Be the outlet: take it, and note how long it was owed."""
        self.to_posted_s.append((datetime.now(UTC) - delivery.owed_at).total_seconds())
        return delivery.alert_id

    async def edit(self, delivery: Delivery) -> None:
        """Be the outlet: take it."""


class Watched:
    """The pipeline, with a note of how long after its time each feed is asked."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.late_s: list[float] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._pipeline, name)

    async def poll_feed(self, feed: Feed) -> int:
        """Note and pass on."""
        if feed.next_poll_at:
            self.late_s.append((datetime.now(UTC) - feed.next_poll_at).total_seconds())
        return await self._pipeline.poll_feed(feed)


class Probe:
    """How late the loop comes round, and how much of that other programs had the CPU."""

    def __init__(self) -> None:
        self.lag_s: list[float] = []
        self.own_s: list[float] = []

    async def watch(self) -> None:
        """Look every five milliseconds until cancelled."""
        while True:
            began, queued = time.perf_counter(), queued_s()
            await asyncio.sleep(PROBE_S)
            late_s = max(0.0, time.perf_counter() - began - PROBE_S)
            self.lag_s.append(late_s)
            self.own_s.append(max(0.0, late_s - (queued_s() - queued)))


@cache
def _schedstat() -> int:
    return os.open("/proc/thread-self/schedstat", os.O_RDONLY)


def queued_s() -> float:
    """Return for how long the loop's thread was ready and got no CPU. Source: sched-stats in Linux' docs."""
    return int(os.pread(_schedstat(), 100, 0).split()[1]) / 1e9


def memory_mib(file: str, key: str) -> float:
    """Return one line of what the kernel says of this process's memory."""
    lines = Path(f"/proc/self/{file}").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0) / 1024


def forget_peak() -> None:
    """Let the kernel forget this process's highest memory so far. Source: proc(5), clear_refs."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def written_bytes() -> int:
    """Return what this process had written to disks so far."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def three_of(times_s: Sequence[float]) -> list[float]:
    """Return median, 99th percentile and maximum in ms."""
    if not times_s:
        return [0.0, 0.0, 0.0]
    ordered = sorted(times_s)
    return [1_000 * ordered[min(int(len(ordered) * part), len(ordered) - 1)] for part in (0.5, 0.99, 1.0)]


async def run_bot(config_file: Path, seconds: float, *, rounds: bool, profile: str) -> Figures:
    """Run the engine at its usual pace, then in rounds; return the figures."""
    witness, config = Witness(), load_config(config_file)
    async with open_engine(config, witness) as engine:
        opened = engine.store.vitals
        engine.store.vitals = witness
        watched = Watched(engine.pipeline)
        engine.scheduler.pipeline = cast("Pipeline", watched)
        running = asyncio.create_task(engine.scheduler.run())
        await asyncio.sleep(WARM_S)
        with profiling(profile):
            figures = await usual_pace(engine, witness, opened, watched, seconds)
        figures.feeds = len(config.feeds)
        if rounds:
            port = int(config.feeds[0].url.split(":")[2].split("/")[0])
            for kind, mix in KINDS.items():
                await set_mix(config.feeds[0].url.partition(":")[0] == "https", port, mix)
                figures.rounds[kind] = await one_round(engine, witness)
            await set_mix(config.feeds[0].url.partition(":")[0] == "https", port, USUAL)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return figures


@contextlib.contextmanager
def profiling(file: str) -> Iterator[None]:
    """Profile the loop's thread inside the block, into that file; "" does not."""
    if not file:
        yield
        return
    with cProfile.Profile() as profile:
        yield
    profile.dump_stats(file)


async def usual_pace(engine: Engine, witness: Witness, opened: Vitals, watched: Watched, seconds: float) -> Figures:
    """Let it run for so long and return what was measured."""
    probe = Probe()
    polls, failed, commits = sum(witness.polls.values()), witness.polls["failed"], sum(opened.commits.counts)
    for times in (witness.to_owed_s, witness.to_posted_s, watched.late_s):
        times.clear()
    forget_peak()
    watching = asyncio.create_task(probe.watch())
    began, cpu, loop_cpu = time.perf_counter(), time.process_time(), time.thread_time()
    worker_cpu, written = worker_cpu_s(engine), written_bytes()
    await asyncio.sleep(seconds)
    took_s = time.perf_counter() - began
    watching.cancel()
    late = three_of(watched.late_s)
    return Figures(
        polls_s=(sum(witness.polls.values()) - polls) / took_s,
        failed=witness.polls["failed"] - failed,
        late_slots=sum(late_s > LATE_S for late_s in watched.late_s),
        start_p99_s=late[1] / 1_000,
        core=(time.process_time() - cpu) / took_s,
        loop_core=(time.thread_time() - loop_cpu) / took_s,
        worker_core=(worker_cpu_s(engine) - worker_cpu) / took_s,
        lag_ms=three_of(probe.lag_s),
        own_lag_ms=three_of(probe.own_s),
        rss_mib=memory_mib("status", "VmRSS:"),
        peak_mib=memory_mib("status", "VmHWM:"),
        pss_mib=memory_mib("smaps_rollup", "Pss:"),
        workers_mib=sum(psutil.Process(pid).memory_info().rss for pid in engine.pipeline.workers.pids()) / MIB,
        body_to_owed_ms=three_of(witness.to_owed_s),
        owed_to_posted_ms=three_of(witness.to_posted_s),
        alerts=len(witness.to_posted_s),
        commits_s=(sum(opened.commits.counts) - commits) / took_s,
        written_kib_s=(written_bytes() - written) / took_s / 1024,
        load=os.getloadavg()[0],
    )


def worker_cpu_s(engine: Engine) -> float:
    """Return the CPU of all workers so far, those that were renewed too."""
    times, over = [psutil.Process(pid).cpu_times() for pid in engine.pipeline.workers.pids()], os.times()
    return over.children_user + over.children_system + sum(each.user + each.system for each in times)


async def one_round(engine: Engine, witness: Witness) -> list[float]:
    """Ask a thousand feeds at once; return CPU of the bot and of the workers for each poll in ms, and polls a second."""
    feeds = (await engine.store.feeds())[:ROUND]
    polls, began, cpu, workers = (
        sum(witness.polls.values()),
        time.perf_counter(),
        time.process_time(),
        worker_cpu_s(engine),
    )
    await engine.store.wake_feeds([feed.id for feed in feeds])
    engine.scheduler.feeds_changed.set()
    while sum(witness.polls.values()) - polls < ROUND and time.perf_counter() - began < ROUND_LIMIT_S:  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0.02)
    done, took_s = sum(witness.polls.values()) - polls, time.perf_counter() - began
    cpu_s, workers_s = time.process_time() - cpu, worker_cpu_s(engine) - workers
    return [1_000 * cpu_s / done, 1_000 * workers_s / done, done / took_s]


async def set_mix(tls: bool, port: int, mix: Sequence[int]) -> None:  # noqa: FBT001  plain values
    """Tell the outlets how to answer from now on."""
    context = ssl.create_default_context() if tls else None
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=host_of(0) if tls else None
    )
    writer.write(f"GET /mix/{'-'.join(map(str, mix))} HTTP/1.1\r\n\r\n".encode())
    await reader.read()
    writer.close()


def write_config(folder: Path, feeds: int, port: int, *, tls: bool) -> Path:
    """Write a configuration of so many feeds; each host is named, as hosts on loopback must be."""
    scheme, file = "https" if tls else "http", folder / "config.toml"
    hosts = [host_of(feed) for feed in range(feeds)]
    rows = "".join(f'[[feeds]]\nurl = "{scheme}://{host}:{port}/{number}"\n' for number, host in enumerate(hosts))
    file.write_text(
        f'[fetch]\ninterval = "{INTERVAL_S:.0f}s"\nallow_private = {json.dumps([f"127.0.0.1:{port}", *hosts])}\n'
        f'[reading]\nlanguages = ["en"]\n{rows}[[watches]]\nname = "Sanctions"\nquery = "sanctions"\n',
        encoding="utf-8",
    )
    return file


def measure(sizes: Sequence[int], seconds: Sequence[float], *, tls: bool, profile: str) -> list[Figures]:
    """Run everything, each part in a process of its own."""
    me, found = [sys.executable, "-m", "benchmarks.fleet"], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        environ = dict(os.environ)
        if tls:
            environ["SSL_CERT_FILE"] = str(folder / "ca.pem")
            tls = make_certificates(folder)
        serving = [*me, "--serve", place, *([] if tls else ["--plain"])]
        with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # ourselves
            try:
                port = int(server.stdout.readline()) if server.stdout else 0
                for place_in, (feeds, run_s) in enumerate(zip(sizes, seconds, strict=True)):
                    file = write_config(folder, feeds, port, tls=tls)
                    began = time.perf_counter()
                    subprocess.run([*me, "--seed", str(file), "--port", str(port)], check=True)  # noqa: S603  # ourselves
                    print(
                        f"{feeds:,} feeds known to the store after {time.perf_counter() - began:.0f} s", file=sys.stderr
                    )
                    bot = [*me, "--bot", str(file), "--seconds", str(run_s), "--profile", profile]
                    bot += ["--rounds"] if place_in == 0 else []
                    done = subprocess.run(bot, stdout=subprocess.PIPE, text=True, check=True, env=environ)  # noqa: S603  # as above
                    found.append(Figures(**json.loads(done.stdout.splitlines()[-1])))
            finally:
                server.kill()
    return found


def show(all_figures: Sequence[Figures], *, tls: bool) -> None:
    """Print the tables."""

    def row(name: str, *cells: str) -> None:
        print(f"| {name} | {' | '.join(cells)} |")

    def three(times: Sequence[float]) -> str:
        return ", ".join(f"{ms:.1f}" for ms in times)

    row("feeds at five minutes", *(f"{one.feeds:,}" for one in all_figures))
    print("|---" * (len(all_figures) + 1) + "|")
    row(
        "polls a second, asked and done",
        *(f"{one.feeds / INTERVAL_S / JITTER:.1f}, {one.polls_s:.1f}" for one in all_figures),
    )
    row("failed; asked over 10 s late", *(f"{one.failed}; {one.late_slots}" for one in all_figures))
    row("asked after its time, p99, s", *(f"{one.start_p99_s:.2f}" for one in all_figures))
    row(
        "of a core: bot (its loop); workers",
        *(f"{one.core:.0%} ({one.loop_core:.0%}); {one.worker_core:.0%}" for one in all_figures),
    )
    row("loop late, p50, p99, max, ms", *(three(one.lag_ms) for one in all_figures))
    row("the same, less waiting for other programs", *(three(one.own_lag_ms) for one in all_figures))
    row(
        "bot resident at the end, at most; PSS, MiB",
        *(f"{one.rss_mib:.0f}, {one.peak_mib:.0f}; {one.pss_mib:.0f}" for one in all_figures),
    )
    row("workers resident, MiB", *(f"{one.workers_mib:.0f}" for one in all_figures))
    row("body to owed, p50, p99, max, ms", *(three(one.body_to_owed_ms) for one in all_figures))
    row("owed to posted, p50, p99, max, ms", *(three(one.owed_to_posted_ms) for one in all_figures))
    row("alerts posted", *(str(one.alerts) for one in all_figures))
    row(
        "synced commits a second; KiB written a second",
        *(f"{one.commits_s:.1f}; {one.written_kib_s:.0f}" for one in all_figures),
    )
    row("load of the machine", *(f"{one.load:.1f}" for one in all_figures))
    print(
        f"\n| one poll, {'new TLS' if tls else 'new TCP'} each | CPU of the bot, ms | of the workers, ms | polls a second, all at once |"
    )
    print("|---|---|---|---|")
    for kind, (cpu_ms, worker_ms, polls_s) in all_figures[0].rounds.items():
        row(kind, f"{cpu_ms:.2f}", f"{worker_ms:.2f}", f"{polls_s:.0f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, nargs="+", default=[10_000, 30_000])
    parser.add_argument("--seconds", type=float, nargs="+", default=[150.0, 45.0])
    parser.add_argument("--plain", action="store_true", help="plain TCP in place of TLS")
    parser.add_argument("--profile", default="", help="where to put a profile of the loop's thread")
    for internal in ("--serve", "--seed", "--bot"):
        parser.add_argument(internal, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve_outlets(given.serve, tls=not given.plain))
    elif given.seed:
        asyncio.run(seed(load_config(given.seed), given.port))
    elif given.bot:
        figures = asyncio.run(run_bot(given.bot, given.seconds[0], rounds=given.rounds, profile=given.profile))
        print(json.dumps(asdict(figures)))
    else:
        seconds = [*given.seconds, *[given.seconds[-1]] * len(given.feeds)][: len(given.feeds)]
        show(measure(given.feeds, seconds, tls=not given.plain, profile=given.profile), tls=not given.plain)


if __name__ == "__main__":
    main()
