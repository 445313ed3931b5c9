"""Polls that brought nothing, kept in memory for a moment and written together: a memory card's life counts.

They are written with the next real commit, or after a tenth of the feed's interval, half a minute at the most, and when the store
closes. A crash loses no more than their due times and validators: such a feed is asked again at once, with the validators it had before,
which is no sooner than other readers ask: where that asked for more than five minutes, the poll is written at once. Until they are
written, whoever asks what is due is answered as if they were.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.store import polls

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from datetime import datetime

    from bot.model import Poll
    from bot.store.writer import Writer

LONGEST_S = 30.0
USUAL_S = 300.0
SHARE = 0.1
AGAIN_S = 5.0


class UnchangedPolls:
    """The polls of one open store that are still to be written."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._waiting: dict[int, Poll] = {}
        self._on_their_way: dict[int, Poll] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def feeds(self) -> frozenset[int]:
        """The feeds of which the file does not know the latest."""
        return frozenset(self._waiting.keys() | self._on_their_way.keys())

    def take(self, poll: Poll) -> bool:
        """Keep a poll for later; False, and nothing is kept, where it brought something that cannot wait."""
        feed = poll.feed
        plain = feed.state in {"ok", "slow"} and not feed.last_error and feed.subscribed_at is not None
        plain = plain and max(feed.health.fresh_s, feed.hints.ttl_s, feed.hints.period_s) <= USUAL_S
        if not plain or poll.entries is not None or poll.host_rest is not None or feed.next_poll_at is None:
            return False
        wait_s = min(LONGEST_S, SHARE * (feed.next_poll_at - poll.polled_at).total_seconds())
        if wait_s <= 0:
            return False
        self._waiting[feed.id] = poll
        self._arm(wait_s)
        return True

    def next_at(self, without: Collection[int]) -> datetime | None:
        """Return when the first of these feeds is due again, but those in `without`."""
        polled = {**self._on_their_way, **self._waiting}
        times = (one.feed.next_poll_at for feed_id, one in polled.items() if feed_id not in without)
        return min((at for at in times if at is not None), default=None)

    def write(self) -> asyncio.Future[None] | None:
        """Hand over all that waits, before whatever is handed over next; None where nothing does. What is refused waits on.

        Raises: StoreError where the store is closed.
        """
        if not self._waiting:
            return None
        those = self._waiting
        future = self._writer.submit(lambda sql: _write(sql, list(those.values())))
        self._on_their_way |= those
        self._waiting = {}
        self._disarm()
        future.add_done_callback(lambda done: self._written(those, done))
        return future

    async def settle(self) -> None:
        """Write all that waits, now.

        Raises: StoreError where that cannot be; it waits on.
        """
        if self._waiting:
            future = self.write()
            if future is not None:
                await future

    def drop(self) -> None:
        """Let the clock go: nothing more will be written."""
        self._disarm()

    def _written(self, those: dict[int, Poll], done: asyncio.Future[None]) -> None:
        for feed_id, poll in those.items():
            if self._on_their_way.get(feed_id) is poll:
                del self._on_their_way[feed_id]
        if not done.cancelled() and done.exception() is None:
            return
        self._waiting = {**those, **self._waiting}
        self._arm(AGAIN_S)

    def _arm(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is None or self._timer.when() > loop.time() + wait_s:
            self._disarm()
            self._timer = loop.call_later(wait_s, self.write)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _write(sql: sqlite3.Connection, those: list[Poll]) -> None:
    for poll in those:
        polls.commit_poll(sql, poll)
