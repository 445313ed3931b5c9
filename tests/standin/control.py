"""The stand-in's side door for scripts in another process: POST /_control/NAME with JSON in, JSON out.

Ids go in and out as strings or numbers; a wrong name or argument answers 400 with a sentence.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.standin.faults import Fault
from tests.standin.people import spoken
from tests.standin.shapes import message_json

if TYPE_CHECKING:
    from tests.standin.people import OptionValue
    from tests.standin.server import StandIn
    from tests.standin.state import Channel, Guild, Member, Message

JSON = dict[str, Any]
MARKER = r"wirewatch · (\w{10})"


@dataclass
class Control:
    """All of /_control; each public method is a name."""

    stand: StandIn

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Do what is asked."""
        name = request.match_info["name"]
        method = (
            getattr(self, name, None)
            if name.isidentifier() and not name.startswith("_") and name not in {"stand", "serve"}
            else None
        )
        if method is None:
            return web.json_response({"error": f"no {name}"}, status=404)
        try:
            given = json.loads(await request.text() or "{}") | dict(request.query)
            answer = method(**given)
            return web.json_response(await answer if hasattr(answer, "__await__") else answer)
        except (LookupError, ValueError, TypeError, PermissionError, TimeoutError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

    def summary(self) -> JSON:
        """Return the journal's figures, and what repeats."""
        session = {"connected": self.stand.gateway.connected, "connections": self.stand.gateway.connections}
        return self.stand.journal.summary() | session | {"duplicates": duplicates(self.stand)}

    def layout(self) -> JSON:
        """Return the names and ids of all there is."""
        return {
            "bot": str(self.stand.world.bot.id),
            "guilds": [
                {
                    "id": str(guild.id),
                    "name": guild.name,
                    "channels": {each.name: str(each.id) for each in guild.channels.values()},
                    "roles": {each.name: str(each.id) for each in guild.roles.values()},
                    "members": {each.user.name: str(each.id) for each in guild.members.values()},
                }
                for guild in self.stand.world.guilds.values()
            ],
        }

    def messages(self, channel: str | int = 0, *, deleted: bool = False) -> list[JSON]:
        """Return messages of one channel, or all; with nonce, edits and whether deleted."""
        found = [each for each in self.stand.world.messages.values() if int(channel) in {0, each.channel_id}]
        return [
            message_json(each, self.stand.world, nonce=True) | {"deleted": each.deleted, "edits": each.edits}
            for each in found
            if not each.ephemeral and not each.loading and (deleted or not each.deleted)
        ]

    def requests(self, method: str = "*", path: str = "*", since: int = 0) -> list[JSON]:
        """Return the recorded requests, from this index on."""
        return [asdict(each) for each in self.stand.journal.to(method, path)[int(since) :]]

    def violations(self) -> list[str]:
        """Return them as sentences."""
        return self.stand.violations

    def pings(self) -> list[JSON]:
        """Return who was notified, when."""
        return [asdict(each) for each in self.stand.journal.pings]

    def commands(self) -> list[JSON]:
        """Return all registered commands."""
        return [each for scope in self.stand.world.commands.values() for each in scope]

    def fault(self, **fault: Any) -> JSON:  # noqa: ANN401 - the fields of Fault
        """Script a fault."""
        return asdict(self.stand.fail(Fault(**fault)))

    def clear_faults(self) -> JSON:
        """Drop all scripted faults and limits under way."""
        self.stand.rest.faults.clear()
        self.stand.limiter.blocks.clear()
        return {}

    def limit(self, method: str, path: str, limit: int, per_s: float) -> JSON:
        """Give routes a bucket."""
        self.stand.limit(method, path, limit, per_s)
        return {}

    def wipe_nonces(self) -> JSON:
        """Forget every nonce."""
        self.stand.wipe_nonces()
        return {}

    def advance(self, seconds: float) -> JSON:
        """Put the clock forward."""
        self.stand.clock.advance(float(seconds))
        return {"now": self.stand.clock.iso()}

    async def drop(self, code: int | None = None) -> JSON:
        """End the gateway's connections."""
        await self.stand.gateway.drop(int(code) if code is not None else None)
        return {}

    def refuse(self, times: int, how: str = "502") -> JSON:
        """Refuse the next gateway connections."""
        self.stand.gateway.refuse(int(times), how)  # type: ignore[arg-type] # a script's string; an unknown one fails when it strikes
        return {}

    def forget(self) -> JSON:
        """Forget the gateway's sessions."""
        self.stand.gateway.forget()
        return {}

    async def invalidate(self, *, resumable: bool = False) -> JSON:
        """Send INVALID_SESSION."""
        await self.stand.gateway.invalidate(resumable=resumable)
        return {}

    async def reconnect(self) -> JSON:
        """Ask bots to reconnect."""
        await self.stand.gateway.reconnect()
        return {}

    def remove_guild(self, guild: str | int, *, outage: bool = False) -> JSON:
        """Remove the bot from a guild."""
        self.stand.remove_guild(self._guild(guild), outage=outage)
        return {}

    def remove_channel(self, channel: str | int) -> JSON:
        """Delete a channel."""
        self.stand.remove_channel(self._channel(channel))
        return {}

    def delete_message(self, message: str | int) -> JSON:
        """Delete a message."""
        self.stand.delete_message(self._message(message))
        return {}

    def permissions(
        self, channel: str | int, allow: tuple[str, ...] = (), deny: tuple[str, ...] = (), who: int = 0
    ) -> JSON:
        """Change what somebody (the bot by default) may do in a channel."""
        place = self._channel(channel)
        guild = self.stand.world.guilds[place.guild_id]
        target = guild.roles.get(int(who)) or guild.members[int(who) or self.stand.world.bot.id]
        self.stand.allow(place, *allow, who=target)
        self.stand.deny(place, *deny, who=target)
        return {}

    async def slash(
        self,
        line: str,
        options: JSON | None = None,
        by: int = 0,
        channel: int = 0,
        *,
        force: bool = False,
        wait: bool = True,
    ) -> JSON:
        """Say a slash command, and return what became of it; wait: also for what follows a defer."""
        where = self._channel(channel) if channel else self.stand.general
        who = self._member(where, by)
        given = {name: self._option(line, where, name, value) for name, value in (options or {}).items()}
        made = await self.stand.slash(line, given, by=who, channel=where, force=force)
        if wait and made.answered:
            await made.wait()
        return made.record()

    async def autocomplete(self, line: str, option: str, typed: str = "", by: int = 0, channel: int = 0) -> JSON:
        """Type into an option."""
        where = self._channel(channel) if channel else self.stand.general
        return (await self.stand.autocomplete(line, option, typed, by=self._member(where, by), channel=where)).record()

    async def click(self, message: str | int, custom_id: str, by: int = 0) -> JSON:
        """Press a button."""
        target = self._message(message)
        made = await self.stand.click(target, custom_id, by=self._member(self._channel(target.channel_id), by))
        if made.answered:
            await made.wait()
        return made.record()

    def _guild(self, guild: str | int) -> Guild:
        return self.stand.world.guilds[int(guild)]

    def _channel(self, channel: str | int) -> Channel:
        found = self.stand.world.channel(int(channel))
        if found is None:
            raise LookupError(f"no channel {channel}")
        return found

    def _member(self, channel: Channel, member: str | int) -> Member:
        return self.stand.world.guilds[channel.guild_id].members[int(member)] if member else self.stand.manager

    def _message(self, message: str | int) -> Message:
        return self.stand.world.messages[int(message)]

    def _option(self, line: str, channel: Channel, name: str, value: Any) -> OptionValue:  # noqa: ANN401 - what JSON holds
        """Return an option's value; ids become the thing of the kind that the option takes."""
        guild = self.stand.world.guilds[channel.guild_id]
        known = {each["name"]: each["type"] for each in spoken(self.stand, line, guild.id).options}
        match known.get(name):
            case 6:
                return guild.members[int(value)]
            case 7:
                return self._channel(value)
            case 8:
                return guild.roles[int(value)]
            case 9:
                return guild.roles.get(int(value)) or guild.members[int(value)]
            case _:
                return value  # type: ignore[no-any-return] # a string, number or truth value, as JSON has it


def duplicates(stand: StandIn, marker: str = MARKER) -> dict[str, list[str]]:
    """Return each marker that stands in more than one message (deleted ones too), with the messages' ids."""
    seen: dict[str, list[str]] = defaultdict(list)
    for message in stand.world.messages.values():
        for found in set(re.findall(marker, json.dumps(message.body, ensure_ascii=False))):
            if message.author.id == stand.world.bot.id and not message.interaction_id:
                seen[found].append(str(message.id))
    return {key: ids for key, ids in seen.items() if len(ids) > 1}
