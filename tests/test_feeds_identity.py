"""What an entry is known by: what must never make an old one new, and what must never swallow a new one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.feeds.identity import believable, body_hash, canonical_link, items_hash, keys_for, sort_entries
from bot.model import FeedItem, ItemKeys, Known, KnownItem, Sorted

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
NOTHING = Known(by_key={}, by_link={})
ONE = FeedItem(
    guid="g1", link="https://example.org/one", title="Port closed", text="The port is closed.", published_at=NOW
)
TWO = FeedItem(guid="g2", link="https://example.org/two", title="Port open", text="The port is open again.")


class Memory:
    """What a store would remember of a feed, poll after poll."""

    def __init__(self) -> None:
        self.by_key: dict[bytes, KnownItem] = {}
        self.by_link: dict[bytes, KnownItem] = {}
        self.count = 0

    def poll(self, *items: FeedItem) -> Sorted:
        keys = keys_for(items)
        found = sort_entries(items, keys, Known(by_key=dict(self.by_key), by_link=dict(self.by_link)))
        for new in found.new:
            self.count += 1
            self.keep(
                new.keys,
                KnownItem(item_id=self.count, content_hash=new.keys.content_hash, title_hash=new.keys.title_hash),
            )
        for edited in found.edited:
            old = next(mark for mark in self.by_key.values() if mark.item_id == edited.item_id)
            its = edited.keys
            self.keep(its, replace(old, content_hash=its.content_hash, title_hash=its.title_hash, edits=old.edits + 1))
        for key, item_id in found.moved:
            self.by_key.setdefault(key, next(mark for mark in self.by_key.values() if mark.item_id == item_id))
        return found

    def keep(self, keys: ItemKeys, mark: KnownItem) -> None:
        self.by_key[keys.key] = mark
        if keys.link_hash:
            self.by_link[keys.link_hash] = mark


def test_entries_that_say_what_known_ones_say_are_new_unless_most_of_the_document_does_so() -> None:
    keys = keys_for([ONE, TWO])
    marks = [
        KnownItem(item_id=n, content_hash=one.content_hash, title_hash=one.title_hash) for n, one in enumerate(keys)
    ]
    by_content = {one.content_hash: mark for one, mark in zip(keys, marks, strict=True)}
    known = Known(by_key={}, by_link={}, by_content=by_content)
    moved = [replace(one, guid=f"new {one.guid}", link=f"{one.link}/new") for one in (ONE, TWO)]
    others = [replace(ONE, guid=str(n), link=f"https://example.org/{n}", title=f"Port {n}") for n in range(3)]
    assert titles(sort_entries(moved, keys_for(moved), known)) == []
    assert titles(sort_entries([*moved, *others[:2]], keys_for([*moved, *others[:2]]), known)) == ["Port 0", "Port 1"]
    many = [*moved, *others]
    assert len(titles(sort_entries(many, keys_for(many), known))) == 5
    assert titles(sort_entries(moved[:1], keys_for(moved[:1]), known)) == ["Port closed"], (
        "a daily report may repeat itself"
    )


def titles(found: Sorted) -> list[str]:
    return [new.entry.title for new in found.new]


def test_what_was_seen_is_not_new_again() -> None:
    memory = Memory()
    assert titles(memory.poll(ONE, TWO)) == ["Port closed", "Port open"]
    again = memory.poll(TWO, ONE)
    assert (again.new, again.edited, again.moved, len(again.seen)) == ((), (), (), 2)


@pytest.mark.parametrize(
    "changed",
    [
        replace(ONE, published_at=NOW + timedelta(days=3), updated_at=NOW),
        replace(ONE, guid="another guid"),
        replace(ONE, guid=""),
        replace(ONE, link="http://www.example.org/one?utm_source=rss#top"),
        replace(ONE, guid="https://www.example.org/one", link="http://www.example.org/one"),
        replace(ONE, guid="g9", title=" PORT  closed (12 comments)", text="The  port is closed."),
        replace(ONE, author="Somebody"),
    ],
)
def test_none_of_these_makes_an_item_new_or_edited(changed: FeedItem) -> None:
    memory = Memory()
    memory.poll(ONE)
    found = memory.poll(changed)
    assert (found.new, found.edited) == ((), ())


def test_a_new_guid_at_every_poll_stays_one_item() -> None:
    memory = Memory()
    founds = [memory.poll(replace(ONE, guid=f"session-{number}")) for number in range(5)]
    assert [len(found.new) for found in founds] == [1, 0, 0, 0, 0]
    assert [item_id for found in founds[1:] for _, item_id in found.moved] == [1, 1, 1, 1]


def test_one_guid_for_all_keeps_the_items_apart() -> None:
    memory = Memory()
    assert len(memory.poll(replace(ONE, guid="same"), replace(TWO, guid="same")).new) == 2
    third = FeedItem(guid="same", link="https://example.org/three", title="Third")
    assert titles(memory.poll(third, replace(ONE, guid="same"), replace(TWO, guid="same"))) == ["Third"]


def test_a_guid_that_is_unique_first_and_shared_later_repeats_nothing() -> None:
    memory = Memory()
    memory.poll(replace(ONE, guid="same"))
    assert titles(memory.poll(replace(TWO, guid="same"), replace(ONE, guid="same"))) == ["Port open"]
    assert titles(memory.poll(replace(TWO, guid="same"))) == []


def test_items_without_guid_that_all_link_to_the_home_page_are_told_apart_by_title() -> None:
    home = "https://example.org/"
    memory = Memory()
    assert len(memory.poll(FeedItem(link=home, title="A"), FeedItem(link=home, title="B")).new) == 2
    found = memory.poll(FeedItem(link=home, title="C"), FeedItem(link=home, title="A"), FeedItem(link=home, title="B"))
    assert titles(found) == ["C"]


def test_items_without_guid_and_link_are_known_by_what_they_say() -> None:
    memory = Memory()
    memory.poll(FeedItem(title="A", text="x"), FeedItem(text="only text"))
    assert titles(
        memory.poll(FeedItem(title="A", text="x"), FeedItem(text="only text"), FeedItem(title="B", text="x"))
    ) == ["B"]


def test_the_same_entry_twice_in_a_document_counts_once() -> None:
    memory = Memory()
    assert len(memory.poll(ONE, ONE, replace(ONE, guid="under another guid")).new) == 1
    assert memory.poll(ONE, replace(ONE, guid="under another guid")).new == ()


def test_two_entries_of_one_title_and_link_that_say_different_things_are_two() -> None:
    memory = Memory()
    monday = replace(ONE, guid="mon", title="Daily briefing", text="Monday's news.")
    tuesday = replace(ONE, guid="tue", title="Daily briefing", text="Tuesday's news.")
    assert len(memory.poll(monday, tuesday).new) == 2
    later = Memory()
    later.poll(monday)
    assert len(later.poll(tuesday, monday).new) == 1


def test_a_changed_text_is_an_edit_at_most_three_times() -> None:
    memory = Memory()
    memory.poll(ONE)
    edits = [len(memory.poll(replace(ONE, text=f"Version {number}.")).edited) for number in range(5)]
    assert edits == [1, 1, 1, 0, 0]


def test_of_a_purged_item_the_mark_is_enough_to_be_seen() -> None:
    (keys,) = keys_for([ONE])
    mark = KnownItem(item_id=None, content_hash=None, title_hash=None)
    found = sort_entries([ONE], [keys], Known(by_key={keys.key: mark}, by_link={}))
    assert (found.new, found.edited, found.seen) == ((), (), (keys.key,))


@pytest.mark.parametrize(
    "url",
    [
        "HTTP://WWW.Example.org:80/a?b=1",
        "https://example.org/a?b=1#part",
        "https://example.org:443/a?utm_source=x&b=1&fbclid=y",
        " https://www.example.org/a?b=1&UTM_Medium=rss&at_medium=RSS ",
    ],
)
def test_spellings_of_one_address_are_one(url: str) -> None:
    assert canonical_link(url) == "https://example.org/a?b=1"


def test_different_addresses_stay_different() -> None:
    urls = [
        "https://a.example/",
        "https://b.example/",
        "https://a.example/x",
        "https://a.example/?id=1",
        "https://a.example:81/",
    ]
    assert len({canonical_link(url) for url in urls}) == len(urls)
    assert canonical_link("") == ""


@given(st.text(max_size=60))
@example(" ?")
@settings(max_examples=100, deadline=None)
def test_the_canonical_form_is_final(url: str) -> None:
    once = canonical_link("https://example.org/" + url)
    assert canonical_link(once) == once


@given(
    st.lists(
        st.builds(
            FeedItem,
            guid=st.sampled_from("ab"),
            link=st.sampled_from(["", "https://e.org/1"]),
            title=st.sampled_from("xy"),
        ),
        max_size=6,
    )
)
@settings(max_examples=100, deadline=None)
def test_a_document_polled_twice_brings_nothing_new_and_loses_nothing(items: list[FeedItem]) -> None:
    memory = Memory()
    first = memory.poll(*items)
    assert {(new.entry.guid, new.entry.title) for new in first.new} >= {
        (item.guid, item.title)
        for item in items
        if (item.link, item.title) not in {(other.link, other.title) for other in items if other is not item}
    }
    again = memory.poll(*items)
    assert (again.new, again.edited) == ((), ())


def test_keys_do_not_depend_on_the_order() -> None:
    items = [ONE, TWO, replace(TWO, guid="g1")]
    forward = dict(zip(items, keys_for(items), strict=True))
    backward = dict(zip(items[::-1], keys_for(items[::-1]), strict=True))
    assert forward == backward
    assert {len(keys.key) for keys in forward.values()} == {16}


def test_a_new_build_date_does_not_change_the_hash_of_the_items() -> None:
    before = b"<rss><channel><lastBuildDate>1</lastBuildDate><ITEM><title>x</title></ITEM></channel></rss>"
    after = before.replace(b">1<", b">2<")
    assert body_hash(before) != body_hash(after)
    assert items_hash(before) == items_hash(after)
    assert items_hash(before) != items_hash(before.replace(b">x<", b">y<"))
    assert items_hash(b"<a:feed><a:entry/>") == items_hash(b"<a:feed id='2'><a:entry/>")
    assert items_hash(b"{}") == body_hash(b"{}")


def test_times_far_ahead_or_long_ago_are_not_believed() -> None:
    assert believable(NOW + timedelta(minutes=9), NOW) == NOW + timedelta(minutes=9)
    assert believable(NOW + timedelta(minutes=11), NOW) is None
    assert believable(datetime(1989, 12, 31, tzinfo=UTC), NOW) is None
    assert believable(None, NOW) is None
