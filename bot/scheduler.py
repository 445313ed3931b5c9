"""Which feed, which item and which page is due, and how many at once. Starts the pipeline's steps; knows none of their insides.

Due times live in the store, so a restart polls nothing twice and forgets nothing. A full or locked database stops nothing for
good: the loops say so once, wait, and go on.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from bot.errors import StoreError
from bot.feeds.timing import start_spread_s

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from datetime import datetime

    from bot.delivery import Deliverer
    from bot.model import Feed, Item
    from bot.pipeline import Pipeline
    from bot.store import Store

log = logging.getLogger(__name__)

Due = TypeVar("Due", "Feed", "Item")

POLLS = 50
READS = 16
PAGES = 8
LONGEST_NAP_S = 60.0
SHORTEST_NAP_S = 0.02
STORE_TROUBLE_NAP_S = 2.0
BROKEN_REST = timedelta(minutes=10)


class Crew:
    """A bounded set of tasks, one for each id; `changed` is set whenever a place becomes free."""

    def __init__(self, places: int, changed: asyncio.Event) -> None:
        self._places = places
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.changed = changed

    @property
    def free(self) -> int:
        """How many more may start."""
        return self._places - len(self._tasks)

    @property
    def ids(self) -> frozenset[int]:
        """Whose tasks are under way."""
        return frozenset(self._tasks)

    def start(self, key: int, work: Coroutine[None, None, None]) -> None:
        """Start a task for this id, which must not have one."""
        task = asyncio.create_task(work)
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._done(key))

    async def finish(self) -> None:
        """Wait until no task is left."""
        await asyncio.gather(*self._tasks.values())

    async def cancel(self) -> None:
        """Stop all tasks and wait until they are gone."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, key: int) -> None:
        self._tasks.pop(key, None)
        self.changed.set()


