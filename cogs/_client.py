"""The bot's connection to Discord: kept up, whatever ends it; commands registered; servers that come and go.

The only room that starts a client and knows the token. Nothing that is owed depends on it: alerts go by REST through `cogs._outlet`,
whether this is connected or not.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import logging
import random
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import aiohttp
import discord
from discord.ext import commands

from bot.errors import StoreError, WireError
from cogs import add_cogs
from cogs._answers import DeskCog
from cogs._gateway import hush, named_trace, point_at
from cogs._operators import Operators
from cogs._outlet import DiscordOutlet
from cogs._places import Places
from cogs._starts import Left, Starts, wait_s
from cogs._verdicts import token_refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
    from datetime import datetime

    from bot.desk import Desk
    from bot.store import Store

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
STEADY_S: Final = 300.0
ANSWER_S: Final = 30.0
REGISTER_AGAIN_S: Final = 60.0
STORE_AGAIN_S: Final = 5.0
HOUSEKEEPING_S: Final = 6 * 3600.0
FORGOTTEN_AFTER: Final = timedelta(days=30)
BAD_TOKEN, BAD_INTENTS = 4004, {4013, 4014}


def voice_of(token: str) -> str:
    """Return whose voice a token is: the bot's id, which stands in it; the same after the token was renewed."""
    first = token.partition(".")[0]
    try:
        decoded = base64.b64decode(first + "=" * (-len(first) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        decoded = ""
    return decoded if decoded.isdigit() else hashlib.blake2b(first.encode(), digest_size=8).hexdigest()


class TooManyStartsError(Exception):
    """A session has to be begun anew, but not yet: whoever started the client waits, and starts another."""


class WireClient(commands.Bot):
    """One client, from its start to whatever ends it."""

    def __init__(self, chat: Chat) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            max_ratelimit_timeout=ANSWER_S,
            http_trace=named_trace(lambda: self.http.user_agent),
        )
        self.chat = chat
        self._registering: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End it, together with tasks that would go on and fail: our own, and one of discord.py's."""
        for waiting in (getattr(self._connection, "_ready_task", None), self._registering):
            if waiting is not None:
                waiting.cancel()
        await super().close()

    async def setup_hook(self) -> None:
        """Load the cogs, and register their commands where they changed; where that takes long, it goes on by itself."""
        if self.chat.desk is not None:
            await add_cogs(self, self.chat.desk, manager_role=self.chat.manager_role)
        self._registering = asyncio.create_task(self._register())
        await asyncio.wait({self._registering}, timeout=ANSWER_S / 10)

    async def _register(self) -> None:
        """Register the commands by one PUT, where it is not these that were registered last."""
        payload = [command.to_dict(self.tree) for command in self.tree.get_commands()]
        said = json.dumps([self.application_id, payload], sort_keys=True, default=str)
        digest = hashlib.blake2b(said.encode(), digest_size=16).hexdigest()
        while True:
            try:
                if await self.chat.store.note("commands") != digest:
                    await self.tree.sync()
                    await self.chat.store.keep_note("commands", digest)
            except (discord.DiscordException, StoreError, aiohttp.ClientError, OSError) as error:
                log.warning("event=commands_not_registered reason=%r", str(error))
                await asyncio.sleep(REGISTER_AGAIN_S)
            else:
                return

    async def sessions_left(self) -> Left | None:
        """Return what Discord says is left of a day's sessions, None where it does not say.

        Raises:
            TimeoutError: it does not answer.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                _, _, limit = await self.http.get_bot_gateway()
            return Left(int(limit["remaining"]), limit["reset_after"] / 1000)
        except (discord.DiscordException, aiohttp.ClientError, KeyError, TypeError) as error:
            log.warning("event=sessions_left_not_known kind=%s", type(error).__name__)
            return None

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Count a session that begins. The first of a client was waited for; where another has to wait, another client does it."""
        starts = self.chat.starts
        if not initial and wait_s(starts.count, None):
            raise TooManyStartsError
        await super().before_identify_hook(shard_id, initial=initial)
        starts.add()
        self.chat.in_background(starts.keep(self.chat.store))

    # --- the gateway, and servers and channels that come, go and change ---

    async def on_resumed(self) -> None:
        """Note that the gateway is there again."""
        self.chat.away_since_s = None
        await self.chat.stored(self.chat.wake)

    async def on_disconnect(self) -> None:
        """Note that the gateway is gone."""
        self.chat.away_since_s = self.chat.away_since_s or time.monotonic()

    async def on_ready(self) -> None:
        """Catch up with what happened while nobody was here."""
        self.chat.away_since_s = None
        await self.chat.stored(lambda: self.chat.met(self.guilds, all_of_them=True))
        await self.chat.stored(self.chat.wake)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Let a server's things go on."""
        await self.chat.stored(lambda: self.chat.met([guild]))

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """Let a server's things go on, after an outage or a removal that was undone."""
        await self.chat.stored(lambda: self.chat.met([guild]))

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Let a server's things rest."""
        await self.chat.stored(lambda: self.chat.left(guild.id))

    async def on_guild_channel_update(self, _: discord.abc.GuildChannel, after: discord.abc.GuildChannel) -> None:
        """Try its paused channels."""
        await self.chat.stored(lambda: self.chat.reopen(after.guild))

    async def on_thread_update(self, _: discord.Thread, after: discord.Thread) -> None:
        """Try its paused threads."""
        await self.chat.stored(lambda: self.chat.reopen(after.guild))

    async def on_guild_role_update(self, _: discord.Role, after: discord.Role) -> None:
        """Try its paused channels."""
        await self.chat.stored(lambda: self.chat.reopen(after.guild))

    async def on_member_update(self, _: discord.Member, after: discord.Member) -> None:
        """Try its paused channels, where it is the bot that changed."""
        if self.user is not None and after.id == self.user.id:
            await self.chat.stored(lambda: self.chat.reopen(after.guild))


class Chat:
    """Discord, as the composition root sees it: an outlet, and `serve`, which runs beside the engine."""

    def __init__(self, token: str, *, clock: Callable[[], datetime], say: Callable[[str], None]) -> None:
        self._token = token
        self._clock = clock
        self._say = say
        self._refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[object]] = set()
        self._in_order = asyncio.Lock()
        self.places = Places()
        self.outlet = DiscordOutlet(
            token, clock=clock, rights=self.places.rights, standing=self.places.standing, on_refused=self._stop, say=say
        )
        self.operators = Operators(self.outlet, self.places, clock=clock, say=say)
        self.starts = Starts(clock)
        self.client: WireClient | None = None
        self.desk: Desk | None = None
        self.manager_role = 0
        self.away_since_s: float | None = time.monotonic()
        self.store: Store
        self._changed: Callable[[], Awaitable[None]]
        self.wake: Callable[[], Awaitable[None]]

    def obey(self, *, log_channel: int, manager_role: int) -> None:
        """Take in what a configuration says of chat; also while the client lives."""
        self.outlet.log_channel, self.manager_role = log_channel, manager_role
        for cog in self.client.cogs.values() if self.client else ():
            if isinstance(cog, DeskCog):
                cog.manager_role = manager_role

    async def serve(
        self,
        store: Store,
        desk: Desk | None,
        *,
        changed: Callable[[], Awaitable[None]],
        wake: Callable[[], Awaitable[None]],
    ) -> None:
        """Stay connected until cancelled. changed: told when watches rest or go on; wake: when something owed may go out.

        Raises:
            WireError: Discord refuses the token; there is nothing to go on for.
        """
        self.store, self.desk, self._changed, self.wake = store, desk, changed, wake
        self.operators.store = store
        tasks = [asyncio.create_task(self._keep_connected()), asyncio.create_task(self._keep_house())]
        try:
            await asyncio.wait([*tasks, self._refused], return_when=asyncio.FIRST_COMPLETED)
            for done in [self._refused, *tasks]:
                if done.done():
                    await done
        finally:
            for task in [*tasks, *self._tasks]:
                task.cancel()
            await asyncio.gather(*tasks, *self._tasks, self.operators.close(), return_exceptions=True)

    def away_s(self) -> float:
        """Return for how long the gateway has been away; 0: it is there."""
        return 0.0 if self.away_since_s is None else time.monotonic() - self.away_since_s

    def in_background(self, work: Coroutine[object, object, object]) -> None:
        """Do something beside all else, until the end."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stored(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do what an event asks for, one after another, as soon as the database can be written."""
        async with self._in_order:
            while True:
                try:
                    await work()
                except StoreError as error:
                    log.warning("event=not_noted reason=%r", str(error))
                    await asyncio.sleep(STORE_AGAIN_S)
                else:
                    return

    # --- the connection ---

    async def _keep_connected(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            client = self.client = self.places.client = WireClient(self)
            began_s = time.monotonic()
            try:
                await self._live(client)
            except discord.LoginFailure:
                raise token_refused() from None
            except discord.PrivilegedIntentsRequired:
                raise intents_refused() from None
            except TooManyStartsError:
                log.warning("event=session_put_off begun=%s", self.starts.count)
            except discord.ConnectionClosed as error:
                if error.code == BAD_TOKEN:
                    raise token_refused() from None
                if error.code in BAD_INTENTS:
                    raise intents_refused() from None
                log.warning("event=gateway_closed code=%s", error.code)
            except Exception as error:  # noqa: BLE001 - whatever ends a client, the next one is started; see discord.py's issue 10520
                log.warning("event=gateway_lost kind=%s reason=%r", type(error).__name__, str(error))
            finally:
                await client.close()
            if time.monotonic() - began_s > STEADY_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - nothing secret
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _live(self, client: WireClient) -> None:
        """Log in, wait until a session may begin, and stay connected."""
        await client.login(self._token)
        await self.starts.load(self.store)
        pause_s = wait_s(self.starts.count, await client.sessions_left())
        if pause_s:
            self._say(
                f"{self.starts.count} connections to Discord within a day: commands are answered in {pause_s:.0f} s. Alerts go on"
            )
            await asyncio.sleep(pause_s)
        await client.connect()

    async def _keep_house(self) -> None:
        while True:
            try:
                await self.operators.tell_of_paused()
                await self.store.chat.forget_guilds(left_before=self._clock() - FORGOTTEN_AFTER)
            except StoreError as error:  # a full disk ends nothing; there is a next time
                log.warning("event=house_not_kept reason=%r", str(error))
            await asyncio.sleep(HOUSEKEEPING_S)

    def _stop(self, refused: WireError) -> None:
        if not self._refused.done():
            self._refused.set_exception(refused)

    # --- servers and channels ---

    async def met(self, guilds: Sequence[discord.Guild], *, all_of_them: bool = False) -> None:
        """Let what these servers have go on; all_of_them: what others had rests."""
        known = set(json.loads(await self.store.note("guilds") or "[]"))
        here = {guild.id for guild in guilds}
        for gone in (known - here) if all_of_them else ():
            await self.store.chat.leave_guild(gone, now=self._clock())
        back = [await self.store.chat.rejoin_guild(guild, now=self._clock()) for guild in here]
        await self.store.keep_note("guilds", json.dumps(sorted(here if all_of_them else known | here)))
        await self._learn_homes(guilds)
        if any(back) or (all_of_them and known - here):
            await self._changed()
        for guild in guilds:
            await self.reopen(guild)

    async def left(self, guild_id: int) -> None:
        """Let what a server had rest: the bot was removed from it."""
        known = set(json.loads(await self.store.note("guilds") or "[]"))
        await self.store.keep_note("guilds", json.dumps(sorted(known - {guild_id})))
        await self.store.chat.leave_guild(guild_id, now=self._clock())
        await self._changed()
        self._say(f"removed from server {guild_id}: what it had rests, and goes in 30 days")

    async def _learn_homes(self, guilds: Sequence[discord.Guild]) -> None:
        homes = {channel.id: guild.id for guild in guilds for channel in (*guild.channels, *guild.threads)}
        if homes and await self.store.chat.settle_homes(homes):
            await self._changed()

    async def reopen(self, guild: discord.Guild) -> None:
        """Let the paused channels of a server that changed since, and where the bot may post, be tried once more."""
        standings = {
            id_: self.places.standing(id_)
            for id_ in [one.thread_id or one.channel_id for one in await self.store.paused_channels()]
            if guild.get_channel_or_thread(id_) is not None and self.places.may_post(id_)
        }
        if standings and await self.store.reopen_channels(standings, now=self._clock()):
            await self.wake()


@asynccontextmanager
async def open_chat(
    token: str, *, api: str, gateway: str, clock: Callable[[], datetime], say: Callable[[str], None]
) -> AsyncIterator[Chat]:
    """Open what speaks to Discord; nothing is sent before something is owed or `serve` runs."""
    point_at(api, gateway)
    hush()
    chat = Chat(token, clock=clock, say=say)
    try:
        yield chat
    finally:
        await chat.outlet.close()


def intents_refused() -> WireError:
    """Return the line for intents that Discord does not allow."""
    return WireError("Discord refuses the bot's intents; it needs none but guilds: report this")
