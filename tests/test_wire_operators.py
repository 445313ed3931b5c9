"""What operators read in their log channel of feeds and of times away, from a real process: together, and not lost on the way."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.fakes import until
from tests.standin import Fault
from tests.wire_fakes import Desk, desk_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOUR_MS = 3_600_000


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path) as opened:
        yield opened


async def test_feeds_that_fail_together_are_one_message_also_where_the_bot_stops_first(desk: Desk) -> None:
    gone = (f"[[feeds]]\nname = 'Feed {n}'\nurl = '{desk.site.url(f'/gone-{n}')}'\n" for n in range(3))
    desk.head = "".join(gone)
    desk.configure()
    bot = await desk.start()
    try:
        await until(lambda: sum("404" in line for line in bot.said) == 3)
        await desk.discord.connected()
        assert await bot.stop() == 0
    finally:
        await bot.end()
    (told,) = desk.discord.messages(desk.discord.log)
    assert told.body["content"].startswith("3 notices of feeds: ")


async def test_a_time_away_is_told_by_the_next_start_where_discord_did_not_take_the_line(desk: Desk) -> None:
    desk.configure()
    async with desk.bot() as bot:
        await bot.stop()
    now_ms = int(time.time() * 1000)
    away = {"from": now_ms - 9 * HOUR_MS, "to": now_ms - 2 * HOUR_MS, "restored": False}
    with closing(sqlite3.connect(desk.folder / "wirewatch.db", timeout=10)) as sql:
        sql.execute("INSERT INTO notes VALUES ('away', ?)", (json.dumps(away),))
        sql.commit()
    path = f"/channels/{desk.discord.log.id}/messages"
    refused = desk.discord.fail(Fault("status", "POST", path, status=503, times=-1))
    async with desk.bot() as bot:
        await until(lambda: refused.hits > 0)
        await bot.stop()
    refused.times = 0
    async with desk.bot():
        (told,) = await desk.posted(1, desk.discord.log)
        assert "the bot was away" in told.body["content"]
        await until(lambda: desk.count("SELECT count(*) FROM notes WHERE key = 'away'") == 0)
