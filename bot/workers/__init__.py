"""The processes that parse feeds, read pages and look up word forms, where a hostile document can hurt nobody.

The only place that knows that such work happens elsewhere. Imports nothing heavy: feedparser, trafilatura and simplemma are loaded
in the children, which start on first use.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Self, cast

from bot.errors import ParseError
from bot.workers.pool import WorkerPool
from bot.workers.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.model import FeedLink, FeedList, PageText, ParsedFeed, WordForm

WORDS_MEMORY_MB = 1_536  # a language's table is large once it is unpacked
WORDS_TIMEOUT_S = 60.0
LIMIT_WAITING_BYTES = 48 << 20
SMALL_BYTES = 512 << 10
FEED_PROCESSES = 2  # one may hang on a document for as long as its limit; the other feeds do not wait for it
PAGE_PROCESSES = 2  # pages are most of the work


class Workers:
    """Two processes for feeds, two for pages, and one for as long as word forms are looked up. Use as `async with`.

    Every job raises ParseError where its document is at fault: timeout, memory, worker (it died), or what the job itself says.
    A cancelled job ends with its process; the next job gets a new one.
    """

    def __init__(self, *, timeout_s: float = 10.0, memory_mb: int = 512, max_tasks: int = 500) -> None:
        def pool(module: str, count: int) -> WorkerPool:
            return WorkerPool(
                [
                    WorkerProcess(imports=(module,), timeout_s=timeout_s, memory_mb=memory_mb, max_tasks=max_tasks)
                    for _ in range(count)
                ]
            )

        self._feeds = pool("bot.feeds.parse", FEED_PROCESSES)
        self._pages = pool("bot.reading.extract", PAGE_PROCESSES)
        self._waiting_bytes = 0
        self._words = WorkerProcess(timeout_s=WORDS_TIMEOUT_S, memory_mb=WORDS_MEMORY_MB, max_tasks=1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        async with AsyncExitStack() as stack:
            for process in self._all():
                stack.push_async_callback(process.close)

    async def parse_feed(self, body: bytes, content_type: str | None, base_url: str) -> ParsedFeed:
        """Return what `bot.feeds.parse.parse_feed` makes of a document."""
        with self._room_for(body):
            feed = await self._feeds.call(
                "bot.feeds.parse:parse_feed", body, content_type=content_type, base_url=base_url
            )
        return cast("ParsedFeed", feed)

    async def feed_links(self, body: bytes, content_type: str | None, base_url: str) -> tuple[FeedLink, ...]:
        """Return what `bot.feeds.discover.feed_links_in` finds in a page."""
        with self._room_for(body):
            links = await self._feeds.call("bot.feeds.discover:feed_links_in", body, content_type, base_url)
        return cast("tuple[FeedLink, ...]", links)

    async def read_opml(self, body: bytes) -> FeedList:
        """Return what `bot.feeds.opml.feeds_in_opml` makes of a list."""
        with self._room_for(body):
            listed = await self._feeds.call("bot.feeds.opml:feeds_in_opml", body)
        return cast("FeedList", listed)

    async def read_page(self, html: bytes, *, url: str, charset: str | None) -> PageText:
        """Return what `bot.reading.extract.page_text` makes of a page."""
        with self._room_for(html):
            page = await self._pages.call("bot.reading.extract:page_text", html, url=url, charset=charset)
        return cast("PageText", page)

    async def word_forms(self, words: Sequence[str], langs: Sequence[str]) -> dict[str, tuple[WordForm, ...]]:
        """Return what `bot.reading.forms.word_forms` knows of the words; its tables go with the process."""
        forms = await self._words.call("bot.reading.forms:word_forms", tuple(words), tuple(langs))
        return cast("dict[str, tuple[WordForm, ...]]", forms)

    def pids(self) -> tuple[int, ...]:
        """Return the processes that run now."""
        return tuple(process.pid for process in self._all() if process.pid is not None)

    @property
    def starts(self) -> int:
        """How many processes were started so far, renewals included."""
        return sum(process.starts for process in self._all())

    @contextmanager
    def _room_for(self, document: bytes) -> Iterator[None]:
        """Hold what waits to be read within a limit: many hosts can send large documents faster than they are read; small ones pass."""
        if len(document) > SMALL_BYTES and self._waiting_bytes + len(document) > LIMIT_WAITING_BYTES:
            raise ParseError("Too many large documents wait to be read; it is tried again later.", reason="worker")
        self._waiting_bytes += len(document)
        try:
            yield
        finally:
            self._waiting_bytes -= len(document)

    def _all(self) -> tuple[WorkerProcess, ...]:
        return *self._feeds.processes, *self._pages.processes, self._words
