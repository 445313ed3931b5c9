"""What stands above and below an article without being part of it: lists of other articles, credits, sharing, subscription, paywall lines.

It only takes whole paragraphs away, from the top or from the end, never one between two of the article's own, and never one that
quotes somebody. What counts as furniture is data (`languages/*.toml`), all languages at once, because pages mix them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from bot.reading.languages import any_language

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADER_WORDS: Final = 6
_LINE_WORDS: Final = 8
_LONGEST_LINE_WORDS: Final = 45
_LONGEST_LINE_CHARS: Final = 500
_NORMAL_WORDS: Final = 15
_MOST_LINES: Final = 3
_LONGEST_TAIL: Final = 60
_TELLING_SPACES: Final = 3
_MOST_SHARE: Final = 0.2
_TOP_LINES: Final = 5
_WALL_LINES: Final = 4
_TOP_CHARS: Final = re.compile(r"[\d\W_]+")
_SENTENCE_END: Final = re.compile(r"[.!?…。！？][\"'”’»“)\]]*$")
_QUOTATION: Final = re.compile(r"[“„«\"]([^“”„«»\"]*)[”“»\"]")
_QUOTED_WORDS: Final = 4
_OPENS_LIST: Final = re.compile(r"^[\s\W_]*|[\s:›»→>.…–—-]+$")
_LONE: Final = re.compile(
    r"^(?:©|\(c\)\s*(?:19|20)\d\d|copyright\b).*"
    r"|^\W*(?:https?://|www\.)\S+\W*$"
    r"|^[@#]\S+(?:\s[@#]\S+)*$"
    r"|^(?:tel|phone|fax|тел|т|тэл)?[.:\s]*\+?\(?\d[\d\s()./-]{6,}$"
    r"|^\W*$",
    re.IGNORECASE,
)
_MAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trimmed:
    """The article's own paragraphs, and whether a paywall line stood at their end."""

    paragraphs: tuple[str, ...]
    wall: bool = False


def trim_furniture(paragraphs: Iterable[str]) -> Trimmed:
    """Return the paragraphs without the furniture above and below them. Headline and by-line are not furniture."""
    kept = _without_top(list(paragraphs))
    kept, wall = _without_wall(kept)
    return Trimmed(paragraphs=tuple(_without_lines(_without_lists(kept))), wall=wall)


def _without_top(paragraphs: list[str]) -> list[str]:
    """Return the paragraphs without the furniture lines above the first one that is certainly the article's own."""
    normal = (at for at, line in enumerate(paragraphs[:_TOP_LINES]) if not _is_short(line))
    top = next(normal, min(_TOP_LINES, len(paragraphs)))
    return [line for line in paragraphs[:top] if not _is_top_line(line)] + paragraphs[top:]


def _is_top_line(line: str) -> bool:
    if len(line.split()) > _LINE_WORDS or _SENTENCE_END.search(line):
        return False
    bare = " ".join(_TOP_CHARS.sub(" ", _folded(line)).split())
    has_figure = any(char.isdigit() for char in line)
    return bare in _top_phrases() or (has_figure and bare.startswith(tuple(_top_phrases())))


@cache
def _top_phrases() -> frozenset[str]:
    return frozenset(" ".join(_TOP_CHARS.sub(" ", phrase).split()) for phrase in any_language().top_lines)


def _without_wall(paragraphs: list[str]) -> tuple[list[str], bool]:
    """Return the paragraphs above the first paywall line among the last ones, and whether there was one."""
    for at in range(max(1, len(paragraphs) - _WALL_LINES), len(paragraphs)):
        if _is_wall(paragraphs[at]):
            return paragraphs[:at], True
    return paragraphs, False


def _is_wall(line: str) -> bool:
    if _is_long(line) or _quotes(line):
        return False
    folded = _OPENS_LIST.sub("", _folded(line))
    # A long phrase says it wherever it stands; a short one only where it opens the line.
    return any(
        folded.startswith(phrase) or (phrase.count(" ") >= _TELLING_SPACES and phrase in folded)
        for phrase in _wall_phrases()
    )


@cache
def _wall_phrases() -> tuple[str, ...]:
    return tuple(sorted(any_language().paywall))


