"""Where sentences begin and end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.reading.sentences import sentences_in


def sentences(text: str, lang: str | None = None) -> list[str]:
    return [text[span.start : span.end] for span in sentences_in(text, lang)]


# Each text is written with a bar where a sentence ends; the bar is taken out before it is asked.
@pytest.mark.parametrize(
    ("lang", "marked"),
    [
        ("en", "It rained.| It stopped.| Was it over?| Yes!"),
        ("en", "Mr. Hill met Sen. Marsh and Dr. J. K. Reed.| They spoke."),
        ("en", "The U.S. Army left.| He lives in the U.S.| The house is empty."),
        ("en", "It is No. 5 on the list of Jan. 7.| He said no.| She agreed."),
        ("en", "It rose 3.5 percent to $1.20… and fell again.| Then came the rest…| Nobody knew."),
        ("en", "“We are done.”| Hill left.| (He was late.)| She stayed."),
        ("en", "“Are we done?” he asked.| “No!” she said."),
        ("en", "He works at Brook Inc.| The firm grew.| Brook Inc. Chairman Ann Lee resigned."),
        ("en", "At 5 p.m. Monday it ended in St. Anne.| A new day began."),
        ("en", "by the river.| it was cold.| nobody came."),
        ("ru", "В 2021 г. Минск ответил.| Он живёт на ул. Садовой, д. 5.| Это стоит 5 тыс. руб. в год."),
        ("ru", "«Мы вернёмся!» — сказал он.| А. Б. Иванов и т. д. не ответили."),
        ("be", "У 2021 г. Мінск адказаў.| Ён жыве на вул. Садовай.| «Мы вернемся!» — сказаў ён."),
        ("uk", "Він живе на вул. Садовій.| Це коштує 5 тис. грн. на рік.| «Ні!» — сказав він."),
        ("pl", "Mieszka przy ul. Długiej, m.in. z bratem.| Dnia 5 maja br. Sejm zakończył obrady."),
        ("de", "Am 5. Mai kam Dr. Weiß z. B. nach Ulm.| Das war im Jahr 2020.| Der Rest ist bekannt."),
        ("fr", "M. Petit a vu Mme. Roux.| « C’est fini », a-t-il dit.| Il est parti."),
        ("ja", "雨が降った。|「はい。」と言った。|終わり。"),
        (None, "Mr. Hill kam z. B. mit der Bahn.| Он живёт на ул. Садовой."),
        ("en", "1. The first point stands.| 2. The second falls."),
    ],
)
def test_a_sentence_ends_where_a_reader_ends_it(lang: str | None, marked: str) -> None:
    assert sentences(marked.replace("|", ""), lang) == [part.strip() for part in marked.split("|")]


def test_a_paragraph_end_always_ends_a_sentence_and_a_line_feed_does_not() -> None:
    text = "A heading without a stop\n\nIt runs\nover two lines.  \n \n  Last one"
    assert sentences(text) == ["A heading without a stop", "It runs\nover two lines.", "Last one"]


@pytest.mark.parametrize("text", ["", " ", "\n\n \n", "\u00a0"])
def test_white_space_holds_no_sentence(text: str) -> None:
    assert sentences_in(text) == ()


@settings(max_examples=150)
@given(
    st.text(alphabet=st.sampled_from("aBя. !?…\n“”\"'«»()—5zU。」 "), max_size=80),
    st.sampled_from(["en", "de", "ru", None]),
)
def test_sentences_hold_all_that_is_not_white_space_in_order_and_without_margins(text: str, lang: str | None) -> None:
    spans = sentences_in(text, lang)
    assert all(text[span.start : span.end] == text[span.start : span.end].strip() != "" for span in spans)
    assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
    kept = "".join("".join(text[span.start : span.end].split()) for span in spans)
    assert kept == "".join(text.split())
