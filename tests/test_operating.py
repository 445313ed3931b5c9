"""What runs beside the engine for its operator: signs of life, the judge of its health, the heartbeat, the numbers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot import tending
from bot.errors import StoreError
from bot.heartbeat import Heartbeat
from bot.loop_lag import feel_lag
from bot.metrics import serve_metrics
from bot.model import Feed, Poll
from bot.operating import Operating, loopback_in, shown_place
from bot.pulse import AWAY_S, OVERDUE_S, STILL_S, Health, health_of
from bot.sd_notify import ServiceManager
from bot.tending import keep_beating, keep_judging, show_numbers
from bot.vitals import Spread, Vitals
from bot.web.guard import AllowList
from tests.fakes import Reply, Site, until
from tests.store_fakes import NOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from bot.app import Engine
    from bot.store import Store


class Stand:
    """What tending sees of an engine: a real store, and the rest as a test sets it."""

    def __init__(self, store: Store, site: Site | None = None) -> None:
        self.store = store
        self.health = Health(round_over=True)
        self.operating = Operating()
        self.away = 0.0
        self.refused: dict[str, int] = {}
        self.pipeline = self
        self.workers = self
        self.fetching = self
        self.starts = 3
        self.contact = "desk@example.org"
        self.allow_private = AllowList.parse((site.origin,) if site else ())
        self.now = NOW

    def clock(self) -> Any:  # noqa: ANN401 - a datetime, as the engine's clock gives it
        return self.now

    def away_s(self) -> float:
        return self.away

    def refusals(self) -> dict[str, int]:
        return self.refused

    def pids(self) -> tuple[int, ...]:
        return ()

    @property
    def engine(self) -> Engine:
        return cast("Engine", self)


@contextlib.asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:  # noqa: ANN401 - a coroutine
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def poll(store: Store, **changed: Any) -> Feed:  # noqa: ANN401 - fields of a feed
    """Commit a poll of the first feed."""
    feed = (await store.feeds())[0]
    await store.commit_poll(Poll(feed=replace(feed, **changed), polled_at=NOW))
    return feed


# --- signs of life ---


async def test_a_poll_is_counted_by_what_came_of_it(store: Store) -> None:
    later = NOW + timedelta(minutes=5)
    await poll(store, next_poll_at=later)
    await poll(store, last_poll_at=NOW, next_poll_at=later)
    await poll(store, last_poll_at=NOW, next_poll_at=later, fail_count=1)
    assert store.vitals.polls == {"put_off": 1, "unchanged": 1, "failed": 1}
    assert store.vitals.commits.up_to()[-1][1] >= 3


async def test_a_commit_that_fails_is_remembered_until_one_succeeds(store: Store) -> None:
    def full(_: object) -> None:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        await store._write(full)
    assert (store.vitals.store_fault, store.vitals.store_faults) == ("the disk is full", 1)
    await store.keep_note("a", "b")
    assert (store.vitals.store_fault, store.vitals.store_faults) == ("", 1)


def test_a_spread_counts_up_to_each_bound() -> None:
    spread = Spread((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        spread.add(seconds)
    assert spread.up_to() == [(0.1, 2), (1.0, 3), (float("inf"), 4)]
    assert spread.sum_s == pytest.approx(7.65)


async def test_a_loop_that_stands_is_felt_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    vitals = Vitals()
    async with running(feel_lag(vitals)):
        await asyncio.sleep(0)
        time.sleep(1.3)  # noqa: ASYNC251 - the standstill itself
        await until(lambda: vitals.loop_lag.sum_s > 1.0, limit_s=5)
    assert "event=loop_stood" in caplog.text


# --- the judge ---


async def health(store: Store, *, now: Any = NOW, away_s: float = 0.0) -> Health:  # noqa: ANN401 - a datetime
    return await health_of(store, now=now, away_s=away_s)


async def test_all_is_well_when_nothing_is_due_or_it_is_done(store: Store) -> None:
    fresh = await health(store)
    assert fresh.troubles == ()
    assert not fresh.round_over, "the feeds were never polled"
    await poll(store, last_poll_at=NOW, next_poll_at=NOW + timedelta(hours=1))
    assert (await health(store)).round_over
    assert (await health(store)).line == "all is well"


async def test_feeds_that_are_due_while_nothing_is_polled_are_a_trouble(store: Store) -> None:
    await poll(store, last_poll_at=NOW, next_poll_at=NOW)
    late = NOW + timedelta(seconds=OVERDUE_S + 60)
    assert (await health(store, now=late)).troubles == (), "something was polled a moment ago"
    store.vitals.done_s["poll"] -= OVERDUE_S + 60
    judged = await health(store, now=late)
    assert judged.troubles == ("feeds are due and none was polled for 11 minutes",)
    assert judged.moving, "a restart would not help"


async def test_loops_that_come_round_no_more_are_a_standstill(store: Store) -> None:
    store.vitals.tick("polls")
    store.vitals.ticked_s["polls"] -= STILL_S + 1
    store.vitals.tick("reads")
    judged = await health(store)
    assert not judged.moving
    assert "stands still" in judged.line


async def test_a_store_that_refuses_and_a_discord_that_is_away_are_troubles_but_no_standstill(store: Store) -> None:
    store.vitals.committed(0.1, "the disk is full")
    judged = await health(store, away_s=AWAY_S + 1)
    assert judged.moving
    assert judged.troubles == ("the store refuses to be written: the disk is full", "Discord is away since 10 minutes")
    await store.close()
    assert "cannot be read" in (await health(store)).line


# --- systemd ---


@pytest.fixture
def manager_socket(tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(5)
        yield heard, {"NOTIFY_SOCKET": str(tmp_path / "notify")}


def test_systemd_is_told_in_its_own_words(manager_socket: tuple[socket.socket, dict[str, str]]) -> None:
    heard, environ = manager_socket
    manager = ServiceManager(environ | {"WATCHDOG_USEC": "30000000"})
    assert manager.watchdog_s == 30
    manager.ready("one\nline")
    assert heard.recv(1000) == b"READY=1\nSTATUS=one line"
    manager.reloading()
    assert heard.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    manager.alive("fine")
    assert heard.recv(1000) == b"WATCHDOG=1\nSTATUS=fine"
    manager.stopping()
    assert heard.recv(1000) == b"STOPPING=1"


def test_without_systemd_nobody_is_told_and_another_process_s_watchdog_is_not_ours(tmp_path: Path) -> None:
    ServiceManager({}).ready()
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert ServiceManager({}).watchdog_s is None
    assert ServiceManager({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    assert ServiceManager({"WATCHDOG_USEC": "soon"}).watchdog_s is None


async def test_the_watchdog_is_fed_while_the_loops_come_round_and_starves_when_they_do_not(
    store: Store, manager_socket: tuple[socket.socket, dict[str, str]]
) -> None:
    heard, environ = manager_socket
    stand = Stand(store)
    stand.store.vitals.committed(0.1, "the disk is full")
    async with running(keep_judging(stand.engine, ServiceManager(environ | {"WATCHDOG_USEC": "150000"}))):
        fed = await asyncio.to_thread(heard.recv, 1000)
        assert fed.startswith(b"WATCHDOG=1\nSTATUS=the store refuses")
        store.vitals.ticked_s["polls"] = time.monotonic() - STILL_S - 1
        await until(lambda: not stand.health.moving)
        heard.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while heard.recv(1000):
                pass
        heard.setblocking(True)
        heard.settimeout(5)
        starved = await asyncio.to_thread(heard.recv, 1000)
        assert starved.startswith(b"STATUS=the scheduler stands still")


# --- the heartbeat ---


async def test_a_heartbeat_goes_out_after_a_good_round_and_only_then(
    store: Store, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "LOOKED_EVERY_S", 0.02)
    stand = Stand(store, site)
    site.put("/ping", Reply())
    stand.operating = Operating(heartbeat=site.url("/ping"))
    stand.health = Health(troubles=("the disk is full",), round_over=True)
    async with running(keep_beating(stand.engine)):
        await asyncio.sleep(0.2)
        assert site.asked == []
        stand.health = Health(round_over=False)
        await asyncio.sleep(0.2)
        assert site.asked == []
        stand.health = Health(round_over=True)
        await until(lambda: site.asked == ["/ping"], limit_s=5)
        await asyncio.sleep(0.2)
        assert site.asked == ["/ping"], "once a minute at the most"
    assert "desk@example.org" in site.sent_headers[0]["User-Agent"]


async def test_a_heartbeat_that_fails_is_logged_once_without_its_address(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    heart, allow = Heartbeat(), AllowList.parse((site.origin,))
    url = site.put("/hush-hush", Reply(status=500))
    assert [await heart.beat(url, allow=allow, contact="") for _ in range(3)] == [False, False, False]
    assert caplog.text.count("event=heartbeat") == 1
    site.put("/hush-hush", Reply())
    assert await heart.beat(url, allow=allow, contact="")
    assert caplog.text.count("event=heartbeat") == 2
    assert "hush-hush" not in caplog.text


async def test_a_heartbeat_passes_the_guard_like_everything_else(site: Site) -> None:
    url = site.put("/ping", Reply())
    assert not await Heartbeat().beat(url, allow=AllowList.parse(()), contact="")
    assert site.asked == []


# --- the numbers ---


def free_place() -> tuple[str, int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return "127.0.0.1", int(sock.getsockname()[1])


async def get(place: tuple[str, int], path: str, host: str = "") -> tuple[int, str]:
    async with aiohttp.ClientSession() as session:
        headers = {"Host": host} if host else {}
        async with session.get(f"http://{shown_place(place)}{path}", headers=headers) as response:
            return response.status, await response.text()


async def test_the_numbers_are_what_prometheus_reads(store: Store) -> None:
    stand, place = Stand(store), free_place()
    stand.refused = {"429": 2}
    await poll(store, last_poll_at=NOW, next_poll_at=NOW + timedelta(hours=1))
    store.vitals.owed_to_posted.add(3.0)
    async with serve_metrics(stand.engine, place):
        status, text = await get(place, "/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert samples["wirewatch_polls_total", ("outcome", "unchanged")] == 1
    assert samples["wirewatch_feeds", ("state", "new")] == 2
    assert samples["wirewatch_alerts_owed", ("state", "pending")] == 0
    assert samples["wirewatch_discord_answers_total", ("status", "429")] == 2
    assert samples["wirewatch_worker_starts_total",] == 3
    assert samples["wirewatch_delivery_seconds_bucket", ("le", "2.5")] == 0
    assert samples["wirewatch_delivery_seconds_bucket", ("le", "5.0")] == 1
    assert samples["wirewatch_delivery_seconds_bucket", ("le", "+Inf")] == samples["wirewatch_delivery_seconds_count",]
    assert samples["wirewatch_healthy",] == 1
    assert samples["process_resident_memory_bytes",] > 0
    assert all(family.documentation for family in families.values())


async def test_healthz_says_what_is_wrong_and_strangers_hear_nothing(store: Store) -> None:
    stand, place = Stand(store), free_place()
    async with serve_metrics(stand.engine, place):
        assert await get(place, "/healthz") == (200, "all is well\n")
        stand.health = Health(troubles=("the disk is full",))
        assert await get(place, "/healthz") == (503, "the disk is full\n")
        assert (await get(place, "/metrics", host="rebound.example"))[0] == 403
        assert (await get(place, "/healthz", host="rebound.example"))[0] == 403


async def test_numbers_are_shown_also_of_a_store_that_cannot_be_read(store: Store) -> None:
    stand, place = Stand(store), free_place()
    await store.close()
    async with serve_metrics(stand.engine, place):
        status, text = await get(place, "/metrics")
    assert status == 200
    assert "wirewatch_healthy" in text
    assert "wirewatch_store_size_bytes" not in text


async def test_a_place_that_is_taken_is_said_and_ends_nothing(store: Store) -> None:
    said: list[str] = []
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        place = ("127.0.0.1", int(sock.getsockname()[1]))
        await show_numbers(Stand(store).engine, place, said.append)
    assert said
    assert shown_place(place) in said[0]


@pytest.mark.parametrize("text", ["127.0.0.1:9464", "[::1]:9464", "localhost:9464", "127.8.8.8:1"])
def test_only_loopback_is_a_place_for_numbers(text: str) -> None:
    place = loopback_in(text)
    assert place is not None
    assert shown_place(place) == text


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0:9464", "[::]:9464", "192.168.0.1:9464", "example.org:9464", "127.0.0.1", ":9464", "9464", "127.0.0.1:0",
     "127.0.0.1:99999", "u@127.0.0.1:9464", "127.0.0.1:9464/x", "127.1:9464"],
)  # fmt: skip
def test_every_other_place_is_refused(text: str) -> None:
    assert loopback_in(text) is None
