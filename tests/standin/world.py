"""The layout a stand-in starts with: its own little guild, or what a JSON file describes.

The file: {"bot": ID, "nonce_window_s": 300, "guilds": [{"id", "name", "roles": [{"id", "name", "permissions": ["MANAGE_GUILD"],
"mentionable"}], "channels": [{"id", "name", "kind"}], "members": [{"id", "name", "roles": ["name"]}]}]}; ids may be left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.standin.server import StandIn
    from tests.standin.state import Guild

JSON = dict[str, Any]
_DESK: JSON = {
    "name": "Desk",
    "roles": [
        {"name": "Managers", "permissions": ["MANAGE_GUILD"], "mentionable": False},
        {"name": "Belarus desk", "mentionable": True},
    ],
    "channels": [{"name": "general"}, {"name": "alerts"}, {"name": "log"}],
    "members": [{"name": "manager", "roles": ["Managers"]}, {"name": "reader"}],
}


def layout_for(stand: StandIn, layout: JSON | None) -> None:
    """Fill a new stand-in; of the first guild, the channels and members named as in the bundled one become its attributes."""
    layout = layout or {}
    if layout.get("bot"):
        world = stand.world
        del world.users[world.bot.id]
        world.bot = world.user("wirewatch", bot=True, user_id=int(layout["bot"]))
        world.application_id = world.bot.id
    stand.world.nonce_window_s = float(layout.get("nonce_window_s", stand.world.nonce_window_s))
    guilds = [_add_guild(stand, each) for each in layout.get("guilds") or [_DESK]]
    _name(stand, guilds[0])


def _add_guild(stand: StandIn, shape: JSON) -> Guild:
    guild = stand.add_guild(shape["name"], guild_id=int(shape.get("id") or 0))
    roles = {}
    for each in shape.get("roles") or []:
        permissions, role_id = each.get("permissions") or [], int(each.get("id") or 0)
        mentionable = bool(each.get("mentionable", True))
        roles[each["name"]] = stand.add_role(
            guild, each["name"], *permissions, mentionable=mentionable, role_id=role_id
        )
    for each in shape.get("channels") or []:
        stand.add_channel(guild, each["name"], each.get("kind", "text"), channel_id=int(each.get("id") or 0))
    for each in shape.get("members") or []:
        held = [roles[name] for name in each.get("roles") or []]
        stand.add_member(guild, each["name"], *held, user_id=int(each.get("id") or 0))
    return guild


def _name(stand: StandIn, guild: Guild) -> None:
    channels = {each.name: each for each in guild.channels.values()}
    members = {each.user.name: each for each in guild.members.values()}
    owner = guild.members[guild.owner_id]
    first = next(iter(channels.values()), None)
    stand.guild = guild
    for name in ("general", "alerts", "log"):
        if (found := channels.get(name, first)) is not None:
            setattr(stand, name, found)
    stand.manager = members.get("manager", owner)
    stand.reader = members.get("reader", owner)
    pinged = [role for role in guild.roles.values() if role.mentionable]
    stand.desk = pinged[0] if pinged else guild.everyone
