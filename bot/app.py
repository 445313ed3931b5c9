"""The composition root: opens store, web and workers, joins them to an engine, takes in a new configuration.

Nothing else creates these things. The engine is handed an outlet; it does not know whether that is Discord or a terminal.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.delivery import Deliverer, tell_nobody
from bot.desk import Desk
from bot.desk_house import Condition
from bot.errors import QueryError
from bot.housekeeping import Keep
from bot.operating import Operating
from bot.pipeline import Habits, Pipeline, Watching
from bot.pulse import Health
from bot.reading.matcher import Matcher
from bot.reading.query import keywords_in, parse_query
from bot.scheduler import Scheduler
from bot.store import Store
from bot.web.fetch import Web
from bot.workers import Workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from bot.config import Config, Fetching
    from bot.delivery import Outlet
    from bot.model import Delivery, Watch, WordForm

log = logging.getLogger(__name__)

SWITCH_S = 0.001  # how long a busy thread may keep the interpreter from the event loop, at each of its system calls


def utc_now() -> datetime:
    """Return the time now: the one clock of the program, handed to everything that asks."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How the engine speaks through its outlet; as it stands, to a terminal.

    name: part of every alert's nonce. serve: runs beside the engine, and ends it by what it raises. trouble: told of what breaks, notice:
    of feeds; both pass it on to people at the terminal. is_told: the same for what must not be lost; answers once it is known whether the
    line arrived. obey: told of each configuration that came into force.
    away_s: for how long Discord has been away; refusals: its answers that count towards a ban, by status.
    The rest is the deliverer's; looks_back: whether the outlet can find what is in doubt.
    """

    name: str = "terminal"
    at_once: int = 1
    digests: bool = False
    looks_back: bool = False
    on_paused: Callable[[Delivery, str], Awaitable[None]] = tell_nobody
    on_given_up: Callable[[Delivery, str], Awaitable[None]] = tell_nobody
    obey: Callable[[Config], None] = lambda _: None
    serve: Callable[[Engine], Awaitable[None]] | None = None
    trouble: Callable[[str], None] | None = None
    notice: Callable[[str], None] | None = None
    is_told: Callable[[str], Awaitable[bool]] | None = None
    away_s: Callable[[], float] = lambda: 0.0
    refusals: Callable[[], Mapping[str, int]] = dict


@dataclass(slots=True, kw_only=True)
class Engine:
    """A road that is open: store, web and workers are up, and the scheduler may run.

    health: how it was judged last. away_s, refusals: as in `Voice`.
    """

    store: Store
    pipeline: Pipeline
    scheduler: Scheduler
    fetching: Fetching
    languages: tuple[str, ...] = ()
    log_channel: int = 0
    operating: Operating = field(default_factory=Operating)
    keep: Keep = field(default_factory=Keep)
    health: Health = field(default_factory=Health)
    away_s: Callable[[], float] = lambda: 0.0
    refusals: Callable[[], Mapping[str, int]] = dict
    _refreshing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def declare(self, config: Config) -> None:
        """Bring what is declared into the store and what is watched into the matcher; also on a reload.

        What may fail comes first, so that a reload is taken whole or not at all: word forms (which the store then knows), the store.
        """
        workers = self.pipeline.workers
        await word_forms_for(config.watches, config.languages, store=self.store, workers=workers)
        await self.store.declare(
            feeds=config.feeds, actors=config.actors, watches=config.watches, now=self.pipeline.clock()
        )
        before, self.fetching, self.languages = self.fetching, config.fetch, config.languages
        self.log_channel = config.log_channel
        self.operating, self.keep = config.operating, Keep(config.keep_text_s, config.keep_records_s)
        if web_keys(before) != web_keys(config.fetch):
            await self._renew_web()
        await self._remember_rests()
        secrets, self.pipeline.habits = (
            self.pipeline.habits.own_headers,
            habits_for(config, baseline=self.pipeline.habits.baseline),
        )
        if before != config.fetch or secrets != self.pipeline.habits.own_headers:
            await self._wake_feeds()
        self.scheduler.deliverer.late_after_s = config.late_after_s
        await self.refresh()

    async def refresh(self) -> None:
        """Compile anew what is watched, after a change, and look at once for what may have become due."""
        async with self._refreshing:  # else a slower one that began before a change would take it back
            self.pipeline.watching = await watching_for(self.store, self.pipeline.workers, self.languages)
        self.scheduler.feeds_changed.set()
        self.scheduler.items_changed.set()
        self.scheduler.owed_changed.set()

    def desk(self) -> Desk:
        """Return what people may ask and change in chat."""

        async def forms(watches: Sequence[Watch]) -> Mapping[str, Sequence[WordForm]]:
            return await word_forms_for(watches, self.languages, store=self.store, workers=self.pipeline.workers)

        return Desk(
            self.store,
            pipeline=self.pipeline,
            clock=self.pipeline.clock,
            refresh=self.refresh,
            forms=forms,
            condition=lambda: Condition(log_channel=self.log_channel, troubles=self.health.troubles),
        )

    async def _remember_rests(self) -> None:
        """Tell a fresh client which hosts asked to be left alone, and for how much longer."""
        now = self.pipeline.clock()
        for feed in await self.store.feeds():
            if feed.host_rest_until_at and feed.host_rest_until_at > now:
                self.pipeline.web.rest_host(feed.url, (feed.host_rest_until_at - now).total_seconds())

    async def _renew_web(self) -> None:
        # A pooled connection that an entry of allow_private once permitted must not outlive that entry.
        old, self.pipeline.web = self.pipeline.web, await web_for(self.fetching).__aenter__()
        await old.__aexit__(None, None, None)

    async def _wake_feeds(self) -> None:
        """Ask at once the feeds for which other rules of fetching may change something: those that fail, and private ones."""
        private = self.pipeline.web.may_be_private
        feeds = await self.store.feeds()
        await self.store.wake_feeds([feed.id for feed in feeds if feed.fail_count or private(feed.url)])


TO_TERMINAL = Voice()


@asynccontextmanager
async def open_engine(
    config: Config,
    outlet: Outlet,
    *,
    baseline: bool = True,
    clock: Callable[[], datetime] = utc_now,
    say: Callable[[str], None] = lambda _: None,
    voice: Voice = TO_TERMINAL,
) -> AsyncIterator[Engine]:
    """Open everything that the road needs, in order; close it in reverse.

    baseline: whether what a feed holds at first is old. say: told one line when a feed or the database is in trouble.
    voice: how the outlet is spoken through.

    Raises:
        StoreError: the database cannot be used.
    """
    sys.setswitchinterval(SWITCH_S)
    async with AsyncExitStack() as stack:
        store = await Store.open(config.store_path, now=clock(), voice=voice.name)
        stack.push_async_callback(store.close)
        pipeline = Pipeline(
            store=store,
            web=await web_for(config.fetch).__aenter__(),
            workers=await stack.enter_async_context(Workers()),
            watching=Watching(watches=(), matcher=Matcher.compile((), (), forms={})),
            habits=habits_for(config, baseline=baseline),
            clock=clock,
            notice=voice.notice or say,
        )
        stack.push_async_callback(lambda: pipeline.web.__aexit__(None, None, None))
        deliverer = deliverer_for(config, store, outlet, clock, voice)
        scheduler = Scheduler(store=store, pipeline=pipeline, deliverer=deliverer, clock=clock, on_trouble=say)
        engine = Engine(
            store=store,
            pipeline=pipeline,
            scheduler=scheduler,
            fetching=config.fetch,
            operating=config.operating,
            away_s=voice.away_s,
            refusals=voice.refusals,
        )
        await engine.declare(config)
        yield engine


def deliverer_for(
    config: Config, store: Store, outlet: Outlet, clock: Callable[[], datetime], voice: Voice
) -> Deliverer:
    """Return what pays an outlet that is spoken through so."""
    return Deliverer(
        store=store,
        outlet=outlet,
        clock=clock,
        late_after_s=config.late_after_s,
        at_once=voice.at_once,
        digests=voice.digests,
        on_paused=voice.on_paused,
        on_given_up=voice.on_given_up,
    )


def web_for(fetching: Fetching) -> Web:
    """Return the guarded client that these keys describe, not yet open."""
    return Web(allow=fetching.allow_private, contact=fetching.contact, page_gap_s=fetching.host_gap_s)


def web_keys(fetching: Fetching) -> tuple[object, ...]:
    """Return the keys that a client is made from: where they change, it is renewed."""
    return fetching.allow_private, fetching.contact, fetching.host_gap_s


def habits_for(config: Config, *, baseline: bool) -> Habits:
    """Return how the pipeline behaves under this configuration."""
    return Habits(
        interval_s=config.fetch.interval_s,
        full_text=config.fetch.full_text,
        per=config.per,
        baseline=baseline,
        own_headers={feed.url: feed.headers for feed in config.feeds if feed.headers},
    )


async def watching_for(store: Store, workers: Workers, languages: Sequence[str]) -> Watching:
    """Return what the store says is watched, compiled; word forms come from the store where it knows them, else from a worker."""
    watches, actors = await store.watches(), await store.actors()
    forms = await word_forms_for(watches, languages, store=store, workers=workers)
    matcher = await asyncio.to_thread(Matcher.compile, watches, actors, forms=forms)
    for watch, error in matcher.faults:
        log.warning("event=watch_fault watch=%r reason=%r", watch.name, str(error))
    audiences, hearings = await store.chat.audiences(), await store.chat.hearings()
    return Watching(watches=watches, matcher=matcher, audiences=audiences, hearings=hearings)


async def word_forms_for(
    watches: Sequence[Watch], languages: Sequence[str], *, store: Store | None, workers: Workers
) -> dict[str, tuple[WordForm, ...]]:
    """Return the other forms of every keyword in the watches' queries; without a store they are worked out each time."""
    words = set[str]()
    for watch in watches:
        try:
            words.update(keywords_in(parse_query(watch.query)))
        except QueryError:
            continue  # a faulty query is reported where the matcher is compiled
    known = await store.word_forms(sorted(words), languages) if store else {}
    missing = sorted(words - known.keys())
    if not missing:
        return known
    made = await workers.word_forms(missing, languages)
    if store:
        await store.keep_word_forms({word: made.get(word, ()) for word in missing}, languages)
    return {**known, **made}
