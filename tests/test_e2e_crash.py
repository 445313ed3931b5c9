"""A death between any two steps of the road: nothing is lost, nothing owed twice, and nothing said twice but where it cannot be known.

Real deaths (`os._exit`) of real processes on a real database, in front of a site that goes on answering; see tests/crash_lives.py.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil
import pytest

from bot.store import Store
from tests.crash_lives import CRASHED, INSIDE, LIVED, SEAMS, Crash, Lives
from tests.fakes import FILLER, START_AT, Reply, Site, entry, page, rows_in, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiohttp import web

SPOKEN = "They spoke of sanctions until late."
TOLD = {
    "The committee and its teaser",
    "The committee and its page",
    "The committee and its late page",
    "Other committee",
}
UNTOLD = {"The committee alone"}

ALL = [Crash(seam, when) for seam in SEAMS for when in ("before", "after")] + [Crash(seam, "inside") for seam in INSIDE]
SINGLE = [Crash("claim", one.when, 2) if (one.seam, one.when) == ("claim", "before") else one for one in ALL]
"""The first claim of a life, before anything is read, has nothing to give."""
POSTED_FOR_CERTAIN = {("post", "after"), ("mark_sent", "before"), ("mark_sent", "inside")}
"""Where a message is out and its receipt is not on the disk: a terminal cannot be asked, so it is told again."""


class LatePageSite(Site):
    """A site one of whose pages is there only when it is asked for the third time, however often the bot died meanwhile."""

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/late" and self.asked.count("/late") < 2:
            self.asked.append("/late")
            return await super()._answer(request.clone(rel_url="/nothing-there"))
        return await super()._answer(request)


@pytest.fixture(scope="module")
def lives() -> Iterator[Lives]:
    with Lives() as opened:
        yield opened


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with LatePageSite() as opened:
        serve(opened)
        yield opened


def serve(site: Site) -> None:
    """Two feeds with five entries, four of which are to be told of: by their teaser, by their page, by a page that comes late."""
    site.feed(
        "/feed",
        entry("The committee and its teaser", site.url("/teaser"), guid="1", text=SPOKEN),
        entry("The committee and its page", site.url("/page"), guid="2", text="A teaser."),
        entry("The committee alone", site.url("/nothing"), guid="3", text="A teaser."),
        entry("The committee and its late page", site.url("/late"), guid="4", text="A teaser."),
    )
    site.feed(
        "/other",
        entry("Other committee", site.url("/other-page"), guid="1", text="A teaser."),
        entry("The committee and its page", site.url("/page?utm_source=other"), guid="2", text="A teaser."),
    )
    for path, sentence in (
        ("teaser", SPOKEN),
        ("page", SPOKEN),
        ("nothing", ""),
        ("late", SPOKEN),
        ("other-page", SPOKEN),
    ):
        site.page(f"/{path}", "The committee", *FILLER, sentence)


def posted(folder: Path) -> Counter[str]:
    path = folder / "posted.txt"
    return Counter(path.read_text(encoding="utf-8").splitlines() if path.exists() else [])


def in_doubt(folder: Path) -> set[str]:
    """Return what was claimed and not settled at a death; looked up in a copy, so that the next life finds all as it was left."""
    with TemporaryDirectory() as copies:
        for file in folder.glob("road.db*"):
            shutil.copy(file, copies)
        if not (copy := Path(copies) / "road.db").exists():
            return set()
        query = "SELECT i.title FROM alerts a JOIN items i ON i.id = a.item_id WHERE a.state = 'sending'"
        with closing(sqlite3.connect(copy)) as sql:
            return {title for (title,) in sql.execute(query)}


def assert_nothing_lost_and_nothing_owed_twice(folder: Path) -> None:
    database = folder / "road.db"
    alerts = rows_in(database, "SELECT i.title, a.state FROM alerts a JOIN items i ON i.id = a.item_id")
    assert sorted(alerts) == sorted((title, "sent") for title in TOLD)
    items = Counter(title for (title,) in rows_in(database, "SELECT title FROM items"))
    assert items == Counter([*TOLD, *UNTOLD, "The committee and its page"])
    assert posted(folder).keys() == TOLD
    assert rows_in(database, "PRAGMA integrity_check") == [("ok",)]


def name_of(crash: Crash) -> str:
    return f"{crash.when}-{crash.seam}"


@pytest.mark.parametrize("crash", SINGLE, ids=name_of)
async def test_a_death_at_any_seam_loses_nothing_and_tells_nothing_twice(
    site: Site, tmp_path: Path, lives: Lives, crash: Crash
) -> None:
    assert await lives.live(tmp_path, site.origin, expected=len(TOLD), crash=crash) == CRASHED
    doubted = in_doubt(tmp_path)
    assert await lives.live(tmp_path, site.origin, expected=len(TOLD)) == LIVED
    assert_nothing_lost_and_nothing_owed_twice(tmp_path)
    twice = {title for title, times in posted(tmp_path).items() if times > 1}
    assert posted(tmp_path).total() == len(TOLD) + len(twice)
    assert twice <= doubted
    if (crash.seam, crash.when) in POSTED_FOR_CERTAIN:
        assert len(twice) == 1


@pytest.mark.parametrize("seed", range(20))
async def test_two_deaths_in_a_row_at_random_seams_lose_nothing(
    site: Site, tmp_path: Path, lives: Lives, seed: int
) -> None:
    chance = random.Random(seed)
    crashes = [Crash(one.seam, one.when, chance.randint(1, 4)) for one in chance.sample(ALL, 2)]
    may_be_told = Counter(TOLD)
    for crash in crashes:
        assert await lives.live(tmp_path, site.origin, expected=len(TOLD), crash=crash) in {CRASHED, LIVED}
        may_be_told.update(in_doubt(tmp_path))
    assert await lives.live(tmp_path, site.origin, expected=len(TOLD)) == LIVED
    assert_nothing_lost_and_nothing_owed_twice(tmp_path)
    assert posted(tmp_path) <= may_be_told


async def test_a_life_without_a_death_tells_everything_once(site: Site, tmp_path: Path, lives: Lives) -> None:
    assert await lives.live(tmp_path, site.origin, expected=len(TOLD)) == LIVED
    assert_nothing_lost_and_nothing_owed_twice(tmp_path)
    assert set(posted(tmp_path).values()) == {1}


async def test_a_killed_bot_leaves_no_worker_and_the_next_one_goes_on_from_there(site: Site, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'[store]\nurl = "sqlite:///road.db"\n[fetch]\ninterval = "1s"\nallow_private = ["{site.origin}"]\n'
        f'[reading]\nlanguages = []\n[[feeds]]\nurl = "{site.url("/feed")}"\n[[watches]]\nname = "Sanctions"\nquery = "sanctions"\n',
        encoding="utf-8",
    )
    both = site.replies["/feed"]
    site.feed("/feed")
    bot = await started(config)
    await until(lambda: "/feed" in site.asked)
    site.replies["/feed"] = both
    site.put("/nothing", Reply(body=page("The committee", *FILLER).encode(), delay_s=5))
    await until(lambda: "/nothing" in site.asked)
    family = psutil.Process(bot.pid).children(recursive=True)
    assert family
    bot.send_signal(signal.SIGKILL)
    await bot.wait()
    assert (await asyncio.to_thread(psutil.wait_procs, family, 5.0))[1] == []
    site.page("/nothing", "The committee", *FILLER)
    bot = await started(config)
    query = "SELECT COUNT(*) FROM items WHERE readings > 0"
    await until(lambda: rows_in(tmp_path / "road.db", query) == [(4,)])
    bot.send_signal(signal.SIGTERM)
    assert await bot.wait() == 0
    store = await Store.open(tmp_path / "road.db", now=START_AT)
    assert (await store.counts()).items == 4
    await store.close()


async def started(config: Path) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "bot", "run", "--terminal", "--config", str(config))
    nowhere = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(*command, stdout=nowhere, stderr=nowhere)
