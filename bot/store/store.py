"""The store as the rest of the program sees it: one method for one transaction. Opens and closes everything in the right order.

Times cross this border as aware UTC. Every method raises StoreError where the disk, another program or damage is in the way, and
then has stored nothing; it may be called again. What a method returned is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

from bot.errors import StoreError
from bot.store import archive, backlog, declared, polls, readings, subscriptions
from bot.store import words as word_table
from bot.store.chat import ChatRows
from bot.store.connection import connect, finish, run_whole
from bot.store.due_times import latest_poll_at, shift_due_times
from bot.store.lock import take_lock
from bot.store.owed import OwedRows
from bot.store.reader import Reader
from bot.store.schema import MIGRATIONS, check_version, existing_place, open_gate, place_for
from bot.store.unchanged import UnchangedPolls
from bot.store.upkeep import Upkeep
from bot.store.writer import Writer
from bot.vitals import Vitals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    import aiosqlite

    from bot.model import (
        Actor,
        DeclaredFeed,
        Feed,
        Item,
        ItemKeys,
        Known,
        Poll,
        Reading,
        Story,
        ToldAlert,
        Watch,
        WordForm,
    )

T = TypeVar("T")


class Store(OwedRows):
    """An open database. Safe to use from any number of tasks of one event loop.

    chat: the rows that people make in chat. archive: what they ask, through a reader of its own, so that nothing else waits for it.
    upkeep: housekeeping. vitals: counts what is committed.
    """

    def __init__(
        self,
        path: Path,
        readers: tuple[Reader, Reader],
        writer: Writer | None,
        voice: str,
        opened: AsyncExitStack,
        vitals: Vitals,
    ) -> None:
        self.path = path
        self.vitals = vitals
        self._reader, self._archive_reader = readers
        self._writer = writer
        self._unchanged = UnchangedPolls(writer) if writer else None
        self._voice = voice
        self._opened = opened
        self._closing: asyncio.Task[None] | None = None
        self.chat = ChatRows(self._write, self._read_settled)
        self.archive = archive.Archive(self._ask)
        self.upkeep = Upkeep(path, self._write, self._read_settled)

    @classmethod
    async def open(cls, path: Path | str, *, now: datetime, voice: str = "terminal") -> Store:
        """Return the store at `path`, for this process alone; create the file where there is none.

        voice: who speaks to people through this store (a bot's id); part of every alert's nonce.

        Raises: StoreError, one line that says what to do: in use by another process, damaged, newer, not ours, not writable, full.
        """
        path = place_for(path)
        async with AsyncExitStack() as opened:
            opened.callback(take_lock(path).release)
            await finish(asyncio.to_thread(open_gate, path, now=now))
            writing = await connect(path, reading=False)
            opened.push_async_callback(writing.close)
            opened.push_async_callback(_checkpoint, writing)
            readers = await _open_readers(path, opened)
            vitals = Vitals()
            writer = Writer(writing, vitals)
            opened.push_async_callback(writer.close)
            return cls(path, readers, writer, voice, opened.pop_all(), vitals)

    @classmethod
    async def open_readonly(cls, path: Path | str) -> Store:
        """Return the store at `path` for questions only, also while the bot runs. It is neither created, migrated nor locked.

        Raises: StoreError.
        """
        path = existing_place(path)
        async with AsyncExitStack() as opened:
            readers = await _open_readers(path, opened)
            version = await readers[0].read(lambda sql: check_version(sql, path))
            if version < (latest := len(MIGRATIONS)):
                raise StoreError(f"{path} has schema {version}, this program reads {latest}: start wirewatch run once")
            return cls(path, readers, None, "", opened.pop_all(), Vitals())

    async def close(self) -> None:
        """Write what still waits, fold the log into the file, close, give the lock back. Once is enough, twice does no harm."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="store close")
        await finish(self._closing)

    async def _close(self) -> None:
        if self._unchanged is not None:
            with contextlib.suppress(StoreError):
                await self._unchanged.settle()
            self._unchanged.drop()
        await self._opened.aclose()

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._writer is None:
            raise StoreError(f"{self.path} was opened for reading only: nothing can be changed through it")
        if self._unchanged is not None:
            self._unchanged.write()
        return await self._writer.write(work)

    async def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        if self._closing is not None:
            raise StoreError("the store is closed")
        return await self._reader.read(question)

    async def _read_settled(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask what depends on the latest of every feed."""
        if self._unchanged is not None and self._closing is None:
            with contextlib.suppress(StoreError):  # what cannot be written now was nothing new
                await self._unchanged.settle()
        return await self._read(question)

    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        if self._closing is not None:
            raise StoreError("the store is closed")
        return await self._archive_reader.read(question)

    # --- what is watched ----------------------------------------------------------------------------------------------

    async def declare(
        self,
        *,
        feeds: Sequence[DeclaredFeed],
        actors: Sequence[Actor],
        watches: Sequence[Watch],
        now: datetime,
    ) -> None:
        """Bring the declared feeds, actors and watches in step with the file.

        What chat made is never touched, but that a shared feed is declared for as long as the file names it. What vanished from the
        file rests, and goes on with its old marks and id when it comes back under the same url or name.
        """

        def work(sql: sqlite3.Connection) -> None:
            subscriptions.claim_for_file(sql, [feed.url for feed in feeds])
            declared.declare(sql, feeds=feeds, actors=actors, watches=watches, now=now)
            subscriptions.claim_for_chat(sql)

        await self._write(work)

    async def feeds(self) -> tuple[Feed, ...]:
        """Return every feed, resting ones (state "paused") too."""
        return await self._read_settled(declared.feeds_in)

    async def watches(self) -> tuple[Watch, ...]:
        """Return the watches that are on."""
        return await self._read(declared.watches_in)

    async def actors(self) -> tuple[Actor, ...]:
        """Return the actors that are on, with all their spellings."""
        return await self._read(declared.actors_in)

    async def wake_feeds(self, ids: Collection[int]) -> None:
        """Make these feeds due at once, also those whose poll is under way: they are then asked once more."""
        await self._write(lambda sql: declared.wake_feeds(sql, ids))

    # --- polls --------------------------------------------------------------------------------------------------------

    async def due_feeds(
        self, now: datetime, *, limit: int = 100, of_host: int | None = None, without: Collection[int] = ()
    ) -> tuple[Feed, ...]:
        """Return the feeds to be polled now, the longest overdue first; none whose host rests, none of those in `without`.

        of_host: so many of one host at most; None: all.
        """
        if self._unchanged is None:
            return await self._read(lambda sql: polls.due_feeds(sql, now, limit, without, of_host))
        again_at = self._unchanged.next_at(without)
        if again_at is not None and again_at <= now:
            await self._unchanged.settle()
        hidden = {*without, *self._unchanged.feeds}
        return await self._read(lambda sql: polls.due_feeds(sql, now, limit, hidden, of_host))

    async def next_poll_at(self, *, without: Collection[int] = ()) -> datetime | None:
        """Return when the next feed is due (1970: now), rests of hosts counted in, but those in `without`; None without feeds."""
        if self._unchanged is None:
            return await self._read(lambda sql: polls.next_poll_at(sql, without))
        again_at, hidden = self._unchanged.next_at(without), {*without, *self._unchanged.feeds}
        at = await self._read(lambda sql: polls.next_poll_at(sql, hidden))
        return min((one for one in (at, again_at) if one is not None), default=None)

    async def known(self, feed_id: int, keys: Sequence[ItemKeys], *, now: datetime) -> Known:
        """Return what this feed is known to have held of these entries."""
        return await self._read(lambda sql: polls.known(sql, feed_id, keys, now))

    async def commit_poll(self, poll: Poll) -> tuple[int, ...]:
        """Store one poll whole, and return the ids of new items. The same poll once more adds nothing.

        One that brought nothing is the only thing that may be written a little later: see `unchanged`.
        """
        if self._unchanged is not None and self._closing is None and self._unchanged.take(poll):
            new: tuple[int, ...] = ()
        else:
            new = await self._write(lambda sql: polls.commit_poll(sql, poll))
        self.vitals.polled(poll, len(new))
        return new

    async def release_feed(self, feed_id: int, *, drop: bool = False) -> int:
        """Let the items that a feed held back be read (drop: lie); one that held none is due at once, also where it is gone.

        Returns how many items were held back.
        """
        return await self._write(lambda sql: polls.release_feed(sql, feed_id, drop=drop))

    async def rebaseline_feeds(self) -> int:
        """Take the next document of every feed as its baseline: after a restore nothing that stands there is news. Returns of how many."""
        return await self._write(polls.rebaseline_feeds)

    async def shift_due_times(self, by: timedelta, *, now: datetime) -> None:
        """Move all that is due along with a wall clock that was set by so much (forward: positive) and shows `now` since."""
        await self._write(lambda sql: shift_due_times(sql, by, now))

    async def latest_poll_at(self) -> datetime | None:
        """Return when a feed was last asked; where that lies ahead, the clock was set back while nothing ran."""
        return await self._read_settled(latest_poll_at)

    # --- readings -----------------------------------------------------------------------------------------------------

    async def items_to_read(self, *, limit: int, without: Collection[int] = ()) -> tuple[Item, ...]:
        """Return items that are new or edited and not read since, oldest first."""
        return await self._read(lambda sql: readings.items_to_read(sql, limit, without))

    async def pages_owed(self, now: datetime, *, limit: int, without: Collection[int] = ()) -> tuple[Item, ...]:
        """Return items that were read as a teaser and whose page is to be tried again by now."""
        return await self._read(lambda sql: readings.pages_owed(sql, now, limit, without))

    async def next_page_at(self, *, without: Collection[int] = ()) -> datetime | None:
        """Return when the next page is to be tried again, but those of items in `without`; None where none is owed."""
        return await self._read(lambda sql: readings.next_page_at(sql, without))

    async def put_off_page(self, item_id: int, *, next_at: datetime | None, tries: int) -> None:
        """Note that an item's page could not be had again, and when it is tried next; None gives it up."""
        await self._write(lambda sql: readings.put_off_page(sql, item_id, next_at, tries))

    async def item(self, item_id: int) -> Item | None:
        """Return an item; None where there is none of that id."""
        return await self._read(lambda sql: readings.item(sql, item_id))

    async def text_is_gone(self, item_id: int) -> bool:
        """Return whether an item's article was read and its text deleted since, by age."""
        return await self._read(lambda sql: readings.text_is_gone(sql, item_id))

    async def story_for(self, item: Item) -> Story:
        """Return the story that an item tells, by what is known without its words: its own, that of its link, or a new one."""
        return await self._read(lambda sql: readings.story_for(sql, item))

    async def told(self, story_key: bytes) -> tuple[ToldAlert, ...]:
        """Return what all channels were told of a story, or are owed, by number."""
        return await self._read(lambda sql: readings.told(sql, story_key))

    async def commit_reading(self, reading: Reading) -> None:
        """Store one reading and all that is owed because of it. The same reading once more changes nothing."""
        await self._write(lambda sql: readings.commit_reading(sql, reading, self._voice))
        self.vitals.read(reading)

    # --- keywords, and what people ask --------------------------------------------------------------------------------

    async def word_forms(self, words: Sequence[str], langs: Sequence[str]) -> dict[str, tuple[WordForm, ...]]:
        """Return the forms of those words that are known in every one of these languages."""
        return await self._read(lambda sql: word_table.word_forms(sql, words, langs))

    async def keep_word_forms(self, forms: Mapping[str, Sequence[WordForm]], langs: Sequence[str]) -> None:
        """Remember the forms of these words in exactly these languages."""
        await self._write(lambda sql: word_table.keep_word_forms(sql, forms, langs))

    async def backlog(self) -> backlog.Backlog:
        """Return how the store stands as a whole, for its operator; quick however large it is."""
        return await self._read_settled(backlog.backlog)

    async def counts(self) -> archive.Counts:
        """Return how the store stands."""
        return await self._read_settled(archive.counts)


async def _open_readers(path: Path, opened: AsyncExitStack) -> tuple[Reader, Reader]:
    connections = []
    for _ in range(2):
        connections.append(await connect(path, reading=True))
        opened.push_async_callback(connections[-1].close)
    return Reader(connections[0]), Reader(connections[1])


async def _checkpoint(writing: aiosqlite.Connection) -> None:
    with contextlib.suppress(StoreError):  # a full disk does not keep anyone from closing: the log itself holds it all
        await run_whole(writing, lambda sql: sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
