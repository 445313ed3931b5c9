"""JSON Feed 1 and 1.1 (jsonfeed.org), mapped by hand: feedparser does not read it. Pure.

`next_url` is never followed; what is of the wrong type is left out, item by item.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from bot.errors import ParseError
from bot.feeds.dates import instant_in
from bot.feeds.links import absolute_link
from bot.feeds.newest import cut_problem, places_to_read
from bot.feeds.plaintext import line_in, text_in, title_from, visible
from bot.model import FeedHints, FeedItem, ParsedFeed

if TYPE_CHECKING:
    from datetime import datetime

_VERSION = re.compile(r'"version"\s*:\s*"https?:\\?/\\?/(?:www\.)?jsonfeed\.org')
_TYPES = {"application/feed+json", "application/json"}


def looks_like_json(text: str, content_type: str | None) -> bool:
    """Return whether the text wants to be a JSON Feed: an object, by its own version or by the HTTP header."""
    named = (content_type or "").split(";")[0].strip().lower() in _TYPES
    return text.startswith("{") and (named or _VERSION.search(text) is not None or '"items"' in text)


def parse_json_feed(text: str, *, base_url: str, limit_items: int) -> ParsedFeed:
    """Return what a JSON Feed says, items in document order.

    Raises:
        ParseError: not JSON, or JSON that is no feed.
    """
    try:
        feed = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        raise ParseError(
            "The feed is cut off or is not valid JSON; nothing of it could be read. Try again later.",
            reason="not_a_feed",
        ) from None
    items = feed.get("items")
    if not isinstance(items, list) or ("version" not in feed and "title" not in feed):
        raise ParseError(
            "This is JSON, but not a JSON Feed: it has no list of items. Give the feed's own address.",
            reason="not_a_feed",
        )
    base = absolute_link(_text(feed, "feed_url"), base_url) or base_url
    home = absolute_link(_text(feed, "home_page_url"), base)
    problems = []
    entries = [item for item in items if isinstance(item, dict)]
    if len(entries) < len(items):
        problems.append("Some items are not objects and were left out.")
    cut = len(entries) > limit_items
    if cut:
        places = places_to_read([_date_in(entry) for entry in entries], limit_items)
        problems.append(cut_problem(places, limit_items))
        entries = [entries[place] for place in places]
    hubs = [_text(hub, "url") for hub in _list(feed, "hubs") if isinstance(hub, dict)]
    return ParsedFeed(
        title=line_in(_text(feed, "title")),
        link=home,
        language=line_in(_text(feed, "language")) or None,
        items=tuple(_item_in(entry, base or home, _author_in(feed)) for entry in entries),
        hints=FeedHints(hub=next((hub for hub in (absolute_link(hub, "") for hub in hubs) if hub), "")),
        problems=tuple(problems),
        cut=cut,
    )


def _date_in(entry: dict[str, Any]) -> datetime | None:
    return instant_in(_text(entry, "date_published")) or instant_in(_text(entry, "date_modified"))


def _item_in(entry: dict[str, Any], base_url: str, feed_author: str) -> FeedItem:
    texts = [
        text_in(_text(entry, "content_html")),
        text_in(_text(entry, "content_text"), plain=True),
        text_in(_text(entry, "summary"), plain=True),
    ]
    text = max(texts, key=len)
    return FeedItem(
        guid=visible(_identity(entry.get("id"))).strip(),
        link=absolute_link(_text(entry, "url"), base_url) or absolute_link(_text(entry, "external_url"), base_url),
        title=line_in(_text(entry, "title"), plain=True) or title_from(text),
        author=_author_in(entry) or feed_author,
        published_at=instant_in(_text(entry, "date_published")),
        updated_at=instant_in(_text(entry, "date_modified")),
        text=text,
    )


def _identity(value: object) -> str:
    """Return an id as text: version 1 allowed numbers, and writers send 7 and 7.0 for the same."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _author_in(entry: dict[str, Any]) -> str:
    people = [*_list(entry, "authors"), entry.get("author")]
    names = (line_in(_text(person, "name")) for person in people if isinstance(person, dict))
    return ", ".join(dict.fromkeys(name for name in names if name))


def _text(mapping: dict[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _list(mapping: dict[str, Any], key: str) -> list[Any]:
    value = mapping.get(key)
    return value if isinstance(value, list) else []
