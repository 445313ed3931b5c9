"""The connection's own book-keeping: how often it may identify, what operators are told of late, what a full disk ends (nothing)."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bot.errors import StoreError
from bot.store import Store
from cogs._client import FREE_IDENTIFIES, Chat, OneLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def chat(tmp_path: Path, time: Time) -> AsyncIterator[Chat]:
    store = await Store.open(tmp_path / "w.db", now=NOW)
    chat = Chat("MTIz.a.b", clock=time, say=lambda _: None)
    chat.store = store
    yield chat
    await store.close()


async def test_in_a_crash_loop_it_identifies_fifty_times_a_day_at_the_most(
    chat: Chat, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio, "sleep", time.sleep)
    identified = []
    while time.now < NOW + timedelta(days=3):
        await chat.wait_to_identify()
        identified.append(time.now)
        time.now += timedelta(seconds=3)
    assert identified[FREE_IDENTIFIES - 1] < NOW + timedelta(minutes=2), (
        "a person who tries things out waits for nothing"
    )
    for first in identified:
        assert sum(first <= at < first + timedelta(days=1) for at in identified) <= 50
    assert len(json.loads(await chat.store.note("identified"))) <= 50


async def test_a_full_disk_ends_nothing(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full() -> tuple[()]:
        raise StoreError("the disk is full")

    monkeypatch.setattr(chat.store, "paused_channels", full)
    keeping = asyncio.create_task(chat._keep_house())
    await asyncio.sleep(0.05)
    assert not keeping.done()
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping


def test_a_refused_connection_is_one_line_in_the_log() -> None:
    error = ConnectionResetError(104)
    told = logging.LogRecord(
        "discord.client", logging.ERROR, "", 1, "Attempting in %.1fs", (1.5,), (type(error), error, None)
    )
    assert OneLine().filter(told)
    assert (told.getMessage(), told.exc_info) == ("Attempting in 1.5s (ConnectionResetError)", None)
