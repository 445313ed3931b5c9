"""The stand-in's REST, driven by the real discord.py: what it keeps, what it breaks, what it holds against a bot."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp
import discord
import pytest

from tests.standin import Fault, StandIn, duplicates
from tests.standin_bot import Bot, card, judged, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.standin.faults import Form

SEND = "/channels/*/messages"


@pytest.fixture
async def stand(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with judged(monkeypatch) as stand:
        yield stand


@pytest.fixture
async def bot(stand: StandIn) -> AsyncIterator[Bot]:
    async with running(stand) as bot:
        yield bot


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
    stand.fail(Fault("429", "POST", SEND, form="cloudflare", retry_after_s=0.6))
    place = bot.place(stand.alerts.id)
    for _ in range(2):
        with pytest.raises(discord.HTTPException) as refusal:
            await place.send("hello")
        assert refusal.value.status == 429
        await asyncio.sleep(0.08)
    assert [each.split(":")[0] for each in stand.violations] == ["early"]
    await asyncio.sleep(0.6)
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
        async with asyncio.timeout(0.2 if error is TimeoutError else 10):
            await bot.place(stand.alerts.id).send("hello", nonce="d1")
    if posted:
        await stand.until(lambda: stand.messages(stand.alerts))
    assert len(stand.messages(stand.alerts)) == posted
    await bot.place(stand.alerts.id).send("hello", nonce="d1")
    assert len(stand.messages(stand.alerts)) == 1
