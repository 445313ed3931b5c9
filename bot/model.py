"""The values that travel the road, from a feed's bytes to an alert. Frozen, no I/O, no clock, no behaviour beyond their shape.

Times are aware UTC and end in `_at`. Durations carry their unit. Offsets are code points into the text as given, half-open
`[start, end)`, so that `text[start:end]` is what a record quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Origin = Literal["config", "chat"]
FeedState = Literal["new", "ok", "slow", "failing", "blocked", "limited", "suspect", "moved", "gone", "paused"]
Rule = Literal["user", "exact", "transliteration", "inflection", "lemma", "prefix", "name"]
FieldName = Literal["title", "text"]
TextKind = Literal["full", "feed", "teaser", "partly"]
Relation = Literal["new", "same", "duplicate", "update"]

# --- feeds ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHints:
    """What a document asks of those who poll it. ttl_s and period_s: 0 where it says nothing. Hours and days are GMT, Monday is 0."""

    ttl_s: float = 0.0
    period_s: float = 0.0
    skip_hours: frozenset[int] = frozenset()
    skip_days: frozenset[int] = frozenset()
    hub: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A subscribed feed as the store keeps it: its address, what it last answered, when it is due.

    subscribed_at: when its first document was taken in; None until then (that first document is the baseline, it alerts nobody).
    hints: what its last document asked for, kept for the 304s that follow. rate: new items per hour.
    host_rest_until_at: its host asked not to be asked before then (Retry-After), None: it did not. wakes: how often people made it due
    at once; a poll that began before the last of them leaves it due.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFeed:
    """A feed as the configuration names it. name "": the title that the feed gives itself. interval_s None: the default."""

    url: str
    name: str = ""
    interval_s: float | None = None


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
    subscribed, and was never read. edited_at: when its feed's last edit of it was taken in.
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
    """What one feed is already known to hold, by identity key, and by canonical link among the items of the last 30 days."""

    by_key: Mapping[bytes, KnownItem]
    by_link: Mapping[bytes, KnownItem]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An entry never seen before. to_read: False for what stood in the document when the feed was subscribed."""

    entry: FeedItem
    keys: ItemKeys
    to_read: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedItem:
    """A known entry whose title or text changed. to_read: False where nobody is to be told of it (it is old, and says nothing new)."""

    item_id: int
    entry: FeedItem
    keys: ItemKeys
    to_read: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """A document's entries, sorted by what is known. moved: new keys of known items. seen: every key the document holds."""

    new: tuple[NewItem, ...] = ()
    edited: tuple[EditedItem, ...] = ()
    moved: tuple[tuple[bytes, int], ...] = ()
    seen: tuple[bytes, ...] = ()


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


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """What an HTML page holds: the article's own paragraphs, separated by a blank line, without headline, tail and furniture.

    words_said: the length the page itself claims (JSON-LD wordCount), 0 where it claims none. wall: it ends in a paywall line.
    """

    title: str = ""
    author: str = ""
    published_at: datetime | None = None
    lang: str | None = None
    text: str = ""
    words_said: int = 0
    wall: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """What is matched and shown. kind says whose text it is: the page's (full, partly) or the feed's own (feed, teaser).

    note: one sentence for people where something was missing ("only the teaser was read: the page answered 403"), else "".
    source: the outlet as people know it. host: of the link, lower case, without www. lang: BCP 47, None where unknown.
    """

    title: str
    text: str
    url: str = ""
    source: str = ""
    host: str = ""
    lang: str | None = None
    author: str = ""
    published_at: datetime | None = None
    kind: TextKind = "full"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """One spelling that stands for an actor. lang: counts only in articles of that language (or of unknown), None: in all.

    origin: how it came about, for people ("typed", "canonical name", "be→BGN"). struck: a person took it away, for good.
    """

    text: str
    rule: Rule = "user"
    origin: str = "typed"
    lang: str | None = None
    struck: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person, organisation or place with one canonical name. id is 0 where there is no store (the `match` command)."""

    id: int = 0
    guild_id: int = 0
    name: str
    aliases: tuple[Alias, ...] = ()
    origin: Origin = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a desk wants to hear of, and where. channel_id 0 is the terminal; thread_id 0 is no thread; mention 0 pings nobody.

    feeds: the only ones it listens to; none: all that its server hears. home_id: the server that its channel is in, 0 while unknown.
    """

    id: int = 0
    guild_id: int = 0
    name: str
    query: str
    channel_id: int = 0
    thread_id: int = 0
    mention: int = 0
    origin: Origin = "config"
    enabled: bool = True
    feeds: tuple[int, ...] = ()
    home_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WordForm:
    """Another form of a keyword, with the language that licenses it ("sanctioned", "en")."""

    text: str
    lang: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Why a watch fired, at one place. watch is None for an actor asked for by itself; actor is None for a keyword.

    `text` is `title[start:end]` or `text[start:end]` of the article, by `field`. score: 1.0 for stored spellings.
    """

    watch_id: int
    watch: str | None
    actor: str | None
    field: FieldName
    start: int
    end: int
    text: str
    alias: str
    rule: Rule
    score: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """Why a watch that had a hit did not fire: the smallest reason, a sentence in the query's own words."""

    watch_id: int
    watch: str | None
    actor: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """All that was found in one article. matches: by field (title first), start, then longest first. fired: ids of watches."""

    matches: tuple[Match, ...] = ()
    why_not: tuple[WhyNot, ...] = ()
    fired: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of a text, `[start, end)`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """The sentences that matter, verbatim spans of the article's text in document order, and the terms that occur in them."""

    sentences: tuple[Span, ...] = ()
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Which story an item tells. key: the key hash of the story's first item. of: the item that a duplicate or update repeats."""

    id: int | None
    key: bytes
    relation: Relation = "new"
    of: int | None = None


