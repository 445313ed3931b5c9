"""From a subscribed feed to the items it holds, and the outcome of one poll."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bot.model.watching import Origin

FeedState = Literal["new", "ok", "slow", "failing", "blocked", "limited", "suspect", "moved", "gone", "paused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHints:
    """What a document asks of those who poll it. ttl_s and period_s: 0 where it says nothing. Hours and days are GMT, Monday is 0."""

    ttl_s: float = 0.0
    period_s: float = 0.0
    skip_hours: frozenset[int] = frozenset()
    skip_days: frozenset[int] = frozenset()
    hub: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHealth:
    """What is remembered of a feed from poll to poll, besides what it is asked with.

    fresh_s: how long its last answer asked to be called fresh. skew_s: its server's clock ahead of ours. entries: of its last
    whole document; emptied: that had none although the one before had many. newest_at: the newest believable date it ever gave.
    normal_polls: since the last slow one, up to three. failing_since_at: of this row of errors. gone_at: its first 410 of this
    row. told: operators know that it fails. moving_to: where a permanent redirect leads that is being watched, "": none, since
    when, at how many polls, and whether what it leads to is this feed (moving_known). left_url: the new
    address of a feed that had moved, while its old one is tried because that failed for long, "": it is not.
    gap_items: how many items may have been missed at gap_at. churns: documents in a row whose items had new ids.
    """

    fresh_s: float = 0.0
    skew_s: float | None = None
    entries: int = 0
    emptied: bool = False
    newest_at: datetime | None = None
    normal_polls: int = 0
    failing_since_at: datetime | None = None
    gone_at: datetime | None = None
    told: bool = False
    moving_to: str = ""
    moving_since_at: datetime | None = None
    moving_polls: int = 0
    moving_known: bool = False
    left_url: str = ""
    gap_items: int = 0
    gap_at: datetime | None = None
    churns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A subscribed feed as the store keeps it: its address, what it last answered, when it is due.

    subscribed_at: when its first document was taken in; None until then (that first document is the baseline, it alerts nobody).
    hints: what its last document asked for, kept for the 304s that follow. rate: new items per hour.
    host_rest_until_at: its host asked not to be asked before then (Retry-After), None: it did not. wakes: how often people made it due
    at once; a poll that began before the last of them leaves it due. moved_url: where a lasting redirect led: it is asked there, while
    `url` stays what people know it by and the way back. held: items that appeared all at once and wait to be released.
    subscribers: how many servers asked for it.
    """

    id: int
    url: str
    name: str
    origin: Origin = "config"
    interval_s: float | None = None
    etag: str | None = None
    last_modified: str | None = None
    body_hash: bytes | None = None
    items_hash: bytes | None = None
    hints: FeedHints = FeedHints()
    rate: float = 0.0
    state: FeedState = "new"
    fail_count: int = 0
    last_error: str = ""
    next_poll_at: datetime | None = None
    last_poll_at: datetime | None = None
    last_ok_at: datetime | None = None
    subscribed_at: datetime | None = None
    host_rest_until_at: datetime | None = None
    language: str | None = None
    wakes: int = 0
    moved_url: str = ""
    health: FeedHealth = FeedHealth()
    held: int = 0
    subscribers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFeed:
    """A feed as the configuration names it. name "": the title that the feed gives itself. interval_s None: the default.

    headers: what its header file adds to each request, secrets: sent to its own host, held in memory alone.
    """

    url: str
    name: str = ""
    interval_s: float | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One entry of a feed document, as plain text.

    guid: raw and stripped, never resolved, "" where the feed gives none. link: absolute http(s) or "". title: one line of text.
    text: the longest text the feed gives, HTML already turned to text, paragraphs separated by a blank line.
    """

    guid: str = ""
    link: str = ""
    title: str = ""
    author: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    """A feed document, read. Items stand in document order; problems are sentences for people. cut: it holds more items."""

    title: str = ""
    link: str = ""
    language: str | None = None
    updated_at: datetime | None = None
    items: tuple[FeedItem, ...] = ()
    hints: FeedHints = FeedHints()
    problems: tuple[str, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemKeys:
    """What an entry is known by: 16-byte hashes. link_hash and title_hash are None where the entry has no link or no title.

    key: the identity. link_hash: the canonical link. title_hash: the folded title. content_hash: title and text.
    """

    key: bytes
    link_hash: bytes | None
    title_hash: bytes | None
    content_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An entry as the store keeps it. `text` is what the feed itself gave.

    url: where the article stands. readings: how often it was read; 0: it is still to be read. page_tries: of its page, so far.
    feed_url: the configured address, which decides whether its pages may be private. baseline: it stood in the feed when that was
    subscribed, and was never read. edited_at: when its feed's last edit of it was taken in. fired_before: ids of watches that an earlier
    wording of it fired. missed_at: as in `NewItem`.
    """

    id: int
    feed_id: int
    feed_name: str
    key: bytes
    link_hash: bytes | None
    url: str
    title: str
    author: str = ""
    published_at: datetime | None = None
    first_seen_at: datetime
    text: str = ""
    lang: str | None = None
    feed_url: str = ""
    readings: int = 0
    page_tries: int = 0
    baseline: bool = False
    edited_at: datetime | None = None
    fired_before: frozenset[int] = frozenset()
    missed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownItem:
    """What the store remembers of an entry it has seen; item_id is None where only the mark is left (the item was purged).

    edits: those taken in without a pause of 48 hours.
    """

    item_id: int | None
    content_hash: bytes | None
    title_hash: bytes | None
    edits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What one feed is already known to hold, by identity key, and the others by canonical link among what it held in the last 30 days.

    by_content: by hash of title and text among the same, where hardly any entry is known by its key.
    """

    by_key: Mapping[bytes, KnownItem]
    by_link: Mapping[bytes, KnownItem]
    by_content: Mapping[bytes, KnownItem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An entry never seen before. to_read: False for what stood in the document when the feed was subscribed.

    held: it came in a flood of old items, and waits for somebody to release it. missed_at: when it was published, where its feed could
    not be asked then and for long.
    """

    entry: FeedItem
    keys: ItemKeys
    to_read: bool = True
    held: bool = False
    missed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedItem:
    """A known entry whose title or text changed. to_read: False where nobody is to be told of it (it is old, and says nothing new).

    fired_before: ids of watches that the wording fired which it had when its feed was subscribed.
    """

    item_id: int
    entry: FeedItem
    keys: ItemKeys
    to_read: bool = True
    fired_before: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """A document's entries, sorted by what is known. moved: new keys of known items. seen: every key the document holds.

    put_off: it holds an edit that is left for a later poll, because there were too many lately. partial: what was there before and it
    does not hold is there still (226).
    """

    new: tuple[NewItem, ...] = ()
    edited: tuple[EditedItem, ...] = ()
    moved: tuple[tuple[bytes, int], ...] = ()
    seen: tuple[bytes, ...] = ()
    put_off: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """The outcome of one poll, as it is committed: the feed as it is from now on, and what its document held.

    feed: with validators, hashes, state and next_poll_at already renewed. entries: None where nothing was parsed.
    host_rest: a host (as in `Feed.url`) that asked for a rest, and until when.
    """

    feed: Feed
    polled_at: datetime
    entries: Sorted | None = None
    host_rest: tuple[str, datetime] | None = None
