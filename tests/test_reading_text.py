"""The fold: one byte per code point, and the way back to the text as given."""

from __future__ import annotations

import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.reading.text import fold, fold_term, has_shared, spelling


def found(text: str, term: str) -> str | None:
    """Return what stands in the text where the term is found as a whole word, the first time."""
    folded = fold(text)
    at = folded.data.find(b" %b " % fold_term(term))
    if at < 0:
        return None
    start, end = folded.span(at + 1, at + 1 + len(fold_term(term)))
    return text[start:end]


def test_every_code_point_folds_to_one_byte_or_is_hidden() -> None:
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        between = fold(f"x{char}y").data
        hidden = unicodedata.category(char) in ("Mn", "Me", "Cf", "Cn") and len(between) == 4
        assert len(between) == 5 or hidden, hex(number)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("MINSK", "minsk"),
        ("İstanbul ısı", "istanbul isi"),
        ("Łódź, Kraków", "lodz  krakow"),
        ("Đorđević Ø ð þ", "dordevic o d t"),
        ("Straße Æsir œuvre", "strase asir ouvre"),
        ("ＡＢＣ ２０２０ x²", "abc 2020 x2"),
        ("𝐌𝐢𝐧𝐬𝐤", "minsk"),
        ("O’Brien O'Brien OʼBrien", "o brien o brien o brien"),
        ("U.S.-led", "u s  led"),
        ("snake_case", "snake case"),
    ],
)
def test_case_marks_and_typography_are_folded(text: str, folded: str) -> None:
    assert fold(text).data == f" {folded} ".encode()


@pytest.mark.parametrize(("one", "other"), [("ёлка", "елка"), ("МІНСК", "мінск"), ("Ґанок", "ґанок"), ("é", "e")])
def test_these_are_the_same(one: str, other: str) -> None:
    assert fold_term(one) == fold_term(other)


@pytest.mark.parametrize(("one", "other"), [("й", "и"), ("ї", "і"), ("ў", "у"), ("ґ", "г"), ("є", "е"), ("а", "a")])
def test_these_are_letters_apart(one: str, other: str) -> None:
    assert fold_term(one) != fold_term(other)


def test_nfd_folds_like_nfc() -> None:
    for word in ("Łódź", "Майский", "Ўладзімір", "Їжак", "Müller", "Ěšč"):
        assert fold(unicodedata.normalize("NFD", word)).data == fold(word).data


@pytest.mark.parametrize(
    ("text", "term", "given_there"),
    [
        ("the sanc\u00adtions list", "sanctions", "sanc\u00adtions"),
        ("in \u200bSochi\u200b now", "Sochi", "Sochi"),
        ("\u200e\u200fSochi", "Sochi", "Sochi"),
        ("Мо\u0438\u0306 город", "мой", "Мо\u0438\u0306"),
        ("о Лукаше\u0301нко\u0301 там", "Лукашенко", "Лукаше\u0301нко\u0301"),
        ("European \t Union", "european union", "European \t Union"),
        ("European\r\nUnion", "european union", "European\r\nUnion"),
        ("European\u00a0\u00a0Union", "european union", "European\u00a0\u00a0Union"),
        ("European\nUnion", "european union", "European\nUnion"),
        ("Mosochino", "Sochi", None),
        ("in Minsk. Belarus", "minsk belarus", None),
        ("in Minsk\n\nBelarus", "minsk belarus", None),
        ("in Minsk \n \n Belarus", "minsk belarus", None),
        ("in Minsk\u200b\n\n\u200bBelarus", "belarus", "Belarus"),
    ],
)
def test_a_hit_gives_the_original_words(text: str, term: str, given_there: str | None) -> None:
    assert found(text, term) == given_there


pieces = st.sampled_from(
    ["\u00ad", "\u200b", "\u0301", "\u0306", "и", " ", "  ", "\n", "\n\n", "\t", "\u00a0", "ß", "中", "a", ".", "Ы"]
)


@settings(max_examples=300)
@given(st.lists(pieces | st.characters(), max_size=30).map("".join), st.lists(pieces, max_size=30).map("".join))
def test_a_planted_word_is_found_where_it_stands(before: str, after: str) -> None:
    text = f"{before} Kestrel Łódź. {after}"
    folded = fold(text)
    ends = folded.data.rfind(b" kestrel lodz ") if "kestrel" not in (before + after).lower() else -1
    start, end = folded.span(ends + 1, ends + 1 + len(b"kestrel lodz"))
    assert text[start:end] == "Kestrel Łódź"


@settings(max_examples=300)
@given(st.lists(pieces | st.characters(), max_size=40).map("".join))
def test_spans_stay_inside_the_text_and_in_order(text: str) -> None:
    folded = fold(text)
    spans = [folded.span(at, at + 1) for at in range(1, len(folded.data) - 1)]
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert all(one[1] <= other[0] or one[0] <= other[0] for one, other in pairwise(spans))
    assert b"\x01" not in folded.data


def test_letters_without_a_byte_share_one_and_are_told_apart_by_spelling() -> None:
    assert has_shared(fold_term("Αθήνα"))
    assert not has_shared(fold_term("Мінск Łódź 2020"))
    assert spelling("ΑΘΉΝΑ") == spelling("Αθήνα") != spelling("Βθήνα")


def test_a_term_without_letters_is_empty() -> None:
    assert fold_term(" …—!") == b""
