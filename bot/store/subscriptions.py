"""Who hears which feed: the subscriptions of servers, what a shared feed is because of them, and servers that were left.

Owns the tables subscriptions and guilds_left, and the feeds of origin 'chat'. An address is polled once for all that ask for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.errors import UserError
from bot.model import Hearing
from bot.store.codec import host_for, ms_for, text_for, time_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from datetime import datetime


OPERATOR = 0
"""Stands in place of a server for the operator's own list: what `wirewatch opml import` brought."""
FIRST_READ_WITHIN = timedelta(seconds=60)
OWN = "SELECT feed_id FROM subscriptions WHERE guild_id = ?1"
OPERATORS = f"SELECT feed_id FROM subscriptions WHERE guild_id = {OPERATOR} AND enabled"  # noqa: S608  # a number of ours
# When a feed may be asked again: a minute after it was, up to a day later where it asks for that; at once where it never was.
_SOON = """last_poll_at + CAST(1000 * MAX(60, MIN(86400, MAX(COALESCE(json_extract(health, '$.fresh_s'), 0),
    COALESCE(json_extract(hints, '$.ttl_s'), 0), COALESCE(json_extract(hints, '$.period_s'), 0)))) AS INTEGER)"""
GONE = "The feed is not heard here any more: somebody removed it. /feed list shows what is."


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A feed that a server asked for. name "": as the feed calls itself. enabled: it is heard there."""

    guild_id: int
    feed_id: int
    name: str
    interval_s: float | None
    enabled: bool
    created_by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFeed:
    """An address to be subscribed to with others. name "": as the feed calls itself. due_at: when it is first asked, None: at once."""

    url: str
    name: str = ""
    due_at: datetime | None = None


def subscriptions_in(sql: sqlite3.Connection, guild_id: int) -> tuple[Subscription, ...]:
    """Return a server's subscriptions and those of the operator's own list, oldest first."""
    rows = sql.execute(
        """SELECT guild_id, feed_id, name, interval_s, enabled, created_by FROM subscriptions
        WHERE guild_id IN (?, ?) ORDER BY added_at, feed_id""",
        (guild_id, OPERATOR),
    )
    return tuple(
        Subscription(
            guild_id=guild_id,
            feed_id=feed_id,
            name=name,
            interval_s=interval_s,
            enabled=bool(enabled),
            created_by=created_by,
        )
        for guild_id, feed_id, name, interval_s, enabled, created_by in rows
    )


def audiences_in(sql: sqlite3.Connection, *, of_guild: int | None = None) -> dict[int, frozenset[int]]:
    """Return which servers hear a feed, for each feed that not all hear; of_guild: of those alone that it asks for, or that are declared.

    A feed from chat is heard by the servers that ask for it. A declared one, and one of the operator's list (OPERATOR), is heard by all;
    where it needs a password, only by the servers that declared watches alert.
    """
    own = (of_guild,)
    heard: dict[int, set[int]] = {
        feed_id: set()
        for (feed_id,) in sql.execute(
            f"SELECT id FROM feeds WHERE origin = 'chat' AND (?1 IS NULL OR id IN ({OWN}))",  # noqa: S608  # a constant
            own,
        )
    }
    for feed_id, guild_id in sql.execute(
        f"""SELECT feed_id, guild_id FROM subscriptions
        WHERE enabled AND guild_id NOT IN (SELECT guild_id FROM guilds_left) AND (?1 IS NULL OR feed_id IN ({OWN}))""",  # noqa: S608  # as above
        own,
    ):
        if feed_id in heard:
            heard[feed_id].add(guild_id)
    homes = {home for (home,) in sql.execute("SELECT home_id FROM watches WHERE origin = 'config' AND enabled")}
    for feed_id, url in sql.execute(
        f"SELECT id, url FROM feeds WHERE (origin = 'config' AND url LIKE '%@%') OR id IN ({OPERATORS})"  # noqa: S608  # a constant
    ):
        if has_credentials(url):
            heard[feed_id] = heard.get(feed_id, set()) | homes
        else:
            heard.pop(feed_id, None)
    return {feed_id: frozenset(guilds) for feed_id, guilds in heard.items()}


def hearings_in(sql: sqlite3.Connection) -> dict[tuple[int, int], Hearing]:
    """Return how servers hear the feeds that they asked for, by feed and server; a feed that is declared is heard as declared."""
    rows = sql.execute(
        """SELECT s.feed_id, s.guild_id, s.name, s.since_at FROM subscriptions s JOIN feeds f ON f.id = s.feed_id
        WHERE s.enabled AND f.origin = 'chat'"""
    )
    return {
        (feed_id, guild_id): Hearing(name=name, since_at=time_in(since_at))
        for feed_id, guild_id, name, since_at in rows
    }


def claim_for_file(sql: sqlite3.Connection, urls: Sequence[str]) -> None:
    """Make declared those feeds from chat that all share and the file now names; whoever asked for them hears them so."""
    sql.execute(
        """UPDATE feeds SET origin = 'config'
        WHERE origin = 'chat' AND guild_id = 0 AND url IN (SELECT value FROM json_each(?))""",
        (json.dumps(urls),),
    )


def claim_for_chat(sql: sqlite3.Connection) -> None:
    """Give back to the servers that ask for them the feeds that vanished from the file."""
    vanished = sql.execute(
        """UPDATE feeds SET origin = 'chat' WHERE origin = 'config' AND NOT enabled
            AND id IN (SELECT feed_id FROM subscriptions) RETURNING id"""
    ).fetchall()
    for (feed_id,) in vanished:
        _settle_feed(sql, feed_id)


def has_credentials(url: str) -> bool:
    """Return whether an address carries a user name or a password."""
    try:
        return "@" in urlsplit(url).netloc
    except ValueError:
        return False


def add_feed(sql: sqlite3.Connection, guild_id: int, url: str, by: int, now: datetime) -> tuple[int, bool]:
    """Subscribe a server to an address; return the feed's id, and whether its first document is still to come.

    Whoever adds a feed reads it: by itself one that was never asked is due in a minute only.
    """
    feed_id, is_declared, is_added = _subscribe(sql, guild_id, url, "", by, now)
    if is_declared:
        raise UserError("This feed is declared in the configuration file, and heard here already: nothing to add.")
    if not is_added:
        raise UserError("This server has that feed already: /feed list shows it.")
    _put_off_first(sql, feed_id, now + FIRST_READ_WITHIN)
    ((fresh,),) = sql.execute("SELECT subscribed_at IS NULL FROM feeds WHERE id = ?", (feed_id,)).fetchall()
    return feed_id, bool(fresh)


def add_feeds(sql: sqlite3.Connection, guild_id: int, feeds: Sequence[NewFeed], by: int, now: datetime) -> list[int]:
    """Subscribe a server to all of these, whatever it hears already; return the ids of those that it did not hear before."""
    added = []
    for feed in feeds:
        feed_id, is_declared, is_added = _subscribe(sql, guild_id, feed.url, feed.name, by, now)
        if is_declared or not is_added:
            continue
        added.append(feed_id)
        if feed.due_at is not None:
            _put_off_first(sql, feed_id, feed.due_at)
    return added


def _put_off_first(sql: sqlite3.Connection, feed_id: int, due_at: datetime) -> None:
    """Have a feed that was never asked be due then."""
    sql.execute(
        "UPDATE feeds SET next_poll_at = ? WHERE id = ? AND subscribed_at IS NULL AND last_poll_at IS NULL",
        (ms_for(due_at), feed_id),
    )


def _subscribe(
    sql: sqlite3.Connection, guild_id: int, url: str, name: str, by: int, now: datetime
) -> tuple[int, bool, bool]:
    """Return a feed's id, whether the file declares it (it is then left alone), and whether the server now began to hear it."""
    owner = guild_id if has_credentials(url) else 0
    sql.execute(
        """INSERT INTO feeds (guild_id, url, host, name, origin, enabled, state, added_at)
        VALUES (?, ?, ?, '', 'chat', 0, 'paused', ?) ON CONFLICT DO NOTHING""",
        (owner, url, host_for(url), ms_for(now)),
    )
    feed_id, origin, enabled = sql.execute(
        "SELECT id, origin, enabled FROM feeds WHERE guild_id = ? AND url = ?", (owner, url)
    ).fetchone()
    if origin == "config" and enabled:
        return int(feed_id), True, False
    if origin == "config":  # it vanished from the file; from now on it is this server's
        sql.execute("UPDATE feeds SET origin = 'chat' WHERE id = ?", (feed_id,))
    added = sql.execute(
        """INSERT INTO subscriptions (guild_id, feed_id, name, created_by, added_at, since_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
        ON CONFLICT DO NOTHING RETURNING 1""",
        (guild_id, feed_id, text_for(name), by, ms_for(now)),
    ).fetchall()
    _settle_feed(sql, feed_id)
    return int(feed_id), False, bool(added)


