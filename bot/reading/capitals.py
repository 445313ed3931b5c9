"""Judges what capitals prove at a place of a text: an acronym, a surname, or another person's full name.

Each line is judged once, however many hits stand in it, and round a hit only so many characters are read: the work stays linear on
hostile text. It never looks for anything.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from bot.reading import known_words
from bot.reading.languages import language
from bot.reading.text import fold_term

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_MOSTLY = 0.6
_LINE_WORDS = 3
_HEADLINE_WORDS = 6
_HEADLINE_CHARS = 200
_LOOKED_BACK = 120
_NAME_WORDS = 3
_ENDING = 2  # letters that a case may add to a given name
_STEM = 3

_feed = re.compile("\n")
_openers = "\"'“”„«»‘’(—–-["
_ends = ".!?…:;"
_possessive = re.compile(r"(?:['’]s|s['’])$")


class _Before(NamedTuple):
    """A word directly before a place. opens: it opens its sentence."""

    word: str
    opens: bool


class Capitals:
    """The capitals of one field of an article."""

    def __init__(self, given: str, lang: str | None) -> None:
        self.given = given
        self._lang = (lang or "").partition("-")[0].lower() or None
        self._starts: list[int] = []
        self._shouting: dict[int, bool] = {}
        self._headlines: dict[int, bool] = {}

    def shouts_at(self, at: int) -> bool:
        """Return whether the line of a place is mostly in capitals, so that capitals prove nothing there."""
        number, line = self._line(at, self._shouting)
        if line is not None:
            letters = [char for char in line if char.isalpha()]
            few = len(line.split()) <= _LINE_WORDS
            self._shouting[number] = not few and sum(map(str.isupper, letters)) > _MOSTLY * len(letters)
        return self._shouting[number]

    def is_others(self, start: int, end: int, own: Collection[bytes]) -> bool:
        """Return whether a surname at `[start, end)` is the end of another person's full name: a given name stands directly before it.

        own: the folded words of its bearer's names. What proves nothing: titles and offices, a common word that opens the sentence, a
        possessive ("Belarus's"), an acronym, a line in which every word has a capital.
        """
        before = list(self._words_before(start))
        shouted = self.given[start:end].isupper()
        if not before or not _is_namely(before[0].word, shouted=shouted) or self._is_headline(start):
            return False
        first, second = before[0], before[1] if len(before) > 1 else None
        low = first.word.casefold()
        if low in known_words.OFFICES or low.endswith(known_words.OFFICE_ENDINGS) or low in self._titles:
            return False
        if first.opens and low in self._openers:
            return False
        if second and second.opens and second.word.casefold() in known_words.PLACING:
            return False
        for one in before:
            if not _is_namely(one.word, shouted=shouted):
                break
            if _is_own(one.word, own):
                return False
        return True

    @property
    def _titles(self) -> Collection[str]:
        return language(self._lang).titles

    @property
    def _openers(self) -> Collection[str]:
        return (language(self._lang).stop_words | known_words.OPENING) - known_words.GIVEN_NAMES_TOO

    def _words_before(self, start: int) -> Iterator[_Before]:
        """Yield the words directly before a place, the nearest first, as far back as the same sentence and three words."""
        window = self.given[max(0, start - _LOOKED_BACK) : start].rpartition("\n\n")[2]
        if not window[-1:].isspace():
            return
        pieces = window.split()
        for at in range(len(pieces) - 1, max(-1, len(pieces) - 1 - _NAME_WORDS), -1):
            word = pieces[at].lstrip(_openers)
            if word.endswith("."):
                word = word[:-1]
                if len(word) > 1 and word.casefold() not in self._titles:
                    return
            if not word or not (word[0].isalnum() and (word[-1].isalnum() or word[-1] in "'’")):
                return
            opens = at == 0 or pieces[at - 1][-1] in _ends or word[0] != pieces[at][0]
            yield _Before(word, opens)
            if word[0] != pieces[at][0]:
                return

    def _is_headline(self, at: int) -> bool:
        """Return whether each word of a line but the small ones has a capital, so that a capital makes no name there."""
        number, line = self._line(at, self._headlines)
        if line is not None:
            words = [word for word in line.split() if word[0].isalpha()] if len(line) <= _HEADLINE_CHARS else []
            small = language(self._lang).stop_words
            self._headlines[number] = len(words) >= _HEADLINE_WORDS and all(
                word[0].isupper() or word.casefold() in small for word in words
            )
        return self._headlines[number]

    def _line(self, at: int, judged: Collection[int]) -> tuple[int, str | None]:
        """Return the number of a place's line, and the line itself where it has not been judged."""
        if not self._starts:
            self._starts = [0, *(feed.end() for feed in _feed.finditer(self.given))]
        number = bisect_right(self._starts, at) - 1
        if number in judged:
            return number, None
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self.given)
        return number, self.given[self._starts[number] : end]


def _is_namely(word: str, *, shouted: bool) -> bool:
    """Return whether a word looks like a part of a name. shouted: the surname behind it is in capitals."""
    acronym = len(word) > 1 and word.isupper() and not shouted
    return word[0].isupper() and not acronym and not _possessive.search(word)


def _is_own(word: str, own: Collection[bytes]) -> bool:
    """Return whether a word is one of these, an initial of one, or one with another ending (Александра, Александром)."""
    folded = fold_term(word)
    if folded in own or (len(folded) == 1 and any(one.startswith(folded) for one in own)):
        return True
    return any(
        len(one) > _STEM and folded.startswith(one[:-1]) and len(folded) <= len(one) + _ENDING
        for one in own
        if one[:1] == folded[:1]
    )
