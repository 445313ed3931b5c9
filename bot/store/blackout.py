"""Finds a person's names in a text as the matcher folds it, and blacks them out letter by letter. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.reading.text import fold, fold_term

if TYPE_CHECKING:
    from collections.abc import Iterable

BLACK = "█"
_MIN_SURNAME = 4


class Blackout:
    """The names of one person. Between the words of a name anything may stand that is neither letter nor digit, up to three of it."""

    def __init__(self, names: Iterable[str]) -> None:
        forms: dict[tuple[bytes, ...], None] = {}
        surnames: dict[bytes, None] = {}
        for words in (tuple(fold_term(name).split()) for name in names):
            if words:
                forms[words] = None
                forms[(words[-1], *words[:-1])] = None
                if len(words) > 1 and len(words[-1]) >= _MIN_SURNAME:
                    surnames[words[-1]] = None
        self._whole = _pattern(sorted(forms, key=len, reverse=True))
        self._with_surnames = _pattern([*sorted(forms, key=len, reverse=True), *((one,) for one in surnames)])
        self._words = {word for words in forms for word in words}

    def names_in(self, text: str) -> bool:
        """Return whether a text names the person."""
        return self._whole.search(fold(text).data) is not None

    def is_word_of(self, word: str) -> bool:
        """Return whether a word is one of the person's names."""
        return fold_term(word) in self._words

    def out(self, text: str, *, surnames: bool | None = None) -> str:
        """Return the text with the names blacked out, of the same length. surnames: alone too; None: where a whole name stands."""
        folded = fold(text)
        if surnames is None:
            surnames = self._whole.search(folded.data) is not None
        pieces, done = [], 0
        for hit in (self._with_surnames if surnames else self._whole).finditer(folded.data):
            start, end = folded.span(hit.start(1), hit.end(1))
            pieces += [text[done:start], BLACK * (end - start)]
            done = end
        return "".join((*pieces, text[done:]))


def _pattern(forms: Iterable[tuple[bytes, ...]]) -> re.Pattern[bytes]:
    either = b"|".join(b" {1,3}".join(map(re.escape, words)) for words in forms)
    return re.compile(rb"(?<= )(%b)(?= )" % (either or b"(?!)"))
