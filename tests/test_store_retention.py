"""Deletion by [keep]: texts first, records later, marks by absence, and nothing that is still ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bot.housekeeping import Keep, clean
from bot.model import Watch
from bot.reading.matcher import Matcher
from bot.store import Store
from tests.store_fakes import DAY, NOW, URL, declared, first, keys_of, new, poll_of, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEEP = Keep(text_s=90 * 86400.0, records_s=3 * 365 * 86400.0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, URL)
    yield store
    await store.close()


async def keep(store: Store, name: str, at: datetime, *, fired: int = 0, readit: bool = True) -> int:
    feed = replace(await first(store), last_ok_at=at, last_poll_at=at, subscribed_at=NOW)
    (item_id,) = await store.commit_poll(poll_of(feed, new(name), at=at))
    item = await store.item(item_id)
    assert item
    if readit:
        await store.commit_reading(await read(store, item, at=at, fired=fired))
    return item_id


async def poll(store: Store, at: datetime, *names: str) -> None:
    """Take in a document that holds these known entries."""
    feed = replace(await first(store), last_ok_at=at, last_poll_at=at)
    await store.commit_poll(poll_of(feed, at=at, seen=tuple(keys_of(name).key for name in names)))


async def pay(store: Store, at: datetime) -> None:
    for one in await store.claim(at):
        await store.mark_sent(one, message_id=1, now=at)


async def held(store: Store) -> dict[str, int]:
    """Return how many rows each table has; texts: of articles."""
    counts = {}
    for name in ("items", "item_bodies", "articles", "matches", "alerts", "stories", "seen"):
        ask = f"SELECT COUNT(*) FROM {name}"  # noqa: S608  # fixed names
        counts[name] = await store._read(lambda sql, ask=ask: int(sql.execute(ask).fetchone()[0]))  # type: ignore[misc]  # a lambda's default
    ask = "SELECT COUNT(*) FROM articles WHERE text IS NOT NULL"
    counts["texts"] = await store._read(lambda sql: int(sql.execute(ask).fetchone()[0]))
    return counts


async def found(store: Store, at: datetime) -> int:
    matcher = Matcher.compile([Watch(id=1, name="q", query="sanctions")], [], forms={})
    return len(await store.archive.search(matcher.sought(1), since=at - 2000 * DAY, limit=99))


async def test_texts_go_first_with_their_words_in_the_index_and_records_stay(store: Store) -> None:
    await keep(store, "old", NOW, fired=1)
    await pay(store, NOW)
    await keep(store, "young", NOW + 60 * DAY, fired=1)
    await poll(store, NOW + 60 * DAY, "young")
    at = NOW + 91 * DAY
    assert await found(store, at) == 2
    await clean(store, KEEP, at, 0)
    assert await found(store, at) == 1
    assert await held(store) == {
        "items": 2, "item_bodies": 1, "articles": 2, "texts": 1, "matches": 2, "alerts": 2, "stories": 2, "seen": 2
    }  # fmt: skip
    assert len(await store.archive.latest(watch=None, since=NOW, limit=9)) == 0  # the watch itself is not there


async def test_records_go_when_their_time_is_over_and_leave_the_mark(store: Store) -> None:
    await keep(store, "old", NOW, fired=1)
    await pay(store, NOW)
    at = NOW + 3 * 365 * DAY + DAY
    await poll(store, at - DAY, "old")
    await clean(store, KEEP, at, 0)
    assert await held(store) == {
        "items": 0, "item_bodies": 0, "articles": 0, "texts": 0, "matches": 0, "alerts": 0, "stories": 0, "seen": 1
    }  # fmt: skip
    known = await store.known((await first(store)).id, [keys_of("old")], now=at)
    assert known.by_key[keys_of("old").key].item_id is None


@pytest.mark.parametrize("state", ["to be read", "owed", "on its way", "an edit owed", "its page owed"])
async def test_nothing_that_is_still_ahead_is_deleted(store: Store, state: str) -> None:
    item_id = await keep(store, "old", NOW, fired=1, readit=state != "to be read")
    if state in {"on its way", "an edit owed"}:
        (one,) = await store.claim(NOW)
        if state == "an edit owed":
            await store.mark_sent(one, message_id=1, now=NOW)
            await store._write(lambda sql: sql.execute("UPDATE alerts SET edit_state = 'owed', edit_next_try_at = 0"))
    if state == "its page owed":
        await pay(store, NOW)
        await store.put_off_page(item_id, next_at=NOW + 9000 * DAY, tries=1)
    before = await held(store)
    await clean(store, KEEP, NOW + 5000 * DAY, 0)
    after = await held(store)
    assert (after["items"], after["alerts"], after["matches"]) == (before["items"], before["alerts"], before["matches"])
    if state in {"to be read", "its page owed"}:
        assert after == before


async def test_what_a_feed_still_shows_keeps_the_wording_that_edits_are_known_by(store: Store) -> None:
    item_id = await keep(store, "old", NOW)
    await poll(store, NOW + 100 * DAY, "old")
    await clean(store, KEEP, NOW + 100 * DAY, 0)
    item = await store.item(item_id)
    assert item
    assert item.text
    await keep(store, "young", NOW + 103 * DAY)
    await clean(store, KEEP, NOW + 104 * DAY, 0)
    item = await store.item(item_id)
    assert item
    assert not item.text


async def marks(store: Store) -> int:
    return (await held(store))["seen"]


async def test_a_mark_goes_400_days_after_its_entry_left_the_feed_not_sooner(store: Store) -> None:
    await keep(store, "old", NOW)
    await keep(store, "young", NOW + 10 * DAY)
    await clean(store, KEEP, NOW + 399 * DAY, 0)
    assert await marks(store) == 2
    await clean(store, KEEP, NOW + 401 * DAY, 0)
    assert await marks(store) == 1


async def test_marks_of_a_document_that_never_changes_or_cannot_be_had_are_kept_for_ever(store: Store) -> None:
    await keep(store, "one", NOW)
    await clean(store, KEEP, NOW + 2000 * DAY, 0)
    assert await marks(store) == 1  # it could not be had since: nobody knows what it holds
    at = NOW + 2000 * DAY
    await store.commit_poll(replace(poll_of(replace(await first(store), last_ok_at=at), at=at), entries=None))  # a 304
    await clean(store, KEEP, at, 0)
    await keep(store, "two", at + 3 * DAY)  # only now it is gone
    await clean(store, KEEP, at + 300 * DAY, 0)
    assert await marks(store) == 2
    await clean(store, KEEP, at + 404 * DAY, 0)
    assert await marks(store) == 1


async def test_a_great_many_go_in_pieces(store: Store) -> None:
    feed = replace(await first(store), subscribed_at=NOW)
    await store.commit_poll(poll_of(feed, *(new(f"{n}", to_read=False) for n in range(350)), at=NOW))
    await keep(store, "young", NOW + 1200 * DAY)
    assert await store.upkeep.purge_records(NOW + timedelta(days=1)) == 100
    await clean(store, KEEP, NOW + 1200 * DAY, 0)
    assert (await held(store))["items"] == 1
