"""Chat: a cog per noun, thin; `bot.desk` answers what they ask. `add_cogs` is the way in; cogs never import each other's insides."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discord.ext import commands

    from bot.desk import Desk


async def add_cogs(bot: commands.Bot, desk: Desk, *, manager_role: int = 0) -> None:
    """Load every cog into a bot that is not connected yet, and let it answer errors and dead buttons.

    manager_role: who bears it may change things, beside those with Manage Server; 0: no such role.
    """
    from cogs._buttons import answer_dead_button  # noqa: PLC0415 - as below
    from cogs._refusals import answer_error  # noqa: PLC0415 - discord.py is slow to load, and `try` needs none of it
    from cogs.actors import Actors  # noqa: PLC0415 - as above
    from cogs.admin import Admin  # noqa: PLC0415 - as above
    from cogs.feeds import Feeds  # noqa: PLC0415 - as above
    from cogs.news import News  # noqa: PLC0415 - as above
    from cogs.watches import Watches  # noqa: PLC0415 - as above

    for cog in (Feeds, Watches, Actors, News, Admin):
        await bot.add_cog(cog(desk, manager_role=manager_role))
    bot.add_listener(answer_dead_button, "on_interaction")
    bot.tree.on_error = answer_error  # type: ignore[method-assign]  # the documented way, beside a subclass or a decorator
