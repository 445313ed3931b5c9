"""Cards → what a message says, as the JSON that Discord takes. Pure: no client, no clock, nothing sent.

Every limit is kept here, before anything goes out. Feed text is cleaned, cut and escaped once, by `cogs._escape`; links are http or
https or are shown as no link. Only roles of the watches that fired are named to be pinged, and every message says so.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cogs._escape import clean, cut, escape, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from bot.model import BriefSentence, Card, Delivery, Reason

JSON = dict[str, Any]

MARKER_CHARS = 10
FOOTER = "wirewatch · "
REPEAT = "may be a repeat"
TITLE_CHARS = 256
AUTHOR_CHARS = 256
LINK_CHARS = 2048
DESCRIPTION_CHARS = 4096
CONTENT_CHARS = 2000
LATE_LINK_CHARS = 100
SENTENCE_CHARS = 600
SENTENCES = 3
REASONS = 8
NAME_CHARS = 100
PINGS = 50
COLOUR = 0x3B6EA8
LATE_COLOUR = 0x8A8F98

KIND = {"full": "", "feed": "text from the feed", "partly": "partly read", "teaser": "teaser only"}
RULE = {
    "user": "your spelling",
    "exact": "as typed",
    "lemma": "another form",
    "prefix": "begins with it",
    "name": "surname; the full name is in the article",
    "transliteration": "transliterated",
    "inflection": "inflected",
}


def marker_for(delivery: Delivery) -> str:
    """Return what names an alert inside its message: the beginning of its nonce."""
    return delivery.nonce[:MARKER_CHARS]


def message_for(delivery: Delivery, *, repeat: bool = False) -> JSON:
    """Return the message for a delivery: one card, or several late alerts. repeat: it may be there already."""
    if delivery.others:
        return late_message((delivery, *delivery.others), repeat=repeat)
    card = delivery.card
    roles = list(card.mentions[:PINGS])
    body = mentions_only(roles) | {"embeds": [embed_for(card, (marker_for(delivery),), repeat=repeat)]}
    if roles:
        body["content"] = cut(" ".join(f"<@&{role}>" for role in roles), CONTENT_CHARS)
    return body


def plain_message(delivery: Delivery) -> JSON:
    """Return the short text form, for where Discord refused the card: headline, link, marker."""
    lines = []
    for one in (delivery, *delivery.others):
        link = link_for(one.card)
        lines.append(f"**{shown(one.card.headline, 100)}**" + (f" <{link}>" if 0 < len(link) <= NAME_CHARS else ""))
    return mentions_only(()) | {"content": "\n".join([*cut_lines(lines, 1800), f"-# {footer_for((delivery,))}"])}


def operators_message(text: str) -> JSON:
    """Return a line for the operators."""
    return mentions_only(()) | {"content": shown(text, CONTENT_CHARS - 10)}


def mentions_only(roles: Iterable[int]) -> JSON:
    """Return the part of a message that says whom it may ping: these roles and nobody else."""
    return {"allowed_mentions": {"parse": [], "roles": list(roles)}}


def embed_for(card: Card, markers: Sequence[str], *, repeat: bool = False) -> JSON:
    """Return one card: source, headline with its link, what was said, why it matched, and when."""
    link = link_for(card)
    embed: JSON = {
        "title": shown(card.headline, TITLE_CHARS) or "(no headline)",
        "description": description_for(card, "" if len(link) <= LINK_CHARS else link),
        "color": LATE_COLOUR if card.late else COLOUR,
        "timestamp": shown_at(card.published_at or card.seen_at),
        "footer": {"text": FOOTER + " ".join(markers) + (f" · {REPEAT}" if repeat else "")},
    }
    if link and len(link) <= LINK_CHARS:
        embed["url"] = link
    if source := cut(clean(card.source).replace("<", "‹").replace("@", "@\u200b"), AUTHOR_CHARS):
        embed["author"] = {"name": source}
    return embed


def description_for(card: Card, long_link: str = "") -> str:
    """Return what stands under the headline; what is to be left out for want of room is left out from the end."""
    lines = [f"-# for {shown(', '.join(card.watches), 300)}"] if card.watches else []
    lines += [f"*{shown(text, 300)}*" for text in (card.late,) if text]
    lines += [sentence_line(sentence) for sentence in card.brief[:SENTENCES] if clean(sentence.text)]
    note = clean(card.note).removeprefix("only the teaser was read").lstrip(": ")
    kind = " · ".join(part for part in (KIND[card.kind], note) if part)
    lines += [f"-# {shown(kind, 300)}"] if kind else []
    lines += [f"-# also: {shown(', '.join(card.also), 300)}"] if card.also else []
    lines += [f"-# no date given; found {card.seen_at:%d %b %Y %H:%M} UTC"] if card.published_at is None else []
    lines += [why_line(reason) for reason in card.reasons[:REASONS]]
    if len(card.reasons) > REASONS:
        lines.append(f"-# and {len(card.reasons) - REASONS} more")
    if long_link:
        lines.insert(0, long_link if len(long_link) <= LINK_CHARS + 500 else "-# its link is too long to be shown")
    return "\n".join(cut_lines(lines, DESCRIPTION_CHARS))


def why_line(reason: Reason) -> str:
    """Return one line of why: the watch, the words as they stand, where and how often, and what of the query they are."""
    where = "headline" if reason.field == "title" else "text"
    times = f" ×{reason.times}" if reason.times > 1 else ""
    rule = RULE[reason.rule]
    alias = f" of “{shown(reason.alias, 60)}”" if reason.alias.casefold() != reason.words.casefold() else ""
    actor = f"{shown(reason.actor, 60)}: " if reason.actor else ""
    return (
        f"-# why: {shown(reason.watch, 60)} — {actor}“{shown(reason.words, 80)}”{times} in the {where} ({rule}{alias})"
    )


def sentence_line(sentence: BriefSentence) -> str:
    """Return a verbatim sentence as a quote with the matched words in bold; of an endless one what stands around the first of them."""
    start, end = 0, len(sentence.text)
    if end > SENTENCE_CHARS:
        first = sentence.bold[0].start if sentence.bold else 0
        start = max(0, min(first - SENTENCE_CHARS // 3, end - SENTENCE_CHARS))
        end = start + SENTENCE_CHARS
    marks = sorted({start, end, *(at for span in sentence.bold for at in (span.start, span.end) if start < at < end)})
    bold = {(span.start, span.end) for span in sentence.bold}
    parts = []
    for left, right in pairwise(marks):
        piece = sentence.text[left:right]
        inside = any(span_start <= left and right <= span_end for span_start, span_end in bold)
        parts.append(_bold(piece) if inside else _spaced(piece))
    line = " ".join("".join(parts).split())
    return f"> {'… ' if start else ''}{line}{'…' if end < len(sentence.text) else ''}"


def _spaced(piece: str) -> str:
    """Return a piece of a sentence, escaped, with the blanks at its ends."""
    inner = escape(clean(piece))
    if not inner:
        return " "
    return f"{' ' if piece[0].isspace() else ''}{inner}{' ' if piece[-1].isspace() else ''}"


def _bold(piece: str) -> str:
    inner = escape(clean(piece))
    return f"**{inner}**" if inner else " "


def late_message(deliveries: Sequence[Delivery], *, repeat: bool = False) -> JSON:
    """Return one message for several late alerts of a channel; it pings nobody. Each has an embed, since a link belongs to each."""
    embeds, links = [], set[str]()
    for delivery in deliveries:
        card, link = delivery.card, link_for(delivery.card)
        facts = [card.source, f"{card.published_at or card.seen_at:%d %b %Y %H:%M} UTC", KIND[card.kind]]
        words = dict.fromkeys(f"“{reason.words}”" for reason in card.reasons)
        lines = [shown(" · ".join(fact for fact in facts if fact), 120), f"-# for {shown(', '.join(card.watches), 90)}"]
        lines += [f"-# why: {shown(', '.join(words), 120)}"] if words else []
        embed: JSON = {"title": shown(card.headline, 180) or "(no headline)", "color": LATE_COLOUR}
        if link and len(link) <= LINK_CHARS and link not in links:  # of two embeds with one link Discord shows only one
            embed["url"] = link
            links.add(link)
        elif 0 < len(link) <= LATE_LINK_CHARS:
            lines.append(link)
        embed["description"] = "\n".join(lines)
        embeds.append(embed)
    embeds[-1]["footer"] = {"text": footer_for(deliveries) + (f" · {REPEAT}" if repeat else "")}
    head = f"**Late:** {len(deliveries)} alerts that could not be delivered in time"
    return mentions_only(()) | {"content": head, "embeds": embeds}


def footer_for(deliveries: Sequence[Delivery]) -> str:
    """Return the line that names the alerts of a message."""
    return FOOTER + " ".join(map(marker_for, deliveries))


def link_for(card: Card) -> str:
    """Return the card's link where it may be one: http or https with a host, without blanks or brackets; else ""."""
    try:
        parts = urlsplit(card.link)
    except ValueError:
        return ""
    sound = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None
    return card.link if sound and not any(char.isspace() or char in "<>" for char in card.link) else ""


def cut_lines(lines: Sequence[str], limit_chars: int) -> list[str]:
    """Return as many of the lines, in order, as fit; one that does not is left out, never broken in its markup."""
    kept, room = [], limit_chars
    for line in lines:
        if len(line) + 1 <= room:
            kept.append(line)
            room -= len(line) + 1
    return kept


def shown_at(at: datetime) -> str:
    """Return a time as Discord takes it."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
