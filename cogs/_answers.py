"""How commands answer: who asks, privately and in time, within Discord's limits, and which names are offered meanwhile.

With _buttons and _refusals it alone sends answers to interactions. Everything that comes from a feed, a query or a name passes
`shown` before it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import discord
from discord import app_commands
from discord.ext import commands

from bot.desk_names import NO_ALIASES, offers_for
from bot.desk_sight import Asker
from bot.errors import StoreError, UserError
from cogs._buttons import Kept, Pages
from cogs._escape import clean, cut, set_apart, shown
from cogs._refusals import CONTENT_CHARS, NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bot.desk import Desk
    from bot.desk_sight import Sight

    Interaction = discord.Interaction[Any]
    Place = discord.TextChannel | discord.Thread

T = TypeVar("T")

PAGE_CHARS = 3_500
TITLE_CHARS = 256
LINE_CHARS = 1_000
DOUBT_CHARS = 700
COLOUR = 0x3B6EA8

guild_only_contexts = app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
guild_only_installs = app_commands.allowed_installs(guilds=True, users=False)


class DeskCog(commands.Cog):
    """A cog that asks the desk. manager_role: who bears it may change things too, 0: no such role."""

    def __init__(self, desk: Desk, *, manager_role: int = 0) -> None:
        self.desk = desk
        self.manager_role = manager_role

    def asker(self, interaction: Interaction) -> Asker:
        """Return who asks, with what they may see.

        Raises:
            UserError: it was not asked in a server.
        """
        guild, user = interaction.guild, interaction.user
        if guild is None or not isinstance(user, discord.Member):
            raise UserError("Commands work in a server only: invite the bot to one, and ask there.")
        bears_role = bool(self.manager_role) and any(role.id == self.manager_role for role in user.roles)
        return Asker(
            guild_id=guild.id,
            user_id=user.id,
            is_manager=interaction.permissions.manage_guild or bears_role,
            sees=lambda channel_id: channel_id == interaction.channel_id or can_see(guild, user, channel_id),
            holds=lambda channel_id: guild.get_channel_or_thread(channel_id) is not None,
            moderates=lambda channel_id: moderates(guild, user, channel_id),
            role=role.name if (role := guild.get_role(self.manager_role)) else "",
        )


def can_see(guild: discord.Guild, member: discord.Member, channel_id: int) -> bool:
    """Return whether a member can see a channel or thread of this server."""
    channel = guild.get_channel_or_thread(channel_id)
    if channel is None:  # an archived thread, or gone: who sees all sees it too
        return member.guild_permissions.administrator
    if isinstance(channel, discord.Thread):
        if channel.parent is None:
            return False
        rights = channel.parent.permissions_for(member)
        joined = any(one.id == member.id for one in channel.members)
        return rights.view_channel and (not channel.is_private() or rights.manage_threads or joined)
    return channel.permissions_for(member).view_channel


def moderates(guild: discord.Guild, member: discord.Member, channel_id: int) -> bool:
    """Return whether a member can see the private threads of a channel of this server."""
    channel = guild.get_channel(channel_id)
    return channel is not None and channel.permissions_for(member).manage_threads


async def defer(interaction: Interaction) -> None:
    """Tell Discord at once that an answer comes, for the asker's eyes alone."""
    await interaction.response.defer(ephemeral=True, thinking=True)


async def reply(interaction: Interaction, text: str, *, view: discord.ui.View | None = None) -> None:
    """Answer what was deferred with a text, of which everything foreign is escaped already."""
    await interaction.edit_original_response(
        content=cut(text, CONTENT_CHARS), embeds=[], view=view, allowed_mentions=NOBODY
    )
    if isinstance(view, Kept):
        view.interaction = interaction


async def reply_pages(
    interaction: Interaction, title: str, entries: Sequence[str], *, per_page: int = 8, share: bool = False
) -> None:
    """Answer what was deferred with entries, paged by buttons. share: the first page alone is shown, to the whole channel.

    Raises:
        UserError: it is to be shared where the asker may not write.
    """
    if share:
        _refuse_mute(interaction)
        first = _groups(entries, per_page=per_page)[0]
        title = title if len(first) == len(entries) else f"{title}: the first {len(first)}"
        entries = first
    pages = pages_of(title, entries, per_page=per_page)
    if share:
        await reply(interaction, "Shared below.")
        await interaction.followup.send(embed=pages[0], allowed_mentions=NOBODY)
        return
    view = Pages(pages) if len(pages) > 1 else None
    await interaction.edit_original_response(embed=pages[0], view=view, allowed_mentions=NOBODY)
    if view:
        view.interaction = interaction


def _refuse_mute(interaction: Interaction) -> None:
    rights = interaction.permissions
    in_thread = isinstance(interaction.channel, discord.Thread)
    if not (rights.send_messages_in_threads if in_thread else rights.send_messages):
        raise UserError("You may not write here, so nothing can be shared here: leave share out, or ask elsewhere.")


