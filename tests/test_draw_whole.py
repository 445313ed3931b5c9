"""A card with everything in it, and a late message with everything in it, line by line: whatever goes missing is missed here."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.model import BriefSentence, Change, Span
from cogs._draw import message_for
from tests.card_fakes import AT, DELIVERY, REASON, with_card

NOON = int(AT.timestamp())
ORLOVA = replace(REASON, actor="Anna Orlova", words="Orlova", alias="Orlova", rule="user", times=1)
HEADLINE = replace(REASON, field="title", times=1, alias="sanctions", rule="exact", watch="Trade")
NEW = [replace(REASON, words=f"word{n}", alias=f"word{n}", rule="exact", watch=f"W{n}", times=1) for n in range(30)]


def described(**changes: object) -> list[str]:
    """Return the lines under the headline of an edited card."""
    delivery = replace(with_card(**changes), kind="edit", message_id=5)
    (embed,) = message_for(delivery)["embeds"]
    return str(embed["description"]).splitlines()


def test_an_edited_card_says_all_there_is_to_say() -> None:
    sentences = tuple(BriefSentence(text=f"Sentence {number} on sanctions.") for number in range(5))
    lines = described(
        gone=(replace(REASON, words="embargo", watch="Trade"),),
        before=(BriefSentence(text="An embargo holds.", bold=(Span(start=3, end=10),)),),
        late="late: found 7 hours ago",
        found="found when its page could be read",
        brief=sentences,
        kind="teaser",
        note="only the teaser was read: the page answered 403",
        changes=(
            Change(at=AT, kind="headline", words=("Council talks",)),
            Change(at=AT, kind="gone", words=("embargo",)),
        ),
        also=("Second wire", "Third wire"),
        published_at=None,
        reasons=(HEADLINE, ORLOVA),
        watches=("Belarus", "Trade", "Silent"),
    )
    assert lines == [
        "⚠ **No longer in the teaser:** “embargo” — Trade",
        "> ~~An **embargo** holds.~~",
        "",
        "*late: found 7 hours ago*",
        "*found when its page could be read*",
        "> Sentence 0 on sanctions.",
        "> Sentence 1 on sanctions.",
        "> Sentence 2 on sanctions.",
        "",
        "-# teaser only · the page answered 403",
        f"-# edited <t:{NOON}:t>: the headline was “Council talks”; no longer there: “embargo”",
        "-# also: Second wire, Third wire",
        f"-# no date given; found <t:{NOON}:f>",
        "-# “sanctions” (headline) — Trade",
        "-# Anna Orlova: “Orlova” (text; an alias) — Belarus",
        "-# for Silent",
    ]


def test_reasons_beyond_what_a_card_holds_are_counted() -> None:
    lines = described(reasons=tuple(NEW), watches=tuple(one.watch for one in NEW), brief=(), changes=())
    assert lines[:8] == [f"-# “word{number}” (text) — W{number}" for number in range(8)]
    assert lines[8] == "-# and 22 more"
    assert lines[9].startswith("-# for W24, W25")


def test_a_late_message_says_of_each_alert_what_it_is_and_why() -> None:
    first = with_card(kind="teaser")
    twin = replace(with_card(headline="The same story elsewhere"), owed_at=AT + timedelta(hours=2))
    gone = with_card(link="https://news.example/2", gone=(replace(REASON, words="embargo"),), published_at=None)
    body = message_for(replace(first, others=(twin, gone)), repeat=True)
    assert body["content"] == (
        "**Late:** 3 alerts that could not be delivered when they were found, "
        f"between <t:{NOON}:f> and <t:{NOON + 7200}:f>."
    )
    assert body["allowed_mentions"] == {"parse": [], "roles": []}
    assert [embed.get("url") for embed in body["embeds"]] == ["https://news.example/1", None, "https://news.example/2"]
    assert [embed["title"] for embed in body["embeds"]] == [
        "Council agrees on sanctions",
        "The same story elsewhere",
        "Council agrees on sanctions",
    ]
    assert [embed["description"].splitlines() for embed in body["embeds"]] == [
        [
            f"Sample wire · <t:{NOON}:f> · teaser only",
            "> The council agreed on **sanctions**.",
            "-# “sanctions” — Belarus, Trade",
        ],
        [f"Sample wire · <t:{NOON}:f>", "https://news.example/1", "-# “sanctions” — Belarus, Trade"],
        [
            f"Sample wire · found <t:{NOON}:f>",
            "> The council agreed on **sanctions**.",
            "-# no longer there: “embargo” — Belarus, Trade",
        ],
    ]
    footers = [embed.get("footer") for embed in body["embeds"]]
    assert footers == [None, None, {"text": f"wirewatch · {DELIVERY.nonce[:10]} · may be a repeat"}]


def test_what_may_be_there_already_says_so_on_its_card_too() -> None:
    (embed,) = message_for(DELIVERY, repeat=True)["embeds"]
    assert embed["footer"] == {"text": "wirewatch · dabcdefghi · may be a repeat"}
    assert "timestamp" in embed
