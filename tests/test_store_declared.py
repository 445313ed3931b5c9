"""What is declared is kept in step with the file; keyword forms are remembered."""

from __future__ import annotations

from dataclasses import replace

from bot.model import (
    Actor,
    Alias,
    Watch,
    WordForm,
)
from bot.store import DeclaredFeed, Store
from tests.store_fakes import DAY, HOUR, NOW, OTHER_URL, QUERY, URL, declared, first, keys_of, new, poll_of


async def test_a_feed_that_vanished_from_the_file_rests_and_comes_back_with_its_seen_marks(store: Store) -> None:
    feed = replace(await first(store), state="ok", subscribed_at=NOW, next_poll_at=NOW + DAY, fail_count=2)
    await store.commit_poll(poll_of(feed, new("a")))
    await declared(store, OTHER_URL)
    assert [(one.url, one.state) for one in await store.feeds()] == [(URL, "paused"), (OTHER_URL, "new")]
    assert [one.url for one in await store.due_feeds(NOW + 2 * DAY)] == [OTHER_URL]
    await store.commit_poll(poll_of(feed, at=NOW + HOUR))  # a poll that was under way does not wake it
    assert (await first(store)).state == "paused"
    await declared(store, OTHER_URL, URL)
    back = await first(store)
    assert (back.id, back.state, back.subscribed_at, back.fail_count) == (feed.id, "ok", NOW, 0)
    assert back in await store.due_feeds(NOW + HOUR)
    assert await store.commit_poll(poll_of(back, new("a"), at=NOW + 2 * HOUR)) == ()


async def test_a_feed_that_comes_back_to_the_file_after_more_than_a_day_starts_anew(store: Store) -> None:
    known = replace(await first(store), state="ok", subscribed_at=NOW, last_poll_at=NOW, etag='"1"')
    await store.commit_poll(poll_of(known, new("a")))
    for away, kept in ((DAY, (NOW, '"1"', "ok")), (DAY + HOUR, (None, None, "new"))):
        await declared(store, OTHER_URL, at=NOW + HOUR)
        await declared(store, OTHER_URL, URL, at=NOW + away)
        back = await first(store)
        assert (back.subscribed_at, back.etag, back.state) == kept
        assert (await store.known(back.id, [keys_of("a")], now=NOW + away)).by_key


async def test_declaring_the_same_again_changes_nothing_and_a_new_interval_makes_the_feed_due(store: Store) -> None:
    named = replace(await first(store), name="Learned from the feed", next_poll_at=NOW + DAY)
    await store.commit_poll(poll_of(named))
    before = await store.feeds()
    await declared(store, URL, OTHER_URL, at=NOW + HOUR)
    assert await store.feeds() == before
    await store.declare(feeds=[DeclaredFeed(url=URL, interval_s=600.0)], actors=(), watches=(), now=NOW)
    (due,) = await store.due_feeds(NOW)
    assert (due.name, due.interval_s) == ("Learned from the feed", 600.0)
    await store.declare(feeds=[DeclaredFeed(url=URL, name="Named", interval_s=600.0)], actors=(), watches=(), now=NOW)
    assert (await first(store)).name == "Named"


async def test_an_edited_query_keeps_the_watch_and_a_renamed_watch_is_a_new_one(store: Store) -> None:
    await declared(store, watches=(Watch(name="a", query=QUERY), Watch(name="b", query="Sochi", mention=7)))
    a, b = await store.watches()
    await declared(
        store, watches=(Watch(name="a", query="sanctions OR Sochi", channel_id=5), Watch(name="c", query="Sochi"))
    )
    edited, c = await store.watches()
    assert (edited.id, edited.query, edited.channel_id) == (a.id, "sanctions OR Sochi", 5)
    assert c.id not in (a.id, b.id)
    await declared(
        store, watches=(Watch(name="b", query="Sochi", mention=7), Watch(name="a", query=QUERY, enabled=False))
    )
    assert await store.watches() == (b,)


async def test_actors_come_back_as_declared_and_a_struck_spelling_stays_struck(store: Store) -> None:
    aliases = (
        Alias(text="Lukashenka"),
        Alias(text="Лукашенко", rule="exact", origin="be", lang="be"),
        Alias(text="AL"),
    )
    await declared(store, actors=(Actor(name="Alexander Lukashenko", aliases=aliases), Actor(name="Nobody")))
    kept, nobody = await store.actors()
    assert kept.aliases == aliases
    assert nobody.aliases == ()
    assert store._writer is not None
    await store._writer.write(lambda sql: sql.execute("UPDATE aliases SET struck = 1 WHERE text = 'AL'"))
    again = (aliases[2], Alias(text="Lukashenka", origin="typed again"))
    await declared(store, actors=(Actor(name="Alexander Lukashenko", aliases=again),))
    (only,) = await store.actors()
    assert only.id == kept.id
    assert only.aliases == (replace(aliases[2], struck=True), again[1])


async def test_what_people_made_in_chat_is_never_touched_by_the_file(store: Store) -> None:
    assert store._writer is not None
    await declared(store, URL, watches=(Watch(name="w", query=QUERY),), actors=(Actor(name="A"),))
    for table in ("watches", "actors"):  # a feed that the file names too is shared: tests/test_desk.py
        await store._writer.write(lambda sql, table=table: sql.execute(f"UPDATE {table} SET origin = 'chat'"))  # type: ignore[misc]  # noqa: S608  # two fixed names
    before = await store.watches(), await store.actors()
    await declared(store)
    await store.declare(
        feeds=[DeclaredFeed(url=URL, name="theirs", interval_s=9.0)],
        actors=(Actor(name="A", aliases=(Alias(text="a"),)),),
        watches=(Watch(name="w", query="other"),),
        now=NOW,
    )
    assert (await store.watches(), await store.actors()) == before


async def test_word_forms_come_back_only_for_words_known_in_every_language_asked_for(store: Store) -> None:
    forms = {
        "sanctions": (
            WordForm(text="sanctioned", lang="en"),
            WordForm(text="sanction", lang="en"),
            WordForm(text="sanktion", lang="de"),
        ),
        "Sochi": (),
    }
    await store.keep_word_forms(forms, ["en", "de"])
    assert await store.word_forms(["sanctions", "Sochi", "never"], ["en", "de"]) == forms
    assert await store.word_forms(["sanctions"], ["de"]) == {"sanctions": forms["sanctions"][2:]}
    assert await store.word_forms(["sanctions"], ["en", "ru"]) == {}
