"""What Discord says of a token, for `doctor`: whether it is good, how far the clocks are apart, what the bot may do in which channel.

A handful of plain GETs; no client is started, nothing is posted. The token goes into one header and nowhere else.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord.http import Route

from bot import __version__
from bot.web.fetch import PROJECT_URL
from cogs._gateway import point_at
from cogs._places import lacking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

JSON = Any

LIMIT_S = 10.0
THREADS = {10, 11, 12}
TEXT = {0, 5, *THREADS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A channel. missing: the permissions that the bot lacks there, in Discord's words. fault: why nothing could be said, "" mostly."""

    channel_id: int
    name: str = ""
    missing: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """fault: why Discord said nothing, "" where it did; refused: it knows the token not. skew_s: its clock ahead of ours."""

    bot: str = ""
    fault: str = ""
    refused: bool = False
    skew_s: float | None = None
    places: tuple[Place, ...] = ()


async def ask_discord(token: str, *, api: str, channels: Sequence[int]) -> Answer:
    """Return what Discord says. api: stands in for its address in tests, "" for Discord itself."""
    point_at(api, "")
    headers = {"Authorization": f"Bot {token}", "User-Agent": f"DiscordBot ({PROJECT_URL}, {__version__})"}
    timeout = aiohttp.ClientTimeout(total=LIMIT_S)
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            async with _got(session, "/users/@me") as (status, body, skew_s):
                if status == 401:  # noqa: PLR2004 - HTTP
                    return Answer(fault="Discord does not know the token", refused=True, skew_s=skew_s)
                if status != 200:  # noqa: PLR2004 - HTTP
                    return Answer(fault=f"Discord answered HTTP {status}", skew_s=skew_s)
            places = [await _place(session, channel, int(body["id"])) for channel in channels]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:  # ValueError: what came was no JSON
        return Answer(fault=f"Discord cannot be reached ({type(error).__name__})")
    return Answer(bot=str(body["username"]), skew_s=skew_s, places=tuple(places))


@asynccontextmanager
async def _got(session: aiohttp.ClientSession, path: str) -> AsyncIterator[tuple[int, JSON, float | None]]:
    """Give status, body and how far Discord's clock is ahead."""
    async with session.get(f"{Route.BASE}{path}") as response:
        body = await response.json(content_type=None) if response.status == 200 else None  # noqa: PLR2004 - HTTP
        yield response.status, body, _skew_s(response.headers.get("Date", ""))


def _skew_s(date: str) -> float | None:
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None


async def _place(session: aiohttp.ClientSession, channel_id: int, me: int) -> Place:
    async with _got(session, f"/channels/{channel_id}") as (status, channel, _):
        if channel is None:
            why = "the bot cannot see it" if status == 403 else "there is no such channel"  # noqa: PLR2004 - HTTP
            return Place(channel_id=channel_id, fault=why if status in {403, 404} else f"HTTP {status}")
    name, guild = str(channel.get("name", "")), channel.get("guild_id")
    if channel["type"] not in TEXT or guild is None:
        return Place(channel_id=channel_id, name=name, fault="it is no text channel or thread of a server")
    is_thread = channel["type"] in THREADS
    if is_thread:
        async with _got(session, f"/channels/{channel['parent_id']}") as (_, parent, _):
            channel = parent or channel
    async with (
        _got(session, f"/guilds/{guild}/roles") as (_, roles, _),
        _got(session, f"/guilds/{guild}/members/{me}") as (_, member, _),
    ):
        if roles is None or member is None:
            return Place(channel_id=channel_id, name=name, fault="its server does not say what the bot may do")
    rights = rights_in(channel.get("permission_overwrites") or (), roles, member, guild=int(guild), me=me)
    return Place(channel_id=channel_id, name=name, missing=lacking(rights, in_thread=is_thread))


def rights_in(
    overwrites: Sequence[JSON], roles: Sequence[JSON], member: JSON, *, guild: int, me: int
) -> discord.Permissions:
    """Return what a member may do in a channel: roles, then the overwrites of everyone, of roles, of the member.

    Source: Discord's documentation, topics/permissions, "Permission Overwrites".
    """
    mine = {guild, *map(int, member["roles"])}
    total = 0
    for role in roles:
        if int(role["id"]) in mine:
            total |= int(role["permissions"])
    if discord.Permissions(total).administrator:
        return discord.Permissions.all()
    for group in ({guild}, mine - {guild}, {me}):
        allow = deny = 0
        for one in overwrites:
            if int(one["id"]) in group:
                allow, deny = allow | int(one["allow"]), deny | int(one["deny"])
        total = (total & ~deny) | allow
    rights = discord.Permissions(total)
    return rights if rights.view_channel else discord.Permissions.none()
