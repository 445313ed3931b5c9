"""/watch and /actor in a simulated Discord: what is kept and said, what is refused, who may, and who sees what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
import pytest

from bot.model import Actor, Alias, Watch
from bot.workers import Workers
from tests.chat_fakes import Chat, open_chat, said_in
from tests.fakes import Site, entry

if TYPE_CHECKING:
    from pathlib import Path

FOR_MANAGERS = "This is for people with the Manage Server permission: ask one of them."


# --- watches ---


async def test_a_watch_is_saved_at_once_for_the_channel_it_is_asked_in(chat: Chat) -> None:
    said = await chat.ask("watch add", name="Sanctions", query='sanctions Belarus OR "prime minister"')
    assert chat.channel.mention in said
    assert 'any of: ("sanctions" in any form and "Belarus" in any form); the phrase "prime minister"' in said
    (watch,) = await chat.store.watches()
    assert (watch.channel_id, watch.guild_id, watch.origin) == (chat.channel.id, chat.guild.id, "chat")
    assert [one.name for one in chat.pipeline.watching.watches] == ["Sanctions"], "it is in force already"


async def test_a_watch_may_go_to_another_channel_or_thread_and_ping_a_role(chat: Chat) -> None:
    role = chat.guild.create_role("Analysts")
    shy = discord.PermissionOverwrite(mention_everyone=False)
    other = chat.guild.create_text_channel("elsewhere", overwrites={chat.guild.default_role: shy})
    said = await chat.ask("watch add", name="W", query="sanctions", channel=other, mention=role)
    assert other.mention in said
    assert "cannot be pinged by me" in said
    (watch,) = await chat.store.watches()
    assert (watch.channel_id, watch.mention) == (other.id, role.id)
    everyone = chat.guild.default_role
    assert "does not ping everyone" in await chat.ask("watch add", name="E", query="sanctions", mention=everyone)


async def test_a_watch_that_is_made_in_a_thread_alerts_there(chat: Chat) -> None:
    me = chat.guild.me
    assert me is not None
    place = me.guild.get_channel(chat.channel.id)
    assert isinstance(place, discord.TextChannel)
    await place.create_thread(name="Minsk", type=discord.ChannelType.public_thread)
    (thread,) = chat.channel.threads
    said = await chat.ask("watch add", at=thread, name="W", query="sanctions")
    assert thread.mention in said
    (watch,) = await chat.store.watches()
    assert (watch.channel_id, watch.thread_id) == (chat.channel.id, thread.id)
    assert "W" in await chat.ask("watch list", by=chat.ann)


async def test_each_permission_that_the_bot_lacks_is_named(chat: Chat) -> None:
    me = chat.guild.me
    assert me is not None
    deaf = discord.PermissionOverwrite(send_messages=False, embed_links=False, read_message_history=False)
    closed = chat.guild.create_text_channel("closed", overwrites={chat.guild.default_role: deaf})
    said = await chat.ask("watch add", name="W", query="sanctions", channel=closed)
    assert "Send Messages, Embed Links, Read Message History" in said
    assert "View Channel" not in said


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sanctions OR", "⟪"),
        ('"open', "never closed"),
        ("-sport", "name something that must occur"),
        ("lang:en", "name something that must occur"),
        ('actor:"Nobody Here"', "There is no actor"),
        ("a || b", "Write OR"),
    ],
)
async def test_a_faulty_query_is_refused_with_its_place(chat: Chat, query: str, words: str) -> None:
    said = await chat.ask("watch add", name="W", query=query)
    assert words in said
    assert await chat.store.watches() == ()


@pytest.mark.parametrize(
    ("query", "words"),
    [("the", "common word"), ("nato", "NATO it is the acronym")],
)
async def test_a_doubtful_query_is_kept_with_a_warning(chat: Chat, query: str, words: str) -> None:
    await chat.ask("actor add", name="Orlov")
    assert words in await chat.ask("watch add", name="W", query=query)
    assert len(await chat.store.watches()) == 1


async def test_a_clear_query_is_not_warned_of(chat: Chat) -> None:
    assert "⚠" not in await chat.ask("watch add", name="W", query="sanctions NATO")


async def test_a_watch_is_limited_to_feeds(chat: Chat) -> None:
    for path, title in (("/a", "First wire"), ("/b", "Second wire")):
        url = chat.site.feed(path, entry("Old", chat.site.url(f"{path}/0"), guid="0"), title=title)
        await chat.ask("feed add", url=url)
    assert "Only from: Second wire" in await chat.ask("watch add", name="W", query="report", feeds="second wire")
    for path, title in (("/a", "First wire"), ("/b", "Second wire")):
        entries = [
            entry("Old", chat.site.url(f"{path}/0"), guid="0"),
            entry(f"Report {path}", chat.site.url(f"{path}/1"), guid="1"),
        ]
        chat.site.feed(path, *entries, title=title)
    await chat.poll_again()
    latest = await chat.ask("latest")
    assert "Report /b" in latest
    assert "Report /a" not in latest
    assert "Closest: First wire" in await chat.ask("watch edit", watch="W", feeds="first wir")
    assert "Only from" not in await chat.ask("watch edit", watch="W", feeds="all")
    assert await chat.names("watch add", "feeds", "First wire, sec", name="x", query="y") == ["First wire, Second wire"]


async def test_a_watch_is_changed_piece_by_piece(chat: Chat) -> None:
    role = chat.guild.create_role("Analysts", mentionable=True)
    await chat.ask("watch add", name="W", query="sanctions", mention=role)
    await chat.ask("watch edit", watch="w", name="Better")
    await chat.ask("watch edit", watch="Better", query="embargo")
    (watch,) = await chat.store.watches()
    assert (watch.name, watch.query, watch.mention) == ("Better", "embargo", role.id)
    await chat.ask("watch edit", watch="Better", mention_off=True)
    assert (await chat.store.watches())[0].mention == 0
    assert "not both" in await chat.ask("watch edit", watch="Better", mention=role, mention_off=True)
    assert "Say what to change" in await chat.ask("watch edit", watch="Better")
    assert "⟪" in await chat.ask("watch edit", watch="Better", query="(embargo")
    assert (await chat.store.watches())[0].query == "embargo"
    other = chat.guild.create_text_channel("elsewhere")
    assert other.mention in await chat.ask("watch edit", watch="Better", channel=other)
    await chat.ask("watch add", name="Second", query="sanctions")
    assert "already" in await chat.ask("watch edit", watch="Second", name="BETTER")


async def test_a_watch_is_paused_resumed_and_removed(chat: Chat) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    assert "Paused" in await chat.ask("watch pause", watch="W")
    assert await chat.store.watches() == ()
    assert "paused" in await chat.ask("watch list")
    assert "paused already" in await chat.ask("watch pause", watch="W")
    assert "On again" in await chat.ask("watch resume", watch="W")
    assert "is not paused" in await chat.ask("watch resume", watch="W")
    assert "Kept" in await chat.confirm("watch remove", "Keep", watch="W")
    assert "`sanctions`" in await chat.confirm("watch remove", "Remove the watch", watch="W")
    assert "no watch here" in await chat.ask("watch list")
    assert "There is no watch" in await chat.ask("watch show", watch="W")


async def test_the_id_of_a_removed_watch_is_never_used_again(chat: Chat) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    before = (await chat.store.watches())[0].id
    await chat.confirm("watch remove", "Remove the watch", watch="W")
    await chat.ask("watch add", name="W", query="sanctions")
    assert (await chat.store.watches())[0].id > before


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("watch add", {"name": "New", "query": "sanctions"}),
        ("watch edit", {"watch": "W", "query": "x1"}),
        ("watch remove", {"watch": "W"}),
        ("watch pause", {"watch": "W"}),
        ("watch resume", {"watch": "W"}),
        ("actor add", {"name": "New"}),
        ("actor edit", {"actor": "Anna Orlova", "name": "New"}),
        ("actor remove", {"actor": "Anna Orlova"}),
        ("actor alias add", {"actor": "Anna Orlova", "alias": "New"}),
        ("actor alias remove", {"actor": "Anna Orlova", "alias": "A. Orlova"}),
    ],
)
async def test_a_member_changes_nothing_but_may_look(chat: Chat, command: str, options: dict[str, Any]) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    await chat.ask("actor add", name="Anna Orlova", aliases="A. Orlova")
    assert await chat.ask(command, by=chat.ann, **options) == FOR_MANAGERS
    assert "W" in await chat.ask("watch list", by=chat.ann)
    assert "sanctions" in await chat.ask("watch show", by=chat.ann, watch="W")
    assert "A. Orlova" in await chat.ask("actor list", by=chat.ann)
    assert "A. Orlova" in await chat.ask("actor show", by=chat.ann, actor="Anna Orlova")


async def test_a_button_checks_the_rights_anew(chat: Chat) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    result = await chat.mod.slash(chat.channel, "watch remove", watch="W")
    assert result.response is not None
    chat.demote()
    await chat.mod.click(result.response, label="Remove the watch")
    assert said_in(result) == FOR_MANAGERS
    assert len(await chat.store.watches()) == 1


async def test_nobody_sees_a_watch_whose_channel_they_cannot_see(chat: Chat) -> None:
    hidden = discord.PermissionOverwrite(view_channel=False)
    shown = discord.PermissionOverwrite(view_channel=True)
    secret = chat.guild.create_text_channel("secret", overwrites={chat.guild.default_role: hidden, chat.mod: shown})
    await chat.ask("watch add", name="Hidden", query="sanctions", channel=secret)
    await chat.ask("watch add", name="Open", query="embargo")
    assert "Hidden" in await chat.ask("watch list")
    assert "Hidden" not in await chat.ask("watch list", by=chat.ann)
    assert await chat.names("watch show", "watch", by=chat.ann) == ["Open"]
    assert "There is no watch" in await chat.ask("watch show", by=chat.ann, watch="Hidden")
    assert "There is no watch" in await chat.ask("latest", by=chat.ann, watch="Hidden")


async def test_servers_see_nothing_of_each_other(chat: Chat) -> None:
    other = chat.env.create_guild(name="Other")
    place = other.create_text_channel("there")
    role = other.create_role("Desk", permissions=discord.Permissions(manage_guild=True))
    boss = other.add_member(chat.env.create_user("boss"), roles=[role])
    url = chat.site.feed("/feed", entry("Old", chat.site.url("/0"), guid="0"))
    await chat.ask("feed add", url=url)
    await chat.ask("watch add", name="Mine", query="report")
    await chat.ask("actor add", name="Anna Orlova")
    for command, words in (
        ("watch list", "no watch here"),
        ("actor list", "knows no actor"),
        ("feed list", "no feed yet"),
    ):
        assert words in await chat.ask(command, by=boss, at=place)
    for command in ("watch pause", "watch show", "watch remove"):
        assert "There is no watch" in await chat.ask(command, by=boss, at=place, watch="Mine")
    assert "There is no actor" in await chat.ask("actor show", by=boss, at=place, actor="Anna Orlova")
    assert "There is no actor" in await chat.ask("watch add", by=boss, at=place, name="x", query="actor:Orlova")
    await chat.ask("watch add", by=boss, at=place, name="Mine", query="report")
    chat.site.feed("/feed", entry("Old", chat.site.url("/0"), guid="0"), entry("Report", chat.site.url("/1"), guid="1"))
    await chat.poll_again()
    assert "Report" in await chat.ask("latest")
    assert "Nothing since" in await chat.ask("latest", by=boss, at=place)
    assert "Nothing since" in await chat.ask("latest", by=boss, at=place, query="report")
    assert "No feed that this server hears" in await chat.ask("why", by=boss, at=place, link=chat.site.url("/1"))
    asked = len(chat.site.asked)
    assert "is heard here" in await chat.ask("feed add", by=boss, at=place, url=url)
    assert len(chat.site.asked) == asked, "a feed is polled once for all"
    assert len(await chat.store.feeds()) == 1


async def test_declared_watches_are_shown_where_they_alert_and_changed_in_the_file(tmp_path: Path, site: Site) -> None:
    async with Workers() as workers, open_chat(tmp_path, site, workers) as chat:
        here = Watch(name="Declared", query="sanctions", channel_id=chat.channel.id)
        away = Watch(name="Elsewhere", query="sanctions", channel_id=chat.channel.id + 1)
        actors = [Actor(name="Anna Orlova", aliases=(Alias(text="A. Orlova"),))]
        await chat.store.declare(feeds=[], actors=actors, watches=[here, away], now=chat.clock())
        listed = await chat.ask("watch list")
        assert "Declared" in listed
        assert "declared" in listed
        assert "Elsewhere" not in listed
        for command, words in (("watch pause", "[[watches]]"), ("watch remove", "[[watches]]")):
            assert words in await chat.ask(command, watch="Declared")
        assert "[[watches]]" in await chat.ask("watch edit", watch="Declared", query="x1")
        assert "declares a watch" in await chat.ask("watch add", name="declared", query="sanctions")
        assert await chat.names("watch edit", "watch") == []
        assert await chat.names("watch show", "watch") == ["Declared"]
        assert "[[actors]]" in await chat.ask("actor remove", actor="Anna Orlova")
        assert "[[actors]]" in await chat.ask("actor alias add", actor="Anna Orlova", alias="Anna O.")
        said = await chat.ask("watch add", name="W", query='actor:"A. Orlova"')
        assert "A. Orlova in any known spelling" in said


# --- actors ---


async def test_an_actor_is_added_shown_and_named_in_a_query(chat: Chat) -> None:
    assert "A. Orlova" in await chat.ask("actor add", name="Anna Orlova", aliases="A. Orlova; Orlova Anna, A. Orlova")
    await chat.ask("watch add", name="Orlova", query='actor:"Anna Orlova"')
    shown = await chat.ask("actor show", actor="anna orlova")
    assert "Named by: Orlova" in shown
    assert "• Orlova Anna" in shown
    assert "already" in await chat.ask("actor add", name="ANNA ORLOVA")
    assert "at least one letter" in await chat.ask("actor add", name="***")
    assert "too short" in await chat.ask("actor add", name="Boris Orlov", aliases="x")
    assert await chat.names("actor show", "actor", "orl") == ["Anna Orlova"]


async def test_aliases_come_and_go(chat: Chat) -> None:
    await chat.ask("actor add", name="Anna Orlova")
    assert "also Orlowa" in await chat.ask("actor alias add", actor="Anna Orlova", alias="Orlowa")
    assert "already" in await chat.ask("actor alias add", actor="Anna Orlova", alias="orlowa")
    assert await chat.names("actor alias remove", "alias", "orl", actor="Anna Orlova") == ["Orlowa"]
    assert "Its aliases: Orlowa" in await chat.ask("actor alias remove", actor="Anna Orlova", alias="Orlov")
    said = await chat.confirm("actor alias remove", "Remove the alias", actor="Anna Orlova", alias="ORLOWA")
    assert "Removed" in said
    assert "also" not in await chat.ask("actor show", actor="Anna Orlova")


async def test_a_renamed_actor_keeps_its_watches(chat: Chat) -> None:
    await chat.ask("actor add", name="Anna Orlova")
    await chat.ask("watch add", name="W", query='actor:"Anna Orlova"')
    assert "also Anna Orlova" in await chat.ask("actor edit", actor="Anna Orlova", name="Anna Petrova")
    assert chat.pipeline.watching.matcher.faults == ()
    assert "Say what to change" in await chat.ask("actor edit", actor="Anna Petrova")
    said = await chat.confirm("actor alias remove", "Remove the alias", actor="Anna Petrova", alias="Anna Orlova")
    assert 'The watch "W" could not be read any more' in said


async def test_an_actor_that_a_watch_names_is_not_removed(chat: Chat) -> None:
    await chat.ask("actor add", name="Anna Orlova")
    await chat.ask("watch add", name="W", query='actor:"Anna Orlova"')
    assert "is named by W" in await chat.ask("actor remove", actor="Anna Orlova")
    await chat.confirm("watch remove", "Remove the watch", watch="W")
    assert "Removed" in await chat.confirm("actor remove", "Remove the actor", actor="Anna Orlova")
    assert "knows no actor" in await chat.ask("actor list")


async def test_hostile_names_neither_mention_nor_format(chat: Chat) -> None:
    name = "@everyone <@&123> [a](http://evil.example) **x**"
    result = await chat.mod.slash(chat.channel, "watch add", name=name, query="sanctions")
    assert result.response is not None
    assert "<@&123>" not in result.response.content
    assert "@everyone" not in result.response.content
    assert "](http" not in result.response.content.replace("\\]", "")


async def test_a_second_press_of_a_button_is_answered(chat: Chat) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    result = await chat.mod.slash(chat.channel, "watch remove", watch="W")
    assert result.response is not None
    view = next(
        one for one in chat.env.bot._connection._view_store._views.values()
    )  # simcord refuses to press what is gone
    stopped = next(iter(view.values())).view
    assert stopped is not None
    stopped.stop()
    pressed = await chat.mod.click(result.response, label="Remove the watch")
    assert "run the command again" in said_in(pressed)
    assert "W" in await chat.ask("watch list")


async def test_a_name_that_the_file_gives_too_stays_ours_and_the_other_is_called_declared(chat: Chat) -> None:
    await chat.ask("watch add", name="Same", query="sanctions")
    long = f"Long {'x' * 120}"
    declared = [
        Watch(name=name, query="embargo", channel_id=chat.channel.id) for name in ("Same", "Two  Words", "Mine", long)
    ]
    await chat.store.declare(feeds=[], actors=[], watches=declared, now=chat.clock())
    await chat.desk.watches.ledger.changed()
    offered = await chat.names("watch show", "watch")
    assert len(offered) == 5
    assert {"Same", "Same · declared", "Two Words"} < set(offered)
    for name in offered:
        assert "There is no" not in await chat.ask("watch show", watch=name), name
    assert "embargo" in await chat.ask("watch show", watch="Same · declared")
    assert "Two  Words" not in offered
    assert "Changed" in await chat.ask("watch edit", watch="Same", query="tariff")
    assert "Paused" in await chat.ask("watch pause", watch="Same")
    assert "declares a watch" in await chat.ask("watch edit", watch="Same", name="two  words")
    assert "Removed" in await chat.confirm("watch remove", "Remove the watch", watch="Same")
    assert await chat.names("watch edit", "watch") == []


async def test_feeds_that_name_none_are_refused(chat: Chat) -> None:
    assert "Say which feeds" in await chat.ask("watch add", name="W", query="sanctions", feeds=" , ")
    assert await chat.store.watches() == ()
