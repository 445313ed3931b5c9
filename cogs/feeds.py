"""/feed: which feeds a server hears. Thin: the desk decides, `_answers` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.desk_feeds import STATES, shown_address, state_of
from bot.desk_sight import need_manager
from bot.plurals import counted
from bot.toml_table import shown_duration
from cogs._answers import (
    DeskCog,
    code,
    defer,
    guild_only_contexts,
    guild_only_installs,
    linked,
    offer_feeds,
    offer_own_feeds,
    reply,
    reply_pages,
    when,
)
from cogs._buttons import Confirm
from cogs._escape import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.desk_feeds import FeedReport
    from bot.desk_sight import Asker, SeenFeed
    from bot.store import FeedLine

Interaction = discord.Interaction[Any]
State = Literal["ok", "slow", "failing", "blocked", "limited", "suspect", "moved", "gone", "paused", "new"]

OPTION_CHARS = 2_000


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
        added = await self.desk.feeds.add(self.asker(interaction), url, name=name, backfill=backfill)
        count = counted(added.items, "item")
        lines = [f"**{shown(added.feed.name, 200)}** is heard here from now on. It holds {count}; none is posted."]
        if added.reopened:
            lines[0] = (
                f"**{shown(added.feed.name, 200)}** is heard here from now on. Of its {count} the newest counts as new."
            )
        elif backfill:
            lines.append(
                "The bot reads this feed already: none of its items can count as new. /latest finds what was read."
            )
        if not added.items:
            lines.append(
                "⚠ It holds no item at all: should it, then its address leads to something else, or its document is broken."
            )
        lines += [f"Newest: {_line(one)}" for one in added.newest]
        if added.feed.feed.last_error:
            lines.append(f"⚠ {shown(added.feed.feed.last_error, 400)}")
        asks_s = max(added.feed.feed.hints.ttl_s, added.feed.feed.hints.period_s)
        if asks_s:
            lines.append(f"It asks to be polled every {shown_duration(asks_s)}.")
        await reply(interaction, "\n".join(lines))

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
            interaction, f"Feeds ({len(feeds)})", [_entry(one, asker, self.desk.feeds.remarks(one)) for one in feeds]
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
        report = await self.desk.feeds.test(asker, feed or url)
        await reply_pages(
            interaction, "Feed test", [_report(report, self.desk.feeds.remarks(report.feed) if report.feed else ())]
        )


def _entry(one: SeenFeed, asker: Asker, remarks: Sequence[str]) -> str:
    feed, state = one.feed, state_of(one)
    parts = [f"**{shown(one.name, 200)}** · {STATES[state]}{' · declared' if one.is_declared else ''}"]
    parts.append(f"{shown(shown_address(one, asker), 300)} · last asked {when(feed.last_poll_at)}")
    if state != "paused" and feed.last_error:
        parts.append(shown(feed.last_error, 300))
    if feed.interval_s:
        parts.append(f"at most every {shown_duration(feed.interval_s)}")
    return "\n".join([*parts, *(shown(remark, 300) for remark in remarks)])


def _report(report: FeedReport, remarks: Sequence[str]) -> str:
    if report.parsed is not None:
        parsed = report.parsed
        lines = [
            f"**{shown(parsed.title, 200) or 'A feed without a title'}** · {counted(len(parsed.items), 'item')} · not subscribed"
        ]
        lines += [f"• {linked(item.title, item.link)} · {when(item.published_at)}" for item in parsed.items[:3]]
        return "\n".join([*lines, *(f"⚠ {shown(problem, 300)}" for problem in parsed.problems[:5])])
    assert report.feed is not None  # noqa: S101  # one of the two is there
    one, feed = report.feed, report.feed.feed
    lines = [f"**{shown(one.name, 200)}** · {STATES[state_of(one)]}", shown(report.address, 300)]
    following = f"next {when(feed.next_poll_at)}" if feed.next_poll_at else "next as soon as its turn comes"
    parts = [
        f"asked {when(feed.last_poll_at)}",
        f"worked {when(feed.last_ok_at)}",
        *([following] if state_of(one) != "paused" else []),
    ]
    lines.append(" · ".join(parts))
    if feed.last_error:
        lines.append(f"⚠ {shown(feed.last_error, 400)}")
    lines += [shown(remark, 300) for remark in remarks]
    lines.append(f"{counted(report.items, 'item')} kept" + (", the newest:" if report.newest else ""))
    return "\n".join([*lines, *(f"• {_line(each)}" for each in report.newest)])


def _line(one: FeedLine) -> str:
    return f"{linked(one.title, one.url)} · {when(one.published_at or one.seen_at)}"
