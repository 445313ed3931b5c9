"""Folds text to one byte per code point, so that spellings can be compared and a hit's place is a place in the text as given.

It alone knows the folded alphabet and the way back from a folded offset to an original one. It never decides what is a hit.
Why bytes, and why this way: docs/decisions/0001-fold-to-one-byte.md.

A fold is two table walks in C: `codecs.charmap_encode` turns each code point into the number of a common character (rare ones come,
a run at a time, to `_rare_numbers`), and `bytes.translate` turns that number into the folded byte. Letters that have no byte of their own
(Greek, Arabic, …) share a few bytes; a hit that contains one is compared letter by letter (`spelling`).
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

_LETTERS = "абвгдежзийклмнопрстуфхцчшщъыьэюя" + "ўіїґє" + "ђјљњћџѕ"
_KEPT = frozenset("йўї")  # letters of their own, though Unicode sees a mark on them
_APOSTROPHES = "ʹʺʻʼʽˈˊˋ"  # letters to Unicode, but people write them for the apostrophe
_PLAIN = {
    "ł": "l",
    "đ": "d",
    "ø": "o",
    "ı": "i",
    "ð": "d",
    "þ": "t",
    "ħ": "h",
    "ŧ": "t",
    "ß": "s",
    "æ": "a",
    "œ": "o",
}
_COMMON = (
    "\n"
    + "".join(map(chr, range(0x20, 0x7F)))
    + "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯёЁ"
    + "ўЎіІїЇґҐєЄ"
    + "“”‘’„«»–—…•№€"
    + "áàâäåąćçčďéèëęěíłńňóôöøřśšťúüůýźżžßğışÖČŁŚŠŽ"
)

# Number 0 is NUL itself: with anything else there `charmap_build` gives a dictionary, which is ten times slower.
# What may make a fold uneven comes first: dropped characters 1, the line feed 2, the blank 3 (`_uneven` and `_has_runs` spell them).
_DROPPED_NUMBER = 1
_FIRST_NUMBER = 2
_BLANK_NUMBER = 3
_OTHER_COUNT = 16
_FIRST_OTHER_NUMBER = 256 - _OTHER_COUNT
_SPACE = 0x20
_DROPPED = 0x01
_FIRST_LETTER = 0x80
_FIRST_OTHER = 0xF0
_UNDEFINED = "\ufffe"
_ERRORS = "wirewatch-fold"
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
_HIDDEN = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"

# Letters of writings that put no blanks between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese. Their digits are not among them.
_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecf\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u3005\u3007\u3041-\u309f\u30a1-\u30fa"
    "\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ef\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_MARKED_LETTERS = (
    "\u3041-\u30ff\uac00-\ud7a3"  # kana and Hangul: without what Unicode calls their marks they are other letters
)
_PARTING = "\u3002"  # folds to one blank, which never runs together with another

_is_dropped = re.compile(f"[{_MARKS}{_HIDDEN}]").match
_marks = re.compile(f"[{_MARKS}{_HIDDEN}]+")
_hidden = re.compile(f"[{_HIDDEN}]+")
_unspaced = re.compile(f"[{_UNSPACED}]")
_is_marked_letter = re.compile(f"[{_MARKED_LETTERS}]").match
_has_marks = re.compile(f"[{_MARKS}]").search
# What may change the length, among the numbers: dropped characters, and white-space runs, in which dropped ones may stand.
_uneven = re.compile(rb"[\x01-\x03](?:(?<=\x01)\x01*|[\x01-\x03]+)").finditer

_OTHER_BYTES = bytes(range(_FIRST_OTHER, _FIRST_OTHER + _OTHER_COUNT))
_shared = re.compile(rb"[%b]" % _OTHER_BYTES).search


def _plain(char: str) -> str:
    """Return the one character that `char` is compared as: a letter or digit, " " for what is neither, "" for what is dropped."""
    if _is_dropped(char):
        return ""
    if char in _APOSTROPHES:
        return " "
    low = char.lower()[0]
    if low in _KEPT:
        return low
    if _is_marked_letter(same := unicodedata.normalize("NFKC", low)[0]):
        return same if same.isalnum() else " "
    whole = unicodedata.normalize("NFKD", low)
    base = whole[0] if len(whole) > 1 and whole[0].isalnum() else unicodedata.normalize("NFKC", low)[0]
    base = _PLAIN.get(base.lower()[0], base.lower()[0])
    if base.isdecimal():
        return str(unicodedata.decimal(base))
    return base if unicodedata.category(base)[0] in "LNM" else " "


def _byte_for(plain: str) -> int:
    if not plain:
        return _DROPPED
    if plain.isascii():
        return ord(plain)
    at = _LETTERS.find(plain)
    return _FIRST_LETTER + at if at >= 0 else _FIRST_OTHER + ord(plain) % _OTHER_COUNT


def _tables() -> tuple[object, bytes, dict[int, int]]:
    """Return the map from characters to numbers, the table from numbers to folded bytes, and folded bytes back to a number."""
    common = list(dict.fromkeys(_COMMON))
    room = _FIRST_OTHER_NUMBER - _FIRST_NUMBER - len(common)
    source = "\0" + _UNDEFINED + "".join(common) + _UNDEFINED * (room + _OTHER_COUNT)
    folds = bytearray([_SPACE, _DROPPED])
    folds += bytes(_byte_for(_plain(char)) for char in common)
    letters_left = [_FIRST_LETTER + i for i in range(len(_LETTERS)) if _FIRST_LETTER + i not in folds]
    folds += bytes(letters_left) + bytes(room - len(letters_left)) + _OTHER_BYTES
    return codecs.charmap_build(source), bytes(folds), {byte: number for number, byte in enumerate(folds)}


_number_map, _fold_table, _number_of = _tables()
_RARE_KEPT = 20_000  # more than any one writing has; there are a million characters, and a text may hold them all
_rare: dict[str, int] = {}
# Another object after each run of rare characters, in whatever thread, so that none is overlooked.
_rare_last_met = [object()]


def _rare_number(char: str) -> int:
    number = _rare.get(char)
    if number is None:
        plain = _plain(char)
        number = _BLANK_NUMBER if char.isspace() else _number_of[_byte_for(plain)] if plain != " " else 0
        if len(_rare) >= _RARE_KEPT:
            _rare.clear()
        _rare[char] = number
    return number


def _rare_numbers(error: UnicodeError) -> tuple[bytes, int]:
    """Answer `charmap_encode` for a run of characters outside its map: one number each."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101  # no other codec call names this handler
    run = error.object[error.start : error.end]
    _rare_last_met[0] = object()
    return bytes(map(_rare_number, run)), error.end


