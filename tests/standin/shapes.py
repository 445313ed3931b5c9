"""What the stand-in's Discord says of its state: JSON as Discord's own description shapes it. Pure."""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.standin.state import Channel, Guild, Member, Message, Role, User, World

JSON = dict[str, Any]
_CDN = "https://cdn.discordapp.com/attachments"


def token_for(bot_id: int) -> str:
    """Return a token in the shape of Discord's own, that belongs to nobody."""
    return f"{base64.urlsafe_b64encode(str(bot_id).encode()).decode().rstrip('=')}.GtandI.{'stand-in' * 4}"


def user_json(user: User) -> JSON:
    """Return a user as others see them."""
    shape: JSON = {
        "id": str(user.id),
        "username": user.name,
        "avatar": None,
        "discriminator": "0001" if user.bot else "0",
        "public_flags": 0,
        "flags": 0,
        "global_name": None if user.bot else user.name.title(),
        "primary_guild": None,
    }
    return shape | {"bot": True} if user.bot else shape


def self_json(user: User) -> JSON:
    """Return the bot as /users/@me gives it."""
    return user_json(user) | {"mfa_enabled": True, "locale": "en-US", "verified": True, "email": None}


def application_json(world: World) -> JSON:
    """Return the application that the bot belongs to."""
    owner = next(iter(user for user in world.users.values() if not user.bot), world.bot)
    return {
        "id": str(world.application_id),
        "name": world.bot.name,
        "icon": None,
        "description": "",
        "type": None,
        "verify_key": "0" * 64,
        "flags": 0,
        "flags_new": "0",
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "owner": user_json(owner),
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
        "bot_public": True,
        "bot_require_code_grant": False,
        "bot": user_json(world.bot),
    }