def edit_feed(sql: sqlite3.Connection, guild_id: int, feed_id: int, name: str | None, interval_s: float | None) -> None:
    """Change a subscription's name and shortest interval; None leaves either as it is, "" and 0 take it away."""
    changed = sql.execute(
        """UPDATE subscriptions SET name = COALESCE(?, name), interval_s = NULLIF(COALESCE(?, interval_s), 0)
        WHERE guild_id = ? AND feed_id = ?""",
        (None if name is None else text_for(name), interval_s, guild_id, feed_id),
    ).rowcount
    if not changed:
        raise UserError(GONE)
    _settle_feed(sql, feed_id)
    if interval_s is not None:
        sql.execute(f"UPDATE feeds SET next_poll_at = {_SOON}, wakes = wakes + 1 WHERE id = ?", (feed_id,))  # noqa: S608  # a constant


def switch_feed(sql: sqlite3.Connection, guild_id: int, feed_id: int, *, on: bool, now: datetime) -> None:
    """Pause or resume a subscription; what was there before it was resumed is not told."""
    changed = sql.execute(
        """UPDATE subscriptions SET since_at = CASE WHEN ?1 AND NOT enabled THEN ?2 ELSE since_at END, enabled = ?1
        WHERE guild_id = ?3 AND feed_id = ?4""",
        (on, ms_for(now), guild_id, feed_id),
    ).rowcount
    if not changed:
        raise UserError(GONE)
    _settle_feed(sql, feed_id)


