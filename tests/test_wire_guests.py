"""Promises 6, 8 and 9 at wire level: what bad company costs, what one server keeps from another, what goes when one is left for good."""

from __future__ import annotations

import asyncio
import gzip
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import psutil

from tests.fakes import Reply, until
from tests.wire_fakes import SANCTIONS, desk_in, titles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.standin import Channel, Member
    from tests.standin.people import OptionValue
    from tests.wire_fakes import Bot, Desk

MIB = 1024 * 1024
BOMB_MIB = 96
SPARED_MIB = 48  # what the process may grow by meanwhile: half a bomb's size, and many times what it takes to read one
XML = "application/rss+xml"
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True))
    + "]><rss version='2.0'><channel><title>&i;</title><item><title>&i;</title></item></channel></rss>"
)


def bad_company() -> dict[str, Reply]:
    """Return what hostile and broken feeds answer, by path."""
    return {
        "/bomb": Reply(
            body=gzip.compress(b"<rss>" + b" " * BOMB_MIB * MIB), content_type=XML, headers={"Content-Encoding": "gzip"}
        ),
        "/silent": Reply(body=b"<rss/>", content_type=XML, delay_s=30.0),
        "/laughs": Reply(body=LAUGHS.encode(), content_type=XML),
        "/deep": Reply(body=b"<rss>" + b"<a>" * 200_000, content_type=XML),
        "/page": Reply(body=b"<!doctype html><title>Sign in</title>" + b"<a href='/x'>x</a>" * 50_000),
        "/noise": Reply(body=bytes(range(256)) * 400, content_type=XML),
        "/broken": Reply(body=b"", status=500),
    }


async def test_8_feeds_that_are_hostile_or_broken_cost_the_good_one_nothing(tmp_path: Path) -> None:
    async with desk_in(tmp_path) as desk:
        desk.watch("One", SANCTIONS, desk.discord.alerts)
        bad = bad_company()
        for path, reply in bad.items():
            desk.site.put(path, reply)
        desk.configure("/feed")
        async with desk.bot() as bot:
            calm = memory_mib(bot)
            desk.configure(*bad, "/feed")
            await reloaded(bot)
            for number in range(4):
                desk.publish(f"Sanctions, part {number}")
                await desk.posted(number + 1)
            wanted = len(bad) - 1  # the silent one is still waited for
            await until(lambda: desk.count("SELECT count(*) FROM feeds WHERE last_error <> ''") >= wanted)
            desk.publish("Sanctions, part 4")
            await desk.posted(5)
            assert memory_mib(bot) - calm < SPARED_MIB
            answer = await (await desk.discord.slash("feed list")).wait()
            assert "500" in answer.text
            await desk.settled(5)
            assert await bot.stop() == 0
        assert titles(desk.discord.messages(desk.discord.alerts)) == [
            f"Sanctions, part {number}" for number in range(5)
        ]


def memory_mib(bot: Bot) -> float:
    """Return what the bot's own process takes, its workers left out: these have limits of their own."""
    return float(psutil.Process(bot.process.pid).memory_info().rss) / MIB


async def reloaded(bot: Bot) -> None:
    """Have the bot read its configuration anew."""
    bot.process.send_signal(signal.SIGHUP)
    await bot.heard("reloaded: ")


SECRETS = ("Harbour secret", "Council report", "Quiet wire", "hushhush", "anna", "Maria Example", "Masha Example")
LOOKS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("watch list", {}),
    ("watch show", {"watch": "Harbour secret"}),
    ("feed list", {}),
    ("feed test", {"feed": "Quiet wire"}),
    ("actor list", {}),
    ("actor show", {"actor": "Maria Example"}),
    ("latest", {}),
    ("latest", {"watch": "Harbour secret"}),
    ("latest", {"actor": "Maria Example"}),
    ("latest", {"query": '="council"'}),
    ("status", {}),
)
TYPED = (("watch show", "watch", "Har"), ("feed test", "feed", "Qui"), ("actor show", "actor", "Mar"))


async def test_9_no_server_sees_a_watch_a_private_feed_or_a_name_list_of_another(tmp_path: Path) -> None:
    async with desk_in(tmp_path) as desk:
        other = desk.discord.add_guild("Other")
        there = desk.discord.add_channel(other, "news")
        them = other.members[other.owner_id]
        desk.configure("/unheard")
        desk.site.feed("/unheard")
        async with desk.bot():
            link = await confide(desk)
            for line, options in LOOKS:
                await nothing_of(desk, SECRETS, line, options, by=them, channel=there)
            await nothing_of(desk, SECRETS, "why", {"link": link}, by=them, channel=there)
            for line, option, typed in TYPED:
                found = await desk.discord.autocomplete(line, option, typed, by=them, channel=there)
                assert found.choices == [], line
                assert len((await desk.discord.autocomplete(line, option, typed)).choices) == 1, line
            status = await (await desk.discord.slash("status", by=them, channel=there)).wait()
            assert "0 on" in status.text
            assert "0 sent" in status.text
        assert desk.discord.messages(there) == []


