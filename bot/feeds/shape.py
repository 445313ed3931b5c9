"""The contract's shape of a feed ("feed →" in the contracts). Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.model import FeedItem, ParsedFeed


def feed_json(feed: ParsedFeed) -> dict[str, object]:
    """Return the feed as `wirewatch feed --json` prints it: times RFC 3339 in UTC or null, items in document order."""
    return {
        "feed": {"title": feed.title, "link": feed.link, "language": feed.language, "updated": _time(feed.updated_at)},
        "items": [_item(item) for item in feed.items],
        "problems": list(feed.problems),
    }


def _item(item: FeedItem) -> dict[str, object]:
    return {
        "guid": item.guid,
        "link": item.link,
        "title": item.title,
        "author": item.author,
        "published": _time(item.published_at),
        "updated": _time(item.updated_at),
        "text": item.text,
    }


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
