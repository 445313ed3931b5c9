"""How answers in chat are put: pages within Discord's limits, links and queries that stay what they are, refusals, buttons that go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord import AppCommandOptionType, app_commands

from bot.errors import StoreError, UserError
from cogs._answers import code, linked, pages_of
from cogs._refusals import refusal_for

if TYPE_CHECKING:
    from tests.chat_fakes import Chat


def test_pages_hold_every_entry_and_each_stays_within_the_limit() -> None:
    entries = [f"{number:02} " + "x" * 1_500 for number in range(7)]
    pages = pages_of("Feeds", entries, per_page=8)
    said = [str(page.description) for page in pages]
    assert "\n\n".join(said) == "\n\n".join(entries)
    assert all(len(text) <= 4_096 for text in said)
    assert [page.footer.text for page in pages] == [f"page {number} of 4" for number in range(1, 5)]
    (alone,) = pages_of("Why", ["y" * 9_000], per_page=8)
    assert len(str(alone.description)) <= 4_096
    assert alone.footer.text is None


def test_brackets_in_an_address_do_not_end_its_link() -> None:
    assert linked("Minsk", "https://news.example/a_(city)") == "[Minsk](https://news.example/a_%28city%29)"
    for harm in (
        "javascript:alert(1)",
        "https://x.example/ [a](b)",
        "https://x.example/<b>",
        "https://x.example/" + "a" * 2_000,
    ):
        assert linked("Minsk", harm) == "Minsk"


def test_a_query_is_set_apart_whatever_it_holds() -> None:
    said = code('a `b` "c"')
    assert said.count("`") == 2
    assert said.strip("\u2068\u2069").startswith("`")
    assert "\n" not in code("a\nb")


def test_a_refusal_says_back_nothing_that_is_alive() -> None:
    said = refusal_for(UserError('There is no watch "<@1> **x** @everyone" here.'))
    assert not [harm for harm in ("<@1>", " **x**", "@everyone") if harm in said]
    assert len(refusal_for(UserError("x" * 5_000))) <= 2_000


def test_what_is_not_the_askers_fault_is_said_plainly() -> None:
    unseen = app_commands.TransformerError("news", AppCommandOptionType.channel, app_commands.Transformer())
    assert "cannot see that channel" in refusal_for(unseen)
    assert "cannot be used just now" in refusal_for(StoreError("disk full"))


async def test_the_buttons_of_a_question_go_when_its_time_is_over(chat: Chat) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    asked = await chat.mod.slash(chat.channel, "watch remove", watch="W")
    assert asked.response is not None
    assert asked.response.components
    await chat.env.advance_time(200)
    assert asked.response.components == []
    assert "**W**" in await chat.ask("watch list")


async def test_a_list_of_feeds_is_completed_behind_its_last_comma(chat: Chat) -> None:
    for number, name in enumerate(("First wire", "Second wire"), start=1):
        await chat.store.chat.add_feed(chat.guild.id, f"https://news.example/{number}", by=1, now=chat.clock())
        await chat.store.chat.edit_feed(chat.guild.id, number, name=name, interval_s=None)
    offered = await chat.names("watch add", "feeds", "First wire, sec", name="x", query="y")
    assert offered == ["First wire, Second wire"]
