"""What a channel is told, what is owed to it, and the outcome of one reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.model.articles import Article, FieldName, Matches, Span, Story, TextKind
from bot.model.feeds import Item
from bot.model.watching import Rule

ChangeKind = Literal["headline", "gone", "new", "read", "text"]


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

    @property
    def is_whole_item(self) -> bool:
        """Whether no word was found: a source or a language alone, for which the headline stands."""
        return self.rule == "user" and self.actor is None


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefSentence:
    """A verbatim sentence and the matched words inside it, offsets into the sentence.

    is_apart: the article says more between the sentence shown before it and this one.
    """

    text: str
    bold: tuple[Span, ...] = ()
    is_apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an article was found to say otherwise when it was read again.

    words: of "headline" what it was before; of "gone" and "new" the words that no longer and that now stand there; of "read", the whole
    article instead of a teaser, and "text", other sentences, none.
    """

    at: datetime
    kind: ChangeKind
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is said, as plain data; an outlet decides how it looks. Nothing in it is escaped or cut yet.

    published_at: None where neither feed nor page gives a believable time; then seen_at is shown. mentions: role ids.
    late: said where delivery was late. found: said where the words came only with the page or an edit. Each a sentence or "".
    gone: what it was posted for and the article no longer says; before: the sentences that said it. changes: oldest first.
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
    found: str = ""
    also: tuple[str, ...] = ()
    mentions: tuple[int, ...] = ()
    lang: str | None = None
    gone: tuple[Reason, ...] = ()
    before: tuple[BriefSentence, ...] = ()
    changes: tuple[Change, ...] = ()


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
    fired_before: ids of watches that any wording before this one fired. owed_at: since when it could have been told; None: read_at.
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
    fired_before: frozenset[int] = frozenset()
    owed_at: datetime | None = None
