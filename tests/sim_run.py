"""One seed, from its first life to the last, and what is to be said of it. No test itself.

The store, the pipeline, the scheduler, the deliverer and Discord's outlet are the real ones, on real SQLite; so are their start and end.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from bot.app import Voice, open_engine
from bot.config import Config, Fetching
from bot.errors import StoreError
from bot.housekeeping import _clean_daily
from bot.model import DeclaredFeed, Watch
from bot.service import run_engine
from bot.web.guard import AllowList
from cogs._outlet import DiscordOutlet
from tests.sim_discord import SimClient
from tests.sim_judge import faults_of, is_quiet, unexplained
from tests.sim_life import NAME, Life
from tests.sim_loop import OrderedTask, StoodStillError, VirtualLoop
from tests.sim_plan import PLACES, WATCHES, plan_for
from tests.sim_world import SimWeb, SimWorkers, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.app import Engine
    from tests.sim_plan import End

QUIET_LIMIT_S = 3 * 86400.0
LOOKED_EVERY_S = 300.0
GATEWAY_S = 30.0
AGAIN_S = 10.0


@dataclass
class Outcome:
    """What became of a seed. faults: none, and all was well. kills: that came about."""

    seed: int
    faults: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    kills: int = 0
    stops: int = 0
    messages: int = 0

    @property
    def digest(self) -> str:
        """A short name for all that happened."""
        return hashlib.blake2b("\n".join(self.trace).encode(), digest_size=8).hexdigest()


def simulate(seed: int) -> Outcome:
    """Live through a seed; nothing of it is left on the disk."""
    memory = Path("/dev/shm")  # quicker, where it is there
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        return _simulate(seed, Path(folder))


def _simulate(seed: int, folder: Path) -> Outcome:
    plan, outcome = plan_for(seed), Outcome(seed)
    world = World(plan, random.Random(seed + 1))
    outcome.trace, now_s, place = world.trace, 0.0, folder / "0"
    place.mkdir()
    ends: list[End | None] = [*plan.ends, None]
    for number in itertools.count():
        end, loop = ends.pop(0), VirtualLoop(now_s)
        OrderedTask.numbers = itertools.count()
        world.loop, world.life = loop, number
        chance, kill = random.Random(seed * 1000 + number), end.kill if end else None
        life = Life(number, world, loop, place, folder / str(number + 1), chance, kill)
        quiet = _borne(life, end, outcome)
        if life.dead:
            place = life.left_in
        elif not life.opened:
            ends.insert(0, end)
        if quiet or outcome.faults:
            break
        now_s = loop.time() + (end.away_s if end and life.opened else AGAIN_S)
    outcome.messages = len(world.discord.messages)
    outcome.faults += faults_of(world, place / NAME)
    return outcome


def _borne(life: Life, end: End | None, outcome: Outcome) -> bool:
    """Live one life, and note in the outcome what came of it; return whether everything was done before it ended."""
    world, quiet = life.world, False
    try:
        quiet = _lived(life, end)
    except StoreError as error:
        world.say(f"{'broke' if life.opened else 'did not start'}: {error}")
        outcome.faults += [f"life {life.number} broke: {error}"] if life.opened else []
    except StoodStillError as error:
        outcome.faults.append(f"life {life.number}: {error}")
        life.loop.close()
    except Exception as error:  # noqa: BLE001 - whatever ended the bot is what is to be said
        outcome.faults.append(f"life {life.number} broke: {type(error).__name__}: {error}")
    if life.dead:
        outcome.kills += 1
        with closing(sqlite3.connect(life.left_in / NAME)) as sql:
            world.discord.asked |= nonces_sending(sql)
    elif life.opened:
        outcome.stops += 1
        outcome.faults += unexplained(world, life.folder / NAME)
    return quiet


def nonces_sending(sql: sqlite3.Connection) -> set[str]:
    """Return the nonces of what is on its way."""
    if not sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'alerts'").fetchone():
        return set()
    return {row[0] for row in sql.execute("SELECT nonce FROM alerts WHERE state = 'sending'")}


def _lived(life: Life, end: End | None) -> bool:
    """Live one life; return whether everything was done before it ended."""
    loop, quiet = life.loop, [False]
    with _in_world(life):
        main = loop.create_task(_live(life, end, quiet))

        def over(_: object) -> None:
            loop.stop()

        main.add_done_callback(over)
        loop.run_forever()
        main.remove_done_callback(over)
        ended_s = loop.time()
        loop.wind_up()
        loop.clock_of.now_s = ended_s
    life.close()
    if not life.dead:
        main.result()
        life.world.say("ended orderly")
    return quiet[0] and not life.dead


@contextmanager
def _in_world(life: Life) -> Iterator[None]:
    watch = SimpleNamespace(monotonic=life.loop.time)
    with (
        patch("bot.store.store.connect", life.connect),
        patch("bot.app.web_for", lambda _: SimWeb(life)),
        patch("bot.app.Workers", lambda: SimWorkers(life)),
        patch("cogs._outlet.time", watch),
        patch("cogs._pace.time", watch),
    ):
        yield


async def _live(life: Life, end: End | None, quiet: list[bool]) -> None:
    world, stop = life.world, asyncio.Event()
    began_s = life.loop.time()

    def rights(place: int) -> Any:  # noqa: ANN401 - of discord.Permissions one is looked at
        known = life.loop.time() - began_s > GATEWAY_S
        return SimpleNamespace(read_message_history=world.discord.readable(place)) if known else None

    outlet = DiscordOutlet("token", clock=world.clock, rights=rights, standing=world.discord.standing)
    outlet._client = SimClient(life)  # type: ignore[assignment]  # stands for one
    voice = Voice(name="sim", at_once=8, digests=True, looks_back=True)
    world.say("begins")
    async with open_engine(_config(life), outlet, clock=world.clock, voice=voice) as engine:
        engine.pipeline.chance = life.chance.random
        engine.scheduler.deliverer.spread = lambda: life.chance.uniform(0.75, 1.0)
        await engine.store.end_leases(now=world.clock())
        await engine.store.upkeep.note_outage(now=world.clock())
        house = _clean_daily(engine.store, lambda: engine.keep, world.clock, world.say)
        life.opened = True
        beside = [house, _gateway(life, engine), _until_quiet(life, stop, quiet)]
        if end is not None and end.kill is None:
            life.loop.call_later(end.after_s, stop.set)
        await run_engine(engine, stop, voice, beside=beside)


async def _gateway(life: Life, engine: Engine) -> None:
    """Say of each channel how it looks, when that changes, as the gateway does."""
    before: dict[int, str] = {}
    while True:
        now = {place: life.world.discord.standing(place) for place in PLACES}
        if now != before:
            with_trouble = await asyncio.gather(
                engine.store.reopen_channels(now, now=life.world.clock()), return_exceptions=True
            )
            if not isinstance(with_trouble[0], BaseException):
                before = now
                await engine.scheduler.deliverer.hurry()
                engine.scheduler.owed_changed.set()
        await asyncio.sleep(GATEWAY_S)


async def _until_quiet(life: Life, stop: asyncio.Event, quiet: list[bool]) -> None:
    """Ask for an end when nothing is left to be done, or too long after all trouble is over."""
    world = life.world
    await asyncio.sleep(max(0.0, world.plan.length_s - life.loop.time()))
    while not (life.dead or stop.is_set()):
        quiet[0] = is_quiet(world, life.folder / NAME) or life.loop.time() > world.plan.length_s + QUIET_LIMIT_S
        if quiet[0]:
            stop.set()
        await asyncio.sleep(LOOKED_EVERY_S)
    await asyncio.Event().wait()


def _config(life: Life) -> Config:
    plan = life.world.plan
    hosts = tuple(f"feed{feed}.example" for feed in range(plan.feeds)) if plan.private else ()
    return Config(
        path=life.folder / "config.toml",
        store_path=life.folder / NAME,
        fetch=Fetching(interval_s=plan.interval_s, allow_private=AllowList.parse(hosts)),
        languages=(),
        feeds=tuple(DeclaredFeed(url=life.world.url(feed)) for feed in range(plan.feeds)),
        watches=tuple(
            Watch(name=name, query=" OR ".join(sorted(words)), channel_id=channel, thread_id=thread)
            for name, (words, (channel, thread)) in WATCHES.items()
        ),
    )
