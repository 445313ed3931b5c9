"""Cards → what a message says, as the JSON that Discord takes. Pure: no client, no clock, nothing sent.

Every limit of an alert is kept here, before it goes out. Feed text is cleaned, cut and escaped once, by `cogs._escape`; links are http or
https or are shown as no link. Only roles of the watches that fired are named to be pinged, and every message says so.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bot.wording import changes_at, gone_lines, why_lines
from cogs._escape import clean, cut, escape, shown, without_links

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from bot.model import BriefSentence, Card, Delivery

JSON = dict[str, Any]

MARKER_CHARS = 10
FOOTER = "wirewatch · "
REPEAT = "may be a repeat"
TITLE_CHARS = 256
AUTHOR_CHARS = 256
LINK_CHARS = 2048
DESCRIPTION_CHARS = 4096
CONTENT_CHARS = 2000
PLAIN_CHARS = 1800
PLAIN_HEADLINE_CHARS = 100
LATE_LINK_CHARS = 100
SENTENCE_CHARS = 600
LATE_SENTENCE_CHARS = 160
SENTENCES = 3
REASONS = 24
LINES = 8
NAME_CHARS = 100
PINGED_HEADLINE_CHARS = 120
PINGS = 50
COLOUR = 0x3B6EA8
LATE_COLOUR = 0x8A8F98
GONE_COLOUR = 0xC27C0E

KIND = {"full": "", "feed": "text from the feed", "partly": "partly read", "teaser": "teaser only"}
GONE_FROM = {"full": "the article", "feed": "the article", "partly": "what can be read of it", "teaser": "the teaser"}


def marker_for(delivery: Delivery) -> str:
    """Return what names an alert inside its message: the beginning of its nonce."""
    return delivery.nonce[:MARKER_CHARS]


def message_for(delivery: Delivery, *, repeat: bool = False) -> JSON:
    """Return the message for a delivery: one card, or several late alerts. repeat: it may be there already."""
    if delivery.others:
        return late_message((delivery, *delivery.others), repeat=repeat)
    card = delivery.card
    roles = list(card.mentions[:PINGS])
    embed = embed_for(card, marker_for(delivery), repeat=repeat, is_edit=delivery.kind == "edit")
    body = mentions_only(roles) | {"embeds": [embed]}
    if roles:  # a phone shows the content alone, and that somebody was pinged says nothing
        headline = without_links(shown(card.headline, PINGED_HEADLINE_CHARS))
        body["content"] = " ".join([*(f"<@&{role}>" for role in roles), headline])[:CONTENT_CHARS].rstrip()
    return body


def plain_message(delivery: Delivery) -> JSON:
    """Return the short text form, for where Discord refused the card: headline, link, marker."""
    all_of_them = (delivery, *delivery.others)
    room = PLAIN_CHARS // len(all_of_them) - PLAIN_HEADLINE_CHARS - len("**** <>\n")
    lines = []
    for one in all_of_them:
        link = link_for(one.card)
        headline = shown(one.card.headline, PLAIN_HEADLINE_CHARS)
        lines.append(f"**{headline}**" + (f" <{link}>" if 0 < len(link) <= room else ""))
    return mentions_only(()) | {"content": "\n".join([*cut_lines(lines, PLAIN_CHARS), f"-# {footer_for(delivery)}"])}


def operators_message(text: str) -> JSON:
    """Return a line for the operators."""
    return mentions_only(()) | {"content": shown(text, CONTENT_CHARS - 10)}


def mentions_only(roles: Iterable[int]) -> JSON:
    """Return the part of a message that says whom it may ping: these roles and nobody else."""
    return {"allowed_mentions": {"parse": [], "roles": list(roles)}}


def embed_for(card: Card, marker: str, *, repeat: bool = False, is_edit: bool = False) -> JSON:
    """Return one card: source, headline with its link, what was said, why it matched, and when. is_edit: it stood there otherwise."""
    link = link_for(card)
    embed: JSON = {
        "title": shown(card.headline, TITLE_CHARS) or "(no headline)",
        "color": GONE_COLOUR if card.gone else LATE_COLOUR if card.late else COLOUR,
        "timestamp": shown_at(card.published_at or card.seen_at),
        "footer": {"text": FOOTER + marker + (f" · {REPEAT}" if repeat else "")},
    }
    if text := description_for(card, "" if len(link) <= LINK_CHARS else link, is_edit=is_edit):
        embed["description"] = text
    if link and len(link) <= LINK_CHARS:
        embed["url"] = link
    if source := cut(clean(card.source).replace("<", "‹").replace("@", "@\u200b"), AUTHOR_CHARS):
        embed["author"] = {"name": source}
    return embed


def description_for(card: Card, long_link: str = "", *, is_edit: bool = False) -> str:
    """Return what stands under the headline; a line that has no room is left out, shorter ones after it stay."""
    lines = (
        [long_link if len(long_link) <= LINK_CHARS + 500 else "-# its link is too long to be shown"]
        if long_link
        else []
    )
    if card.gone:
        lines += [
            f"⚠ **No longer in {GONE_FROM[card.kind]}:** {line}"
            for line in gone_lines(card.gone[:REASONS], shown)[:LINES]
        ]
        lines += [f"> ~~{sentence_line(one)[2:]}~~" for one in card.before[:SENTENCES] if clean(one.text)]
        lines += [""] if card.before else []
    lines += [f"*{shown(text, 300)}*" for text in (card.late, card.found) if text]
    said = [sentence for sentence in card.brief[:SENTENCES] if clean(sentence.text)]
    lines += [sentence_line(one, is_apart=one.is_apart and one is not said[0]) for one in said]
    lines += [""] if said else []  # the quotation ends here
    lines += [f"-# {line}" for line in facts_in(card, is_edit=is_edit)]
    why = why_lines(card.reasons[:REASONS], shown)
    lines += [f"-# {line}" for line in why[:LINES]]
    if (more := len(why) - LINES + max(0, len(card.reasons) - REASONS)) > 0:
        lines.append(f"-# and {more} more")
    told = {one.watch for one in (*card.reasons[:REASONS], *card.gone[:REASONS])}
    if silent := [name for name in card.watches if name not in told]:
        lines.append(f"-# for {shown(', '.join(silent), 300)}")
    return "\n".join(cut_lines(lines, DESCRIPTION_CHARS)).strip("\n")


def facts_in(card: Card, *, is_edit: bool) -> list[str]:
    """Return what is to be known of a card besides why: how much was read, what changed, who else tells it, that it has no date."""
    note = clean(card.note).removeprefix("only the teaser was read").lstrip(": ")
    kind = " · ".join(part for part in (KIND[card.kind], note) if part)
    lines = [shown(kind, 300)] if kind else []
    if is_edit:
        lines += [f"edited {said_at(at, 't')}: {what}" for at, what in changes_at(card.changes, shown)]
    lines += [f"also: {shown(', '.join(card.also), 300)}"] if card.also else []
    lines += [f"no date given; found {said_at(card.seen_at)}"] if card.published_at is None else []
    return lines


def sentence_line(sentence: BriefSentence, *, is_apart: bool = False, limit_chars: int = SENTENCE_CHARS) -> str:
    """Return a verbatim sentence as a quote with the matched words in bold; of an endless one what stands around the first of them.

    is_apart: something was left out between it and the sentence above it.
    """
    start, end = 0, len(sentence.text)
    if end > limit_chars:
        first = sentence.bold[0].start if sentence.bold else 0
        start = max(0, min(first - limit_chars // 3, end - limit_chars))
        end = start + limit_chars
    marks = sorted({start, end, *(at for span in sentence.bold for at in (span.start, span.end) if start < at < end)})
    bold = {(span.start, span.end) for span in sentence.bold}
    parts = []
    for left, right in pairwise(marks):
        piece = sentence.text[left:right]
        inside = any(span_start <= left and right <= span_end for span_start, span_end in bold)
        parts.append(_bold(piece) if inside else _spaced(piece))
    line = " ".join("".join(parts).split())
    return f"> {'… ' if start or is_apart else ''}{line}{'…' if end < len(sentence.text) else ''}"


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
    """Return one message for several late alerts of a channel; it pings nobody. Each has an embed, since a link belongs to each.

    It bears the marker of the first alone: the message is looked for by that one.
    """
    embeds, links = [], set[str]()
    for delivery in deliveries:
        card, link = delivery.card, link_for(delivery.card)
        embed: JSON = {"title": shown(card.headline, 130) or "(no headline)", "color": LATE_COLOUR}
        plain_link = ""
        if link and len(link) <= LINK_CHARS and link not in links:  # of two embeds with one link Discord shows only one
            embed["url"] = link
            links.add(link)
        elif 0 < len(link) <= LATE_LINK_CHARS:
            plain_link = link
        embed["description"] = "\n".join(late_lines(card, plain_link))
        embeds.append(embed)
    embeds[-1]["footer"] = {"text": footer_for(deliveries[0]) + (f" · {REPEAT}" if repeat else "")}
    first, last = min(one.owed_at for one in deliveries), max(one.owed_at for one in deliveries)
    is_short = (last - first).total_seconds() < 60  # noqa: PLR2004 - both would read alike
    when = said_at(first) if is_short else f"between {said_at(first)} and {said_at(last)}"
    head = f"**Late:** {len(deliveries)} alerts that could not be delivered when they were found, {when}."
    return mentions_only(()) | {"content": head, "embeds": embeds}


def late_lines(card: Card, plain_link: str) -> list[str]:
    """Return what a late message says of one alert; ten of them fit. plain_link: shown instead of a sentence, "" for none."""
    at = said_at(card.published_at) if card.published_at else f"found {said_at(card.seen_at)}"
    lines = [" · ".join(filter(None, (shown(card.source, 60), at, KIND[card.kind])))]
    sentence = next((sentence_line(one, limit_chars=LATE_SENTENCE_CHARS) for one in card.brief if clean(one.text)), "")
    lines += [plain_link] if plain_link else [sentence] if 0 < len(sentence) <= LATE_SENTENCE_CHARS + 50 else []
    words = ", ".join(dict.fromkeys(f"“{one.words}”" for one in card.gone or card.reasons))
    why = f"{'no longer there: ' if card.gone else ''}{shown(words, 60)}" if words else ""
    return [*lines, "-# " + " — ".join(filter(None, (why, shown(", ".join(card.watches), 60))))]


def footer_for(delivery: Delivery) -> str:
    """Return the line by which a message is found again."""
    return FOOTER + marker_for(delivery)


def said_at(at: datetime, style: str = "f") -> str:
    """Return a time that each reader's own client shows as theirs."""
    return f"<t:{int(at.timestamp())}:{style}>"


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
