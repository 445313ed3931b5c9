"""The promises of the contract, by number, at wire level: once, in time, to whom, whatever the text; the end; servers left."""

from __future__ import annotations

import signal
import time

import pytest

from tests.fakes import entry, until
from tests.standin import Fault
from tests.wire_fakes import SANCTIONS, SEND, Desk, titles


async def test_1_nothing_old_is_told_and_twins_and_two_watches_are_told_once(desk: Desk) -> None:
    desk.publish("Old sanctions")
    desk.watch("One", SANCTIONS, desk.discord.alerts)
    desk.watch("Two", '="council"', desk.discord.alerts)
    desk.watch("Elsewhere", SANCTIONS, desk.discord.general)
    desk.site.feed("/second")
    desk.configure("/feed", "/second")
    async with desk.bot() as bot:
        link = desk.publish("New sanctions")
        desk.site.feed(
            "/second",
            entry("New sanctions", f"{link}?utm_source=rss", guid="x", text="The council agreed on sanctions."),
        )
        (message,) = await desk.posted(1)
        await desk.posted(1, desk.discord.general)
        desk.publish("Further sanctions")
        await desk.posted(2)
        await desk.settled(4)
        assert await bot.stop() == 0
    assert titles(desk.discord.messages(desk.discord.alerts)) == ["New sanctions", "Further sanctions"]
    assert titles(desk.discord.messages(desk.discord.general)) == ["New sanctions", "Further sanctions"]
    assert "“sanctions” (headline, text) — One" in message.body["embeds"][0]["description"]
    assert "— Two" in message.body["embeds"][0]["description"]


async def test_1_an_edited_article_edits_its_alert_and_a_new_watch_on_it_answers_it(desk: Desk) -> None:
    desk.watch("One", SANCTIONS, desk.discord.alerts)
    desk.watch("Two", '="ferries"', desk.discord.alerts)
    desk.configure()
    async with desk.bot():
        link = desk.publish("New sanctions")
        (first,) = await desk.posted(1)
        desk.site.feed(
            "/feed",
            entry("New sanctions", link, guid="guid-0", text="After long sanctions talks the ferries sail again."),
        )
        answer = (await desk.posted(2))[1]
        await until(lambda: bool(first.edits))
        assert answer.body["message_reference"]["message_id"] == first.id
        assert "After long **sanctions** talks" in first.body["embeds"][0]["description"]


async def test_2_what_was_fetched_stands_there_within_fifteen_seconds_with_all_that_belongs_to_it(desk: Desk) -> None:
    desk.watch("One", SANCTIONS, desk.discord.alerts)
    desk.configure()
    async with desk.bot():
        began = time.monotonic()
        link = desk.publish("New sanctions")
        (message,) = await desk.posted(1)
        assert time.monotonic() - began < 15
    (embed,) = message.body["embeds"]
    assert (embed["title"], embed["url"], embed["author"]["name"]) == ("New sanctions", link, "Sample wire")
    assert embed["timestamp"]
    assert "The council agreed on **sanctions**." in embed["description"]
    assert "teaser only" in embed["description"]
    assert "“sanctions”" in embed["description"]


async def test_3_it_pings_the_roles_of_the_watches_that_matched_and_nobody_else(desk: Desk) -> None:
    desk.watch("One", SANCTIONS, desk.discord.alerts, desk.discord.desk.id)
    desk.watch("Quiet", '="ferries"', desk.discord.alerts)
    desk.configure()
    hostile = f"<@&{desk.discord.desk.id}> @everyone <@{desk.discord.reader.id}> [bank](http://evil.example) **b** `c` \u202egpj"
    async with desk.bot():
        desk.publish(f"Ferries {hostile}", f"The ferries sail. {hostile}")
        (quiet,) = await desk.posted(1)
        desk.publish(f"Sanctions {hostile}", f"The sanctions hold. {hostile} " + "word " * 3000)
        loud = (await desk.posted(2))[1]
    (ping,) = desk.discord.journal.pings
    assert (ping.message_id, ping.roles, ping.users, ping.everyone) == (loud.id, (desk.discord.desk.id,), (), False)
    for message in (quiet, loud):
        assert message.body["allowed_mentions"]["parse"] == []
        (embed,) = message.body["embeds"]
        for text in (embed["title"], embed["description"]):
            assert not [sign for sign in ("<@", "@everyone", "[bank](", "\u202e") if sign in text]
    assert all(each.body["allowed_mentions"]["parse"] == [] for each in desk.discord.journal.to("POST", SEND))


async def test_5_on_sigterm_what_is_on_its_way_is_finished_and_a_second_instance_is_refused(desk: Desk) -> None:
    desk.watch("One", SANCTIONS, desk.discord.alerts)
    desk.configure()
    slow = desk.discord.fail(Fault("delay", "POST", SEND, seconds=1.5))
    async with desk.bot() as bot:
        second = await desk.start()
        assert await second.process.wait() == 1
        await second.end()
        assert len(second.said) == 1
        assert str(bot.process.pid) in second.said[0]
        desk.publish("New sanctions")
        await until(lambda: slow.hits > 0)
        assert await bot.stop() == 0
    assert titles(desk.discord.messages(desk.discord.alerts)) == ["New sanctions"]
    assert desk.rows("SELECT state FROM alerts") == [("sent",)]


