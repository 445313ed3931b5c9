"""What is done beside the road so that the store lasts for years: deletion by `[keep]`, a daily check, a word on each time away.

Works in small pieces with pauses, only on what the store offers for it; a database in trouble is told of elsewhere and waited out.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.clock_watch import ClockWatch
from bot.errors import StoreError
from bot.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from bot.store import Store
    from bot.store.outage import Outage

log = logging.getLogger(__name__)

LOOK_S = 20.0
FIRST_S = 300.0
DAILY_S = 24 * 3600.0
BREATH_S = 0.2
SAID_AFTER = timedelta(hours=1)
NAMED = 5


@dataclass(frozen=True, slots=True)
class Keep:
    """For how long is kept what: the keys of `[keep]`."""

    text_s: float = 90 * 86400.0
    records_s: float = 3 * 365 * 86400.0


async def keep_house(
    store: Store,
    *,
    keep: Callable[[], Keep],
    clock: Callable[[], datetime],
    say: Callable[[str], None],
    is_told: Callable[[str], Awaitable[bool]],
) -> None:
    """Keep house until cancelled. say: told one line. is_told: the same, and answers once it is known whether it arrived."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_note_leaps(store, clock))
        group.create_task(_tell_of_outages(store, clock, is_told))
        group.create_task(_clean_daily(store, keep, clock, say))


async def clean(store: Store, keep: Keep, now: datetime, breath_s: float = BREATH_S) -> None:
    """Delete all whose time is over.

    Raises:
        StoreError: some is left for another time.
    """
    upkeep, text_before = store.upkeep, now - timedelta(seconds=keep.text_s)
    records_before = now - timedelta(seconds=keep.records_s)
    await _all_of(lambda: upkeep.purge_texts(text_before), breath_s)
    for feed_id in await upkeep.feed_ids():
        await _all_of(lambda feed_id=feed_id: upkeep.settle_feed(feed_id, text_before=text_before, now=now), breath_s)  # type: ignore[misc]  # mypy does not infer a lambda's default
    await _all_of(lambda: upkeep.purge_records(records_before), breath_s)
    await upkeep.purge_rests(now=now)


async def _all_of(some: Callable[[], Awaitable[int]], breath_s: float) -> None:
    while await some():  # noqa: ASYNC110  # each turn does a piece of the work
        await asyncio.sleep(breath_s)


async def _clean_daily(
    store: Store, keep: Callable[[], Keep], clock: Callable[[], datetime], say: Callable[[str], None]
) -> None:
    await asyncio.sleep(FIRST_S)  # a start has better things to do
    while True:
        try:
            await clean(store, keep(), clock())
            if fault := await store.upkeep.fault():
                log.error("event=store_damaged reason=%r", fault)
                say(
                    f"the database is damaged ({fault}): stop the bot and restore the latest backup (wirewatch restore FILE)"
                )
        except (StoreError, sqlite3.Error) as error:
            log.warning("event=housekeeping_waits reason=%r", str(error))
        await asyncio.sleep(DAILY_S)


async def _note_leaps(store: Store, clock: Callable[[], datetime]) -> None:
    """Note each time that passed while this machine slept, or before its clock was set."""
    watch, leapt = ClockWatch(clock, asyncio.get_running_loop().time), timedelta(0)
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            leapt += watch.set_by()
            if leapt > timedelta(0):
                now = clock()
                await store.upkeep.note_leap(now - leapt, now)
            leapt = timedelta(0)
        except StoreError as error:  # what is not noted yet is noted later
            log.warning("event=housekeeping_waits reason=%r", str(error))


async def _tell_of_outages(
    store: Store, clock: Callable[[], datetime], is_told: Callable[[str], Awaitable[bool]]
) -> None:
    """Tell of each time away, and forget it once that arrived; what is refused for good is tried by the next start."""
    told_to: datetime | None = None
    refused_to: datetime | None = None
    while True:
        try:
            away = await store.upkeep.outage()
            if away is not None and away.to_at != refused_to and _is_known(away, clock()):
                if away.to_at == told_to or await is_told(line_for(away)):
                    told_to = away.to_at
                    await store.upkeep.outage_told(away.to_at)
                else:
                    refused_to = away.to_at
        except StoreError as error:
            log.warning("event=housekeeping_waits reason=%r", str(error))
        await asyncio.sleep(LOOK_S)


def _is_known(away: Outage, now: datetime) -> bool:
    return not away.waiting or now - away.to_at >= SAID_AFTER


def line_for(away: Outage) -> str:
    """Return what operators are told of a time away."""
    times = f"from {away.from_at:%Y-%m-%d %H:%M} to {away.to_at:%Y-%m-%d %H:%M} UTC"
    if away.restored:
        said = (
            f"a backup was restored: of the time {times}, {counted(away.silent, 'item')} stood in the feeds that this store had not read;"
            " they count as known and alert nobody"
        )
    else:
        who = "this machine slept, or its clock was set," if away.leap else "the bot was away"
        said = f"{who} {times}: {counted(away.late, 'item')} of that time were still in the feeds; what matches is alerted late"
    missed = sum(count for _, count in away.gaps)
    if missed:
        names = ", ".join(f"{name} ({count})" for name, count in away.gaps[:NAMED])
        more = f" and {len(away.gaps) - NAMED} more" if len(away.gaps) > NAMED else ""
        said += f"; up to {counted(missed, 'item')} may have left the feeds unseen: {names}{more}"
    if away.waiting:
        said += f"; {counted(away.waiting, 'feed')} could not be asked yet"
    return f"{said}."
