"""The desk without a chat around it: what a query means, whose names are offered, what a server may see, what its rows do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alerts import heard_in
from bot.desk_names import named, offers_for, short_name, told_apart
from bot.desk_queries import doubts_about, doubts_about_actor, meaning_of, read_query, silence_of
from bot.desk_sight import Asker, Sight
from bot.errors import QueryError, UserError
from bot.model import (
    Actor,
    Alias,
    Feed,
    FeedItem,
    ItemKeys,
    Match,
    Matches,
    NewItem,
    Poll,
    Sorted,
    Watch,
    WhyNot,
)
from bot.reading.query import parse_query
from bot.store import DeclaredFeed, Holdings, Store, Subscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://news.example/feed"
ANNA = Actor(id=1, name="Anna Orlova", aliases=(Alias(text="A. Orlova"),))
ONE, TWO = 11, 22


def asker(guild_id: int = ONE, *, manager: bool = True, channels: tuple[int, ...] = (5,)) -> Asker:
    return Asker(
        guild_id=guild_id,
        user_id=1,
        is_manager=manager,
        sees=lambda channel_id: channel_id in channels,
        holds=lambda channel_id: channel_id in channels,
    )


# --- queries in words ---


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sanctions", '"sanctions" in any form'),
        ("=Sochi", '"Sochi" and no other form'),
        ("sanction*", 'a word that begins with "sanction"'),
        ("US", '"US"'),
        ("a1 b1", 'all of: "a1"; "b1"'),
        ("a1 OR b1 c1", 'any of: "a1"; ("b1" and "c1")'),
        ("sanctions -sport", 'all of: "sanctions" in any form; not "sport" in any form'),
        ('"prime minister" NEAR/1 Minsk', 'the phrase "prime minister" at most 1 word away from "Minsk" in any form'),
        ("title:(a1 OR b1)", '("a1" or "b1") (in the headline)'),
        ("source:(Reuters OR BBC) lang:en", "every article, from the source Reuters or BBC, in the language en"),
        ("source:Reuters", "every article from the source Reuters"),
        ("sanctions lang:ru", '"sanctions" in any form, in the language ru'),
        ("actor:Orlova", "Orlova in any known spelling"),
    ],
)
def test_a_query_is_said_in_words(query: str, words: str) -> None:
    assert meaning_of(parse_query(query).root) == words


def test_a_query_that_names_an_unknown_actor_is_refused() -> None:
    assert read_query("actor:Orlova", [ANNA], 0).root is not None
    with pytest.raises(QueryError, match="no actor"):
        read_query("actor:Petrova", [ANNA], 0)


def test_what_may_alert_too_often_is_doubted_and_nothing_else() -> None:
    assert len(doubts_about(parse_query("of"))) == 1
    assert doubts_about(parse_query("sanctions")) == []
    assert doubts_about(parse_query("actor:Orlova")) == [], "what is to be said of an actor is said with the actor"
    assert doubts_about_actor(ANNA) == []
    many = Actor(name="Orlova", aliases=tuple(Alias(text=text) for text in ("rose", "NATO", "Orlowa")))
    assert doubts_about_actor(many) == [
        '"rose", in small letters, counts wherever that word stands.',
        '"Orlova", "Orlowa" are single names: everyone who bears one counts. A full name is safer.',
    ]


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("tariff or quota or duty", "“one is enough”, write it in capitals: tariff OR quota OR duty"),
        ("rain and snow", "“both”, write it in capitals: rain AND snow"),
        ("rain not snow", "“without it”, write it in capitals: rain NOT snow"),
        ("or rain", "“one is enough”, write it in capitals."),
    ],
)
def test_operators_in_small_letters_are_said_to_be_words_with_the_query_that_was_meant(query: str, meant: str) -> None:
    (doubt,) = doubts_about(parse_query(query))
    assert doubt.endswith(meant)


def test_operators_that_are_meant_as_words_are_left_alone() -> None:
    assert doubts_about(parse_query('rain "or" ="not" OR snow')) == []


def test_a_source_that_no_feed_is_called_is_said_with_the_closest_names() -> None:
    sources = ("Harbour Post", "Lantern")
    (doubt,) = doubts_about(parse_query("source:Harbour"), sources)
    assert doubt.startswith('No feed here is called "Harbour"')
    assert doubt.endswith('Closest: source:"Harbour Post"')
    assert doubts_about(parse_query('source:("harbour post" OR example.org)'), sources) == []
    assert doubts_about(parse_query("source:Harbour")) == [], "where the feeds are not known nothing is said"


def test_why_a_watch_without_a_word_there_is_silent() -> None:
    assert silence_of("sanctions") == "none of its words stands there"
    assert silence_of("source:Harbour lang:ru") == "it is not from the source Harbour and in the language ru"


# --- names ---


def test_names_that_begin_so_are_offered_first() -> None:
    names = ["Old news", "New Minsk wire", "Minsk", "Kominsk"]
    assert offers_for("min", names) == ["Minsk", "New Minsk wire", "Kominsk"]
    assert offers_for("", names) == names


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=20), st.lists(st.text(max_size=120), max_size=60))
def test_at_most_25_short_names_are_offered(typed: str, names: list[str]) -> None:
    offered = offers_for(typed, names)
    assert len(offered) <= 25
    assert set(offered) <= set(names)
    assert all(len(name) <= 100 for name in offered)


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    assert named("MINSK", {"Minsk": 1}, "watch") == 1
    with pytest.raises(UserError, match="Closest: Minsk"):
        named("Minks", {"Minsk": 1}, "watch")
    with pytest.raises(UserError, match="/watch list shows the watches"):
        named("x", {}, "watch")


# --- who sees what ---


def test_two_feeds_of_one_name_are_told_apart() -> None:
    hosts = {1: "news.example", 2: "news.example", 3: "other.example", 4: "last.example"}
    feeds = tuple(
        Feed(
            id=n, url=f"https://u:p@{host}/token?q={n}", name="Wire · news.example" if n == 4 else "wire", origin="chat"
        )
        for n, host in hosts.items()
    )
    own = tuple(
        Subscription(guild_id=ONE, feed_id=n, name="", interval_s=None, enabled=True, created_by=0) for n in hosts
    )
    sight = Sight(Holdings(feeds=feeds, subscriptions=own, audiences={}), asker())
    assert {one.feed.id: one.name for one in sight.feeds} == {
        1: "wire · news.example 2",
        2: "wire · news.example 3",
        3: "wire · other.example",
        4: "Wire · news.example",
    }
    assert all(sight.feed(one.name) is one for one in sight.feeds)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=120), st.sampled_from(["", "declared", "host.example"])), max_size=20))
def test_names_that_are_told_apart_are_short_and_unlike_each_other(named_: list[tuple[str, str]]) -> None:
    marked = [(name, mark, number) for number, (name, mark) in enumerate(named_) if mark]
    apart = told_apart(marked)
    assert sorted(apart.values()) == [number for _, _, number in marked]
    assert len({name.casefold() for name in apart}) == len(marked)
    assert all(len(name) <= 100 for name in apart)


@pytest.mark.parametrize("title", ["\u200b\u2063", "", " \u00ad ", "\u200d"])
def test_a_feed_whose_title_nobody_can_see_is_called_by_its_host(title: str) -> None:
    own = Subscription(guild_id=ONE, feed_id=1, name="", interval_s=None, enabled=True, created_by=0)
    feed = Feed(id=1, url="https://news.example/feed", name=title, origin="chat")
    sight = Sight(Holdings(feeds=(feed,), subscriptions=(own,), audiences={}), asker())
    assert [one.name for one in sight.feeds] == ["news.example"]


def test_a_name_is_shown_without_what_turns_or_hides_it() -> None:
    assert short_name("Wire \u202eevil\u0007  two") == "Wire evil two"
    assert short_name("نامه‌ها") == "نامه‌ها"


def test_a_declared_list_belongs_to_the_servers_that_declared_watches_alert() -> None:
    placed = Watch(id=1, name="W", query="x", channel_id=5)
    holdings = Holdings(watches=(placed,), actors=(ANNA,), audiences={})
    assert Sight(holdings, asker()).actors == (ANNA,)
    assert Sight(holdings, asker(TWO, channels=(6,))).actors == ()
    assert Sight(holdings, asker(TWO, channels=(6,))).watches == ()


def test_what_a_watch_does_not_hear_neither_fires_nor_explains() -> None:
    watches = [
        Watch(id=n, name=str(n), query="x", guild_id=g, home_id=g, feeds=f)
        for n, g, f in ((1, ONE, ()), (2, ONE, (8,)), (3, TWO, ()))
    ]
    found = Matches(
        matches=tuple(
            Match(
                watch_id=n, watch=str(n), actor=None, field="title", start=0, end=1, text="x", alias="x", rule="exact"
            )
            for n in (1, 2, 3)
        ),
        why_not=tuple(WhyNot(watch_id=n, watch=str(n), actor=None, reason="r") for n in (1, 2, 3)),
        fired=(1, 2, 3),
    )
    heard = heard_in(found, watches, 7, {7: frozenset({ONE})})
    assert heard.fired == (1,)
    assert {match.watch_id for match in heard.matches} == {reason.watch_id for reason in heard.why_not} == {1}
    assert heard_in(found, watches, 8, {}) is found


# --- the rows ---


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    yield store
    await store.close()


async def test_an_address_is_polled_once_for_all_servers_and_as_often_as_the_most_eager_wants(store: Store) -> None:
    first = await store.chat.add_feed(ONE, URL, by=1, now=NOW)
    second = await store.chat.add_feed(TWO, URL, by=2, now=NOW)
    assert (first, second) == ((1, True), (1, True))
    await store.chat.edit_feed(ONE, 1, name="Mine", interval_s=900)
    await store.chat.edit_feed(TWO, 1, name="Theirs", interval_s=600)
    (feed,) = await store.feeds()
    assert feed.interval_s == 600
    assert feed.name == "", "what a server calls it stays with that server"
    await store.chat.switch_feed(TWO, 1, on=False, now=NOW)
    (feed,) = await store.feeds()
    assert (feed.interval_s, feed.name) == (900, "")
    assert {key: one.name for key, one in (await store.chat.hearings()).items()} == {(1, ONE): "Mine"}
    assert await store.chat.audiences() == {1: frozenset({ONE})}
    await store.chat.switch_feed(ONE, 1, on=False, now=NOW)
    assert await store.due_feeds(NOW) == ()


async def test_a_feed_that_the_file_names_too_is_everybodys_and_goes_back_to_its_servers(store: Store) -> None:
    await store.chat.add_feed(ONE, URL, by=1, now=NOW)
    await store.declare(feeds=[DeclaredFeed(url=URL)], actors=[], watches=[], now=NOW)
    assert await store.chat.audiences() == {}
    await store.declare(feeds=[], actors=[], watches=[], now=NOW)
    assert await store.chat.audiences() == {1: frozenset({ONE})}
    assert len(await store.due_feeds(NOW)) == 1


async def test_a_feed_with_a_password_is_each_servers_own(store: Store) -> None:
    url = "https://anna:hush@news.example/feed"
    assert (await store.chat.add_feed(ONE, url, by=1, now=NOW))[0] != (
        await store.chat.add_feed(TWO, url, by=1, now=NOW)
    )[0]


async def test_a_password_is_forgotten_with_its_feed(store: Store) -> None:
    url = "https://anna:hush@news.example/feed"
    for number in (1, 2):
        feed_id, fresh = await store.chat.add_feed(ONE, url, by=1, now=NOW)
        assert fresh
        await known_item(store, feed_id, number)
        if number == 1:
            await store.chat.remove_feed(ONE, feed_id)
        else:
            await store.chat.leave_guild(ONE, now=NOW)
            await store.chat.forget_guilds(left_before=NOW + timedelta(days=30))
        assert not [feed.url for feed in await store.feeds() if "hush" in feed.url or "anna" in feed.url]
    assert len(await store.feeds()) == 2, "what they brought stays"
    await store.chat.add_feed(ONE, URL, by=1, now=NOW)
    await store.chat.remove_feed(ONE, 3)
    assert [feed.id for feed in await store.feeds()] == [1, 2]


async def known_item(store: Store, feed_id: int, number: int) -> None:
    """Let a feed bring an item."""
    (feed,) = [one for one in await store.feeds() if one.id == feed_id]
    key = bytes([number]) * 16
    keys = ItemKeys(key=key, link_hash=None, title_hash=None, content_hash=key)
    entries = Sorted(new=(NewItem(entry=FeedItem(title="T"), keys=keys),), seen=(key,))
    await store.commit_poll(Poll(feed=replace(feed, subscribed_at=NOW), polled_at=NOW, entries=entries))


async def test_a_declared_feed_with_a_password_is_heard_where_declared_watches_alert(store: Store) -> None:
    secret = DeclaredFeed(url="https://anna:hush@news.example/feed")
    watch = Watch(name="W", query="x", channel_id=5)
    await store.declare(feeds=[DeclaredFeed(url=URL), secret], actors=[], watches=[watch], now=NOW)
    assert await store.chat.audiences() == {2: frozenset({0})}
    assert await store.chat.settle_homes({5: ONE, 6: TWO})
    assert not await store.chat.settle_homes({5: ONE})
    assert await store.chat.audiences() == {2: frozenset({ONE})}
    assert [one.home_id for one in await store.watches()] == [ONE]


async def test_what_a_server_had_rests_when_the_bot_is_removed_and_goes_in_time(store: Store) -> None:
    await store.chat.add_feed(ONE, URL, by=1, now=NOW)
    await store.chat.add_actor(Actor(guild_id=ONE, name="Anna", aliases=(Alias(text="Ann"),)), by=1, now=NOW)
    watch = Watch(guild_id=ONE, name="W", query="x", channel_id=5, feeds=(1,))
    await store.chat.add_watch(watch, by=1, now=NOW)
    await store.chat.leave_guild(ONE, now=NOW)
    assert await store.watches() == ()
    assert await store.due_feeds(NOW) == ()
    assert await store.chat.forget_guilds(left_before=NOW) == 0
    assert await store.chat.rejoin_guild(ONE, now=NOW)
    assert len(await store.watches()) == 1
    assert len(await store.due_feeds(NOW)) == 1
    await store.chat.leave_guild(ONE, now=NOW)
    assert await store.chat.forget_guilds(left_before=NOW + timedelta(days=30)) == 1
    holdings = await store.chat.holdings(ONE)
    assert (holdings.watches, holdings.actors, holdings.subscriptions) == ((), (), ())
    assert not await store.chat.rejoin_guild(ONE, now=NOW)


async def test_chat_changes_no_row_of_another_server_or_of_the_file(store: Store) -> None:
    declared = Watch(name="Declared", query="x")
    await store.declare(feeds=[], actors=[ANNA], watches=[declared], now=NOW)
    mine = await store.chat.add_watch(Watch(guild_id=ONE, name="Mine", query="x"), by=1, now=NOW)
    for change in (
        store.chat.remove_watch(TWO, mine),
        store.chat.remove_watch(0, 1),
        store.chat.remove_actor(ONE, 1),
        store.chat.edit_actor(Actor(id=1, guild_id=ONE, name="Stolen")),
        store.chat.edit_watch(Watch(id=mine, guild_id=TWO, name="Stolen", query="y"), now=NOW),
    ):
        with pytest.raises(UserError):
            await change
    assert {one.name for one in await store.watches()} == {"Declared", "Mine"}
    assert [one.name for one in await store.actors()] == ["Anna Orlova"]
    assert (await store.actors())[0].aliases == ANNA.aliases


async def test_a_name_is_taken_once_in_a_server_whatever_its_case(store: Store) -> None:
    await store.chat.add_watch(Watch(guild_id=ONE, name="Straße", query="x"), by=1, now=NOW)
    with pytest.raises(UserError, match="already"):
        await store.chat.add_watch(Watch(guild_id=ONE, name="STRASSE", query="x"), by=1, now=NOW)
    await store.chat.add_watch(Watch(guild_id=TWO, name="Straße", query="x"), by=1, now=NOW)


async def test_a_server_is_shown_out_of_its_own_rows_and_the_declared_ones(store: Store) -> None:
    declared = Watch(name="Declared", query="x", channel_id=5)
    await store.declare(feeds=[DeclaredFeed(url=f"{URL}/0")], actors=[ANNA], watches=[declared], now=NOW)
    for guild_id in (ONE, TWO):
        await store.chat.add_feed(guild_id, f"{URL}/{guild_id}", by=1, now=NOW)
        await store.chat.add_feed(guild_id, URL, by=1, now=NOW)
        await store.chat.add_watch(Watch(guild_id=guild_id, name=str(guild_id), query="x"), by=1, now=NOW)
        await store.chat.add_actor(Actor(guild_id=guild_id, name=str(guild_id)), by=1, now=NOW)
    holdings = await store.chat.holdings(TWO)
    assert {one.url for one in holdings.feeds} == {f"{URL}/0", URL, f"{URL}/{TWO}"}
    assert {one.guild_id for one in holdings.subscriptions} == {TWO}
    assert {one.name for one in holdings.watches} == {"Declared", str(TWO)}
    assert {(one.name, len(one.aliases)) for one in holdings.actors} == {("Anna Orlova", 1), (str(TWO), 0)}
    assert sorted(map(sorted, holdings.audiences.values())) == [[ONE, TWO], [TWO]]
    sight = Sight(holdings, asker(TWO))
    foreign = next(one.id for one in await store.feeds() if one.url == f"{URL}/{ONE}")
    assert not sight.hears(foreign), "what is not known here is not heard here"
