"""The bot's connection to Discord: kept up, whatever ends it; commands registered; servers that come and go.

The only room that starts a client, knows the token, and may point discord.py elsewhere. Nothing that is owed depends on it: alerts go
by REST through `cogs._outlet`, whether this is connected or not.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import json
import logging
import random
import time
from base64 import b32encode
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import aiohttp
import discord
import yarl
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.errors import StoreError, WireError
from cogs import add_cogs
from cogs._outlet import DiscordOutlet, token_refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
    from datetime import datetime

    from bot.desk import Desk
    from bot.model import Delivery, PausedChannel
    from bot.store import Store

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
STEADY_S: Final = 300.0
DAY_S: Final = 86_400.0
FREE_IDENTIFIES: Final = 30
IDENTIFY_GAP_S: Final = 4_320.0  # 20 a day beyond the free ones
HOUSEKEEPING_S: Final = 6 * 3600.0
FORGOTTEN_AFTER: Final = timedelta(days=30)
NEEDED: Final = discord.Permissions(view_channel=True, send_messages=True, embed_links=True)
BAD_TOKEN, BAD_INTENTS = 4004, (4013, 4014)


class OneLine(logging.Filter):
    """Has discord.py say on one line what it would show the whole way of: a connection that was refused is no bug of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the traceback off, unless everything is logged."""
        if record.exc_info and record.exc_info[1] is not None and not log.isEnabledFor(logging.DEBUG):
            record.msg, record.args = f"{record.getMessage()} ({type(record.exc_info[1]).__name__})", None
            record.exc_info = None
        return True


def point_at(api: str, gateway: str) -> None:
    """Have discord.py talk to these addresses in place of Discord's own; whoever calls has made sure that they are loopback."""
    if api:
        Route.BASE = api
    if gateway:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


