"""Discord's answers and what they mean to a delivery: refused, closed, unknown, to be looked for. In this process, over real sockets."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import discord
import pytest

from bot.errors import DeliveryError
from cogs import _pace
from cogs._client import voice_of
from tests.discord_lint import faults_in
from tests.outlet_fakes import Desk, opened
from tests.standin import Fault, StandIn
from tests.standin_bot import judged
from tests.wire_fakes import SEND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def stand(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with judged(monkeypatch) as stand:
        yield stand
        assert stand.violations == []


@pytest.fixture
async def desk(stand: StandIn) -> AsyncIterator[Desk]:
    async with opened(stand) as desk:
        yield desk


async def test_a_post_gives_its_receipt_and_an_edit_shows_the_better_card(stand: StandIn, desk: Desk) -> None:
    message_id = await desk.outlet.post(desk.delivery())
    assert message_id is not None
    better = replace(desk.delivery().card, headline="Council agrees after all")
    await desk.outlet.edit(replace(desk.delivery(), kind="edit", card=better, message_id=message_id))
    (message,) = stand.messages(stand.alerts)
    assert (message.id, message.body["embeds"][0]["title"]) == (message_id, "Council agrees after all")


async def test_an_edit_of_what_is_gone_is_dropped(stand: StandIn, desk: Desk) -> None:
    message_id = await desk.outlet.post(desk.delivery())
    stand.delete_message(stand.messages(stand.alerts)[0])
    await desk.outlet.edit(desk.delivery(kind="edit", message_id=message_id))
    await desk.outlet.edit(desk.delivery(kind="edit", message_id=None))


@pytest.mark.parametrize(
    ("status", "code", "again", "closed", "unknown"),
    [
        (403, 50001, True, True, False),
        (403, 50013, True, True, False),
        (404, 10003, True, True, False),
        (400, 50083, True, True, False),
        (400, 50008, True, True, False),
        (400, 50024, True, True, False),
        (403, 160005, True, True, False),
        (403, 99999, True, True, False),
        (403, 0, True, False, False),
        (403, 40333, True, False, False),
        (404, 0, True, False, False),
        (400, 0, True, False, False),
        (408, 0, True, False, False),
        (425, 0, True, False, False),
        (400, 20028, True, False, False),
        (400, 99999, False, False, False),
        (503, 0, True, False, True),
    ],
)
async def test_what_an_answer_means(
    stand: StandIn, desk: Desk, *, status: int, code: int, again: bool, closed: bool, unknown: bool
) -> None:
    stand.fail(Fault("status", "POST", SEND, status=status, code=code))
    met = await desk.failure(desk.delivery())
    assert (met.again, met.closed, met.unknown) == (again, closed, unknown)
    assert met.standing == ("as it is" if closed else "")
    assert met.after_s == (60.0 if code == 20028 else None)


async def test_a_proxy_that_refuses_again_and_again_closes_the_channel_but_not_after_answers_of_another_kind(
    stand: StandIn, desk: Desk
) -> None:
    stand.fail(Fault("status", "POST", SEND, status=503, times=5))
    for attempts in range(1, 6):
        assert not (await desk.failure(desk.delivery(attempts=attempts))).closed
    stand.fail(Fault("status", "POST", SEND, status=403, times=5))
    met = [await desk.failure(desk.delivery(attempts=attempts)) for attempts in range(6, 11)]
    assert [(one.again, one.closed) for one in met] == [(True, False)] * 4 + [(True, True)]


async def test_a_refusal_after_a_502_leaves_open_whether_it_arrived(stand: StandIn, desk: Desk) -> None:
    stand.fail(Fault("status", "POST", SEND, status=502, accept=True))
    stand.fail(Fault("status", "POST", SEND, status=403, code=50013))
    met = await desk.failure(desk.delivery())
    assert (met.closed, met.unknown) == (True, True)


async def test_a_card_that_is_refused_goes_out_as_text(
    stand: StandIn, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    stand.fail(Fault("status", "POST", SEND, status=400, code=50035))
    with caplog.at_level(logging.ERROR):
        assert await desk.outlet.post(desk.delivery())
    (message,) = stand.messages(stand.alerts)
    assert "Council agrees on sanctions" in message.body["content"]
    assert "wirewatch · dabcdefghi" in message.body["content"]
    assert faults_in(message.body) == []


@pytest.mark.parametrize(("asked_s", "rests_s"), [(60, 60), (0, 180)])
async def test_an_answer_of_cloudflare_stops_all_sends_for_as_long_as_it_says(
    stand: StandIn, desk: Desk, asked_s: float, rests_s: float
) -> None:
    stand.fail(Fault("429", "POST", SEND, form="cloudflare", retry_after_s=asked_s))
    met = await desk.failure(desk.delivery())
    assert (met.unknown, met.again) == (False, True)
    assert met.after_s == pytest.approx(rests_s, abs=1)
    asked = len(stand.journal.requests)
    met = await desk.failure(desk.delivery(channel_id=stand.general.id))
    assert (met.again, met.unknown) == (True, False)
    assert met.after_s == pytest.approx(rests_s, abs=1)
    assert len(stand.journal.requests) == asked
    assert len(desk.said) == 1


async def test_a_429_of_discords_own_rests_its_channel_alone_for_as_long_as_it_says(stand: StandIn, desk: Desk) -> None:
    """Without the header by which discord.py knows its own, or five times in a row: it hands both up as if they were a ban."""
    path = f"/channels/{stand.alerts.id}/messages"
    for faults in ([Fault("429", "POST", path, form="bare", retry_after_s=0.4)], [_limits(path) for _ in range(5)]):
        for fault in faults:
            stand.fail(fault)
        met = await desk.failure(desk.delivery())
        assert (met.unknown, met.again, met.closed) == (False, True, False)
        assert met.after_s is not None
        assert 0 < met.after_s <= 0.4
        again = await desk.failure(desk.delivery())
        assert again.after_s is not None
        assert again.after_s <= met.after_s
        assert await desk.outlet.post(desk.delivery(channel_id=stand.general.id, nonce=f"dother{len(faults)}"))
        await asyncio.sleep(met.after_s)
    assert await desk.outlet.post(desk.delivery())
    assert desk.said == []


def _limits(path: str) -> Fault:
    return Fault("429", "POST", path, form="route", retry_after_s=0.05)


async def test_limits_that_add_up_to_more_than_the_network_may_take_are_slept_out(stand: StandIn) -> None:
    async with opened(stand, answer_s=0.5) as desk:
        for _ in range(3):
            stand.fail(Fault("429", "POST", SEND, form="global", retry_after_s=0.3))
        others = [desk.delivery(channel_id=stand.general.id, nonce=f"dnonce{n}") for n in range(3)]
        assert all(await asyncio.gather(*(desk.outlet.post(one) for one in (desk.delivery(), *others))))
    assert len(stand.messages()) == 4


async def test_what_takes_the_network_longer_than_it_may_is_in_doubt_and_the_next_goes_out(stand: StandIn) -> None:
    async with opened(stand, answer_s=0.3) as desk:
        stand.fail(Fault("hang", "POST", SEND, seconds=5, accept=True))
        met = await desk.failure(desk.delivery())
        assert (met.again, met.unknown) == (True, True)
        assert await desk.outlet.post(desk.delivery(nonce="dother"))


async def test_a_limit_that_is_too_long_to_sleep_out_leaves_everything_alone_for_as_long(stand: StandIn) -> None:
    async with opened(stand, limit_s=0.2) as desk:
        stand.fail(Fault("429", "POST", SEND, form="global", retry_after_s=0.8))
        met = await desk.failure(desk.delivery())
        assert met.after_s == pytest.approx(0.8, abs=0.1)
        met = await desk.failure(desk.delivery(channel_id=stand.general.id))
        assert met.after_s is not None
        assert 0 < met.after_s <= 0.8
        await asyncio.sleep(met.after_s)
        assert await desk.outlet.post(desk.delivery(channel_id=stand.general.id))


async def test_a_long_limit_after_a_502_leaves_open_whether_it_arrived(stand: StandIn) -> None:
    async with opened(stand, limit_s=0.2) as desk:
        stand.fail(Fault("status", "POST", SEND, status=502, accept=True))
        stand.fail(Fault("429", "POST", SEND, form="route", retry_after_s=0.5))
        met = await desk.failure(desk.delivery())
        assert (met.again, met.unknown) == (True, True)
        assert met.after_s == pytest.approx(0.5, abs=0.1)


async def test_a_reply_where_the_history_may_not_be_read_is_posted_without_the_reply(
    stand: StandIn, desk: Desk
) -> None:
    first = await desk.outlet.post(desk.delivery())
    stand.deny(stand.alerts, "READ_MESSAGE_HISTORY")
    assert await desk.outlet.post(desk.delivery(nonce="danswer", reply_to_message_id=first))
    assert len(stand.messages(stand.alerts)) == 2


async def test_too_many_refused_requests_stop_all_sends(
    stand: StandIn, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pace, "INVALID_MOST", 3)
    stand.fail(Fault("status", "POST", SEND, status=403, code=50013, times=3))
    for _ in range(4):
        await desk.failure(desk.delivery())
    assert desk.outlet.invalid.count == 3
    assert stand.journal.invalid_requests == 3
    assert "nothing is sent" in desk.said[0]


async def test_a_backlog_stays_within_what_discord_allows_a_second(stand: StandIn, desk: Desk) -> None:
    channels = [stand.add_channel(stand.guild, f"desk-{number}").id for number in range(20)]
    await asyncio.gather(
        *(desk.outlet.post(desk.delivery(channel_id=channels[n % 20], nonce=f"d{n:09d}xxxx")) for n in range(110))
    )
    assert stand.journal.statuses[429] == 0
    assert len(stand.messages()) == 110


async def test_a_token_that_is_revoked_is_told_to_whoever_runs_us(stand: StandIn, desk: Desk) -> None:
    await desk.outlet.post(desk.delivery())
    stand.fail(Fault("status", "POST", SEND, status=401))
    assert (await desk.failure(desk.delivery(nonce="dother"))).again
    assert "Discord refuses the token" in str(desk.refused[0])


async def test_what_is_in_doubt_and_stands_there_is_adopted_even_if_the_nonce_is_forgotten(
    stand: StandIn, desk: Desk
) -> None:
    message_id = await desk.outlet.post(desk.delivery())
    stand.wipe_nonces()
    desk.now = discord.utils.utcnow()
    assert await desk.outlet.post(desk.doubtful(minutes=5)) == message_id
    assert len(stand.messages(stand.alerts)) == 1


async def test_what_is_in_doubt_and_does_not_stand_there_is_posted(stand: StandIn, desk: Desk) -> None:
    stand.say(stand.alerts, stand.reader, "hello")
    desk.now = discord.utils.utcnow()
    assert await desk.outlet.post(desk.doubtful(minutes=5))
    (_, message) = stand.messages(stand.alerts)
    assert "repeat" not in message.body["embeds"][0]["footer"]["text"]


async def test_nobody_elses_message_is_adopted_and_ours_is_found_behind_others(stand: StandIn, desk: Desk) -> None:
    stand.say(stand.alerts, stand.reader, "wirewatch · dabcdefghi")
    for number in range(3):
        stand.say(stand.alerts, stand.reader, f"talk {number}")
    message_id = await desk.outlet.post(desk.delivery())
    stand.wipe_nonces()
    desk.now = discord.utils.utcnow()
    assert await desk.outlet.post(desk.doubtful(minutes=5)) == message_id
    stand.delete_message(next(one for one in stand.messages(stand.alerts) if one.id == message_id))
    stand.wipe_nonces()
    assert await desk.outlet.post(desk.doubtful(minutes=5)) not in {None, message_id}


async def test_a_young_doubt_goes_out_under_its_nonce_while_the_history_cannot_be_had(
    stand: StandIn, desk: Desk
) -> None:
    message_id = await desk.outlet.post(desk.delivery())
    stand.fail(Fault("status", "GET", SEND, status=503, times=-1))
    desk.now = discord.utils.utcnow()
    assert await desk.outlet.post(desk.doubtful(seconds=20)) == message_id
    assert len(stand.messages(stand.alerts)) == 1


async def test_an_old_doubt_waits_for_the_history_but_not_for_ever(stand: StandIn) -> None:
    async with opened(stand, history_s=0.3) as desk:
        stand.fail(Fault("status", "GET", SEND, status=503, times=-1))
        desk.now = discord.utils.utcnow()
        assert (await desk.failure(desk.doubtful(minutes=5))).again
        assert stand.messages(stand.alerts) == []
        await asyncio.sleep(0.3)
        assert await desk.outlet.post(desk.doubtful(minutes=5))
    assert stand.messages(stand.alerts)[0].body["embeds"][0]["footer"]["text"].endswith("may be a repeat")


async def test_where_the_history_may_not_be_read_an_old_doubt_is_posted_as_a_possible_repeat(
    stand: StandIn, desk: Desk
) -> None:
    stand.say(stand.alerts, stand.reader, "hello")
    stand.deny(stand.alerts, "READ_MESSAGE_HISTORY")
    desk.now = discord.utils.utcnow()
    met = await desk.failure(desk.doubtful(minutes=5))
    assert met.unknown, "the gateway has not said yet what the bot may do"
    desk.rights = discord.Permissions(send_messages=True)
    assert await desk.outlet.post(desk.doubtful(minutes=5))
    assert stand.messages(stand.alerts)[-1].body["embeds"][0]["footer"]["text"].endswith("may be a repeat")


async def test_in_an_empty_channel_whose_history_may_be_read_nothing_is_a_repeat(stand: StandIn, desk: Desk) -> None:
    desk.now = discord.utils.utcnow()
    desk.rights = discord.Permissions(send_messages=True, read_message_history=True)
    assert await desk.outlet.post(desk.doubtful(minutes=5))
    assert stand.messages(stand.alerts)[0].body["embeds"][0]["footer"]["text"] == "wirewatch · dabcdefghi"


async def test_what_was_posted_and_then_deleted_is_settled(stand: StandIn, desk: Desk) -> None:
    await desk.outlet.post(desk.delivery())
    stand.delete_message(stand.messages(stand.alerts)[0])
    desk.now = discord.utils.utcnow()
    assert await desk.outlet.post(desk.doubtful(seconds=5)) is None
    assert stand.messages(stand.alerts) == []


async def test_operators_are_told_once_under_one_nonce_and_nothing_of_it_is_live(stand: StandIn, desk: Desk) -> None:
    for _ in range(2):
        await desk.outlet.tell_operators("the feed <@1> @everyone is broken", nonce="o1")
    (message,) = stand.messages(stand.log)
    assert message.body["content"] == "the feed <\u200b@\u200b1\\> @\u200beveryone is broken"
    stand.remove_channel(stand.log)
    with pytest.raises(DeliveryError, match="it is gone"):
        await desk.outlet.tell_operators("more", nonce="o2")
    desk.outlet.log_channel = 0
    await desk.outlet.tell_operators("more", nonce="o2")


async def test_a_login_that_fails_fails_once_for_all_who_wait_and_is_tried_again_with_the_next_delivery(
    stand: StandIn, desk: Desk
) -> None:
    stand.fail(Fault("status", "GET", "/users/@me", status=503))
    met = await asyncio.gather(desk.failure(desk.delivery()), desk.failure(desk.delivery(channel_id=stand.general.id)))
    assert [(one.again, one.unknown, one.after_s) for one in met] == [(True, False, None)] * 2
    stand.fail(Fault("429", "GET", "/users/@me", form="cloudflare", retry_after_s=1))
    limited = await desk.failure(desk.delivery())
    assert (limited.again, limited.unknown) == (True, False)
    assert limited.after_s == pytest.approx(1, abs=0.1)
    await asyncio.sleep(1)
    assert await desk.outlet.post(desk.delivery())


def test_a_voice_is_the_bots_id_and_outlives_its_token() -> None:
    assert voice_of("MTIzNDU2.aaa.bbb") == voice_of("MTIzNDU2.ccc.ddd") == "123456"
    assert voice_of("!!.x") == voice_of("!!.y") != voice_of("??.y")


async def test_after_a_stall_nobody_catches_up(desk: Desk) -> None:
    left = list[float]()

    async def go() -> None:
        await desk.outlet._pace.turn(("POST", 1))
        left.append(time.monotonic())

    going = [asyncio.create_task(go()) for _ in range(20)]
    await asyncio.sleep(0.1)
    time.sleep(0.3)  # noqa: ASYNC251 - the stall
    before, stalled_until_s = len(left), time.monotonic()
    await asyncio.gather(*going)
    assert left[-1] - stalled_until_s >= (20 - before - 1) / 40
