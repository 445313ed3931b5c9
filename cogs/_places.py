"""Channels and threads as the gateway last showed them: their names, what the bot may do there. Asks nothing, changes nothing."""

from __future__ import annotations

from typing import Final

import discord

Place = discord.abc.GuildChannel | discord.Thread

POSTING: Final = ("view_channel", "send_messages", "embed_links")
NEEDED: Final = (*POSTING, "read_message_history")  # the last to look back by: without it a post may come twice


def lacking(rights: discord.Permissions, *, in_thread: bool) -> tuple[str, ...]:
    """Return what the bot needs and these rights are without, named as Discord names it to people."""
    needed = ["send_messages_in_threads" if in_thread and one == "send_messages" else one for one in NEEDED]
    return tuple(one.replace("_", " ").title().replace(" In ", " in ") for one in needed if not getattr(rights, one))


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
        """Return whether the bot may post there, as far as is known; without the right to look back, too."""
        rights = self.rights(id_)
        return rights is not None and rights >= discord.Permissions(**dict.fromkeys(POSTING, True))

    def standing(self, id_: int) -> str:
        """Return how it stands with the bot there: another text whenever it is worth another try; "" where it is not seen."""
        place, rights = self.place(id_), self.rights(id_)
        if place is None or rights is None:
            return ""
        shut = f"{place.archived} {place.locked}" if isinstance(place, discord.Thread) else ""
        return f"{place.guild.me.joined_at} {place.type.name} {rights.value} {shut}".strip()
