"""Lives of the bot that end at a chosen seam of the road. A test starts this file as a program; it is no test itself.

The program loads everything once and then forks one process for each life it is told of on its standard input, so that a life costs
a fraction of a second. A life that reaches its seam ends there by `os._exit`: nothing is closed, flushed or unlocked by its own hand.
Feeds and pages are parsed inside that process: what a killed bot's workers do is held by test_workers.py and by one test of the real thing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bot import item_reading
from bot.app import open_engine, utc_now
from bot.config import Config, Fetching
from bot.feeds.parse import parse_feed
from bot.model import DeclaredFeed, Watch
from bot.reading.extract import page_text
from bot.store import Store, outbox, polls, readings
from bot.web.fetch import Web
from bot.web.guard import AllowList
from bot.workers import Workers

if TYPE_CHECKING:
    from types import TracebackType

    from bot.app import Engine
    from bot.model import Delivery, PageText, ParsedFeed

CRASHED, LIVED, STUCK = 86, 0, 3
LIFE_LIMIT_S = 20.0
SEAMS: dict[str, tuple[Any, str]] = {}
"""Where a life can end: a name, and the object and attribute that are called there."""
INSIDE = {
    "commit_poll": polls,
    "commit_reading": readings,
    "claim": outbox,
    "mark_sent": outbox,
    "put_off_page": readings,
}
"""Seams inside a transaction: everything is written, nothing committed."""


@dataclass(frozen=True)
class Crash:
    """When: "before", "inside" (a transaction) or "after" the call at this seam. nth: at which call, from 1."""

    seam: str
    when: str
    nth: int = 1


class InProcess(Workers):
    """Parses in this very process."""

    async def parse_feed(self, body: bytes, content_type: str | None, base_url: str) -> ParsedFeed:
        return parse_feed(body, content_type=content_type, base_url=base_url)

    async def read_page(self, html: bytes, *, url: str, charset: str | None) -> PageText:
        return page_text(html, url=url, charset=charset)


class WritingOutlet:
    """Writes each post to a file, at once and for good, as a terminal does."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def post(self, delivery: Delivery) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, f"{delivery.card.headline}\n".encode())
        os.close(file)

    async def edit(self, delivery: Delivery) -> None:
        """Edits are of no concern here."""


SEAMS.update(
    fetch_feed=(Web, "fetch_feed"),
    parse_feed=(InProcess, "parse_feed"),
    known=(Store, "known"),
    commit_poll=(Store, "commit_poll"),
    fetch_page=(Web, "fetch_page"),
    read_page=(InProcess, "read_page"),
    story_for=(Store, "story_for"),
    told=(Store, "told"),
    commit_reading=(Store, "commit_reading"),
    claim=(Store, "claim"),
    post=(WritingOutlet, "post"),
    mark_sent=(Store, "mark_sent"),
    put_off_page=(Store, "put_off_page"),
)


def arm(crash: Crash) -> None:
    """Make this process end at the seam. A claim counts only where something was claimed, or would be."""
    if crash.when == "inside":
        _arm_inside(crash)
        return
    owner, name = SEAMS[crash.seam]
    real = getattr(owner, name)
    left = crash.nth

    async def doomed(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - stands for any call
        nonlocal left
        if crash.when == "before":
            left -= 1
            if left == 0:
                os._exit(CRASHED)
        answer = await real(*args, **named)
        if crash.when == "after" and (crash.seam != "claim" or answer):
            left -= 1
            if left == 0:
                os._exit(CRASHED)
        return answer

    setattr(owner, name, doomed)


def _arm_inside(crash: Crash) -> None:
    module = INSIDE[crash.seam]
    real = getattr(module, crash.seam)
    left = crash.nth

    def doomed(*args: Any) -> Any:  # noqa: ANN401 - stands for any call
        nonlocal left
        answer = real(*args)
        if crash.seam != "claim" or answer:
            left -= 1
            if left == 0:
                os._exit(CRASHED)
        return answer

    setattr(module, crash.seam, doomed)


async def live(folder: Path, origin: str, expected: int) -> int:
    """Run the bot on a database until so many alerts are sent and nothing is owed; return the status to exit with."""
    config = Config(
        path=folder / "config.toml",
        store_path=folder / "road.db",
        fetch=Fetching(interval_s=1, allow_private=AllowList.parse((origin,))),
        languages=(),
        feeds=(DeclaredFeed(url=f"http://{origin}/feed"), DeclaredFeed(url=f"http://{origin}/other")),
        watches=(Watch(name="Sanctions", query="sanctions"),),
    )
    async with open_engine(config, WritingOutlet(folder / "posted.txt"), baseline=False) as engine:
        await engine.store.release(now=utc_now())
        running = asyncio.create_task(engine.scheduler.run())
        try:
            async with asyncio.timeout(LIFE_LIMIT_S):
                while not running.done() and not await all_done(engine, expected):  # noqa: ASYNC110 - only the database knows
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return STUCK
        finally:
            running.cancel()
            await asyncio.wait({running})
    return LIVED


async def all_done(engine: Engine, expected: int) -> bool:
    """Say whether everything is read and told."""
    counts = await engine.store.counts()
    feeds = await engine.store.feeds()
    ahead = counts.to_read + counts.pages_owed + counts.owed
    return counts.sent >= expected and ahead == 0 and all(feed.subscribed_at for feed in feeds)


def begin_life(told: dict[str, Any]) -> int:
    """Live one life in a process of its own; return its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        logging.disable()
        item_reading.PAGE_AGAIN_S = (0.03,) * 9
        setattr(sys.modules["bot.app"], "Workers", InProcess)  # noqa: B010 - a patch, and mypy forbids the plain form
        if told["crash"]:
            arm(Crash(**told["crash"]))
        os._exit(asyncio.run(live(Path(told["folder"]), told["origin"], told["expected"])))
    finally:
        os._exit(1)


def main() -> None:
    """Begin one life for each line of standard input; answer with its exit status."""
    page_text(b"<html><body><p>Load everything.</p></body></html>", url="http://127.0.0.1/", charset=None)
    for line in sys.stdin:
        print(begin_life(json.loads(line)), flush=True)  # noqa: T201 - the answer to who started this


class Lives:
    """The program, as the tests see it. Use as `with`; lives of one `Lives` come one after another."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            (sys.executable, "-m", "tests.crash_lives"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    async def live(self, folder: Path, origin: str, *, expected: int, crash: Crash | None = None) -> int:
        """Live one life on the database in this folder; return how it ended: CRASHED, LIVED, STUCK, or 1."""
        told = {
            "folder": str(folder),
            "origin": origin,
            "expected": expected,
            "crash": asdict(crash) if crash else None,
        }
        return await asyncio.to_thread(self._ask, json.dumps(told))

    def _ask(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


if __name__ == "__main__":
    main()
