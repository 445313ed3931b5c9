"""The stand-in for Discord, driven by the real discord.py: what it keeps, what it breaks, what it holds against a bot."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import discord
import pytest
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.discord_spec import description
from tests.standin import Fault, StandIn, duplicates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.standin.faults import Form
    from tests.standin.people import OptionValue

SEND = "/channels/*/messages"


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


@pytest.fixture
async def stand(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with StandIn() as stand:
        monkeypatch.setattr(Route, "BASE", stand.api)
        monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(stand.gateway_url))
        yield stand
        spec = description()
        if spec is not None:
            sent = [fault for each in stand.journal.requests for fault in spec.faults_in(each)]
            answered = [fault for each in stand.journal.requests for fault in spec.faults_in_answer(each)]
            assert (sent, answered) == ([], [])
        assert not any(stand.token in str(each) for each in stand.journal.requests)


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


@pytest.fixture
async def bot(stand: StandIn) -> AsyncIterator[Bot]:
    async with running(stand) as bot:
        yield bot


def card(text: str = "A headline", marker: str = "a1b2c3d4e5") -> discord.Embed:
    return discord.Embed(title=text, url="https://news.example/1").set_footer(text=f"wirewatch · {marker}")


async def test_a_bot_logs_in_and_finds_its_guild_and_its_own_rights(stand: StandIn, bot: Bot) -> None:
    guild = bot.get_guild(stand.guild.id)
    assert guild is not None
    place = bot.place(stand.alerts.id)
    assert (guild.name, guild.me.id) == ("Desk", stand.world.bot.id)
    rights = place.permissions_for(guild.me)
    assert rights.send_messages
    assert rights.embed_links
    assert rights.read_message_history
    assert not rights.manage_guild
    assert len(stand.journal.identified_at_s) == 1
    assert {each["name"] for each in stand.world.commands[0]} == {"watch", "latest", "slow"}
    assert stand.violations == []


async def test_what_is_sent_twice_with_one_nonce_is_one_message(stand: StandIn, bot: Bot) -> None:
    place = bot.place(stand.alerts.id)
    first = await place.send(embed=card(), nonce="d123")
    again = await place.send(embed=card(), nonce="d123")
    assert (first.id, first.nonce) == (again.id, "d123")
    assert len(stand.messages(stand.alerts)) == 1
    assert duplicates(stand) == {}


async def test_a_nonce_is_forgotten_when_its_time_is_over_or_it_is_wiped(stand: StandIn, bot: Bot) -> None:
    place = bot.place(stand.alerts.id)
    ids = [(await place.send(embed=card(), nonce="d123")).id]
    stand.clock.advance(stand.world.nonce_window_s + 1)
    ids.append((await place.send(embed=card(), nonce="d123")).id)
    stand.wipe_nonces()
    ids.append((await place.send(embed=card(), nonce="d123")).id)
    assert len(set(ids)) == 3
    assert duplicates(stand) == {"a1b2c3d4e5": [str(each) for each in ids]}


async def test_a_nonce_of_a_deleted_message_is_answered_with_unknown_message(stand: StandIn, bot: Bot) -> None:
    place = bot.place(stand.alerts.id)
    await (await place.send(embed=card(), nonce="d123")).delete()
    with pytest.raises(discord.NotFound) as refusal:
        await place.send(embed=card(), nonce="d123")
    assert refusal.value.code == 10008


async def test_the_history_pages_and_holds_no_nonce(stand: StandIn, bot: Bot) -> None:
    place = bot.place(stand.alerts.id)
    stand.limiter.global_limit = None
    for index in range(130):
        stand.say(stand.alerts, stand.reader, f"line {index}")
    mine = await place.send(embed=card(), nonce="d123")
    seen = [each async for each in place.history(limit=None, after=discord.Object(1))]
    assert len(seen) == 131
    assert [each.id for each in seen] == sorted(each.id for each in seen)
    assert (seen[-1].id, seen[-1].nonce, seen[-1].embeds[0].footer.text) == (mine.id, None, "wirewatch · a1b2c3d4e5")
    assert [each.content async for each in place.history(limit=2, before=mine)] == ["line 129", "line 128"]
    assert len([each async for each in place.history(limit=5, around=mine)]) == 3
    assert [len(each.answer) for each in stand.journal.to("GET", SEND)] == [100, 31, 2, 3]


async def test_without_the_right_to_read_it_the_history_is_empty_and_no_error(stand: StandIn, bot: Bot) -> None:
    place = bot.place(stand.alerts.id)
    await place.send("hello")
    stand.deny(stand.alerts, "READ_MESSAGE_HISTORY")
    assert [each async for each in place.history()] == []


async def test_missing_rights_and_channels_are_refused_with_discords_codes(stand: StandIn, bot: Bot) -> None:
    place = bot.place(stand.alerts.id)

    async def code() -> int:
        with pytest.raises(discord.HTTPException) as refusal:
            await place.send(embed=card())
        return refusal.value.code

    stand.deny(stand.alerts, "EMBED_LINKS")
    assert await code() == 50013
    stand.allow(stand.alerts, "EMBED_LINKS")
    stand.deny(stand.alerts, "SEND_MESSAGES")
    assert await code() == 50013
    stand.deny(stand.alerts, "VIEW_CHANNEL")
    assert await code() == 50001
    await stand.until(lambda: bot.heard.count("update alerts") == 4)
    assert not place.permissions_for(place.guild.me).view_channel
    stand.remove_channel(stand.alerts)
    assert await code() == 10003
    await stand.until(lambda: bot.heard[-1] == "delete alerts")


async def test_what_is_over_a_limit_is_refused_and_kept_as_a_violation(stand: StandIn, bot: Bot) -> None:
    with pytest.raises(discord.HTTPException, match="2001 characters") as refusal:
        await bot.place(stand.alerts.id).send("x" * 2001)
    assert refusal.value.code == 50035
    with pytest.raises(discord.HTTPException) as refusal:
        await bot.place(stand.alerts.id).send("")
    assert refusal.value.code == 50006
    assert stand.violations == ["lint: content: 2001 characters, at most 2000", "lint: content: an empty message"]


@pytest.mark.parametrize("form", ["route", "global", "shared"])
async def test_a_429_is_obeyed_and_the_message_comes_once(stand: StandIn, bot: Bot, form: Form) -> None:
    fault = stand.fail(Fault("429", "POST", SEND, form=form, retry_after_s=0.2))
    began = time.monotonic()
    await bot.place(stand.alerts.id).send("hello", nonce="d1")
    assert time.monotonic() - began > 0.19
    assert fault.hits == 1
    assert len(stand.messages(stand.alerts)) == 1
    assert stand.journal.invalid_requests == (0 if form == "shared" else 1)
    assert stand.violations == []


async def test_a_ban_by_cloudflare_reaches_the_caller_and_coming_back_early_is_a_violation(
    stand: StandIn, bot: Bot
) -> None:
    stand.fail(Fault("429", "POST", SEND, form="cloudflare", retry_after_s=0.3))
    place = bot.place(stand.alerts.id)
    for _ in range(2):
        with pytest.raises(discord.HTTPException) as refusal:
            await place.send("hello")
        assert refusal.value.status == 429
        await asyncio.sleep(0.08)
    assert [each.split(":")[0] for each in stand.violations] == ["early"]
    await asyncio.sleep(0.3)
    await place.send("hello")


async def test_a_bucket_that_is_used_up_makes_discord_py_wait_by_itself(stand: StandIn, bot: Bot) -> None:
    stand.limit("POST", SEND, 2, 0.3)
    place = bot.place(stand.alerts.id)
    for index in range(5):
        await place.send(f"line {index}")
    assert stand.journal.statuses[429] == 0
    assert len(stand.messages(stand.alerts)) == 5


async def test_a_502_is_repeated_with_the_same_nonce_even_if_the_message_was_taken(stand: StandIn, bot: Bot) -> None:
    stand.fail(Fault("status", "POST", SEND, status=502, accept=True))
    await bot.place(stand.alerts.id).send("hello")
    first, second = stand.journal.to("POST", SEND)
    assert first.body["nonce"] == second.body["nonce"]
    assert len(stand.messages(stand.alerts)) == 1


@pytest.mark.parametrize(
    ("fault", "error", "posted"),
    [
        (Fault("status", "POST", SEND, status=503), discord.DiscordServerError, 0),
        (Fault("status", "POST", SEND, status=403, code=50013), discord.Forbidden, 0),
        (Fault("cut", "POST", SEND), aiohttp.ClientOSError, 1),
        (Fault("close", "POST", SEND), aiohttp.ServerDisconnectedError, 1),
        (Fault("refuse", "POST", SEND), aiohttp.ServerDisconnectedError, 0),
        (Fault("cut_body", "POST", SEND), aiohttp.ClientPayloadError, 1),
        (Fault("wrong_type", "POST", SEND), Exception, 1),
        (Fault("hang", "POST", SEND), TimeoutError, 0),
        (Fault("hang", "POST", SEND, accept=True), TimeoutError, 1),
        (Fault("delay", "POST", SEND, seconds=0.4), TimeoutError, 1),
    ],
    ids=lambda value: f"{value.kind}-{value.accept}" if isinstance(value, Fault) else None,
)
async def test_after_a_fault_the_message_is_there_or_not_as_the_fault_says(
    stand: StandIn, bot: Bot, fault: Fault, error: type[Exception], posted: int
) -> None:
    stand.fail(fault)
    with pytest.raises(error):
        async with asyncio.timeout(0.2):
            await bot.place(stand.alerts.id).send("hello", nonce="d1")
    await asyncio.sleep(0.3 if fault.kind == "delay" else 0)
    assert len(stand.messages(stand.alerts)) == posted
    await bot.place(stand.alerts.id).send("hello", nonce="d1")
    assert len(stand.messages(stand.alerts)) == 1


async def test_a_dropped_gateway_is_resumed_and_what_was_missed_is_replayed(stand: StandIn, bot: Bot) -> None:
    await stand.gateway.drop(4000)
    asked = await stand.slash("latest")
    await stand.until(lambda: asked.followups)
    assert asked.text == "the latest of all\nand more"
    assert len(stand.journal.resumed_at_s) == 1
    assert len(stand.journal.identified_at_s) == 1
    await stand.gateway.reconnect()
    await stand.until(lambda: len(stand.journal.resumed_at_s) == 2)
    assert bot.is_ready()


async def test_a_session_that_is_invalid_is_begun_anew(stand: StandIn, bot: Bot) -> None:
    stand.gateway.forget()
    await stand.gateway.drop(4000)
    await stand.until(lambda: len(stand.journal.identified_at_s) == 2)
    await stand.connected()
    assert (await stand.slash("latest")).answered
    await stand.gateway.invalidate(resumable=True)
    await stand.until(lambda: len(stand.journal.resumed_at_s) == 1)
    assert bot.is_ready()


async def test_a_first_connection_that_is_refused_ends_discord_py(stand: StandIn) -> None:
    stand.gateway.refuse(1, "502")
    bot = Bot()
    with pytest.raises(AttributeError):
        await asyncio.wait_for(bot.start(stand.token), 10)
    await bot.close()
    async with running(stand) as second:
        assert second.is_ready()
    assert (stand.gateway.connections, len(stand.journal.identified_at_s)) == (2, 1)


async def test_a_wrong_token_is_refused(stand: StandIn) -> None:
    bot = Bot()
    with pytest.raises(discord.LoginFailure):
        await bot.start("a.wrong.token")
    await bot.close()
    assert stand.journal.statuses[401] == 1


async def test_a_command_brings_its_channel_its_role_and_the_rights_of_who_asks(stand: StandIn, bot: Bot) -> None:
    options: dict[str, OptionValue] = {"name": "Belarus", "channel": stand.alerts, "role": stand.desk}
    asked = await stand.slash("watch add", options)
    assert asked.text == "Belarus in alerts for Belarus desk, manager: True"
    assert asked.ephemeral
    assert asked.answered_after_s is not None
    assert asked.answered_after_s < 3
    assert stand.messages() == []
    with pytest.raises(PermissionError):
        await stand.slash("watch add", {"name": "x"}, by=stand.reader)
    asked = await stand.slash("watch add", {"name": "x"}, by=stand.reader, force=True)
    assert asked.text.endswith("manager: False")
    assert bot.is_ready()


async def test_people_cannot_send_what_the_discord_client_would_not(stand: StandIn, bot: Bot) -> None:
    with pytest.raises(LookupError):
        await stand.slash("nothing")
    with pytest.raises(LookupError):
        await stand.slash("watch")
    with pytest.raises(LookupError):
        await stand.slash("latest", {"wach": "x"})
    with pytest.raises(ValueError, match="name is required"):
        await stand.slash("watch add")
    with pytest.raises(ValueError, match="wrong type"):
        await stand.slash("watch add", {"name": 3})
    assert bot.is_ready()


async def test_a_deferred_answer_takes_its_first_follow_up_and_its_privacy(stand: StandIn, bot: Bot) -> None:
    asked = await stand.slash("latest", {"watch": "sochi"})
    assert (await asked.wait()).deferred
    await stand.until(lambda: asked.followups)
    assert asked.ephemeral
    assert asked.text == "the latest of sochi\nand more"
    assert bot.is_ready()


async def test_autocomplete_offers_what_the_bot_knows(stand: StandIn, bot: Bot) -> None:
    asked = await stand.autocomplete("latest", "watch", "so")
    assert asked.choices == [{"name": "Sochi", "value": "sochi"}]
    assert bot.is_ready()


async def test_a_button_changes_its_message_and_opens_a_modal(stand: StandIn, bot: Bot) -> None:
    await bot.place(stand.alerts.id).send("hello", view=Buttons())
    message = stand.messages(stand.alerts)[0]
    pressed = await stand.click(message, "change")
    assert (pressed.text, message.content) == ("changed", "changed")
    opened = await stand.click(message, "ask")
    assert opened.modal is not None
    said = await stand.submit(opened, {"answer": "yes"})
    assert (said.text, said.ephemeral) == ("you said yes", True)
    with pytest.raises(LookupError):
        await stand.click(message, "nothing")


async def test_a_command_that_nobody_answers_is_a_violation(stand: StandIn, bot: Bot) -> None:
    stand.interaction_deadline_s = 0.2
    asked = await stand.slash("slow")
    assert not asked.answered
    assert bot.heard == ["slow"]
    assert stand.violations == ["late: /slow: no answer within 0.2 s"]


async def test_a_role_is_pinged_only_where_allowed(stand: StandIn, bot: Bot) -> None:
    place, desk = bot.place(stand.alerts.id), discord.Object(stand.desk.id)
    text = f"<@&{stand.desk.id}> <@{stand.reader.id}> @everyone"
    await place.send(text)
    assert stand.journal.pings == []
    await place.send(text, allowed_mentions=discord.AllowedMentions(everyone=False, users=False, roles=[desk]))
    assert [(each.roles, each.users, each.everyone) for each in stand.journal.pings] == [((stand.desk.id,), (), False)]


async def test_files_edits_and_threads_are_kept(stand: StandIn, bot: Bot) -> None:
    place = bot.place(stand.alerts.id)
    embed = card().set_image(url="attachment://chart.png")
    sent = await place.send(embed=embed, file=discord.File(io.BytesIO(b"png"), "chart.png"))
    assert sent.embeds[0].image.url is not None
    assert sent.embeds[0].image.url.startswith("https://cdn.discordapp.com/")
    await sent.edit(content="also: another outlet")
    assert stand.messages(stand.alerts)[0].edits[0]["content"] == "also: another outlet"
    thread = await sent.create_thread(name="Story")
    await thread.send("in the thread")
    stand.archive(stand.guild.channels[thread.id], locked=True)
    with pytest.raises(discord.HTTPException) as refusal:
        await thread.send("too late")
    assert refusal.value.code == 50083
    reply = await sent.reply("more")
    assert reply.reference is not None
    assert reply.reference.message_id == sent.id


async def test_roles_guilds_and_channels_come_and_go(stand: StandIn, bot: Bot) -> None:
    stand.add_role(stand.guild, "Night desk")
    other = stand.add_guild("Other")
    await stand.until(lambda: bot.get_guild(other.id))
    forum = stand.add_channel(stand.guild, "stories", "forum", tag_required=True)
    await stand.until(lambda: bot.get_channel(forum.id))
    place = bot.get_channel(forum.id)
    assert isinstance(place, discord.ForumChannel)
    with pytest.raises(discord.HTTPException) as refusal:
        await place.create_thread(name="A story", content="text")
    assert refusal.value.code == 40067
    await place.create_thread(name="A story", content="text", applied_tags=place.available_tags)
    stand.remove_guild(other)
    await stand.until(lambda: bot.heard[-1:] == ["removed Other"])
    assert "role Night desk" in bot.heard
