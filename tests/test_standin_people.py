"""The stand-in's gateway and its people, driven by the real discord.py: sessions, commands, clicks, places that come and go."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import discord
import pytest

from tests.standin_bot import Bot, Buttons, card, judged, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.standin import StandIn
    from tests.standin.people import OptionValue


@pytest.fixture
async def stand(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with judged(monkeypatch) as stand:
        yield stand


@pytest.fixture
async def bot(stand: StandIn) -> AsyncIterator[Bot]:
    async with running(stand) as bot:
        yield bot


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
    stand.allow(stand.alerts, "ATTACH_FILES", "CREATE_PUBLIC_THREADS")  # which wirewatch does not ask for
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
