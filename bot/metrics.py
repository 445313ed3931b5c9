"""The numbers for Prometheus, on loopback alone: `/metrics`, and `/healthz`, which is 200 while all is well and 503 with the reasons.

Only turns vitals and the store's backlog into metric families; counts nothing by itself. Loaded only where metrics are on.
"""

from __future__ import annotations

import os
import time
from contextlib import asynccontextmanager
from ipaddress import ip_address
from math import isinf
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from bot import __version__
from bot.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from bot.app import Engine
    from bot.pulse import Health
    from bot.store import Backlog
    from bot.vitals import Spread, Vitals

CLOSE_S = 1.0


@asynccontextmanager
async def serve_metrics(engine: Engine, place: tuple[str, int]) -> AsyncIterator[None]:
    """Serve inside the block.

    Raises:
        OSError: the place cannot be had.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    numbers = Numbers(engine)
    registry.register(numbers)

    async def metrics(request: web.Request) -> web.Response:
        _refuse_strangers(request)
        await numbers.look()
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def healthz(request: web.Request) -> web.Response:
        _refuse_strangers(request)
        return web.Response(text=f"{engine.health.line}\n", status=503 if engine.health.troubles else 200)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, *place).start()
        yield
    finally:
        await runner.cleanup()


def _refuse_strangers(request: web.Request) -> None:
    """Refuse a request that names another host: a page in a browser on this machine may have led its own name here."""
    host = request.url.host or ""
    try:
        ours = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        ours = False
    if not ours:
        raise web.HTTPForbidden(text="ask for it by a loopback address\n")


class Numbers(Collector):
    """Everything that is shown, gathered anew for each scrape; `look` comes first, since a collector may not wait."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._backlog: Backlog | None = None

    async def look(self) -> None:
        """Ask the store how it stands; what it does not say is left out."""
        try:
            self._backlog = await self._engine.store.backlog()
        except StoreError:
            self._backlog = None

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names are known to be ours alone."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        engine = self._engine
        yield InfoMetricFamily("wirewatch", "The version that runs.", value={"version": __version__})
        yield from _health(engine.health, engine.away_s())
        yield from _counts(engine.store.vitals)
        yield from _spreads(engine.store.vitals)
        if self._backlog is not None:
            yield from _standing(self._backlog)
        yield from _workers(engine.pipeline.workers.pids(), engine.pipeline.workers.starts)
        yield _labelled(
            "wirewatch_discord_answers",
            "Answers of Discord's REST that count towards a ban of this address, by status.",
            "status",
            engine.refusals(),
        )


def _health(health: Health, away_s: float) -> Iterator[Metric]:
    yield GaugeMetricFamily("wirewatch_healthy", "1 while all is well, as /healthz says it.", not health.troubles)
    yield GaugeMetricFamily(
        "wirewatch_discord_away_seconds", "How long Discord has been away, 0 while it is there.", away_s
    )


def _counts(vitals: Vitals) -> Iterator[Metric]:
    yield _labelled("wirewatch_polls", "Feeds asked, by what came of it.", "outcome", vitals.polls)
    yield CounterMetricFamily("wirewatch_items", "Items that were new in their feed.", vitals.items)
    yield _labelled("wirewatch_readings", "Items read, by the text they were read in.", "text", vitals.readings)
    yield CounterMetricFamily("wirewatch_matches", "Places in articles that matched something.", vitals.matches)
    yield CounterMetricFamily("wirewatch_alerts", "Alerts that became owed.", vitals.alerts)
    yield CounterMetricFamily("wirewatch_alert_edits", "Edits of alerts that became owed.", vitals.edits)
    deliveries = CounterMetricFamily(
        "wirewatch_deliveries", "Tries to deliver, by what came of them.", labels=["kind", "outcome"]
    )
    for (kind, outcome), count in sorted(vitals.deliveries.items()):
        deliveries.add_metric([kind, outcome], count)
    yield deliveries
    yield CounterMetricFamily("wirewatch_store_commit_failures", "Commits that failed.", vitals.store_faults)
    yield GaugeMetricFamily(
        "wirewatch_scheduler_still_seconds",
        "How long ago the slowest loop of the scheduler came round.",
        vitals.still_s(),
    )
    for stage in ("poll", "read", "deliver"):
        if stage in vitals.done_s:
            ago_s = time.monotonic() - vitals.done_s[stage]
            yield GaugeMetricFamily(
                f"wirewatch_last_{stage}_timestamp_seconds",
                f"When the stage {stage} last committed.",
                time.time() - ago_s,
            )


def _spreads(vitals: Vitals) -> Iterator[Metric]:
    yield _histogram("wirewatch_delivery_seconds", "From owed to posted.", vitals.owed_to_posted)
    yield _histogram("wirewatch_store_commit_seconds", "One commit of the store.", vitals.commits)
    yield _histogram("wirewatch_loop_lag_seconds", "How late the event loop comes round.", vitals.loop_lag)


def _standing(ahead: Backlog) -> Iterator[Metric]:
    yield _gauges("wirewatch_feeds", "Feeds, by state.", "state", ahead.feeds)
    yield _gauges(
        "wirewatch_alerts_owed",
        "Alerts not settled: pending, sending (on their way or in doubt), edit, given_up.",
        "state",
        {
            "pending": ahead.pending,
            "sending": ahead.sending,
            "edit": ahead.edits_owed,
            "given_up": ahead.given_up,
        },
    )
    oldest_s = time.time() - ahead.owed_since_at.timestamp() if ahead.owed_since_at else 0.0
    yield GaugeMetricFamily("wirewatch_oldest_owed_seconds", "Age of the oldest alert that is not settled.", oldest_s)
    yield GaugeMetricFamily("wirewatch_items_to_read", "Items that wait to be read.", ahead.to_read)
    yield GaugeMetricFamily("wirewatch_pages_owed", "Pages that are to be tried again.", ahead.pages_owed)
    yield GaugeMetricFamily(
        "wirewatch_paused_channels", "Channels that refuse what they are owed.", ahead.paused_channels
    )
    yield GaugeMetricFamily("wirewatch_store_size_bytes", "The database, without its log.", ahead.db_bytes)


def _workers(pids: tuple[int, ...], starts: int) -> Iterator[Metric]:
    yield GaugeMetricFamily("wirewatch_workers", "Worker processes that run now.", len(pids))
    resident = sum(map(resident_bytes, pids))
    yield GaugeMetricFamily("wirewatch_workers_resident_memory_bytes", "Memory of all worker processes.", resident)
    yield CounterMetricFamily("wirewatch_worker_starts", "Worker processes started, renewals included.", starts)


def _labelled(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


def _gauges(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family


def _histogram(name: str, text: str, spread: Spread) -> Metric:
    buckets = [("+Inf" if isinf(bound_s) else str(bound_s), float(count)) for bound_s, count in spread.up_to()]
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=spread.sum_s)


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds, 0 where it is gone. Source: proc(5), statm."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:  # noqa: PTH123 - read at each scrape
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
