"""The two or three sentences of an article that matter to what matched: verbatim, in document order. Pure.

A brief never cuts inside a sentence, and without a hit it is simply the lead.
"""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.model import Article, Brief, Match, Span
from bot.reading.languages import Language, language
from bot.reading.sentences import sentences_in

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAD_SENTENCES: Final = 2
_TINY_WORDS: Final = 5
_LONG_WORDS: Final = 35
_STEM_CHARS: Final = 7
_NEW_TERM: Final = 1.0
_FIGURE: Final = 0.05
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_OPENING: Final = re.compile(r"[\s\"'“‘„«(\[—–-]*")
_BYLINE: Final = re.compile(r"^(?:by|von|par|autor|автор|аўтар)\b[^.!?]*$", re.IGNORECASE)
_OPEN_MARKS: Final = re.compile(r"[“„«]")
_CLOSE_MARKS: Final = re.compile(r"[”»]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sentence:
    """One sentence with what the score asks of it. order: its place; terms: what matched in it; words: stems of content words."""

    order: int
    span: Span
    terms: frozenset[str]
    words: Counter[str]
    dangles: bool
    figure: bool
    inside: bool
    candidate: bool


def brief_for(article: Article, matches: Sequence[Match], *, limit: int = 2, limit_chars: int = 350) -> Brief:
    """Return up to `limit` sentences that hold what matched, and in `about` the terms (as typed) that occur in them.

    No hit in the text: the lead, and about is empty. limit_chars counts the sentences' own characters; the first sentence
    chosen is given whole even where it alone is longer.
    """
    hits = [match for match in matches if match.field == "text"]
    sentences = _sentences(article, hits)
    if not any(each.terms for each in sentences):
        return Brief(sentences=_lead(sentences, min(limit, _LEAD_SENTENCES), limit_chars))
    chosen = _chosen(sentences, limit, limit_chars)
    held = frozenset[str]().union(*(each.terms for each in chosen))
    order = dict.fromkeys(match.alias for match in sorted(hits, key=lambda match: match.start))
    return Brief(
        sentences=tuple(each.span for each in sorted(chosen, key=lambda each: each.order)),
        about=tuple(term for term in order if term in held),
    )


def _sentences(article: Article, hits: Sequence[Match]) -> list[_Sentence]:
    words = language(article.lang)
    found: list[_Sentence] = []
    left = deque(sorted(hits, key=lambda match: match.start))
    depth = 0
    for order, span in enumerate(sentences_in(article.text, article.lang)):
        while left and left[0].start < span.start:
            left.popleft()
        terms = set[str]()
        while left and left[0].start < span.end:
            terms.add(left.popleft().alias)
        text = article.text[span.start : span.end]
        new_paragraph = not found or "\n\n" in article.text[found[-1].span.end : span.start]
        depth = 0 if new_paragraph else depth
        found.append(_sentence(order, span, text, frozenset(terms), words, inside=depth > 0))
        depth = max(0, depth + len(_OPEN_MARKS.findall(text)) - len(_CLOSE_MARKS.findall(text)))
    return found


def _sentence(order: int, span: Span, text: str, terms: frozenset[str], words: Language, *, inside: bool) -> _Sentence:
    opening = _OPENING.match(text)
    start = _WORD.match(text, opening.end() if opening else 0)
    content = [_stem(word) for word in _WORD.findall(text.casefold()) if word not in words.stop_words]
    return _Sentence(
        order=order,
        span=span,
        terms=terms,
        words=Counter(content),
        dangles=start is not None and start.group().casefold().replace("’", "'") in words.dangling,
        figure=any(char.isdigit() for char in text),
        inside=inside,
        candidate=len(content) > 0 and not _BYLINE.match(text) and text[-1] != ":",
    )


def _stem(word: str) -> str:
    return word.replace("’", "'").partition("'")[0][:_STEM_CHARS]


def _lead(sentences: Sequence[_Sentence], limit: int, limit_chars: int) -> tuple[Span, ...]:
    """Return the first sentences that say something; a heading or a by-line says nothing."""
    telling = [each for each in sentences if each.candidate and sum(each.words.values()) >= _TINY_WORDS]
    room = limit_chars
    lead: list[Span] = []
    for each in (telling or list(sentences))[:limit]:
        room -= each.span.end - each.span.start
        if lead and room < 0:
            break
        lead.append(each.span)
    return tuple(lead)


def _chosen(sentences: Sequence[_Sentence], limit: int, limit_chars: int) -> list[_Sentence]:
    """Choose greedily: the best sentence, then the best that adds something, as long as there is room."""
    scores = _scores(sentences)
    chosen: list[_Sentence] = []
    room = limit_chars
    pool = [each for each in sentences if each.candidate and each.terms] or [each for each in sentences if each.terms]
    while pool and len(chosen) < limit:
        held = frozenset[str]().union(*(each.terms for each in chosen))
        best = max(pool, key=lambda each: _gain(each, scores[each.order], chosen, held))
        pool.remove(best)
        group = _with_support(best, sentences, chosen)
        length = sum(each.span.end - each.span.start for each in group)
        if (length > room or len(chosen) + len(group) > limit) and len(group) > 1:
            group, length = [best], best.span.end - best.span.start
            if any(other.terms >= best.terms and not _leans(other) for other in pool):
                continue  # something that stands by itself says it too
        if chosen and length > room:
            continue
        chosen += group
        room -= length
        pool = [
            each for each in pool if all(each.words != one.words for one in group)
        ]  # nor what says the same once more
    return chosen


def _gain(each: _Sentence, score: float, chosen: Sequence[_Sentence], held: frozenset[str]) -> float:
    new = _NEW_TERM * (len(each.terms - held) / len(each.terms)) if each.terms else 0.0
    return score + new - 0.4 * max((_overlap(each.words, other.words) for other in chosen), default=0.0)


def _leans(each: _Sentence) -> bool:
    return each.dangles or each.inside


def _with_support(best: _Sentence, sentences: Sequence[_Sentence], chosen: Sequence[_Sentence]) -> list[_Sentence]:
    """Return a sentence together with its predecessor where it leans on it: a pronoun, or the inside of a quotation."""
    if not _leans(best) or best.order == 0:
        return [best]
    before = sentences[best.order - 1]
    return [best] if before in chosen else [before, best]


def _overlap(one: Counter[str], other: Counter[str]) -> float:
    smaller = min(len(one), len(other))
    return len(one.keys() & other.keys()) / smaller if smaller else 0.0


def _scores(sentences: Sequence[_Sentence]) -> list[float]:
    """Return each sentence's score; the weights are those measured on MACSum."""
    every = frozenset[str]().union(*(each.terms for each in sentences))
    context = Counter[str]()
    for each in sentences:
        if each.terms:
            context.update(each.words)
    return [_score(each, len(every), context) for each in sentences]


def _score(each: _Sentence, terms: int, context: Counter[str]) -> float:
    size = sum(each.words.values())
    shared = sum(math.log1p(context[word] - (word in each.words and bool(each.terms))) for word in each.words)
    return (
        2.0 * (len(each.terms) / terms if terms else 0.0)
        + 0.4 / math.sqrt(1 + each.order)
        + 0.2 * (shared / math.sqrt(size) / 4 if size else 0.0)
        + _FIGURE * each.figure
        - 0.25 * _leans(each)
        - 1.0 * (size < _TINY_WORDS)
        - 0.3 * (size > _LONG_WORDS)
    )
