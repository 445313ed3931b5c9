"""A card and its delivery, of which each test changes what it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.model import BriefSentence, Card, Delivery, Reason, Span

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REASON = Reason(watch="Belarus", actor=None, words="sanctions", alias="sanction", rule="lemma", field="text", times=2)
CARD = Card(
    headline="Council agrees on sanctions",
    link="https://news.example/1",
    source="Sample wire",
    published_at=AT,
    seen_at=AT,
    watches=("Belarus", "Trade"),
    reasons=(REASON,),
    brief=(BriefSentence(text="The council agreed on sanctions.", bold=(Span(start=22, end=31),)),),
    mentions=(7, 8),
)
DELIVERY = Delivery(
    alert_id=1,
    kind="post",
    channel_id=1,
    thread_id=0,
    card=CARD,
    nonce="dabcdefghijklmnopqrstuvw",
    owed_at=AT,
    attempts=1,
)


def with_card(**changes: object) -> Delivery:
    """Return the delivery of a card with these fields changed."""
    return replace(DELIVERY, card=replace(CARD, **changes))  # type: ignore[arg-type] # a test's own fields
