"""card_for: what an alert says, as plain data. Pure; knows neither Discord nor the terminal, neither escapes nor cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.model import BriefSentence, Card, Reason, Span
from bot.reading.brief import brief_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.model import Article, Item, Match, Watch

UNTITLED = "(no headline)"


def card_for(
    *,
    item: Item,
    article: Article,
    matches: Sequence[Match],
    watches: Sequence[Watch],
    found: str = "",
    also: tuple[str, ...] = (),
) -> Card:
    """Return the card that tells of an article to the given watches, which all fired on it and share one channel.

    matches: of these watches alone, in the order of `Matches`. found: why only now, a sentence, or "".
    """
    return Card(
        headline=article.title or UNTITLED,
        link=article.url,
        source=article.source,
        published_at=article.published_at,
        seen_at=item.first_seen_at,
        watches=tuple(dict.fromkeys(watch.name for watch in watches)),
        reasons=reasons_for(matches),
        brief=brief_sentences_in(article, matches),
        kind=article.kind,
        note=article.note,
        found=found,
        also=also,
        mentions=tuple(dict.fromkeys(watch.mention for watch in watches if watch.mention)),
        lang=article.lang,
    )


def reasons_for(matches: Sequence[Match]) -> tuple[Reason, ...]:
    """Return one reason for each watch, spelling and field, in the order in which they first occur, with how often they occur there."""
    first: dict[tuple[str | None, ...], Match] = {}
    times: dict[tuple[str | None, ...], int] = {}
    for match in matches:
        spelling = (match.watch, match.actor, match.alias.casefold(), match.rule, match.field)
        first.setdefault(spelling, match)
        times[spelling] = times.get(spelling, 0) + 1
    return tuple(
        Reason(
            watch=match.watch or "",
            actor=match.actor,
            words=" ".join(match.text.split()),
            alias=match.alias,
            rule=match.rule,
            field=match.field,
            times=times[spelling],
        )
        for spelling, match in first.items()
    )


def brief_sentences_in(article: Article, matches: Sequence[Match]) -> tuple[BriefSentence, ...]:
    """Return the brief's sentences verbatim, each with the places of the matched words inside it."""
    in_text = [match for match in matches if match.field == "text"]
    spans = brief_for(article, matches).sentences
    ends = (spans[0].start if spans else 0, *(span.end for span in spans))
    return tuple(
        BriefSentence(
            text=article.text[span.start : span.end],
            bold=bold_in(span, in_text),
            is_apart=bool(article.text[end : span.start].strip()),
        )
        for end, span in zip(ends, spans, strict=False)
    )


def bold_in(sentence: Span, matches: Sequence[Match]) -> tuple[Span, ...]:
    """Return where the matched words stand inside a sentence: ordered, apart from each other, offsets into the sentence."""
    spans: list[Span] = []
    inside = {
        (match.start, match.end) for match in matches if sentence.start <= match.start and match.end <= sentence.end
    }
    for start, end in sorted(inside):
        if spans and start - sentence.start <= spans[-1].end:
            spans[-1] = Span(start=spans[-1].start, end=max(spans[-1].end, end - sentence.start))
        else:
            spans.append(Span(start=start - sentence.start, end=end - sentence.start))
    return tuple(spans)
