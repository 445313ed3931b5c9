"""Discord in the simulation: it takes messages, answers late or never, refuses, forgets nonces after a while. No test itself.

The real outlet talks to it through the few calls of discord.py that it uses. Its time is the true one, whatever the bot's clock says.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from cogs._call import Heard, _current
from cogs._draw import REPEAT
from cogs._verdicts import NO_ACCESS, NO_MESSAGE, NO_PERMISSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.sim_life import Life
    from tests.sim_world import World

ME = 4242
NO_CHANNEL = 10003
QUICK_S = (0.02, 0.05, 0.1, 0.3)
SLOW_S = (1.0, 5.0, 20.0, 45.0)


@dataclass(eq=False)
class Message:
    """A message as readers see it."""

    id: int
    place: int
    nonce: str
    posted_s: float
    content: str
    embeds: list[discord.Embed]
    deleted_s: float | None = None
    said_repeat: bool = False

    @property
    def author(self) -> SimpleNamespace:
        return SimpleNamespace(id=ME)


@dataclass(eq=False)
class SimDiscord:
    """All channels. asked: nonces that were ever sent and not answered with a success."""

    world: World
    messages: list[Message] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def take(self, place: int, nonce: str, content: str, embeds: list[discord.Embed]) -> Message:
        """Post, or return what was posted under this nonce a while ago."""
        now_s = self.world.now_s
        for message in self.messages:
            if message.nonce == nonce and now_s - message.posted_s <= self.world.plan.nonce_s:
                if message.deleted_s is not None and message.deleted_s <= now_s:
                    raise refused(404, NO_MESSAGE)
                return message
        id_ = discord.utils.time_snowflake(self.world.true_time()) + len(self.messages)
        said_repeat = any(REPEAT in (one.footer.text or "") for one in embeds)
        message = Message(id_, place, nonce, now_s, content, embeds, said_repeat=said_repeat)
        self.messages.append(message)
        if self.world.chance.random() < self.world.plan.deleted_share:
            message.deleted_s = now_s + self.world.chance.choice((0.5, 60.0, 1200.0))
        return message

    def readable(self, place: int) -> bool:
        """Whether the bot may read the history there."""
        return not self.world.in_trouble(f"history {place}")

    def standing(self, place: int) -> str:
        """Return how a channel looks."""
        return "closed" if self.world.in_trouble(f"closed {place}") else "open"


def refused(status: int, code: int) -> discord.HTTPException:
    """Return what discord.py raises for it."""
    kinds = {403: discord.Forbidden, 404: discord.NotFound}
    kind = kinds.get(status, discord.DiscordServerError if status >= 500 else discord.HTTPException)
    answer: Any = SimpleNamespace(status=status, reason="simulated")
    return kind(answer, {"code": code, "message": "simulated"})


class SimClient:
    """Stands for a discord.Client that is logged in."""

    user = SimpleNamespace(id=ME)

    def __init__(self, life: Life) -> None:
        self._life = life
        self._discord = life.world.discord

    async def close(self) -> None:
        """End; there is nothing to be ended."""

    def get_partial_messageable(self, place: int) -> SimPlace:
        return SimPlace(self, place)

    async def ask(self, method: str, place: int, accept: Callable[[], Any], nonce: str = "") -> Any:  # noqa: ANN401 - whatever is accepted
        """Make one request, with the fate that the world has for it."""
        life, world = self._life, self._life.world
        life.check("outlet", "before")
        call = _current.get()
        assert call is not None
        fate = world.fate_of_request()
        self._discord.asked |= {nonce} - {""}
        try:
            call.go(waiting=True)
            await asyncio.sleep(world.chance.choice(SLOW_S if fate == "slow" else QUICK_S))
            life.check()
            answer = self._accepted(method, place, accept, nonce, fate)
            life.check("outlet", "accepted")
            await asyncio.sleep(world.chance.choice(SLOW_S if fate == "slow answer" else QUICK_S))
            life.check()
            if fate == "lost":
                raise aiohttp.ServerDisconnectedError
            if fate == "5xx accepted":
                raise refused(502, 0)
        except asyncio.CancelledError:
            world.say(f"discord {method} {place} {nonce[:11]} nobody waits for the answer any more")
            raise
        except discord.HTTPException as error:
            call.heard.append(Heard(error.status))
            world.say(f"discord {method} {place} {nonce[:11]} answers {error.status} {error.code}")
            raise
        except (aiohttp.ClientError, discord.RateLimited) as error:
            world.say(f"discord {method} {place} {nonce[:11]} {type(error).__name__}")
            raise
        finally:
            call.go(waiting=False)
        call.heard.append(Heard(200))
        self._discord.asked.discard(nonce)
        return answer

    def _accepted(self, method: str, place: int, accept: Callable[[], Any], nonce: str, fate: str) -> Any:  # noqa: ANN401 - as above
        world = self._life.world
        if fate == "unreached":
            raise aiohttp.ClientConnectionError
        if world.in_trouble(f"gone {place}"):
            raise refused(404, NO_CHANNEL)
        if world.in_trouble(f"closed {place}"):
            raise refused(403, NO_PERMISSION if world.plan.seed % 2 else NO_ACCESS)
        if fate == "5xx":
            raise refused(world.chance.choice((500, 503)), 0)
        if fate == "429":
            raise discord.RateLimited(world.chance.choice((2.0, 45.0, 400.0)))
        answer = accept()
        world.say(f"discord {method} {place} {nonce[:11]} accepted, fate: {fate or 'answered'}")
        return answer


class SimPlace:
    """Stands for a channel or thread."""

    def __init__(self, client: SimClient, place: int) -> None:
        self.id = place
        self._client = client
        self._discord = client._discord

    async def send(self, content: str | None, *, embeds: list[discord.Embed], nonce: str, **_: object) -> Message:
        posted: Message = await self._client.ask(
            "POST", self.id, lambda: self._discord.take(self.id, nonce, content or "", embeds), nonce
        )
        return posted

    def get_partial_message(self, id_: int) -> SimpleNamespace:
        async def edit(*, content: str | None, embeds: list[discord.Embed], **_: object) -> None:
            def changed() -> None:
                (message,) = [one for one in self._discord.messages if one.id == id_]
                if message.deleted_s is not None and message.deleted_s <= self._discord.world.now_s:
                    raise refused(404, NO_MESSAGE)
                message.content, message.embeds = content or "", embeds

            await self._client.ask("PATCH", self.id, changed)

        return SimpleNamespace(edit=edit)

    async def history(
        self, *, limit: int, after: discord.Object | None = None, oldest_first: bool = False
    ) -> AsyncIterator[Message]:
        def seen() -> list[Message]:
            now_s = self._discord.world.now_s
            there = [one for one in self._discord.messages if one.place == self.id]
            there = [one for one in there if one.deleted_s is None or one.deleted_s > now_s]
            return (
                [one for one in there if after is None or one.id > after.id] if self._discord.readable(self.id) else []
            )

        found = await self._client.ask("GET", self.id, seen)
        for message in (found if oldest_first else found[::-1])[:limit]:
            yield message
