"""What the outlet takes care of beside the posting itself: whom an edit pings, what a lost reply costs, clocks that differ, the ban."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp
import discord
import pytest

from cogs import _outlet
from tests.outlet_fakes import Desk, opened
from tests.standin import Fault, StandIn
from tests.standin_bot import judged
from tests.wire_fakes import SEND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOBODY: dict[str, list[str]] = {"parse": []}


@pytest.fixture
async def stand(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with judged(monkeypatch) as stand:
        yield stand
        assert stand.violations == []


@pytest.fixture
async def desk(stand: StandIn) -> AsyncIterator[Desk]:
    async with opened(stand) as desk:
        yield desk


async def test_an_edit_pings_nobody_whatever_its_card_would_ping(stand: StandIn, desk: Desk) -> None:
    message_id = await desk.outlet.post(desk.delivery())
    card = replace(desk.delivery().card, mentions=(stand.desk.id,))
    await desk.outlet.edit(desk.delivery(kind="edit", card=card, message_id=message_id))
    (edit,) = stand.journal.to("PATCH", f"{SEND}/*")
    assert edit.body["allowed_mentions"] == NOBODY
    assert stand.journal.pings == []


async def test_an_answer_to_a_message_that_is_gone_is_a_message_of_its_own(stand: StandIn, desk: Desk) -> None:
    first = await desk.outlet.post(desk.delivery())
    stand.delete_message(stand.messages(stand.alerts)[0])
    assert await desk.outlet.post(desk.delivery(nonce="danswer", reply_to_message_id=first))
    (message,) = stand.messages(stand.alerts)
    assert message.body["embeds"][0]["title"] == "Council agrees on sanctions"


async def test_ours_is_found_where_our_clock_is_ahead_of_discords(stand: StandIn, desk: Desk) -> None:
    message_id = await desk.outlet.post(desk.delivery())
    stand.wipe_nonces()
    began_at = discord.utils.utcnow() + timedelta(seconds=30)
    desk.now = began_at + timedelta(minutes=5)
    assert await desk.outlet.post(desk.delivery(in_doubt=True, first_sent_at=began_at)) == message_id


async def test_a_limit_that_others_share_counts_towards_no_ban(stand: StandIn, desk: Desk) -> None:
    stand.fail(Fault("429", "POST", SEND, form="shared", retry_after_s=0.1))
    assert await desk.outlet.post(desk.delivery())
    assert desk.outlet.invalid.count == stand.journal.invalid_requests == 0


async def test_a_token_that_is_refused_at_the_login_is_told_to_whoever_runs_us(stand: StandIn, desk: Desk) -> None:
    stand.token_revoked = True
    met = await desk.failure(desk.delivery())
    assert met.again
    assert [str(one) for one in desk.refused] == [str(met)]
    assert "Discord refuses the token" in str(met)


async def test_a_limit_that_is_too_long_to_sleep_out_is_handed_on(stand: StandIn) -> None:
    async with opened(stand, limit_s=0.5) as desk:
        stand.fail(Fault("429", "POST", SEND, retry_after_s=20))
        met = await desk.failure(desk.delivery())
        assert met.again
        assert met.after_s == pytest.approx(20, abs=1)


async def test_a_repeat_that_is_held_back_after_a_502_leaves_open_whether_it_arrived(stand: StandIn) -> None:
    """discord.py sleeps before it repeats; meanwhile another channel meets a limit on everything that is too long to sleep out."""
    async with opened(stand, limit_s=0.2) as desk:
        stand.fail(Fault("status", "POST", f"/channels/{stand.alerts.id}/messages", status=502, accept=True))
        stand.fail(Fault("429", "POST", f"/channels/{stand.general.id}/messages", form="global", retry_after_s=3))
        other = desk.delivery(channel_id=stand.general.id, nonce="dother")
        met, limited = await asyncio.gather(desk.failure(desk.delivery()), desk.failure(other))
    assert (met.again, met.unknown) == (True, True)
    assert (limited.again, limited.unknown) == (True, False)
    assert len(stand.messages(stand.alerts)) == 1


async def test_a_refusal_after_a_connection_that_broke_leaves_open_whether_it_arrived(
    stand: StandIn, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a reset is errno 54 or 10054, on macOS and on Windows, discord.py asks again by itself."""
    assert await desk.outlet.post(desk.delivery(nonce="dbefore"))
    start, reset = aiohttp.ClientResponse.start, [ConnectionResetError(54, "Connection reset by peer")]

    async def broken(self: aiohttp.ClientResponse, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        answer = await start(self, connection)
        if reset:
            raise reset.pop()
        return answer

    monkeypatch.setattr(aiohttp.ClientResponse, "start", broken)
    stand.fail(Fault("status", "POST", SEND, skip=1, status=403, code=50013))
    met = await desk.failure(desk.delivery())
    assert (met.closed, met.unknown) == (True, True)
    assert len(stand.messages(stand.alerts)) == 2


@pytest.mark.parametrize(
    ("status", "code", "again", "closed"),
    [
        (403, 50013, True, True),
        (400, 50083, True, True),
        (403, 50005, False, False),
        (404, 99999, False, False),
        (403, 0, True, False),
    ],
)
async def test_an_edit_that_is_refused_closes_its_channel_only_for_what_closes_one(
    stand: StandIn, desk: Desk, *, status: int, code: int, again: bool, closed: bool
) -> None:
    stand.fail(Fault("status", "PATCH", f"{SEND}/*", status=status, code=code))
    met = await desk.failure(desk.delivery(kind="edit", message_id=77), edit=True)
    assert (met.again, met.closed) == (again, closed)


async def test_edits_that_a_proxy_refuses_again_and_again_wait_and_the_channel_stays_open(
    stand: StandIn, desk: Desk
) -> None:
    message_id = await desk.outlet.post(desk.delivery())
    edit = desk.delivery(kind="edit", message_id=message_id)
    stand.fail(Fault("status", "PATCH", f"{SEND}/*", status=403, times=5))
    met = [await desk.failure(edit, edit=True) for _ in range(5)]
    assert [(one.again, one.closed, one.after_s) for one in met] == [(True, False, None)] * 4 + [(True, False, 600.0)]
    stand.fail(Fault("status", "POST", SEND, status=403))
    assert not (await desk.failure(desk.delivery(nonce="dother"))).closed
    await desk.outlet.edit(edit)


async def test_an_edit_whose_card_is_refused_shows_its_text(stand: StandIn, desk: Desk) -> None:
    stand.fail(Fault("status", "POST", SEND, status=400, code=50035))
    message_id = await desk.outlet.post(desk.delivery())
    stand.fail(Fault("status", "PATCH", f"{SEND}/*", status=400, code=50035))
    card = replace(desk.delivery().card, headline="Council lifts sanctions")
    better = desk.delivery(kind="edit", card=card, message_id=message_id)
    await desk.outlet.edit(better)
    (message,) = stand.messages(stand.alerts)
    assert "Council lifts sanctions" in message.body["content"]
    assert message.body["embeds"] == []
    await desk.outlet.edit(better)
    assert message.body["embeds"][0]["title"] == "Council lifts sanctions"
    assert not message.body["content"]


async def test_a_history_that_is_refused_for_good_refuses_no_post(stand: StandIn, desk: Desk) -> None:
    stand.say(stand.alerts, stand.reader, "hello")
    stand.fail(Fault("status", "GET", SEND, status=400, code=99999))
    desk.now = discord.utils.utcnow()
    met = await desk.failure(desk.doubtful(minutes=5))
    assert (met.again, met.unknown) == (True, True)
    assert await desk.outlet.post(desk.doubtful(minutes=5))


async def test_a_young_doubt_that_is_refused_for_good_is_looked_for_before_it_is_given_up(
    stand: StandIn, desk: Desk
) -> None:
    desk.now = discord.utils.utcnow()
    stand.fail(Fault("status", "GET", SEND, status=503))
    stand.say(stand.alerts, stand.reader, "hello")
    stand.fail(Fault("status", "POST", SEND, status=400, code=99999, times=2))
    met = await desk.failure(desk.doubtful(seconds=20))
    assert met.unknown
    met = await desk.failure(desk.doubtful(seconds=20))
    assert (met.again, met.unknown) == (False, False)


async def test_a_refusal_for_good_after_a_502_leaves_open_whether_it_arrived(stand: StandIn, desk: Desk) -> None:
    stand.fail(Fault("status", "POST", SEND, status=502, accept=True))
    stand.fail(Fault("status", "POST", SEND, status=400, code=99999))
    assert (await desk.failure(desk.delivery())).unknown


async def test_what_was_sent_again_long_after_the_first_try_is_found_behind_more_than_is_read(
    stand: StandIn, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_outlet, "HISTORY_MESSAGES", 5)
    for number in range(8):
        stand.say(stand.alerts, stand.reader, f"talk {number}")
    message_id = await desk.outlet.post(desk.delivery())
    for number in range(3):
        stand.say(stand.alerts, stand.reader, f"talk {number}")
    stand.wipe_nonces()
    desk.now = discord.utils.utcnow()
    assert await desk.outlet.post(desk.doubtful(minutes=5)) == message_id


async def test_a_wait_for_a_history_begins_anew_after_its_channel_was_closed(stand: StandIn) -> None:
    async with opened(stand, history_s=0.3) as desk:
        desk.now = discord.utils.utcnow()
        stand.fail(Fault("status", "GET", SEND, status=503))
        stand.fail(Fault("status", "GET", SEND, status=404, code=10003))
        stand.fail(Fault("status", "GET", SEND, status=503))
        assert not (await desk.failure(desk.doubtful(minutes=5))).closed
        assert (await desk.failure(desk.doubtful(minutes=5))).closed
        await asyncio.sleep(0.3)
        assert (await desk.failure(desk.doubtful(minutes=5))).unknown
    assert stand.messages(stand.alerts) == []