codecs.register_error(_ERRORS, _rare_numbers)


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text: `data` has one byte per code point, and one boundary byte (a space) more on each side.

    Offsets into `data` count those pads. starts, ends: where offsets stop running in step with the original, each a list of
    (offset without pad, offset in the original), ascending; empty where they run in step throughout. is_common: all its characters are
    of the common ones, so that no letter shares its byte with another.
    """

    data: bytes
    starts: tuple[tuple[int, int], ...] = ()
    ends: tuple[tuple[int, int], ...] = ()
    is_common: bool = False

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the `[start, end)` of the original text, in code points, for one of `data`. It is never wider than what was folded."""
        if not self.starts:
            return start - 1, end - 1
        return _original(self.starts, start - 1), _original(self.ends, end - 1)


def _original(points: tuple[tuple[int, int], ...], at: int) -> int:
    folded, given = points[bisect_right(points, (at, 1 << 62)) - 1]
    return given + at - folded


def fold(text: str) -> Folded:
    """Return `text` folded: case, marks and typography gone, everything that is no letter or digit a space.

    Hidden characters vanish, letters with combining marks become one, white-space runs become one space unless they hold two line
    feeds: those stay at least two spaces, so that words of two paragraphs are never neighbours.
    """
    before = _rare_last_met[0]
    numbers = _numbers(text)
    is_common = _rare_last_met[0] is before
    data = numbers.translate(_fold_table)
    if _DROPPED in data or _has_runs(numbers):
        return _fold_uneven(text, numbers, is_common=is_common)
    return Folded(b" %b " % data, is_common=is_common)


