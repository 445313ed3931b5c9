"""/actor: persons, organisations and places, with the spellings that stand for them. Thin: the desk decides, `_answers` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.wording import RULE
from cogs._answers import (
    DeskCog,
    defer,
    doubts_shown,
    guild_only_contexts,
    guild_only_installs,
    offer,
    offer_actors,
    offer_own_actors,
    reply,
    reply_pages,
)
from cogs._buttons import Confirm
from cogs._escape import shown

if TYPE_CHECKING:
    from bot.desk_actors import ActorView

Interaction = discord.Interaction[Any]

SPELLINGS_SHOWN = 25
ALIASES_CHARS = 2_000


async def offer_aliases(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Offer the aliases of the actor that was chosen already."""
    wanted = str(getattr(interaction.namespace, "actor", "") or "").casefold()
    return await offer(
        interaction,
        typed,
        lambda sight: [alias.text for one in sight.actors if one.name.casefold() == wanted for alias in one.aliases],
    )


@guild_only_contexts
@guild_only_installs
class Actors(DeskCog, commands.GroupCog, group_name="actor", group_description="Names under which people are watched"):
    """The commands under /actor."""

    alias = app_commands.Group(name="alias", description="Other spellings of an actor")

    @app_commands.command(name="add", description='Add a person, organisation or place; queries name it as actor:"…"')
    @app_commands.describe(name="The full name", aliases="Other spellings, by commas")
    async def add(
        self,
        interaction: Interaction,
        name: app_commands.Range[str, 1, 100],
        aliases: app_commands.Range[str, 1, ALIASES_CHARS] = "",
    ) -> None:
        """Add an actor."""
        await defer(interaction)
        view = await self.desk.actors.add(self.asker(interaction), name, aliases=aliases)
        await reply(interaction, "\n".join([f"Added: {_head(view)}.", *doubts_shown(view.doubts[:4])]))

    @app_commands.command(name="edit", description="Rename an actor; the old name stays as an alias")
    @app_commands.describe(actor="Which actor", name="Its new name")
    @app_commands.autocomplete(actor=offer_own_actors)
    async def edit(
        self,
        interaction: Interaction,
        actor: app_commands.Range[str, 1, 200],
        name: app_commands.Range[str, 1, 100] = "",
    ) -> None:
        """Rename an actor."""
        await defer(interaction)
        view = await self.desk.actors.edit(self.asker(interaction), actor, new_name=name)
        await reply(interaction, "\n".join([f"Changed: {_head(view)}.", *doubts_shown(view.doubts[:4])]))

    @app_commands.command(name="remove", description="Remove an actor that no watch names; asks first")
    @app_commands.describe(actor="Which actor")
    @app_commands.autocomplete(actor=offer_own_actors)
    async def remove(self, interaction: Interaction, actor: app_commands.Range[str, 1, 200]) -> None:
        """Remove an actor, after a confirmation."""
        await defer(interaction)
        one = await self.desk.actors.one_to_change(self.asker(interaction), actor)
        aliases = ", ".join(alias.text for alias in one.aliases)

        async def removed(click: Interaction) -> str:
            await self.desk.actors.remove(self.asker(click), one)
            kept = f" Its aliases were: {shown(aliases, 1_000)}." if aliases else ""
            return f"Removed: **{shown(one.name, 200)}**.{kept}"

        await reply(interaction, f"Remove **{shown(one.name, 200)}**?", view=Confirm("Remove the actor", removed))

    @app_commands.command(name="list", description="The actors this server knows")
    async def list(self, interaction: Interaction) -> None:
        """List the actors."""
        await defer(interaction)
        actors = await self.desk.actors.list(self.asker(interaction))
        if not actors:
            await reply(interaction, "This server knows no actor yet: /actor add takes a name.")
            return
        entries = [
            f"**{shown(one.name, 200)}**{' · declared' if one.origin == 'config' else ''}"
            + (f"\n{shown(', '.join(alias.text for alias in one.aliases), 300)}" if one.aliases else "")
            for one in actors
        ]
        await reply_pages(interaction, f"Actors ({len(actors)})", entries, per_page=15)

    @app_commands.command(name="show", description="An actor, its spellings, and the watches that name it")
    @app_commands.describe(actor="Which actor")
    @app_commands.autocomplete(actor=offer_actors)
    async def show(self, interaction: Interaction, actor: app_commands.Range[str, 1, 200]) -> None:
        """Show an actor."""
        await defer(interaction)
        view = await self.desk.actors.show(self.asker(interaction), actor)
        named = (
            f"Named by: {shown(', '.join(view.watches), 500)}."
            if view.watches
            else "No watch that you can see names it."
        )
        spellings = [f"• {shown(alias, 100)} · {RULE[rule]}" for alias, rule in view.spellings[:SPELLINGS_SHOWN]]
        if (more := len(view.spellings) - SPELLINGS_SHOWN) > 0:
            spellings.append(f"… and {more} more")
        lines = [_head(view), named, "Spellings that count:", *spellings, *doubts_shown(view.doubts[:4])]
        await reply_pages(interaction, "Actor", ["\n".join(lines)])

    @alias.command(name="add", description="Give an actor another spelling")
    @app_commands.describe(actor="Which actor", alias="The spelling")
    @app_commands.autocomplete(actor=offer_own_actors)
    async def alias_add(
        self,
        interaction: Interaction,
        actor: app_commands.Range[str, 1, 200],
        alias: app_commands.Range[str, 1, 100],
    ) -> None:
        """Add an alias."""
        await defer(interaction)
        view = await self.desk.actors.add_alias(self.asker(interaction), actor, alias)
        await reply(interaction, "\n".join([f"Added: {_head(view)}.", *doubts_shown(view.doubts[:4])]))

    @alias.command(name="remove", description="Take a spelling from an actor")
    @app_commands.describe(actor="Which actor", alias="The spelling")
    @app_commands.autocomplete(actor=offer_own_actors, alias=offer_aliases)
    async def alias_remove(
        self,
        interaction: Interaction,
        actor: app_commands.Range[str, 1, 200],
        alias: app_commands.Range[str, 1, 100],
    ) -> None:
        """Remove an alias; adding it again undoes that."""
        await defer(interaction)
        one = await self.desk.actors.one_with_alias(self.asker(interaction), actor, alias)

        async def removed(click: Interaction) -> str:
            view = await self.desk.actors.remove_alias(self.asker(click), one.name, alias)
            return f"Removed “{shown(alias, 100)}”: {_head(view)}."

        question = f"Take “{shown(alias, 100)}” from **{shown(one.name, 200)}**?"
        await reply(interaction, question, view=Confirm("Remove the alias", removed))


def _head(view: ActorView) -> str:
    aliases = ", ".join(alias.text for alias in view.actor.aliases)
    declared = " · declared" if view.actor.origin == "config" else ""
    return f"**{shown(view.actor.name, 200)}**{declared}" + (f" (also {shown(aliases, 800)})" if aliases else "")
