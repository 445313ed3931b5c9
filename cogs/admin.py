"""/status and /help. Thin: the desk decides, `_answers` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands

from bot.desk_feeds import STATES
from cogs._answers import DeskCog, defer, guild_only_contexts, guild_only_installs, reply_pages, when
from cogs._escape import shown
from cogs._help import HELP

if TYPE_CHECKING:
    from bot.desk_house import House
    from bot.desk_news import Status
    from bot.store import Standing

Interaction = discord.Interaction[Any]
Topic = Literal["start", "commands", "query", "actors", "alerts", "rights"]

TROUBLES_SHOWN = 8


class Admin(DeskCog):
    """How it stands, and what may be asked."""

    @app_commands.command(name="status", description="How the feeds and alerts of this server are")
    @guild_only_contexts
    @guild_only_installs
    async def status(self, interaction: Interaction) -> None:
        """Show how it stands."""
        await defer(interaction)
        asker = self.asker(interaction)
        status, house = await self.desk.news.status(asker), await self.desk.house(asker)
        await reply_pages(interaction, "Status", ["\n".join([*_status(status), *_house(house)])])

    @app_commands.command(name="help", description="How to use this bot")
    @app_commands.describe(topic="What about")
    @guild_only_contexts
    @guild_only_installs
    async def help(self, interaction: Interaction, topic: Topic = "start") -> None:
        """Explain the bot."""
        await defer(interaction)
        await reply_pages(interaction, f"Help: {topic}", [HELP[topic]])


def _status(status: Status) -> list[str]:
    feeds = (
        ", ".join(f"{STATES[state]}: {count}" for state, count in sorted(status.feeds.items()))
        or "none: /feed add takes an address"
    )
    paused = f", {status.watches_paused} paused" if status.watches_paused else ""
    standing = status.standing
    lines = [
        f"**Feeds** · {feeds}",
        f"**Last poll** · {when(status.last_poll_at)}",
        f"**Watches you can see** · {status.watches_on} on{paused}",
        f"**Actors** · {status.actors}",
        f"**Alerts in their channels** · {standing.sent} sent, the last {when(standing.last_sent_at)}",
        f"**Owed** · {_owed(standing)}",
    ]
    if status.paused_channels:
        lines.append(
            f"**Paused channels** · {' '.join(f'<#{one}>' for one in status.paused_channels[:20])}: give me access again."
        )
    lines += [f"⚠ {shown(name, 100)}: {shown(said, 250)}" for name, said in status.troubles[:TROUBLES_SHOWN]]
    lines.append(f"**Version** · {status.version}")
    return lines


def _owed(standing: Standing) -> str:
    if not standing.owed and not standing.failed:
        return "nothing"
    parts = [f"{standing.owed}"]
    parts += [f"{standing.in_doubt} of them on the way or in doubt"] if standing.in_doubt else []
    parts += [f"the oldest since {when(standing.owed_since_at)}"] if standing.owed_since_at else []
    parts += [f"{standing.failed} given up"] if standing.failed else []
    return ", ".join(parts)


def _house(house: House) -> list[str]:
    """Return how the program itself is; the last lines are for operators alone."""
    lines = [f"**Up** · since {when(house.up_since_at)}"]
    if not house.is_well:
        lines.append("⚠ The bot itself is in trouble; its operators are told. What is owed waits, and nothing is lost.")
    if (room := house.engineroom) is not None:
        ahead = room.ahead
        feeds = ", ".join(f"{count} {state}" for state, count in sorted(ahead.feeds.items())) or "none"
        lines += [
            f"**All servers** · feeds: {feeds}; {ahead.to_read} items to read, {ahead.pages_owed} pages to try again",
            f"**All alerts** · {ahead.pending} owed, {ahead.sending} in doubt, {ahead.edits_owed} edits, {ahead.given_up} given up",
            f"**Store** · {ahead.db_bytes / 1_000_000:.1f} MB · {room.versions}",
            *(f"⚠ {shown(trouble, 300)}" for trouble in room.troubles),
        ]
    return lines
