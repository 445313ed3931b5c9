"""What people do on the stand-in's Discord: slash commands, autocomplete, clicks, modals, as INTERACTION_CREATE for the bot.

Holds people to what the Discord client allows them: registered commands, their options and types, default permissions.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.discord_lint import custom_ids_in
from tests.standin.answers import Interaction
from tests.standin.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL
from tests.standin.shapes import channel_json, member_json, message_json, role_json, user_json
from tests.standin.state import PERMISSIONS, Channel, Member, Message, Role, User

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from tests.standin.server import StandIn

JSON = dict[str, Any]
OptionValue = str | int | float | bool | Channel | Role | Member | User | Message
_GROUPS = (1, 2)
_PLAIN: dict[int, type | tuple[type, ...]] = {3: str, 4: int, 5: bool, 10: (int, float)}


@dataclass(frozen=True)
class Spoken:
    """A command line taken apart: the registered command, the subcommands on the way, the options it knows."""

    command: JSON
    way: list[JSON]
    options: list[JSON]


def spoken(stand: StandIn, line: str, guild_id: int) -> Spoken:
    """Return the registered command of "watch add".

    Raises:
        LookupError: no such command is registered.
    """
    name, *rest = line.lstrip("/").split()
    known = [*stand.world.commands.get(guild_id, []), *stand.world.commands.get(0, [])]
    command = next((each for each in known if each["name"] == name and each["type"] == 1), None)
    if command is None:
        raise LookupError(
            f"/{name} is not registered; there are: {', '.join(sorted(each['name'] for each in known)) or 'none'}"
        )
    way: list[JSON] = []
    options = command.get("options") or []
    for step in rest:
        found = next((each for each in options if each["name"] == step and each["type"] in _GROUPS), None)
        if found is None:
            raise LookupError(f"/{line}: no subcommand {step!r}")
        way.append(found)
        options = found.get("options") or []
    if any(each["type"] in _GROUPS for each in options):
        raise LookupError(f"/{line} needs a subcommand: {', '.join(each['name'] for each in options)}")
    return Spoken(command, way, options)


def command_data(
    stand: StandIn, line: str, member: Member, given: Mapping[str, OptionValue], focused: str = ""
) -> JSON:
    """Return the data of a command or (with a focused option) an autocomplete.

    Raises:
        LookupError: no such command or option. ValueError: what the Discord client would not send.
    """
    said = spoken(stand, line, member.guild_id)
    known = {each["name"]: each for each in said.options}
    resolved: JSON = {}
    leaf = []
    for name, value in given.items():
        if name not in known:
            raise LookupError(f"/{line}: no option {name!r}; there are: {', '.join(known)}")
        option = {
            "name": name,
            "type": known[name]["type"],
            "value": _value_for(stand, known[name], value, resolved, member),
        }
        if name == focused:
            option |= {"value": str(value), "focused": True}
        leaf.append(option)
    missing = [name for name, each in known.items() if each.get("required") and name not in given]
    if missing and not focused:
        raise ValueError(f"/{line}: {', '.join(missing)} is required")
    for step in reversed(said.way):
        leaf = [{"name": step["name"], "type": step["type"], "options": leaf}]
    data: JSON = {"id": said.command["id"], "name": said.command["name"], "type": 1, "options": leaf}
    if resolved:
        data["resolved"] = resolved
    if "guild_id" in said.command:
        data["guild_id"] = said.command["guild_id"]
    return data


def _value_for(stand: StandIn, option: JSON, value: OptionValue, resolved: JSON, member: Member) -> OptionValue:
    kind = option["type"]
    if isinstance(value, Channel | Role | Member | User | Message):
        return _resolve(stand, option, value, resolved, member)
    if kind in _PLAIN and (not isinstance(value, _PLAIN[kind]) or (kind != 5 and isinstance(value, bool))):
        raise ValueError(f"{option['name']}: {value!r} is of the wrong type")
    if kind not in _PLAIN:
        raise ValueError(f"{option['name']}: wants a channel, role or user")
    choices = [each["value"] for each in option.get("choices") or []]
    if choices and value not in choices:
        raise ValueError(f"{option['name']}: {value!r} is none of {choices}")
    return value


def _resolve(stand: StandIn, option: JSON, value: Any, resolved: JSON, asking: Member) -> str:  # noqa: ANN401 - any of the five kinds
    guild = stand.world.guilds[asking.guild_id]
    wanted = {Channel: {7}, Role: {8, 9}, Member: {6, 9}, User: {6, 9}, Message: {3}}[type(value)]
    if option["type"] not in wanted:
        raise ValueError(f"{option['name']}: does not take a {type(value).__name__.lower()}")
    key = str(value.id)
    if isinstance(value, Channel):
        if option.get("channel_types") and value.kind not in option["channel_types"]:
            raise ValueError(f"{option['name']}: channels of type {value.kind} cannot be chosen")
        shape = channel_json(value, guild) | {"permissions": str(guild.permissions_of(asking, value))}
        resolved.setdefault("channels", {})[key] = shape
    elif isinstance(value, Role):
        resolved.setdefault("roles", {})[key] = role_json(value)
    elif isinstance(value, Member | User):
        user = value.user if isinstance(value, Member) else value
        resolved.setdefault("users", {})[key] = user_json(user)
        if user.id in guild.members:
            member = guild.members[user.id]
            shape = member_json(member, with_user=False, permissions=guild.permissions_of(member))
            resolved.setdefault("members", {})[key] = shape
    return key


def check_rights(stand: StandIn, line: str, member: Member, channel: Channel) -> None:
    """Refuse what the Discord client does not offer this member here.

    Raises:
        PermissionError: the command's default permissions, or the channel, forbid it.
    """
    guild = stand.world.guilds[channel.guild_id]
    may = guild.permissions_of(member, channel)
    if not may & PERMISSIONS["VIEW_CHANNEL"] or not may & PERMISSIONS["USE_APPLICATION_COMMANDS"]:
        raise PermissionError(f"{member.user.name} cannot use commands in #{channel.name}")
    needed = spoken(stand, line, guild.id).command.get("default_member_permissions")
    if needed is not None and may & int(needed) != int(needed) | (0 if int(needed) else PERMISSIONS["ADMINISTRATOR"]):
        raise PermissionError(f"/{line} is not offered to {member.user.name}")


def inject(
    stand: StandIn, kind: int, name: str, member: Member, channel: Channel, data: JSON, source: Message | None
) -> Interaction:
    """Send INTERACTION_CREATE to the bot and return what becomes of it."""
    guild = stand.world.guilds[channel.guild_id]
    made = Interaction(
        stand.clock.snowflake(), secrets.token_urlsafe(48), kind, name, channel, member, time.monotonic(), source=source
    )
    stand.interactions[made.token] = made
    stand.ahead_at[made.id] = stand.clock.ahead_s
    event: JSON = {
        "id": str(made.id),
        "application_id": str(stand.world.application_id),
        "type": kind,
        "token": made.token,
        "version": 1,
        "data": data,
        "guild_id": str(guild.id),
        "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        "locale": "en-US",
        "channel_id": str(channel.id),
        "channel": channel_json(channel, guild) | {"permissions": str(guild.permissions_of(member, channel))},
        "member": member_json(member, permissions=guild.permissions_of(member, channel)),
        "app_permissions": str(stand.world.bot_may(channel)),
        "entitlements": [],
        "authorizing_integration_owners": {"0": str(guild.id)},
        "context": 0,
        "attachment_size_limit": 10 * 1024 * 1024,
    }
    if source is not None:
        event["message"] = message_json(source, stand.world)
    stand.gateway.dispatch("INTERACTION_CREATE", event, lambda: _delivered(stand, made))
    return made


def _delivered(stand: StandIn, made: Interaction) -> None:
    """Start the bot's three seconds; a second delivery (a RESUME) starts nothing anew."""
    if made.delivered_s is not None:
        return
    made.delivered_s = time.monotonic()
    sockets = set(stand.gateway.sockets)
    loop = asyncio.get_running_loop()
    made.timer = loop.call_later(stand.interaction_deadline_s, _overdue, stand, made, sockets)


