"""What is watched, and where it was declared: feeds, actors and watches, kept in step with the configuration file.

Owns the tables feeds (their declaration), actors, aliases and watches. Never touches a row that people made in chat, and never
deletes one that alerts or seen marks hang on: what vanished from the file rests, and goes on where it was when it comes back.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.model import Actor, Alias, Feed, FeedHealth, FeedHints, Watch
from bot.store.codec import host_for, ms_for, opt_time_in, text_for, time_in, value_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from bot.model import DeclaredFeed

FEED_COLUMNS = """f.id, f.url, f.name, f.origin, f.interval_s, f.validators, f.body_hash, f.items_hash, f.hints, f.rate, f.state,
    f.fail_count, f.last_error, f.next_poll_at, f.last_poll_at, f.last_ok_at, f.subscribed_at, h.rest_until, f.language, f.wakes,
    f.moved_url, f.health, (SELECT COUNT(*) FROM items i INDEXED BY items_held WHERE i.feed_id = f.id AND i.state = 'held'),
    (SELECT COUNT(*) FROM subscriptions s WHERE s.feed_id = f.id AND s.enabled)"""
_DAY_MS = 24 * 60 * 60 * 1000
FEEDS = "feeds f LEFT JOIN hosts h ON h.host = f.host"


def declare(
    sql: sqlite3.Connection,
    *,
    feeds: Sequence[DeclaredFeed],
    actors: Sequence[Actor],
    watches: Sequence[Watch],
    now: datetime,
) -> None:
    """Make the declared rows what the file says; see the module."""
    at = ms_for(now)
    _declare_feeds(sql, feeds, at)
    _declare_actors(sql, actors, at)
    _declare_watches(sql, watches, at)


def _declare_feeds(sql: sqlite3.Connection, feeds: Sequence[DeclaredFeed], at: int) -> None:
    sql.execute(
        "UPDATE feeds SET enabled = 0, state = 'paused' WHERE origin = 'config' AND url NOT IN (SELECT value FROM json_each(?))",
        (json.dumps([feed.url for feed in feeds]),),
    )
    # What comes back after more than a day starts anew with its next document, so that nothing old is told.
    sql.execute(
        """UPDATE feeds SET subscribed_at = NULL, validators = '[null,null]' WHERE origin = 'config' AND NOT enabled
            AND last_poll_at < ? AND url IN (SELECT value FROM json_each(?))""",
        (at - _DAY_MS, json.dumps([feed.url for feed in feeds])),
    )
    # A name learned from the feed stays while none is declared. A changed interval, and a return, make the feed due at once.
    sql.executemany(
        """INSERT INTO feeds (url, host, name, origin, interval_s, added_at) VALUES (?, ?, ?, 'config', ?, ?)
        ON CONFLICT (guild_id, url) DO UPDATE SET
            name = CASE WHEN excluded.name = '' THEN name ELSE excluded.name END,
            next_poll_at = CASE WHEN enabled AND interval_s IS excluded.interval_s THEN next_poll_at END,
            wakes = wakes + NOT (enabled AND interval_s IS excluded.interval_s),
            state = CASE WHEN enabled THEN state WHEN subscribed_at IS NULL THEN 'new' ELSE 'ok' END,
            fail_count = CASE WHEN enabled THEN fail_count ELSE 0 END,
            interval_s = excluded.interval_s, enabled = 1
        WHERE origin = 'config'""",
        [(feed.url, host_for(feed.url), text_for(feed.name), feed.interval_s, at) for feed in feeds],
    )


def wake_feeds(sql: sqlite3.Connection, ids: Collection[int]) -> None:
    """Make these feeds due at once. A poll that is under way leaves them so: it may have asked before there was anything to wake for."""
    sql.execute(
        "UPDATE feeds SET next_poll_at = NULL, wakes = wakes + 1 WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    )


def _declare_actors(sql: sqlite3.Connection, actors: Sequence[Actor], at: int) -> None:
    _rest_unnamed(sql, "actors", ((actor.guild_id, actor.name) for actor in actors))
    for actor in actors:
        row = sql.execute(
            """INSERT INTO actors (guild_id, name, origin, added_at) VALUES (?, ?, 'config', ?)
            ON CONFLICT (guild_id, name) DO UPDATE SET enabled = 1 WHERE origin = 'config' RETURNING id""",
            (actor.guild_id, actor.name, at),
        ).fetchone()
        if row is None:  # an actor of that name was made in chat, and is theirs
            continue
        sql.execute("DELETE FROM aliases WHERE actor_id = ? AND NOT struck", row)
        sql.executemany(
            """INSERT INTO aliases (actor_id, text, rule, lang, position, origin, struck) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (actor_id, text, rule, lang) DO UPDATE SET position = excluded.position""",
            [
                (row[0], alias.text, alias.rule, alias.lang or "", position, alias.origin, alias.struck)
                for position, alias in enumerate(actor.aliases)
            ],
        )


def _declare_watches(sql: sqlite3.Connection, watches: Sequence[Watch], at: int) -> None:
    _rest_unnamed(sql, "watches", ((watch.guild_id, watch.name) for watch in watches))
    sql.executemany(
        """INSERT INTO watches (guild_id, name, query, channel_id, thread_id, mention, origin, enabled, added_at, since_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'config', ?7, ?8, ?8)
        ON CONFLICT (guild_id, name) DO UPDATE SET query = excluded.query, channel_id = excluded.channel_id,
            thread_id = excluded.thread_id, mention = excluded.mention, enabled = excluded.enabled,
            home_id = CASE WHEN channel_id = excluded.channel_id THEN home_id ELSE 0 END,
            since_at = CASE WHEN enabled THEN since_at ELSE excluded.since_at END
        WHERE origin = 'config'""",
        [
            (one.guild_id, one.name, one.query, one.channel_id, one.thread_id, one.mention, one.enabled, at)
            for one in watches
        ],
    )


def _rest_unnamed(sql: sqlite3.Connection, table: str, named: Iterable[tuple[int, str]]) -> None:
    sql.execute(
        f"""UPDATE {table} SET enabled = 0 WHERE origin = 'config' AND NOT EXISTS (
            SELECT 1 FROM json_each(?) WHERE json_extract(value, '$[0]') = guild_id AND json_extract(value, '$[1]') = name)""",  # noqa: S608  # two fixed names
        (json.dumps(list(named)),),
    )


def feeds_in(sql: sqlite3.Connection, *, of_guild: int | None = None) -> tuple[Feed, ...]:
    """Return every feed, resting ones (state "paused") too, in the order in which they were added.

    of_guild: those alone that this server asks for, that are declared, or of the operator's own list (subscriptions.OPERATOR).
    """
    rows = sql.execute(
        f"""SELECT {FEED_COLUMNS} FROM {FEEDS} WHERE ?1 IS NULL OR f.origin = 'config'
            OR f.id IN (SELECT feed_id FROM subscriptions WHERE guild_id IN (0, ?1)) ORDER BY f.id""",  # noqa: S608  # constants
        (of_guild,),
    )
    return tuple(map(feed_in, rows))


def watches_in(sql: sqlite3.Connection, *, resting: bool = False, of_guild: int | None = None) -> tuple[Watch, ...]:
    """Return the watches that are on, in the order in which they were added; resting: those that people paused, too.

    Those of a server that the bot was removed from rest with it. of_guild: those alone that this server made, or that are declared.
    """
    rows = sql.execute(
        """SELECT id, guild_id, name, query, channel_id, thread_id, mention, origin, enabled, home_id, since_at, in_private,
            (SELECT json_group_array(feed_id) FROM watch_feeds WHERE watch_id = id)
        FROM watches WHERE (enabled OR (?1 AND origin = 'chat')) AND guild_id NOT IN (SELECT guild_id FROM guilds_left)
            AND (?2 IS NULL OR guild_id IN (0, ?2)) ORDER BY id""",
        (resting, of_guild),
    )
    return tuple(
        Watch(
            id=id_,
            guild_id=guild_id,
            name=name,
            query=query,
            channel_id=channel_id,
            thread_id=thread_id,
            mention=mention,
            origin=origin,
            enabled=bool(enabled),
            feeds=tuple(json.loads(feeds)),
            home_id=guild_id or home_id,
            since_at=time_in(since_at),
            in_private=bool(in_private),
        )
        for id_, guild_id, name, query, channel_id, thread_id, mention, origin, enabled, home_id, since_at, in_private, feeds in rows
    )


def actors_in(sql: sqlite3.Connection, *, of_guild: int | None = None) -> tuple[Actor, ...]:
    """Return the actors that are on, with their spellings (struck ones too) as they were given.

    of_guild: those alone that this server made, or that are declared.
    """
    ours = "?1 IS NULL OR guild_id IN (0, ?1)"
    aliases: dict[int, list[Alias]] = {}
    for actor_id, text, rule, lang, origin, struck in sql.execute(
        f"""SELECT actor_id, text, rule, lang, origin, struck FROM aliases
        WHERE actor_id IN (SELECT id FROM actors WHERE {ours}) ORDER BY actor_id, position""",  # noqa: S608  # a constant
        (of_guild,),
    ):
        alias = Alias(text=text, rule=rule, origin=origin, lang=lang or None, struck=bool(struck))
        aliases.setdefault(actor_id, []).append(alias)
    rows = sql.execute(
        f"SELECT id, guild_id, name, origin FROM actors WHERE enabled AND ({ours}) ORDER BY id",  # noqa: S608  # as above
        (of_guild,),
    )
    return tuple(
        Actor(id=id_, guild_id=guild_id, name=name, aliases=tuple(aliases.get(id_, ())), origin=origin)
        for id_, guild_id, name, origin in rows
    )


def feed_in(row: Sequence[Any]) -> Feed:
    """Return the feed of a row of FEED_COLUMNS."""
    etag, last_modified = json.loads(row[5])
    return Feed(
        id=row[0],
        url=row[1],
        name=row[2],
        origin=row[3],
        interval_s=row[4],
        etag=etag,
        last_modified=last_modified,
        body_hash=row[6],
        items_hash=row[7],
        hints=value_in(FeedHints, row[8]),
        rate=row[9],
        state=row[10],
        fail_count=row[11],
        last_error=row[12],
        next_poll_at=opt_time_in(row[13]),
        last_poll_at=opt_time_in(row[14]),
        last_ok_at=opt_time_in(row[15]),
        subscribed_at=opt_time_in(row[16]),
        host_rest_until_at=opt_time_in(row[17]),
        language=row[18],
        wakes=row[19],
        moved_url=row[20],
        health=value_in(FeedHealth, row[21]),
        held=row[22],
        subscribers=row[23],
    )
