"""kill -9 under flow, against a Discord of our own on loopback: is any alert lost, does any stand there twice?

Real processes, real HTTP and WebSocket, a real database. A feed grows all the time; `wirewatch run` tells four channels of it. Every
second kill is aimed: it comes while a message is on its way (Discord took it, or has not yet, and answers nobody) or the moment one was
accepted. Before every second start Discord's memory of nonces is wiped, so that only the channel's history can tell.

    python -m benchmarks.kill_discord [--kills 200] [--seed 1]
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.kill import run_trial, show_progress
from tests.fakes import Site, entry, until
from tests.standin import Fault, StandIn, duplicates
from tests.wire_fakes import SANCTIONS, SEND, Desk, held_against

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.standin import Channel
    from tests.wire_fakes import Bot

CHANNELS = 4
NEW_EVERY_S = 0.6  # four channels, five messages in five seconds each: faster, and the backlog would grow for ever
LONGEST_RUN_S = 2.5
AIM_LIMIT_S = 20.0
CATCH_UP_S = 60.0
KEPT_IN_FEED = 1_000
SENT = "SELECT count(*) FROM alerts WHERE state = 'sent'"


@dataclass
class Verdict:
    """What was found.

    lost: pairs of article and channel without a message; twice: with more than one. aimed: kills that hit a send; taken: those of them
    after Discord had taken the message (or, delayed, within a twentieth of a second of that). violations: whatever Discord's description,
    its rules and a lint hold against the bot, and where its token shows.
    """

    kills: int = 0
    aimed: int = 0
    taken: int = 0
    wiped: int = 0
    articles: int = 0
    messages: int = 0
    lost: int = 0
    twice: int = 0
    markers_twice: int = 0
    unsettled: int = 0
    violations: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, doubled, left open, or held against the bot."""
        return not any((self.lost, self.twice, self.markers_twice, self.unsettled, self.violations))


@dataclass
class Torture:
    """One run: a desk with a feed that grows, and what became of each kill."""

    desk: Desk
    chance: random.Random
    channels: list[Channel]
    verdict: Verdict = field(default_factory=Verdict)
    titles: list[str] = field(default_factory=list)

    def grow(self) -> None:
        """Publish one more article."""
        number = len(self.titles)
        self.titles.append(f"Report {number:05d}")
        link = self.desk.site.url(f"/articles/{number}")
        self.desk.entries.append(entry(self.titles[-1], link, guid=f"guid-{number}", text="They agreed on sanctions."))
        self.desk.site.feed("/feed", *self.desk.entries[-KEPT_IN_FEED:])

    @asynccontextmanager
    async def growing(self) -> AsyncIterator[None]:
        """Let the feed grow inside the block."""

        async def grow() -> None:
            while True:
                self.grow()
                await asyncio.sleep(NEW_EVERY_S)

        task = asyncio.create_task(grow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def live_and_die(self, number: int) -> None:
        """Start the bot, kill it at a random moment or at a chosen one, and let Discord forget or remember."""
        bot = await self.desk.start()
        try:
            if number % 2:
                await self._aim(bot)
            else:
                await asyncio.sleep(self.chance.uniform(0.2, LONGEST_RUN_S))
            await bot.kill()
        finally:
            await bot.end()
        self.verdict.kills += 1
        self.desk.discord.rest.faults.clear()
        if number % 4 >= 2:
            self.desk.discord.wipe_nonces()
            self.verdict.wiped += 1

    async def _aim(self, bot: Bot) -> None:
        """Wait until a message is on its way, or was just accepted."""
        accept = self.chance.random() < 0.7
        how = self.chance.choice(["hang", "delay", "cut"]) if accept else "hang"
        skip, seconds = self.chance.randrange(3), 0.3 if how == "delay" else 30.0
        fault = Fault(how, "POST", SEND, skip=skip, seconds=seconds, accept=accept)  # type: ignore[arg-type] # one of its kinds
        self.desk.discord.fail(fault)
        try:
            await until(lambda: fault.hits > 0 or bot.process.returncode is not None, limit_s=AIM_LIMIT_S)
        except TimeoutError:
            return
        if how == "delay":
            await asyncio.sleep(self.chance.uniform(0.25, 0.35))  # about when it is accepted
        self.verdict.aimed += 1
        self.verdict.taken += accept

    async def judge(self) -> Verdict:
        """Let it catch up undisturbed, and hold what stands in the channels against what was published."""
        found, discord = self.verdict, self.desk.discord
        bot = await self.desk.start()
        try:
            wanted = len(self.titles) * len(self.channels)
            sent = -1
            while sent < wanted and sent != (now := self.desk.count(SENT)):  # as long as it comes nearer
                sent = now
                await until(lambda: self.desk.count(SENT) >= min(wanted, now + 1), limit_s=CATCH_UP_S)
        except TimeoutError:
            pass
        await bot.stop()
        await bot.end()
        told = Counter(
            (channel.id, embed["title"])
            for channel in self.channels
            for message in discord.messages(channel)
            for embed in message.body["embeds"]
        )
        found.articles, found.messages = len(self.titles), sum(told.values())
        found.lost = sum(not told[channel.id, title] for channel in self.channels for title in self.titles)
        found.twice = sum(count > 1 for count in told.values())
        found.markers_twice = len(duplicates(discord))
        found.unsettled = self.desk.owed()
        found.violations = len(held_against(self.desk))
        return found


async def torture(folder: Path, *, kills: int, seed: int) -> Verdict:
    """Kill a bot so many times in a folder, and return what was found at the end."""
    async with StandIn() as discord, Site() as site:
        desk = Desk(folder, discord, site)
        site.feed("/feed")
        channels = [discord.add_channel(discord.guild, f"desk-{number}") for number in range(CHANNELS)]
        for number, channel in enumerate(channels):
            desk.watch(f"Watch {number}", SANCTIONS, channel)
        desk.configure()
        run = Torture(desk, random.Random(seed), channels)
        async with desk.bot() as bot:  # once, to take in the empty feed as its baseline
            await bot.stop()
        async with run.growing():
            for number in range(kills):
                await run.live_and_die(number)
                show_progress(number + 1, kills)
        return await run.judge()


if __name__ == "__main__":
    sys.exit(run_trial(__doc__, torture))
