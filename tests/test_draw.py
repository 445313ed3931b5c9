"""Cards as Discord takes them: every limit kept, nothing of a feed's text formats, mentions or disguises, links are links."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import BriefSentence, Card, Delivery, Reason, Span
from cogs._draw import link_for, mentions_only, message_for, operators_message, plain_message, sentence_line
from cogs._escape import clean, cut, escape, shown
from tests.discord_lint import doubts_in, faults_in

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REASON = Reason(watch="Belarus", actor=None, words="sanctions", alias="sanction", rule="lemma", field="text", times=2)
CARD = Card(
    headline="Council agrees on sanctions",
    link="https://news.example/1",
    source="Sample wire",
    published_at=AT,
    seen_at=AT,
    watches=("Belarus", "Trade"),
    reasons=(REASON,),
    brief=(BriefSentence(text="The council agreed on sanctions.", bold=(Span(start=22, end=31),)),),
    mentions=(7, 8),
)
DELIVERY = Delivery(
    alert_id=1,
    kind="post",
    channel_id=1,
    thread_id=0,
    card=CARD,
    nonce="dabcdefghijklmnopqrstuvw",
    owed_at=AT,
    attempts=1,
)
HOSTILE = st.text(
    st.one_of(st.sampled_from("<@&#>[]()*_~`|\\!:/-1. \n\u200b\u202e\u2066\u200d👩🏽Ж"), st.characters(codec="utf-8")),
    max_size=5000,
)
# What Discord would take for markup, were it not broken: a mention, a masked link, a channel, a time, an emoji, a command.
LIVE = re.compile(
    r"<[@#:/ta&]|@(everyone|here)|(?<!\\)(?:\\\\)*\]\(|[\u200b](?<!<\u200b)(?<!@\u200b)|[\u202a-\u202e\u2066-\u2069]"
)


def with_card(**changes: object) -> Delivery:
    return replace(DELIVERY, card=replace(CARD, **changes))  # type: ignore[arg-type] # a test's own fields


def test_a_card_says_where_what_why_and_when() -> None:
    body = message_for(DELIVERY)
    (embed,) = body["embeds"]
    assert body["content"] == "<@&7> <@&8>"
    assert body["allowed_mentions"] == {"parse": [], "roles": [7, 8]}
    assert embed["title"] == "Council agrees on sanctions"
    assert embed["url"] == "https://news.example/1"
    assert embed["author"] == {"name": "Sample wire"}
    assert embed["timestamp"] == "2026-03-01T12:00:00Z"
    assert embed["footer"] == {"text": "wirewatch · dabcdefghi"}
    assert embed["description"].splitlines() == [
        "-# for Belarus, Trade",
        "> The council agreed on **sanctions**.",
        "-# why: Belarus — “sanctions” ×2 in the text (another form of “sanction”)",
    ]


def test_what_is_missing_is_said() -> None:
    card = with_card(
        kind="teaser",
        note="only the teaser was read: the page answered 403",
        published_at=None,
        late="late: found 7 hours ago",
    )
    text = message_for(card)["embeds"][0]["description"]
    assert "*late: found 7 hours ago*" in text
    assert "-# teaser only · the page answered 403" in text
    assert "-# no date given; found 01 Mar 2026 12:00 UTC" in text


def test_nobody_is_pinged_where_no_role_is_asked_for_and_a_repeat_says_so() -> None:
    body = message_for(with_card(mentions=()), repeat=True)
    assert "content" not in body
    assert body["allowed_mentions"] == {"parse": [], "roles": []}
    assert body["embeds"][0]["footer"]["text"] == "wirewatch · dabcdefghi · may be a repeat"


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "ftp://news.example/",
        "http://",
        "https://news.example/a b",
        "//news.example",
        "",
        "https://bank.example@evil.example/",
    ],
)
def test_what_is_no_plain_web_link_is_no_link(link: str) -> None:
    assert link_for(replace(CARD, link=link)) == ""
    assert "url" not in message_for(with_card(link=link))["embeds"][0]


def test_a_link_too_long_for_the_headline_stands_as_text() -> None:
    link = "https://news.example/" + "x" * 2100
    body = message_for(with_card(link=link))
    assert "url" not in body["embeds"][0]
    assert link in body["embeds"][0]["description"].splitlines()
    assert faults_in(body) == []


@settings(max_examples=150, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, st.integers(0, 60), st.booleans())
def test_whatever_a_feed_sends_every_limit_is_kept_and_nothing_of_it_is_live(
    one: str,
    two: str,
    three: str,
    many: int,
    repeat: bool,  # noqa: FBT001 - drawn
) -> None:
    reason = replace(REASON, watch=one[:90], words=two, alias=three, actor=three or None)
    brief = BriefSentence(
        text=three, bold=(Span(start=len(three) // 3, end=len(three) // 2),) if len(three) > 5 else ()
    )
    delivery = with_card(
        headline=one,
        source=two,
        note=three,
        late=one,
        also=(two, three),
        watches=(one, two),
        reasons=(reason,) * many,
        brief=(brief,) * 4,
        mentions=tuple(range(1_000_000_000_000_000_000, 1_000_000_000_000_000_000 + many)),
    )
    for body in (message_for(delivery, repeat=repeat), plain_message(delivery), operators_message(one or "x")):
        if body.get("content") or body.get("embeds"):
            assert faults_in(body) == []
        for embed in body.get("embeds", ()):
            for text in (embed["title"], embed["description"], embed.get("author", {}).get("name", "")):
                assert not LIVE.search(text), text


@settings(max_examples=50, deadline=None)
@given(st.lists(HOSTILE, min_size=2, max_size=10))
def test_late_alerts_share_a_message_that_pings_nobody_and_loses_no_link(texts: list[str]) -> None:
    others = tuple(
        replace(with_card(headline=text, source=text, link=f"https://news.example/{n}"), nonce=f"d{n:09d}xxxx")
        for n, text in enumerate(texts[1:], 5)
    )
    body = message_for(replace(with_card(headline=texts[0]), others=others))
    assert faults_in(body) == []
    assert doubts_in(body) == []
    assert body["allowed_mentions"] == {"parse": [], "roles": []}
    assert len(body["embeds"]) == len(texts)
    assert all(embed.get("url") for embed in body["embeds"])
    assert body["embeds"][-1]["footer"]["text"].count(" ") == len(texts) + 1


def test_of_an_endless_sentence_what_stands_around_the_match_is_shown() -> None:
    text = "word " * 400 + "sanctions " + "word " * 400
    line = sentence_line(BriefSentence(text=text, bold=(Span(start=2000, end=2009),)))
    assert line.startswith("> … ")
    assert line.endswith("…")
    assert "**sanctions**" in line
    assert len(line) < 700


def test_text_is_cut_on_a_word_with_the_ellipsis_inside_the_limit() -> None:
    assert cut("one two three", 13) == "one two three"
    assert cut("one two three", 12) == "one two…"
    assert cut("unbreakable", 5) == "unbr…"
    assert shown("****", 5) == "\\*…"


@given(HOSTILE, st.integers(1, 300))
def test_what_is_shown_stays_within_its_limit_and_never_ends_in_half_an_escape(text: str, limit: int) -> None:
    there = shown(text, limit)
    assert len(there) <= limit
    assert not re.search(r"(?<!\\)(?:\\\\)*\\$", there)


def test_clean_text_is_one_line_without_what_cannot_be_seen() -> None:
    assert clean("a\u200bb\u202ec\n\td\x00e\ufefff") == "abc d ef"
    assert clean("👩\u200d👩") == "👩\u200d👩"
    assert escape("- <@1> @everyone *b*") == "\\- <\u200b@\u200b1\\> @\u200beveryone \\*b\\*"
    assert mentions_only([1]) == {"allowed_mentions": {"parse": [], "roles": [1]}}
