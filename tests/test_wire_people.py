"""Promises 7 and 9 at wire level: who asks is answered, in time and in words that help, and sees nothing of another server's."""

from __future__ import annotations

from tests.fakes import entry
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


async def test_9_no_server_sees_what_another_one_watches_hears_or_knows(desk: Desk) -> None:
    other = desk.discord.add_guild("Other")
    there = desk.discord.add_channel(other, "news")
    them = other.members[other.owner_id]
    private = desk.site.feed("/private", entry("Old memo", desk.site.url("/memo"), guid="memo"), title="Vault wire")
    private = private.replace("http://", "http://anna:hushhush@")
    desk.configure()
    async with desk.bot():
        for line, given in (
            ("feed add", {"url": private, "name": "Nightfall"}),
            ("actor add", {"name": "Greta Quill", "aliases": "Quillova"}),
            ("watch add", {"name": "Harbour secret", "query": '="council" OR actor:"Greta Quill"'}),
        ):
            done = await (await desk.discord.slash(line, given)).wait()
            assert given["name"] in done.text, done.text
        link = desk.publish("Council report", feed="/private")
        await desk.posted(1, desk.discord.general)
        asked: list[tuple[str, dict[str, str]]] = [
            *((line, {}) for line in ("watch list", "feed list", "actor list", "latest", "status")),
            ("latest", {"watch": "Harbour secret"}),
            ("latest", {"query": '="council"'}),
            ("watch show", {"watch": "Harbour secret"}),
            ("feed test", {"feed": "Nightfall"}),
            ("feed remove", {"feed": "Nightfall"}),
            ("actor show", {"actor": "Greta Quill"}),
            ("actor alias add", {"actor": "Greta Quill", "alias": "G. Quill"}),
            ("why", {"link": link}),
        ]
        for line, options in asked:
            ours = await (await desk.discord.slash(line, options)).wait()
            theirs = await (await desk.discord.slash(line, options, by=them, channel=there)).wait()
            text = theirs.text
            for typed in options.values():  # what they typed themselves may be said back
                text = text.replace(typed, "")
            for ours_alone in (
                "Council",
                "Harbour",
                "Nightfall",
                "Vault",
                "Greta",
                "Quillova",
                "memo",
                "anna",
                "1 sent",
            ):
                assert ours_alone not in text, (line, ours_alone)
            assert theirs.text != ours.text, line
            assert "hushhush" not in ours.text + theirs.text
        for line, option in (
            ("watch show", "watch"),
            ("feed test", "feed"),
            ("actor show", "actor"),
            ("latest", "actor"),
        ):
            found = await desk.discord.autocomplete(line, option, "", by=them, channel=there)
            assert not {"Harbour secret", "Nightfall", "Vault wire", "Greta Quill"} & {
                one["name"] for one in found.choices
            }
            found = await desk.discord.autocomplete(line, option, "")
            assert {"Harbour secret", "Nightfall", "Greta Quill"} & {one["name"] for one in found.choices}, line
