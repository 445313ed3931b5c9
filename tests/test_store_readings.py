"""The commit of a reading: the article, its matches, its story and what is owed, whole and once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.model import (
    AlertEdit,
    EditedItem,
    Matches,
    NewItem,
    Watch,
)
from tests.store_fakes import (
    DAY,
    HOUR,
    NOW,
    QUERY,
    URL,
    card_of,
    declared,
    entry_of,
    first,
    hashed,
    keys_of,
    new,
    poll_of,
    read,
)

if TYPE_CHECKING:
    from bot.store import Store


async def test_a_reading_committed_twice_changes_nothing(store: Store) -> None:
    await declared(store, URL, watches=(Watch(name="w", query=QUERY),))
    (watch,) = await store.watches()
    await store.commit_poll(poll_of(await first(store), new("a")))
    (item,) = await store.items_to_read(limit=1)
    reading = await read(store, item, fired=watch.id)
    await store.commit_reading(reading)
    once = await store.counts(), await store.told(reading.story.key), await store.item(item.id)
    await store.commit_reading(reading)
    assert (await store.counts(), await store.told(reading.story.key), await store.item(item.id)) == once
    assert (once[0].owed, once[0].matches, once[0].to_read) == (1, 1, 0)
    after = once[2]
    assert after is not None
    assert (after.readings, after.lang) == (1, "en")
    (hit,) = await store.archive.latest(watch="w", since=NOW - DAY, limit=5)
    assert (hit.title, hit.source, hit.matched_at, hit.spans) == ("Title of a", "News", NOW, reading.matches.matches)
    assert await store.archive.latest(watch="other", since=NOW - DAY, limit=5) == ()


async def test_a_later_reading_replaces_the_matches_but_not_the_time_of_the_first(store: Store) -> None:
    await declared(store, URL, watches=(Watch(name="w", query=QUERY), Watch(name="v", query="Sochi")))
    w, v = await store.watches()
    await store.commit_poll(poll_of(await first(store), new("a")))
    (item,) = await store.items_to_read(limit=1)
    await store.commit_reading(await read(store, item, fired=w.id))
    second = await read(store, item, at=NOW + HOUR, fired=w.id)
    both = replace(second, matches=replace(second.matches, fired=(w.id, v.id)))
    await store.commit_reading(both)
    hits = await store.archive.latest(watch=None, since=NOW, limit=5)
    assert [(hit.watch, hit.matched_at) for hit in hits] == [("v", NOW + HOUR), ("w", NOW)]
    await store.commit_reading(replace(second, matches=Matches()))
    assert await store.archive.latest(watch=None, since=NOW, limit=5) == ()


async def test_an_item_edited_while_it_was_being_read_stays_to_be_read(store: Store) -> None:
    feed = await first(store)
    (item_id,) = await store.commit_poll(poll_of(feed, new("a")))
    (item,) = await store.items_to_read(limit=1)
    reading = replace(await read(store, item, fired=1), page_next_at=NOW + HOUR, page_tries=1)
    edit = EditedItem(item_id=item_id, entry=entry_of("a", text="News."), keys=keys_of("a", content="edited"))
    await store.commit_poll(poll_of(feed, edited=(edit,)))
    await store.commit_reading(reading)
    (again,) = await store.items_to_read(limit=1)
    assert (again.text, again.readings, again.page_tries) == ("News.", 1, 0)
    assert (await store.counts()).owed == 1


async def test_a_page_is_owed_until_a_reading_says_otherwise(store: Store) -> None:
    await store.commit_poll(poll_of(await first(store), new("a"), new("b")))
    a, b = await store.items_to_read(limit=2)
    await store.commit_reading(replace(await read(store, a), page_next_at=NOW + 2 * HOUR, page_tries=1))
    await store.commit_reading(replace(await read(store, b), page_next_at=NOW + HOUR, page_tries=1))
    assert await store.next_page_at() == NOW + HOUR
    assert [one.id for one in await store.pages_owed(NOW + HOUR, limit=5)] == [b.id]
    owed = await store.pages_owed(NOW + 2 * HOUR, limit=5)
    assert [(one.id, one.page_tries, one.readings) for one in owed] == [(b.id, 1, 1), (a.id, 1, 1)]
    assert await store.pages_owed(NOW + 2 * HOUR, limit=5, without={b.id}) == owed[1:]
    await store.commit_reading(await read(store, owed[0], at=NOW + 2 * HOUR))
    await store.commit_reading(await read(store, owed[1], at=NOW + 2 * HOUR))
    assert await store.next_page_at() is None


async def test_an_item_joins_its_own_story_then_that_of_its_link_and_else_begins_one(store: Store) -> None:
    feed, other = await store.feeds()
    await store.commit_poll(poll_of(feed, new("a", link="shared"), new("b")))
    a, b = await store.items_to_read(limit=2)
    assert (await store.story_for(a)).relation == "new"
    await store.commit_reading(await read(store, a))
    await store.commit_poll(poll_of(other, new("twin", link="shared"), at=NOW + 13 * DAY))
    late_twin = new("late twin", link="shared")
    late_twin = replace(late_twin, keys=replace(late_twin.keys, title_hash=hashed("title of twin")))
    await store.commit_poll(poll_of(other, late_twin, at=NOW + 15 * DAY))
    twin, late = await store.items_to_read(limit=9, without={b.id})
    duplicate = await store.story_for(twin)
    assert (duplicate.relation, duplicate.of, duplicate.key) == ("duplicate", a.id, a.key)
    assert (await store.story_for(late)).relation == "new"
    await store.commit_reading(await read(store, twin))
    placed = await store.item(twin.id)
    assert placed is not None
    own = await store.story_for(placed)
    assert (own.relation, own.of, own.key) == ("update", twin.id, a.key)
    assert (await store.story_for(b)).key == b.key
    assert await store._read(lambda sql: sql.execute("SELECT item_count FROM stories").fetchall()) == [(2,)]


def under_one_link(name: str, title: str) -> NewItem:
    return NewItem(entry=entry_of(name), keys=replace(keys_of(name, link="/live"), title_hash=hashed(title)))


async def test_articles_that_one_feed_lists_under_one_link_are_stories_of_their_own(store: Store) -> None:
    feed, other = await store.feeds()
    posts = [under_one_link(name, f"title {name}") for name in "abc"]
    await store.commit_poll(poll_of(feed, *posts, under_one_link("a again", "title a")))
    await store.commit_poll(poll_of(other, under_one_link("d", "title d"), under_one_link("b elsewhere", "title b")))
    told = []
    for item in sorted(await store.items_to_read(limit=9), key=lambda item: item.id):
        reading = await read(store, item, fired=1)
        await store.commit_reading(reading)
        told.append((reading.story.relation, reading.story.of))
    assert told == [("new", None)] * 3 + [("duplicate", 1), ("new", None), ("duplicate", 2)]
    assert (await store.counts()).owed == 4


async def test_a_link_that_names_one_article_in_each_feed_makes_them_twins_whatever_their_titles(store: Store) -> None:
    feed, other = await store.feeds()
    await store.commit_poll(poll_of(feed, under_one_link("a", "Council extends sanctions")))
    await store.commit_poll(poll_of(other, under_one_link("b", "Sanctions extended")))
    a, b = await store.items_to_read(limit=2)
    await store.commit_reading(await read(store, a))
    story = await store.story_for(b)
    assert (story.relation, story.of) == ("duplicate", a.id)


async def test_two_feeds_that_number_their_entries_alike_do_not_share_a_story(store: Store) -> None:
    for feed, link in zip(await store.feeds(), ("here", "there"), strict=True):
        await store.commit_poll(poll_of(feed, new("1", link=link)))
        (item,) = await store.items_to_read(limit=1)
        await store.commit_reading(await read(store, item, fired=1))
    assert (await store.counts()).owed == 2


async def test_the_same_text_elsewhere_is_not_told_again_and_what_was_told_is_known(store: Store) -> None:
    feed, other = await store.feeds()
    await store.commit_poll(poll_of(feed, new("a", link="shared")))
    (item,) = await store.items_to_read(limit=1)
    reading = await read(store, item, fired=1)
    await store.commit_reading(reading)
    (told,) = await store.told(reading.story.key)
    assert (told.item_id, told.number, told.told, told.card) == (item.id, 0, frozenset({"watch:1"}), card_of())
    await store.commit_poll(poll_of(other, new("b", link="shared")))
    (twin,) = await store.items_to_read(limit=1)
    again = await read(store, twin, fired=1)
    assert again.alerts == ()
    better = AlertEdit(alert_id=told.id, card=card_of("Better"), told=frozenset({"watch:1", "watch:2"}))
    await store.commit_reading(replace(again, edits=(better,)))
    (told,) = await store.told(reading.story.key)
    assert (told.card.headline, told.told) == ("Better", frozenset({"watch:1", "watch:2"}))
    assert (await store.counts()).owed == 1


async def test_a_reading_of_an_item_that_is_gone_leaves_nothing(store: Store) -> None:
    await store.commit_poll(poll_of(await first(store), new("a")))
    (item,) = await store.items_to_read(limit=1)
    reading = await read(store, replace(item, id=999), fired=1)
    await store.commit_reading(reading)
    assert await store.item(999) is None
    assert (await store.counts()).owed == 0
    assert await store.told(reading.story.key) == ()


async def test_counts_say_how_the_store_stands(store: Store) -> None:
    feed, _ = await store.feeds()
    await store.commit_poll(poll_of(replace(feed, state="failing"), new("a"), new("b"), new("c", to_read=False)))
    item = (await store.items_to_read(limit=1))[0]
    await store.commit_reading(replace(await read(store, item, fired=1), page_next_at=NOW))
    counts = await store.counts()
    assert counts.db_bytes > 0
    assert replace(counts, db_bytes=0) == type(counts)(
        feeds=2, failing=1, items=3, to_read=1, pages_owed=1, owed=1, sent=0, failed=0, matches=1, db_bytes=0
    )
