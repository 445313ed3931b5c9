"""The stand-in's routes around messages: who the bot is, where the gateway is, commands, channels, guilds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.discord_lint import faults_in_commands
from tests.standin import wire
from tests.standin.messages import channel_for, need
from tests.standin.shapes import application_json, channel_json, member_json, role_json, self_json, user_json
from tests.standin.state import PERMISSIONS, Guild
from tests.standin.wire import Answer, Call, Refusal

if TYPE_CHECKING:
    from tests.standin.server import StandIn
    from tests.standin.wire import Route

JSON = dict[str, Any]
_COMMAND_DEFAULTS: JSON = {
    "type": 1,
    "description": "",
    "default_member_permissions": None,
    "nsfw": False,
    "dm_permission": True,
}


def who(stand: StandIn, _: Call) -> Answer:
    """GET /users/@me."""
    return Answer(200, self_json(stand.world.bot))


def application(stand: StandIn, _: Call) -> Answer:
    """GET /applications/@me and its older twin."""
    return Answer(200, application_json(stand.world))


def gateway(stand: StandIn, _: Call) -> Answer:
    """GET /gateway."""
    return Answer(200, {"url": stand.gateway_url})


def gateway_bot(stand: StandIn, _: Call) -> Answer:
    """GET /gateway/bot, with what is left of the 1,000 IDENTIFYs of a day."""
    left = max(0, 1000 - len(stand.journal.identified_at_s))
    limits = {"total": 1000, "remaining": left, "reset_after": 86_400_000, "max_concurrency": 1}
    return Answer(200, {"url": stand.gateway_url, "shards": 1, "session_start_limit": limits})


def put_commands(stand: StandIn, call: Call) -> Answer:
    """PUT all commands, of everywhere or of one guild; one that keeps its name keeps its id."""
    scope = _scope(stand, call)
    faults = faults_in_commands(call.body)
    if faults:
        for fault in faults:
            stand.journal.breach("lint", fault)
        raise Refusal(*wire.INVALID_BODY, faults)
    known = {(each["type"], each["name"]): each["id"] for each in stand.world.commands.get(scope, [])}
    made = []
    for body in call.body:
        shape = _COMMAND_DEFAULTS | {key: value for key, value in body.items() if value is not None}
        if shape["default_member_permissions"] is not None:
            shape["default_member_permissions"] = str(shape["default_member_permissions"])
        command_id = known.get((shape["type"], shape["name"])) or str(stand.clock.snowflake())
        shape |= {
            "id": command_id,
            "application_id": str(stand.world.application_id),
            "version": str(stand.clock.snowflake()),
        }
        made.append(shape | ({"guild_id": str(scope)} if scope else {}))
    stand.world.commands[scope] = made
    return Answer(200, made)


def get_commands(stand: StandIn, call: Call) -> Answer:
    """GET all commands of a scope."""
    return Answer(200, stand.world.commands.get(_scope(stand, call), []))


def _scope(stand: StandIn, call: Call) -> int:
    if call.id("application_id") != stand.world.application_id:
        raise Refusal(*wire.UNKNOWN_APPLICATION)
    return guild_for(stand, call).id if "guild_id" in call.ids else 0


def guild_for(stand: StandIn, call: Call) -> Guild:
    """Return the guild of a call.

    Raises:
        Refusal: 10004 where the bot is in no such guild.
    """
    guild = stand.world.guilds.get(call.id("guild_id"))
    if guild is None:
        raise Refusal(*wire.UNKNOWN_GUILD)
    return guild


def get_channel(stand: StandIn, call: Call) -> Answer:
    """GET a channel or a thread."""
    channel = channel_for(stand, call)
    return Answer(200, channel_json(channel, stand.world.guilds[channel.guild_id]))


def patch_channel(stand: StandIn, call: Call) -> Answer:
    """PATCH a thread: name, archived, locked; nothing of what else a channel has."""
    channel = channel_for(stand, call)
    need(
        stand,
        channel,
        "MANAGE_THREADS" if channel.is_thread and channel.owner_id != stand.world.bot.id else "VIEW_CHANNEL",
    )
    channel.name = str(call.body.get("name") or channel.name)
    channel.archived = bool(call.body.get("archived", channel.archived))
    channel.locked = bool(call.body.get("locked", channel.locked))
    stand.announce_channel("UPDATE", channel)
    return Answer(200, channel_json(channel, stand.world.guilds[channel.guild_id]))


def get_channels(stand: StandIn, call: Call) -> Answer:
    """GET all channels of a guild, threads aside."""
    guild = guild_for(stand, call)
    return Answer(200, [channel_json(each, guild) for each in guild.channels.values() if not each.is_thread])


def get_threads(stand: StandIn, call: Call) -> Answer:
    """GET the active threads of a guild that the bot can see."""
    guild = guild_for(stand, call)
    threads = [each for each in guild.channels.values() if each.is_thread and not each.archived]
    seen = [channel_json(each, guild) for each in threads if stand.world.bot_may(each) & PERMISSIONS["VIEW_CHANNEL"]]
    return Answer(200, {"threads": seen, "members": [], "has_more": False})


def get_roles(stand: StandIn, call: Call) -> Answer:
    """GET the roles of a guild."""
    return Answer(200, [role_json(each) for each in guild_for(stand, call).roles.values()])


def get_member(stand: StandIn, call: Call) -> Answer:
    """GET one member of a guild."""
    member = guild_for(stand, call).members.get(call.id("user_id"))
    if member is None:
        raise Refusal(404, 10007, "Unknown Member")
    return Answer(200, member_json(member))


def get_user(stand: StandIn, call: Call) -> Answer:
    """GET a user."""
    user = stand.world.users.get(call.id("user_id"))
    if user is None:
        raise Refusal(404, 10013, "Unknown User")
    return Answer(200, user_json(user))


def nothing(stand: StandIn, call: Call) -> Answer:
    """Typing, joining and leaving a thread: seen, and no more."""
    channel_for(stand, call)
    return Answer(204)


def leave_guild(stand: StandIn, call: Call) -> Answer:
    """DELETE the bot's own membership."""
    stand.remove_guild(guild_for(stand, call))
    return Answer(204)


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/users/@me"): who,
    ("GET", "/users/{user_id}"): get_user,
    ("DELETE", "/users/@me/guilds/{guild_id}"): leave_guild,
    ("GET", "/applications/@me"): application,
    ("GET", "/oauth2/applications/@me"): application,
    ("GET", "/gateway"): gateway,
    ("GET", "/gateway/bot"): gateway_bot,
    ("PUT", "/applications/{application_id}/commands"): put_commands,
    ("GET", "/applications/{application_id}/commands"): get_commands,
    ("PUT", "/applications/{application_id}/guilds/{guild_id}/commands"): put_commands,
    ("GET", "/applications/{application_id}/guilds/{guild_id}/commands"): get_commands,
    ("GET", "/channels/{channel_id}"): get_channel,
    ("PATCH", "/channels/{channel_id}"): patch_channel,
    ("POST", "/channels/{channel_id}/typing"): nothing,
    ("PUT", "/channels/{channel_id}/thread-members/@me"): nothing,
    ("DELETE", "/channels/{channel_id}/thread-members/@me"): nothing,
    ("GET", "/guilds/{guild_id}/channels"): get_channels,
    ("GET", "/guilds/{guild_id}/threads/active"): get_threads,
    ("GET", "/guilds/{guild_id}/roles"): get_roles,
    ("GET", "/guilds/{guild_id}/members/{user_id}"): get_member,
}
