"""Channels and threads as the gateway last showed them: their names, what the bot may do there. Asks nothing, changes nothing."""

from __future__ import annotations

from typing import Final

import discord

Place = discord.abc.GuildChannel | discord.Thread

NEEDED: Final = discord.Permissions(view_channel=True, send_messages=True, embed_links=True)


class Places:
    """What a client knows of them; nothing where there is no client."""

    def __init__(self) -> None:
        self.client: discord.Client | None = None

    def place(self, id_: int) -> Place | None:
        """Return a channel or thread that can be seen."""
        place = self.client.get_channel(id_) if self.client else None
        return place if isinstance(place, discord.abc.GuildChannel | discord.Thread) else None

    def name_of(self, id_: int) -> str:
        """Return how people know it."""
        place = self.place(id_)
        return f"#{place.name} ({id_})" if place else f"{id_}"

    def rights(self, id_: int) -> discord.Permissions | None:
        """Return what the bot may do there, None where that is not known."""
        place = self.place(id_)
        if place is None or place.guild.me is None:
            return None
        rights = place.permissions_for(place.guild.me)
        if isinstance(place, discord.Thread):
            rights.send_messages = rights.send_messages_in_threads
        return rights

    def may_post(self, id_: int) -> bool:
        """Return whether the bot may post there, as far as is known."""
        rights = self.rights(id_)
        return rights is not None and rights >= NEEDED

    def standing(self, id_: int) -> str:
        """Return how it stands with the bot there: another text whenever it is worth another try; "" where it is not seen."""
        place, rights = self.place(id_), self.rights(id_)
        if place is None or rights is None:
            return ""
        shut = f"{place.archived} {place.locked}" if isinstance(place, discord.Thread) else ""
        return f"{place.guild.me.joined_at} {place.type.name} {rights.value} {shut}".strip()