# --- alerting ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One line of "why": the watch, the words as they stand in the article, the spelling and the rule that found them."""

    watch: str
    actor: str | None
    words: str
    alias: str
    rule: Rule
    field: FieldName
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefSentence:
    """A verbatim sentence and the matched words inside it, offsets into the sentence."""

    text: str
    bold: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is said, as plain data; an outlet decides how it looks. Nothing in it is escaped or cut yet.

    published_at: None where neither feed nor page gives a believable time; then seen_at is shown. mentions: role ids.
    late: said where the matching words came only with the page, or delivery was late; a sentence or "".
    """

    headline: str
    link: str
    source: str
    published_at: datetime | None
    seen_at: datetime
    watches: tuple[str, ...]
    reasons: tuple[Reason, ...]
    brief: tuple[BriefSentence, ...] = ()
    kind: TextKind = "full"
    note: str = ""
    late: str = ""
    also: tuple[str, ...] = ()
    mentions: tuple[int, ...] = ()
    lang: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What one channel is to be told of one story, once. number counts the alerts of this story in this channel from 0.

    told: the keys ("watch:7", "actor:Alexander Lukashenko") that this alert tells of. reply_to: the number it answers, or None.
    """

    channel_id: int
    thread_id: int
    story_key: bytes
    number: int
    card: Card
    told: frozenset[str]
    reply_to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAlert:
    """An alert that a channel is owed or already has, as the store knows it. item_id: whose article its card shows."""

    id: int
    item_id: int
    channel_id: int
    thread_id: int
    number: int
    told: frozenset[str]
    card: Card


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEdit:
    """A better card for an alert that exists. told: what it tells of now, never less than before."""

    alert_id: int
    card: Card
    told: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing owed to an outlet: a post, or an edit of what was posted (message_id is then its receipt).

    owed_at: since when the alert is owed. in_doubt: an earlier try may have arrived; first_sent_at says when that was, at the earliest.
    others: further late alerts of the same channel that go into the same message.
    """

    alert_id: int
    kind: Literal["post", "edit"]
    channel_id: int
    thread_id: int
    card: Card
    nonce: str
    owed_at: datetime
    attempts: int
    reply_to_message_id: int | None = None
    message_id: int | None = None
    first_sent_at: datetime | None = None
    lease: bytes = b""
    in_doubt: bool = False
    others: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedChannel:
    """A channel (or thread in it) that refused, and is left alone. retry_at None: until people change something. told: operators were."""

    channel_id: int
    thread_id: int
    reason: str
    paused_at: datetime
    retry_at: datetime | None
    tries: int
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The outcome of one reading of one item, as it is committed together with what is owed because of it.

    page_next_at: when its page is to be tried again; None: it is not owed (any more). page_tries: how often it was tried so far.
    """

    item: Item
    read_at: datetime
    article: Article
    matches: Matches
    story: Story
    alerts: tuple[Alert, ...] = ()
    edits: tuple[AlertEdit, ...] = ()
    page_next_at: datetime | None = None
    page_tries: int = 0
