"""Lists of feeds, in and out of chat: what a list would bring, what it brought, and a server's own feeds as a list.

A preview stores nothing; what is then stored is stored in one transaction. No password leaves by a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.desk_feeds import MOST_FEEDS
from bot.desk_ledger import in_turn
from bot.desk_sight import need_manager
from bot.errors import FeedError, UserError
from bot.feeds.importing import ImportPlan, plan_import
from bot.feeds.links import without_credentials
from bot.feeds.opml import opml_for
from bot.feeds.timing import start_spread_s
from bot.means import without_stalling
from bot.model import ListedFeed
from bot.store import NewFeed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from bot.desk_ledger import Ledger
    from bot.desk_sight import Asker, SeenFeed, Sight

FILE_BYTES = 1 << 20
AN_ADDRESS = 20  # what it costs to judge one, in characters of text
FULL = f"A server may have {MOST_FEEDS} feeds: remove some first."


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import stored. ids: of the feeds that the server hears because of it. known: somebody else added those meanwhile.

    asked_within_s: within which time all of them are asked for the first time.
    """

    ids: frozenset[int]
    known: int
    asked_within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProgress:
    """How far the first reading of imported feeds is. troubled: those that could not be read so far."""

    read: int
    waiting: int
    troubled: tuple[SeenFeed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A server's feeds as a list. operators: feeds of the operator's that it hears too, which are not in it. bare: passwords left out."""

    text: str
    feeds: int
    operators: int
    bare: int


class OpmlDesk:
    """The lists of a server."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def preview(self, asker: Asker, body: bytes) -> ImportPlan:
        """Return what a list would bring to this server. Stores nothing, asks nobody.

        Raises:
            UserError: the asker may not, or it is no list of feeds.
        """
        need_manager(asker)
        if len(body) > FILE_BYTES:
            raise UserError(f"A list may have {FILE_BYTES >> 20} MiB: split it.")
        pipeline = self.ledger.pipeline
        try:
            listed = await pipeline.workers.read_opml(body)
        except FeedError as error:
            raise UserError(str(error)) from None
        if not listed.feeds:
            raise UserError("The list names no feed: no outline in it has an xmlUrl.")
        sight = await self.ledger.sight(asker)
        return await without_stalling(
            len(listed.feeds) * AN_ADDRESS,
            plan_import,
            listed,
            known={one.feed.url for one in sight.feeds},
            refusal=pipeline.web.refusal,
            room=_room_in(sight),
            full=FULL,
        )

    @in_turn
    async def take(self, asker: Asker, plan: ImportPlan) -> Imported:
        """Subscribe this server to what is new in a plan. Each feed's first document is its baseline; they are asked one by one.

        Raises:
            UserError: the asker may not, or the server has too many feeds by now.
        """
        need_manager(asker)
        new = plan.those("new")
        if len(new) > _room_in(await self.ledger.sight(asker)):
            raise UserError(FULL)
        now = self.ledger.clock()
        rows = self._rows(now, [line.feed for line in new])
        ids = await self.ledger.store.chat.add_feeds(asker.guild_id, rows, by=asker.user_id, now=now)
        await self.ledger.changed()
        within_s = max(((one.due_at - now).total_seconds() for one in rows if one.due_at), default=0.0)
        return Imported(ids=frozenset(ids), known=len(new) - len(ids), asked_within_s=within_s)

    def _rows(self, now: datetime, feeds: Sequence[ListedFeed]) -> list[NewFeed]:
        """Return what is to be stored: feeds of public hosts are asked one after another, as at a start."""
        pipeline, rows = self.ledger.pipeline, []
        waiting = [one.url for one in feeds if not pipeline.web.may_be_private(one.url)]
        places = {url: place for place, url in enumerate(waiting)}
        for one in feeds:
            due_at = None
            if one.url in places:
                wait_s = start_spread_s(places[one.url], len(waiting), chance=pipeline.chance())
                due_at = now + timedelta(seconds=wait_s)
            rows.append(NewFeed(url=one.url, name=one.name, due_at=due_at))
        return rows

    async def progress(self, asker: Asker, ids: Collection[int]) -> ImportProgress:
        """Return how far imported feeds are: those that are still heard here.

        Raises:
            UserError: the asker may not know.
        """
        need_manager(asker)
        feeds = [one for one in (await self.ledger.sight(asker)).feeds if one.feed.id in ids]
        troubled = tuple(one for one in feeds if not one.feed.subscribed_at and one.feed.last_error)
        read = sum(one.feed.subscribed_at is not None for one in feeds)
        return ImportProgress(read=read, waiting=len(feeds) - read - len(troubled), troubled=troubled)

    async def export(self, asker: Asker) -> Exported:
        """Return the feeds that this server asked for, as a list: its names, and addresses without passwords.

        Raises:
            UserError: the asker may not, or there is nothing to export.
        """
        need_manager(asker)
        feeds = (await self.ledger.sight(asker)).feeds
        own = [one for one in feeds if not one.is_declared]
        if not own:
            raise UserError(
                "This server asked for no feed yet: there is nothing to export. /feed add takes an address."
            )
        listed = [ListedFeed(url=without_credentials(one.feed.url), name=one.name) for one in own]
        return Exported(
            text=opml_for(listed, title="Feeds of wirewatch", at=self.ledger.clock()),
            feeds=len(own),
            operators=len(feeds) - len(own),
            bare=sum(without_credentials(one.feed.url) != one.feed.url for one in own),
        )


def _room_in(sight: Sight) -> int:
    return max(0, MOST_FEEDS - sum(not one.is_declared for one in sight.feeds))
