"""Erasure: afterwards the name is in no byte of the file, what is not about it stays, and nothing comes back by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bot.errors import StoreError
from bot.model import Actor, Alert, Alias, Article, FeedItem, Match, Matches, NewItem, Reading, Watch, WordForm
from bot.reading.matcher import Matcher
from bot.reading.text import fold
from bot.store import Store
from bot.store.blackout import Blackout
from bot.store.erasure import copies_beside, erase_guild, erase_person
from tests.store_fakes import DAY, NOW, OTHER_URL, URL, card_of, declared, first, keys_of, new, poll_of

if TYPE_CHECKING:
    from pathlib import Path

    from bot.reading.sought import Sought

NAME = "Zebedee Quixwell"
RU = "Зебеди Куиксвелл"


def bytes_of(path: Path) -> bytes:
    return b"".join(
        one.read_bytes() for one in sorted(path.parent.iterdir()) if one.is_file() and one.name.startswith(path.name)
    )


def traces(path: Path, *words: str) -> list[str]:
    """Return which words are in the raw bytes, in any case, as they are or as the index writes them."""
    low = bytes_of(path).lower()
    return [
        word
        for word in words
        if word.lower().encode() in low or fold(word).data.strip().decode("latin-1").encode() in low
    ]


async def filled(path: Path) -> None:
    """Make a store in which the person stands wherever texts are kept."""
    store = await Store.open(path, now=NOW)
    chat = Actor(name=NAME, guild_id=5, aliases=(Alias(text=RU), Alias(text="Old Quix")), origin="chat")
    await declared(store, URL, OTHER_URL, watches=(Watch(name="ferries", query="ferry", channel_id=5),))
    await store.chat.add_actor(chat, by=1, now=NOW)
    await store.chat.add_watch(Watch(name="Q", guild_id=5, query=f'actor:"{NAME}"', channel_id=6), by=1, now=NOW)
    await store.keep_word_forms({"quixwell": [WordForm(text="quixwells", lang="en")]}, ["en"])
    await store.keep_note("said", f"about {NAME}")
    feed = await first(store)
    entries = [
        ("a", f"{NAME} on the ferry", "https://news.example/zebedee-quixwell", "By Quixwell"),
        ("b", "Ferry sails", "https://news.example/b", "Desk"),
    ]
    fresh = [
        NewItem(entry=FeedItem(guid=link, link=link, title=title, author=by, text=f"{title}."), keys=keys_of(name))
        for name, title, link, by in entries
    ]
    ids = await store.commit_poll(poll_of(feed, *fresh))
    texts = (
        f"The ferry waited.\n\n{NAME.upper()} spoke. {RU} тоже. Quixwell's ferry left.",
        "A ferry sailed past Quixwell Street.",
    )
    for item_id, text in zip(ids, texts, strict=True):
        await store.commit_reading(await read_of(store, item_id, text))
    await store.close()


async def read_of(store: Store, item_id: int, text: str) -> Reading:
    item = await store.item(item_id)
    assert item
    hit = Match(
        watch_id=1, watch="ferries", actor=NAME, field="text", start=0, end=3, text="Quixwell", alias=NAME, rule="user"
    )
    story = await store.story_for(item)
    card = replace(card_of(f"{item.title}: Quixwell"), link=item.url)
    told = frozenset({"watch:1", f"actor:{NAME}"}) if "Zeb" in item.title else frozenset({"watch:1"})
    alert = Alert(channel_id=5, thread_id=0, story_key=story.key, number=0, card=card, told=told)
    return Reading(
        item=item,
        read_at=NOW,
        article=Article(title=item.title, text=text, url=item.url, source="News", author=item.author, lang="en"),
        matches=Matches(matches=(hit,) if "Zeb" in item.title else (), fired=(1,)),
        story=story,
        alerts=(alert,),
    )


async def test_no_page_of_an_item_that_named_the_person_is_fetched_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = await Store.open(path, now=NOW)
    await declared(store, URL)
    named = [
        NewItem(entry=FeedItem(guid=name, title=f"{NAME} sails"), keys=keys_of(name), held=name == "held")
        for name in ("unread", "held", "teaser")
    ]
    ids = await store.commit_poll(poll_of(await first(store), *named, new("other")))
    for item_id in ids[2:]:
        await store.commit_reading(replace(await read_of(store, item_id, "A teaser."), page_next_at=NOW, page_tries=1))
    await store.close()
    await asyncio.to_thread(erase_person, path, [NAME])
    store = await Store.open(path, now=NOW)
    assert [one.id for one in await store.pages_owed(NOW + DAY, limit=9)] == [ids[3]], "what is not about them goes on"
    assert await store.items_to_read(limit=9) == ()
    assert await store.release_feed((await first(store)).id) == 0
    await store.close()


async def test_a_person_is_in_no_byte_of_the_store_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await filled(path)
    assert traces(path, "zebedee", "Зебеди")
    done = await asyncio.to_thread(erase_person, path, [NAME])
    assert traces(path, "zebedee", "Зебеди", "Куиксвелл", "quixwells") == []
    assert {what: done[what] for what in ("articles", "items", "item_bodies", "alerts", "actors", "watches", "stories", "notes")} == {
        "articles": 1, "items": 1, "item_bodies": 1, "alerts": 1, "actors": 1, "watches": 1, "stories": 1, "notes": 1
    }  # fmt: skip
    store = await Store.open(path, now=NOW)
    assert (await store.counts()).owed == 2
    found = await store.archive.search(sought_for("ferry"), since=NOW - DAY, limit=9)
    texts = [one.article.text for one in found]
    assert texts[0] == "A ferry sailed past Quixwell Street."  # no Zebedee there: it is not about the person
    assert texts[1] == "The ferry waited.\n\n████████████████ spoke. ████████████████ тоже. ████████'s ferry left."
    assert await store.archive.search(sought_for("zebedee"), since=NOW - DAY, limit=9) == ()
    assert [one.name for one in await store.watches()] == ["ferries"]
    (delivery, *_) = await store.claim(NOW)
    assert delivery.card.headline == "████████████████ on the ferry: ████████"
    await store.close()


async def test_what_a_feed_still_shows_does_not_come_back(tmp_path: Path) -> None:
    await filled(tmp_path / "a.db")
    await asyncio.to_thread(erase_person, tmp_path / "a.db", [NAME])
    store = await Store.open(tmp_path / "a.db", now=NOW)
    feed = await first(store)
    known = await store.known(feed.id, [keys_of("a")], now=NOW)
    assert known.by_key[keys_of("a").key].content_hash == keys_of("a").content_hash
    await store.close()


def sought_for(query: str) -> Sought:
    return Matcher.compile([Watch(id=1, name="q", query=query)], [], forms={}).sought(1)


async def test_a_server_goes_with_all_that_was_only_its(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await filled(path)
    store = await Store.open(path, now=NOW)
    for guild, url in (
        (5, "https://only.example/feed"),
        (5, "https://both.example/feed"),
        (9, "https://both.example/feed"),
    ):
        feed_id, _ = await store.chat.add_feed(guild, url, by=1, now=NOW)
        if guild == 5:
            await store.chat.edit_feed(5, feed_id, name=f"secretname{feed_id}", interval_s=None)
    only = next(feed for feed in await store.feeds() if "only" in feed.url)
    await store.commit_poll(poll_of(only, new("onlytheirs")))
    await store.close()
    done = await asyncio.to_thread(erase_guild, path, 5)
    assert (done["watches"], done["actors"], done["subscriptions"], done["feeds"], done["items"]) == (1, 1, 2, 1, 1)
    assert traces(path, "only.example", "secretname", "onlytheirs", "Old Quix") == []
    store = await Store.open(path, now=NOW)
    assert [feed.url for feed in await store.feeds()] == [URL, OTHER_URL, "https://both.example/feed"]
    assert len(await store.watches()) == 1
    assert (await store.counts()).items == 2
    await store.close()


async def test_nothing_is_erased_while_the_bot_runs(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    with pytest.raises(StoreError, match="stop that one first"):
        await asyncio.to_thread(erase_person, tmp_path / "a.db", [NAME])
    with pytest.raises(StoreError, match="stop that one first"):
        await asyncio.to_thread(erase_guild, tmp_path / "a.db", 5)
    await store.close()


def test_copies_that_still_hold_it_are_named(tmp_path: Path) -> None:
    for name in (
        "a.db",
        "a.db.lock",
        "a.db.replaced-20260301T120000Z",
        "a.db.schema-1-20260301T120000Z",
        "b.db.replaced-1",
    ):
        (tmp_path / name).touch()
    assert [one.name for one in copies_beside(tmp_path / "a.db")] == [
        "a.db.replaced-20260301T120000Z",
        "a.db.schema-1-20260301T120000Z",
    ]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Zebedee Quixwell came", "████████████████ came"),
        ("Quixwell, Zebedee", "█████████████████"),
        ("zebedee-quixwell.html", "████████████████.html"),
        ("Zebedée  QUIXWELL’s", "█████████████████’s"),
        ("Quixwell alone", "Quixwell alone"),
        ("Zebedee\n\nQuixwell and Quixwell", "█████████████████ and ████████"),
        ("Quixwellian Zebedee", "Quixwellian Zebedee"),
        ("", ""),
    ],
)
def test_names_are_blacked_out_letter_by_letter(text: str, clean: str) -> None:
    assert Blackout([NAME]).out(text) == clean
    assert len(clean) <= len(text)
