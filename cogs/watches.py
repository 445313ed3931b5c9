"""/watch: what a server wants to hear of, and where. Thin: the desk decides, `_answers` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.desk_watches import WatchDraft
from bot.errors import UserError
from bot.plurals import counted
from cogs._answers import (
    DeskCog,
    code,
    defer,
    doubts_shown,
    guild_only_contexts,
    guild_only_installs,
    linked,
    offer_feed_lists,
    offer_own_watches,
    offer_watches,
    reply,
    reply_pages,
    when,
)
from cogs._buttons import Confirm
from cogs._escape import shown
from cogs._places import lacking

if TYPE_CHECKING:
    from bot.desk_watches import WatchView
    from bot.model import Watch

Interaction = discord.Interaction[Any]

QUERY_CHARS = 1_000
FEEDS_CHARS = 1_000


@guild_only_contexts
@guild_only_installs
class Watches(DeskCog, commands.GroupCog, group_name="watch", group_description="What this server wants to hear of"):
    """The commands under /watch."""

    @app_commands.command(name="add", description="Tell a channel of every article that matches a query")
    @app_commands.describe(
        name="How it is called",
        query='Words, "a phrase", OR, -not, begin*, actor:"A Name"; /help query says more',
        channel="Where alerts go; here otherwise",
        mention="A role to ping",
        feeds="Only these feeds, by commas; all otherwise",
    )
    @app_commands.autocomplete(feeds=offer_feed_lists)
    async def add(
        self,
        interaction: Interaction,
        name: app_commands.Range[str, 1, 100],
        query: app_commands.Range[str, 1, QUERY_CHARS],
        channel: discord.TextChannel | discord.Thread | None = None,
        mention: discord.Role | None = None,
        feeds: app_commands.Range[str, 1, FEEDS_CHARS] = "",
    ) -> None:
        """Keep a watch."""
        await defer(interaction)
        place = channel or _here(interaction)
        draft = WatchDraft(
            name=name,
            query=query,
            place=_ids(place),
            in_private=_is_private(place),
            mention=_role_id(mention),
            feeds=feeds,
        )
        view = await self.desk.watches.add(self.asker(interaction), draft)
        ping = f", pinging {mention.mention}" if mention else ""
        lines = [f"Watching: **{shown(view.watch.name, 200)}** → {place.mention}{ping}, from now on."]
        await reply(interaction, "\n".join([*lines, *_said(view), *_lacking(place, mention)]))

    @app_commands.command(name="edit", description="Change a watch")
    @app_commands.describe(
        watch="Which watch",
        name="Its new name",
        query="Its new query",
        channel="Where its alerts go",
        mention="A role to ping",
        mention_off="Ping nobody any more",
        feeds='Only these feeds, by commas; "all" for all',
    )
    @app_commands.autocomplete(watch=offer_own_watches, feeds=offer_feed_lists)
    async def edit(
        self,
        interaction: Interaction,
        watch: app_commands.Range[str, 1, 200],
        name: app_commands.Range[str, 1, 100] = "",
        query: app_commands.Range[str, 1, QUERY_CHARS] = "",
        channel: discord.TextChannel | discord.Thread | None = None,
        mention: discord.Role | None = None,
        mention_off: bool = False,  # noqa: FBT001, FBT002  # an option of the command
        feeds: app_commands.Range[str, 1, FEEDS_CHARS] = "",
    ) -> None:
        """Change a watch."""
        await defer(interaction)
        if mention and mention_off:
            raise UserError("Give a role to ping, or say mention_off: not both.")
        draft = WatchDraft(
            name=name,
            query=query,
            place=_ids(channel) if channel else None,
            in_private=_is_private(channel),
            mention=0 if mention_off else _role_id(mention),
            feeds=feeds,
        )
        view = await self.desk.watches.edit(self.asker(interaction), watch, draft)
        lines = [f"Changed: **{shown(view.watch.name, 200)}** → {_place(view.watch)}{_ping(view.watch)}, in force now."]
        lacking = _lacking(channel, mention) if channel or mention else []
        await reply(interaction, "\n".join([*lines, *_said(view), *lacking]))

    @app_commands.command(name="remove", description="Remove a watch; asks first. Its alerts stay")
    @app_commands.describe(watch="Which watch")
    @app_commands.autocomplete(watch=offer_own_watches)
    async def remove(self, interaction: Interaction, watch: app_commands.Range[str, 1, 200]) -> None:
        """Remove a watch, after a confirmation."""
        await defer(interaction)
        one = await self.desk.watches.one_to_change(self.asker(interaction), watch)

        async def removed(click: Interaction) -> str:
            await self.desk.watches.remove(self.asker(click), one)
            return (
                f"Removed: **{shown(one.name, 200)}**. Its query was {code(one.query, 1_000)}, should you want it back."
            )

        question = f"Remove **{shown(one.name, 200)}** ({code(one.query)})? /watch pause would keep it."
        await reply(interaction, question, view=Confirm("Remove the watch", removed))

    @app_commands.command(name="pause", description="Let a watch rest")
    @app_commands.describe(watch="Which watch")
    @app_commands.autocomplete(watch=offer_own_watches)
    async def pause(self, interaction: Interaction, watch: app_commands.Range[str, 1, 200]) -> None:
        """Pause a watch."""
        await defer(interaction)
        one = await self.desk.watches.switch(self.asker(interaction), watch, on=False)
        await reply(interaction, f"Paused: **{shown(one.name, 200)}**. /watch resume lets it go on.")

    @app_commands.command(name="resume", description="Let a paused watch go on; what appeared meanwhile is not posted")
    @app_commands.describe(watch="Which watch")
    @app_commands.autocomplete(watch=offer_own_watches)
    async def resume(self, interaction: Interaction, watch: app_commands.Range[str, 1, 200]) -> None:
        """Resume a watch."""
        await defer(interaction)
        one = await self.desk.watches.switch(self.asker(interaction), watch, on=True)
        query = code(one.query, 1_000)
        await reply(
            interaction,
            f"On again: **{shown(one.name, 200)}**. What appeared meanwhile is not posted; /latest finds it by query: {query}",
        )

    @app_commands.command(name="list", description="The watches whose channels you can see")
    async def list(self, interaction: Interaction) -> None:
        """List the watches."""
        await defer(interaction)
        watches = await self.desk.watches.list(self.asker(interaction))
        if not watches:
            way = (
                "/watch add makes one"
                if self.asker(interaction).is_manager
                else "people who manage this server make them"
            )
            await reply(interaction, f"There is no watch here that you can see: {way}.")
            return
        await reply_pages(interaction, f"Watches ({len(watches)})", [_entry(one) for one in watches])

    @app_commands.command(name="show", description="A watch, what its query means, and what it last fired on")
    @app_commands.describe(watch="Which watch")
    @app_commands.autocomplete(watch=offer_watches)
    async def show(self, interaction: Interaction, watch: app_commands.Range[str, 1, 200]) -> None:
        """Show a watch."""
        await defer(interaction)
        report = await self.desk.watches.show(self.asker(interaction), watch)
        hits = [f"• {linked(title, url)} · {when(at)}" for at, title, url in report.hits]
        last = ["Last fired on:", *hits] if hits else ["It has not fired in 30 days."]
        await reply_pages(
            interaction, "Watch", ["\n".join([_entry(report.view.watch), *_said(report.view)]), "\n".join(last)]
        )


def _here(interaction: Interaction) -> discord.TextChannel | discord.Thread:
    if isinstance(interaction.channel, discord.TextChannel | discord.Thread):
        return interaction.channel
    raise UserError("Alerts cannot go to this kind of channel: name a text channel or a thread with channel.")


def _ids(place: discord.TextChannel | discord.Thread) -> tuple[int, int]:
    return (place.parent_id, place.id) if isinstance(place, discord.Thread) else (place.id, 0)


def _is_private(place: discord.TextChannel | discord.Thread | None) -> bool:
    return isinstance(place, discord.Thread) and place.is_private()


def _role_id(role: discord.Role | None) -> int | None:
    if role is not None and role.is_default():
        raise UserError("A watch does not ping everyone: choose a role that people can take or leave.")
    return role.id if role else None


def _said(view: WatchView) -> list[str]:
    lines = [f"It alerts on {shown(view.meaning, 600)}."] if view.meaning else []
    if view.feeds:
        lines.append(f"Only from: {shown(', '.join(view.feeds), 400)}.")
    return lines + doubts_shown(view.doubts[:4])


def _entry(watch: Watch) -> str:
    marks = [*(["declared"] if watch.origin == "config" else []), *([] if watch.enabled else ["paused"])]
    feeds = f" · only from {counted(len(watch.feeds), 'feed')}" if watch.feeds else ""
    head = " · ".join([f"**{shown(watch.name, 200)}**", *marks])
    return f"{head}\n{code(watch.query)} → {_place(watch)}{_ping(watch)}{feeds}"


def _ping(watch: Watch) -> str:
    return f" · pings <@&{watch.mention}>" if watch.mention else ""


def _place(watch: Watch) -> str:
    return f"<#{watch.thread_id or watch.channel_id}>"


def _lacking(place: discord.TextChannel | discord.Thread | None, mention: discord.Role | None) -> list[str]:
    """Return what the bot lacks in order to post and ping there, named as Discord names it."""
    guild = place.guild if place else mention.guild if mention else None
    if guild is None:
        return []
    lines = []
    if place is not None:
        missing = lacking(place.permissions_for(guild.me), in_thread=isinstance(place, discord.Thread))
        if missing:
            lines.append(
                f"⚠ I lack permissions in {place.mention}: {', '.join(missing)}. Give them to me, or alerts wait."
            )
    if mention is not None and not mention.mentionable:
        rights = place.permissions_for(guild.me) if place else guild.me.guild_permissions
        if not rights.mention_everyone:
            lines.append(f"⚠ {mention.mention} cannot be pinged by me: allow anyone to mention it in its settings.")
    return lines
