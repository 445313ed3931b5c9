"""Promise 4 at wire level: kill -9, restarts, and everything that Discord can answer or not answer; nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import pytest

from tests.fakes import until
from tests.standin import Fault
from tests.wire_fakes import SANCTIONS, SEND, Desk, desk_in, titles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


def made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


@asynccontextmanager
async def open_desk(folder: Path) -> AsyncIterator[Desk]:
    """Open a desk with two channels that hear of the same."""
    async with desk_in(made(folder)) as opened:
        opened.watch("One", SANCTIONS, opened.discord.alerts)
        opened.watch("Two", SANCTIONS, opened.discord.general)
        opened.configure()
        yield opened


ONCE = ["First sanctions", "Second sanctions"]


async def told_once(desk: Desk, *, limit_s: float = 25.0) -> None:
    """Wait until both channels were told of both articles, and make sure that it was once."""
    await desk.settled(4, limit_s=limit_s)
    for channel in (desk.discord.alerts, desk.discord.general):
        assert titles(desk.discord.messages(channel)) == ONCE


async def test_4_whatever_is_answered_for_a_while_each_channel_is_told_once(desk: Desk) -> None:
    """One life through all of it, two channels and two faults for each article."""
    faults = [  # in pairs; discord.py repeats after a 429 of its route even while another one forbids everything, so these stay apart
        Fault("429", "POST", SEND, form="global", retry_after_s=0.3),
        Fault("cut", "POST", SEND),
        Fault("429", "POST", SEND, form="route", retry_after_s=0.3),
        Fault("status", "POST", SEND, status=503),
        Fault("429", "POST", SEND, form="shared", retry_after_s=0.3),
        Fault("status", "POST", SEND, status=503, accept=True),
        Fault("close", "POST", SEND),
        Fault("refuse", "POST", SEND),
        Fault("cut_body", "POST", SEND),
        Fault("wrong_type", "POST", SEND),
    ]
    async with desk.bot() as bot:
        for number, fault in enumerate(faults):
            desk.discord.fail(fault)
            if number % 2:
                desk.publish(f"Sanctions, part {number // 2}")
                await desk.settled(number + 1, limit_s=30)
        assert [fault.hits for fault in faults] == [1] * len(faults)
        assert await bot.stop() == 0
    for channel in (desk.discord.alerts, desk.discord.general):
        assert titles(desk.discord.messages(channel)) == [f"Sanctions, part {n}" for n in range(len(faults) // 2)]
    assert desk.discord.journal.invalid_requests < 100


async def test_4_a_502_after_which_the_message_is_there_is_one_message(desk: Desk) -> None:
    desk.discord.fail(Fault("status", "POST", SEND, status=502, accept=True, times=2))
    async with desk.bot():
        desk.publish(ONCE[0])
        desk.publish(ONCE[1])
        await told_once(desk)


async def test_4_a_slow_channel_holds_up_no_other(desk: Desk) -> None:
    slow = desk.discord.fail(Fault("hang", "POST", f"/channels/{desk.discord.alerts.id}/messages", seconds=20))
    async with desk.bot() as bot:
        desk.publish(ONCE[0])
        await until(lambda: slow.hits > 0)
        desk.publish(ONCE[1])
        await desk.posted(2, desk.discord.general)
        assert desk.discord.messages(desk.discord.alerts) == []
        await bot.kill()
    async with desk.bot():
        await told_once(desk)


async def test_4_alerts_go_out_while_the_gateway_refuses_and_it_is_reached_in_the_end(tmp_path: Path) -> None:
    async def refused(how: Literal["502", "reset"]) -> None:
        async with open_desk(tmp_path / how) as desk:
            desk.discord.gateway.refuse(2, how)
            async with desk.bot(connected=False):
                desk.publish(ONCE[0])
                await desk.posted(1)
                await desk.posted(1, desk.discord.general)
                await desk.discord.connected(30)
                desk.publish(ONCE[1])
                await told_once(desk)

    await asyncio.gather(refused("502"), refused("reset"))


async def test_4_a_connection_that_is_cut_is_resumed_and_a_forgotten_session_begun_anew(desk: Desk) -> None:
    async with desk.bot() as bot:
        await desk.discord.gateway.drop()
        desk.publish(ONCE[0])
        await until(lambda: len(desk.discord.journal.resumed_at_s) > 0)
        assert len(desk.discord.journal.identified_at_s) == 1
        desk.discord.gateway.forget()
        await desk.discord.gateway.drop(4000)
        desk.publish(ONCE[1])
        await told_once(desk)
        await until(
            lambda: len(desk.discord.journal.identified_at_s) == 2 and desk.discord.gateway.connected, limit_s=30
        )
        assert bot.process.returncode is None


async def test_4_killed_between_the_send_and_its_record_it_is_told_once(tmp_path: Path) -> None:
    """Whether Discord had taken the message or not, and whether or not it still remembers nonces when the bot is back."""

    async def killed(*, forgets: bool, accepted: bool) -> None:
        async with open_desk(tmp_path / f"{forgets}-{accepted}") as desk:
            fault = desk.discord.fail(Fault("hang", "POST", SEND, times=2, seconds=20, accept=accepted))
            async with desk.bot() as bot:
                desk.publish(ONCE[0])
                await until(lambda: fault.hits == 2)
                await bot.kill()
            if forgets:
                desk.discord.wipe_nonces()
            async with desk.bot():
                desk.publish(ONCE[1])
                await told_once(desk)
            assert len(desk.discord.messages()) == 4

    cases = [(forgets, accepted) for forgets in (False, True) for accepted in (False, True)]
    await asyncio.gather(*(killed(forgets=forgets, accepted=accepted) for forgets, accepted in cases))


async def test_4_without_the_right_to_read_the_history_the_nonce_alone_keeps_it_from_coming_twice(desk: Desk) -> None:
    desk.discord.deny(desk.discord.alerts, "READ_MESSAGE_HISTORY")
    fault = desk.discord.fail(
        Fault("hang", "POST", f"/channels/{desk.discord.alerts.id}/messages", seconds=20, accept=True)
    )
    async with desk.bot() as bot:
        desk.publish(ONCE[0])
        await until(lambda: fault.hits > 0)
        await bot.kill()
    async with desk.bot():
        desk.publish(ONCE[1])
        await told_once(desk)


async def test_4_what_a_moderator_deleted_while_it_was_down_is_not_posted_again(desk: Desk) -> None:
    path = f"/channels/{desk.discord.alerts.id}/messages"
    fault = desk.discord.fail(Fault("hang", "POST", path, seconds=20, accept=True))
    async with desk.bot() as bot:
        desk.publish(ONCE[0])
        await until(lambda: fault.hits > 0)
        await bot.kill()
    (message,) = desk.discord.messages(desk.discord.alerts)
    desk.discord.delete_message(message)
    async with desk.bot():
        desk.publish(ONCE[1])
        await desk.settled(4)
    assert titles(desk.discord.messages(desk.discord.alerts)) == ONCE[1:]


async def test_4_commands_are_registered_once_and_not_at_every_start(desk: Desk) -> None:
    for _ in range(2):
        async with desk.bot() as bot:
            await desk.discord.connected()
            assert await bot.stop() == 0
    assert len(desk.discord.journal.to("PUT", "/applications/*/commands")) == 1


async def test_late_alerts_of_a_channel_come_in_one_message_without_pings(desk: Desk) -> None:
    desk.head = "[alerts]\nlate_after = '60s'"
    desk.watches.clear()
    desk.watch("One", SANCTIONS, desk.discord.alerts, desk.discord.desk.id)
    desk.configure()
    down = desk.discord.fail(Fault("refuse", "*", "*", times=-1))
    async with desk.bot(connected=False) as bot:
        for number in range(4):
            desk.publish(f"Sanctions, part {number}")
        await until(lambda: desk.count("SELECT count(*) FROM alerts") == 4)
        assert await bot.stop() == 0
    desk.set_back(hours=7)
    down.times = 0
    async with desk.bot():
        await desk.settled(4)
        (message,) = desk.discord.messages(desk.discord.alerts)
    assert titles([message]) == [f"Sanctions, part {number}" for number in range(4)]
    assert "Late" in message.body["content"]
    assert desk.discord.journal.pings == []