@dataclass(slots=True, kw_only=True)
class Scheduler:
    """Keeps the road moving until it is cancelled (`run`), or once from end to end (`run_once`)."""

    store: Store
    pipeline: Pipeline
    deliverer: Deliverer
    clock: Callable[[], datetime]
    on_trouble: Callable[[str], None] = lambda _: None
    feeds_changed: asyncio.Event = field(default_factory=asyncio.Event)
    items_changed: asyncio.Event = field(default_factory=asyncio.Event)
    pages_changed: asyncio.Event = field(default_factory=asyncio.Event)
    owed_changed: asyncio.Event = field(default_factory=asyncio.Event)
    _held_until: dict[int, datetime] = field(default_factory=dict)
    _broken_until: dict[int, datetime] = field(default_factory=dict)
    _trouble: str = ""

    async def run(self) -> None:
        """Poll, read and deliver for ever."""
        await self._spread_start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep(self._poll_due, self.feeds_changed, POLLS))
            group.create_task(self._keep(self._read_due, self.items_changed, READS))
            group.create_task(self._keep(self._read_pages_due, self.pages_changed, PAGES))
            group.create_task(self._keep(self._pay_due, self.owed_changed, 1))

    async def run_once(self) -> None:
        """Poll every due feed, read every item that is to be read, deliver what is owed; then return.

        Raises:
            StoreError: something could not be committed.
        """
        await asyncio.gather(
            *(self.pipeline.poll_feed(feed) for feed in await self.store.due_feeds(self.clock(), limit=10_000))
        )
        await self.deliverer.pay()
        pending: set[asyncio.Task[None]] = set()
        started: set[int] = set()
        while True:
            fresh = await self.store.items_to_read(limit=READS, without=started)
            for item in fresh[: READS - len(pending)]:
                started.add(item.id)
                pending.add(asyncio.create_task(self.pipeline.read_item(item)))
            if not pending:
                break
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await self.deliverer.pay()

    # --- what is due, one round each; they return how long nothing will be ---

    async def _poll_due(self, crew: Crew) -> float:
        now = self.clock()
        due = [
            feed
            for feed in await self.store.due_feeds(now, limit=POLLS * 4)
            if feed.id not in crew.ids and not self._held(feed, now)
        ]
        for feed in due[: crew.free]:
            crew.start(feed.id, self._guarded(self._poll_one, feed))
        if len(due) > crew.free:
            return LONGEST_NAP_S  # a free place wakes us
        waits = [held - now for held in self._held_until.values()]
        next_at = await self.store.next_poll_at(without=crew.ids | self._held_until.keys())
        waits += [next_at - now] if next_at else []
        return min((wait.total_seconds() for wait in waits), default=LONGEST_NAP_S)

    async def _read_due(self, crew: Crew) -> float:
        if crew.free:
            for item in await self.store.items_to_read(limit=crew.free, without=crew.ids | self._broken()):
                crew.start(item.id, self._guarded(self._read_one, item))
        return LONGEST_NAP_S

    async def _read_pages_due(self, crew: Crew) -> float:
        now = self.clock()
        if not crew.free:
            return LONGEST_NAP_S
        without = crew.ids | self._broken()
        for item in await self.store.pages_owed(now, limit=crew.free, without=without):
            crew.start(item.id, self._guarded(self._read_page_one, item))
        next_at = await self.store.next_page_at(without=crew.ids | without)
        return (next_at - now).total_seconds() if next_at else LONGEST_NAP_S

    async def _pay_due(self, _: Crew) -> float:
        await self.deliverer.pay()
        next_at = await self.store.next_delivery_at()
        return (next_at - self.clock()).total_seconds() if next_at else LONGEST_NAP_S

    # --- one of each, and who is to be woken by it ---

    async def _poll_one(self, feed: Feed) -> None:
        if await self.pipeline.poll_feed(feed):
            self.items_changed.set()

    async def _read_one(self, item: Item) -> None:
        await self.pipeline.read_item(item)
        self.owed_changed.set()
        self.pages_changed.set()

    async def _read_page_one(self, item: Item) -> None:
        await self.pipeline.read_page_again(item)
        self.owed_changed.set()

    async def _keep(self, due: Callable[[Crew], Awaitable[float]], changed: asyncio.Event, places: int) -> None:
        crew = Crew(places, changed)
        try:
            while True:
                changed.clear()
                nap_s = STORE_TROUBLE_NAP_S
                try:
                    nap_s = await due(crew)
                    self._trouble = ""
                except StoreError as error:
                    self._say_trouble(error)
                await wait_for_event(changed, min(max(nap_s, SHORTEST_NAP_S), LONGEST_NAP_S))
        finally:
            await crew.cancel()

    async def _guarded(self, step: Callable[[Due], Awaitable[None]], due: Due) -> None:
        try:
            await step(due)
        except StoreError as error:
            self._say_trouble(error)
            await asyncio.sleep(STORE_TROUBLE_NAP_S)  # the same feed or item is due again: not at once
        except Exception:  # one item's surprise never stops another; it is tried again later
            log.exception("event=step_broke step=%s id=%s", step.__name__, due.id)
            self._broken_until[due.id] = self.clock() + BROKEN_REST

    def _say_trouble(self, error: StoreError) -> None:
        if str(error) != self._trouble:
            self._trouble = str(error)
            log.error("event=store_trouble reason=%r", self._trouble)
            self.on_trouble(self._trouble)

    # --- the start ---

    async def _spread_start(self) -> None:
        """Hold back overdue feeds of public hosts, so that a restart is no stampede; new feeds are read at once."""
        now = self.clock()
        overdue = [feed for feed in await self.store.due_feeds(now, limit=100_000) if feed.last_poll_at]
        public = [feed for feed in overdue if not self.pipeline.web.may_be_private(feed.url)]
        for place, feed in enumerate(public):
            wait_s = start_spread_s(place, len(public), chance=self.pipeline.chance())
            self._held_until[feed.id] = now + timedelta(seconds=wait_s)

    def _broken(self) -> frozenset[int]:
        now = self.clock()
        self._broken_until = {key: until for key, until in self._broken_until.items() if until > now}
        return frozenset(self._broken_until)

    def _held(self, feed: Feed, now: datetime) -> bool:
        until = self._held_until.get(feed.id)
        if until is not None and until <= now:
            del self._held_until[feed.id]
            return False
        return until is not None


async def wait_for_event(event: asyncio.Event, limit_s: float) -> None:
    """Wait until the event is set, or that long."""
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return
