"""Nothing old is told: what was there before a watch, or a server's subscription, came into force stays silent, however it is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bot.desk_sight import Asker
from bot.desk_watches import WatchDraft
from bot.model import Watch
from bot.pipeline import Habits
from bot.workers import Workers
from tests.chat_fakes import Chat, open_chat
from tests.fakes import Site, entry, rows_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HERE, THERE = 77, 88
DRAFT = WatchDraft(name="W", query="sanctions", place=(HERE, 0))
WORDS = "New sanctions were agreed."


def who(guild_id: int) -> Asker:
    return Asker(guild_id=guild_id, user_id=1, is_manager=True, sees=lambda _: True, holds=lambda _: True)


ONE, TWO = who(1), who(2)


@dataclass
class Wire:
    """A feed whose second entry is what the tests are about, and the chat that hears it."""

    chat: Chat
    url: str = ""

    async def say(self, *entries: str) -> None:
        """Let the feed hold these entries, an hour later, and read what is new."""
        self.url = self.chat.site.feed("/a", entry("Old", self.chat.site.url("/a/0"), guid="0"), *entries, title="Wire")
        self.chat.clock.move(hours=1)
        await self.chat.poll_again()

    def report(self, text: str = WORDS, guid: str = "1") -> str:
        return entry("Report", self.chat.site.url(f"/a/{guid}"), guid=guid, text=text)

    def alerted(self) -> list[int]:
        """Return the channels that are owed an alert, in order."""
        return [row[0] for row in rows_in(self.chat.store.path, "SELECT channel_id FROM alerts ORDER BY id")]


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with Site() as site, Workers() as workers, open_chat(tmp_path, site, workers) as chat:
        wire = Wire(chat)
        await wire.say()
        await chat.desk.feeds.add(ONE, wire.url)
        yield wire


async def test_an_edit_of_what_was_read_before_a_watch_was_added_is_not_told(wire: Wire) -> None:
    await wire.say(wire.report())
    wire.chat.clock.move(hours=1)
    await wire.chat.desk.watches.add(ONE, DRAFT)
    await wire.say(wire.report(f"{WORDS} A typo went."))
    assert wire.alerted() == []
    await wire.say(wire.report(f"{WORDS} A typo went."), wire.report(guid="2"))
    assert wire.alerted() == [HERE], "what is new is told"


async def test_an_edit_that_only_now_matches_is_told(wire: Wire) -> None:
    await wire.say(wire.report("The council met."))
    await wire.chat.desk.watches.add(ONE, DRAFT)
    await wire.say(wire.report())
    assert wire.alerted() == [HERE]


async def test_what_appeared_while_a_watch_was_paused_stays_silent(wire: Wire) -> None:
    await wire.chat.desk.watches.add(ONE, DRAFT)
    await wire.chat.desk.watches.switch(ONE, "W", on=False)
    await wire.say(wire.report())
    wire.chat.clock.move(hours=1)
    await wire.chat.desk.watches.switch(ONE, "W", on=True)
    await wire.say(wire.report(f"{WORDS} A typo went."))
    assert wire.alerted() == []


async def test_what_appeared_while_a_watch_was_paused_and_is_not_read_yet_stays_silent(wire: Wire) -> None:
    await wire.chat.desk.watches.add(ONE, DRAFT)
    await wire.chat.desk.watches.switch(ONE, "W", on=False)
    wire.chat.site.feed("/a", wire.report(), title="Wire")
    for feed in await wire.chat.store.feeds():
        await wire.chat.pipeline.poll_feed(feed)
    wire.chat.clock.move(minutes=1)
    await wire.chat.desk.watches.switch(ONE, "W", on=True)
    await wire.chat.read()
    assert wire.alerted() == []


async def test_what_appeared_while_a_server_paused_a_shared_feed_stays_silent(wire: Wire) -> None:
    await wire.chat.desk.watches.add(ONE, DRAFT)
    await wire.chat.desk.feeds.add(TWO, wire.url)
    await wire.chat.desk.feeds.switch(ONE, "Wire", on=False)
    await wire.say(wire.report())
    wire.chat.clock.move(hours=1)
    await wire.chat.desk.feeds.switch(ONE, "Wire", on=True)
    await wire.say(wire.report(f"{WORDS} A typo went."))
    assert wire.alerted() == []
    await wire.say(wire.report(f"{WORDS} A typo went."), wire.report(guid="2"))
    assert wire.alerted() == [HERE]


async def test_what_was_edited_while_nobody_heard_a_feed_stays_silent(wire: Wire) -> None:
    await wire.chat.desk.watches.add(ONE, DRAFT)
    await wire.say(wire.report("The council met."))
    await wire.chat.desk.feeds.switch(ONE, "Wire", on=False)
    wire.chat.clock.move(hours=1)
    await wire.chat.desk.feeds.switch(ONE, "Wire", on=True)
    await wire.say(wire.report())
    assert wire.alerted() == []


async def test_a_server_that_joins_a_shared_feed_is_not_told_what_it_held(wire: Wire) -> None:
    await wire.chat.desk.watches.add(TWO, WatchDraft(name="There", query="sanctions", place=(THERE, 0)))
    await wire.say(wire.report())
    wire.chat.clock.move(hours=1)
    await wire.chat.desk.feeds.add(TWO, wire.url)
    await wire.say(wire.report(f"{WORDS} A typo went."))
    assert wire.alerted() == []
    await wire.say(wire.report(f"{WORDS} A typo went."), wire.report(guid="2"))
    assert wire.alerted() == [THERE]


async def test_a_page_that_comes_after_the_watch_was_added_is_as_old_as_its_teaser(wire: Wire) -> None:
    wire.chat.pipeline.habits = Habits(interval_s=1, full_text="auto")
    await wire.say(wire.report("The council met."))
    wire.chat.clock.move(hours=1)
    await wire.chat.desk.watches.add(ONE, DRAFT)
    wire.chat.site.page("/a/1", "Report", *["New sanctions were agreed in the capital after a long night."] * 8)
    for item in await wire.chat.store.pages_owed(wire.chat.clock.now, limit=9):
        await wire.chat.pipeline.read_page_again(item)
    assert rows_in(wire.chat.store.path, "SELECT kind FROM articles") == [("full",)]
    assert wire.alerted() == []


async def test_a_changed_query_or_channel_tells_nothing_that_was_there(wire: Wire) -> None:
    await wire.chat.desk.watches.add(ONE, WatchDraft(name="W", query="tariff", place=(HERE, 0)))
    await wire.say(wire.report())
    await wire.chat.desk.watches.edit(ONE, "W", WatchDraft(query="sanctions"))
    await wire.say(wire.report(f"{WORDS} A typo went."))
    assert wire.alerted() == []
    await wire.say(wire.report(f"{WORDS} A typo went."), wire.report(guid="2"))
    assert wire.alerted() == [HERE]
    await wire.chat.desk.watches.edit(ONE, "W", WatchDraft(place=(THERE, 0)))
    await wire.say(wire.report(f"{WORDS} A typo went."), wire.report(f"{WORDS} A typo went.", guid="2"))
    assert wire.alerted() == [HERE]


async def test_a_shorter_wording_in_between_makes_nothing_new(wire: Wire) -> None:
    await wire.say(wire.report())
    await wire.chat.desk.watches.add(ONE, DRAFT)
    await wire.say(wire.report("The council met."))
    await wire.say(wire.report(f"{WORDS} As it was."))
    assert wire.alerted() == []


async def test_an_edited_baseline_tells_only_the_watch_that_its_old_wording_did_not_fire(wire: Wire) -> None:
    await wire.chat.desk.watches.add(ONE, WatchDraft(name="Old", query="old", place=(HERE, 0)))
    await wire.chat.desk.watches.add(ONE, WatchDraft(name="New", query="sanctions", place=(THERE, 0)))
    wire.chat.site.feed("/a", entry("Old", wire.chat.site.url("/a/0"), guid="0", text=WORDS), title="Wire")
    wire.chat.clock.move(hours=1)
    await wire.chat.poll_again()
    assert wire.alerted() == [THERE]


async def test_a_server_that_comes_back_is_not_told_what_appeared_meanwhile(wire: Wire) -> None:
    await wire.chat.desk.watches.add(ONE, DRAFT)
    await wire.chat.desk.feeds.add(TWO, wire.url)
    await wire.chat.store.chat.leave_guild(1, now=wire.chat.clock())
    await wire.chat.desk.watches.list(TWO)
    await wire.say(wire.report("The council met."))
    wire.chat.clock.move(hours=1)
    await wire.chat.store.chat.rejoin_guild(1, now=wire.chat.clock())
    assert [one.since_at for one in await wire.chat.store.watches()] == [wire.chat.clock.now]
    assert {one.since_at for key, one in (await wire.chat.store.chat.hearings()).items() if key[1] == 1} == {
        wire.chat.clock.now
    }


async def test_a_declared_watch_that_comes_back_to_the_file_starts_anew(wire: Wire) -> None:
    declared = Watch(name="D", query="sanctions", channel_id=HERE)
    for watches in ([declared], [], [declared]):
        wire.chat.clock.move(hours=1)
        await wire.chat.store.declare(feeds=[], actors=[], watches=watches, now=wire.chat.clock())
    assert [one.since_at for one in await wire.chat.store.watches()] == [wire.chat.clock.now]
