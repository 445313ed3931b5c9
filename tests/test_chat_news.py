"""/latest, /why, /status and /help in a simulated Discord, and what happens where something breaks."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import discord
import pytest

from bot.desk_news import since_in
from bot.errors import StoreError, UserError
from tests.chat_fakes import Chat, faults_sent, said_in
from tests.fakes import FILLER, entry, rows_in

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TEXT = f"{FILLER[0]} New sanctions against Anna Orlova were agreed in Sochi. {FILLER[2]}"


async def news(chat: Chat, count: int = 1, *, text: str = TEXT) -> None:
    """Let the only feed bring so many reports, after its baseline."""
    old = entry("An old report", chat.site.url("/old"), guid="old", text=FILLER[1])
    url = chat.site.feed("/feed", old)
    if not await chat.store.feeds():
        await chat.ask("feed add", url=url)
    reports = [entry(f"Report {n}", chat.site.url(f"/{n}"), guid=str(n), text=text) for n in range(count)]
    chat.site.feed("/feed", old, *reports)
    await chat.poll_again()


async def test_the_latest_shows_headline_link_sentence_and_words(chat: Chat) -> None:
    await chat.ask("watch add", name="Sanctions", query="sanctions")
    await news(chat)
    said = await chat.ask("latest")
    assert f"[Report 0]({chat.site.url('/0')})" in said
    assert "> New **sanctions** against Anna Orlova were agreed in Sochi." in said
    assert "Sanctions · found: sanctions" in said


async def test_the_latest_is_filtered_by_watch_actor_query_and_time(chat: Chat) -> None:
    await chat.ask("actor add", name="Anna Orlova")
    await chat.ask("watch add", name="Sanctions", query="sanctions")
    await chat.ask("watch add", name="Trade", query="tariff")
    await news(chat)
    for option, value in (
        ("watch", "sanctions"),
        ("actor", "anna orlova"),
        ("query", "Sochi agreed"),
        ("since", "24h"),
    ):
        assert "Report 0" in await chat.ask("latest", by=None, at=None, **{option: value}), option
    assert "Report 0" in await chat.ask("latest", watch="Sanctions", actor="Anna Orlova", query="Sochi")
    assert "Nothing since" in await chat.ask("latest", watch="Trade")
    assert "Nothing since" in await chat.ask("latest", query="tariff")
    assert "Nothing since" in await chat.ask("latest", watch="Trade", query="Sochi")
    assert "Nothing since" in await chat.ask("latest", query="old"), (
        "what stood there at the subscription was never read"
    )
    chat.clock.move(days=3)
    assert "Nothing since" in await chat.ask("latest", since="2d")
    assert "Report 0" in await chat.ask("latest", since="7d")
    assert "is no time" in await chat.ask("latest", since="soon")
    assert "⟪" in await chat.ask("latest", query="Sochi OR")
    assert "There is no actor" in await chat.ask("latest", actor="Boris")
    assert await chat.names("latest", "watch", "tr") == ["Trade"]
    assert await chat.names("latest", "actor", "or") == ["Anna Orlova"]


async def test_an_empty_answer_says_what_may_have_been_meant(chat: Chat) -> None:
    await news(chat)
    said = await chat.ask("latest", query="sanctions or embargo")
    assert "Nothing since <t:" in said
    assert "write it in capitals: sanctions OR embargo" in said
    assert 'No feed here is called "Sample"' in await chat.ask("latest", query="source:Sample")
    assert "Report 0" in await chat.ask("latest", query='source:"Sample wire"')


async def test_why_says_that_an_article_is_not_from_a_watchs_source(chat: Chat) -> None:
    said = await chat.ask("watch add", name="Sample", query="source:Sample")
    assert "It alerts on every article from the source Sample." in said
    await news(chat)
    assert "⚠ No feed here is called" in await chat.ask("watch show", watch="Sample")
    assert "**Sample**: it is not from the source Sample" in await chat.ask("why", link=chat.site.url("/0"))


async def test_the_latest_is_paged_and_shared_without_naming_watches(chat: Chat) -> None:
    await chat.ask("watch add", name="Secret plan", query="sanctions")
    await news(chat, 12)
    result = await chat.mod.slash(chat.channel, "latest")
    assert "page 1 of 3" in said_in(result)
    assert result.response is not None
    await chat.mod.click(result.response, label="Next")
    assert "page 2 of 3" in said_in(result)
    shared = await chat.ann.slash(chat.channel, "latest", share=True)
    (public,) = shared.followups
    assert not public.ephemeral
    assert "Report" in str(public.embeds[0].description)
    assert "Secret plan" not in str(public.embeds[0].description)
    assert public.embeds[0].title == "Latest (12): the first 5", "what is shared has no buttons"
    assert not public.embeds[0].footer.text


async def test_nobody_shares_where_they_may_not_write(chat: Chat) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    await news(chat)
    mute = discord.PermissionOverwrite(send_messages=False)
    board = chat.guild.create_text_channel("board", overwrites={chat.guild.default_role: mute})
    refused = await chat.ann.slash(board, "latest", share=True)
    assert "You may not write here" in said_in(refused)
    assert refused.ephemeral
    assert not refused.followups
    assert "Report 0" in await chat.ask("latest", by=chat.ann, at=board)


async def test_why_names_watch_words_spelling_and_why_not_the_others(chat: Chat) -> None:
    await chat.ask("watch add", name="Sanctions", query="sanctions")
    await chat.ask("watch add", name="Narrow", query="sanctions tariff")
    await chat.ask("watch add", name="Other", query="football")
    await chat.ask("watch add", name="Resting", query="Sochi")
    await chat.ask("watch pause", watch="Resting")
    await news(chat)
    said = await chat.ask("why", link=chat.site.url("/0?utm_source=x"))
    assert "✅ **Sanctions** matches:" in said
    assert "• “sanctions” (text)" in said
    assert "lacks `tariff`" in said.partition("**Narrow**")[2].partition("**Other**")[0]
    assert "**Other**: none of its words stands there" in said
    assert "**Resting**: it is paused" in said
    assert "It stood in its feed when that was subscribed" in await chat.ask("why", link=chat.site.url("/old"))
    assert "No feed that this server hears" in await chat.ask("why", link="https://news.example/unknown")
    assert "Give the article's link" in await chat.ask("why", link="the one from yesterday")


async def test_why_says_what_became_of_the_alert(chat: Chat) -> None:
    await chat.ask("watch add", name="Sanctions", query="sanctions")
    await news(chat)
    link = chat.site.url("/0")
    assert f"→ owed to <#{chat.channel.id}> since" in await chat.ask("why", link=link)
    ((channel_id, thread_id),) = rows_in(chat.store.path, "SELECT channel_id, thread_id FROM alerts")
    (delivery,) = await chat.store.claim(chat.clock())
    assert (delivery.channel_id, delivery.thread_id) == (channel_id, thread_id)
    await chat.store.mark_sent(delivery, message_id=4711, now=chat.clock())
    said = await chat.ask("why", link=link)
    assert f"[posted](https://discord.com/channels/{chat.guild.id}/{channel_id}/4711) in <#{channel_id}>" in said
    await chat.ask("watch edit", watch="Sanctions", query="football")
    assert "none of its words stands there; yet [posted]" in await chat.ask("why", link=link)


async def test_why_says_why_nobody_was_told_of_what_matches(chat: Chat) -> None:
    await news(chat)
    chat.clock.move(hours=1)
    await chat.ask("watch add", name="Late", query="sanctions")
    said = await chat.ask("why", link=chat.site.url("/0"))
    assert "✅ **Late** matches:" in said
    assert "nobody was told: the article was there before this watch" in said
    await chat.ask("watch add", name="Older", query="old")
    assert "nobody was told: the article has not been read" in await chat.ask("why", link=chat.site.url("/old"))


async def test_why_names_no_message_in_a_channel_that_the_asker_cannot_see(chat: Chat) -> None:
    hidden = discord.PermissionOverwrite(view_channel=False)
    shown = discord.PermissionOverwrite(view_channel=True)
    secret = chat.guild.create_text_channel("secret", overwrites={chat.guild.default_role: hidden, chat.mod: shown})
    await chat.ask("watch add", name="W", query="sanctions", channel=secret)
    await news(chat)
    await chat.ask("watch edit", watch="W", channel=chat.channel)
    assert f"<#{secret.id}>" in await chat.ask("why", link=chat.site.url("/0"))
    said = await chat.ask("why", by=chat.ann, link=chat.site.url("/0"))
    assert f"<#{secret.id}>" not in said
    assert "nobody was told" in said


async def test_why_judges_an_article_as_every_feed_brought_it(chat: Chat) -> None:
    link = chat.site.url("/x")
    for path, title in (("/a", "First"), ("/b", "Second")):
        old = entry("Old", chat.site.url(f"{path}/0"), guid=f"{path}0")
        await chat.ask("feed add", url=chat.site.feed(path, old, title=title))
    await chat.ask("watch add", name="W", query="sanctions", feeds="First")
    await chat.ask("watch add", name="V", query="sanctions", feeds="Second")
    for path, title in (("/a", "First"), ("/b", "Second")):
        chat.site.feed(path, entry("Sanctions report", link, guid="x"), title=title)
    await chat.poll_again()
    said = await chat.ask("why", link=link)
    assert "✅ **W** matches:" in said
    assert "✅ **V** matches:" in said
    assert "limited to other feeds" not in said


async def test_status_and_help_are_for_everyone(chat: Chat) -> None:
    assert "none: /feed add" in await chat.ask("status", by=chat.ann)
    await chat.ask("watch add", name="Sanctions", query="sanctions")
    await news(chat)
    said = await chat.ask("status", by=chat.ann)
    assert "works: 1" in said
    assert "Watches you can see · 1 on".replace(" ·", "** ·") in said
    assert "Owed** · 1" in said
    assert "/feed add" in await chat.ask("help", by=chat.ann)
    assert "NEAR/5" in await chat.ask("help", by=chat.ann, topic="query")


async def test_hostile_feed_text_neither_mentions_nor_disguises_a_link(chat: Chat) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    title = "@everyone sanctions <@&42> [BBC](http://evil.example) `x` \u202e"
    old = entry("Old", chat.site.url("/old"), guid="old")
    await chat.ask("feed add", url=chat.site.feed("/feed", old, title="<@1> **wire**"))
    link = "javascript:alert(1)"
    chat.site.feed("/feed", old, entry(title, link, guid="1", text=TEXT))
    await chat.poll_again()
    result = await chat.mod.slash(chat.channel, "latest")
    assert result.response is not None
    text = str(result.response.embeds[0].description)
    for harm in ("@everyone", "<@&42>", "<@1>", "[BBC]", "javascript:", "\u202e", "**wire**"):
        assert harm not in text, harm


async def test_our_own_fault_is_a_number_that_is_also_in_the_log(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(chat.desk.watches, "list", broken)
    with caplog.at_level(logging.ERROR, logger="cogs._refusals"):
        said = await chat.ask("watch list")
    number = said.partition("Reference ")[2].partition(":")[0]
    assert len(number) == 6
    assert number in caplog.text
    assert "secret inside" not in said
    assert chat.env.errors == [], "what was answered is not raised once more"


async def test_a_full_database_is_said_plainly(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(chat.desk.watches, "list", full)
    assert "cannot be used just now" in await chat.ask("watch list")
    assert chat.env.errors == []


async def test_every_command_of_the_contract_is_there_with_its_options(chat: Chat) -> None:
    (put,) = [one for one in chat.env.http_requests if one.path.endswith("/commands") and one.method == "PUT"]
    assert isinstance(put.json, list)
    found = {name: options for command in put.json for name, options in options_of(command)}
    wanted = {
        "feed add": "url! name backfill:bool",
        "feed edit": "feed!~ name interval",
        **{f"feed {verb}": "feed!~" for verb in ("remove", "pause", "resume", "release")},
        "feed list": "state",
        "feed test": "feed~ url",
        "watch add": "name! query! channel:channel mention:role feeds~",
        "watch edit": "watch!~ name query channel:channel mention:role feeds~",
        **{f"watch {verb}": "watch!~" for verb in ("remove", "pause", "resume", "show")},
        "watch list": "",
        "actor add": "name! aliases",
        "actor edit": "actor!~ name",
        "actor remove": "actor!~",
        "actor list": "",
        "actor show": "actor!~",
        "actor alias add": "actor!~ alias!",
        "actor alias remove": "actor!~ alias!~",
        "latest": "watch~ actor~ query since share:bool",
        "why": "link!",
        "status": "",
        "help": "topic",
    }
    for name, options in wanted.items():
        assert set(options.split()) <= found[name], name
        assert {one for one in found[name] if "!" in one} <= set(options.split()), f"{name} asks for more"
    for command in put.json:
        assert command["contexts"] == [0], "in servers only"
        assert command["integration_types"] == [0], "installed by servers only"
    assert faults_sent(chat.env) == []


KINDS = {3: "", 5: ":bool", 7: ":channel", 8: ":role"}


def options_of(command: dict[str, object], before: str = "") -> list[tuple[str, set[str]]]:
    """Return each command below this one with its options: "!" must be given, "~" is offered while one types, then its kind."""
    name = f"{before} {command['name']}".strip()
    options = command.get("options") or []
    assert isinstance(options, list)
    below = [one for one in options if one["type"] in (1, 2)]
    if below:
        return [found for one in below for found in options_of(one, name)]
    marked = {
        f"{one['name']}{'!' * bool(one.get('required'))}{'~' * bool(one.get('autocomplete'))}{KINDS.get(one['type'], ':?')}"
        for one in options
    }
    return [(name, marked)]


@pytest.mark.parametrize(
    ("typed", "at"),
    [
        ("", NOW - timedelta(days=7)),
        ("24h", NOW - timedelta(hours=24)),
        (" 7d ", NOW - timedelta(days=7)),
        ("2 days", NOW - timedelta(days=2)),
        ("1d 12h", NOW - timedelta(hours=36)),
        ("Week", NOW - timedelta(days=7)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T10:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("100y", NOW - timedelta(days=3 * 366)),
    ],
)
def test_since_is_a_duration_or_a_date(typed: str, at: datetime) -> None:
    assert since_in(typed, NOW) == at


@pytest.mark.parametrize("typed", ["yesterday", "0", "7", "2 moons", "2026-13-01", "2027-01-01", "-1d", "9" * 40])
def test_a_time_that_cannot_be_is_refused(typed: str) -> None:
    with pytest.raises(UserError, match="say 24h, 7d"):
        since_in(typed, NOW)
