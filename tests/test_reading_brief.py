"""The sentences that matter to what matched."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Article, Brief, Match
from bot.reading.brief import brief_for
from bot.reading.sentences import sentences_in

TEXT = (
    "Port city voters went to the polls on Sunday in large numbers.\n\n"
    "The mayor, Ada Quill, promised cheaper tickets during the whole campaign. Rain fell all day.\n\n"
    "Parliament will discuss sanctions against the shipping company next Tuesday. She called it overdue.\n\n"
    "Analysts of three banks expect that sanctions would cost the company 40 million a year. "
    "Quill said that sanctions were the last resort of her government."
)


def matches_of(text: str, *terms: str) -> list[Match]:
    found = [
        Match(
            watch_id=1, watch="w", actor=None, field="text", start=hit.start(), end=hit.end(), text=hit.group(),
            alias=term, rule="user",
        )
        for term in terms
        for hit in re.finditer(term, text, re.IGNORECASE)
    ]  # fmt: skip
    return sorted(found, key=lambda match: match.start)


def shown(text: str, brief: Brief) -> list[str]:
    return [text[span.start : span.end] for span in brief.sentences]


def brief_of(text: str, *terms: str, limit: int = 2, limit_chars: int = 350) -> Brief:
    article = Article(title="", text=text, lang="en")
    return brief_for(article, matches_of(text, *terms), limit=limit, limit_chars=limit_chars)


def test_the_sentences_with_the_match_are_given_verbatim_in_document_order() -> None:
    brief = brief_of(TEXT, "sanctions")
    assert len(brief.sentences) == 2
    assert all("sanctions" in sentence for sentence in shown(TEXT, brief))
    assert sorted(brief.sentences, key=lambda span: span.start) == list(brief.sentences)
    assert brief.about == ("sanctions",)


def test_each_term_is_covered_once_before_one_is_covered_twice() -> None:
    brief = brief_of(TEXT, "sanctions", "tickets")
    assert brief.about == ("tickets", "sanctions")
    one = brief_of(TEXT, "sanctions", "quill", limit=1)
    assert shown(TEXT, one) == ["Quill said that sanctions were the last resort of her government."]


def test_about_names_only_what_stands_in_the_chosen_sentences() -> None:
    brief = brief_of(TEXT, "sanctions", "tickets", "rain", limit=1)
    assert set(brief.about) == {
        term for term in ("sanctions", "tickets", "rain") if term in shown(TEXT, brief)[0].lower()
    }


def test_without_a_hit_in_the_text_it_is_the_lead_and_about_nothing() -> None:
    brief = brief_of(TEXT, "volcano", limit=3)
    assert shown(TEXT, brief) == [
        "Port city voters went to the polls on Sunday in large numbers.",
        "The mayor, Ada Quill, promised cheaper tickets during the whole campaign.",
    ]
    assert brief.about == ()


def test_a_match_in_the_title_alone_is_no_hit() -> None:
    match = Match(
        watch_id=1, watch="w", actor=None, field="title", start=0, end=4, text="Rain", alias="rain", rule="user"
    )
    assert brief_for(Article(title="Rain", text=TEXT, lang="en"), [match]).about == ()


def test_the_lead_leaves_by_lines_and_headings_out() -> None:
    text = "By Jane Roe\n\nThe story:\n\nA long bridge over the river opened on Monday morning."
    assert shown(text, brief_of(text, "volcano", limit=1)) == ["A long bridge over the river opened on Monday morning."]


def test_a_sentence_that_points_back_brings_the_one_before_it_or_gives_way() -> None:
    text = (
        "Minister Ola Brandt travelled to the northern coast on Friday morning. He announced new tariffs for imported fish.\n\n"
        "Fishing boats stayed in the harbour for the rest of the week."
    )
    assert shown(text, brief_of(text, "tariffs")) == [
        "Minister Ola Brandt travelled to the northern coast on Friday morning.",
        "He announced new tariffs for imported fish.",
    ]
    other = text + "\n\nThe new tariffs for imported fish come into force in the spring."
    assert shown(other, brief_of(other, "tariffs", limit=1)) == [
        "The new tariffs for imported fish come into force in the spring."
    ]


def test_the_inside_of_a_quotation_gives_way_to_what_stands_by_itself() -> None:
    text = (
        "“We have waited for a long time. The tariffs must end before the winter comes. Nobody can wait,” Brandt told members.\n\n"
        "Parliament voted against the tariffs late on Friday evening."
    )
    assert shown(text, brief_of(text, "tariffs", limit=1)) == [
        "Parliament voted against the tariffs late on Friday evening."
    ]


def test_a_brief_stays_within_its_characters_but_never_cuts_a_sentence() -> None:
    long = "The tariffs, " + "which nobody in any of the coastal towns had asked for, " * 9 + "end today."
    text = f"{long}\n\nThe tariffs were introduced in the spring of last year."
    assert shown(long, brief_of(long, "tariffs")) == [long]
    assert sum(map(len, shown(text, brief_of(text, "tariffs")))) <= max(350, len(long))


def test_an_empty_text_has_an_empty_brief() -> None:
    assert brief_of("", "anything") == Brief()


WORDS = st.sampled_from(
    ["tariffs", "He", "said", "fish", "Boats", "came", "“We", "go”", "2026", "and", "harbour", "by"]
)
SENTENCES = st.lists(WORDS, min_size=1, max_size=12).map(lambda words: " ".join(words) + ".")


@settings(max_examples=80)
@given(st.lists(SENTENCES, min_size=1, max_size=8), st.integers(1, 3), st.integers(20, 400))
def test_a_brief_is_whole_sentences_in_order_within_its_limits(parts: list[str], limit: int, limit_chars: int) -> None:
    text = "\n\n".join(parts)
    brief = brief_of(text, "tariffs", "fish", limit=limit, limit_chars=limit_chars)
    assert set(brief.sentences) <= set(sentences_in(text, "en"))
    assert 0 < len(brief.sentences) <= limit
    assert [span.start for span in brief.sentences] == sorted({span.start for span in brief.sentences})
    lengths = [span.end - span.start for span in brief.sentences]
    assert len(lengths) == 1 or sum(lengths) <= limit_chars
    said = " ".join(shown(text, brief))
    assert set(brief.about) == {term for term in ("tariffs", "fish") if term in said}
