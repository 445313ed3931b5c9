"""What is said where something went wrong: what a person got wrong in words that help, our own faults as a number in the log."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.errors import StoreError, UserError
from cogs._escape import cut, escape

if TYPE_CHECKING:
    Interaction = discord.Interaction[Any]

log = logging.getLogger(__name__)

CONTENT_CHARS = 2_000
NOBODY = discord.AllowedMentions.none()


async def answer_error(interaction: Interaction, error: BaseException) -> None:
    """Answer privately: what a person got wrong in words that help, our own faults as a number that is also in the log."""
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    text = refusal_for(error)
    try:
        if not interaction.response.is_done():
            await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NOBODY)
        else:
            await interaction.edit_original_response(content=text, embeds=[], view=None, allowed_mentions=NOBODY)
    except discord.HTTPException as trouble:
        log.warning("event=answer_lost status=%s code=%s", trouble.status, trouble.code)


def refusal_for(error: BaseException) -> str:
    """Return what is said about an error."""
    if isinstance(error, UserError):
        return cut(escape(str(error)), CONTENT_CHARS)
    if isinstance(error, StoreError):
        log.error("event=store_trouble_in_chat reason=%r", str(error))
        return "The database cannot be used just now: nothing was changed. Try again in a minute; the operators' log says more."
    if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
        return "This command has changed since your app last looked: restart Discord, then try again."
    if isinstance(error, app_commands.TransformerError):
        return "The bot cannot see that channel or role: give it access there, or choose another."
    if isinstance(error, app_commands.CheckFailure):
        return "You may not use this command here: ask someone with the Manage Server permission."
    number = secrets.token_hex(3)
    log.error("event=command_broke reference=%s", number, exc_info=error)
    return f"Something broke on our side, and nothing more is known here. Reference {number}: tell the operators, it is in their log."
