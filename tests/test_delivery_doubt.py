"""Paying through an outlet that can look back: what is in doubt, channels that refuse, several at once, late alerts in one message."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.errors import DeliveryError, StoreError
from bot.model import AlertEdit
from bot.store import outbox
from tests.delivery_fakes import Room, owe
from tests.fakes import until
from tests.store_fakes import NOW, alert_of, card_of, reading_of


def headlines(room: Room) -> list[str]:
    return [delivery.card.headline for delivery in room.outlet.posted]


async def test_what_nobody_knows_stays_in_doubt_and_is_handed_out_as_such(room: Room) -> None:
    await owe(room.store, alert_of("a"))
    room.outlet.fail["a 0"] = DeliveryError("reset", again=True, unknown=True)
    assert await room.deliverer.pay() == 0
    assert await room.deliverer.next_at() == NOW + timedelta(seconds=2)
    assert await room.deliverer.pay() == 0
    room.move(seconds=2)
    assert await room.deliverer.pay() == 1
    (delivery,) = room.outlet.posted
    assert (delivery.in_doubt, delivery.first_sent_at, delivery.attempts) == (True, NOW, 2)
    assert await room.deliverer.next_at() is None


async def test_what_a_dead_process_had_on_its_way_is_in_doubt_at_the_next_start(room: Room) -> None:
    await owe(room.store, alert_of("a"), alert_of("b", channel=6))
    await room.store.claim(NOW)
    await room.store.end_leases(now=NOW + timedelta(seconds=1))
    room.move(seconds=1)
    assert await room.deliverer.pay() == 2
    assert [delivery.in_doubt for delivery in room.outlet.posted] == [True, True]


async def test_a_channel_that_refuses_is_told_of_once_and_has_what_it_is_owed_when_it_is_opened(room: Room) -> None:
    await owe(room.store, alert_of("a"), alert_of("b"), alert_of("c", channel=6))
    closed = DeliveryError("no permission", again=True, closed=True)
    room.outlet.fail["a 0"] = closed
    assert await room.deliverer.pay() == 1
    assert headlines(room) == ["c 0"]
    assert room.paused == ["5: no permission"]
    for tries in range(2, 6):
        room.outlet.fail["a 0"] = room.outlet.fail["b 0"] = closed
        at = await room.deliverer.next_at()
        assert at == NOW + timedelta(days=tries - 1)
        room.move(days=1)
        assert await room.deliverer.pay() == 0
    assert await room.deliverer.next_at() is None, "five tries are enough"
    assert [(one.tries, one.retry_at, one.told) for one in await room.store.paused_channels()] == [(5, None, False)]
    assert len(room.paused) == 1
    room.outlet.fail.clear()
    assert await room.store.reopen_channels({5: ""}, now=room.deliverer.clock()) == 0, "nothing changed there"
    assert await room.store.reopen_channels({5: "another"}, now=room.deliverer.clock()) == 1
    assert await room.deliverer.pay() == 1, "two late ones share a message"
    assert await room.store.paused_channels() == ()


async def test_what_is_in_doubt_stays_so_while_its_channel_refuses(room: Room) -> None:
    await owe(room.store, alert_of("a"))
    room.outlet.fail["a 0"] = DeliveryError("reset", again=True, unknown=True)
    await room.deliverer.pay()
    room.move(seconds=2)
    room.outlet.fail["a 0"] = DeliveryError("no permission", again=True, closed=True, unknown=True)
    await room.deliverer.pay()
    assert await room.deliverer.next_at() == NOW + timedelta(days=1, seconds=2)
    await room.store.reopen_channels({5: "another"}, now=room.deliverer.clock())
    room.move(seconds=60)
    await room.deliverer.pay()
    assert room.outlet.posted[0].in_doubt


async def test_a_channel_that_hangs_holds_up_no_other_not_even_one_that_is_owed_something_later(room: Room) -> None:
    await owe(room.store, alert_of("a"), alert_of("b"), alert_of("c", channel=6))
    room.outlet.held.add(5)
    paying = asyncio.create_task(room.deliverer.pay())
    await until(lambda: headlines(room) == ["c 0"])
    await owe(room.store, alert_of("d", channel=7))
    await until(lambda: headlines(room) == ["c 0", "d 0"])
    room.outlet.released.set()
    assert await paying == 4
    assert headlines(room)[2:] == ["a 0", "b 0"]


async def test_a_post_that_outlives_its_lease_is_not_handed_out_a_second_time(room: Room) -> None:
    await owe(room.store, alert_of("a"))
    room.outlet.held.add(5)
    paying = asyncio.create_task(room.deliverer.pay())
    await until(lambda: len(room.deliverer._under_way) > 0)
    room.move(minutes=5)
    await owe(room.store, alert_of("b", channel=6), at=NOW + timedelta(minutes=5))
    await until(lambda: headlines(room) == ["b 0"])
    assert len(room.deliverer._under_way) == 1
    room.outlet.released.set()
    assert await paying == 2
    assert headlines(room) == ["b 0", "a 0"]


async def test_asked_to_stop_it_settles_what_is_on_its_way(room: Room) -> None:
    await owe(room.store, alert_of("a"), alert_of("b"))
    room.outlet.held.add(5)
    paying = asyncio.create_task(room.deliverer.pay())
    await until(lambda: len(room.deliverer._under_way) > 0)
    await asyncio.sleep(0)
    paying.cancel()
    await asyncio.sleep(0)
    room.outlet.released.set()
    with pytest.raises(asyncio.CancelledError):
        await paying
    assert headlines(room) == ["a 0"]
    assert (await room.store.counts()).sent == 1


async def test_late_alerts_of_a_channel_share_a_message_also_after_a_crash(room: Room) -> None:
    await owe(room.store, *(alert_of(name) for name in "abc"), alert_of("d", channel=6))
    room.move(hours=7)
    await owe(room.store, alert_of("e"), at=NOW + timedelta(hours=7))
    room.outlet.fail["a 0"] = DeliveryError("reset", again=True, unknown=True)
    assert await room.deliverer.pay() == 1
    room.move(seconds=2)
    assert await room.deliverer.pay() == 2
    _, late, fresh = room.outlet.posted
    assert [one.card.headline for one in (late, *late.others)] == ["a 0", "b 0", "c 0"]
    assert all(one.in_doubt and one.card.late and not one.card.mentions for one in (late, *late.others))
    assert (fresh.card.headline, fresh.others, fresh.card.late) == ("e 0", (), "")
    assert (await room.store.counts()).sent == 5


async def test_more_late_alerts_than_a_message_takes_come_in_several(room: Room) -> None:
    await owe(room.store, *(alert_of(f"s{number:02d}") for number in range(23)))
    room.move(hours=7)
    assert await room.deliverer.pay() == 3
    assert [1 + len(delivery.others) for delivery in room.outlet.posted] == [10, 10, 3]


def better(alert_id: int, headline: str) -> AlertEdit:
    return AlertEdit(alert_id=alert_id, card=card_of(headline), told=frozenset({"watch:1"}))


async def sent_with_edits(room: Room, *names: str) -> None:
    """Have an alert for each name posted to channel 5, and then a better card owed for each, by a number before its name."""
    await owe(room.store, *(alert_of(name) for name in names))
    assert await room.deliverer.pay() == len(names)
    item = await room.store.item(1)
    assert item is not None
    edits = tuple(better(number + 1, f"better {name}") for number, name in enumerate(names))
    await room.store.commit_reading(reading_of(item, edits=edits))


async def test_posts_do_not_wait_behind_edits_that_hang(room: Room) -> None:
    await sent_with_edits(room, *"abcdef")
    room.outlet.held.add(5)
    paying = asyncio.create_task(room.deliverer.pay())
    await until(lambda: len(room.deliverer._under_way) == 2, limit_s=5)
    await owe(room.store, *(alert_of(name, channel=6) for name in "xyz"))
    await until(lambda: headlines(room)[6:] == ["x 0", "y 0", "z 0"])
    assert room.outlet.edited == []
    room.outlet.released.set()
    assert await paying == 9


async def test_a_newer_edit_waits_for_the_older_one_however_long_that_takes(room: Room) -> None:
    await sent_with_edits(room, "a")
    item = await room.store.item(1)
    assert item is not None
    room.outlet.held.add(5)
    paying = asyncio.create_task(room.deliverer.pay())
    await until(lambda: len(room.deliverer._under_way) == 1)
    await room.store.commit_reading(reading_of(item, edits=(better(1, "best"),)))
    room.move(minutes=2)  # by then the lease of the older is over, too
    await owe(room.store, alert_of("b", channel=6), at=room.deliverer.clock())
    await until(lambda: headlines(room)[-1] == "b 0")  # so it has looked for more to do
    assert len(room.deliverer._under_way) == 1
    room.outlet.released.set()
    assert await paying == 3
    assert [one.card.headline for one in room.outlet.edited] == ["better a", "best"]


async def test_an_edit_that_outlives_its_lease_is_not_handed_out_a_second_time(room: Room) -> None:
    await sent_with_edits(room, "a")
    room.outlet.held.add(5)
    paying = asyncio.create_task(room.deliverer.pay())
    await until(lambda: len(room.deliverer._under_way) == 1)
    room.move(minutes=2)
    await owe(room.store, alert_of("b", channel=6), at=room.deliverer.clock())
    await until(lambda: headlines(room)[-1] == "b 0")  # so it has looked for more to do
    room.outlet.released.set()
    assert await paying == 2
    assert len(room.outlet.edited) == 1
    assert await room.deliverer.next_at() is None


async def test_an_edit_is_tried_until_it_arrives_however_often_nobody_answers(room: Room) -> None:
    await sent_with_edits(room, "a")
    for _ in range(12):
        room.outlet.fail["better a"] = DeliveryError("503", again=True, unknown=True)
        assert await room.deliverer.pay() == 0
        room.move(minutes=1)
    assert await room.deliverer.pay() == 1
    assert await room.deliverer.next_at() is None


async def test_a_channel_that_refuses_an_edit_is_paused_and_the_edit_stays_owed(room: Room) -> None:
    await sent_with_edits(room, "a", "b")
    closed = DeliveryError("it is gone", again=True, closed=True, standing="old")
    room.outlet.fail |= {"better a": closed, "better b": closed}
    assert await room.deliverer.pay() == 0
    assert room.paused == ["5: it is gone"]
    await owe(room.store, alert_of("c"))
    assert await room.deliverer.pay() == 0
    assert await room.deliverer.next_at() == NOW + timedelta(days=1)
    await room.store.reopen_channels({5: "new"}, now=NOW)
    room.outlet.fail.clear()
    assert await room.deliverer.pay() == 3
    assert sorted(one.card.headline for one in room.outlet.edited) == ["better a", "better b"]


@pytest.mark.parametrize("owed", [False, True])
async def test_an_edit_that_arrives_ends_a_pause_unless_a_post_is_owed_that_may_be_what_is_refused(
    room: Room, *, owed: bool
) -> None:
    await sent_with_edits(room, "a")
    closed = DeliveryError("no permission", again=True, closed=True, standing="old")
    room.outlet.fail["better a"] = closed
    if owed:
        await owe(room.store, alert_of("b"))
        room.outlet.fail["b 0"] = closed
    assert await room.deliverer.pay() == 0
    await room.store.reopen_channels({5: "new"}, now=NOW)
    if owed:
        room.outlet.fail["b 0"] = closed
    assert await room.deliverer.pay() == 1
    assert [one.channel_id for one in await room.store.paused_channels()] == [5] * owed
    assert room.paused == ["5: no permission"]


async def test_what_waits_because_nobody_answered_is_tried_soon_after_somebody_does(room: Room) -> None:
    await owe(room.store, alert_of("a"))
    for _ in range(6):
        room.outlet.fail["a 0"] = DeliveryError("no login", again=True)
        assert await room.deliverer.pay() == 0
        at = await room.deliverer.next_at()
        assert at is not None
        room.time[0] = at - NOW
    room.outlet.fail["a 0"] = DeliveryError("no login", again=True)
    await room.deliverer.pay()
    now = room.deliverer.clock()
    assert await room.deliverer.next_at() == now + timedelta(seconds=60)
    await owe(room.store, alert_of("b", channel=6), at=now)
    assert await room.deliverer.pay() == 1
    assert await room.deliverer.next_at() == now + timedelta(seconds=15)
    room.move(seconds=15)
    assert await room.deliverer.pay() == 1
    assert headlines(room) == ["b 0", "a 0"]


async def test_a_post_in_doubt_holds_up_its_channel_for_seconds_however_long_nobody_answered(room: Room) -> None:
    await owe(room.store, alert_of("a"))
    for _ in range(8):
        room.outlet.fail["a 0"] = DeliveryError("503", again=True, unknown=True)
        assert await room.deliverer.pay() == 0
        at = await room.deliverer.next_at()
        assert at is not None
        assert at - room.deliverer.clock() <= timedelta(seconds=15)
        room.time[0] = at - NOW
    await owe(room.store, alert_of("b"), at=room.deliverer.clock())
    assert await room.deliverer.pay() == 2
    assert headlines(room) == ["a 0", "b 0"]


async def test_a_channel_that_is_limited_is_left_alone_as_a_whole_and_no_other(room: Room) -> None:
    await owe(room.store, *(alert_of(name) for name in "abc"), alert_of("d", channel=6))
    room.outlet.fail["a 0"] = DeliveryError("429", again=True, after_s=40)
    assert await room.deliverer.pay() == 1
    assert headlines(room) == ["d 0"]
    assert await room.deliverer.next_at() == NOW + timedelta(seconds=40)
    room.move(seconds=40)
    assert await room.deliverer.pay() == 3
    assert headlines(room) == ["d 0", "a 0", "b 0", "c 0"]


async def test_what_was_in_doubt_stays_so_whatever_a_later_try_meets(room: Room) -> None:
    await owe(room.store, alert_of("a"))
    for error in (
        DeliveryError("reset", again=True, unknown=True),
        DeliveryError("no login", again=True),
        DeliveryError("limited", again=True, after_s=3),
        DeliveryError("refused for good, by what may have come after it arrived", again=False, unknown=True),
        RuntimeError("a surprise"),
    ):
        room.outlet.fail["a 0"] = error
        assert await room.deliverer.pay() == 0
        room.move(minutes=1)
    assert await room.deliverer.pay() == 1
    assert room.outlet.posted[0].in_doubt


async def test_what_is_given_up_is_told_of(room: Room) -> None:
    await owe(room.store, alert_of("a"))
    room.outlet.fail["a 0"] = DeliveryError("Discord answered 400 (160006)", again=False)
    assert await room.deliverer.pay() == 0
    assert room.given_up == ["5: Discord answered 400 (160006)"]
    assert (await room.store.counts()).failed == 1


async def test_a_refusal_that_the_database_could_not_take_at_first_counts_once(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owe(room.store, alert_of("a"))
    room.outlet.fail["a 0"] = DeliveryError("no permission", again=True, closed=True)
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "pause_channel", broken)
        with pytest.raises(StoreError):
            await room.deliverer.pay()
    assert room.paused == []
    assert await room.deliverer.pay() == 0
    assert [one.tries for one in await room.store.paused_channels()] == [1]
    assert room.paused == ["5: no permission"]


def broken(*_: object) -> bool:
    raise StoreError("the disk is full")


async def test_what_came_late_still_says_so_when_it_is_edited(room: Room) -> None:
    pinging = replace(alert_of("a"), card=replace(alert_of("a").card, mentions=(7,)))
    await owe(room.store, pinging)
    room.move(hours=7)
    assert await room.deliverer.pay() == 1
    item = await room.store.item(1)
    assert item is not None
    edit = AlertEdit(alert_id=1, card=replace(card_of("better a"), mentions=(7,)), told=frozenset({"watch:1"}))
    await room.store.commit_reading(reading_of(item, edits=(edit,)))
    assert await room.deliverer.pay() == 1
    (edited,) = room.outlet.edited
    assert (edited.card.late, edited.card.mentions) == ("late: could not be delivered for 7 hours", ())
