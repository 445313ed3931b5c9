"""The end of a deliverer that is stopped while alerts are on their way: nothing is left hanging, nothing is in doubt for nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bot import delivery
from tests.delivery_fakes import owe
from tests.fakes import until
from tests.store_fakes import NOW, alert_of

if TYPE_CHECKING:
    import pytest

    from bot.model import Delivery
    from tests.delivery_fakes import Room


async def stopped(paying: asyncio.Task[int]) -> None:
    """Stop it as a SIGTERM does, and wait until it is over."""
    paying.cancel()
    await asyncio.wait({paying})
    assert paying.cancelled()


async def test_what_was_taken_up_in_doubt_and_never_begun_can_be_taken_up_again_at_once(room: Room) -> None:
    await owe(room.store, alert_of("a"), alert_of("b", channel=6))
    await room.store.claim(NOW)
    await room.store.end_leases(now=NOW)
    room.deliverer.at_once = 1
    room.outlet.held = {5, 6}
    paying = asyncio.create_task(room.deliverer.pay())
    await until(lambda: bool(room.deliverer._under_way))
    paying.cancel()
    room.outlet.released.set()
    await asyncio.wait({paying})
    (first,) = room.outlet.posted
    assert await room.deliverer.pay() == 1
    assert {one.channel_id for one in room.outlet.posted} == {5, 6}
    assert room.outlet.posted[0] is first


async def test_a_claim_that_is_under_way_is_heard_of(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    await owe(room.store, alert_of("a"))
    claimed, go_on, really_claim = asyncio.Event(), asyncio.Event(), room.store.claim

    async def claim(*given: Any, **named: Any) -> tuple[Delivery, ...]:  # noqa: ANN401 - stands for any call
        found = await really_claim(*given, **named)
        claimed.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(type(room.store), "claim", lambda _, *given, **named: claim(*given, **named))
    paying = asyncio.create_task(room.deliverer.pay())
    await claimed.wait()
    paying.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.wait({paying})
    assert [one.card.headline for one in room.outlet.posted] == ["a 0"]
    assert (await room.store.counts()).sent == 1


async def test_a_post_that_must_be_given_up_has_ended_when_the_deliverer_has(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "GRACE_S", 0.05)
    ended = list[int]()

    async def post(one: Delivery) -> int | None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)  # as a connection takes to be closed
            ended.append(one.alert_id)
        return None

    monkeypatch.setattr(room.outlet, "post", post)
    await owe(room.store, alert_of("a"))
    paying = asyncio.create_task(room.deliverer.pay())
    await until(lambda: bool(room.deliverer._under_way))
    await stopped(paying)
    assert len(ended) == 1
