"""Two people at once: no change of one is lost by the other's, and no confirmation destroys what it did not show."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bot.desk_sight import Asker
from bot.desk_watches import WatchDraft
from bot.errors import UserError
from tests.chat_fakes import Chat, said_in
from tests.fakes import entry, rows_in

if TYPE_CHECKING:
    from bot.model import Watch

ONE = Asker(guild_id=1, user_id=1, is_manager=True, sees=lambda _: True, holds=lambda _: True)


@pytest.fixture
async def watch(chat: Chat) -> Watch:
    view = await chat.desk.watches.add(ONE, WatchDraft(name="W", query="sanctions", place=(5, 0)))
    return view.watch


# --- at once ---


async def test_two_aliases_that_are_added_at_once_are_both_kept(chat: Chat) -> None:
    await chat.desk.actors.add(ONE, "Anna Orlova")
    add = chat.desk.actors.add_alias
    await asyncio.gather(*(add(ONE, "Anna Orlova", alias) for alias in ("A. Orlova", "Orlova Anna", "Orlowa")))
    (actor,) = await chat.desk.actors.list(ONE)
    assert {alias.text for alias in actor.aliases} == {"A. Orlova", "Orlova Anna", "Orlowa"}


@pytest.mark.usefixtures("watch")
async def test_a_pause_beside_an_edit_is_kept_and_so_is_the_edit(chat: Chat) -> None:
    watches = chat.desk.watches
    await asyncio.gather(
        watches.edit(ONE, "W", WatchDraft(query="embargo")),
        watches.switch(ONE, "W", on=False),
        watches.edit(ONE, "W", WatchDraft(mention=9)),
    )
    (kept,) = await watches.list(ONE)
    assert (kept.query, kept.enabled, kept.mention) == ("embargo", False, 9)


async def test_who_edits_what_somebody_just_removed_is_told_so(chat: Chat, watch: Watch) -> None:
    watches = chat.desk.watches
    removed, edited = await asyncio.gather(
        watches.remove(ONE, watch), watches.edit(ONE, "W", WatchDraft(query="embargo")), return_exceptions=True
    )
    assert removed is None
    assert isinstance(edited, UserError)
    assert await watches.list(ONE) == ()


async def test_two_renamings_at_once_leave_one_bearer_of_a_name(chat: Chat) -> None:
    for name in ("Anna Orlova", "Boris Petrov"):
        await chat.desk.actors.add(ONE, name)
    renamed = await asyncio.gather(
        *(chat.desk.actors.edit(ONE, name, new_name="The One") for name in ("Anna Orlova", "Boris Petrov")),
        return_exceptions=True,
    )
    assert sum(isinstance(one, UserError) for one in renamed) == 1


async def test_servers_do_not_wait_for_each_other(chat: Chat) -> None:
    two = Asker(guild_id=2, user_id=1, is_manager=True, sees=lambda _: True, holds=lambda _: True)
    async with chat.desk.actors.ledger.turn(ONE), asyncio.timeout(10):
        await chat.desk.actors.add(two, "Anna Orlova")


async def test_rows_that_are_gone_are_said_to_be_gone(chat: Chat, watch: Watch) -> None:
    rows, now = chat.store.chat, chat.clock()
    await rows.remove_watch(1, watch.id)
    for change in (
        rows.edit_watch(watch, now=now),
        rows.remove_watch(1, watch.id),
        rows.remove_actor(1, 7),
        rows.edit_feed(1, 7, name="x", interval_s=None),
        rows.switch_feed(1, 7, on=True, now=now),
    ):
        with pytest.raises(UserError, match="any more: somebody removed it"):
            await change


# --- a confirmation that is out of date ---


async def test_a_confirmation_removes_only_what_it_showed(chat: Chat) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    result = await chat.mod.slash(chat.channel, "watch remove", watch="W")
    assert result.response is not None
    await chat.ask("watch edit", watch="W", query='"a long and precious new query"')
    await chat.mod.click(result.response, label="Remove the watch")
    assert "was changed meanwhile" in said_in(result)
    assert "precious" in await chat.ask("watch list")


async def test_a_watch_that_was_paused_meanwhile_is_removed_all_the_same(chat: Chat) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    result = await chat.mod.slash(chat.channel, "watch remove", watch="W")
    assert result.response is not None
    await chat.ask("watch pause", watch="W")
    await chat.mod.click(result.response, label="Remove the watch")
    assert "Removed" in said_in(result)


async def test_an_actor_that_was_changed_meanwhile_is_not_removed(chat: Chat) -> None:
    await chat.ask("actor add", name="Anna Orlova")
    result = await chat.mod.slash(chat.channel, "actor remove", actor="Anna Orlova")
    assert result.response is not None
    await chat.ask("actor alias add", actor="Anna Orlova", alias="A. Orlova")
    await chat.mod.click(result.response, label="Remove the actor")
    assert "was changed meanwhile" in said_in(result)


@pytest.mark.parametrize(
    ("command", "label", "option"),
    [
        ("watch remove", "Remove the watch", {"watch": "W"}),
        ("actor remove", "Remove the actor", {"actor": "Anna Orlova"}),
        ("feed remove", "Remove the feed", {"feed": "Sample wire"}),
        ("actor alias remove", "Remove the alias", {"actor": "Boris Petrov", "alias": "Boris P."}),
    ],
)
async def test_what_is_removed_is_not_removed_again(
    chat: Chat, command: str, label: str, option: dict[str, str]
) -> None:
    await chat.ask("watch add", name="W", query="sanctions")
    await chat.ask("actor add", name="Anna Orlova")
    await chat.ask("actor add", name="Boris Petrov", aliases="Boris P.")
    await chat.ask("feed add", url=chat.site.feed("/feed", entry("Old", chat.site.url("/old"), guid="old")))
    first = await chat.mod.slash(chat.channel, command, **option)
    second = await chat.mod.slash(chat.channel, command, **option)
    assert first.response is not None
    assert second.response is not None
    await chat.mod.click(first.response, label=label)
    await chat.mod.click(second.response, label=label)
    assert "Removed" in said_in(first)
    assert "Removed" not in said_in(second)


async def test_a_backfill_is_not_told_to_a_server_that_subscribes_at_the_same_moment(chat: Chat) -> None:
    two = Asker(guild_id=2, user_id=1, is_manager=True, sees=lambda _: True, holds=lambda _: True)
    url = chat.site.feed("/a", entry("Sanctions", chat.site.url("/a/0"), guid="0"))
    await chat.desk.watches.add(two, WatchDraft(name="There", query="sanctions", place=(77, 0)))
    added, _ = await asyncio.gather(chat.desk.feeds.add(ONE, url, backfill=True), chat.desk.feeds.add(two, url))
    assert not added.reopened
    await chat.read()
    assert rows_in(chat.store.path, "SELECT * FROM alerts") == []
