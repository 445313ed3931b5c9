"""The world of the simulation: true time, what is in trouble, the web with its feeds and pages, the workers. No test itself."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from bot.errors import FetchError, ParseError
from bot.feeds.parse import parse_feed
from bot.model import PageText
from bot.web.fetch import FeedRequest, Fetched, NotModified
from tests.fakes import FILLER, START_AT
from tests.sim_discord import SimDiscord
from tests.sim_plan import REQUEST_FATES

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from bot.model import ParsedFeed, WordForm
    from tests.sim_life import Life, Trouble
    from tests.sim_loop import VirtualLoop
    from tests.sim_plan import Plan, Story

FEED_TROUBLES = ("timeout", "connect", "500", "503", "429", "html", "worker")


@dataclass(eq=False)
class World:
    """What goes on whether the bot lives or not. polls: life, feed and time of each request. heard_s: since when a feed is surely heard."""

    plan: Plan
    chance: random.Random
    trace: list[str] = field(default_factory=list)
    loop: VirtualLoop | None = None
    life: int = 0
    polls: list[tuple[int, int, float]] = field(default_factory=list)
    heard_s: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.discord = SimDiscord(self)

    @property
    def now_s(self) -> float:
        """True seconds since the beginning."""
        return self.loop.time() if self.loop else 0.0

    def say(self, line: str) -> None:
        """Note what happened."""
        self.trace.append(f"{self.now_s:11.4f} life {self.life}: {line}")

    def true_time(self) -> datetime:
        """Return what a right clock shows."""
        return START_AT + timedelta(seconds=self.now_s)

    def clock(self) -> datetime:
        """Return what the bot's clock shows."""
        return self.true_time() + timedelta(seconds=sum(by for at, by in self.plan.jumps if at <= self.now_s))

    def in_trouble(self, name: str) -> bool:
        """Whether this is wrong just now."""
        return any(one == name and from_s <= self.now_s < to_s for one, from_s, to_s in self.plan.troubles)

    def disk_trouble(self, now_s: float) -> Trouble | None:
        """Return what is wrong with the disk."""
        for kind, from_s, to_s in self.plan.troubles:
            if from_s <= now_s < to_s and kind in {"full", "locked", "ioerr"}:
                return kind  # type: ignore[return-value]  # one of these three
        return None

    def fate_of_request(self) -> str:
        """Return what goes wrong with a request to Discord, "" for nothing."""
        quiet = self.now_s >= self.plan.length_s or self.chance.random() >= self.plan.fault_share
        return "" if quiet else self.chance.choice(REQUEST_FATES)

    def url(self, feed: int) -> str:
        """Return a feed's address."""
        return f"https://feed{feed}.example/feed"

    def published(self, feed: int) -> list[Story]:
        """Return what a document lists now, oldest first."""
        return [one for one in self.plan.stories if feed in one.feeds and one.at_s <= self.now_s]

    def document(self, feed: int) -> bytes:
        """Return a feed's document as it stands now, newest first."""
        now_s = self.now_s
        flipped = "-new" if self.plan.flips[feed] <= now_s else ""
        items = [
            {
                "id": f"guid-{one.number}{flipped}",
                "url": f"https://feed{one.feed}.example/a/{one.number}{'?utm_source=x' if feed != one.feed else ''}",
                "title": one.title,
                "content_text": f"They spoke of {' and '.join(sorted(one.text_words(now_s))) or 'nothing'} until late.",
                "date_published": (START_AT + timedelta(seconds=one.at_s)).isoformat(),
            }
            for one in reversed(self.published(feed))
        ]
        head = {"version": "https://jsonfeed.org/version/1.1", "title": f"Feed {feed}", "language": "en"}
        return json.dumps(head | {"items": items}).encode()

    def story_at(self, url: str) -> Story:
        """Return the story whose page this is."""
        return self.plan.stories[int(urlsplit(url).path.rsplit("/", 1)[1])]