async def test_5_on_sigterm_it_waits_for_no_answer_that_never_comes_and_the_next_start_finds_what_it_left(
    desk: Desk,
) -> None:
    desk.watch("One", SANCTIONS, desk.discord.alerts)
    desk.configure()
    hung = desk.discord.fail(Fault("hang", "POST", SEND, seconds=30, accept=True))
    async with desk.bot() as bot:
        desk.publish("New sanctions")
        await until(lambda: hung.hits > 0)
        desk.discord.gateway.refuse(100, "hang")
        assert await bot.stop() == 0
    desk.discord.gateway.refuse(0)
    desk.discord.wipe_nonces()
    async with desk.bot():
        await desk.settled(1)
    assert titles(desk.discord.messages(desk.discord.alerts)) == ["New sanctions"]


async def test_6_a_channel_that_is_closed_is_paused_the_operators_are_told_once_and_others_go_on(desk: Desk) -> None:
    desk.watch("One", SANCTIONS, desk.discord.alerts)
    desk.watch("Two", SANCTIONS, desk.discord.general)
    desk.configure()
    desk.discord.deny(desk.discord.alerts, "SEND_MESSAGES")
    async with desk.bot() as bot:
        for number in range(3):
            desk.publish(f"Sanctions, part {number}")
            await desk.posted(number + 1, desk.discord.general)
        (told,) = await desk.posted(1, desk.discord.log)
        assert f"#alerts ({desk.discord.alerts.id})" in told.body["content"].replace("\\", "")
        await bot.stop()
    async with desk.bot():
        desk.publish("Sanctions, part 3")
        await desk.posted(4, desk.discord.general)
        assert 1 <= len(desk.discord.journal.to("POST", f"/channels/{desk.discord.alerts.id}/messages")) <= 5
        desk.discord.allow(desk.discord.alerts, "SEND_MESSAGES")
        await desk.posted(4)
        await desk.settled(8)
    assert titles(desk.discord.messages(desk.discord.alerts)) == [f"Sanctions, part {number}" for number in range(4)]
    assert len(desk.discord.messages(desk.discord.log)) == 1


async def test_6_a_channel_that_is_gone_is_paused_and_others_go_on(desk: Desk) -> None:
    desk.watch("One", SANCTIONS, desk.discord.alerts)
    desk.watch("Two", SANCTIONS, desk.discord.general)
    desk.configure()
    gone = desk.discord.alerts.id
    async with desk.bot():
        desk.discord.remove_channel(desk.discord.alerts)
        for number in range(3):
            desk.publish(f"Sanctions, part {number}")
            await desk.posted(number + 1, desk.discord.general)
        await desk.posted(1, desk.discord.log)
        assert len(desk.discord.journal.to("POST", f"/channels/{gone}/messages")) == 1
        assert desk.rows("SELECT state, count(*) FROM alerts GROUP BY state") == [("pending", 3), ("sent", 3)]


async def test_6_removed_from_a_server_its_watches_rest_and_go_on_when_it_is_back(desk: Desk) -> None:
    other = desk.discord.add_guild("Other")
    there = desk.discord.add_channel(other, "news")
    desk.watch("One", SANCTIONS, there)
    desk.watch("Two", SANCTIONS, desk.discord.general)
    desk.configure()
    async with desk.bot() as bot:
        desk.publish("Sanctions, part 0")
        await desk.posted(1, there)
        await until(lambda: desk.count("SELECT count(*) FROM notes WHERE key = 'guilds'") == 1)
        desk.discord.remove_guild(other)
        await bot.heard("removed from server")
        desk.publish("Sanctions, part 1")
        await desk.posted(2, desk.discord.general)
        tries = len(desk.discord.journal.to("POST", f"/channels/{there.id}/messages"))
        assert tries <= 2
        desk.discord.restore_guild(other)
        await until(lambda: desk.count("SELECT count(*) FROM guilds_left") == 0)
        desk.publish("Sanctions, part 2")
        await desk.posted(3, desk.discord.general)
        await until(lambda: titles(desk.discord.messages(there))[-1] == "Sanctions, part 2")


async def test_8_a_token_that_is_refused_ends_it_with_one_line(desk: Desk) -> None:
    desk.configure()
    desk.discord.token_revoked = True
    bot = await desk.start()
    assert await bot.process.wait() == 1
    await bot.end()
    assert "Discord refuses the token" in bot.said[-1]


async def test_8_a_token_that_is_revoked_while_it_runs_ends_it_too(desk: Desk) -> None:
    desk.watch("One", SANCTIONS, desk.discord.alerts)
    desk.configure()
    async with desk.bot() as bot:
        desk.discord.token_revoked = True
        await desk.discord.gateway.drop(4004)
        assert await bot.process.wait() == 1
        await bot.heard("Discord refuses the token")


async def test_a_reload_is_obeyed_in_discord_too(desk: Desk) -> None:
    desk.configure()
    async with desk.bot() as bot:
        desk.watch("One", SANCTIONS, desk.discord.alerts)
        desk.configure()
        bot.process.send_signal(signal.SIGHUP)
        await bot.heard("reloaded: ")
        desk.publish("New sanctions")
        await desk.posted(1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WIREWATCH_DISCORD_API", "http://192.0.2.1/api/v10"),
        ("WIREWATCH_DISCORD_GATEWAY", "wss://gateway.example/"),
        ("WIREWATCH_TOKEN", ""),
    ],
)
async def test_an_address_beyond_loopback_and_a_missing_token_are_wrong_configuration(
    desk: Desk, name: str, value: str
) -> None:
    desk.configure()
    bot = await desk.start(**{name: value})
    assert await bot.process.wait() == 78
    await bot.end()
    assert len(bot.said) == 1
    assert not (desk.folder / "wirewatch.db").exists()
