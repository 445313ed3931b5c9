"""Polls that brought nothing are written together, and nobody can tell but the disk."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.errors import StoreError
from bot.model import FeedHealth, FeedHints
from bot.store import Store
from tests.store_fakes import HOUR, NOW, OTHER_URL, URL, declared, first, new, poll_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from bot.model import Feed

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, URL, OTHER_URL)
    for feed in await store.feeds():
        await store.commit_poll(poll_of(after(feed, NOW), at=NOW))
    yield store
    await store.close()


def after(feed: Feed, at: datetime, minutes: float = 5, **more: object) -> Feed:
    due_at = at + timedelta(minutes=minutes)
    known = replace(feed, state="ok", last_poll_at=at, last_ok_at=at, subscribed_at=NOW, next_poll_at=due_at)
    return replace(known, **more)  # type: ignore[arg-type]  # fields of Feed


async def unchanged(store: Store, feed: Feed, at: datetime, minutes: float = 5, **more: object) -> None:
    await store.commit_poll(replace(poll_of(after(feed, at, minutes, **more), at=at), entries=None))


async def on_disk(path: Path) -> dict[str, datetime | None]:
    other = await Store.open_readonly(path)
    polled = {feed.url: feed.last_poll_at for feed in await other.feeds()}
    await other.close()
    return polled


async def test_a_poll_that_brought_nothing_waits_and_the_next_commit_takes_it_along(store: Store) -> None:
    feed, other = await store.feeds()
    at = NOW + 5 * MINUTE
    await unchanged(store, feed, at, etag='"2"')
    assert (await on_disk(store.path))[URL] == NOW
    await store.commit_poll(poll_of(after(other, at), new("one"), at=at))
    assert (await on_disk(store.path))[URL] == at


async def test_what_is_due_is_answered_as_if_it_were_written(store: Store) -> None:
    feed, other = await store.feeds()
    at = NOW + 5 * MINUTE
    assert [one.id for one in await store.due_feeds(at)] == [feed.id, other.id]
    await unchanged(store, feed, at)
    await unchanged(store, other, at, minutes=30)
    assert await store.due_feeds(at) == ()
    assert await store.next_poll_at() == at + 5 * MINUTE
    assert await store.next_poll_at(without=[feed.id]) == at + 30 * MINUTE
    assert (await on_disk(store.path))[URL] == NOW
    (due,) = await store.due_feeds(at + 5 * MINUTE)
    assert (due.id, due.last_poll_at) == (feed.id, at)


async def test_whoever_lists_the_feeds_sees_the_latest(store: Store) -> None:
    at = NOW + 5 * MINUTE
    await unchanged(store, await first(store), at, etag='"2"')
    seen = await first(store)
    assert (seen.last_poll_at, seen.etag) == (at, '"2"')


async def test_closing_writes_what_waits(store: Store) -> None:
    await unchanged(store, await first(store), NOW + 5 * MINUTE)
    await store.close()
    again = await Store.open(store.path, now=NOW)
    assert (await first(again)).last_poll_at == NOW + 5 * MINUTE
    assert [one.url for one in await again.due_feeds(NOW + 6 * MINUTE)] == [OTHER_URL]
    await again.close()


async def test_a_feed_that_was_woken_meanwhile_is_due_at_once(store: Store) -> None:
    feed = await first(store)
    await unchanged(store, feed, NOW + 5 * MINUTE)
    await store.wake_feeds([feed.id])
    assert feed.id in [one.id for one in await store.due_feeds(NOW + 5 * MINUTE)]


async def test_a_tenth_of_the_interval_later_it_is_written_without_anything_else_happening(store: Store) -> None:
    assert store._unchanged is not None
    feed = await first(store)
    await unchanged(store, feed, NOW + 5 * MINUTE, minutes=0.002)
    timer = store._unchanged._timer
    assert timer is not None
    while store._unchanged.feeds:
        await store.next_poll_at()
    assert (await on_disk(store.path))[URL] == NOW + 5 * MINUTE


@pytest.mark.parametrize("what", ["a failure", "a rest", "a first answer", "a document", "max-age", "ttl"])
async def test_what_says_something_is_written_at_once(store: Store, what: str) -> None:
    at = NOW + 5 * MINUTE
    feed = after(await first(store), at)
    poll = replace(poll_of(feed, at=at), entries=None)
    if what == "a failure":
        poll = replace(poll, feed=replace(feed, last_error="gone", fail_count=1, state="failing"))
    elif what == "a rest":
        poll = replace(poll, host_rest=(URL, at + HOUR))
    elif what == "a first answer":
        poll = replace(poll, feed=replace(feed, subscribed_at=None))
    elif what == "max-age":  # a crash must not make us ask before that
        poll = replace(poll, feed=replace(feed, health=FeedHealth(fresh_s=86_400.0)))
    elif what == "ttl":
        poll = replace(poll, feed=replace(feed, hints=FeedHints(ttl_s=3_600.0)))
    else:
        poll = poll_of(feed, new("one"), at=at)
    await store.commit_poll(poll)
    assert (await on_disk(store.path))[URL] == at


async def test_while_the_disk_refuses_it_waits_on_and_is_written_when_there_is_room(store: Store) -> None:
    assert store._writer is not None
    feed, other = await store.feeds()
    at = NOW + 5 * MINUTE
    await store._writer.write(lambda sql: sql.execute("PRAGMA max_page_count = 1").fetchall())
    pages = await store._writer.write(lambda sql: sql.execute("PRAGMA page_count").fetchone()[0])
    await store._writer.write(lambda sql: sql.execute(f"PRAGMA max_page_count = {pages}").fetchall())
    await unchanged(store, feed, at, etag="x" * 400_000)
    with pytest.raises(StoreError, match="disk is full"):
        await store.commit_poll(poll_of(after(other, at), *(new(f"{n}", link="x" * 3000) for n in range(99)), at=at))
    assert await store.due_feeds(at, without=[other.id]) == ()
    assert (await first(store)).etag is None
    await store._writer.write(lambda sql: sql.execute("PRAGMA max_page_count = 1000000").fetchall())
    assert (await first(store)).last_poll_at == at