class SimWeb:
    """Stands for `bot.web.fetch.Web`."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._world = life.world

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to be closed."""

    def may_be_private(self, _: str) -> bool:
        return self._world.plan.private

    def rest_host(self, url: str, rest_s: float) -> None:
        self._world.say(f"rests {url} for {rest_s:.0f} s")

    def page_wait_s(self, _: str) -> float:
        return 0.0

    async def fetch_feed(self, request: FeedRequest) -> Fetched | NotModified:
        life, world = self._life, self._world
        life.check("web", "before")
        feed = int(request.url.removeprefix("https://feed").split(".")[0])
        world.polls.append((life.number, feed, world.now_s))
        if request.etag:
            world.heard_s.setdefault(feed, world.now_s)
        trouble = world.chance.choice(FEED_TROUBLES) if world.in_trouble(f"feed {feed}") else ""
        await asyncio.sleep(9.0 if trouble == "timeout" else world.chance.choice((0.05, 0.2, 2.0)))
        body = world.document(feed)
        etag = f'"{hash_of(body)}"'
        await asyncio.sleep(0.05)
        life.check("web", "after")
        world.say(f"feed {feed} asked: {trouble or (304 if request.etag == etag else 200)}")
        if trouble == "html":
            return Fetched(
                url=request.url, status=200, body=b"<!doctype html><html><body>down</body></html>", etag='"x"'
            )
        if trouble == "worker":
            return Fetched(url=request.url, status=200, body=b"!" + body, etag='"y"')
        if trouble:
            raise failure(trouble)
        if request.etag == etag and feed % 2 == 0:
            return NotModified(etag=etag, last_modified=None)
        return Fetched(url=request.url, status=200, body=body, content_type="application/feed+json", etag=etag)

    async def fetch_page(self, url: str, *, configured_url: str, patience_s: float) -> Fetched:  # noqa: ARG002 - as the real one
        life, world = self._life, self._world
        life.check("web", "before")
        trouble = world.chance.choice(("timeout", "503", "slow", "slow")) if world.in_trouble("pages") else ""
        await asyncio.sleep(20.0 if trouble == "slow" else world.chance.choice((0.1, 0.5, 3.0)))
        life.check("web", "after")
        world.say(f"page {url} asked: {trouble or 200}")
        if trouble in {"timeout", "503"}:
            raise failure(trouble)
        return Fetched(url=url, status=200, body=url.encode(), content_type="text/html")


class SimWorkers:
    """Stands for `bot.workers.Workers`; feeds are parsed as ever, pages are what the world says."""

    def __init__(self, life: Life) -> None:
        self._life = life

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to be ended."""

    async def parse_feed(self, body: bytes, content_type: str | None, base_url: str) -> ParsedFeed:
        await asyncio.sleep(self._life.chance.choice((0.01, 0.4)))
        if body.startswith(b"!"):
            raise ParseError("simulated: the worker died", reason="worker")
        return parse_feed(body, content_type=content_type, base_url=base_url)

    async def read_page(self, html: bytes, *, url: str, charset: str | None) -> PageText:  # noqa: ARG002 - as the real one
        await asyncio.sleep(self._life.chance.choice((0.01, 0.4)))
        story = self._life.world.story_at(url)
        words = story.text_words(self._life.world.now_s) | story.page_words
        said = f"They spoke of {' and '.join(sorted(words)) or 'nothing'} until late."
        return PageText(title=story.title, lang="en", text="\n\n".join([said, *FILLER]))

    async def word_forms(self, *_: Sequence[str]) -> Mapping[str, Sequence[WordForm]]:
        return {}


def failure(kind: str) -> FetchError:
    """Return the error for it."""
    if kind.isdigit():
        retry_after_s = 120.0 if kind == "429" else None
        return FetchError(f"simulated: {kind}", reason="status", status=int(kind), retry_after_s=retry_after_s)
    return FetchError(f"simulated: {kind}", reason=kind)


def hash_of(body: bytes) -> str:
    """Return a short name for a document."""
    return hashlib.blake2b(body, digest_size=6).hexdigest()
