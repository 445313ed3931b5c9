"""What capitals prove: acronyms of actors, other people's full names, and how much is read to judge them."""

from __future__ import annotations

import time

import pytest

from bot.model import Actor, Alias, Article, Matches, Watch
from bot.reading.capitals import Capitals
from bot.reading.hits import MAX_HITS
from bot.reading.matcher import Matcher

IHAR = Actor(name="Ihar Kastrel")


def found_in(text: str, *actors: Actor, query: str = "", title: str = "") -> Matches:
    watches = [Watch(id=1, name="w", query=query)] if query else []
    matcher = Matcher.compile(watches, actors, forms={}, report_actors=not query)
    assert matcher.faults == ()
    return matcher.match(Article(title=title, text=text, lang="en"))


def places(text: str, *actors: Actor) -> list[tuple[int, str]]:
    return [(one.start, one.text) for one in found_in(text, *actors).matches]


@pytest.mark.parametrize(
    "text",
    [
        "Ihar Kastrel met Olga {}.",
        "Ihar Kastrel spoke. Will {} won.",
        "Ihar Kastrel spoke. President Olga {} won.",
        "Ihar Kastrel met V. {} there.",
        "Ihar Kastrel met Olga Jane {}.",
        "Ihar Kastrel came for Olga {}.",
        "Ihar Kastrel met “Olga {}”.",
    ],
)
def test_another_persons_full_name_is_not_credited_to_the_actor(text: str) -> None:
    assert [words for _, words in places(text.format("Kastrel"), IHAR)] == ["Ihar Kastrel"]


@pytest.mark.parametrize(
    "text",
    [
        "Ihar Kastrel spoke. But {} left.",
        "Ihar Kastrel spoke. However, {} left.",
        "Ihar Kastrel spoke. In Minsk {} left.",
        "Ihar Kastrel spoke. On Monday {} left.",
        "Ihar Kastrel spoke; then President {} left.",
        "Ihar Kastrel spoke; Mr. {} left.",
        "Ihar Kastrel spoke in Minsk. {} left.",
        "Ihar Kastrel spoke in Minsk\n\n{} left.",
        "Ihar Kastrel spoke; I. {} left.",
        "Ihar Kastrel spoke; Ihar Petrovich {} left.",
        "Ihar Kastrel spoke; Belarus’s {} left.",
        "Ihar Kastrel spoke; the EU {} met.",
        "Ihar Kastrel spoke.\nLeaders of Europe Tell Kastrel to Stop Talks: {}",
        "{} spoke. Ihar Kastrel left.",
    ],
)
def test_a_title_an_opening_word_or_a_headline_before_a_surname_makes_nobody_else_of_it(text: str) -> None:
    at = text.index("{}")
    assert (at, "Kastrel") in places(text.format("Kastrel"), IHAR)


def test_a_given_name_in_another_case_is_the_actors_own() -> None:
    actor = Actor(name="Александр Кострель")
    assert len(places("Александр Кострель пришёл. Без Александра Кострель ушла, Виктор Кострель тоже.", actor)) == 2


def test_acronyms_of_actors_go_by_case_and_dots_as_in_a_query() -> None:
    states = Actor(name="United Provinces", aliases=(Alias(text="UP"),))
    found = places("The U.P. and the U. P. said UP, up, UPs.", states)
    assert found == [(4, "U.P."), (17, "U. P."), (28, "UP"), (36, "UPs")]
    shouted = found_in("THEY MADE IT UP ALL DAY LONG", states)
    assert shouted.matches == ()
    assert "line of capitals" in shouted.why_not[0].reason
    assert places("U.P.", Actor(name="X", aliases=(Alias(text="UP", struck=True),))) == []


def test_surnames_come_from_the_name_and_from_spellings_of_it_not_from_an_office() -> None:
    actor = Actor(
        name="Ihar Kastrel",
        aliases=(Alias(text="Northern Prime Minister"), Alias(text="Igor Kostrel"), Alias(text="Ігар Кастрэль")),
    )
    text = "Ihar Kastrel; the Foreign Minister; Kostrel; Кастрэль."
    assert [words for _, words in places(text, actor)] == ["Ihar Kastrel", "Kostrel", "Кастрэль"]


