"""What runs beside the engine for its operator: its health judged, systemd kept posted, the heartbeat sent, the numbers shown.

Reads the engine, never steers it. Nothing that fails here stops the road.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from bot.heartbeat import Heartbeat
from bot.loop_lag import feel_lag
from bot.operating import shown_place
from bot.pulse import health_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.app import Engine
    from bot.sd_notify import ServiceManager

log = logging.getLogger(__name__)

JUDGED_EVERY_S = 3.0
BEATEN_EVERY_S = 60.0
LOOKED_EVERY_S = 1.0


async def tend(engine: Engine, manager: ServiceManager, *, say: Callable[[str], None]) -> None:
    """Look after the engine until cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(feel_lag(engine.store.vitals))
            group.create_task(keep_judging(engine, manager))
            group.create_task(keep_beating(engine))
            if engine.operating.metrics is not None:
                group.create_task(show_numbers(engine, engine.operating.metrics, say))
    except Exception:  # the road goes on; whoever waits for a sign of life notices that there is none
        log.exception("event=tending_broke")
        await asyncio.Event().wait()


async def keep_judging(engine: Engine, manager: ServiceManager) -> None:
    """Judge every few seconds; systemd's watchdog is fed only while the scheduler's loops come round."""
    nap_s = min(JUDGED_EVERY_S, (manager.watchdog_s or JUDGED_EVERY_S) / 3)
    while True:
        before = engine.health
        engine.health = await health_of(engine.store, now=engine.pipeline.clock(), away_s=engine.away_s())
        if engine.health.moving:
            manager.alive(engine.health.line)
        else:
            manager.status(engine.health.line)
        if bool(before.troubles) != bool(engine.health.troubles):
            said_already = (
                not engine.health.troubles or engine.store.vitals.store_fault
            )  # the scheduler says of a store once
            level = logging.INFO if said_already else logging.WARNING
            log.log(level, "event=health well=%s reason=%r", not engine.health.troubles, engine.health.line)
        await asyncio.sleep(nap_s)


async def keep_beating(engine: Engine) -> None:
    """Ask the heartbeat address after each good round, once a minute at the most."""
    heart, beaten_s = Heartbeat(), -BEATEN_EVERY_S
    while True:
        await asyncio.sleep(LOOKED_EVERY_S)
        health, url = engine.health, engine.operating.heartbeat
        if not url or not health.round_over or health.troubles or time.monotonic() - beaten_s < BEATEN_EVERY_S:
            continue
        beaten_s = time.monotonic()
        await heart.beat(url, allow=engine.fetching.allow_private, contact=engine.fetching.contact)


async def show_numbers(engine: Engine, place: tuple[str, int], say: Callable[[str], None]) -> None:
    """Serve the metrics on loopback until cancelled; a place that is taken is said, and the bot goes on without."""
    from bot.metrics import serve_metrics  # noqa: PLC0415 - off by default, and then it costs nothing

    try:
        async with serve_metrics(engine, place):
            await asyncio.Event().wait()
    except OSError as error:
        say(f"no metrics: {shown_place(place)} cannot be had ({error.strerror}); choose another [operating] metrics")