def role_json(role: Role) -> JSON:
    """Return a role."""
    return {
        "id": str(role.id),
        "name": role.name,
        "description": None,
        "permissions": str(role.permissions),
        "position": role.position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": role.managed,
        "mentionable": role.mentionable,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def member_json(member: Member, *, with_user: bool = True, permissions: int | None = None) -> JSON:
    """Return a member; permissions where an interaction tells them."""
    shape: JSON = {
        "roles": [str(role) for role in member.roles],
        "joined_at": member.joined_at,
        "nick": None,
        "avatar": None,
        "banner": None,
        "premium_since": None,
        "communication_disabled_until": None,
        "pending": False,
        "deaf": False,
        "mute": False,
        "flags": 0,
    }
    if with_user:
        shape["user"] = user_json(member.user)
    if permissions is not None:
        shape["permissions"] = str(permissions)
    return shape


def channel_json(channel: Channel, guild: Guild) -> JSON:
    """Return a channel or a thread."""
    shape: JSON = {
        "id": str(channel.id),
        "type": channel.kind,
        "flags": 16 if channel.tag_required else 0,
        "guild_id": str(channel.guild_id),
        "name": channel.name,
        "parent_id": str(channel.parent_id) if channel.parent_id else None,
        "rate_limit_per_user": 0,
        "last_message_id": None,
    }
    if channel.is_thread:
        return shape | _thread_part(channel)
    overwrites = [
        {"id": str(key), "type": 0 if key in guild.roles else 1, "allow": str(allowed), "deny": str(denied)}
        for key, (allowed, denied) in channel.overwrites.items()
    ]
    shape |= {"position": channel.position, "topic": None, "nsfw": False, "permission_overwrites": overwrites}
    if channel.kind == 2:
        shape |= {"bitrate": 64000, "user_limit": 0}
    if channel.kind == 15:
        shape |= {"available_tags": channel.tags, "default_forum_layout": 0}
    return shape


def _thread_part(channel: Channel) -> JSON:
    return {
        "owner_id": str(channel.owner_id),
        "message_count": 0,
        "member_count": 1,
        "total_message_sent": 0,
        "applied_tags": channel.applied_tags,
        "thread_metadata": {
            "archived": channel.archived,
            "archive_timestamp": channel.created_at,
            "auto_archive_duration": 1440,
            "locked": channel.locked,
            "create_timestamp": channel.created_at,
        },
    }


def guild_json(guild: Guild, bot_id: int) -> JSON:
    """Return a guild as GUILD_CREATE gives it to a bot with the guilds intent: its roles, channels and of its members the bot."""
    threads = [each for each in guild.channels.values() if each.is_thread and not each.archived]
    return {
        "id": str(guild.id),
        "name": guild.name,
        "owner_id": str(guild.owner_id),
        "icon": None,
        "description": None,
        "features": [],
        "emojis": [],
        "stickers": [],
        "roles": [role_json(role) for role in guild.roles.values()],
        "channels": [channel_json(each, guild) for each in guild.channels.values() if not each.is_thread],
        "threads": [channel_json(each, guild) for each in threads],
        "members": [member_json(guild.members[bot_id])],
        "member_count": len(guild.members),
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "premium_tier": 0,
        "preferred_locale": "en-US",
        "afk_timeout": 300,
        "system_channel_flags": 0,
        "large": False,
        "unavailable": False,
        "joined_at": guild.members[bot_id].joined_at,
    }


def message_json(message: Message, world: World, *, nonce: bool = False) -> JSON:
    """Return a message; its nonce only in the answer to the POST and in MESSAGE_CREATE, as Discord does."""
    attachments = [_attachment_json(message, index, name) for index, name in enumerate(message.files)]
    shape: JSON = {
        "id": str(message.id),
        "channel_id": str(message.channel_id),
        "type": 20 if message.interaction_id else (19 if message.body.get("message_reference") else 0),
        "author": user_json(message.author),
        "content": message.content,
        "mentions": [user_json(world.users[each]) for each in message.users_pinged],
        "mention_roles": [str(each) for each in message.roles_pinged],
        "mention_everyone": message.everyone_pinged,
        "attachments": attachments,
        "embeds": [_embed_json(embed, attachments) for embed in message.embeds],
        "components": _components_json(message.components, itertools.count(1)),
        "timestamp": message.created_at,
        "edited_timestamp": message.edited_at,
        "flags": message.flags,
        "pinned": False,
        "tts": False,
    }
    reference = message.body.get("message_reference")
    if reference:
        channel = world.channel(message.channel_id)
        shape["message_reference"] = {
            "type": int(reference.get("type") or 0),
            "channel_id": str(message.channel_id),
            "message_id": str(reference["message_id"]),
        } | ({"guild_id": str(channel.guild_id)} if channel else {})
    if message.interaction_id or message.ephemeral:
        shape["application_id"] = str(world.application_id)
        shape["webhook_id"] = str(world.application_id)
    if nonce and message.nonce is not None:
        shape["nonce"] = message.nonce
    return shape


def _attachment_json(message: Message, index: int, name: str) -> JSON:
    url = f"{_CDN}/{message.channel_id}/{message.id}/{name}"
    return {"id": str(message.id + index + 1), "filename": name, "size": 1, "url": url, "proxy_url": url}


def _embed_json(embed: JSON, attachments: list[JSON]) -> JSON:
    """Return an embed as Discord shows it: a type, and files of the message by their address."""
    shape: JSON = {"type": "rich", **embed}
    by_name = {f"attachment://{each['filename']}": each["url"] for each in attachments}
    for key in ("image", "thumbnail"):
        if shape.get(key, {}).get("url") in by_name:
            shape[key] = {"url": by_name[shape[key]["url"]]}
    return {key: value for key, value in shape.items() if value is not None}


def _components_json(components: list[JSON], ids: Iterator[int]) -> list[JSON]:
    shapes = []
    for part in components:
        shape: JSON = {**part, "id": part.get("id") or next(ids)}
        if "components" in part:
            shape["components"] = _components_json(part["components"], ids)
        if "accessory" in part:
            shape["accessory"] = _components_json([part["accessory"]], ids)[0]
        if part["type"] in {3, 5, 6, 7, 8}:
            shape = {"min_values": 1, "max_values": 1} | shape
        shapes.append(shape)
    return shapes
