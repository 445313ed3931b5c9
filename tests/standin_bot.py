"""A tiny bot of the real discord.py against the stand-in, for the tests of the stand-in itself."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.discord_spec import description
from tests.standin import StandIn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


class Question(discord.ui.Modal, title="Ask"):
    """A modal with one field."""

    answer: discord.ui.TextInput[Question] = discord.ui.TextInput(label="Answer", custom_id="answer")

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"you said {self.answer.value}", ephemeral=True)


class Buttons(discord.ui.View):
    """Buttons that outlive a restart."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Change", custom_id="change")
    async def change(self, interaction: discord.Interaction, _: discord.ui.Button[Buttons]) -> None:
        await interaction.response.edit_message(content="changed")

    @discord.ui.button(label="Ask", custom_id="ask")
    async def ask(self, interaction: discord.Interaction, _: discord.ui.Button[Buttons]) -> None:
        await interaction.response.send_modal(Question())


@app_commands.describe(name="its name", channel="where", role="whom")
async def add(
    interaction: discord.Interaction,
    name: str,
    channel: discord.TextChannel | None = None,
    role: discord.Role | None = None,
) -> None:
    assert isinstance(interaction.user, discord.Member)
    may = interaction.permissions.manage_guild
    text = f"{name} in {channel and channel.name} for {role and role.name}, manager: {may}"
    await interaction.response.send_message(text, ephemeral=True, view=Buttons())


@app_commands.describe(watch="which")
async def latest(interaction: discord.Interaction, watch: str = "all") -> None:
    await interaction.response.defer(ephemeral=True)
    await interaction.followup.send(f"the latest of {watch}")
    await interaction.followup.send("and more")


async def slow(interaction: discord.Interaction) -> None:
    assert isinstance(interaction.client, Bot)
    interaction.client.heard.append("slow")


class Bot(discord.Client):
    """The smallest bot that does what wirewatch will."""

    def __init__(self) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True), guild_ready_timeout=0, allowed_mentions=discord.AllowedMentions.none()
        )
        self.tree = app_commands.CommandTree(self)
        self.heard: list[str] = []
        watch = app_commands.Group(
            name="watch", description="Watches", default_permissions=discord.Permissions(manage_guild=True)
        )
        watch.command(name="add", description="Add one")(add)
        self.tree.add_command(watch)
        self.tree.command(name="latest", description="What is new")(latest)
        self.tree.command(name="slow", description="Never answers")(slow)

    async def setup_hook(self) -> None:
        command = self.tree.get_command("latest")
        assert isinstance(command, app_commands.Command)

        @command.autocomplete("watch")
        async def _(_: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
            names = [name for name in ("belarus", "sochi") if name.startswith(typed)]
            return [app_commands.Choice(name=name.title(), value=name) for name in names]

        self.add_view(Buttons())
        await self.tree.sync()

    async def on_guild_channel_update(self, _: discord.abc.GuildChannel, after: discord.abc.GuildChannel) -> None:
        self.heard.append(f"update {after.name}")

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self.heard.append(f"delete {channel.name}")

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        self.heard.append(f"removed {guild.name}")

    async def on_guild_role_create(self, role: discord.Role) -> None:
        self.heard.append(f"role {role.name}")

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Spare the tests the 5 s that discord.py waits before a second IDENTIFY."""

    def place(self, channel_id: int) -> discord.TextChannel:
        found = self.get_channel(channel_id)
        assert isinstance(found, discord.TextChannel)
        return found


@asynccontextmanager
async def running(stand: StandIn) -> AsyncIterator[Bot]:
    bot = Bot()
    task = asyncio.create_task(bot.start(stand.token))
    try:
        await stand.until(lambda: bot.is_ready() or task.done())
        yield bot
    finally:
        await bot.close()
        with contextlib.suppress(Exception):
            await task


@asynccontextmanager
async def judged(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    """A stand-in that discord.py takes for Discord; at the end, all that went over the wire is as Discord describes it."""
    async with StandIn() as stand:
        monkeypatch.setattr(Route, "BASE", stand.api)
        monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(stand.gateway_url))
        yield stand
        spec = description()
        if spec is not None:
            sent = [fault for each in stand.journal.requests for fault in spec.faults_in(each)]
            answered = [fault for each in stand.journal.requests for fault in spec.faults_in_answer(each)]
            assert not sent + answered, sent + answered
        assert not any(stand.token in str(each) for each in stand.journal.requests)


def card(text: str = "A headline", marker: str = "a1b2c3d4e5") -> discord.Embed:
    return discord.Embed(title=text, url="https://news.example/1").set_footer(text=f"wirewatch · {marker}")
