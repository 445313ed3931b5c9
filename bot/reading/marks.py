"""Keeps runs of combining marks short. Unicode orders the marks of a letter by insertion: a run of 64,000 takes ten seconds. Pure.

Source: UAX #15, section 13 (Stream-Safe Text Format): 30 are more than any writing needs.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby
from typing import Final

LIMIT_RUN: Final = 30
_PLANES: Final = 0x20000  # marks with an order of their own stand in the first two planes


def _ranges() -> str:
    """Return every character that has a combining class, as the inside of a character class."""
    marks = (code for code in range(0x300, _PLANES) if unicodedata.combining(chr(code)))
    runs = ([code for _, code in run] for _, run in groupby(enumerate(marks), lambda pair: pair[1] - pair[0]))
    return "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in runs)


_TOO_MANY: Final = re.compile("((?:[{0}]){{{1}}})[{0}]+".format(_ranges(), LIMIT_RUN))


def with_few_marks(text: str) -> str:
    """Return the text with at most 30 combining marks in a row; what comes after them is dropped."""
    return text if text.isascii() else _TOO_MANY.sub(r"\1", text)
