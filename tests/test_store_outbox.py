"""What is owed is told: in order, once, under a lease that only its holder can settle."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.model import (
    AlertEdit,
    Card,
    Delivery,
    FeedItem,
    Item,
    ItemKeys,
    NewItem,
    Poll,
    Sorted,
)
from bot.store import DeclaredFeed, Store, outbox
from bot.store.schema import migrate
from tests.store_fakes import NOW, alert_of, card_of, hashed, reading_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "a.db", now=NOW, voice="bot 7")
    await store.declare(feeds=[DeclaredFeed(url="https://news.example/")], actors=(), watches=(), now=NOW)
    keys = ItemKeys(key=hashed("a"), link_hash=None, title_hash=None, content_hash=hashed("c"))
    new = NewItem(entry=FeedItem(guid="a", title="t", text="x"), keys=keys)
    (feed,) = await store.feeds()
    await store.commit_poll(Poll(feed=feed, polled_at=NOW, entries=Sorted(new=(new,))))
    yield store
    await store.close()


@pytest.fixture
async def item(store: Store) -> Item:
    (item,) = await store.items_to_read(limit=1)
    return item


async def test_a_post_is_claimed_once_and_settled_by_the_holder_of_its_lease_alone(store: Store, item: Item) -> None:
    await store.commit_reading(reading_of(item, alert_of("a")))
    assert await store.next_delivery_at() == NOW
    (post,) = await store.claim(NOW)
    assert (post.kind, post.attempts, post.first_sent_at, post.card.headline) == ("post", 1, NOW, "a 0")
    assert post.owed_at == NOW
    assert await store.claim(NOW) == ()
    assert await store.next_delivery_at() is None
    assert not await store.mark_sent(replace(post, lease=b"not mine"), message_id=1, now=NOW)
    assert not await store.mark_failed(replace(post, lease=b""), "no", next_try_at=None, now=NOW)
    assert await store.mark_sent(post, message_id=11, now=NOW)
    assert not await store.mark_sent(post, message_id=12, now=NOW)
    assert not await store.mark_failed(post, "too late", next_try_at=None, now=NOW)
    assert (await store.counts()).sent == 1
    assert await store.next_delivery_at() is None


async def test_the_same_alert_is_never_owed_twice_however_often_it_is_found(store: Store, item: Item) -> None:
    await store.commit_reading(reading_of(item, alert_of("a")))
    await store.commit_reading(reading_of(item, replace(alert_of("a"), card=card_of("another"))))
    (post,) = await store.claim(NOW)
    await store.mark_sent(post, message_id=1, now=NOW)
    await store.commit_reading(reading_of(item, alert_of("a")))
    assert await store.claim(NOW) == ()


async def test_channels_do_not_wait_for_each_other_and_each_is_told_in_order(store: Store, item: Item) -> None:
    alerts = [alert_of(story, channel=channel) for story in "abc" for channel in (5, 6)]
    await store.commit_reading(reading_of(item, *alerts))
    told: dict[int, list[str]] = {5: [], 6: []}
    while posts := await store.claim(NOW):
        assert len({post.channel_id for post in posts}) == len(posts)
        for post in posts:
            told[post.channel_id].append(post.card.headline)
            await store.mark_sent(post, message_id=None, now=NOW)
    assert told == {5: ["a 0", "b 0", "c 0"], 6: ["a 0", "b 0", "c 0"]}


async def test_threads_of_a_channel_do_not_wait_for_each_other(store: Store, item: Item) -> None:
    places = [(6, 1), (5, 0), (5, 2), (6, 0), (5, 1)]
    alerts = [
        replace(alert_of(story, channel=channel), thread_id=thread) for story in "ab" for channel, thread in places
    ]
    await store.commit_reading(reading_of(item, *alerts))
    posts = await store.claim(NOW)
    assert [(post.channel_id, post.thread_id, post.card.headline) for post in posts] == [
        (*place, "a 0") for place in places
    ]
    await store.mark_failed(posts[0], "503", next_try_at=NOW + MINUTE, now=NOW)
    (other,) = await store.claim(NOW)
    assert (other.channel_id, other.thread_id, other.card.headline) == (6, 1, "b 0")


def test_a_claim_does_not_walk_over_all_that_is_owed() -> None:
    steps = []
    for owed in (20, 2_000):
        sql = sqlite3.connect(":memory:", isolation_level=None)
        migrate(sql)
        item = Item(id=1, feed_id=1, feed_name="", key=hashed("i"), link_hash=None, url="", title="", first_seen_at=NOW)
        outbox.owe(sql, reading_of(item, *(alert_of(f"story {number}") for number in range(owed))), "v")
        taken = [0]

        def step(taken: list[int] = taken) -> int:
            taken[0] += 1
            return 0

        sql.set_progress_handler(step, 10)
        assert len(outbox.claim(sql, NOW, 20, 60)) == 1
        assert outbox.claim(sql, NOW, 20, 60) == ()  # while the channel's one is on its way
        sql.close()
        steps.append(taken[0])
    assert steps[1] < 2 * steps[0]


async def test_an_answer_waits_for_what_it_answers_and_carries_its_receipt(store: Store, item: Item) -> None:
    await store.commit_reading(reading_of(item, alert_of("a"), alert_of("a", 1, reply_to=0), alert_of("b")))
    (question,) = await store.claim(NOW)
    await store.mark_failed(question, "503", next_try_at=NOW + MINUTE, now=NOW)
    (other,) = await store.claim(NOW)
    assert other.card.headline == "b 0"
    await store.mark_sent(other, message_id=1, now=NOW)
    assert await store.claim(NOW) == ()
    assert await store.next_delivery_at() == NOW + MINUTE
    (question,) = await store.claim(NOW + MINUTE)
    assert (question.attempts, question.first_sent_at) == (2, NOW + MINUTE), (
        "what was refused for certain is not in doubt since then"
    )
    await store.mark_sent(question, message_id=77, now=NOW + MINUTE)
    (answer,) = await store.claim(NOW + MINUTE)
    assert (answer.card.headline, answer.reply_to_message_id) == ("a 1", 77)


async def test_what_is_given_up_is_counted_and_holds_up_nobody(store: Store, item: Item) -> None:
    await store.commit_reading(reading_of(item, alert_of("a"), alert_of("a", 1, reply_to=0)))
    (post,) = await store.claim(NOW)
    assert await store.mark_failed(post, "the channel is gone", next_try_at=None, now=NOW)
    counts = await store.counts()
    assert (counts.failed, counts.owed, counts.sent) == (1, 1, 0)
    (answer,) = await store.claim(NOW)
    assert (answer.card.headline, answer.reply_to_message_id) == ("a 1", None)


async def test_a_post_whose_outcome_is_unknown_is_shown_not_repeated_and_its_lease_still_settles_it(
    store: Store, item: Item
) -> None:
    await store.commit_reading(reading_of(item, alert_of("a"), alert_of("b")))
    (post,) = await store.claim(NOW, lease_s=60)
    assert await store.reclaim(NOW) == ()
    assert await store.claim(NOW + 9 * MINUTE) == ()
    assert await store.mark_unknown(post, "reset", look_at=NOW + MINUTE)
    assert await store.reclaim(NOW + MINUTE, without={post.alert_id}) == ()
    assert await store.mark_sent(post, message_id=5, now=NOW + MINUTE)
    assert await store.reclaim(NOW + MINUTE) == ()
    (after,) = await store.claim(NOW + MINUTE)
    assert after.card.headline == "b 0"


async def test_an_outlet_that_cannot_look_back_sends_again_what_was_on_its_way(store: Store, item: Item) -> None:
    await store.commit_reading(reading_of(item, alert_of("a")))
    (post,) = await store.claim(NOW)
    assert await store.release(now=NOW) == 1
    assert await store.release(now=NOW) == 0
    assert not await store.mark_sent(post, message_id=1, now=NOW)
    (again,) = await store.claim(NOW)
    assert (again.attempts, again.nonce) == (2, post.nonce)


async def test_a_better_card_goes_with_the_post_while_that_is_owed_and_as_an_edit_afterwards(
    store: Store, item: Item
) -> None:
    await store.commit_reading(reading_of(item, alert_of("a")))
    (told,) = await store.told(hashed("a"))

    async def improve(headline: str) -> None:
        edit = AlertEdit(alert_id=told.id, card=card_of(headline), told=told.told)
        for _ in range(2):  # the second is the same commit again
            await store.commit_reading(reading_of(item, edits=(edit,)))

    await improve("second")
    (post,) = await store.claim(NOW)
    assert post.card.headline == "second"
    await improve("third")  # while the post is on its way with the second
    assert await store.claim(NOW) == ()
    await store.mark_sent(post, message_id=9, now=NOW)
    (edit,) = await store.claim(NOW)
    assert (edit.kind, edit.card.headline, edit.message_id, edit.attempts) == ("edit", "third", 9, 1)
    await improve("fourth")  # while the edit is on its way with the third
    assert not await store.mark_sent(edit, message_id=None, now=NOW)
    (edit,) = await store.claim(NOW)
    assert edit.card.headline == "fourth"
    assert (await store.counts()).owed == 1
    assert await store.mark_sent(edit, message_id=None, now=NOW)
    assert await store.claim(NOW) == ()
    assert (await store.counts()).owed == 0


async def test_an_edit_whose_lease_ran_out_is_owed_again_and_one_that_is_given_up_is_not(
    store: Store, item: Item
) -> None:
    await store.commit_reading(reading_of(item, alert_of("a")))
    (post,) = await store.claim(NOW)
    await store.mark_sent(post, message_id=9, now=NOW)
    edit = AlertEdit(alert_id=post.alert_id, card=card_of("better"), told=frozenset({"watch:1"}))
    await store.commit_reading(reading_of(item, edits=(edit,)))
    (lost,) = await store.claim(NOW, lease_s=60)
    assert await store.next_delivery_at() == NOW + MINUTE
    (held,) = await store.claim(NOW + MINUTE)
    assert not await store.mark_sent(lost, message_id=None, now=NOW)
    assert await store.mark_failed(held, "503", next_try_at=NOW + 2 * MINUTE, now=NOW)
    assert await store.next_delivery_at() == NOW + 2 * MINUTE
    (last,) = await store.claim(NOW + 2 * MINUTE)
    assert await store.mark_failed(last, "the message is gone", next_try_at=None, now=NOW)
    assert await store.next_delivery_at() is None
    assert (await store.counts()).failed == 0


@pytest.mark.parametrize("unknown", [False, True])
async def test_a_channel_that_is_closed_twice_by_one_settling_has_refused_once(
    store: Store, item: Item, *, unknown: bool
) -> None:
    await store.commit_reading(reading_of(item, alert_of("a")))
    (post,) = await store.claim(NOW)
    news = [await store.mark_closed(post, "gone", now=NOW, unknown=unknown, standing="") for _ in range(2)]
    assert news == [True, False]
    assert [one.tries for one in await store.paused_channels()] == [1]


def test_a_nonce_names_what_is_announced_and_fits_discord() -> None:
    first = outbox.nonce_for("bot 7", alert_of("a"))
    others = {
        outbox.nonce_for("bot 8", alert_of("a")),
        outbox.nonce_for("bot 7", alert_of("b")),
        outbox.nonce_for("bot 7", alert_of("a", 1)),
        outbox.nonce_for("bot 7", alert_of("a", channel=6)),
        outbox.nonce_for("bot 7", replace(alert_of("a"), thread_id=1)),
    }
    assert first == outbox.nonce_for("bot 7", replace(alert_of("a"), card=card_of("better"), told=frozenset()))
    assert (len(first), first[0], len(others | {first})) == (24, "d", 6)


async def test_a_fresh_database_gives_the_same_alert_the_same_nonce(store: Store, item: Item) -> None:
    await store.commit_reading(reading_of(item, alert_of("x"), alert_of("a")))
    posts = [*await store.claim(NOW)]
    await store.mark_sent(posts[0], message_id=1, now=NOW)
    posts += await store.claim(NOW)
    assert [post.nonce for post in posts] == [outbox.nonce_for("bot 7", alert_of(story)) for story in ("x", "a")]


class Outbox(RuleBasedStateMachine):
    """A reader of two channels against the table: what they see is what is owed, once, and in the end the best card."""

    def __init__(self) -> None:
        super().__init__()
        self.sql = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self.sql)
        self.now = NOW
        self.item = Item(
            id=1, feed_id=1, feed_name="", key=hashed("i"), link_hash=None, url="", title="", first_seen_at=NOW
        )
        self.numbers = {5: 0, 6: 0}
        self.cards: dict[int, Card] = {}
        self.shown: dict[int, Card] = {}
        self.posted: list[int] = []
        self.given_up: set[int] = set()
        self.held: list[Delivery] = []
        self.stale: list[Delivery] = []

    def teardown(self) -> None:
        self.drain()
        self.sql.close()

    def show(self, delivery: Delivery) -> None:
        """Let a delivery arrive: settled at most once, or not at all where the lease is gone."""
        if outbox.mark_sent(self.sql, delivery, None, self.now):
            self.shown[delivery.alert_id] = delivery.card
            if delivery.kind == "post":
                self.posted.append(delivery.alert_id)

    @rule(channel=st.sampled_from([5, 6]), twice=st.booleans(), answers=st.booleans())
    def owe(self, channel: int, *, twice: bool, answers: bool) -> None:
        number = self.numbers[channel]
        alert = alert_of("s", number, channel=channel, reply_to=number - 1 if answers and number else None)
        for _ in range(1 + twice):
            outbox.owe(self.sql, reading_of(self.item, alert, at=self.now), "v")
        (alert_id,) = self.sql.execute("SELECT MAX(id) FROM alerts").fetchone()
        self.numbers[channel] += 1
        self.cards[alert_id] = alert.card

    @precondition(lambda self: self.cards)
    @rule(data=st.data())
    def improve(self, data: st.DataObject) -> None:
        alert_id = data.draw(st.sampled_from(sorted(self.cards)))
        card = card_of(f"better {data.draw(st.integers(0, 3))}")
        edit = AlertEdit(alert_id=alert_id, card=card, told=frozenset({"watch:1"}))
        outbox.owe(self.sql, reading_of(self.item, edits=(edit,), at=self.now), "v")
        self.cards[alert_id] = card

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        claimed = outbox.claim(self.sql, self.now, limit, 60)
        posts = [one for one in claimed if one.kind == "post"]
        assert len(claimed) <= limit
        assert len({one.channel_id for one in posts}) == len(posts)
        assert not {one.alert_id for one in posts} & (set(self.posted) | self.given_up)
        self.held += claimed

    @precondition(lambda self: self.held)
    @rule(outcome=st.sampled_from(["sent", "again", "given up", "unknown"]), again=st.booleans())
    def settle(self, outcome: str, *, again: bool) -> None:
        delivery = self.held.pop(0)
        if outcome == "sent":
            self.show(delivery)
        elif outcome == "again":
            outbox.mark_failed(self.sql, delivery, "503", self.now + MINUTE * again, self.now)
        elif (
            outcome == "given up"
            and delivery.kind == "post"
            and outbox.mark_failed(self.sql, delivery, "gone", None, self.now)
        ):
            self.given_up.add(delivery.alert_id)
        self.stale.append(delivery)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def settle_late(self, data: st.DataObject) -> None:
        """Settle what was let go before: it counts only while nobody else has settled or claimed it."""
        self.show(data.draw(st.sampled_from(self.stale)))

    @rule()
    def reconcile(self) -> None:
        for delivery in outbox.reclaim(self.sql, self.now, 60, ()):
            assert outbox.mark_failed(self.sql, delivery, "not found", self.now, self.now)

    @rule()
    def start_again(self) -> None:
        self.stale += self.held
        self.held.clear()
        outbox.release(self.sql, self.now)

    @rule(minutes=st.integers(1, 2))
    def wait(self, minutes: int) -> None:
        self.now += minutes * MINUTE

    @invariant()
    def nobody_is_told_twice(self) -> None:
        assert len(self.posted) == len(set(self.posted))
        in_flight = self.sql.execute("SELECT channel_id FROM alerts WHERE state = 'sending'").fetchall()
        assert len(in_flight) == len(set(in_flight))

    @invariant()
    def the_next_delivery_is_due_neither_earlier_nor_later(self) -> None:
        at = outbox.next_delivery_at(self.sql)
        self.sql.execute("BEGIN")
        early = NOW - timedelta(days=1) if at is None else at - timedelta(milliseconds=1)
        assert outbox.claim(self.sql, early, 9, 60) == ()
        assert at is None or outbox.claim(self.sql, at, 9, 60) != ()
        self.sql.execute("ROLLBACK")

    def drain(self) -> None:
        """Let everything arrive: then each alert was told once, and everyone sees the best card."""
        outbox.release(self.sql, self.now)
        for _ in range(10 * len(self.cards) + 10):
            self.now += 5 * MINUTE
            for delivery in outbox.claim(self.sql, self.now, 9, 60):
                self.show(delivery)
        assert sorted(self.posted) == sorted(self.cards.keys() - self.given_up)
        assert self.shown == {id_: card for id_, card in self.cards.items() if id_ in self.shown}
        assert self.shown.keys() == set(self.posted)


Outbox.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_every_owed_alert_is_told_once_and_ends_with_its_best_card = Outbox.TestCase
