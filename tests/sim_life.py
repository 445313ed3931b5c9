"""One life of the bot in the simulation, and its disk: where it may end, and what its database may refuse. No test itself.

A life that is killed leaves a copy of its files as they were at that very moment, in the middle of a transaction too; whatever its code
still does on the way out, nobody sees.
"""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from bot.store.connection import settle, uri_for
from tests.sim_loop import answer

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable
    from pathlib import Path

    from tests.sim_loop import VirtualLoop
    from tests.sim_world import World

Trouble = Literal["full", "locked", "ioerr"]

NAME = "sim.db"
HOP_S = 0.0004
BUSY_S = 5.0


@dataclass(frozen=True)
class Kill:
    """Where a life ends: at the nth time that it comes to this seam."""

    seam: Literal["store", "web", "outlet"]
    when: Literal["before", "inside", "after", "accepted"]
    nth: int


@dataclass(eq=False)
class Life:
    """A life: from a start to a kill, or to an orderly end. left_in: where a kill leaves the database."""

    number: int
    world: World
    loop: VirtualLoop
    folder: Path
    left_in: Path
    chance: random.Random
    kill: Kill | None = None
    dead: bool = False
    opened: bool = False
    _left: int = 0
    connections: list[SimConnection] = field(default_factory=list)
    _other: sqlite3.Connection | None = None

    def __post_init__(self) -> None:
        self._left = self.kill.nth if self.kill else 0

    def comes_to(self, seam: str, when: str) -> bool:
        """Whether the life ends here."""
        if self.kill is None or self.dead or (self.kill.seam, self.kill.when) != (seam, when):
            return False
        self._left -= 1
        return self._left == 0

    def die(self) -> None:
        """End it: what stands on the disk stays, all else is gone."""
        assert self.kill is not None
        self.world.say(f"KILLED {self.kill.when} {self.kill.seam}")
        self.left_in.mkdir()
        for tail in ("", "-wal"):
            part = self.folder / f"{NAME}{tail}"
            if part.exists():
                shutil.copy(part, self.left_in)
        self.dead = True
        self.loop.stop()

    def check(self, seam: str = "", when: str = "") -> None:
        """Go on only while it lives; end it where that is its fate."""
        if self.comes_to(seam, when):
            self.die()
        if self.dead:
            raise OSError("dead")

    def close(self) -> None:
        """Let go of all files."""
        self.let_go()
        for connection in self.connections:
            connection.raw.close()

    # --- the disk ---

    async def connect(self, path: Path, *, reading: bool) -> SimConnection:
        """Stand for `bot.store.connection.connect`."""
        raw = sqlite3.connect(uri_for(path, "rw"), uri=True, isolation_level=None, check_same_thread=False)
        settle(raw)
        raw.execute("PRAGMA busy_timeout = 0")
        if reading:
            raw.execute("PRAGMA wal_autocheckpoint = 0")
            raw.execute("PRAGMA query_only = ON")
        connection = SimConnection(self, raw, writing=not reading)
        self.connections.append(connection)
        return connection

    def hold(self) -> None:
        """Let another program hold the database."""
        if self._other is None:
            self._other = sqlite3.connect(self.folder / NAME, isolation_level=None, timeout=0, check_same_thread=False)
            self._other.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        """Let the other program go."""
        if self._other is not None:
            self._other.close()
            self._other = None


class SimConnection:
    """Stands for one of aiosqlite: works run one after another, whole, whoever waits for them; each takes a moment."""

    def __init__(self, life: Life, raw: sqlite3.Connection, *, writing: bool) -> None:
        self.raw = self._conn = raw
        self._life = life
        self._writing = writing
        self._at_s = 0.0
        self._was_full = False

    async def _execute(self, work: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401 - as aiosqlite's own
        life = self._life
        future = life.loop.create_future()
        slow_s = life.chance.choice((0.0, 0.0, 0.0, 0.005, 0.2))
        self._at_s = max(self._at_s, life.loop.time()) + HOP_S + slow_s
        life.loop.call_at(self._at_s, self._run, future, partial(work, *args))
        return await future

    async def execute(self, statement: str) -> None:
        await self._execute(self.raw.execute, statement)

    async def close(self) -> None:
        if not self._life.dead:
            await self._execute(int)  # whatever is still to be done on it
            self.raw.close()

    def _run(self, future: asyncio.Future[Any], work: partial[Any]) -> None:
        life = self._life
        if life.comes_to("store", "before"):
            life.die()
        if life.dead:
            return answer(future, None, trouble("ioerr"))
        refusal = self._refusal() if self._writing and work.func is not int else None
        if refusal is not None:
            life.world.say(f"store refuses: {refusal}")
            return answer(future, None, refusal)
        if life.comes_to("store", "inside"):
            self._die_inside(life.chance.randint(1, 14))
        result, failure = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - whatever it raised is the answer
            failure = error
        if life.comes_to("store", "after"):
            life.die()
        if life.dead:
            return answer(future, None, trouble("ioerr"))
        if failure is not None:
            return answer(future, None, failure)
        return answer(future, result, None)

    def _die_inside(self, statements: int) -> None:
        """End the life before so many statements more."""
        left = statements

        def saw(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._life.die()

        self.raw.set_trace_callback(saw)

    def _refusal(self) -> sqlite3.Error | None:
        """Make the disk as the world has it now; return what it refuses with before anything is done."""
        now = self._life.world.disk_trouble(self._life.loop.time())
        if now == "locked":
            self._life.hold()
        else:
            self._life.let_go()
        if (now == "full") != self._was_full:
            self._was_full = now == "full"
            ((pages,),) = self.raw.execute("PRAGMA page_count").fetchall()
            self.raw.execute(f"PRAGMA max_page_count = {pages if self._was_full else 1 << 30}").fetchall()
        refuses = now == "ioerr" or (now == "full" and self._life.chance.random() < 0.5)
        return trouble(now) if now and refuses else None


def trouble(kind: Trouble) -> sqlite3.OperationalError:
    """Return the error that SQLite raises for it."""
    error = sqlite3.OperationalError(f"simulated: {kind}")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL if kind == "full" else sqlite3.SQLITE_IOERR
    return error
