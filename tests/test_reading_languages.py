"""The word lists of the languages, and which language a text is in."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.reading.language import language_of
from bot.reading.languages import CODES, Language, any_language, language


@pytest.mark.parametrize("code", CODES)
def test_every_language_has_every_list_and_all_words_are_folded(code: str) -> None:
    lists = {each.name: getattr(language(code), each.name) for each in fields(Language) if each.name != "ordinals"}
    assert [name for name, words in lists.items() if not words] == []
    assert [word for words in lists.values() for word in words if word != word.casefold()] == []


def test_an_unknown_language_knows_what_all_know_together() -> None:
    assert language("xx") is language(None) is any_language()
    assert {"mr", "ул", "z.b"} <= any_language().titles


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("The minister spoke on Monday.", "en-US", "en"),
        ("Der Minister sprach am Montag.", "de_DE", "de"),
        ("The minister spoke on Monday.", None, None),
        ("Министр объявил о новых мерах.", None, "ru"),
        ("Міністр абвясціў пра новыя меры ў Мінску.", None, "be"),
        ("Міністр оголосив про нові заходи та її рішення.", None, "uk"),
        ("Министр объявил о новых мерах.", "en", "ru"),
        ("Міністр абвясціў пра новыя меры ў Мінску.", "ru-RU", "be"),
        ("The minister spoke on Monday.", "ru", None),
        ("Привет", "be", "be"),
        ("Председник је рекао да ће доћи, а људи чекају.", None, "sr"),
        ("Ο υπουργός μίλησε τη Δευτέρα.", None, "el"),
        ("大臣は月曜日に語った。", "ja-JP", "ja"),
        ("大臣は月曜日に語った。", None, "ja"),
        ("部长周一发表讲话。", None, "zh"),
        ("2026", "pl", "pl"),
        ("", None, None),
        ("", "not a tag", None),
    ],
)
def test_a_declared_language_holds_unless_the_letters_contradict_it(
    text: str, declared: str | None, expected: str | None
) -> None:
    assert language_of(text, declared) == expected


def test_one_foreign_phrase_does_not_turn_a_declared_language_around() -> None:
    russian = "Министр объявил о новых мерах, которые вступят в силу уже в понедельник, сообщает агентство. " * 8
    assert language_of(russian + "Газета называется «Наша Ніва».", "ru") == "ru"


@settings(max_examples=100)
@given(st.text(), st.none() | st.text(max_size=8))
def test_the_answer_is_a_primary_subtag_in_lower_case_or_none(text: str, declared: str | None) -> None:
    answer = language_of(text, declared)
    assert answer is None or (answer.isascii() and answer.islower() and 2 <= len(answer) <= 3)
