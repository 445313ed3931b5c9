"""/status: what everybody learns, and what is for the operators' own server alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.desk_house import Condition
from bot.model import Watch
from bot.workers import Workers
from tests.chat_fakes import Chat, open_chat
from tests.fakes import Site, entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TROUBLE = "9 alerts are owed and none was settled for 12 minutes"


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    async with Workers() as workers, Site() as site:
        site.feed("/feed")
        async with open_chat(tmp_path, site, workers, feeds=[site.url("/feed")]) as chat:
            yield chat


async def test_everybody_sees_that_it_is_well_and_no_number_of_all_servers(chat: Chat) -> None:
    chat.desk._condition = lambda: Condition(log_channel=4711)
    for person in (chat.ann, chat.mod):
        said = await chat.ask("status", by=person)
        assert "Up · since" in said.replace("**", "")
        assert "trouble" not in said
        assert not any(word in said for word in ("All servers", "Store", "SQLite"))


async def test_a_trouble_is_said_to_all_but_only_operators_learn_which(chat: Chat) -> None:
    chat.desk._condition = lambda: Condition(log_channel=chat.channel.id, troubles=(TROUBLE,))
    said = await chat.ask("status", by=chat.ann)
    assert "The bot itself is in trouble" in said
    assert "9 alerts" not in said
    operators = await chat.ask("status", by=chat.mod)
    assert TROUBLE in operators
    assert "All servers · feeds: 1 " in operators.replace("**", "")
    assert "SQLite 3." in operators


async def test_a_manager_of_another_server_is_no_operator(chat: Chat) -> None:
    chat.desk._condition = lambda: Condition(log_channel=4711, troubles=(TROUBLE,))
    assert "9 alerts" not in await chat.ask("status", by=chat.mod)
    chat.desk._condition = lambda: Condition(log_channel=0, troubles=(TROUBLE,))
    assert "9 alerts" not in await chat.ask("status", by=chat.mod)


async def test_what_is_owed_in_doubt_and_since_when_is_said(chat: Chat) -> None:
    assert "Owed · nothing" in (await chat.ask("status")).replace("**", "")
    await chat.store.chat.add_watch(
        Watch(name="Sanctions", query='="sanctions"', guild_id=chat.guild.id, channel_id=chat.channel.id),
        by=1,
        now=chat.clock.now,
    )
    await chat.desk._ledger.changed()
    await chat.read()
    chat.clock.move(minutes=1)
    chat.site.feed("/feed", entry("New sanctions", "http://news.example/1", guid="1"))
    await chat.poll_again()
    await chat.store.claim(chat.clock.now + timedelta(seconds=1))
    said = (await chat.ask("status")).replace("**", "")
    assert "Owed · 1, 1 of them on the way or in doubt, the oldest since" in said
