"""What commands say, in words that hold: what is confirmed, in which order, by which name, and where the way out leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.desk_names import natural_order, offers_for
from bot.reading.query import parse_query
from cogs._help import HELP
from tests.fakes import FILLER, entry

if TYPE_CHECKING:
    from tests.chat_fakes import Chat


async def test_a_watch_that_was_paused_says_how_to_find_what_it_missed(chat: Chat) -> None:
    old = entry("Old", chat.site.url("/old"), guid="old", text=FILLER[1])
    await chat.ask("feed add", url=chat.site.feed("/feed", old))
    await chat.ask("watch add", name="Ban", query="sanctions")
    await chat.ask("watch pause", watch="Ban")
    chat.site.feed("/feed", old, entry("Missed", chat.site.url("/1"), guid="1", text="New sanctions were agreed."))
    await chat.poll_again()
    said = await chat.ask("watch resume", watch="Ban")
    assert "What appeared meanwhile is not posted; /latest finds it by query: `sanctions`" in said
    assert "Missed" in await chat.ask("latest", query="sanctions")


async def test_a_ping_and_a_limit_to_feeds_are_confirmed_and_listed(chat: Chat) -> None:
    role = chat.guild.create_role("Team")
    await chat.ask("feed add", url=chat.site.feed("/feed", entry("Old", chat.site.url("/o"), guid="o")), name="Port")
    said = await chat.ask("watch add", name="W", query="sanctions", mention=role, feeds="Port")
    assert f"pinging <@&{role.id}>" in said
    assert f"pings <@&{role.id}>" in await chat.ask("watch edit", watch="W", query="embargo")
    assert f"pings <@&{role.id}> · only from 1 feed" in await chat.ask("watch list")


async def test_a_member_of_an_empty_server_is_sent_to_who_may(chat: Chat) -> None:
    assert "people who manage this server make them" in await chat.ask("watch list", by=chat.ann)
    assert "/watch add makes one" in await chat.ask("watch list")


async def test_an_actor_is_found_by_its_alias_and_not_made_a_second_time(chat: Chat) -> None:
    await chat.ask("actor add", name="Alexander Lukashenko", aliases="Lukashenka, Бацька")
    assert "Alexander Lukashenko" in await chat.ask("actor show", actor="lukashenka")
    assert await chat.names("actor show", "actor", "бац") == ["Alexander Lukashenko"]
    assert await chat.names("actor alias add", "actor", "бац") == ["Alexander Lukashenko"]
    assert "Nothing since" in await chat.ask("latest", actor="Бацька")
    said = await chat.ask("actor add", name="Lukashenka")
    assert '"Lukashenka" is an alias of Alexander Lukashenko already' in said
    assert "Actors (1)" in await chat.ask("actor list")
    await chat.ask("actor add", name="Ivan Petrov", aliases="Бацька")
    assert "is an alias of Alexander Lukashenko and of Ivan Petrov: say which" in await chat.ask(
        "actor show", actor="Бацька"
    )


async def test_rules_bear_the_same_names_everywhere(chat: Chat) -> None:
    said = await chat.ask("actor add", name="Anna Orlova", aliases="Orlova, Orlowa")
    assert said.count("⚠") == 1
    shown = await chat.ask("actor show", actor="Anna Orlova")
    assert "• Anna Orlova · as typed" in shown
    assert "• Orlova · an alias" in shown


async def test_a_nameless_actor_is_refused_in_english(chat: Chat) -> None:
    assert "An actor needs a name" in await chat.ask("actor add", name="??")


async def test_a_feed_without_items_is_doubted_and_counts_are_grammatical(chat: Chat) -> None:
    empty = await chat.ask("feed add", url=chat.site.feed("/empty", title="Empty"))
    assert "⚠ It holds no item at all" in empty
    await chat.ask("feed add", url=chat.site.feed("/one", entry("Old", chat.site.url("/o"), guid="o"), title="One"))
    assert "1 item kept" in await chat.ask("feed test", feed="One")
    assert "No feed here is listed as “fails”." in await chat.ask("feed list", state="failing")


async def test_a_feed_that_rests_names_no_next_poll(chat: Chat) -> None:
    await chat.ask("feed add", url=chat.site.feed("/one", entry("Old", chat.site.url("/o"), guid="o"), title="One"))
    assert "· next <t:" in await chat.ask("feed test", feed="One")
    await chat.ask("feed pause", feed="One")
    assert "next" not in (await chat.ask("feed test", feed="One")).partition("worked")[2].partition("\n")[0]
    await chat.ask("feed resume", feed="One")
    assert "never" not in (await chat.ask("feed test", feed="One")).partition("· next")[2]


async def test_chat_is_told_whom_to_ask_about_a_private_address(chat: Chat) -> None:
    said = await chat.ask("feed add", url="http://10.0.0.1/feed")
    assert "unless whoever runs the bot allows it" in said


def test_names_with_numbers_stand_in_their_natural_order() -> None:
    assert sorted(["Team 10", "team 2", "Team 1", "10 Down", "Alpha"], key=natural_order) == [
        "10 Down",
        "Alpha",
        "Team 1",
        "team 2",
        "Team 10",
    ]


def test_what_fits_by_its_name_is_offered_before_what_fits_by_an_alias() -> None:
    aliases = {"Anna": ["Bee"], "Bert": []}
    assert offers_for("b", ["Anna", "Bert"], aliases) == ["Bert", "Anna"]
    assert offers_for("ee", ["Anna", "Bert"], aliases) == ["Anna"]


@pytest.mark.parametrize("topic", sorted(HELP))
def test_every_topic_of_help_fits_and_its_queries_can_be_read(topic: str) -> None:
    assert len(HELP[topic]) < 3_500
    if topic == "query":
        for line in HELP[topic].splitlines():
            for query in line.partition(" · ")[0].split("`")[1::2]:
                assert query in {"OR", "AND", "NOT", "NEAR/5", "lang:ru"} or str(parse_query(query))


async def test_help_offers_each_of_its_topics(chat: Chat) -> None:
    for topic in HELP:
        assert HELP[topic][:20].replace("`", "") in (await chat.ask("help", topic=topic)).replace("`", "")
