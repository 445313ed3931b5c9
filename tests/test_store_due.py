"""Which feed is due and when the next one will be: the same answer as by looking at all of them, without looking at all of them."""

from __future__ import annotations

import asyncio
import random
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.model import Poll
from bot.store import Store, polls
from bot.store.codec import ms_for
from bot.store.files import plain_connection
from tests.store_fakes import NOW, declared

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from datetime import datetime

    from bot.model import Feed
    from bot.model.feeds import FeedState

FEEDS = 1_000
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("seed", range(6))
async def test_the_next_due_time_is_that_of_all_feeds_with_their_hosts_rests(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    feeds = await fleet(store, 60)
    rests: dict[str, datetime] = {}
    for feed in feeds:
        due_at = None if chance.random() < seed / 200 else NOW + MINUTE * chance.randint(-30, 30)
        state: FeedState = "gone" if chance.random() < 0.1 else "ok"
        host_rest = None
        if chance.random() < 0.5:
            host_rest = (feed.url, NOW + MINUTE * chance.randint(-30, 60))
            host = feed.url.split("/")[2]
            rests[host] = max(host_rest[1], rests.get(host, host_rest[1]))
        polled = replace(feed, state=state, next_poll_at=due_at, last_poll_at=NOW - MINUTE * 40)
        await store.commit_poll(Poll(feed=polled, polled_at=NOW, host_rest=host_rest))
    without = {feed.id for feed in feeds if chance.random() < 0.6}
    asked = [one for one in await store.feeds() if one.state not in {"gone", "paused"} and one.id not in without]
    never = NOW - timedelta(milliseconds=ms_for(NOW))
    expected = [max(one.next_poll_at or never, rests.get(one.url.split("/")[2], never)) for one in asked]
    assert await store.next_poll_at(without=without) == min(expected)
    due = [one for one, at in zip(asked, expected, strict=True) if at <= NOW]
    found = await store.due_feeds(NOW, limit=100, without=without)
    assert [one.id for one in found] == [
        one.id for one in sorted(due, key=lambda one: (one.next_poll_at or never, one.id))
    ]


async def test_what_is_due_is_found_without_a_walk_over_all_feeds(store: Store) -> None:
    feeds = await fleet(store, FEEDS)
    due_at = {feed.id: NOW + timedelta(seconds=number) for number, feed in enumerate(feeds)}
    polled = [replace(one, state="failing", next_poll_at=due_at[one.id], last_poll_at=NOW) for one in feeds]
    await asyncio.gather(*(store.commit_poll(Poll(feed=feed, polled_at=NOW)) for feed in polled))
    await store.close()
    with closing(plain_connection(store.path, "rw")) as sql:
        steps = steps_of(sql)
        assert len(polls.due_feeds(sql, NOW + timedelta(seconds=2), 200, ())) == 3
        assert polls.next_poll_at(sql, sorted(due_at)[:2]) == NOW + timedelta(seconds=2)
    assert sum(steps) < FEEDS  # a walk takes some ten for each feed


async def test_a_host_with_many_feeds_leaves_places_for_those_of_others(store: Store) -> None:
    hurried = await fleet(store, 90)
    crowd, others = hurried[:3], hurried[3:9]
    urls = [
        *(f"https://outlet0.example/more/{number}" for number in range(40)),
        *(feed.url for feed in (*crowd, *others)),
    ]
    await declared(store, *urls)
    for feed in others:
        await store.commit_poll(Poll(feed=replace(feed, state="failing", next_poll_at=NOW), polled_at=NOW))
    due = await store.due_feeds(NOW, limit=16, of_host=5)
    assert [feed.url for feed in due if feed not in others][:3] == [feed.url for feed in crowd]
    assert sum("outlet0" in feed.url for feed in due) == 5
    assert {feed.id for feed in due} >= {feed.id for feed in others}
    assert len(await store.due_feeds(NOW, limit=100)) == 49


async def fleet(store: Store, count: int) -> tuple[Feed, ...]:
    """Declare so many feeds, three to a host."""
    urls = [f"https://outlet{number // 3}.example/{number}" for number in range(count)]
    await declared(store, *urls)
    return tuple(feed for feed in await store.feeds() if feed.state != "paused")


def steps_of(sql: sqlite3.Connection) -> Collection[int]:
    """Return a list that grows by one number for each ten steps of SQLite's machine."""
    steps: list[int] = []

    def step() -> int:
        steps.append(10)
        return 0

    sql.set_progress_handler(step, 10)
    return steps