def _overdue(stand: StandIn, made: Interaction, sockets: set[web.WebSocketResponse]) -> None:
    if made.answered:
        return
    if sockets & set(stand.gateway.sockets):
        stand.journal.breach("late", f"{made.name}: no answer within {stand.interaction_deadline_s:g} s")
    else:
        made.lost = True
    made.first.set()
    made.done.set()


async def slash(
    stand: StandIn, line: str, member: Member, channel: Channel, given: Mapping[str, OptionValue]
) -> Interaction:
    """Say a slash command; return after the first response, or when the bot's time is over."""
    data = command_data(stand, line, member, given)
    return await _first(stand, inject(stand, COMMAND, f"/{line}", member, channel, data, None))


async def autocomplete(
    stand: StandIn, line: str, member: Member, channel: Channel, given: Mapping[str, OptionValue], focused: str
) -> Interaction:
    """Type into an option; return after the response."""
    data = command_data(stand, line, member, given, focused)
    return await _first(stand, inject(stand, AUTOCOMPLETE, f"/{line} {focused}:", member, channel, data, None))


async def click(stand: StandIn, message: Message, custom_id: str, member: Member, values: list[str]) -> Interaction:
    """Press a button, or choose from a select.

    Raises:
        LookupError: the message has no such component, or is gone. PermissionError: it is somebody else's private answer.
    """
    channel = stand.world.channel(message.channel_id)
    if channel is None or message.deleted or custom_id not in custom_ids_in(message.components):
        raise LookupError(f"no {custom_id!r}; there are: {', '.join(custom_ids_in(message.components)) or 'none'}")
    part = next(each for each in _flat(message.components) if each.get("custom_id") == custom_id)
    if part.get("disabled"):
        raise PermissionError(f"{custom_id!r} is disabled")
    data: JSON = {"custom_id": custom_id, "component_type": part["type"], "id": part.get("id", 1)}
    if part["type"] != 2:
        data["values"] = values
    return await _first(stand, inject(stand, COMPONENT, custom_id, member, channel, data, message))


