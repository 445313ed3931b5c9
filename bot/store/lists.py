"""Every feed of a store as a list, with whose it is. Reads alone, also beside a running bot."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from bot.model import ListedFeed
from bot.store.files import plain_connection
from bot.store.schema import check_version, existing_place
from bot.store.subscriptions import OPERATOR

if TYPE_CHECKING:
    from pathlib import Path

DECLARED, OPERATORS = "declared in the configuration", "the operator's list"


def listed_feeds(database: Path) -> tuple[ListedFeed, ...]:
    """Return the feeds that are on, with their passwords, a folder for whose they are: once for each that asks for it.

    Raises:
        StoreError: there is no such store, or it is not ours.
    """
    place = existing_place(database)
    with closing(plain_connection(place, "rw")) as sql:
        sql.execute("PRAGMA query_only = ON")
        check_version(sql, place)
        rows = sql.execute(
            f"""SELECT url, name, '{DECLARED.replace("'", "''")}' AS folder, id FROM feeds WHERE origin = 'config' AND enabled
            UNION ALL SELECT f.url, COALESCE(NULLIF(s.name, ''), f.name),
                CASE s.guild_id WHEN {OPERATOR} THEN '{OPERATORS.replace("'", "''")}' ELSE 'server ' || s.guild_id END, f.id
            FROM subscriptions s JOIN feeds f ON f.id = s.feed_id WHERE s.enabled AND f.origin = 'chat'
            ORDER BY folder, id"""  # noqa: S608  # constants
        ).fetchall()
    return tuple(ListedFeed(url=url, name=name, folder=folder) for url, name, folder, _ in rows)