def remove_feed(sql: sqlite3.Connection, guild_id: int, feed_id: int) -> None:
    """End a subscription; a feed that nobody asks for rests, and goes where it never was read."""
    sql.execute("DELETE FROM subscriptions WHERE guild_id = ? AND feed_id = ?", (guild_id, feed_id))
    sql.execute(
        """DELETE FROM watch_feeds WHERE feed_id = ? AND watch_id IN (
            SELECT w.id FROM watches w WHERE w.guild_id = ?
            AND (SELECT COUNT(*) FROM watch_feeds o WHERE o.watch_id = w.id) > 1)""",  # one that is left with none would hear all
        (feed_id, guild_id),
    )
    _settle_feed(sql, feed_id)
    sql.execute(
        """DELETE FROM feeds WHERE id = ? AND origin = 'chat' AND subscribed_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE feed_id = feeds.id)
            AND NOT EXISTS (SELECT 1 FROM watch_feeds WHERE feed_id = feeds.id)
            AND NOT EXISTS (SELECT 1 FROM items WHERE feed_id = feeds.id)
            AND NOT EXISTS (SELECT 1 FROM seen WHERE feed_id = feeds.id)""",
        (feed_id,),
    )
    _forget_passwords(sql, "id = ?", feed_id)


def _forget_passwords(sql: sqlite3.Connection, which: str, value: object) -> None:
    """Take the password from the addresses of feeds that were one server's own and that it asks for no more; their items stay."""
    rows = sql.execute(
        f"""SELECT id, url FROM feeds WHERE origin = 'chat' AND guild_id <> 0 AND {which}
        AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE feed_id = feeds.id)""",  # noqa: S608  # constants
        (value,),
    ).fetchall()
    for feed_id, url in rows:
        parts = urlsplit(url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=f"removed-{feed_id}").geturl()
        sql.execute("UPDATE feeds SET url = ?, last_error = '' WHERE id = ?", (bare, feed_id))


