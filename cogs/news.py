"""/latest and /why: what lately matched, and why a link did or did not. Thin: the desk decides, `_answers` answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.wording import why_lines
from cogs._answers import (
    DeskCog,
    defer,
    doubts_shown,
    guild_only_contexts,
    guild_only_installs,
    linked,
    offer_actors,
    offer_watches,
    reply,
    reply_pages,
    when,
)
from cogs._draw import KIND, sentence_line
from cogs._escape import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.desk_news import FoundArticle
    from bot.desk_why import Verdict, Why
    from bot.model import Article, Reason
    from bot.store import Posting

Interaction = discord.Interaction[Any]

QUERY_CHARS = 1_000
LINK_CHARS = 2_048
PER_PAGE = 5
SILENT_SHOWN = 15
REASONS_SHOWN = 4
POSTINGS_SHOWN = 3


class News(DeskCog):
    """Questions about news."""

    @app_commands.command(name="latest", description="What lately matched, newest first")
    @app_commands.describe(
        watch="Only what this watch fired on",
        actor="Articles that name this actor",
        query="Articles that match this query",
        since="24h, 7d or a date such as 2026-03-01; a week otherwise",
        share="Show the answer to everybody here",
    )
    @app_commands.autocomplete(watch=offer_watches, actor=offer_actors)
    @guild_only_contexts
    @guild_only_installs
    async def latest(
        self,
        interaction: Interaction,
        watch: app_commands.Range[str, 1, 200] = "",
        actor: app_commands.Range[str, 1, 200] = "",
        query: app_commands.Range[str, 1, QUERY_CHARS] = "",
        since: app_commands.Range[str, 1, 40] = "",
        share: bool = False,  # noqa: FBT001, FBT002  # an option of the command
    ) -> None:
        """Show what lately matched."""
        await defer(interaction)
        latest = await self.desk.news.latest(
            self.asker(interaction), watch=watch, actor=actor, query=query, since=since
        )
        if not latest.found:
            more = " Not everything could be looked through: take a shorter time." if latest.is_cut else ""
            said = f"Nothing since {when(latest.since, 'f')}.{more} /status shows whether the feeds work."
            await reply(interaction, "\n".join([said, *doubts_shown(latest.doubts)]))
            return
        title = f"Latest ({len(latest.found)}{', the newest' if latest.is_cut else ''})"
        # What is shared names no watch: not everybody here may see the channel that it alerts.
        entries = [_entry(one, with_watches=not share) for one in latest.found]
        await reply_pages(interaction, title, entries, per_page=PER_PAGE, share=share)

    @app_commands.command(name="why", description="Why an article was posted, or was not")
    @app_commands.describe(link="The article's address")
    @guild_only_contexts
    @guild_only_installs
    async def why(self, interaction: Interaction, link: app_commands.Range[str, 1, LINK_CHARS]) -> None:
        """Explain an article."""
        await defer(interaction)
        asker = self.asker(interaction)
        why = await self.desk.news.why(asker, link)
        await reply_pages(interaction, "Why", [_why(why, asker.guild_id)])


def _entry(one: FoundArticle, *, with_watches: bool) -> str:
    lines = [f"**{linked(one.article.title, one.article.url)}**", _origin(one.article, one.seen_at)]
    if one.sentence:
        lines.append(sentence_line(one.sentence))
    words = ", ".join(dict.fromkeys(reason.words for reason in one.reasons[:REASONS_SHOWN]))
    found = f"found: {shown(words, 200)}" if words else ""
    names = f"{shown(', '.join(one.watches), 200)}" if with_watches and one.watches else ""
    lines.append(" · ".join(filter(None, (names, found))))
    return "\n".join(filter(None, lines))


def _why(why: Why, guild_id: int) -> str:
    lines = [f"**{linked(why.article.title, why.article.url)}**", _origin(why.article, why.seen_at)]
    if not why.was_read:
        lines.append("It stood in its feed when that was subscribed, so it was not read and nobody was told of it.")
    elif why.article.note:
        lines.append(shown(why.article.note, 300))
    for one in why.verdicts:
        if one.reasons:
            lines.append(f"\n✅ **{shown(one.watch, 100)}** matches:")
            lines += [f"• {line}" for line in why_lines(_nameless(one.reasons), shown)[:REASONS_SHOWN]]
            lines += [f"→ {line}" for line in _told(one, guild_id)]
    silent = [one for one in why.verdicts if not one.reasons]
    if silent:
        lines.append("\nNot:" if len(silent) < len(why.verdicts) else "\nNone of the watches that you can see matches:")
        for one in silent[:SILENT_SHOWN]:
            said = "; ".join(
                [shown(one.silence, 300), *(f"yet {line}" for line in _told(one, guild_id) if one.postings)]
            )
            lines.append(f"• **{shown(one.watch, 100)}**: {said}")
    if not why.verdicts:
        lines.append("There is no watch here that you can see.")
    return "\n".join(lines)


def _told(one: Verdict, guild_id: int) -> list[str]:
    """Return what became of the alerts of a watch, a line each; why there is none where it matches."""
    if not one.postings:
        return [f"nobody was told: {shown(one.silence, 300)}"]
    return [_posting(posting, guild_id) for posting in one.postings[-POSTINGS_SHOWN:]]


def _posting(posting: Posting, guild_id: int) -> str:
    place = posting.thread_id or posting.channel_id
    trouble = f": {shown(posting.trouble, 200)}" if posting.trouble else ""
    match posting.state:
        case "sent" if posting.message_id:
            link = f"https://discord.com/channels/{guild_id}/{place}/{posting.message_id}"
            return f"[posted]({link}) in <#{place}> {when(posting.at)}"
        case "sent":
            return f"posted in <#{place}> {when(posting.at)}"
        case "failed":
            return f"given up for <#{place}>{trouble}"
        case _:
            return f"owed to <#{place}> since {when(posting.at)}{trouble or ', on its way'}"


def _nameless(reasons: Sequence[Reason]) -> list[Reason]:
    """Return reasons without the watch, which is said above them."""
    return [replace(reason, watch="") for reason in reasons]


def _origin(article: Article, seen_at: object) -> str:
    parts = [
        shown(article.source or article.host, 100),
        when(article.published_at or seen_at),
        KIND.get(article.kind, ""),
    ]
    return " · ".join(filter(None, parts))
