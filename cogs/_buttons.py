"""Buttons under private answers: pages, confirmations, and what is said of a button that nobody knows any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord

from bot.errors import UserError
from cogs._escape import cut
from cogs._refusals import CONTENT_CHARS, NOBODY, answer_error, refusal_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Interaction = discord.Interaction[Any]

PAGES_FOR_S = 600.0
CONFIRM_FOR_S = 180.0
TAKEN = "taken"
GONE = "This button is done with, or from before a restart of the bot: run the command again."


class Kept(discord.ui.View):
    """Buttons under a private answer; when their time is over they go, so that none is dead.

    interaction: the last one that they answered; its token is the one that lives longest.
    """

    interaction: Interaction | None = None

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """Take a press for ours."""
        interaction.extras[TAKEN] = True
        return True

    async def on_timeout(self) -> None:
        """Take the buttons away."""
        if self.interaction is not None:
            try:
                await self.interaction.edit_original_response(view=None)
            except discord.HTTPException:
                return  # the answer is gone, or too old to be changed

    async def on_error(self, interaction: Interaction, error: Exception, item: discord.ui.Item[Any], /) -> None:
        """Say what went wrong."""
        del item
        await answer_error(interaction, error)


class Pages(Kept):
    """Turns the pages of an answer."""

    def __init__(self, pages: Sequence[discord.Embed]) -> None:
        super().__init__(timeout=PAGES_FOR_S)
        self._pages = pages
        self._at = 0
        self._settle()

    @discord.ui.button(label="Back", style=discord.ButtonStyle.secondary)
    async def back(self, interaction: Interaction, _: discord.ui.Button[Pages]) -> None:
        """Show the page before."""
        await self._turn(interaction, -1)

    @discord.ui.button(label="Next", style=discord.ButtonStyle.secondary)
    async def forward(self, interaction: Interaction, _: discord.ui.Button[Pages]) -> None:
        """Show the next page."""
        await self._turn(interaction, 1)

    async def _turn(self, interaction: Interaction, step: int) -> None:
        self._at = min(max(self._at + step, 0), len(self._pages) - 1)
        self._settle()
        self.interaction = interaction
        await interaction.response.edit_message(embed=self._pages[self._at], view=self)

    def _settle(self) -> None:
        self.back.disabled = self._at == 0
        self.forward.disabled = self._at == len(self._pages) - 1


class Confirm(Kept):
    """Asks before something is removed. remove: does it, and returns what to say."""

    def __init__(self, label: str, remove: Callable[[Interaction], Awaitable[str]]) -> None:
        super().__init__(timeout=CONFIRM_FOR_S)
        self._remove = remove
        self.yes.label = label

    @discord.ui.button(label="Remove", style=discord.ButtonStyle.danger)
    async def yes(self, interaction: Interaction, _: discord.ui.Button[Confirm]) -> None:
        """Do it."""
        self.stop()
        await interaction.response.defer()
        try:
            said = await self._remove(interaction)
        except UserError as error:  # it was changed meanwhile, or the asker may not any more
            said = refusal_for(error)
        await interaction.edit_original_response(content=cut(said, CONTENT_CHARS), view=None, allowed_mentions=NOBODY)

    @discord.ui.button(label="Keep", style=discord.ButtonStyle.secondary)
    async def no(self, interaction: Interaction, _: discord.ui.Button[Confirm]) -> None:
        """Leave it."""
        self.stop()
        await interaction.response.edit_message(content="Kept: nothing was changed.", view=None)


async def answer_dead_button(interaction: Interaction) -> None:
    """Answer the press of a button that none of our views took: it is older than this process, or was pressed twice."""
    if interaction.type is discord.InteractionType.component and not interaction.extras.get(TAKEN):
        await interaction.response.send_message(GONE, ephemeral=True, allowed_mentions=NOBODY)