def settle_feeds(sql: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Make these chat feeds, where they still are, what their remaining servers ask for."""
    for feed_id in ids:
        _settle_feed(sql, feed_id)


def _settle_feed(sql: sqlite3.Connection, feed_id: int) -> None:
    """Make a chat feed what its servers ask for: on while one listens, as often as the most eager wants.

    Its name is its own; what servers call it stays in their subscriptions.
    One that comes back starts anew with its next document, so that nothing old is told; it is due as soon as it may be asked.
    """
    heard = sql.execute(
        """SELECT interval_s FROM subscriptions
        WHERE feed_id = ? AND enabled AND guild_id NOT IN (SELECT guild_id FROM guilds_left)""",
        (feed_id,),
    ).fetchall()
    intervals = [interval_s for (interval_s,) in heard if interval_s is not None]
    sql.execute(
        f"""UPDATE feeds SET enabled = ?1, interval_s = ?2,
            state = CASE WHEN NOT ?1 THEN 'paused' WHEN enabled THEN state ELSE 'new' END,
            wakes = wakes + (?1 AND NOT enabled), next_poll_at = CASE WHEN ?1 AND NOT enabled THEN {_SOON} ELSE next_poll_at END,
            fail_count = CASE WHEN ?1 AND NOT enabled THEN 0 ELSE fail_count END,
            last_error = CASE WHEN ?1 AND NOT enabled THEN '' ELSE last_error END,
            validators = CASE WHEN ?1 AND NOT enabled THEN '[null,null]' ELSE validators END,
            subscribed_at = CASE WHEN ?1 AND NOT enabled THEN NULL ELSE subscribed_at END
        WHERE id = ?3 AND origin = 'chat'""",  # noqa: S608  # a constant
        (bool(heard), min(intervals, default=None), feed_id),
    )


def reopen_newest(sql: sqlite3.Connection, guild_id: int, feed_id: int) -> bool:
    """Let the newest item of a first document be read after all, where nobody but this server would be told of it."""
    return bool(
        sql.execute(
            """UPDATE items SET state = 'to_read' WHERE id = (SELECT id FROM items WHERE feed_id = ? AND state = 'baseline'
                ORDER BY published_at DESC NULLS LAST, id LIMIT 1)
            AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE feed_id = ? AND guild_id <> ? AND enabled)""",
            (feed_id, feed_id, guild_id),
        ).rowcount
    )


def leave_guild(sql: sqlite3.Connection, guild_id: int, now: datetime) -> None:
    """Let what a server has rest."""
    sql.execute(
        "INSERT INTO guilds_left (guild_id, left_at) VALUES (?, ?) ON CONFLICT DO NOTHING", (guild_id, ms_for(now))
    )
    _settle_feeds_of(sql, guild_id)


def rejoin_guild(sql: sqlite3.Connection, guild_id: int, now: datetime) -> bool:
    """Let what a server has go on, without what was there before; return whether it rested."""
    changed = sql.execute("DELETE FROM guilds_left WHERE guild_id = ?", (guild_id,)).rowcount
    if changed:
        for table in ("watches", "subscriptions"):
            sql.execute(f"UPDATE {table} SET since_at = ? WHERE guild_id = ?", (ms_for(now), guild_id))  # noqa: S608  # two fixed names
        _settle_feeds_of(sql, guild_id)
    return changed > 0


def _settle_feeds_of(sql: sqlite3.Connection, guild_id: int) -> None:
    for (feed_id,) in sql.execute("SELECT feed_id FROM subscriptions WHERE guild_id = ?", (guild_id,)).fetchall():
        _settle_feed(sql, feed_id)


def forget_guilds(sql: sqlite3.Connection, left_before: datetime) -> int:
    """Delete what servers had that were left before then; return of how many."""
    gone = [row[0] for row in sql.execute("SELECT guild_id FROM guilds_left WHERE left_at < ?", (ms_for(left_before),))]
    given = (json.dumps(gone),)
    of_gone = "guild_id IN (SELECT value FROM json_each(?))"
    for statement in (
        f"DELETE FROM watch_feeds WHERE watch_id IN (SELECT id FROM watches WHERE origin = 'chat' AND {of_gone})",  # noqa: S608  # a constant
        f"DELETE FROM watches WHERE origin = 'chat' AND {of_gone}",  # noqa: S608  # as above
        f"DELETE FROM aliases WHERE actor_id IN (SELECT id FROM actors WHERE origin = 'chat' AND {of_gone})",  # noqa: S608  # as above
        f"DELETE FROM actors WHERE origin = 'chat' AND {of_gone}",  # noqa: S608  # as above
        f"DELETE FROM subscriptions WHERE {of_gone}",  # noqa: S608  # as above
        f"DELETE FROM guilds_left WHERE {of_gone}",  # noqa: S608  # as above
    ):
        sql.execute(statement, given)
    _forget_passwords(sql, "guild_id IN (SELECT value FROM json_each(?))", given[0])
    return len(gone)
