"""Which feed, which item and which page is due, and how many at once. Starts the pipeline's steps; knows none of their insides.

Due times live in the store, so a restart polls nothing twice and forgets nothing. A full or locked database stops nothing for
good: the loops say so once, wait, and go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from bot.clock_watch import TOLERANCE, ClockWatch
from bot.errors import StoreError
from bot.feeds.links import host_of
from bot.feeds.timing import start_spread_s
from bot.model import Feed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable
    from datetime import datetime

    from bot.delivery import Deliverer
    from bot.model import Item
    from bot.pipeline import Pipeline
    from bot.store import Store

log = logging.getLogger(__name__)

Due = TypeVar("Due", "Feed", "Item")

POLLS = 200
POLLS_OF_A_HOST = 8  # feeds that hang on one host leave places for all others
READS = 256  # most of them wait for a host; few places would let one slow host hold up the items of all others
PAGES = 32
PAGES_LOOKED_AT = 200
LONGEST_NAP_S = 60.0
SHORTEST_NAP_S = 0.02
HELD_NAP_S = 1.0
POLLS_GAP_S = 0.05  # of thousands of feeds one ends or falls due all the time: no look for each
STORE_TROUBLE_NAP_S = 2.0
ITEM_TROUBLE_NAPS = 5
BROKEN_REST = timedelta(minutes=10)
SAID_AGAIN = timedelta(minutes=10)


class Crew:
    """A bounded set of tasks, one for each id, and the ids that rest; `changed` is set whenever a place becomes free.

    Each task belongs to a host, so that one host cannot take all places.
    """

    def __init__(self, places: int, changed: asyncio.Event) -> None:
        self._places = places
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._hosts: Counter[str] = Counter()
        self._resting: dict[int, datetime] = {}
        self.changed = changed

    @property
    def free(self) -> int:
        """How many more may start."""
        return self._places - len(self._tasks)

    def busy(self, now: datetime) -> frozenset[int]:
        """Return whose tasks are not to be started now: those under way and those that rest."""
        self._resting = {key: until for key, until in self._resting.items() if until > now}
        return frozenset(self._tasks.keys() | self._resting.keys())

    def rest(self, key: int, until: datetime) -> None:
        """Leave this id alone until then."""
        self._resting[key] = until

    def shift(self, by: timedelta) -> None:
        """Move the ends of all rests along with a clock that was set by so much."""
        self._resting = {key: until + by for key, until in self._resting.items()}

    def rested_at(self) -> datetime | None:
        """Return when the first rest is over, None where nobody rests."""
        return min(self._resting.values(), default=None)

    def of_host(self, host: str) -> int:
        """Return how many tasks of this host are under way."""
        return self._hosts[host]

    def of_full_hosts(self, limit: int) -> int:
        """Return how many tasks are under way of hosts that have at least so many."""
        return sum(count for count in self._hosts.values() if count >= limit)

    def start(self, key: int, work: Coroutine[None, None, None], *, host: str = "") -> None:
        """Start a task for this id, which must not have one."""
        task = asyncio.create_task(work)
        self._tasks[key] = task
        self._hosts[host] += 1
        task.add_done_callback(lambda _: self._done(key, host))

    async def cancel(self) -> None:
        """Stop all tasks and wait until they are gone."""
        await stop_tasks(self._tasks.values())

    def _done(self, key: int, host: str) -> None:
        self._tasks.pop(key, None)
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]
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
    _said_at: dict[str, datetime] = field(default_factory=dict)
    _crews: list[Crew] = field(default_factory=list)
    _setting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _set_by: timedelta = timedelta(0)

    async def run(self) -> None:
        """Poll, read and deliver for ever. A wall clock that is set moves all that is due along."""
        watch = ClockWatch(self.clock, asyncio.get_running_loop().time)
        feeds, items = Crew(POLLS, self.feeds_changed), Crew(READS, self.items_changed)
        pages, owed = Crew(PAGES, self.pages_changed), Crew(1, self.owed_changed)
        self._crews = [feeds, items, pages, owed]
        await self._mend_clock()
        await self._spread_start(feeds)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep(self._poll_due, feeds, watch, gap_s=POLLS_GAP_S))
            group.create_task(self._keep(self._read_due, items, watch))
            group.create_task(self._keep(self._read_pages_due, pages, watch))
            group.create_task(self._keep(self._pay_due, owed, watch))

    async def run_once(self) -> None:
        """Poll every due feed, read every item that is to be read, deliver what is owed; then return.

        Raises:
            StoreError: something could not be committed.
        """
        due = await self.store.due_feeds(self.clock(), limit=10_000)
        for outcome in await asyncio.gather(*map(self.pipeline.poll_feed, due), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        await self.deliverer.pay()
        pending: set[asyncio.Task[None]] = set()
        started: set[int] = set()
        try:
            while True:
                room = READS - len(pending)
                for item in await self.store.items_to_read(limit=room, without=started) if room else ():
                    started.add(item.id)
                    pending.add(asyncio.create_task(self.pipeline.read_item(item)))
                if not pending:
                    break
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                await self.deliverer.pay()
        finally:
            await stop_tasks(pending)

    # --- what is due, one round each; they return how long nothing will be ---

    async def _poll_due(self, crew: Crew) -> float:
        if not crew.free:
            return LONGEST_NAP_S
        now = self.clock()
        # As many may come first for which there is no place.
        looked_at = crew.free + crew.of_full_hosts(POLLS_OF_A_HOST)
        due = await self.store.due_feeds(now, limit=looked_at, of_host=POLLS_OF_A_HOST, without=crew.busy(now))
        held = set()
        for feed in due:
            host = host_of(feed.url)
            if crew.free and crew.of_host(host) < POLLS_OF_A_HOST:
                crew.start(feed.id, self._guarded(self._poll_one, feed, crew), host=host)
                await asyncio.sleep(0)  # what fell due together begins one after another
            else:
                held.add(feed.id)  # a free place wakes us
        next_at = await self.store.next_poll_at(without=crew.busy(now) | held)
        return (next_at - now).total_seconds() if next_at else LONGEST_NAP_S

    async def _read_due(self, crew: Crew) -> float:
        if crew.free:
            for item in await self.store.items_to_read(limit=crew.free, without=crew.busy(self.clock())):
                crew.start(item.id, self._guarded(self._read_one, item, crew))
                await asyncio.sleep(0)  # a feed of a thousand items: one step of each at once would be a long one
        return LONGEST_NAP_S

    async def _read_pages_due(self, crew: Crew) -> float:
        now = self.clock()
        held = set()
        for item in await self.store.pages_owed(now, limit=PAGES_LOOKED_AT, without=crew.busy(now)):
            host = host_of(item.url)
            if crew.free and not crew.of_host(host):  # a host gives one page at a time anyway
                crew.start(item.id, self._guarded(self._read_page_one, item, crew), host=host)
            else:
                held.add(item.id)
        next_at = await self.store.next_page_at(without=crew.busy(now) | held)
        return (next_at - now).total_seconds() if next_at else LONGEST_NAP_S

    async def _pay_due(self, _: Crew) -> float:
        await self.deliverer.pay()
        next_at = await self.deliverer.next_at()
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

    async def _keep(
        self, due: Callable[[Crew], Awaitable[float]], crew: Crew, watch: ClockWatch, *, gap_s: float = 0.0
    ) -> None:
        try:
            while True:
                self.store.vitals.tick(due.__name__)
                crew.changed.clear()
                nap_s = STORE_TROUBLE_NAP_S
                try:
                    await self._follow(watch)
                    if self.store.vitals.store_fault:  # nobody is asked for what could not be kept
                        await self.store.prove_writable()
                    nap_s = await due(crew)
                    if rested_at := crew.rested_at():
                        nap_s = min(nap_s, (rested_at - self.clock()).total_seconds())
                except StoreError as error:
                    self._say_trouble(error)
                await asyncio.sleep(gap_s)
                await wait_for_event(crew.changed, min(max(nap_s - gap_s, SHORTEST_NAP_S), LONGEST_NAP_S))
        finally:
            await crew.cancel()

    async def _guarded(self, step: Callable[[Due], Awaitable[None]], due: Due, crew: Crew) -> None:
        try:
            await step(due)
        except StoreError as error:
            self._say_trouble(error)
            crew.rest(due.id, self.clock() + self._trouble_rest(due))  # it is due again: not at once
        except Exception:  # one surprise never stops another feed or item; this one is tried again later
            log.exception("event=step_broke step=%s id=%s", step.__name__, due.id)
            crew.rest(due.id, self.clock() + BROKEN_REST)

    def _trouble_rest(self, due: Feed | Item) -> timedelta:
        """Return for how long one is left alone whose outcome could not be kept: a feed is asked no more often for that."""
        if isinstance(due, Feed):
            return timedelta(seconds=self.pipeline.interval_s(due))
        return timedelta(seconds=ITEM_TROUBLE_NAPS * STORE_TROUBLE_NAP_S)

    def _say_trouble(self, error: StoreError) -> None:
        said, now = str(error), self.clock()
        if said not in self._said_at or now - self._said_at[said] >= SAID_AGAIN:
            self._said_at[said] = now
            log.info("event=store_trouble reason=%r", said)
            self.on_trouble(said)

    # --- a clock that is set, and the start ---

    async def _follow(self, watch: ClockWatch) -> None:
        """Move what is due along with the clock; nobody looks at what is due meanwhile."""
        async with self._setting:
            if by := self._set_by + watch.set_by():
                self._set_by = by  # kept until it is done: the database may refuse
                await self.store.shift_due_times(by, now=self.clock())
                self._set_by = timedelta(0)
                for crew in self._crews:
                    crew.shift(by)
                    crew.changed.set()
                self._said_at.clear()
                log.info("event=clock_set by_s=%d", by.total_seconds())

    async def _mend_clock(self) -> None:
        """Move what is due along with a clock that was set back while nothing ran: else nothing would be due until it is there again."""
        try:
            latest_at, now = await self.store.latest_poll_at(), self.clock()
            if latest_at is not None and latest_at - now > TOLERANCE:
                await self.store.shift_due_times(now - latest_at, now=now)
        except StoreError as error:
            self._say_trouble(error)

    async def _spread_start(self, crew: Crew) -> None:
        """Hold back overdue feeds of public hosts, so that a restart is no stampede; new feeds are read at once."""
        now = self.clock()
        overdue = [feed for feed in await self.store.due_feeds(now, limit=100_000) if feed.last_poll_at]
        public = [feed for feed in overdue if not self.pipeline.web.may_be_private(feed.url)]
        for place, feed in enumerate(public):
            wait_s = start_spread_s(place, len(public), chance=self.pipeline.chance())
            crew.rest(feed.id, now + timedelta(seconds=wait_s))


async def stop_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel these tasks and wait until they are gone."""
    stopped = list(tasks)
    for task in stopped:
        task.cancel()
    await asyncio.gather(*stopped, return_exceptions=True)


async def wait_for_event(event: asyncio.Event, limit_s: float) -> None:
    """Wait until the event is set, or that long."""
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return
