"""What the tests of the store share: two feeds, entries, polls, readings, and what is declared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from bot.model import (
    Actor,
    Alert,
    AlertEdit,
    Article,
    Card,
    Feed,
    FeedItem,
    Item,
    ItemKeys,
    Match,
    Matches,
    NewItem,
    Poll,
    Reading,
    Sorted,
    Story,
    Watch,
)
from bot.store import DeclaredFeed, Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
URL = "https://news.example/feed"
OTHER_URL = "https://other.example/feed"
QUERY = "sanctions"


def hashed(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def keys_of(name: str, *, link: str = "", content: str = "as first seen") -> ItemKeys:
    return ItemKeys(
        key=hashed(name),
        link_hash=hashed(link or name),
        title_hash=hashed(f"title of {name}"),
        content_hash=hashed(content),
    )


def entry_of(name: str, *, text: str = "The council met.") -> FeedItem:
    return FeedItem(guid=name, link=f"https://news.example/{name}", title=f"Title of {name}", text=text)


def new(name: str, *, link: str = "", to_read: bool = True) -> NewItem:
    return NewItem(entry=entry_of(name), keys=keys_of(name, link=link), to_read=to_read)


def poll_of(feed: Feed, *items: NewItem, at: datetime = NOW, **more: tuple[object, ...]) -> Poll:
    seen = (*(one.keys.key for one in items), *more.pop("seen", ()))
    return Poll(feed=feed, polled_at=at, entries=Sorted(new=items, seen=seen, **more))  # type: ignore[arg-type]  # fields of Sorted


def card_of(headline: str = "Council extends sanctions") -> Card:
    return Card(headline=headline, link=URL, source="News", published_at=None, seen_at=NOW, watches=("w",), reasons=())


async def read(
    store: Store, item: Item, *, at: datetime = NOW, text: str = "Sanctions stay.", fired: int = 0
) -> Reading:
    """Return a reading of the item as the pipeline would make it: one alert where a watch fired and nothing was told yet."""
    story = await store.story_for(item)
    found = Match(
        watch_id=fired,
        watch="w",
        actor=None,
        field="text",
        start=0,
        end=9,
        text=text[:9],
        alias="sanctions",
        rule="lemma",
    )
    number = len(await store.told(story.key))
    alert = Alert(
        channel_id=5, thread_id=0, story_key=story.key, number=number, card=card_of(), told=frozenset({"watch:1"})
    )
    return Reading(
        item=item,
        read_at=at,
        article=Article(title=item.title, text=text, url=item.url, source="News", lang="en", kind="teaser"),
        matches=Matches(matches=(found,), fired=(fired,)) if fired else Matches(),
        story=story,
        alerts=(alert,) if fired and not number else (),
    )


async def declared(
    store: Store, *urls: str, watches: tuple[Watch, ...] = (), actors: tuple[Actor, ...] = (), at: datetime = NOW
) -> None:
    await store.declare(feeds=[DeclaredFeed(url=url) for url in urls], actors=actors, watches=watches, now=at)


async def first(store: Store) -> Feed:
    return (await store.feeds())[0]


def alert_of(story: str, number: int = 0, *, channel: int = 5, reply_to: int | None = None) -> Alert:
    """Return what a channel is to be told of a story."""
    return Alert(
        channel_id=channel,
        thread_id=0,
        story_key=hashed(story),
        number=number,
        card=card_of(f"{story} {number}"),
        told=frozenset({"watch:1"}),
        reply_to=reply_to,
    )


def reading_of(item: Item, *alerts: Alert, edits: tuple[AlertEdit, ...] = (), at: datetime = NOW) -> Reading:
    """Return a reading of an item that found nothing but these alerts and edits."""
    return Reading(
        item=item,
        read_at=at,
        article=Article(title=item.title, text=item.text),
        matches=Matches(),
        story=Story(id=None, key=item.key),
        alerts=alerts,
        edits=edits,
    )
