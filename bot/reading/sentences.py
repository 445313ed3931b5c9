"""Where sentences begin and end, as spans of the text itself. Pure; knows abbreviations from `languages/*.toml`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bot.model import Span
from bot.reading.languages import Language, language

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARAGRAPH_END: Final = re.compile(r"\n[^\S\n]*+\n\s*+")
_CLOSERS: Final = "\"'”’“»)\\]›"
_END: Final = re.compile(rf"(?<![.!?…])[.!?…]++[{_CLOSERS}]*+\s++|[。！？][{_CLOSERS}]*+(?![」』])\s*+")
_SPACED_LETTERS: Final = re.compile(r"[^\W\d_]\.")
_OPENERS: Final = re.compile(r"[\s\"'“‘„«(\[‹¿¡—–-]*")
_LAST_WORD: Final = re.compile(r"(?:[^\W_]+(?:[.’'-][^\W_]+)*|№)$")
_FIRST_WORD: Final = re.compile(r"[^\W_]+")
_ACRONYM: Final = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]$")
_LONGEST_ORDINAL: Final = 2
_WORD_CHARS: Final = 40


def sentences_in(text: str, lang: str | None = None) -> tuple[Span, ...]:
    """Return the sentences in order, without white space around them; an empty text has none.

    A paragraph's end (a blank line) always ends one; a single line feed does not. In a text without any capital letter a
    sentence may begin with a small one.
    """
    words = language(lang)
    cased = any(char.isupper() for char in text)
    spans = (span for start, end in _paragraphs(text) for span in _sentences(text, start, end, words, cased=cased))
    return tuple(span for span in spans if span.start < span.end)


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for gap in _PARAGRAPH_END.finditer(text):
        yield start, gap.start()
        start = gap.end()
    yield start, len(text)


def _sentences(text: str, start: int, end: int, words: Language, *, cased: bool) -> Iterator[Span]:
    for mark in _END.finditer(text, start, end):
        if _ends(text, start, mark, words, cased=cased):
            yield _stripped(text, start, mark.end())
            start = mark.end()
    yield _stripped(text, start, end)


def _stripped(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start=start, end=end)


def _ends(text: str, start: int, mark: re.Match[str], words: Language, *, cased: bool) -> bool:
    """Say whether this mark ends the sentence that began at start: what follows begins one, and it is no abbreviation."""
    opening = _OPENERS.match(text, mark.end())
    at = opening.end() if opening else mark.end()
    if at == len(text) or (cased and text[at].islower()):
        return at == len(text)
    marks = mark.group().rstrip()
    if marks.startswith(("…", "..")):
        return text[at].isupper() or not cased
    return marks != "." or not _is_abbreviation(text, start, mark.start(), at, words)


def _is_abbreviation(text: str, start: int, stop: int, at: int, words: Language) -> bool:
    """Say whether the full stop at `stop` belongs to the word before it; `at` is where the next word begins."""
    found = _LAST_WORD.search(text, max(start, stop - _WORD_CHARS), stop)
    if found is None:
        return False
    word = found.group()
    folded = word.replace("’", "'").casefold()
    following = _FIRST_WORD.match(text, at)
    starter = following is not None and following.group().casefold() in words.stop_words
    if len(word) == 1 and word.isalpha() and _SPACED_LETTERS.match(text, at):
        return True  # z. B., J. K. Rowling
    if word.isdigit():
        return found.start() == start or (words.ordinals and len(word) <= _LONGEST_ORDINAL and not starter)
    if folded in words.before_number and text[at].isdigit():
        return True
    if folded in words.titles and (word[0].isupper() or not starter):
        return True
    initial = len(word) == 1 and word.isupper()
    return not starter and (initial or bool(_ACRONYM.search(word)) or folded in words.abbreviations)