def _numbers(text: str) -> bytes:
    encoded: bytes = codecs.charmap_encode(text, _ERRORS, _number_map)[0]  # type: ignore[arg-type]  # the stubs know dictionaries only
    return encoded


def _has_runs(numbers: bytes) -> bool:
    return b"\x03\x03" in numbers or b"\x03\x02" in numbers or b"\x02\x03" in numbers


def _fold_uneven(text: str, numbers: bytes, *, is_common: bool) -> Folded:
    pieces: list[bytes] = []
    starts, ends = [(0, 0)], [(0, 0)]
    done = length = 0
    for run in _uneven(numbers):
        begin, end = run.span()
        if begin > done and numbers[begin] == _DROPPED_NUMBER and _has_marks(text[begin:end]):
            begin -= 1  # the letter that carries the marks
        piece = _even(text[begin:end])
        if len(piece) == end - begin or (piece == "\n\n" and _DROPPED_NUMBER not in run[0]):
            continue
        pieces += (numbers[done:begin], _numbers(piece))
        length += begin - done + len(piece)
        starts.append((length, end))
        while ends[-1][0] >= length and len(ends) > 1:
            ends.pop()
        # What ends before hidden characters ends there; what goes on behind them holds them.
        ends += [(length, end)] if piece else [(length, begin), (length + 1, end + 1)]
        done = end
    pieces.append(numbers[done:])
    data = b" %b " % b"".join(pieces).translate(_fold_table)
    return Folded(data, tuple(starts), tuple(ends), is_common=is_common)


def _even(piece: str) -> str:
    """Return what stands for an uneven piece: nothing, one letter, or the blank or break that a white-space run is."""
    bare = _marks.sub("", piece)
    if bare.isspace():
        return "\n\n" if bare.count("\n") > 1 else " "
    return _marks.sub("", unicodedata.normalize("NFC", _hidden.sub("", piece)))


def is_unspaced(text: str) -> bool:
    """Return whether a text holds letters of a writing that puts no blanks between words."""
    return not text.isascii() and _unspaced.search(text) is not None


def fold_spaced(text: str, folded: Folded) -> bytes:
    """Return the data of a folded text with a blank for each letter of writings without blanks, so that words beside them end there.

    Of the same length, and mostly the very same: only where letters without a byte of their own are there anything is looked for.
    """
    if folded.is_common or not is_unspaced(text):
        return folded.data
    return fold(_unspaced.sub(_PARTING, text)).data


def fold_parted(text: str) -> bytes:
    """Return a text folded, with blanks around each letter of writings without blanks: every such letter is a word. For an index."""
    folded = fold(text)
    spaced = fold_spaced(text, folded)
    if spaced is folded.data:
        return spaced
    return b"".join(
        b"%c" % byte if byte == other else b" %c " % byte for byte, other in zip(folded.data, spaced, strict=True)
    )


def fold_term(text: str) -> bytes:
    """Return a word or phrase folded, without pads or blanks at its ends; empty where it holds no letter or digit."""
    return fold(text).data.strip()


def has_shared(folded: bytes) -> bool:
    """Return whether a folded term holds letters that share their byte with others, so that a hit must be compared by `spelling`."""
    return _shared(folded) is not None


def spelling(text: str) -> str:
    """Return the words of `text` as they are compared, letter by letter, one blank between them. Slow; for single hits."""
    return " ".join("".join(map(_plain, unicodedata.normalize("NFC", text))).split())
