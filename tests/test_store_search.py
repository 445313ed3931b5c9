"""The index of words: whatever the matcher would find is found, newest first, and nothing is found that is no longer kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Actor, Alias, Article, Matches, Reading, Watch
from bot.reading.matcher import Matcher
from bot.store import Store
from bot.store.index import FEW_FEEDS
from tests.store_fakes import DAY, HOUR, NOW, OTHER_URL, URL, declared, new, poll_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection
    from pathlib import Path

ACTOR = Actor(id=1, name="Alexander Lukashenko", aliases=(Alias(text="Лукашенко"), Alias(text="Lukashenka", lang="en")))

NEWS = {
    "a": Article(
        title="Council extends sanctions", text="The ferry stays in port.", host="news.example", source="Harbour News"
    ),
    "b": Article(
        title="Ferry sails", text="Alexander Lukashenko spoke.\n\nПрезидент Лукашенко прибыл.", host="b.news.example"
    ),
    "c": Article(title="Über die Fähre", text="Die Fähre fährt.", lang="de", host="zeitung.example", source="Zeitung"),
    "d": Article(title="", text="extended sanctions-free AT&T talks on Σίφνος, café", lang="el", host="d.example"),
    "e": Article(title="中国宣布新的制裁措施", text="北约NATO周五表示，รัฐบาลขึ้นภาษีนำเข้า。", host="e.example"),
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, URL, OTHER_URL)
    yield store
    await store.close()


async def keep(store: Store, name: str, article: Article, *, feed: int = 0, days: float = 0) -> int:
    """Store and read one item, `days` ago; return its id."""
    feeds = await store.feeds()
    at = NOW - timedelta(days=days)
    (item_id,) = await store.commit_poll(poll_of(feeds[feed], new(name), at=at))
    await read_as(store, item_id, article)
    return item_id


async def read_as(store: Store, item_id: int, article: Article) -> None:
    item = await store.item(item_id)
    assert item is not None
    story = await store.story_for(item)
    await store.commit_reading(Reading(item=item, read_at=NOW, article=article, matches=Matches(), story=story))


def matcher_for(query: str) -> Matcher:
    matcher = Matcher.compile([Watch(id=1, name="q", query=query)], [ACTOR], forms={})
    assert not matcher.faults
    return matcher


async def ids(
    store: Store,
    query: str,
    *,
    feeds: Collection[int] | None = None,
    days: float = 30,
    before: int | None = None,
    limit: int = 25,
) -> list[int]:
    found = await store.archive.search(
        matcher_for(query).sought(1), feeds=feeds, since=NOW - timedelta(days=days), before=before, limit=limit
    )
    return [one.item_id for one in found]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sanctions", "ad"),
        ("title:sanctions", "a"),
        ("text:sanctions", "d"),
        ("ferry sanctions", "a"),
        ("ferry OR fähre", "abc"),
        ("fahre", "c"),
        ('"die Fähre"', "c"),
        ('"ferry sanctions"', ""),
        ("sanct*", "ad"),
        ("text:(ferry OR café)", "ad"),
        ("AT&T", "d"),
        ("σιφνος", "d"),
        ("actor:Lukashenko", "b"),
        ("ЛУКАШЕНКО", "b"),
        ("sanctions NEAR/3 extends", "a"),
        ("sanctions -ferry", "ad"),  # the matcher says the rest
        ("sanctions source:news.example", "a"),
        ("ferry source:news.example", "ab"),
        ('source:"harbour news"', "a"),
        ("ferry OR fähre lang:de", "abc"),
        ("(ferry OR fähre) lang:de-AT", "c"),
        ("xylophone", ""),
        ("制裁", "e"),
        ("title:制裁 NATO ภาษี", "e"),
        ('"裁制"', ""),
    ],
)
async def test_a_query_finds_what_may_match(store: Store, query: str, names: str) -> None:
    kept = {await keep(store, name, article): name for name, article in NEWS.items()}
    assert sorted(kept[one] for one in await ids(store, query)) == list(names)


WORDS = (
    "sanctions",
    "Ferry",
    "Лукашенко",
    "Alexander",
    "Lukashenko",
    "Über",
    "at",
    "AT",
    "x1",
    "Σίφνος",
    "é",
    "e\u0301t",
    "co-op",
    "I'm",
    "新制裁AT措施",
)
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).flatmap(
    lambda words: st.sampled_from([" ", ", ", "-", "\n\n", "\u00ad", "_", " \u200b", "…"]).map(
        lambda gap: gap.join(words)
    )
)
QUERIES = st.one_of(
    st.sampled_from(
        ["actor:Lukashenko", "source:news.example", "fer*", '"Alexander Lukashenko"', "=ferry", "title:x1", "АТ", "I'm"]
    ),
    st.lists(
        st.sampled_from(
            ['"sanctions"', "ferry", "лукашенко", "uber", "AT", "x1", "σιφνος", '"co-op"', "ét", "制裁", "AT措"]
        ),
        min_size=1,
        max_size=3,
    ).flatmap(lambda terms: st.sampled_from([" ", " OR ", " NEAR/2 "]).map(lambda joint: joint.join(terms))),
)


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), queries=st.lists(QUERIES, min_size=1, max_size=6)
)
def test_no_article_that_matches_is_missed(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]], queries: list[str]
) -> None:
    async def look() -> None:
        store = await Store.open(tmp_path_factory.mktemp("s") / "a.db", now=NOW)
        await declared(store, URL)
        articles = [Article(title=title, text=text, host="news.example") for title, text in texts]
        kept = {await keep(store, f"{at}", one): one for at, one in enumerate(articles)}
        for query in queries:
            found = await ids(store, query)
            assert found == sorted(found, reverse=True)
            matching = {item_id for item_id, one in kept.items() if matcher_for(query).match(one).fired}
            assert matching <= set(found), query
        await store.close()

    asyncio.run(look())


async def test_the_newest_come_first_and_a_page_goes_on_from_the_last(store: Store) -> None:
    kept = [await keep(store, f"{n}", NEWS["a"], days=9 - n) for n in range(9)]
    first = await ids(store, "ferry", limit=4)
    assert first == kept[:4:-1]
    assert await ids(store, "ferry", before=first[-1], limit=4) == kept[4:0:-1]
    assert await ids(store, "ferry", days=3.5) == kept[:5:-1]


@pytest.mark.parametrize("more", [0, FEW_FEEDS + 1])
async def test_only_the_feeds_that_were_asked_for_are_looked_at(store: Store, more: int) -> None:
    await keep(store, "one", NEWS["a"])
    theirs = await keep(store, "two", NEWS["a"], feed=1)
    (_, other) = await store.feeds()
    heard = {other.id, *range(1000, 1000 + more)}
    assert await ids(store, "ferry", feeds=heard) == [theirs]
    assert await ids(store, "ferry", feeds={1000 + n for n in range(more)}) == []


async def test_what_was_read_again_is_found_by_its_new_words_alone(store: Store) -> None:
    item_id = await keep(store, "one", NEWS["a"])
    await read_as(store, item_id, replace(NEWS["a"], text="A trawler instead.", host="elsewhere.example"))
    assert await ids(store, "trawler") == [item_id]
    assert await ids(store, "ferry") == []
    assert await ids(store, "sanctions source:news.example") == []
    assert await ids(store, "sanctions source:elsewhere.example") == [item_id]
    await read_as(store, item_id, NEWS["a"])
    assert await ids(store, "ferry") == [item_id]
    assert await ids(store, "trawler") == []


async def test_what_was_never_read_is_not_found_until_it_is(store: Store) -> None:
    (feed, _) = await store.feeds()
    await store.commit_poll(poll_of(feed, new("one", to_read=False), at=NOW - HOUR))
    assert await ids(store, "council") == []
    item_id = await keep(store, "two", NEWS["a"], days=DAY / DAY)
    assert await ids(store, "council") == [item_id]
