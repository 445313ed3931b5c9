"""Text of others → text that Discord shows as it stands. Pure; the one escaper, to be run once over each piece of text.

What a feed sends can then neither format, nor mention, nor disguise a link, nor hide or turn around what follows it. Text that runs from
right to left is set apart by marks of our own, so that it does not scramble the words beside it.
"""

from __future__ import annotations

import re
import unicodedata

_MARKS = re.compile(r"([\\*_~`|\[\]#>])|(?<!\S)([-+])(?=\s)|(?<=\d)(\.)(?=\s)")
_ZERO_WIDTH = "\u200b"
_JOINERS = "\u200c\u200d"  # needed by Persian words and by emoji
ELLIPSIS = "…"
_APART, _END_APART = "\u2068", "\u2069"
_RIGHT_TO_LEFT = frozenset({"R", "AL"})
_LINK = re.compile(r"(?<=:)/|(?<=\w)/(?=\w)")


def clean(text: str) -> str:
    """Return text on one line without control, zero-width and direction characters; of as many characters or fewer."""
    kept = "".join(
        " " if char.isspace() or unicodedata.category(char) == "Cc" else char
        for char in text
        if char.isspace() or char in _JOINERS or unicodedata.category(char) not in {"Cf", "Cs", "Co"}
    )
    return " ".join(kept.split())


def escape(text: str) -> str:
    """Return text with everything broken that Discord would take for markup or a mention; never run it over its own output."""
    shown = _MARKS.sub(lambda found: "\\" + found.group(0), text)
    return shown.replace("<", "<" + _ZERO_WIDTH).replace("@", "@" + _ZERO_WIDTH)


def cut(text: str, limit_chars: int) -> str:
    """Return text of at most so many characters, cut after a word, with an ellipsis inside the limit."""
    if len(text) <= limit_chars:
        return text
    if limit_chars <= 1:
        return ELLIPSIS[:limit_chars]
    head = text[: limit_chars - 1]
    word = head.rsplit(" ", 1)[0] if " " in head[limit_chars // 2 :] and text[limit_chars - 1] != " " else head
    return word.rstrip(" ,;:.–—-\u200c\u200d") + ELLIPSIS


def shown(text: str, limit_chars: int) -> str:
    """Return text of others as Discord shows it: cleaned, cut, escaped, set apart, and within the limit after that too."""
    plain = clean(text)
    marks = len(set_apart(plain)) - len(plain)
    return set_apart(_within(plain, limit_chars - marks)) if limit_chars > marks else _within(plain, limit_chars)


def set_apart(text: str) -> str:
    """Return text between marks that keep its direction to itself, where any of it runs from right to left."""
    turns = not text.isascii() and any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text)
    return f"{_APART}{text}{_END_APART}" if turns else text


def without_links(text: str) -> str:
    """Return text, shown already, in which Discord finds no address to link to or to preview."""
    return _LINK.sub(_ZERO_WIDTH + "/", text)


def _within(plain: str, limit_chars: int) -> str:
    room = limit_chars
    while len(escape(cut(plain, room))) > limit_chars:
        room -= max(1, len(escape(cut(plain, room))) - limit_chars)
        if room <= 1:
            return ELLIPSIS[:limit_chars]
    return escape(cut(plain, room))
