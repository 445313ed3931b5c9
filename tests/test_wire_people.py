"""Promises 7 and 9 at wire level: who asks is answered, in time and in words that help, and sees nothing of another server's."""

from __future__ import annotations

from tests.wire_fakes import SANCTIONS, Desk, titles


async def test_7_who_asks_is_answered_in_time_and_what_was_wrong_is_said_in_words_that_help(desk: Desk) -> None:
    desk.watch("One", SANCTIONS, desk.discord.general)
    desk.configure()
    async with desk.bot():
        added = await desk.discord.slash(
            "watch add", {"name": "Harbour", "query": '="council"', "channel": desk.discord.alerts}
        )
        await added.wait()
        wrong = await desk.discord.slash("watch add", {"name": "Broken", "query": "sanctions AND ("})
        await wrong.wait()
        refused = await desk.discord.slash("watch remove", {"watch": "Harbour"}, by=desk.discord.reader, force=True)
        await refused.wait()
        desk.publish("New sanctions")
        await desk.posted(1)
        await desk.posted(1, desk.discord.general)
        asked = [added, wrong, refused]
        lines = ("status", "help", "watch list", "feed list", "latest")
        asked += [await (await desk.discord.slash(line)).wait() for line in lines]
    for each in asked:
        assert each.ephemeral
        assert each.text
        assert each.answered_after_s is not None
        assert each.answered_after_s < 3
    assert "New sanctions" in asked[-1].text
    assert titles(desk.discord.messages(desk.discord.alerts)) == ["New sanctions"]


async def test_7_a_command_that_was_sent_while_the_connection_was_cut_is_answered(desk: Desk) -> None:
    desk.configure()
    async with desk.bot():
        await (await desk.discord.slash("status")).wait()
        await desk.discord.gateway.drop()
        answer = await (await desk.discord.slash("status")).wait()
        assert answer.text


async def test_7_a_button_from_before_a_restart_is_answered(desk: Desk) -> None:
    desk.configure()
    async with desk.bot():
        await (await desk.discord.slash("watch add", {"name": "Harbour", "query": '="council"'})).wait()
        asked = await (await desk.discord.slash("watch remove", {"watch": "Harbour"})).wait()
    assert asked.shown is not None
    remove = asked.shown.components[0]["components"][0]["custom_id"]
    async with desk.bot():
        pressed = await (await desk.discord.click(asked.shown, remove)).wait()
        assert pressed.ephemeral
        assert "run the command again" in pressed.text
        assert "Harbour" in (await (await desk.discord.slash("watch list")).wait()).text


async def test_9_no_server_sees_what_another_one_watches(desk: Desk) -> None:
    other = desk.discord.add_guild("Other")
    there = desk.discord.add_channel(other, "news")
    them = other.members[other.owner_id]
    desk.configure()
    async with desk.bot():
        await (await desk.discord.slash("watch add", {"name": "Harbour secret", "query": '="council"'})).wait()
        desk.publish("Council report")
        await desk.posted(1, desk.discord.general)
        for line, options in (
            ("watch list", {}),
            ("latest", {}),
            ("latest", {"watch": "Harbour secret"}),
            ("watch show", {"watch": "Harbour secret"}),
        ):
            answer = await (await desk.discord.slash(line, options, by=them, channel=there)).wait()
            assert "Council report" not in answer.text
            assert "Harbour secret" not in answer.text.replace('"Harbour secret"', "").replace("“Harbour secret”", "")
        found = await desk.discord.autocomplete("watch show", "watch", "Har", by=them, channel=there)
        assert found.choices == []
        found = await desk.discord.autocomplete("watch show", "watch", "Har")
        assert len(found.choices) == 1
