"""The connection's own book-keeping: how often it may identify, what operators are told of late, what a full disk ends (nothing)."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import discord
import pytest

from bot.errors import DeliveryError, StoreError
from bot.store import Store
from cogs import _bundle
from cogs._client import Chat
from cogs._gateway import OneLine
from cogs._places import NEEDED, lacking
from cogs._starts import FREE, Left, Starts, wait_s
from tests.fakes import until
from tests.standin.state import INVITED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
    chat.store = chat.operators.store = store
    yield chat
    await store.close()


def day_of(life_s: float) -> list[datetime]:
    """Return when a program identifies within a day that dies so long after it has, or after its start, and is started again."""
    time = Time()
    starts, identified = Starts(time), list[datetime]()
    while time.now < NOW + timedelta(days=1):
        pause_s = wait_s(starts.count, Left(1000 - len(identified), 3600.0))
        if pause_s > life_s:  # it does not live to see it
            time.now += timedelta(seconds=life_s)
            continue
        starts.add()
        identified.append(time.now)
        time.now += timedelta(seconds=max(life_s, 1.0))
    return identified


def test_a_program_that_dies_again_and_again_stays_far_from_what_discord_allows_a_day() -> None:
    assert len(day_of(3)) == FREE, "what dies within seconds begins no session once it did so often"
    assert [len(day_of(life_s)) < 500 for life_s in (60, 300, 900, 3600)] == [True] * 4


def test_a_program_that_was_killed_often_and_then_lives_begins_a_session_within_a_minute() -> None:
    assert [wait_s(begun, None) for begun in (0, 99, 100, 149)] == [0.0, 0.0, 30.0, 30.0]
    assert wait_s(100_000, None) == 900.0


def test_what_discord_says_is_left_of_a_day_is_spread_over_the_rest_of_it() -> None:
    assert wait_s(0, Left(900, 50_000.0)) == 0.0
    assert wait_s(0, Left(50, 50_000.0)) == 1_000.0
    assert wait_s(0, Left(0, 50_000.0)) == 50_000.0


async def test_sessions_are_counted_across_restarts_and_without_the_database_too(
    chat: Chat, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def locked(*_: object) -> str:
        raise StoreError("locked")

    await chat.starts.load(chat.store)
    chat.starts.add()
    await chat.starts.keep(chat.store)
    later = Starts(time)
    with monkeypatch.context() as patch:
        patch.setattr(chat.store, "note", locked)
        patch.setattr(chat.store, "keep_note", locked)
        await later.load(chat.store)
        later.add()
        await later.keep(chat.store)
    assert later.count == 1
    await later.load(chat.store)
    await later.keep(chat.store)
    third = Starts(time)
    await third.load(chat.store)
    assert third.count == later.count == 2
    time.now += timedelta(days=1, seconds=1)
    assert third.count == 0


async def test_operators_are_told_once_discord_answers_again(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    told, pauses = list[str](), list[float]()
    failures = [DeliveryError("503", again=True), DeliveryError("429", again=True, after_s=40)]

    async def tell(text: str, *, nonce: str) -> None:
        if failures:
            raise failures.pop(0)
        told.append(f"{nonce[0]} {text}")

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(chat.outlet, "tell_operators", tell)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    for _ in range(3):
        chat.operators.trouble("the feed is broken")
    await asyncio.gather(*chat.operators._waiting.values())
    assert (told, pauses) == (["o the feed is broken"], [2.0, 40])


async def test_feeds_that_all_fail_are_one_message_once_discord_answers_again(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, away = list[str](), asyncio.Event()

    async def tell(text: str, *, nonce: str) -> None:
        assert nonce
        if not away.is_set():
            raise DeliveryError("no network", again=True)
        told.append(text)

    monkeypatch.setattr(chat.outlet, "tell_operators", tell)
    for name in ("GATHERED_S", "FIRST_PAUSE_S", "BETWEEN_S"):
        monkeypatch.setattr(_bundle, name, 0.01)
    chat.operators.notice("Feed 0: no answer")
    await asyncio.sleep(0.1)
    for number in range(1, 300):
        chat.operators.notice(f"Feed {number}: no answer")
    away.set()
    await until(lambda: bool(told))
    assert told == [
        "300 notices of feeds: "
        + " | ".join(f"Feed {n}: no answer" for n in range(5))
        + " | and 295 more: /feed list says how each is"
    ]
    chat.operators.notice("Feed 0: works again")
    await until(lambda: len(told) == 2)
    assert told[1] == "Feed 0: works again"


async def test_what_may_have_arrived_is_told_again_as_it_was_and_what_waits_is_told_at_the_end(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, doubts = list[tuple[str, str]](), [DeliveryError("lost", again=True, unknown=True)]

    async def tell(text: str, *, nonce: str) -> None:
        told.append((text, nonce))
        if doubts:
            chat.operators.notice("another")
            raise doubts.pop()

    monkeypatch.setattr(chat.outlet, "tell_operators", tell)
    for name in ("GATHERED_S", "FIRST_PAUSE_S"):
        monkeypatch.setattr(_bundle, name, 0.01)
    chat.operators.notice("one")
    await until(lambda: len(told) == 2)
    assert told[0] == told[1]
    await chat.operators.close()
    assert [text for text, _ in told] == ["one", "one", "another"]


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


def test_the_stand_in_gives_the_bot_what_the_invite_link_asks_for_and_that_is_all_it_needs() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"permissions=(\d+)", readme)) == {str(INVITED)}
    assert discord.Permissions(INVITED) == discord.Permissions(
        **dict.fromkeys((*NEEDED, "send_messages_in_threads"), True)
    )


def test_what_the_bot_lacks_is_named_as_discord_names_it() -> None:
    rights = discord.Permissions(view_channel=True, send_messages=True, embed_links=True)
    assert lacking(rights, in_thread=False) == ("Read Message History",)
    assert lacking(rights, in_thread=True) == ("Send Messages in Threads", "Read Message History")
