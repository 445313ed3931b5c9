"""What the tests of paying share: an outlet that can be told to fail or to hang, behind a deliverer, before a store."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.delivery import Deliverer
from bot.model import FeedItem, ItemKeys, NewItem, Poll, Sorted
from bot.store import DeclaredFeed, Store
from tests.store_fakes import NOW, hashed, reading_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from bot.model import Alert, Delivery


@dataclass
class Channel:
    """An outlet that keeps what it is given. fail: raised once for each, by headline. hold: posts to these channels hang until released."""

    posted: list[Delivery] = field(default_factory=list)
    edited: list[Delivery] = field(default_factory=list)
    fail: dict[str, Exception] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def post(self, delivery: Delivery) -> int | None:
        if delivery.channel_id in self.held:
            await self.released.wait()
        error = self.fail.pop(delivery.card.headline, None)
        if error:
            raise error
        self.posted.append(delivery)
        return len(self.posted)

    async def edit(self, delivery: Delivery) -> None:
        if delivery.channel_id in self.held:
            await self.released.wait()
        error = self.fail.pop(delivery.card.headline, None)
        if error:
            raise error
        self.edited.append(delivery)


@dataclass
class Room:
    """A store, an outlet, a deliverer, a clock that stands."""

    store: Store
    outlet: Channel
    deliverer: Deliverer
    paused: list[str]
    given_up: list[str]
    time: list[timedelta]

    def move(self, **by: float) -> None:
        self.time[0] += timedelta(**by)


@asynccontextmanager
async def open_room(folder: Path) -> AsyncIterator[Room]:
    """Open a room with a store that holds one item, of which alerts can be owed."""
    time, outlet, paused, given_up = [timedelta()], Channel(), list[str](), list[str]()
    store = await Store.open(folder / "w.db", now=NOW, voice="1")
    await store.declare(feeds=[DeclaredFeed(url="https://news.example/")], actors=(), watches=(), now=NOW)
    keys = ItemKeys(key=hashed("a"), link_hash=None, title_hash=None, content_hash=hashed("c"))
    (feed,) = await store.feeds()
    new = NewItem(entry=FeedItem(guid="a", title="t", text="x"), keys=keys)
    await store.commit_poll(Poll(feed=feed, polled_at=NOW, entries=Sorted(new=(new,))))

    async def on_paused(delivery: Delivery, reason: str) -> None:
        paused.append(f"{delivery.channel_id}: {reason}")

    async def on_given_up(delivery: Delivery, reason: str) -> None:
        given_up.append(f"{delivery.channel_id}: {reason}")

    deliverer = Deliverer(
        store=store,
        outlet=outlet,
        clock=lambda: NOW + time[0],
        at_once=4,
        digests=True,
        on_paused=on_paused,
        on_given_up=on_given_up,
        spread=lambda: 1.0,
    )
    yield Room(store, outlet, deliverer, paused, given_up, time)
    await store.close()


async def owe(store: Store, *alerts: Alert, at: datetime = NOW) -> None:
    """Have these alerts owed since then."""
    item = await store.item(1)
    assert item is not None
    await store.commit_reading(reading_of(item, *alerts, at=at))
