"""What the tests at wire level share: the bot as a process, a Discord of our own, and a site whose feeds it reads, all on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from tests.discord_spec import description
from tests.fakes import Site, entry, until
from tests.standin import StandIn, duplicates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.standin import Channel, Message

SEND = "/channels/*/messages"
SANCTIONS = '="sanctions"'  # takes no other forms, so that no dictionary is loaded


@dataclass
class Bot:
    """One life of `wirewatch run`; what it prints on standard error is kept."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)
    _reading: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """Keep what it says from now on."""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            self.said.append(line.decode().rstrip("\n"))

    async def heard(self, words: str, *, limit_s: float = 60.0) -> str:
        """Wait for a line with these words, and return it."""
        await until(lambda: any(words in line for line in self.said), limit_s=limit_s)
        return next(line for line in self.said if words in line)

    async def stop(self) -> int:
        """Ask for the end, and return the status; it comes within ten seconds and nothing of it is left."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            status = await self.process.wait()
        _, alive = await asyncio.to_thread(psutil.wait_procs, family, 2)
        assert not alive
        return status

    async def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        await self.process.wait()

    async def end(self) -> None:
        """Make sure that it is gone, and read what it said last."""
        if self.process.returncode is None:
            await self.kill()
        if self._reading:
            await self._reading
        assert not [line for line in self.said if "Traceback" in line], self.said


@dataclass
class Desk:
    """A bot, its Discord, and the site that it reads."""

    folder: Path
    discord: StandIn
    site: Site
    watches: list[str] = field(default_factory=list)
    head: str = ""
    entries: list[str] = field(default_factory=list)
    _bots: list[Bot] = field(default_factory=list)

    def watch(self, name: str, query: str, channel: Channel | int, mention: int = 0) -> None:
        """Declare a watch; takes effect with the next start or reload."""
        place = channel if isinstance(channel, int) else channel.id
        text = f"[[watches]]\nname = '{name}'\nquery = '{query}'\nchannel = {place}\nmention = {mention}\n"
        self.watches.append(text)

    def configure(self, *feeds: str) -> None:
        """Write the configuration: these feeds (paths), and the watches so far."""
        named = "".join(f"[[feeds]]\nurl = '{self.site.url(feed)}'\n" for feed in feeds or ("/feed",))
        (self.folder / "config.toml").write_text(
            f"[discord]\nlog_channel = {self.discord.log.id}\n[fetch]\ninterval = '1s'\nfull_text = 'never'\n"
            f"allow_private = ['{self.site.origin}']\n{self.head}\n{named}{''.join(self.watches)}",
            encoding="utf-8",
        )

    def publish(
        self, title: str, text: str = "The council agreed on sanctions.", *, feed: str = "/feed", path: str = ""
    ) -> str:
        """Put one more entry into a feed, and return its address."""
        link = self.site.url(path or f"/articles/{len(self.entries)}")
        self.entries.append(entry(title, link, guid=f"guid-{len(self.entries)}", text=text))
        self.site.feed(feed, *self.entries)
        return link

    @asynccontextmanager
    async def bot(self, *, connected: bool = True) -> AsyncIterator[Bot]:
        """Start it, and wait until it read its feeds once, and, unless told otherwise, until it is connected."""
        bot = await self.start()
        try:
            await until(
                lambda: self.rows("SELECT DISTINCT subscribed_at IS NULL FROM feeds WHERE enabled") == [(0,)],
                limit_s=20,
            )
            if connected:
                await self.discord.connected()
            yield bot
        finally:
            await bot.end()

    async def start(self, **env: str) -> Bot:
        """Start a process."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "run",
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment() | self.discord.environment | env,
        )
        bot = Bot(process)
        bot.listen()
        self._bots.append(bot)
        return bot

    @property
    def said(self) -> list[str]:
        """What all of its lives said."""
        return [line for bot in self._bots for line in bot.said]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what the database answers, nothing while there is none."""
        path = self.folder / "wirewatch.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as sql:
            return sql.execute(query).fetchall()

    def count(self, query: str) -> int:
        """Return the one number of an answer, -1 while there is no database."""
        rows = self.rows(query)
        return int(rows[0][0]) if rows else -1

    def set_back(self, *, hours: float) -> None:
        """Make all alerts owed for so much longer; while nobody runs."""
        with closing(sqlite3.connect(self.folder / "wirewatch.db", timeout=10)) as sql:
            sql.execute("UPDATE alerts SET created_at = created_at - ?", (int(hours * 3_600_000),))
            sql.execute("UPDATE alerts SET next_try_at = created_at")
            sql.commit()

    def owed(self) -> int:
        """Return how many alerts are not yet settled."""
        return self.count("SELECT count(*) FROM alerts WHERE state <> 'sent'")

    async def posted(self, count: int, channel: Channel | None = None, *, limit_s: float = 60.0) -> list[Message]:
        """Wait until that many messages stand in a channel (alerts by default), and return them."""
        place = channel or self.discord.alerts
        await until(lambda: len(self.discord.messages(place)) >= count, limit_s=limit_s)
        return self.discord.messages(place)

    async def settled(self, count: int, *, limit_s: float = 60.0) -> None:
        """Wait until that many alerts are sent, for what the bot knows, and none is left."""
        await until(
            lambda: self.count("SELECT count(*) FROM alerts WHERE state = 'sent'") >= count and not self.owed(),
            limit_s=limit_s,
        )


@asynccontextmanager
async def desk_in(folder: Path) -> AsyncIterator[Desk]:
    """Open a desk in a folder, not yet configured. At the end nothing may have gone over the wire that Discord would not have."""
    async with StandIn() as discord, Site() as site:
        desk = Desk(folder, discord, site)
        site.feed("/feed")
        yield desk
        held = held_against(desk)
        assert not held, held


def held_against(desk: Desk) -> list[str]:
    """Return what may not be: what Discord would not have over the wire, an alert that stands there twice, a token that shows."""
    held = [*desk.discord.violations, *(f"twice: {marker}" for marker in duplicates(desk.discord))]
    spec = description()
    if spec is not None:  # without it conformance is not judged; the judges' own tests say so
        held += [fault for each in desk.discord.journal.requests for fault in spec.faults_in(each)]
    held += [f"the token was said: {line}" for line in desk.said if desk.discord.token in line]
    return held + [f"the token stands in {name}" for name in files_with(desk.discord.token, desk.folder)]


def files_with(text: str, folder: Path) -> list[str]:
    """Return the names of the files in a folder that hold this text."""
    return [path.name for path in folder.iterdir() if text.encode() in path.read_bytes()]


def environment() -> dict[str, str]:
    """Return the environment without anything of wirewatch in it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WIREWATCH")}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def titles(messages: list[Message]) -> list[str]:
    """Return the headlines of cards."""
    return [embed["title"] for message in messages for embed in message.body.get("embeds") or ()]