def _without_lists(paragraphs: list[str]) -> list[str]:
    """Return the paragraphs above the first header below which nothing but short lines stand.

    Below a weak header, or with no paragraph above that is certainly the article's own, no more goes than stays.
    """
    normal = _last_normal(paragraphs)
    for at in range(max(1, normal + 1), len(paragraphs)):
        below = paragraphs[at + 1 :]
        weak = _is_header(paragraphs[at], any_language().headers_weak)
        if not weak and not _is_header(paragraphs[at], any_language().headers):
            continue
        fits = _is_no_sentence if weak else _is_short
        sure = normal >= 0 and not weak
        if all(fits(line) or _is_end_line(line) for line in below) and (
            sure or sum(map(len, below)) <= sum(map(len, paragraphs[:at]))
        ):
            return paragraphs[:at]
    return paragraphs


def _last_normal(paragraphs: list[str]) -> int:
    """Return the index of the last paragraph that is certainly the article's own, -1 where there is none.

    A run of short lines that is too long for any tail (a table, a list) is the article's own.
    """
    for at in range(len(paragraphs) - 1, -1, -1):
        line = paragraphs[at]
        if len(paragraphs) - at > _LONGEST_TAIL or _quotes(line) or not (_is_short(line) or _is_end_line(line)):
            return at
    return -1


def _is_header(line: str, phrases: frozenset[str]) -> bool:
    if _is_long(line):
        return False
    folded = _OPENS_LIST.sub("", _folded(line))
    if folded in phrases:
        return True
    if _SENTENCE_END.search(line):
        return False
    lead, colon, rest = folded.partition(":")
    if colon and rest and lead.strip() in phrases:
        return True
    # A header may name its subject, as in: Read more on the floods.
    return len(folded.split()) <= _HEADER_WORDS and any(
        folded.startswith(f"{phrase} ") for phrase in phrases if " " in phrase or line.rstrip().endswith(":")
    )


def _without_lines(paragraphs: list[str]) -> list[str]:
    """Return the paragraphs without the furniture lines at the very end: three at most, and never over a fifth of the text."""
    room = _MOST_SHARE * sum(map(len, paragraphs))
    end = len(paragraphs)
    while end > 1 and len(paragraphs) - end < _MOST_LINES and _is_end_line(paragraphs[end - 1]):
        room -= len(paragraphs[end - 1])
        if room < 0:
            break
        end -= 1
    return paragraphs[:end]


def _is_end_line(line: str) -> bool:
    words = len(line.split())
    if _is_long(line) or _quotes(line):
        return False
    if words <= _LINE_WORDS and (_LONE.search(line) or _MAIL.search(line)):
        return True
    folded = _folded(line)
    if not folded.startswith(_end_phrases()):
        return False
    phrases = [phrase for phrase in _end_phrases() if folded.startswith(phrase) and _ends_word(folded, phrase)]
    return any(
        " " in phrase.strip() or phrase.endswith(":") or (words <= _LINE_WORDS and not _SENTENCE_END.search(line))
        for phrase in phrases
    )


@cache
def _end_phrases() -> tuple[str, ...]:
    return tuple(sorted(any_language().end_lines | any_language().headers_weak))


def _ends_word(folded: str, phrase: str) -> bool:
    return not (folded[len(phrase) : len(phrase) + 1].isalnum() and phrase[-1].isalnum())


def _is_long(line: str) -> bool:
    return len(line) > _LONGEST_LINE_CHARS or len(line.split()) > _LONGEST_LINE_WORDS


def _is_short(line: str) -> bool:
    return not _quotes(line) and (len(line.split()) < _NORMAL_WORDS or _is_no_sentence(line))


def _is_no_sentence(line: str) -> bool:
    return not _SENTENCE_END.search(line.rstrip())


def _quotes(line: str) -> bool:
    """Say whether a line quotes somebody at some length and is a sentence: then it is never furniture."""
    said = (len(each.split()) >= _QUOTED_WORDS for each in _QUOTATION.findall(line))
    return bool(_SENTENCE_END.search(line.rstrip())) and any(said)


def _folded(line: str) -> str:
    return " ".join(line.replace("’", "'").casefold().split())
