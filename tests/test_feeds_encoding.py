"""A feed's encoding: as declared, as named by the server, not declared at all, and declared wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.feeds.encoding import decode_document, strangeness

RUSSIAN = "Министры обсудили новые санкции и положение в порту города; совещание продолжится во вторник."
CYRILLIC = ["cp1251", "koi8-r", "koi8-u", "cp866", "iso8859-5", "mac_cyrillic"]
LABELS = {"cp1251": "windows-1251", "mac_cyrillic": "x-mac-cyrillic", "iso8859-5": "ISO-8859-5"}
OTHERS = [
    ("Влада је размотрила нове санкције; љубитељи и њихови пријатељи чекају.", "windows-1251"),
    ("Урад абмеркаваў новыя санкцыі супраць порта; міністры збяруцца ў аўторак.", "windows-1251"),
    ("Rząd omówił nowe sankcje; ministrowie spotkają się we wtorek, żeby ułożyć środki.", "iso-8859-2"),
    ("Le gouvernement a débattu des sanctions décidées à l’été dernier.", "windows-1252"),
    ("Die Regierung erörterte neue Maßnahmen für den Hafen und müsste größere Schäden prüfen.", "iso-8859-1"),
    ("Η κυβέρνηση συζήτησε νέες κυρώσεις για το λιμάνι της πόλης.", "iso-8859-7"),
    ("政府は新しい制裁について話し合い、閣僚は火曜日に再び会合を開く。", "shift_jis"),
    ("政府は新しい制裁について話し合い、閣僚は火曜日に再び会合を開く。", "iso-2022-jp"),
    ("政府讨论了对港口的新制裁措施，部长们将于星期二再次开会。", "gb2312"),
    ("정부는 항구에 대한 새로운 제재를 논의했으며 장관들은 다시 만난다.", "euc-kr"),
]


def document(text: str, declared: str | None) -> str:
    declaration = f' encoding="{declared}"' if declared else ""
    return f'<?xml version="1.0"{declaration}?><rss><channel><item><title>{text}</title></item></channel></rss>'


@pytest.mark.parametrize("encoding", CYRILLIC)
@pytest.mark.parametrize("declared", ["rightly", "by the server", "not", "as utf-8", "as iso-8859-1 by the server"])
def test_russian_is_read_however_it_is_declared(encoding: str, declared: str) -> None:
    label = LABELS.get(encoding, encoding)
    in_document = {"rightly": label, "as utf-8": "utf-8", "as iso-8859-1 by the server": label}.get(declared)
    header = {
        "by the server": f"text/xml; charset={label}",
        "as iso-8859-1 by the server": "text/xml; charset=ISO-8859-1",
    }
    text, _ = decode_document(document(RUSSIAN, in_document).encode(encoding), header.get(declared))
    assert RUSSIAN in text


def test_capitals_alone_are_no_small_letters_of_another_encoding() -> None:
    text, _ = decode_document(document(RUSSIAN.upper(), None).encode("cp1251"))
    assert RUSSIAN.upper() in text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_unicode_is_read_with_and_without_a_mark(encoding: str) -> None:
    text, _ = decode_document(document(RUSSIAN, None).encode(encoding), "text/xml; charset=iso-8859-1")
    assert RUSSIAN in text


@pytest.mark.parametrize(("sentence", "label"), OTHERS)
def test_other_languages_are_read_as_declared(sentence: str, label: str) -> None:
    text, _ = decode_document(document(sentence, label).encode(label))
    assert sentence in text


def test_utf8_with_a_broken_byte_stays_utf8() -> None:
    body = document(RUSSIAN, "utf-8").encode().replace("порту".encode(), "порту".encode() + b"\x96")
    text, encoding = decode_document(body)
    assert encoding == "utf-8"
    assert text.count("\ufffd") == 1


def test_a_document_cut_inside_a_letter_stays_utf8() -> None:
    assert decode_document(RUSSIAN.encode()[:-2])[1] == "utf-8"


@pytest.mark.parametrize("label", ["base64", "rot13", "no-such-thing", "utf-7'", "windows-12"])
def test_a_label_that_names_no_encoding_is_ignored(label: str) -> None:
    assert RUSSIAN in decode_document(document(RUSSIAN, label).encode("cp1251"))[0]


def test_text_as_languages_write_it_is_not_strange() -> None:
    assert [strangeness(sentence) <= 0.05 for sentence, _ in OTHERS] == [True] * len(OTHERS)


@given(st.binary(max_size=400), st.sampled_from([None, "text/xml; charset=koi8-r", "text/xml; charset=utf-16"]))
@settings(max_examples=60, deadline=None)
def test_any_bytes_become_text(body: bytes, content_type: str | None) -> None:
    text, encoding = decode_document(body, content_type)
    assert isinstance(text, str)
    assert encoding