async def submit(stand: StandIn, opened: Interaction, texts: Mapping[str, str]) -> Interaction:
    """Send off the modal that an interaction opened, with these texts by custom id; the others as they were.

    Raises:
        LookupError: it opened none, or has no such field. ValueError: a required one stays empty.
    """
    modal = opened.modal
    if modal is None:
        raise LookupError(f"{opened.name} opened no modal")
    fields = {part["custom_id"]: part for part in _flat(modal["components"]) if part.get("custom_id")}
    if unknown := set(texts) - set(fields):
        raise LookupError(f"no field {', '.join(sorted(unknown))}; there are: {', '.join(fields)}")
    rows = []
    for row in modal["components"]:
        parts = row.get("components") or [row["component"]]
        sent = [{"type": each["type"], "custom_id": each["custom_id"], **_typed(each, texts)} for each in parts]
        rows.append(
            {"type": 1, "components": sent} if "components" in row else {"type": row["type"], "component": sent[0]}
        )
    data = {"custom_id": modal["custom_id"], "components": rows}
    return await _first(
        stand, inject(stand, MODAL, modal["custom_id"], opened.member, opened.channel, data, opened.source)
    )


def _typed(part: JSON, texts: Mapping[str, str]) -> JSON:
    text = texts.get(part["custom_id"], part.get("value") or "")
    if part["type"] != 4:
        return {"values": text.split()}
    if part.get("required", True) and not text:
        raise ValueError(f"{part['custom_id']}: is required")
    if len(text) > (part.get("max_length") or 4000):
        raise ValueError(f"{part['custom_id']}: too long")
    return {"value": text}


def _flat(components: list[JSON]) -> list[JSON]:
    parts = []
    for each in components:
        inner = [*(each.get("components") or []), *(each[key] for key in ("accessory", "component") if key in each)]
        parts += [each, *_flat(inner)]
    return parts


async def _first(stand: StandIn, made: Interaction) -> Interaction:
    # A bot that is away may yet resume: its time runs from the delivery, ours from here.
    try:
        await asyncio.wait_for(made.first.wait(), stand.interaction_deadline_s + stand.patience_s)
    except TimeoutError:
        made.lost = made.delivered_s is None
    return made