async def test_9_a_member_sees_no_watch_whose_channel_is_closed_to_them(tmp_path: Path) -> None:
    async with desk_in(tmp_path) as desk:
        desk.configure("/unheard")
        desk.site.feed("/unheard")
        desk.discord.deny(desk.discord.alerts, "VIEW_CHANNEL", who=desk.discord.reader)
        async with desk.bot():
            link = await confide(desk, channel=desk.discord.alerts)
            secrets = ("Harbour secret",)
            for line, options in (*LOOKS, ("why", {"link": link})):
                await nothing_of(desk, secrets, line, options, by=desk.discord.reader, channel=desk.discord.general)
            found = await desk.discord.autocomplete("watch show", "watch", "Har", by=desk.discord.reader)
            assert found.choices == []
            latest = await (await desk.discord.slash("latest", by=desk.discord.reader)).wait()
            assert "Council report" not in latest.text
            status = await (await desk.discord.slash("status", by=desk.discord.reader)).wait()
            assert "0 on" in status.text
            assert "0 sent" in status.text


async def confide(desk: Desk, *, channel: Channel | None = None) -> str:
    """Let the first server have a feed with a password, an actor and a watch of its own, which fires; return the article's link."""
    place = channel or desk.discord.general
    desk.site.feed("/quiet", title="Quiet wire itself")
    url = desk.site.url("/quiet").replace("://", "://anna:hushhush@")
    asked: tuple[tuple[str, dict[str, OptionValue]], ...] = (
        ("feed add", {"url": url, "name": "Quiet wire"}),
        ("actor add", {"name": "Maria Example", "aliases": "Masha Example"}),
        ("watch add", {"name": "Harbour secret", "query": '="council"', "channel": place}),
    )
    for line, options in asked:
        said = await (await desk.discord.slash(line, options)).wait()
        assert said.ephemeral
        assert "hushhush" not in said.text
    link = desk.publish("Council report", feed="/quiet")
    await desk.posted(1, place)
    await desk.settled(1)
    return link


async def nothing_of(
    desk: Desk, secrets: tuple[str, ...], line: str, options: Mapping[str, str], *, by: Member, channel: Channel
) -> None:
    """Assert that an answer is private and holds none of these; a name that was asked for may be said back."""
    answer = await (await desk.discord.slash(line, dict(options), by=by, channel=channel)).wait()
    said = answer.text.replace("\\", "")
    for name in options.values():
        said = said.replace(f'"{name}"', "").replace(f"“{name}”", "")
    assert answer.ephemeral
    assert said
    assert not [secret for secret in secrets if secret in said], (line, said)


async def test_6_what_a_server_had_rests_when_the_bot_is_removed_and_goes_after_thirty_days(tmp_path: Path) -> None:
    async with desk_in(tmp_path) as desk:
        other = desk.discord.add_guild("Other")
        there = desk.discord.add_channel(other, "news")
        them = other.members[other.owner_id]
        desk.watch("Declared", SANCTIONS, desk.discord.general)
        desk.configure()
        async with desk.bot() as bot:
            theirs: dict[str, OptionValue] = {"name": "Theirs", "query": SANCTIONS, "channel": there}
            await (await desk.discord.slash("watch add", theirs, by=them, channel=there)).wait()
            desk.publish("Sanctions, part 0")
            await desk.posted(1, there)
            await desk.posted(1, desk.discord.general)
            desk.discord.remove_guild(other)
            await bot.heard("removed from server")
            desk.publish("Sanctions, part 1")
            await desk.posted(2, desk.discord.general)
            assert await bot.stop() == 0
        await begin_after(desk, days=29)
        assert desk.count("SELECT count(*) FROM watches WHERE name = 'Theirs'") == 1
        async with desk.bot():
            assert desk.count("SELECT count(*) FROM watches WHERE name = 'Theirs'") == 1
        await begin_after(desk, days=31)
        async with desk.bot():
            await until(lambda: desk.count("SELECT count(*) FROM watches WHERE name = 'Theirs'") == 0)
            desk.discord.restore_guild(other)
            desk.publish("Sanctions, part 2")
            await desk.posted(3, desk.discord.general)
            shown = await (await desk.discord.slash("watch list", by=them, channel=there)).wait()
            assert "Theirs" not in shown.text
        assert titles(desk.discord.messages(there)) == ["Sanctions, part 0"]
        assert desk.count("SELECT count(*) FROM watches WHERE name = 'Declared'") == 1


async def begin_after(desk: Desk, *, days: int) -> None:
    """Let it be so many days since the bot was removed; while nobody runs."""

    def set_back() -> None:
        with closing(sqlite3.connect(desk.folder / "wirewatch.db", timeout=10)) as sql:
            sql.execute("UPDATE guilds_left SET left_at = unixepoch() * 1000 - ?", (days * 86_400_000,))
            sql.commit()

    await asyncio.to_thread(set_back)
