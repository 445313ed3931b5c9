"""/feed: which feeds a server hears. Thin: the desk decides, `_answers` answers."""

from __future__ import annotations

import io
from typing import Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.desk_feeds import STATES, shown_address
from bot.desk_opml import FILE_BYTES
from bot.desk_sight import need_manager
from bot.errors import ChoiceError, UserError
from bot.plurals import counted
from bot.toml_table import shown_duration
from cogs._answers import (
    DeskCog,
    code,
    defer,
    guild_only_contexts,
    guild_only_installs,
    offer_feeds,
    offer_own_feeds,
    reply,
    reply_pages,
)
from cogs._buttons import Confirm
from cogs._escape import shown
from cogs._feed_views import (
    Choose,
    OneButton,
    SaveOrCancel,
    added_shown,
    entry_shown,
    imported_shown,
    plan_shown,
    progress_shown,
    report_shown,
)
from cogs._refusals import NOBODY

Interaction = discord.Interaction[Any]
State = Literal["ok", "slow", "failing", "blocked", "limited", "suspect", "moved", "gone", "paused", "new"]

OPTION_CHARS = 2_000
CHOOSE = "This page names several feeds: choose one."


@guild_only_contexts
@guild_only_installs
class Feeds(DeskCog, commands.GroupCog, group_name="feed", group_description="The news feeds this server hears"):
    """The commands under /feed."""

    @app_commands.command(name="add", description="Subscribe this server to a feed; what it holds now is not posted")
    @app_commands.describe(
        url="The feed's address, or a page that names one",
        name="How it is called here; its own title otherwise",
        backfill="Let its newest item count as new",
    )
    async def add(
        self,
        interaction: Interaction,
        url: app_commands.Range[str, 1, OPTION_CHARS],
        name: app_commands.Range[str, 1, 100] = "",
        backfill: bool = False,  # noqa: FBT001, FBT002  # an option of the command
    ) -> None:
        """Subscribe this server to a feed."""
        await defer(interaction)
        await self._add(interaction, url, name=name, backfill=backfill)

    async def _add(self, interaction: Interaction, url: str, *, name: str, backfill: bool) -> None:
        desk = self.desk.feeds
        try:
            added = await desk.add(self.asker(interaction), url, name=name, backfill=backfill)
        except ChoiceError as several:

            async def chosen(pick: Interaction, choice: str) -> None:
                await self._add(pick, choice, name=name, backfill=backfill)

            await reply(interaction, CHOOSE, view=Choose(several.choices, chosen))
            return

        async def removed(click: Interaction) -> None:
            await desk.remove(self.asker(click), added.feed)
            await reply(click, f"Removed again: **{shown(added.feed.name, 200)}**. Nothing of it is posted.")

        text = added_shown(added, backfill=backfill, remarks=desk.remarks(added.feed))
        await reply(interaction, text, view=OneButton("Remove", removed, danger=True))

    @app_commands.command(name="edit", description="Give a feed another name or another interval")
    @app_commands.describe(
        feed="Which feed",
        name="Its new name; default: its own title",
        interval="How often at most, such as 10m; default: as is usual",
    )
    @app_commands.autocomplete(feed=offer_own_feeds)
    async def edit(
        self,
        interaction: Interaction,
        feed: app_commands.Range[str, 1, OPTION_CHARS],
        name: app_commands.Range[str, 1, 100] = "",
        interval: app_commands.Range[str, 1, 20] = "",
    ) -> None:
        """Change a feed."""
        await defer(interaction)
        changed = await self.desk.feeds.edit(self.asker(interaction), feed, new_name=name, interval=interval)
        every = f", polled at most every {shown_duration(changed.feed.interval_s)}" if changed.feed.interval_s else ""
        await reply(interaction, f"Changed: **{shown(changed.name, 200)}**{every}.")

    @app_commands.command(name="remove", description="Stop hearing a feed; asks first")
    @app_commands.describe(feed="Which feed")
    @app_commands.autocomplete(feed=offer_own_feeds)
    async def remove(self, interaction: Interaction, feed: app_commands.Range[str, 1, OPTION_CHARS]) -> None:
        """Remove a feed, after a confirmation."""
        await defer(interaction)
        asker = self.asker(interaction)
        one, deafened = await self.desk.feeds.one_to_change(asker, feed)
        address = code(shown_address(one, asker), 500)

        async def removed(click: Interaction) -> str:
            await self.desk.feeds.remove(self.asker(click), one)
            return f"Removed: **{shown(one.name, 200)}**. Its address was {address}, should you want it back."

        question = f"Remove **{shown(one.name, 200)}** ({address})? Nothing of it is posted any more; /feed pause would keep it."
        if deafened:
            question += f" These watches listen to nothing else: {shown(', '.join(deafened), 500)}."
        await reply(interaction, question, view=Confirm("Remove the feed", removed))

    @app_commands.command(name="pause", description="Stop hearing a feed for a while")
    @app_commands.describe(feed="Which feed")
    @app_commands.autocomplete(feed=offer_own_feeds)
    async def pause(self, interaction: Interaction, feed: app_commands.Range[str, 1, OPTION_CHARS]) -> None:
        """Pause a feed."""
        await defer(interaction)
        one = await self.desk.feeds.switch(self.asker(interaction), feed, on=False)
        await reply(interaction, f"Paused: **{shown(one.name, 200)}**. /feed resume lets it go on.")

    @app_commands.command(name="resume", description="Hear a paused feed again; what appeared meanwhile is not posted")
    @app_commands.describe(feed="Which feed")
    @app_commands.autocomplete(feed=offer_own_feeds)
    async def resume(self, interaction: Interaction, feed: app_commands.Range[str, 1, OPTION_CHARS]) -> None:
        """Resume a feed."""
        await defer(interaction)
        one = await self.desk.feeds.switch(self.asker(interaction), feed, on=True)
        await reply(interaction, f"Heard again: **{shown(one.name, 200)}**. What appeared meanwhile is not posted.")

    @app_commands.command(name="release", description="Let through what a feed held back; ask one in trouble again")
    @app_commands.describe(feed="Which feed", drop="Drop what it held back instead: nothing of it is posted")
    @app_commands.autocomplete(feed=offer_feeds)
    async def release(
        self,
        interaction: Interaction,
        feed: app_commands.Range[str, 1, OPTION_CHARS],
        drop: bool = False,  # noqa: FBT001, FBT002  # an option of the command
    ) -> None:
        """Release a feed from its back-off, or what it held back."""
        await defer(interaction)
        released = await self.desk.feeds.release(self.asker(interaction), feed, drop=drop)
        name, items = shown(released.feed.name, 200), released.items
        said = f"**{name}** is asked again now. /feed test shows what came of it."
        if items:
            what = (
                "dropped: nothing of them is posted"
                if drop
                else "let through: they are read now, and posted where they match"
            )
            said = f"**{name}**: {items:,} held back, {what}."
        await reply(interaction, said)

    @app_commands.command(name="list", description="The feeds this server hears, and how they are")
    @app_commands.describe(state="Only feeds in this state")
    async def list(self, interaction: Interaction, state: State | None = None) -> None:
        """List the feeds."""
        await defer(interaction)
        asker = self.asker(interaction)
        feeds = await self.desk.feeds.list(asker, state=state or "")
        if not feeds:
            none = (
                f"No feed here is listed as “{STATES[state]}”."
                if state
                else "This server hears no feed yet: /feed add takes an address."
            )
            await reply(interaction, none)
            return
        await reply_pages(
            interaction,
            f"Feeds ({len(feeds)})",
            [entry_shown(one, asker, self.desk.feeds.remarks(one)) for one in feeds],
        )

    @app_commands.command(name="test", description="What a feed gave last; of a new address, what it gives now")
    @app_commands.describe(feed="A feed of this server", url="An address to look at, without subscribing")
    @app_commands.autocomplete(feed=offer_feeds)
    async def test(
        self,
        interaction: Interaction,
        feed: app_commands.Range[str, 1, OPTION_CHARS] = "",
        url: app_commands.Range[str, 1, OPTION_CHARS] = "",
    ) -> None:
        """Look at a feed."""
        await defer(interaction)
        asker = self.asker(interaction)
        if bool(feed) == bool(url):
            await reply(interaction, "Say which: a feed of this server, or the url of one to look at.")
            return
        if url:
            need_manager(asker)
            url = url if "://" in url else f"https://{url}"
        await self._test(interaction, feed or url)

    async def _test(self, interaction: Interaction, feed_or_url: str) -> None:
        desk = self.desk.feeds
        try:
            report = await desk.test(self.asker(interaction), feed_or_url)
        except ChoiceError as several:
            await reply(interaction, CHOOSE, view=Choose(several.choices, self._test))
            return
        remarks = desk.remarks(report.feed) if report.feed else ()
        if interaction.type is discord.InteractionType.component:  # the menu has done its work
            await interaction.edit_original_response(content=f"Chosen: {shown(feed_or_url, 400)}", view=None)
        await reply_pages(interaction, "Feed test", [report_shown(report, remarks, self.desk.clock())])

    @app_commands.command(name="import", description="Add the feeds of an OPML file; shows first what it would add")
    @app_commands.describe(file="What a feed reader exported, at most 1 MiB")
    async def import_(self, interaction: Interaction, file: discord.Attachment) -> None:
        """Show what a list would bring, and bring it once somebody says so."""
        await defer(interaction)
        need_manager(self.asker(interaction))
        if file.size > FILE_BYTES:
            raise UserError(f"A list may have {FILE_BYTES >> 20} MiB: split it.")
        plan = await self.desk.lists.preview(self.asker(interaction), await _bytes_of(file))

        async def save(click: Interaction) -> None:
            done = await self.desk.lists.take(self.asker(click), plan)

            async def far(press: Interaction) -> None:
                progress = await self.desk.lists.progress(self.asker(press), done.ids)
                await reply(press, f"{imported_shown(done)}\n{progress_shown(progress)}", view=how_far)

            how_far = OneButton("How far is it?", far, again=True)
            await reply(click, imported_shown(done), view=how_far)

        await reply(interaction, plan_shown(plan), view=SaveOrCancel(save) if plan.those("new") else None)

    @app_commands.command(name="export", description="This server's own feeds as an OPML file, without passwords")
    async def export(self, interaction: Interaction) -> None:
        """Give the feeds of this server as a list."""
        await defer(interaction)
        done = await self.desk.lists.export(self.asker(interaction))
        said = f"{counted(done.feeds, 'feed')}, as any feed reader takes them."
        if done.bare:
            said += f" {counted(done.bare, 'feed')} without the password."
        if done.operators:
            said += f" Not in it: {counted(done.operators, 'feed')} of the operator's that this server hears too."
        file = discord.File(io.BytesIO(done.text.encode()), filename="feeds.opml")
        await interaction.edit_original_response(content=said, attachments=[file], allowed_mentions=NOBODY)


async def _bytes_of(file: discord.Attachment) -> bytes:
    try:
        return await file.read()
    except discord.HTTPException:
        raise UserError("Discord does not give the file just now: attach it again.") from None
