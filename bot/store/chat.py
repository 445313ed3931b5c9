"""What people made in chat: a server's feeds (subscriptions.py), watches and actors.

Owns the table watch_feeds, and the rows of origin 'chat' in actors and watches. Never touches a declared row, but for the server that
a declared watch's channel turns out to be in. Removing a watch leaves its alerts and matches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from bot.errors import UserError
from bot.store import subscriptions
from bot.store.codec import ms_for, text_for
from bot.store.declared import actors_in, feeds_in, watches_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from bot.model import Actor, Feed, Hearing, Watch
    from bot.store.subscriptions import NewFeed, Subscription

    class Runs(Protocol):
        """Runs a work on the store's connection and gives what it returned."""

        async def __call__(self, work: Callable[[sqlite3.Connection], T], /) -> T:
            """Return what the work returned."""


T = TypeVar("T")

_OURS = "origin = 'chat' AND guild_id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """All that a server's people may be asked about, at one moment, resting feeds and watches too: theirs, and what is declared."""

    feeds: tuple[Feed, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    watches: tuple[Watch, ...] = ()
    actors: tuple[Actor, ...] = ()
    audiences: Mapping[int, frozenset[int]]


class ChatRows:
    """The rows that chat makes, as part of an open store; one method for one transaction, like the store's own."""

    def __init__(self, write: Runs, read: Runs) -> None:
        self._write = write
        self._read = read

    async def holdings(self, guild_id: int) -> Holdings:
        """Return all that the people of a server may be asked about."""
        return await self._read(lambda sql: _holdings(sql, guild_id))

    async def audiences(self) -> Mapping[int, frozenset[int]]:
        """Return which servers hear a feed, by feed, for each feed that not all hear; 0 stands for watches without a known server."""
        return await self._read(subscriptions.audiences_in)

    async def hearings(self) -> Mapping[tuple[int, int], Hearing]:
        """Return how servers hear the feeds that they asked for, by feed and server."""
        return await self._read(subscriptions.hearings_in)

    # --- feeds --------------------------------------------------------------------------------------------------------

    async def add_feed(self, guild_id: int, url: str, *, by: int, now: datetime) -> tuple[int, bool]:
        """Subscribe a server to an address; return the feed's id, and whether its first document is still to come.

        One with a password belongs to that server alone, every other is polled once for all that ask for it.

        Raises:
            UserError: the server hears it already.
        """
        return await self._write(lambda sql: subscriptions.add_feed(sql, guild_id, url, by, now))

    async def add_feeds(self, guild_id: int, feeds: Sequence[NewFeed], *, by: int, now: datetime) -> Sequence[int]:
        """Subscribe a server to all of these at once; return the ids of those that it did not hear before."""
        return await self._write(lambda sql: subscriptions.add_feeds(sql, guild_id, feeds, by, now))

    async def edit_feed(self, guild_id: int, feed_id: int, *, name: str | None, interval_s: float | None) -> None:
        """Change what is given of a server's feed, "" and 0 for none; the shortest interval that any of its servers asks for holds.

        Raises:
            UserError: the server does not hear it.
        """
        await self._write(lambda sql: subscriptions.edit_feed(sql, guild_id, feed_id, name, interval_s))

    async def switch_feed(self, guild_id: int, feed_id: int, *, on: bool, now: datetime) -> None:
        """Pause or resume a server's feed. What appeared while nobody listened stays silent.

        Raises:
            UserError: the server does not hear it.
        """
        await self._write(lambda sql: subscriptions.switch_feed(sql, guild_id, feed_id, on=on, now=now))

    async def remove_feed(self, guild_id: int, feed_id: int) -> None:
        """End a server's subscription; the feed rests once nobody listens, and goes where it never was read."""
        await self._write(lambda sql: subscriptions.remove_feed(sql, guild_id, feed_id))

    async def reopen_newest(self, guild_id: int, feed_id: int) -> bool:
        """Let the newest item of a feed's first document count as new; False where it has none, or another server hears the feed."""
        return await self._write(lambda sql: subscriptions.reopen_newest(sql, guild_id, feed_id))

    # --- watches ------------------------------------------------------------------------------------------------------

    async def add_watch(self, watch: Watch, *, by: int, now: datetime) -> int:
        """Keep a watch of `watch.guild_id`; return its id, which no other ever had.

        Raises:
            UserError: the server has one of that name.
        """
        return await self._write(lambda sql: _add_watch(sql, watch, by, now))

    async def edit_watch(self, watch: Watch, *, now: datetime) -> None:
        """Make a watch, known by its id, what is given; where it was paused and is not any more, nothing before now is told.

        Raises:
            UserError: the server has another one of that name, or this one no longer.
        """
        await self._write(lambda sql: _edit_watch(sql, watch, now))

    async def remove_watch(self, guild_id: int, watch_id: int) -> None:
        """Remove a watch; what it raised stays.

        Raises:
            UserError: it is not there.
        """
        await self._write(lambda sql: _remove_watch(sql, guild_id, watch_id))

    async def settle_homes(self, homes: Mapping[int, int]) -> bool:
        """Learn which servers channels are in; return whether a declared watch's home changed by it."""
        return await self._write(lambda sql: _settle_homes(sql, homes))

    # --- actors -------------------------------------------------------------------------------------------------------

    async def add_actor(self, actor: Actor, *, by: int, now: datetime) -> int:
        """Keep an actor of `actor.guild_id` with its aliases; return its id.

        Raises:
            UserError: the server has one of that name.
        """
        return await self._write(lambda sql: _add_actor(sql, actor, by, now))

    async def edit_actor(self, actor: Actor) -> None:
        """Make an actor, known by its id, what is given: its name, and its aliases in their order.

        Raises:
            UserError: the server has another one of that name, or this one no longer.
        """
        await self._write(lambda sql: _edit_actor(sql, actor))

    async def remove_actor(self, guild_id: int, actor_id: int) -> None:
        """Remove an actor and its aliases.

        Raises:
            UserError: it is not there.
        """
        await self._write(lambda sql: _remove_actor(sql, guild_id, actor_id))

    # --- servers ------------------------------------------------------------------------------------------------------

    async def leave_guild(self, guild_id: int, *, now: datetime) -> None:
        """Let all that a server has rest: the bot was removed from it."""
        await self._write(lambda sql: subscriptions.leave_guild(sql, guild_id, now))

    async def rejoin_guild(self, guild_id: int, *, now: datetime) -> bool:
        """Let a server's things go on; return whether they rested. What appeared meanwhile stays silent."""
        return await self._write(lambda sql: subscriptions.rejoin_guild(sql, guild_id, now))

    async def forget_guilds(self, *, left_before: datetime) -> int:
        """Delete the watches, actors and subscriptions of servers left before then; return of how many servers."""
        return await self._write(lambda sql: subscriptions.forget_guilds(sql, left_before))


def _holdings(sql: sqlite3.Connection, guild_id: int) -> Holdings:
    return Holdings(
        feeds=feeds_in(sql, of_guild=guild_id),
        subscriptions=subscriptions.subscriptions_in(sql, guild_id),
        watches=watches_in(sql, resting=True, of_guild=guild_id),
        actors=actors_in(sql, of_guild=guild_id),
        audiences=subscriptions.audiences_in(sql, of_guild=guild_id),
    )


def _add_watch(sql: sqlite3.Connection, watch: Watch, by: int, now: datetime) -> int:
    _refuse_taken(sql, "watches", "watch", watch.guild_id, watch.name)
    ((watch_id,),) = sql.execute(
        """INSERT INTO watches (guild_id, name, query, channel_id, thread_id, mention, origin, added_at, since_at, created_by,
            in_private)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'chat', ?7, ?7, ?8, ?9) RETURNING id""",
        (
            watch.guild_id,
            text_for(watch.name),
            text_for(watch.query),
            watch.channel_id,
            watch.thread_id,
            watch.mention,
            ms_for(now),
            by,
            watch.in_private,
        ),
    ).fetchall()
    _limit_to(sql, watch_id, watch.feeds)
    return int(watch_id)


def _edit_watch(sql: sqlite3.Connection, watch: Watch, now: datetime) -> None:
    _refuse_taken(sql, "watches", "watch", watch.guild_id, watch.name, watch.id)
    changed = sql.execute(
        f"""UPDATE watches SET name = ?, query = ?, channel_id = ?, thread_id = ?, in_private = ?, mention = ?,
            since_at = CASE WHEN ? AND NOT enabled THEN ? ELSE since_at END, enabled = ?
        WHERE id = ? AND {_OURS}""",  # noqa: S608  # a constant
        (
            text_for(watch.name),
            text_for(watch.query),
            watch.channel_id,
            watch.thread_id,
            watch.in_private,
            watch.mention,
            watch.enabled,
            ms_for(now),
            watch.enabled,
            watch.id,
            watch.guild_id,
        ),
    ).rowcount
    if not changed:
        raise _gone("watch", watch.name)
    _limit_to(sql, watch.id, watch.feeds)


def _limit_to(sql: sqlite3.Connection, watch_id: int, feeds: Sequence[int]) -> None:
    sql.execute("DELETE FROM watch_feeds WHERE watch_id = ?", (watch_id,))
    sql.executemany("INSERT INTO watch_feeds (watch_id, feed_id) VALUES (?, ?)", [(watch_id, one) for one in feeds])


def _remove_watch(sql: sqlite3.Connection, guild_id: int, watch_id: int) -> None:
    sql.execute(
        f"DELETE FROM watch_feeds WHERE watch_id IN (SELECT id FROM watches WHERE id = ? AND {_OURS})",  # noqa: S608  # a constant
        (watch_id, guild_id),
    )
    if not sql.execute(f"DELETE FROM watches WHERE id = ? AND {_OURS}", (watch_id, guild_id)).rowcount:  # noqa: S608  # a constant
        raise _gone("watch")


def _settle_homes(sql: sqlite3.Connection, homes: Mapping[int, int]) -> bool:
    changed = 0
    for channel_id, guild_id in homes.items():
        changed += sql.execute(
            "UPDATE watches SET home_id = ? WHERE origin = 'config' AND channel_id = ? AND home_id <> ?",
            (guild_id, channel_id, guild_id),
        ).rowcount
    return changed > 0


def _add_actor(sql: sqlite3.Connection, actor: Actor, by: int, now: datetime) -> int:
    _refuse_taken(sql, "actors", "actor", actor.guild_id, actor.name)
    ((actor_id,),) = sql.execute(
        "INSERT INTO actors (guild_id, name, origin, added_at, created_by) VALUES (?, ?, 'chat', ?, ?) RETURNING id",
        (actor.guild_id, text_for(actor.name), ms_for(now), by),
    ).fetchall()
    _keep_aliases(sql, actor_id, actor)
    return int(actor_id)


def _edit_actor(sql: sqlite3.Connection, actor: Actor) -> None:
    _refuse_taken(sql, "actors", "actor", actor.guild_id, actor.name, actor.id)
    changed = sql.execute(
        f"UPDATE actors SET name = ? WHERE id = ? AND {_OURS}",  # noqa: S608  # a constant
        (text_for(actor.name), actor.id, actor.guild_id),
    ).rowcount
    if not changed:
        raise _gone("actor", actor.name)
    _keep_aliases(sql, actor.id, actor)


def _keep_aliases(sql: sqlite3.Connection, actor_id: int, actor: Actor) -> None:
    sql.execute("DELETE FROM aliases WHERE actor_id = ?", (actor_id,))
    sql.executemany(
        "INSERT INTO aliases (actor_id, text, rule, lang, position, origin, struck) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (actor_id, text_for(alias.text), alias.rule, alias.lang or "", position, alias.origin, alias.struck)
            for position, alias in enumerate(actor.aliases)
        ],
    )


def _remove_actor(sql: sqlite3.Connection, guild_id: int, actor_id: int) -> None:
    sql.execute(
        f"DELETE FROM aliases WHERE actor_id IN (SELECT id FROM actors WHERE id = ? AND {_OURS})",  # noqa: S608  # a constant
        (actor_id, guild_id),
    )
    if not sql.execute(f"DELETE FROM actors WHERE id = ? AND {_OURS}", (actor_id, guild_id)).rowcount:  # noqa: S608  # as above
        raise _gone("actor")


def _gone(noun: str, name: str = "") -> UserError:
    called = f' "{name}"' if name else ""
    return UserError(f"The {noun}{called} is not here any more: somebody removed it. /{noun} list shows what is.")


def _refuse_taken(sql: sqlite3.Connection, table: str, noun: str, guild_id: int, name: str, but: int = 0) -> None:
    taken = [
        row[0]
        for row in sql.execute(f"SELECT name FROM {table} WHERE guild_id = ? AND id <> ?", (guild_id, but))  # noqa: S608  # two fixed names
        if str(row[0]).casefold() == name.casefold()
    ]
    if taken:
        raise UserError(f'This server has the {noun} "{taken[0]}" already: take another name, or /{noun} edit.')
