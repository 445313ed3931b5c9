"""What reaches people and programs from hostile text: links, the terminal, the order of records."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from bot.feeds.links import absolute_link, without_credentials
from bot.model import Match, Matches
from bot.records import match_record
from bot.terminal import PeoplesConsole, TerminalOutlet, print_matches
from tests.card_fakes import DELIVERY


def match(field: str, start: int, text: str) -> Match:
    return Match(
        watch_id=1,
        watch="w",
        actor=None,
        field="title" if field == "title" else "text",
        start=start,
        end=start + len(text),
        text=text,
        alias="a",
        rule="user",
    )


@pytest.mark.parametrize(
    ("written", "link"),
    [
        ("https://www.example.org@evil.example/x", "https://evil.example/x"),
        ("https://a:b@c@evil.example:81/x@y?z@", "https://evil.example:81/x@y?z@"),
        ("//a@evil.example", "http://evil.example"),
        ("https://example.org?q=@b", "https://example.org?q=@b"),
    ],
)
def test_a_link_shows_where_it_leads(written: str, link: str) -> None:
    assert absolute_link(written, "http://feed.example/") == link


def test_credentials_are_cut_from_the_authority_alone() -> None:
    assert without_credentials("https://u:p@example.org?to=a@b") == "https://example.org?to=a@b"
    assert without_credentials("https://example.org#a@b") == "https://example.org#a@b"


@pytest.mark.parametrize("evil", ["\x1b[2J", "\u202e", "\r\n", "\x9b31m"])
def test_no_control_character_within_a_match_reaches_the_terminal(evil: str) -> None:
    text = f"a{evil}b"
    out = io.StringIO()
    console = PeoplesConsole(highlight=False, markup=False, emoji=False, file=out, width=200)
    print_matches(console, Matches(matches=(match("text", 0, text),)), {"title": "", "text": text})
    assert all(char.isprintable() for char in out.getvalue().replace("\n", ""))
    assert len(out.getvalue().splitlines()) == 2


def test_matches_are_written_by_start_then_longest_first() -> None:
    given = (match("title", 4, "aa"), match("text", 0, "aa"), match("text", 4, "aaa"), match("text", 4, "aa"))
    rows = match_record("x", Matches(matches=given))["matches"]
    assert isinstance(rows, list)
    assert [(row["start"], row["text"], row["field"]) for row in rows] == [
        (0, "aa", "text"),
        (4, "aaa", "text"),
        (4, "aa", "title"),
        (4, "aa", "text"),
    ]


async def test_a_further_source_of_a_printed_card_is_one_line_and_any_other_edit_the_whole_card() -> None:
    out = io.StringIO()
    outlet = TerminalOutlet(PeoplesConsole(file=out, highlight=False, markup=False, emoji=False))
    await outlet.post(DELIVERY)
    out.truncate(0)
    also = replace(DELIVERY, kind="edit", card=replace(DELIVERY.card, also=("The Lantern Wire",)))
    await outlet.edit(also)
    assert out.getvalue().strip("\0") == f"UPDATE · also: The Lantern Wire · {DELIVERY.card.headline}\n\n"
    await outlet.edit(replace(also, card=replace(also.card, headline="Otherwise")))
    assert f"UPDATE · {', '.join(DELIVERY.card.watches)}\nOtherwise\n" in out.getvalue()
