"""Promises 4 and 6 at wire level, for what comes back: channels, edits, sessions, reloads; nothing is held up, told twice or forgotten."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.fakes import entry, until
from tests.standin import Fault
from tests.wire_fakes import SANCTIONS, SEND, Desk, desk_in, titles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.standin import Member
    from tests.wire_fakes import Bot


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path) as opened:
        yield opened


async def test_6_a_channel_that_goes_on_refusing_is_not_tried_again_until_something_changed_there(desk: Desk) -> None:
    """Where the rights look fine and Discord refuses all the same: not at a restart, not because of another channel."""
    discord = desk.discord
    desk.watch("One", SANCTIONS, discord.alerts)
    desk.watch("Two", SANCTIONS, discord.general)
    desk.configure()
    path = f"/channels/{discord.alerts.id}/messages"
    refused = discord.fail(Fault("status", "POST", path, status=403, code=50013, times=-1))
    async with desk.bot() as bot:
        desk.publish("Sanctions, part 0")
        await desk.posted(1, discord.log)
        await bot.stop()
    async with desk.bot():
        for number in range(3):
            discord.allow(discord.general, "SEND_MESSAGES")
            desk.publish(f"Sanctions, part {number + 1}")
            await desk.posted(number + 2, discord.general)
        assert refused.hits == 1
        discord.allow(discord.alerts, "MANAGE_MESSAGES")
        await until(lambda: refused.hits == 2)
        refused.times = 0
        discord.allow(discord.alerts, "MENTION_EVERYONE")
        await desk.settled(8)
    assert len(titles(discord.messages(discord.alerts))) == 4
    assert len(discord.messages(discord.log)) == 1


async def test_4_nine_channels_that_are_limited_hold_up_no_tenth_and_edits_hold_up_no_post(desk: Desk) -> None:
    discord = desk.discord
    limited = [discord.add_channel(discord.guild, f"desk-{number}") for number in range(9)]
    for number, channel in enumerate([*limited, discord.alerts]):
        desk.watch(f"Watch {number}", SANCTIONS, channel)
    desk.configure()
    async with desk.bot():
        link = desk.publish("Sanctions, part 0")
        await desk.settled(10)
        for channel in limited:
            path = f"/channels/{channel.id}/messages"
            discord.fail(Fault("429", "POST", path, form="route", retry_after_s=25, times=-1))
            discord.fail(Fault("429", "PATCH", f"{path}/*", form="route", retry_after_s=25, times=-1))
        desk.entries[0] = entry("Sanctions, part 0", link, guid="guid-0", text="Quite another text on sanctions.")
        desk.publish("Sanctions, part 1")
        await desk.posted(2, limit_s=15)
        first, _ = discord.messages(discord.alerts)
        await until(lambda: bool(first.edits), limit_s=15)


async def test_what_came_late_still_says_so_when_it_is_edited_and_pings_nobody(desk: Desk) -> None:
    desk.head = "[alerts]\nlate_after = '60s'"
    desk.watch("One", SANCTIONS, desk.discord.alerts, desk.discord.desk.id)
    desk.configure()
    down = desk.discord.fail(Fault("refuse", "*", "*", times=-1))
    async with desk.bot(connected=False) as bot:
        link = desk.publish("New sanctions")
        await until(lambda: desk.count("SELECT count(*) FROM alerts") == 1)
        await bot.stop()
    desk.set_back(hours=7)
    down.times = 0
    async with desk.bot():
        await desk.settled(1)
        desk.site.feed("/feed", entry("New sanctions", link, guid="guid-0", text="Quite another text on sanctions."))
        (message,) = desk.discord.messages(desk.discord.alerts)
        await until(lambda: bool(message.edits))
    assert "late: could not be delivered for 7 hours" in message.body["embeds"][0]["description"]
    assert "<@&" not in (message.body.get("content") or "")


async def test_4_a_session_is_taken_up_where_it_was_begun_and_begun_anew_without_the_database(desk: Desk) -> None:
    """READY leads elsewhere, or nowhere; a session is invalid; the database is held by another program."""
    desk.configure()
    gateway, journal = desk.discord.gateway, desk.discord.journal
    gateway.resume_url = "ws://127.0.0.1:9/"
    async with desk.bot():
        for resumed, end in enumerate((gateway.drop(), gateway.invalidate(resumable=True), gateway.reconnect()), 1):
            await end
            await until(lambda resumed=resumed: len(journal.resumed_at_s) == resumed and gateway.connected)  # type: ignore[misc]  # a default is a capture
        gateway.resume_url = None
        with closing(sqlite3.connect(desk.folder / "wirewatch.db", isolation_level=None)) as sql:
            sql.execute("BEGIN IMMEDIATE")
            gateway.forget()
            await gateway.drop(4000)
            await until(lambda: len(journal.identified_at_s) == 2 and gateway.connected, limit_s=30)
        answer = await (await desk.discord.slash("status")).wait()
        assert answer.text


async def test_4_a_bot_that_was_started_forty_times_today_is_connected_at_once(desk: Desk) -> None:
    desk.configure()
    async with desk.bot() as bot:
        await bot.stop()
    with closing(sqlite3.connect(desk.folder / "wirewatch.db")) as sql:
        (times,) = sql.execute("SELECT value FROM notes WHERE key = 'identified'").fetchone()
        sql.execute("UPDATE notes SET value = ? WHERE key = 'identified'", (f"[{', '.join([times[1:-1]] * 40)}]",))
        sql.commit()
    async with desk.bot():
        assert (await (await desk.discord.slash("status")).wait()).text


async def test_9_a_reload_gives_a_role_the_right_to_change_things_and_takes_it_away(desk: Desk) -> None:
    editor = desk.discord.add_member(desk.discord.guild, "editor", desk.discord.desk)
    desk.configure()
    config = desk.folder / "config.toml"
    plain = config.read_text(encoding="utf-8")
    async with desk.bot() as bot:
        assert "Manage Server" in await asked(desk, editor)
        for text, may in (
            (plain.replace("[discord]", f"[discord]\nmanager_role = {desk.discord.desk.id}"), True),
            (plain, False),
        ):
            config.write_text(text, encoding="utf-8")
            await reloaded(bot)
            assert ("Manage Server" not in await asked(desk, editor)) is may
        config.write_text(
            plain.replace("[fetch]", f"manager_role = {desk.discord.desk.id}\n[fetch]\nsurprise = 1"), encoding="utf-8"
        )
        bot.process.send_signal(signal.SIGHUP)
        await bot.heard("not reloaded")
        assert "Manage Server" in await asked(desk, editor)


async def asked(desk: Desk, who: Member) -> str:
    """Return what somebody is answered who wants to change something that is not there."""
    return (await (await desk.discord.slash("watch remove", {"watch": "Nothing"}, by=who, force=True)).wait()).text


async def reloaded(bot: Bot) -> None:
    """Have the configuration read again."""
    before = sum("reloaded: " in line for line in bot.said)
    bot.process.send_signal(signal.SIGHUP)
    await until(lambda: sum("reloaded: " in line for line in bot.said) > before)


async def test_8_intents_that_are_refused_end_it_with_one_line(desk: Desk) -> None:
    desk.configure()
    async with desk.bot() as bot:
        await desk.discord.gateway.drop(4013)
        assert await bot.process.wait() == 1
        await bot.heard("Discord refuses the bot's intents")


async def test_4_an_accepted_post_without_an_answer_is_found_though_its_nonce_is_forgotten(desk: Desk) -> None:
    desk.watch("One", SANCTIONS, desk.discord.alerts)
    desk.configure()
    cut = desk.discord.fail(Fault("cut", "POST", SEND))
    look = desk.discord.fail(Fault("delay", "GET", SEND, seconds=0.3))
    async with desk.bot():
        desk.publish("New sanctions")
        await until(lambda: cut.hits > 0)
        desk.discord.wipe_nonces()
        await desk.settled(1)
    assert look.hits == 1
    assert titles(desk.discord.messages(desk.discord.alerts)) == ["New sanctions"]
