"""The other forms of keywords, out of simplemma's own dictionaries."""

from __future__ import annotations

from bot.reading.forms import word_forms


def forms_of(word: str, *langs: str) -> list[tuple[str, str]]:
    return [(form.text, form.lang) for form in word_forms([word], langs)[word]]


def test_every_form_finds_the_others_the_lemma_first() -> None:
    assert forms_of("sanctions", "en") == [("sanction", "en"), ("sanctioned", "en"), ("sanctioning", "en")]
    assert {text for text, _ in forms_of("Sanctioning", "en-GB")} == {"sanction", "sanctioned", "sanctions"}


def test_families_stay_apart() -> None:
    protest = {text.lower() for text, _ in forms_of("protest", "en")}
    assert "protests" in protest
    assert not protest & {"protestant", "protester"}


def test_a_word_that_is_a_lemma_itself_takes_its_own_forms() -> None:
    assert ("founded", "en") in forms_of("found", "en")


def test_other_scripts_unknown_languages_and_names_give_nothing() -> None:
    assert word_forms(["санкции", "Kastrel", ""], ["en", "be", "xx", "EN"]) == {"санкции": (), "Kastrel": (), "": ()}
    assert word_forms(["rain"], []) == {"rain": ()}


def test_cyrillic_words_take_cyrillic_forms() -> None:
    assert {"санкция", "санкций", "санкциями"} <= {
        text for text, lang in forms_of("санкции", "uk", "ru") if lang == "ru"
    }
