"""Cards as Discord takes them: every limit kept, nothing of a feed's text formats, mentions or disguises, links are links."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import BriefSentence, Change, Span
from cogs._draw import link_for, mentions_only, message_for, operators_message, plain_message, sentence_line
from cogs._escape import clean, cut, escape, shown
from tests.card_fakes import AT, CARD, DELIVERY, REASON, with_card
from tests.discord_lint import doubts_in, faults_in

HOSTILE = st.text(
    st.one_of(st.sampled_from("<@&#>[]()*_~`|\\!:/-1. \n\u200b\u202e\u2066\u200d👩🏽Ж"), st.characters(codec="utf-8")),
    max_size=5000,
)
# What Discord would take for markup, were it not broken: a mention, a masked link, a channel, a time, an emoji, a command.
LIVE = re.compile(
    r"<[@#:/ta&]|@(everyone|here)|(?<!\\)(?:\\\\)*\]\(|[\u200b](?<!<\u200b)(?<!@\u200b)|[\u202a-\u202e\u2066\u2067]"
)
OURS = re.compile(r"<t:\d+:[ft]>")  # a time, which every reader's client shows as theirs


def test_a_card_says_where_what_why_and_when() -> None:
    body = message_for(DELIVERY)
    (embed,) = body["embeds"]
    assert body["content"] == "<@&7> <@&8> Council agrees on sanctions"
    assert body["allowed_mentions"] == {"parse": [], "roles": [7, 8]}
    assert embed["title"] == "Council agrees on sanctions"
    assert embed["url"] == "https://news.example/1"
    assert embed["author"] == {"name": "Sample wire"}
    assert embed["timestamp"] == "2026-03-01T12:00:00Z"
    assert embed["footer"] == {"text": "wirewatch · dabcdefghi"}
    assert embed["description"].splitlines() == [
        "> The council agreed on **sanctions**.",
        "",
        "-# “sanctions” (text ×2; another form of “sanction”) — Belarus",
        "-# for Trade",
    ]


def test_one_line_a_word_names_every_place_and_every_watch() -> None:
    lent = replace(REASON, actor="Anna Orlova", words="Orlova", alias="Orlova", rule="user", times=1)
    reasons = (
        replace(REASON, field="title", times=1, alias="sanctions", rule="exact", words="Sanctions"),
        replace(REASON, alias="sanctions", rule="exact"),
        replace(REASON, alias="sanctions", rule="exact", watch="Trade", field="title"),
        replace(REASON, words="Sochi", alias="Sochi", rule="exact", times=1),
        replace(REASON, words="banned", alias="ban*", rule="prefix", times=1),
        lent,
        replace(REASON, watch="Wire", words="Council agrees", alias="source:news.example", rule="user", field="title"),
    )
    text = message_for(with_card(reasons=reasons, brief=()))["embeds"][0]["description"]
    assert text.splitlines() == [
        "-# “Sanctions” (headline ×2, text ×2) — Belarus, Trade",
        "-# “Sochi” (text), “banned” (text; for “ban\\*”) — Belarus",
        "-# Anna Orlova: “Orlova” (text; an alias) — Belarus",
        "-# every article of source:news.example — Wire",
    ]


def test_what_was_left_out_between_two_sentences_is_marked() -> None:
    first, second = BriefSentence(text="One.", is_apart=True), BriefSentence(text="Two.", is_apart=True)
    text = message_for(with_card(brief=(first, second, BriefSentence(text="Three."))))["embeds"][0]["description"]
    assert text.splitlines()[:3] == ["> One.", "> … Two.", "> Three."]


def test_a_phone_shows_the_headline_beside_the_ping_and_no_link_in_it_lives() -> None:
    headline = "**Read** https://evil.example/x or discord.gg/abc @everyone"
    body = message_for(with_card(headline=headline, mentions=(7,)))
    assert body["content"].startswith("<@&7> \\*\\*Read\\*\\*")
    assert not re.search(r"://|gg/|@everyone", body["content"])
    assert "content" not in message_for(with_card(headline=headline, mentions=()))


def test_text_from_right_to_left_is_set_apart_from_the_words_around_it() -> None:
    there = shown("عقوبات <@1>", 100)
    assert (there[0], there[-1]) == ("\u2068", "\u2069")
    assert len(shown("عقوبات " * 50, 40)) <= 40
    assert shown("sanctions", 40) == "sanctions"
    reason = replace(REASON, watch="مراقبة", words="عقوبات", alias="عقوبات", rule="exact", times=1)
    text = message_for(with_card(reasons=(reason,), watches=("مراقبة",), brief=()))["embeds"][0]["description"]
    assert text == "-# “\u2068عقوبات\u2069” (text) — \u2068مراقبة\u2069"


def test_grey_is_for_late_delivery_alone() -> None:
    colours = [
        message_for(with_card(**changes))["embeds"][0]["color"]
        for changes in (
            {},
            {"found": "found when the article was read again"},
            {"late": "late: could not be delivered for 7 hours"},
        )
    ]
    assert colours[0] == colours[1] != colours[2]


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
    assert f"-# no date given; found <t:{int(AT.timestamp())}:f>" in text


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
        reasons=tuple(replace(reason, words=f"{two}{n}", alias=f"{three}{n}") for n in range(many)),
        gone=(reason,) * (many % 3),
        before=(brief,) * 2,
        changes=(Change(at=AT, kind="headline", words=(one,)), Change(at=AT, kind="gone", words=(two, three))),
        found=two,
        brief=(brief,) * 4,
        mentions=tuple(range(1_000_000_000_000_000_000, 1_000_000_000_000_000_000 + many)),
    )
    edit = replace(delivery, kind="edit")
    for body in (
        message_for(delivery, repeat=repeat),
        message_for(edit),
        plain_message(delivery),
        operators_message(one or "x"),
    ):
        if body.get("content") or body.get("embeds"):
            assert faults_in(body) == []
        for embed in body.get("embeds", ()):
            for text in (embed["title"], embed.get("description", ""), embed.get("author", {}).get("name", "")):
                assert not LIVE.search(OURS.sub("", text)), text
                assert text.count("\u2068") == text.count("\u2069")


@settings(max_examples=50, deadline=None)
@given(st.lists(HOSTILE, min_size=2, max_size=10), st.booleans())
def test_late_alerts_share_a_message_that_pings_nobody_and_loses_no_link(
    texts: list[str],
    repeated: bool,  # noqa: FBT001 - drawn
) -> None:
    said = replace(CARD, gone=(replace(REASON, words=texts[-1]),) if repeated else (), published_at=None)
    cards = [
        replace(
            said,
            headline=text,
            source=text,
            link="https://news.example/one" if repeated else f"https://news.example/{n}",
            watches=(text, text),
            brief=(BriefSentence(text=text[:150]),),
            reasons=(replace(REASON, words=text),),
        )
        for n, text in enumerate(texts)
    ]
    head, *others = (replace(DELIVERY, card=card, nonce=f"d{n:09d}xxxx") for n, card in enumerate(cards))
    body = message_for(replace(head, others=tuple(others)))
    assert faults_in(body) == []
    assert doubts_in(body) == []
    assert body["allowed_mentions"] == {"parse": [], "roles": []}
    assert len(body["embeds"]) == len(texts)
    shown_links = [embed.get("url") or embed["description"] for embed in body["embeds"]]
    assert all("https://news.example/" in link for link in shown_links)
    assert body["embeds"][-1]["footer"]["text"] == "wirewatch · d000000000", "it is looked for by the first alone"


def test_a_late_message_says_since_when_and_a_sentence_of_each() -> None:
    later = replace(
        DELIVERY, owed_at=AT + timedelta(hours=2), nonce="dother", card=replace(CARD, link="https://b.example/")
    )
    body = message_for(replace(DELIVERY, others=(later,)))
    at, until = int(AT.timestamp()), int(later.owed_at.timestamp())
    assert f"between <t:{at}:f> and <t:{until}:f>" in body["content"]
    assert body["embeds"][0]["description"].splitlines() == [
        f"Sample wire · <t:{at}:f>",
        "> The council agreed on **sanctions**.",
        "-# “sanctions” — Belarus, Trade",
    ]


def test_where_discord_refuses_the_card_the_short_form_still_has_the_link() -> None:
    link = "https://news.example/" + "x" * 1200
    assert f"**Council agrees on sanctions** <{link}>" in plain_message(with_card(link=link))["content"]
    several = replace(with_card(link=link[:150]), others=(with_card(link=link[:150]),) * 9)
    assert plain_message(several)["content"].count("<https://") == 0, "no room for ten of them"
    assert plain_message(replace(several, others=several.others[:4]))["content"].count("<https://") == 5


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