def voice_of(token: str) -> str:
    """Return whose voice a token is: the bot's id, which stands in it; the same after the token was renewed."""
    first = token.partition(".")[0]
    try:
        decoded = base64.b64decode(first + "=" * (-len(first) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        decoded = ""
    return decoded if decoded.isdigit() else hashlib.blake2b(first.encode(), digest_size=8).hexdigest()


def named_trace(user_agent: Callable[[], str]) -> aiohttp.TraceConfig:
    """Return what has every request say who we are, as Discord asks: discord.py says it in all but the answers to interactions."""
    trace = aiohttp.TraceConfig()

    async def began(_: object, __: object, start: aiohttp.TraceRequestStartParams) -> None:
        start.headers.setdefault("User-Agent", user_agent())

    trace.on_request_start.append(began)
    return trace


class WireClient(commands.Bot):
    """One client, from its start to whatever ends it."""

    def __init__(self, chat: Chat) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            http_trace=named_trace(lambda: self.http.user_agent),
        )
        self.chat = chat
        self._registered = False

    async def close(self) -> None:
        """End it, together with a task of discord.py's that would go on and fail."""
        waiting = getattr(self._connection, "_ready_task", None)
        if waiting is not None:
            waiting.cancel()
        await super().close()

    async def setup_hook(self) -> None:
        """Load the cogs, and register their commands where they changed."""
        if self.chat.desk is not None:
            await add_cogs(self, self.chat.desk, manager_role=self.chat.manager_role)
        await self._register()

    async def _register(self) -> None:
        """Register the commands by one PUT, where it is not these that were registered last."""
        payload = [command.to_dict(self.tree) for command in self.tree.get_commands()]
        said = json.dumps([self.application_id, payload], sort_keys=True, default=str)
        digest = hashlib.blake2b(said.encode(), digest_size=16).hexdigest()
        try:
            if await self.chat.store.note("commands") != digest:
                await self.tree.sync()
                await self.chat.store.keep_note("commands", digest)
        except (discord.HTTPException, discord.app_commands.AppCommandError, aiohttp.ClientError, OSError) as error:
            log.warning("event=commands_not_registered reason=%r", str(error))
        else:
            self._registered = True

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait where there were too many IDENTIFYs lately: Discord takes the token away after a thousand a day."""
        await super().before_identify_hook(shard_id, initial=initial)
        await self.chat.wait_to_identify()

    # --- the gateway, and servers and channels that come, go and change ---

    async def on_resumed(self) -> None:
        """Note that the gateway is there again."""
        self.chat.away_since_s = None

    async def on_disconnect(self) -> None:
        """Note that the gateway is gone."""
        self.chat.away_since_s = self.chat.away_since_s or time.monotonic()

    async def on_ready(self) -> None:
        """Catch up with what happened while nobody was here."""
        self.chat.away_since_s = None
        if not self._registered:
            await self._register()
        await self.chat.met(self.guilds, all_of_them=True)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Let a server's things go on."""
        await self.chat.met([guild])

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """Let a server's things go on, after an outage or a removal that was undone."""
        await self.chat.met([guild])

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Let a server's things rest."""
        await self.chat.left(guild.id)

    async def on_guild_channel_update(self, _: discord.abc.GuildChannel, after: discord.abc.GuildChannel) -> None:
        """Try its paused channels."""
        await self.chat.reopen(after.guild)

    async def on_thread_update(self, _: discord.Thread, after: discord.Thread) -> None:
        """Try its paused threads."""
        await self.chat.reopen(after.guild)

    async def on_guild_role_update(self, _: discord.Role, after: discord.Role) -> None:
        """Try its paused channels."""
        await self.chat.reopen(after.guild)

    async def on_member_update(self, _: discord.Member, after: discord.Member) -> None:
        """Try its paused channels, where it is the bot that changed."""
        if self.user is not None and after.id == self.user.id:
            await self.chat.reopen(after.guild)


class Chat:
    """Discord, as the composition root sees it: an outlet, and `serve`, which runs beside the engine."""

    def __init__(self, token: str, *, clock: Callable[[], datetime], say: Callable[[str], None]) -> None:
        self._token = token
        self._clock = clock
        self._say = say
        self._refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self.outlet = DiscordOutlet(token, clock=clock, rights=self._rights, on_refused=self._stop, say=say)
        self.client: WireClient | None = None
        self.desk: Desk | None = None
        self.manager_role = 0
        self.away_since_s: float | None = time.monotonic()
        self.store: Store
        self._changed: Callable[[], Awaitable[None]]
        self._wake: Callable[[], None]

    async def serve(
        self, store: Store, desk: Desk | None, *, changed: Callable[[], Awaitable[None]], wake: Callable[[], None]
    ) -> None:
        """Stay connected until cancelled. changed: told when watches rest or go on; wake: when something owed may go out.

        Raises:
            WireError: Discord refuses the token; there is nothing to go on for.
        """
        self.store, self.desk, self._changed, self._wake = store, desk, changed, wake
        tasks = [asyncio.create_task(self._keep_connected()), asyncio.create_task(self._keep_house())]
        try:
            await asyncio.wait([*tasks, self._refused], return_when=asyncio.FIRST_COMPLETED)
            for done in [self._refused, *tasks]:
                if done.done():
                    await done
        finally:
            for task in [*tasks, *self._tasks]:
                task.cancel()
            await asyncio.gather(*tasks, *self._tasks, return_exceptions=True)

    def away_s(self) -> float:
        """Return for how long the gateway has been away; 0: it is there."""
        return 0.0 if self.away_since_s is None else time.monotonic() - self.away_since_s

    # --- telling operators ---

    async def channel_paused(self, delivery: Delivery, reason: str) -> None:
        """Say once, here and in the log channel, that a channel refuses; does not wait for it to arrive."""
        del reason
        for one in await self.store.paused_channels():
            if (one.channel_id, one.thread_id) == (delivery.channel_id, delivery.thread_id):
                self._say(self._line_for(one))
                self._spawn(self._tell_of(one))

    def tell_trouble(self, line: str) -> None:
        """Say a line of trouble here and in the log channel."""
        self._say(line)
        nonce = _nonce_for(line, f"{self._clock():%Y%m%d%H}")
        self._spawn(self._tell(line, nonce))

    async def _tell(self, line: str, nonce: str) -> None:
        await self.outlet.tell_operators(line, nonce=nonce)

    async def _tell_of(self, paused: PausedChannel) -> None:
        nonce = _nonce_for(str(paused.channel_id), str(paused.thread_id), paused.paused_at.isoformat())
        if await self.outlet.tell_operators(self._line_for(paused), nonce=nonce):
            with contextlib.suppress(StoreError):  # then they are told again, under the same nonce
                await self.store.operators_told(paused.channel_id, paused.thread_id)

    def _line_for(self, paused: PausedChannel) -> str:
        id_ = paused.thread_id or paused.channel_id
        place = self.client.get_channel(id_) if self.client else None
        name = f"#{place.name} ({id_})" if isinstance(place, discord.abc.GuildChannel | discord.Thread) else f"{id_}"
        return f"nothing is posted to channel {name} any more: {paused.reason}. What it is owed waits; it is tried again when that changes"

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- the connection ---

    async def _keep_connected(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            client = self.client = WireClient(self)
            began_s = time.monotonic()
            try:
                await client.start(self._token)
            except discord.LoginFailure:
                raise token_refused() from None
            except discord.PrivilegedIntentsRequired:
                raise WireError("Discord refuses the bot's intents; it needs none but guilds: report this") from None
            except discord.ConnectionClosed as error:
                if error.code == BAD_TOKEN:
                    raise token_refused() from None
                log.warning("event=gateway_closed code=%s", error.code)
            except Exception as error:  # noqa: BLE001 - whatever ends a client, the next one is started; see discord.py's issue 10520
                log.warning("event=gateway_lost kind=%s reason=%r", type(error).__name__, str(error))
            finally:
                await client.close()
            if time.monotonic() - began_s > STEADY_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - nothing secret
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def wait_to_identify(self) -> None:
        """Wait until another IDENTIFY is within what a day allows, and count it; restarts count too."""
        now_s = self._clock().timestamp()
        times = [at for at in json.loads(await self.store.note("identified") or "[]") if at > now_s - DAY_S]
        wait_s = times[-1] + IDENTIFY_GAP_S - now_s if len(times) >= FREE_IDENTIFIES else 0.0
        if wait_s > 0:
            self._say(
                f"{len(times)} connections to Discord within a day: the next is made in {wait_s / 60:.0f} minutes. Alerts go on"
            )
            await asyncio.sleep(wait_s)
        await self.store.keep_note("identified", json.dumps([*times, self._clock().timestamp()]))

    async def _keep_house(self) -> None:
        while True:
            try:
                for paused in await self.store.paused_channels():
                    if not paused.told:
                        self._spawn(self._tell_of(paused))
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
        """Let the paused channels of a server, in which the bot may post again, have what they are owed."""
        ids = [
            id_
            for id_ in [one.thread_id or one.channel_id for one in await self.store.paused_channels()]
            if guild.get_channel_or_thread(id_) is not None
            and (rights := self._rights(id_)) is not None
            and rights >= NEEDED
        ]
        if ids and await self.store.open_channels(ids):
            self._wake()

    def _rights(self, channel_id: int) -> discord.Permissions | None:
        place = self.client.get_channel(channel_id) if self.client else None
        if not isinstance(place, discord.abc.GuildChannel | discord.Thread) or place.guild.me is None:
            return None
        rights = place.permissions_for(place.guild.me)
        if isinstance(place, discord.Thread):
            rights.send_messages = rights.send_messages_in_threads
        return rights


@asynccontextmanager
async def open_chat(
    token: str, *, api: str, gateway: str, clock: Callable[[], datetime], say: Callable[[str], None]
) -> AsyncIterator[Chat]:
    """Open what speaks to Discord; nothing is sent before something is owed or `serve` runs."""
    point_at(api, gateway)
    for name in ("discord.client", "discord.gateway", "discord.http"):
        logging.getLogger(name).addFilter(OneLine())
    chat = Chat(token, clock=clock, say=say)
    try:
        yield chat
    finally:
        await chat.outlet.close()


def _nonce_for(*parts: str) -> str:
    return (
        "o"
        + b32encode(hashlib.blake2b("\0".join(parts).encode(), digest_size=14).digest()).decode().rstrip("=").lower()
    )
