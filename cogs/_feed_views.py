"""What the commands under /feed say, and the buttons and menus beneath it. Everything foreign in it is escaped here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord

from bot.desk_feeds import STATES, shown_address, state_of
from bot.errors import UserError
from bot.feeds.notices import span
from bot.feeds.preview import asking_s, newest_of, rhythm_of, rhythm_said
from bot.plurals import counted
from bot.toml_table import shown_duration
from cogs._answers import linked, when
from cogs._buttons import CONFIRM_FOR_S, PAGES_FOR_S, Kept
from cogs._escape import clean, cut, shown
from cogs._refusals import NOBODY, refusal_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from bot.desk_feeds import AddedFeed, FeedReport
    from bot.desk_opml import Imported, ImportProgress
    from bot.desk_sight import Asker, SeenFeed
    from bot.feeds.importing import ImportPlan
    from bot.store import FeedLine

    Interaction = discord.Interaction[Any]
    Act = Callable[[Interaction], Awaitable[None]]

SHOWN_LINES = 5
MOST_CHOICES = 25
LABEL_CHARS = 100


class OneButton(Kept):
    """One button that does one thing; what it does answers by itself."""

    def __init__(self, label: str, act: Act, *, danger: bool = False, again: bool = False) -> None:
        super().__init__(timeout=PAGES_FOR_S)
        self._act = act
        self._again = again
        self.button.label = label
        self.button.style = discord.ButtonStyle.danger if danger else discord.ButtonStyle.secondary

    @discord.ui.button(label="…")
    async def button(self, interaction: Interaction, _: discord.ui.Button[OneButton]) -> None:
        """Do it."""
        if not self._again:
            self.stop()
        await interaction.response.defer()
        await _answered(interaction, self._act(interaction))


class SaveOrCancel(Kept):
    """Asks before something is stored. save: stores it, and answers."""

    def __init__(self, save: Act) -> None:
        super().__init__(timeout=CONFIRM_FOR_S)
        self._save = save

    @discord.ui.button(label="Save", style=discord.ButtonStyle.success)
    async def yes(self, interaction: Interaction, _: discord.ui.Button[SaveOrCancel]) -> None:
        """Store it."""
        self.stop()
        await interaction.response.defer()
        await _answered(interaction, self._save(interaction))

    @discord.ui.button(label="Cancel", style=discord.ButtonStyle.secondary)
    async def no(self, interaction: Interaction, _: discord.ui.Button[SaveOrCancel]) -> None:
        """Leave it."""
        self.stop()
        await interaction.response.edit_message(content="Cancelled: nothing was stored.", view=None)


class Choose(Kept):
    """Lets somebody choose one of the feeds that a page names. then: goes on with its address, and answers."""

    def __init__(self, choices: Sequence[tuple[str, str]], then: Callable[[Interaction, str], Awaitable[None]]) -> None:
        super().__init__(timeout=PAGES_FOR_S)
        self._choices = choices[:MOST_CHOICES]
        self._then = then
        menu: discord.ui.Select[Choose] = discord.ui.Select(placeholder="Which of its feeds?")
        for place, (url, title) in enumerate(self._choices):
            label = cut(clean(title) or clean(url), LABEL_CHARS)
            menu.add_option(label=label or "A feed", description=cut(clean(url), LABEL_CHARS), value=str(place))
        menu.callback = self._chosen  # type: ignore[method-assign]  # the documented way, beside a subclass
        self.menu = menu
        self.add_item(menu)

    async def _chosen(self, interaction: Interaction) -> None:
        self.stop()
        await interaction.response.defer()
        url, _ = self._choices[int(self.menu.values[0])]
        await _answered(interaction, self._then(interaction, url))


async def _answered(interaction: Interaction, act: Awaitable[None]) -> None:
    """Let a press do what it does; what cannot be is said in place of the buttons."""
    try:
        await act
    except UserError as error:  # it was changed meanwhile, or the asker may not any more
        await interaction.edit_original_response(content=refusal_for(error), view=None, allowed_mentions=NOBODY)


def added_shown(added: AddedFeed, *, backfill: bool, remarks: Sequence[str]) -> str:
    """Return what is said of a feed that was just added: that it is heard, and what it is."""
    count, feed = counted(added.items, "item"), added.feed.feed
    name = f"**{shown(added.feed.name, 200)}** is heard here from now on."
    lines = [f"{name} It holds {count}; none is posted."]
    if added.reopened:
        lines = [f"{name} Of its {count} the newest counts as new."]
    elif backfill:
        lines.append(
            "The bot reads this feed already: none of its items can count as new. /latest finds what was read."
        )
    if added.page:
        lines.append(f"The page names this feed: {shown(feed.url, 400)}")
    if not added.items:
        lines.append(
            "⚠ It holds no item at all: should it, then its address leads to something else, or its document is broken."
        )
    lines += [_facts(feed.language, rhythm_said(feed.rate) if len(added.newest) > 1 else "")]
    lines += [f"• {line_shown(one)}" for one in added.newest]
    if feed.last_error:
        lines.append(f"⚠ {shown(feed.last_error, 300)}")
    lines += [f"⚠ {shown(problem, 200)}" for problem in added.problems[:2]]
    return "\n".join(filter(None, [*lines, *(shown(remark, 200) for remark in remarks)]))


def entry_shown(one: SeenFeed, asker: Asker, remarks: Sequence[str]) -> str:
    """Return a feed as an entry of the list."""
    feed, state = one.feed, state_of(one)
    parts = [f"**{shown(one.name, 200)}** · {STATES[state]}{' · declared' if one.is_declared else ''}"]
    parts.append(f"{shown(shown_address(one, asker), 300)} · last asked {when(feed.last_poll_at)}")
    if state != "paused" and feed.last_error:
        parts.append(shown(feed.last_error, 300))
    if feed.interval_s:
        parts.append(f"at most every {shown_duration(feed.interval_s)}")
    return "\n".join([*parts, *(shown(remark, 300) for remark in remarks)])


def report_shown(report: FeedReport, remarks: Sequence[str], now: datetime) -> str:
    """Return what a feed gave: the last time, or just now where it is not heard here."""
    if report.parsed is not None:
        return _look_shown(report, now)
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
    return "\n".join([*lines, *(f"• {line_shown(each)}" for each in report.newest)])


def _look_shown(report: FeedReport, now: datetime) -> str:
    parsed = report.parsed
    assert parsed is not None  # noqa: S101  # whoever calls looked
    title = shown(parsed.title, 200) or "A feed without a title"
    lines = [f"**{title}** · {counted(len(parsed.items), 'item')} · not subscribed"]
    if report.page:
        lines.append(f"The page names this feed: {shown(report.address, 400)}")
    lines.append(_facts(parsed.language, rhythm_of(parsed, now)))
    lines += [
        f"• {linked(item.title, item.link)} · {when(item.published_at or item.updated_at)}"
        for item in newest_of(parsed, 3)
    ]
    if asks_s := asking_s(parsed, report.fresh_s):
        lines.append(f"Asks for {span(asks_s)} between two polls.")
    return "\n".join(filter(None, [*lines, *(f"⚠ {shown(problem, 300)}" for problem in parsed.problems[:5])]))


def _facts(language: str | None, rhythm: str) -> str:
    facts = [f"language {shown(language, 20)}" if language else "", rhythm]
    return " · ".join(filter(None, facts))


def line_shown(one: FeedLine) -> str:
    """Return an item of a feed as a line."""
    return f"{linked(one.title, one.url)} · {when(one.published_at or one.seen_at)}"


def plan_shown(plan: ImportPlan) -> str:
    """Return what a list would bring, with reasons for what it would not."""
    new, known, refused = (plan.those(verdict) for verdict in ("new", "known", "refused"))
    lines = [
        f"The list names {counted(len(plan.lines), 'feed')}: {len(new)} new, {len(known)} known, {len(refused)} refused."
    ]
    if plan.folders:
        lines.append(f"Its {counted(plan.folders, 'folder')} {'is' if plan.folders == 1 else 'are'} not kept.")
    lines += [f"⚠ {shown(problem, 200)}" for problem in plan.problems[:2]]
    for those in (new, refused):
        lines += [
            f"• {shown(one.shown, 120)}{': ' if one.why else ''}{shown(one.why, 120)}" for one in those[:SHOWN_LINES]
        ]
        if len(those) > SHOWN_LINES:
            lines.append(f"… and {len(those) - SHOWN_LINES} more {'refused' if those is refused else 'new ones'}")
    if new:
        lines.append("Nothing is stored yet. What they hold now will not be posted.")
    return "\n".join(lines)


def imported_shown(done: Imported) -> str:
    """Return what an import stored."""
    lines = [f"{counted(len(done.ids), 'feed')} added. What they hold now is not posted."]
    if done.known:
        lines.append(f"{counted(done.known, 'feed')} had been added meanwhile.")
    if done.asked_within_s:
        lines.append(f"They are asked one after another, the last in about {span(done.asked_within_s)}.")
    return " ".join(lines)


def progress_shown(far: ImportProgress) -> str:
    """Return how far the first reading is."""
    lines = [f"{far.read} read, {far.waiting} waiting, {len(far.troubled)} in trouble."]
    lines += [f"• {shown(one.name, 80)}: {shown(one.feed.last_error, 150)}" for one in far.troubled[:SHOWN_LINES]]
    if len(far.troubled) > SHOWN_LINES:
        lines.append(f"… and {len(far.troubled) - SHOWN_LINES} more: /feed list shows all.")
    return "\n".join(lines)
