"""What one server may not learn of another one, or a member of what they cannot see in Discord, command by command."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import discord
import pytest

from bot.desk_sight import Asker
from bot.desk_watches import WatchDraft
from bot.model import Actor, DeclaredFeed, Watch
from tests.fakes import entry, rows_in

if TYPE_CHECKING:
    from tests.chat_fakes import Chat

OUR_NAME = "Operation Nightfall"


def who(guild_id: int, *, manager: bool = True) -> Asker:
    return Asker(guild_id=guild_id, user_id=1, is_manager=manager, sees=lambda _: True, holds=lambda _: True)


ONE, TWO = who(1), who(2)


def wire(chat: Chat, *entries: str, title: str = "Public wire") -> str:
    old = entry("Old report", chat.site.url("/a/0"), guid="0")
    return chat.site.feed("/a", old, *entries, title=title)


# --- what a server calls a feed ---


@pytest.mark.parametrize("title", ["", "Public wire"])
async def test_what_a_server_calls_a_feed_is_not_how_another_one_reads_it(chat: Chat, title: str) -> None:
    url = wire(chat, title=title)
    assert (await chat.desk.feeds.add(ONE, url, name=OUR_NAME)).feed.name == OUR_NAME
    assert (await chat.desk.feeds.add(TWO, url)).feed.name == (title or chat.site.origin)
    assert OUR_NAME not in str(rows_in(chat.store.path, "SELECT * FROM feeds"))


async def test_an_article_names_its_source_as_each_server_calls_the_feed(chat: Chat) -> None:
    url = wire(chat)
    await chat.desk.feeds.add(ONE, url, name=OUR_NAME)
    for asker, channel in ((ONE, 5), (TWO, 6)):
        await chat.desk.watches.add(asker, WatchDraft(name="W", query="sanctions", place=(channel, 0)))
    chat.clock.move(hours=1)
    link = chat.site.url("/a/1")
    wire(chat, entry("Sanctions report", link, guid="1"))
    await chat.poll_again()
    await chat.desk.feeds.add(TWO, url)
    chat.clock.move(hours=1)
    wire(chat, entry("Sanctions report", link, guid="1"), entry("More sanctions", chat.site.url("/a/2"), guid="2"))
    await chat.poll_again()
    for asker, name in ((ONE, OUR_NAME), (TWO, "Public wire")):
        for latest in (await chat.desk.news.latest(asker), await chat.desk.news.latest(asker, query="sanctions")):
            assert {one.article.source for one in latest.found} == {name}
        assert (await chat.desk.news.why(asker, link)).article.source == name
    cards = rows_in(chat.store.path, "SELECT channel_id, card FROM alerts")
    assert {(channel, json.loads(card)["source"]) for channel, card in cards} == {(5, OUR_NAME), (6, "Public wire")}
    assert OUR_NAME not in str(rows_in(chat.store.path, "SELECT * FROM articles"))


async def test_a_feed_that_the_file_names_too_loses_the_name_that_a_server_gave_it(chat: Chat) -> None:
    url = wire(chat)
    await chat.desk.feeds.add(ONE, url, name=OUR_NAME)
    await chat.store.declare(feeds=[DeclaredFeed(url=url)], actors=[], watches=[], now=chat.clock())
    assert [one.name for one in await chat.desk.feeds.list(TWO)] == ["Public wire"]


# --- what a member cannot see in Discord ---


async def thread(chat: Chat, kind: discord.ChannelType = discord.ChannelType.public_thread) -> discord.Thread:
    me = chat.guild.me
    assert me is not None
    place = me.guild.get_channel(chat.channel.id)
    assert isinstance(place, discord.TextChannel)
    return await place.create_thread(name="a thread", type=kind)


async def test_status_counts_no_alert_of_a_thread_that_the_asker_cannot_see(chat: Chat) -> None:
    place = await thread(chat, discord.ChannelType.private_thread)
    channel_id, thread_id = place.parent_id, place.id
    await chat.ask("watch add", name="Open", query="football")
    hidden = Watch(guild_id=chat.guild.id, name="Hidden", query="sanctions", channel_id=channel_id, thread_id=thread_id)
    await chat.store.chat.add_watch(hidden, by=1, now=chat.clock())
    await chat.desk.watches.ledger.changed()
    await chat.ask("feed add", url=wire(chat))
    wire(chat, entry("Sanctions report", chat.site.url("/a/1"), guid="1"))
    await chat.poll_again()
    with closing(sqlite3.connect(chat.store.path, timeout=10)) as sql:
        paused = (
            "INSERT INTO paused_channels (channel_id, thread_id, reason, paused_at, tries) VALUES (?, ?, 'gone', 0, 1)"
        )
        sql.execute(paused, (channel_id, thread_id))
        sql.commit()
    assert rows_in(chat.store.path, "SELECT count(*) FROM alerts") == [(1,)]
    said = await chat.ask("status", by=chat.ann)
    assert "**Owed** · nothing" in said
    assert "Paused channels" not in said


async def test_a_manager_sees_no_watch_of_a_channel_that_they_cannot_see(chat: Chat) -> None:
    hidden = discord.PermissionOverwrite(view_channel=False)
    secret = chat.guild.create_text_channel("secret", overwrites={chat.guild.default_role: hidden})
    await chat.ask("actor add", name="Anna Orlova")
    await chat.ask("feed add", url=wire(chat))
    watch = Watch(guild_id=chat.guild.id, name="Hidden", query='actor:"Anna Orlova"', channel_id=secret.id, feeds=(1,))
    await chat.store.chat.add_watch(watch, by=1, now=chat.clock())
    await chat.desk.watches.ledger.changed()
    assert "no watch here that you can see" in await chat.ask("watch list")
    assert "There is no watch" in await chat.ask("watch remove", watch="Hidden")
    assert await chat.names("watch edit", "watch") == []
    for said in (
        await chat.ask("actor remove", actor="Anna Orlova"),
        await chat.ask("feed remove", feed="Public wire"),
        await chat.ask("status"),
        await chat.ask("actor show", actor="Anna Orlova"),
    ):
        assert "Hidden" not in said
    assert "a watch in a channel that you cannot see" in await chat.ask("feed remove", feed="Public wire")


async def test_a_watch_in_a_public_thread_is_seen_after_the_thread_was_archived(chat: Chat) -> None:
    place = await thread(chat)
    (handle,) = chat.channel.threads
    await chat.ask("watch add", at=handle, name="W", query="sanctions")
    await place.edit(archived=True)
    assert place.guild.get_thread(place.id) is None
    assert "W" in await chat.ask("watch list", by=chat.ann)


async def test_a_watch_in_a_private_thread_is_seen_in_it_and_by_moderators(chat: Chat) -> None:
    place = await thread(chat, discord.ChannelType.private_thread)
    (handle,) = chat.channel.threads
    for member in (chat.mod, chat.ann):
        await place.add_user(discord.Object(member.id))
    await chat.ask("watch add", at=handle, name="W", query="sanctions")
    assert "W" in await chat.ask("watch list", by=chat.ann, at=handle)
    await place.edit(archived=True)
    assert place.guild.get_thread(place.id) is None
    assert "no watch here" in await chat.ask("watch list", by=chat.ann)
    assert "no watch here" in await chat.ask("watch list"), "a manager may not manage threads"
    moderators = chat.guild.create_role("Moderators", permissions=discord.Permissions(manage_threads=True))
    bob = chat.guild.add_member(chat.env.create_user("bob"), roles=[moderators])
    assert "W" in await chat.ask("watch list", by=bob)


async def test_a_declared_watch_in_a_thread_is_its_servers_after_the_thread_was_archived(chat: Chat) -> None:
    place = await thread(chat)
    (handle,) = chat.channel.threads
    declared = Watch(name="D", query="sanctions", channel_id=place.id)
    await chat.store.declare(feeds=[], actors=[Actor(name="Anna Orlova")], watches=[declared], now=chat.clock())
    await chat.store.chat.settle_homes({place.id: chat.guild.id})
    await place.edit(archived=True)
    assert "Anna Orlova" in await chat.ask("actor list"), "the operator's lists stay this server's"
    assert "D" in await chat.ask("watch list", at=handle)
    assert "no watch here" in await chat.ask("watch list", by=chat.ann)


async def test_a_watch_whose_channel_is_gone_is_its_managers_to_move_or_remove(chat: Chat) -> None:
    watch = Watch(guild_id=chat.guild.id, name="W", query="sanctions", channel_id=5)
    await chat.store.chat.add_watch(watch, by=1, now=chat.clock())
    assert "W" in await chat.ask("watch list")
    assert "no watch here" in await chat.ask("watch list", by=chat.ann)
    assert "Changed" in await chat.ask("watch edit", watch="W", channel=chat.channel)
    assert "W" in await chat.ask("watch list", by=chat.ann)


async def test_declared_actors_are_no_servers_where_no_declared_watch_alerts(chat: Chat) -> None:
    await chat.store.declare(feeds=[], actors=[Actor(name="Anna Orlova")], watches=[], now=chat.clock())
    assert "knows no actor" in await chat.ask("actor list")
    placed = Watch(name="D", query="sanctions", channel_id=chat.channel.id)
    await chat.store.declare(feeds=[], actors=[Actor(name="Anna Orlova")], watches=[placed], now=chat.clock())
    assert "Anna Orlova" in await chat.ask("actor list")


async def test_what_vanished_from_the_file_is_gone_from_chat(chat: Chat) -> None:
    declared = Watch(name="Gone", query="sanctions", channel_id=chat.channel.id)
    await chat.store.declare(feeds=[], actors=[Actor(name="Anna Orlova")], watches=[declared], now=chat.clock())
    assert "declared" in await chat.ask("watch list")
    await chat.store.declare(feeds=[], actors=[Actor(name="Anna Orlova")], watches=[], now=chat.clock())
    assert "no watch here" in await chat.ask("watch list")
    assert "0 on" in await chat.ask("status")
    assert "paused" not in await chat.ask("status")
    assert "knows no actor" in await chat.ask("actor list"), "nothing declared alerts here any more"
    assert "Watching" in await chat.ask("watch add", name="Gone", query="sanctions")