def pages_of(title: str, entries: Sequence[str], *, per_page: int) -> list[discord.Embed]:
    """Return embeds of at most so many entries, each within the limits."""
    groups = _groups(entries, per_page=per_page)
    embeds = []
    for number, group in enumerate(groups, start=1):
        embed = discord.Embed(title=cut(title, TITLE_CHARS), description="\n\n".join(group) or None, colour=COLOUR)
        if len(groups) > 1:
            embed.set_footer(text=f"page {number} of {len(groups)}")
        embeds.append(embed)
    return embeds


def _groups(entries: Sequence[str], *, per_page: int) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for entry in entries:
        whole = entry if len(entry) <= PAGE_CHARS else cut(entry, PAGE_CHARS)
        size = sum(len(one) + 2 for one in groups[-1])
        if groups[-1] and (len(groups[-1]) >= per_page or size + len(whole) > PAGE_CHARS):
            groups.append([])
        groups[-1].append(whole)
    return groups


def linked(title: str, url: str) -> str:
    """Return a headline that leads to its article; plain where the address is none that Discord would take."""
    text = shown(title, 200) or "(no headline)"
    target = url.replace("(", "%28").replace(")", "%29")
    fits = target.startswith(("http://", "https://")) and target.isprintable() and not set(target) & set(" <>")
    return f"[{text}]({target})" if fits and len(target) <= LINE_CHARS else text


def code(text: str, limit_chars: int = 300) -> str:
    """Return a query as it was typed, set apart from the words around it."""
    line = cut(clean(text), limit_chars).replace("`", "ˋ")
    return set_apart(f"`{line}`")


def when(at: Any, style: Literal["R", "f"] = "R") -> str:  # noqa: ANN401  # a datetime, or None
    """Return a time as every reader's own client shows it: how long ago that is, or by date and clock."""
    return "never" if at is None else discord.utils.format_dt(at, style)


def doubts_shown(doubts: Iterable[str]) -> list[str]:
    """Return warnings as lines."""
    return [f"⚠ {shown(doubt, DOUBT_CHARS)}" for doubt in doubts]


# --- names, offered while somebody types ---


async def offer(
    interaction: Interaction,
    typed: str,
    names_in: Callable[[Sight], Iterable[str]],
    aliases_in: Callable[[Sight], Mapping[str, Sequence[str]]] = lambda _: NO_ALIASES,
) -> list[app_commands.Choice[str]]:
    """Return at most 25 names that may be meant, from memory; none where the asker may see none."""
    command = interaction.command
    cog = command.binding if isinstance(command, app_commands.Command) else None
    if not isinstance(cog, DeskCog):
        return []
    try:
        sight = await cog.desk.glance(cog.asker(interaction))
    except (UserError, StoreError):
        return []
    return [
        app_commands.Choice(name=name, value=name) for name in offers_for(typed, names_in(sight), aliases_in(sight))
    ]


async def offer_watches(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Offer the watches that the asker can see."""
    return await offer(interaction, typed, lambda sight: sight.watches_by_name)


async def offer_own_watches(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Offer the watches that chat may change."""
    return await offer(
        interaction, typed, lambda sight: [name for name, one in sight.watches_by_name.items() if one.origin == "chat"]
    )


async def offer_actors(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Offer the actors of this server."""
    return await offer(interaction, typed, lambda sight: sight.actors_by_name, _aliases_in)


async def offer_own_actors(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Offer the actors that chat may change."""
    return await offer(
        interaction,
        typed,
        lambda sight: [name for name, one in sight.actors_by_name.items() if one.origin == "chat"],
        _aliases_in,
    )


def _aliases_in(sight: Sight) -> Mapping[str, Sequence[str]]:
    return {name: [alias.text for alias in one.aliases] for name, one in sight.actors_by_name.items()}


async def offer_feeds(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Offer the feeds of this server."""
    return await offer(interaction, typed, lambda sight: [one.name for one in sight.feeds])


async def offer_own_feeds(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Offer the feeds that chat may change."""
    return await offer(interaction, typed, lambda sight: [one.name for one in sight.feeds if not one.is_declared])


async def offer_feed_lists(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Offer feeds for a list by commas: what is typed before the last comma stays."""
    done, comma, last = typed.rpartition(",")
    before = f"{done.strip()}, " if comma else ""
    choices = await offer(
        interaction, last, lambda sight: ["all", *(one.name for one in sight.feeds if "," not in one.name)]
    )
    whole = [f"{before}{choice.name}" for choice in choices]
    return [app_commands.Choice(name=text, value=text) for text in whole if len(text) <= 100]  # noqa: PLR2004  # Discord's limit