def test_a_surname_may_have_particles() -> None:
    actor = Actor(name="Ursa von der Kastrel")
    text = "Ursa von der Kastrel spoke. Von der Kastrel; von der Kastrel"
    assert [words for _, words in places(text, actor)][1:] == ["Von der Kastrel", "von der Kastrel"]


@pytest.mark.parametrize("between", [", ", " ", ","])
def test_a_name_turned_round_stands_across_a_comma_or_a_blank(between: str) -> None:
    assert places(f"Kastrel{between}Ihar", IHAR) == [(0, f"Kastrel{between}Ihar")]


@pytest.mark.parametrize("between", [". ", "; ", "! ", ".", " ("])
def test_a_name_turned_round_never_stands_across_the_end_of_a_sentence(between: str) -> None:
    assert places(f"Kastrel{between}Ihar", IHAR) == []


def test_letters_that_share_a_byte_are_compared_in_every_spelling() -> None:
    actor = Actor(name="Κυριάκος Καστρέλης")
    assert places("Καστρέλης, Κυριάκος", actor) == [(0, "Καστρέλης, Κυριάκος")]
    assert [one.text for one in found_in("ελληνικά, έλλος, αλλη", query="ελλ*").matches] == ["ελληνικά", "έλλος"]
    assert [one.text for one in found_in("Η.Π.Α. και ΗΠΑ, ηπα", query="ΗΠΑ").matches] == ["Η.Π.Α.", "ΗΠΑ"]


@pytest.mark.parametrize(
    ("query", "text", "there"),
    [
        ("PUTIN", "Putin", ["Putin"]),
        ("PUTIN OR BIDEN", "Putin, Biden", ["Putin", "Biden"]),
        ("KASTR WIND", "kastr wind", ["kastr", "wind"]),
        ("US OR UN", "us, un, UN", ["UN"]),
        ("XKCD", "xkcd XKCD", ["XKCD"]),
    ],
)
def test_capitals_as_typed_are_words_where_nothing_speaks_for_an_acronym(
    query: str, text: str, there: list[str]
) -> None:
    assert [one.text for one in found_in(text, query=query).matches] == there


def test_of_one_target_so_many_hits_are_kept_and_no_more() -> None:
    assert len(found_in("rain " * (MAX_HITS + 9), query="rain").matches) == MAX_HITS
    assert len(found_in("rain snow hail ice " * MAX_HITS, query="rain NEAR/50 snow NEAR/50 hail").fired) == 1


def test_a_line_is_judged_once_however_many_hits_stand_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    line_of = Capitals._line  # the work is counted where lines are handed out

    def counted(self: Capitals, at: int, judged: dict[int, bool]) -> tuple[int, str | None]:
        number, line = line_of(self, at, judged)
        read.append(len(line or ""))
        return number, line

    monkeypatch.setattr(Capitals, "_line", counted)
    text = "A US A " * 500
    found_in(text, query="US")
    assert sum(read) == len(text)


HOSTILE = [
    ("US", (), "US a US a "),
    ('actor:"Ihar Kastrel"', (IHAR,), "Ihar Kastrel. Kastrel x "),
    ('actor:"Ihar Kastrel"', (IHAR,), "Ihar Kastrel. Olga Kastrel x "),
    ("aa NEAR/2 bb", (), "aa x x x x bb x x x x "),
    ("aa NEAR/50 bb NEAR/50 cc NEAR/50 dd", (), "aa bb cc dd "),
    ("(aa NEAR/50 bb) cc", (), "aa bb "),
]


@pytest.mark.parametrize(("query", "actors", "piece"), HOSTILE)
def test_the_work_grows_about_as_the_text_does(query: str, actors: tuple[Actor, ...], piece: str) -> None:
    matcher = Matcher.compile([Watch(name="w", query=query)], actors, forms={})

    def taken(pieces: int) -> float:
        article = Article(title="", text=piece * pieces, lang="en")
        times = []
        for _ in range(3):
            start = time.process_time()
            matcher.match(article)
            times.append(time.process_time() - start)
        return min(times)

    # Sixteen times the text; quadratic work would take 256 times as long.
    assert taken(16_000) < 80 * max(taken(1_000), 1e-3)
