"""StandIn: a Discord of the tests' own on a free port of 127.0.0.1, over real sockets; the door to everything in this package.

It never connects to anything, and binds to loopback alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from tests.standin import people
from tests.standin.control import Control
from tests.standin.faults import Fault, Limit, Limiter
from tests.standin.gateway import Gateway
from tests.standin.journal import Journal
from tests.standin.rest import Rest
from tests.standin.shapes import channel_json, guild_json, message_json, role_json, token_for
from tests.standin.state import EVERYONE, INVITED, KINDS, Channel, Guild, Member, Message, Role, World, bits
from tests.standin.world import layout_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.standin.answers import Interaction
    from tests.standin.people import OptionValue
    from tests.standin.state import Clock

JSON = dict[str, Any]


class StandIn:
    """Discord, as far as a bot with the guilds intent can tell.

    Starts with one guild "Desk" (guild), its channels (general, alerts, log), a member who may manage it (manager), one who may
    not (reader) and a role to ping (desk); or with the layout given (world.py says its shape).
    """

    def __init__(self, layout: JSON | None = None, *, port: int = 0) -> None:
        self.world = World()
        self.journal = Journal()
        self.limiter = Limiter()
        self.gateway = Gateway(self)
        self.rest = Rest(self)
        self.interactions: dict[str, Interaction] = {}
        self.ahead_at: dict[int, float] = {}
        self.interaction_deadline_s = 3.0
        self.patience_s = 2.0
        self.privileged_intents = 0
        self.token_revoked = False
        self.port = port
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        layout_for(self, layout)
        self.token = token_for(self.world.bot.id)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=26 * 1024 * 1024)
        app.router.add_route("*", "/api/v10/{rest:.*}", self.rest.serve)
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get("/gateway/resume", self.gateway.serve)
        app.router.add_route("*", "/_control/{name}", Control(self).serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        for made in self.interactions.values():
            if made.timer is not None:
                made.timer.cancel()
        await self.gateway.drop()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def api(self) -> str:
        """What WIREWATCH_DISCORD_API is to be."""
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        """What WIREWATCH_DISCORD_GATEWAY is to be."""
        return f"ws://127.0.0.1:{self.port}/gateway"

    @property
    def environment(self) -> dict[str, str]:
        """The variables for a bot that runs as a process of its own."""
        return {
            "WIREWATCH_DISCORD_API": self.api,
            "WIREWATCH_DISCORD_GATEWAY": self.gateway_url,
            "WIREWATCH_TOKEN": self.token,
        }

    @property
    def clock(self) -> Clock:
        """The clock of nonces, messages and tokens."""
        return self.world.clock

    @property
    def violations(self) -> list[str]:
        """What Discord would hold against the bot, as sentences "kind: text"."""
        return [f"{each.kind}: {each.text}" for each in self.journal.violations]

    # Waiting

    async def until(self, true: Callable[[], object], timeout_s: float = 40.0) -> None:
        """Return once this holds.

        Raises:
            TimeoutError: it never did.
        """
        end = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > end:
                raise TimeoutError("what was awaited never came; " + str(self.journal.summary()))
            await asyncio.sleep(0.01)

    async def connected(self, timeout_s: float = 40.0) -> None:
        """Return once a bot is connected and identified or resumed."""
        await self.until(lambda: self.gateway.connected, timeout_s)

    async def pause(self, seconds: float) -> None:
        """Sleep in real time, but no longer than this Discord lives."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    # Faults

    def fail(self, fault: Fault) -> Fault:
        """Script a fault and return it; its hits count how often it struck. The first that matches a request strikes."""
        self.rest.faults.append(fault)
        return fault

    def limit(self, method: str, path: str, limit: int, per_s: float) -> None:
        """Give routes of this pattern a bucket."""
        self.limiter.limits.insert(0, Limit(method, path, limit, per_s))

    def wipe_nonces(self) -> None:
        """Forget every nonce, as Discord does after a few minutes."""
        self.world.nonces.clear()

    # Places and people

    def add_guild(self, name: str, *, guild_id: int = 0, permissions: int = INVITED) -> Guild:
        """Invite the bot to a new guild, with what the invite link asks for; an owner comes with it."""
        owner = self.world.user(f"{name.lower()} owner")
        guild = Guild(guild_id or self.clock.snowflake(), name, owner.id)
        guild.roles[guild.id] = Role(guild.id, "@everyone", EVERYONE, 0)
        managed = Role(self.clock.snowflake(), self.world.bot.name, permissions, 1, managed=True)
        guild.roles[managed.id] = managed
        guild.members[owner.id] = Member(owner, guild.id, [], self.clock.iso())
        guild.members[self.world.bot.id] = Member(self.world.bot, guild.id, [managed.id], self.clock.iso())
        self.world.guilds[guild.id] = guild
        self.gateway.dispatch("GUILD_CREATE", guild_json(guild, self.world.bot.id))
        return guild

    def remove_guild(self, guild: Guild, *, outage: bool = False) -> None:
        """Remove the bot from a guild (it may come back with restore_guild), or let the guild have an outage."""
        if not outage:
            self.world.guilds.pop(guild.id, None)
        self.gateway.dispatch("GUILD_DELETE", {"id": str(guild.id), **({"unavailable": True} if outage else {})})

    def restore_guild(self, guild: Guild) -> None:
        """Bring the bot back into a guild as it was, or end the guild's outage."""
        if guild.id not in self.world.guilds:
            guild.members[self.world.bot.id].joined_at = self.clock.iso()
        self.world.guilds[guild.id] = guild
        self.gateway.dispatch("GUILD_CREATE", guild_json(guild, self.world.bot.id))

    def add_channel(
        self, guild: Guild, name: str, kind: str = "text", *, channel_id: int = 0, tag_required: bool = False
    ) -> Channel:
        """Make a channel: text, announcement, forum (with one tag), voice, category."""
        made = Channel(channel_id or self.clock.snowflake(), guild.id, name, KINDS[kind], position=len(guild.channels))
        made.tag_required = tag_required
        if kind == "forum":
            tag = {
                "id": str(self.clock.snowflake()),
                "name": "news",
                "moderated": False,
                "emoji_id": None,
                "emoji_name": None,
            }
            made.tags.append(tag)
        guild.channels[made.id] = made
        self.announce_channel("CREATE", made)
        return made

    def add_thread(
        self,
        parent: Channel,
        name: str,
        *,
        kind: int = 11,
        thread_id: int = 0,
        tags: list[str] | None = None,
        channel_id: int = 0,
    ) -> Channel:
        """Make a thread, owned by the bot."""
        made = Channel(channel_id or thread_id or self.clock.snowflake(), parent.guild_id, name, kind, parent.id)
        made.owner_id, made.created_at, made.applied_tags = self.world.bot.id, self.clock.iso(), tags or []
        self.world.guilds[parent.guild_id].channels[made.id] = made
        self.announce_channel("CREATE", made)
        return made

    def unarchive(self, thread: Channel) -> None:
        """Wake a thread, as a message in it does."""
        thread.archived = False
        self.announce_channel("UPDATE", thread)

    def archive(self, thread: Channel, *, locked: bool = False) -> None:
        """Put a thread to sleep; a locked one is woken by moderators alone."""
        thread.archived, thread.locked = True, locked
        self.announce_channel("UPDATE", thread)

    def remove_channel(self, channel: Channel) -> None:
        """Delete a channel with its threads and messages."""
        guild = self.world.guilds[channel.guild_id]
        for thread in [each for each in guild.channels.values() if each.is_thread and each.parent_id == channel.id]:
            del guild.channels[thread.id]
        del guild.channels[channel.id]
        self.announce_channel("DELETE", channel)

    def add_role(self, guild: Guild, name: str, *permissions: str, mentionable: bool = True, role_id: int = 0) -> Role:
        """Make a role."""
        made = Role(role_id or self.clock.snowflake(), name, bits(*permissions), len(guild.roles), mentionable)
        guild.roles[made.id] = made
        self.gateway.dispatch("GUILD_ROLE_CREATE", {"guild_id": str(guild.id), "role": role_json(made)})
        return made

    def change_role(self, guild: Guild, role: Role) -> None:
        """Announce a role that was changed by hand."""
        self.gateway.dispatch("GUILD_ROLE_UPDATE", {"guild_id": str(guild.id), "role": role_json(role)})

    def remove_role(self, guild: Guild, role: Role) -> None:
        """Delete a role, also from its members and channels."""
        guild.roles.pop(role.id, None)
        for member in guild.members.values():
            member.roles = [each for each in member.roles if each != role.id]
        for channel in guild.channels.values():
            channel.overwrites.pop(role.id, None)
        self.gateway.dispatch("GUILD_ROLE_DELETE", {"guild_id": str(guild.id), "role_id": str(role.id)})

    def add_member(self, guild: Guild, name: str, *roles: Role, user_id: int = 0) -> Member:
        """Let somebody join; the guilds intent tells the bot nothing of it."""
        member = Member(self.world.user(name, user_id=user_id), guild.id, [role.id for role in roles], self.clock.iso())
        guild.members[member.id] = member
        return member

    def bot_in(self, guild: Guild) -> Member:
        """Return the bot as a member."""
        return guild.members[self.world.bot.id]

    def allow(self, channel: Channel, *permissions: str, who: Member | Role | None = None) -> None:
        """Allow in this channel; who: the bot by default."""
        self._overwrite(channel, who, allowed=bits(*permissions))

    def deny(self, channel: Channel, *permissions: str, who: Member | Role | None = None) -> None:
        """Deny in this channel; who: the bot by default."""
        self._overwrite(channel, who, denied=bits(*permissions))

    def _overwrite(self, channel: Channel, who: Member | Role | None, *, allowed: int = 0, denied: int = 0) -> None:
        key = self.world.bot.id if who is None else who.id
        old_allowed, old_denied = channel.overwrites.get(key, (0, 0))
        channel.overwrites[key] = ((old_allowed & ~denied) | allowed, (old_denied & ~allowed) | denied)
        self.announce_channel("UPDATE", channel)

    def announce_channel(self, what: str, channel: Channel) -> None:
        """Send CHANNEL_… or THREAD_… CREATE, UPDATE or DELETE."""
        noun = "THREAD" if channel.is_thread else "CHANNEL"
        self.gateway.dispatch(f"{noun}_{what}", channel_json(channel, self.world.guilds[channel.guild_id]))

    # Messages

    def messages(self, channel: Channel | None = None) -> list[Message]:
        """Return what stands in a channel, or in all, oldest first; private answers left out."""
        ids = [channel.id] if channel else sorted({each.channel_id for each in self.world.messages.values()})
        return [message for each in ids for message in self.world.in_channel(each)]

    def say(self, channel: Channel, member: Member, text: str) -> Message:
        """Let a member write; the bot hears of it only with the guild_messages intent."""
        made = Message(self.clock.snowflake(), channel.id, member.user, {"content": text}, self.clock.iso())
        self.world.messages[made.id] = made
        self.announce_message("MESSAGE_CREATE", made)
        return made

    def delete_message(self, message: Message) -> None:
        """Delete a message, as a moderator does; its nonce stays remembered."""
        message.deleted = True
        channel = self.world.channel(message.channel_id)
        if channel is not None and not message.ephemeral:
            shape = {"id": str(message.id), "channel_id": str(channel.id), "guild_id": str(channel.guild_id)}
            self.gateway.dispatch("MESSAGE_DELETE", shape)

    def announce_message(self, event: str, message: Message) -> None:
        """Send MESSAGE_CREATE or MESSAGE_UPDATE to bots with that intent."""
        channel = self.world.channel(message.channel_id)
        if channel is not None:
            shape = message_json(message, self.world, nonce=True) | {"guild_id": str(channel.guild_id)}
            self.gateway.dispatch(event, shape)

    # What people do

    async def slash(
        self,
        line: str,
        options: Mapping[str, OptionValue] | None = None,
        *,
        by: Member | None = None,
        channel: Channel | None = None,
        force: bool = False,
    ) -> Interaction:
        """Say "watch add" with options; return after the first response. force: although the client would not offer it.

        Raises:
            LookupError: not registered. ValueError: wrong options. PermissionError: not offered to this member here.
        """
        by, channel = self._who_where(by, channel)
        if not force:
            people.check_rights(self, line, by, channel)
        return await people.slash(self, line, by, channel, options or {})

    async def autocomplete(
        self,
        line: str,
        option: str,
        typed: str,
        options: Mapping[str, OptionValue] | None = None,
        *,
        by: Member | None = None,
        channel: Channel | None = None,
    ) -> Interaction:
        """Type into an option of a command, others already filled in; the answer's choices say what is offered."""
        by, channel = self._who_where(by, channel)
        people.check_rights(self, line, by, channel)
        return await people.autocomplete(self, line, by, channel, {**(options or {}), option: typed}, option)

    async def click(
        self, message: Message, custom_id: str, *, by: Member | None = None, values: list[str] | None = None
    ) -> Interaction:
        """Press a button of a message or of an interaction's answer (.shown), or choose values of a select."""
        by, _ = self._who_where(by, None)
        return await people.click(self, message, custom_id, by, values or [])

    async def submit(self, opened: Interaction, texts: Mapping[str, str]) -> Interaction:
        """Send off the modal that this interaction opened."""
        return await people.submit(self, opened, texts)

    def _who_where(self, by: Member | None, channel: Channel | None) -> tuple[Member, Channel]:
        return by or self.manager, channel or self.general

    # The bundled guild; set by layout_for
    guild: Guild
    general: Channel
    alerts: Channel
    log: Channel
    manager: Member
    reader: Member
    desk: Role
