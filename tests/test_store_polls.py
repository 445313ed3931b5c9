"""The commit of a poll: whole, once, and all that a feed is known to have held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.feeds.identity import keys_for, sort_entries
from bot.model import (
    EditedItem,
    FeedHealth,
    FeedHints,
    FeedItem,
    Item,
    NewItem,
    Poll,
    Sorted,
)
from bot.store import DeclaredFeed, Store
from tests.store_fakes import (
    DAY,
    HOUR,
    NOW,
    OTHER_URL,
    URL,
    declared,
    entry_of,
    first,
    hashed,
    keys_of,
    new,
    poll_of,
    read,
)


async def test_a_feed_comes_back_from_a_poll_with_all_that_the_poll_learned(store: Store) -> None:
    feed = replace(
        await first(store),
        etag='W/"caf\udce9"',
        last_modified="yesterday, they say",
        body_hash=b"b" * 16,
        items_hash=b"i" * 16,
        hints=FeedHints(ttl_s=60.5, skip_hours=frozenset({1, 23}), hub="https://hub.example/"),
        rate=0.75,
        state="failing",
        fail_count=3,
        last_error="the host is away",
        next_poll_at=NOW + HOUR,
        last_poll_at=NOW,
        last_ok_at=NOW - DAY,
        subscribed_at=NOW - 2 * DAY,
        language="ru",
        moved_url="https://news.example/new",
        health=FeedHealth(fresh_s=7.5, newest_at=NOW, told=True, moving_to="https://x.example/", churns=2),
    )
    await store.commit_poll(Poll(feed=feed, polled_at=NOW))
    assert await first(store) == feed


async def test_due_feeds_come_oldest_first_and_wait_for_their_host(store: Store) -> None:
    news, other = await store.feeds()
    assert await store.next_poll_at() == datetime(1970, 1, 1, tzinfo=UTC)
    rest = ("NEWS.example", NOW + 3 * HOUR)
    await store.commit_poll(Poll(feed=replace(news, next_poll_at=NOW + HOUR), polled_at=NOW, host_rest=rest))
    await store.commit_poll(Poll(feed=replace(other, next_poll_at=NOW + 2 * HOUR), polled_at=NOW))
    assert await store.due_feeds(NOW + HOUR) == ()
    assert await store.next_poll_at() == NOW + 2 * HOUR
    assert [one.url for one in await store.due_feeds(NOW + 2 * HOUR)] == [OTHER_URL]
    due = await store.due_feeds(NOW + 3 * HOUR)
    assert [one.url for one in due] == [URL, OTHER_URL]
    assert due[0].host_rest_until_at == NOW + 3 * HOUR
    assert await store.due_feeds(NOW + 3 * HOUR, limit=1) == due[:1]


async def test_a_server_that_asks_for_a_rest_does_not_stop_another_on_the_same_machine(store: Store) -> None:
    a, b = "http://127.0.0.1:8081/feed", "http://127.0.0.1:8082/feed"
    await declared(store, a, b)
    feed = next(one for one in await store.feeds() if one.url == a)
    await store.commit_poll(Poll(feed=feed, polled_at=NOW, host_rest=(a, NOW + HOUR)))
    assert [one.url for one in await store.due_feeds(NOW)] == [b]


async def test_a_poll_committed_twice_adds_nothing(store: Store) -> None:
    poll = poll_of(await first(store), new("a"), new("b"), new("a"), new("old", to_read=False))
    ids = await store.commit_poll(poll)
    assert len(ids) == 3
    assert await store.commit_poll(poll) == ()
    assert (await store.counts()).items == 3
    items = await store.items_to_read(limit=9)
    assert [item.title for item in items] == ["Title of a", "Title of b"]
    assert [item.id for item in items] == list(ids[:2])
    assert (await store.items_to_read(limit=9, without=[ids[0]])) == items[1:]
    assert items[0] == Item(
        id=ids[0],
        feed_id=poll.feed.id,
        feed_name="",
        key=hashed("a"),
        link_hash=hashed("a"),
        url="https://news.example/a",
        title="Title of a",
        first_seen_at=NOW,
        text="The council met.",
        feed_url=URL,
    )


async def test_two_feeds_that_use_the_same_guid_have_an_item_each(store: Store) -> None:
    for feed in await store.feeds():
        assert len(await store.commit_poll(poll_of(feed, new("1")))) == 1


async def test_known_finds_by_key_by_alias_by_tombstone_and_by_recent_link_of_the_same_feed(store: Store) -> None:
    feed, other = await store.feeds()
    a, b = await store.commit_poll(poll_of(feed, new("a"), new("b")))
    await store.commit_poll(poll_of(other, new("c")))
    await store.commit_poll(poll_of(feed, moved=((hashed("a again"), a),), at=NOW + HOUR))
    assert store._writer is not None
    await store._writer.write(lambda sql: sql.execute("UPDATE seen SET item_id = NULL WHERE item_id = ?", (b,)))
    asked = [keys_of(name) for name in ("a", "a again", "b", "c", "never")] + [keys_of(f"{n}") for n in range(1200)]
    known = await store.known(feed.id, asked, now=NOW + DAY)
    assert {key: one.item_id for key, one in known.by_key.items()} == {
        hashed("a"): a,
        hashed("a again"): a,
        hashed("b"): None,
    }
    assert known.by_key[hashed("a again")].title_hash == hashed("title of a")
    assert {link: one.item_id for link, one in known.by_link.items()} == {}, "links are for what no key knows"
    stranger = keys_of("never", link="a")
    assert {link: one.item_id for link, one in (await store.known(feed.id, [stranger], now=NOW)).by_link.items()} == {
        hashed("a"): a
    }
    linkless = replace(stranger, link_hash=None)
    assert (await store.known(feed.id, [linkless], now=NOW)).by_link == {}
    gone = [hashed("b"), hashed("c")]
    await store.commit_poll(poll_of(feed, seen=tuple(gone), at=NOW + 31 * DAY))
    assert (await store.known(feed.id, [stranger], now=NOW + 31 * DAY)).by_link == {}, "absent for a month"


@pytest.mark.parametrize("days", [10, 90, 400])
@pytest.mark.parametrize("renewed", [False, True], ids=["unchanged", "polled each week"])
@pytest.mark.parametrize("what", ["scheme of the guids", "host everywhere"])
async def test_a_feed_that_changes_its_guids_repeats_nothing_that_it_still_held(
    store: Store, days: int, what: str, *, renewed: bool
) -> None:
    feed = await first(store)
    entries = [
        FeedItem(guid=f"http://a.example/?p={n}", link=f"http://a.example/{n}", title=f"Report {n}", text=f"Text {n}.")
        for n in range(10)
    ]
    keys = keys_for(entries)
    await store.commit_poll(
        Poll(feed=feed, polled_at=NOW, entries=sort_entries(entries, keys, await store.known(feed.id, keys, now=NOW)))
    )
    for week in range(1, days // 7) if renewed else ():
        at = NOW + 7 * week * DAY
        await store.commit_poll(poll_of(feed, seen=tuple(one.key for one in keys), at=at))
    old, fresh = ("http:", "https:") if what.startswith("scheme") else ("a.example", "b.example")
    flipped = [replace(one, guid=one.guid.replace(old, fresh), link=one.link.replace(old, fresh)) for one in entries]
    flipped.append(FeedItem(guid="new", link="https://b.example/new", title="New", text="New."))
    for at in (NOW + days * DAY, NOW + (days + 40) * DAY):
        keys = keys_for(flipped)
        found = sort_entries(flipped, keys, await store.known(feed.id, keys, now=at))
        assert [one.entry.title for one in found.new] == (["New"] if at == NOW + days * DAY else [])
        await store.commit_poll(Poll(feed=feed, polled_at=at, entries=found))
        flipped = [replace(one, guid=f"{one.guid}#again") for one in flipped]


async def test_an_edited_item_is_read_again_with_its_new_text_and_the_same_edit_counts_once(store: Store) -> None:
    feed = await first(store)
    (item_id,) = await store.commit_poll(poll_of(feed, new("a")))
    (item,) = await store.items_to_read(limit=1)
    await store.commit_reading(replace(await read(store, item), page_next_at=NOW + HOUR, page_tries=2))
    assert await store.items_to_read(limit=1) == ()
    edit = EditedItem(item_id=item_id, entry=entry_of("a", text="It met twice."), keys=keys_of("a", content="edited"))
    for _ in range(2):
        await store.commit_poll(poll_of(feed, edited=(edit,), seen=(hashed("a"),), at=NOW + HOUR))
    (again,) = await store.items_to_read(limit=1)
    assert (again.text, again.readings, again.page_tries) == ("It met twice.", 1, 0)
    assert (await store.known(feed.id, [keys_of("a")], now=NOW)).by_key[hashed("a")].edits == 1
    assert await store.pages_owed(NOW + DAY, limit=9) == ()
    assert await store.next_page_at() is None


async def test_an_edit_that_nobody_is_to_be_told_of_leaves_the_page_owed(store: Store) -> None:
    feed = await first(store)
    (item_id,) = await store.commit_poll(poll_of(feed, new("a")))
    (item,) = await store.items_to_read(limit=1)
    await store.commit_reading(replace(await read(store, item), page_next_at=NOW + HOUR, page_tries=2))
    quiet = EditedItem(item_id=item_id, entry=entry_of("a"), keys=keys_of("a", content="edited"), to_read=False)
    await store.commit_poll(poll_of(feed, edited=(quiet,), at=NOW))
    (owed,) = await store.pages_owed(NOW + DAY, limit=9)
    assert (owed.id, owed.page_tries) == (item_id, 2)


async def test_edits_count_until_there_was_none_for_48_hours(store: Store) -> None:
    feed = await first(store)
    (item_id,) = await store.commit_poll(poll_of(feed, new("a")))
    assert (await store.items_to_read(limit=1))[0].edited_at is None

    async def edit(at: datetime) -> None:
        edited = EditedItem(item_id=item_id, entry=entry_of("a"), keys=keys_of("a", content=f"edited {at}"))
        await store.commit_poll(poll_of(feed, edited=(edited,), at=at))

    async def edits(at: datetime) -> list[int]:
        known = await store.known(feed.id, [keys_of("a")], now=at)
        stranger = await store.known(feed.id, [keys_of("other", link="a")], now=at)
        return [known.by_key[hashed("a")].edits, stranger.by_link[hashed("a")].edits]

    for hours in (1, 2, 3):
        await edit(NOW + hours * HOUR)
    assert await edits(NOW + 51 * HOUR) == [3, 3]
    assert await edits(NOW + 52 * HOUR) == [0, 0]
    await edit(NOW + 52 * HOUR)
    assert await edits(NOW + 52 * HOUR) == [1, 1]
    (item,) = await store.items_to_read(limit=1)
    assert item.edited_at == NOW + 52 * HOUR


async def test_a_feed_that_is_woken_is_due_at_once_also_while_its_poll_is_under_way(store: Store) -> None:
    news, other = [replace(feed, next_poll_at=NOW + HOUR) for feed in await store.feeds()]
    for feed in (news, other):
        await store.commit_poll(Poll(feed=feed, polled_at=NOW))
    assert await store.due_feeds(NOW) == ()
    under_way = replace(await first(store), next_poll_at=NOW + 2 * HOUR)
    await store.wake_feeds([news.id])
    await store.commit_poll(Poll(feed=under_way, polled_at=NOW))
    (due,) = await store.due_feeds(NOW)
    assert due.id == news.id
    await store.commit_poll(Poll(feed=replace(due, next_poll_at=NOW + 2 * HOUR), polled_at=NOW))
    assert await store.due_feeds(NOW) == ()
    assert await store.next_poll_at() == NOW + HOUR


async def test_a_new_interval_counts_also_while_a_poll_is_under_way(store: Store) -> None:
    under_way = replace(await first(store), next_poll_at=NOW + HOUR)
    await store.declare(feeds=[DeclaredFeed(url=URL, interval_s=60.0)], actors=(), watches=(), now=NOW)
    await store.commit_poll(Poll(feed=under_way, polled_at=NOW))
    assert [feed.url for feed in await store.due_feeds(NOW)] == [URL]


async def test_a_seen_mark_is_refreshed_at_most_once_a_day(store: Store) -> None:
    feed = await first(store)
    await store.commit_poll(poll_of(feed, new("a")))
    marks = []
    for hours in (1, 23, 24, 30, 49):
        await store.commit_poll(poll_of(feed, seen=(hashed("a"),), at=NOW + hours * HOUR))
        marks += await store._read(lambda sql: sql.execute("SELECT last_seen_at FROM seen").fetchone())
    hours_after = [round(mark / 3_600_000 - NOW.timestamp() / 3600) for mark in marks]
    assert hours_after == [0, 0, 24, 24, 49]


@pytest.mark.parametrize(
    ("asked", "minutes"), [(0.0, 1), (7_200.0, 120), (9e9, 24 * 60)], ids=["nothing", "2 h", "ages"]
)
async def test_pausing_and_resuming_a_feed_or_changing_its_interval_asks_it_no_sooner_than_it_may_be(
    store: Store, asked: float, minutes: int
) -> None:
    feed_id, _ = await store.chat.add_feed(5, "https://slow.example/one", by=1, now=NOW)
    feed = next(feed for feed in await store.feeds() if feed.id == feed_id)
    known = replace(feed, state="ok", subscribed_at=NOW, last_poll_at=NOW, next_poll_at=NOW + 2 * DAY)
    await store.commit_poll(poll_of(replace(known, health=FeedHealth(fresh_s=asked))))

    async def due_at() -> datetime | None:
        return next(feed.next_poll_at for feed in await store.feeds() if feed.id == feed_id)

    may_be = NOW + timedelta(minutes=minutes)
    for on in (False, True):
        await store.chat.switch_feed(5, feed_id, on=on, now=NOW)
    assert await due_at() == may_be
    await store.commit_poll(poll_of(replace(known, health=FeedHealth(fresh_s=asked), wakes=known.wakes + 1)))
    assert await due_at() == NOW + 2 * DAY
    await store.chat.edit_feed(5, feed_id, name=None, interval_s=600.0)
    assert await due_at() == may_be


async def test_what_a_poll_brings_of_a_feed_that_was_removed_meanwhile_is_no_other_feeds(store: Store) -> None:
    one, _ = await store.chat.add_feed(5, "https://slow.example/one", by=1, now=NOW)
    assert one not in [feed.id for feed in await store.due_feeds(NOW)], "whoever added it reads it"
    under_way = next(feed for feed in await store.due_feeds(NOW + HOUR) if feed.id == one)
    await store.chat.remove_feed(5, one)
    other, _ = await store.chat.add_feed(5, "https://news.example/two", by=1, now=NOW)
    assert other != one
    failed = replace(under_way, last_error="slow.example did not answer", fail_count=1)
    assert await store.commit_poll(Poll(feed=failed, polled_at=NOW)) == ()
    assert await store.commit_poll(poll_of(under_way, new("late"))) == ()
    assert (await store.counts()).items == 0
    (two,) = [feed for feed in await store.feeds() if feed.id == other]
    assert (two.url, two.last_error, two.fail_count) == ("https://news.example/two", "", 0)


async def test_what_a_delta_does_not_hold_is_not_absent(store: Store) -> None:
    feed = await first(store)
    await store.commit_poll(poll_of(feed, new("gone"), at=NOW - 9 * DAY))
    await store.commit_poll(poll_of(feed, new("there")))
    at = NOW + 10 * DAY
    delta = Sorted(new=(new("fresh"),), seen=(hashed("fresh"),), partial=True)
    await store.commit_poll(Poll(feed=feed, polled_at=at, entries=delta))
    rows = await store._read(lambda sql: sql.execute("SELECT key, last_seen_at FROM seen").fetchall())
    ages = {key: round((at.timestamp() - seen_at / 1000) / 86_400) for key, seen_at in rows}
    assert ages == {hashed("gone"): 19, hashed("there"): 0, hashed("fresh"): 0}


async def test_text_that_no_encoding_holds_is_stored_all_the_same(store: Store) -> None:
    entry = FeedItem(
        guid="a\ud800", link="https://news.example/\udfff", title="t\ud800\0t", author="\ud800", text="x\ud800y"
    )
    await store.commit_poll(poll_of(await first(store), NewItem(entry=entry, keys=keys_of("a"))))
    (item,) = await store.items_to_read(limit=1)
    assert (item.title, item.text) == ("t?\0t", "x\ud800y")
    await store.commit_reading(await read(store, item, text="\ud800", fired=1))
    assert await store.items_to_read(limit=1) == ()
