"""F4 and F10 to F13 at the store: power cuts, other programs, full disks, damage, old backups. Numbers as in docs/faults.md."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.errors import StoreError
from bot.store import Store, soundness
from bot.store.backup import back_up
from bot.store.connection import run_whole
from tests.store_fakes import NOW, URL, declared, first, new, poll_of, read

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SECTOR = 512
LOG_HEADER = 32


# --- F4: the power goes -------------------------------------------------------------------------------------------------
# What SQLite wrote before a commit returned is on the disk, for it was synced; of what it writes after that, any sectors may be there
# and any missing. Each step below changes one of the two files only (a commit the log, a checkpoint the database), so the disk after a
# power cut is the older snapshot with some sectors of the newer one. (That commits are synced at all is held by the test of the settings.)
# A log that is begun anew is the exception: SQLite syncs its new header before the first frame behind it (wal.c, walFrames: syncHeader),
# else older frames could be replayed over newer pages; so what arrived of such a step never lies behind the old header.

Disk = dict[str, bytes]


def disk_of(path: Path) -> Disk:
    parts = {tail: path.with_name(path.name + tail) for tail in ("", "-wal")}
    return {tail: part.read_bytes() if part.exists() else b"" for tail, part in parts.items()}


def torn(before: Disk, after: Disk, chance: random.Random) -> Disk:
    """Return a disk on which some sectors of the last step have arrived; the file's new length may have, or not."""
    disk: Disk = {}
    for tail, old in before.items():
        fresh = after[tail]
        length = chance.choice(
            [len(old), len(fresh), chance.randint(min(len(old), len(fresh)), max(len(old), len(fresh)))]
        )
        mixed = bytearray(old[:length].ljust(length, b"\0"))
        share = chance.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        for at in range(0, length, SECTOR):
            if chance.random() < share:
                mixed[at : at + SECTOR] = fresh[at : min(at + SECTOR, length)].ljust(min(SECTOR, length - at), b"\0")
        if tail == "-wal" and share:
            mixed[:LOG_HEADER] = fresh[:length][:LOG_HEADER]
        disk[tail] = bytes(mixed)
    return disk


async def test_f4_after_a_power_cut_every_acknowledged_row_is_there_and_the_file_is_sound(tmp_path: Path) -> None:
    chance = random.Random(4)
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, URL)
    assert store._writer is not None
    snapshots, kept = [(disk_of(store.path), 0)], 0
    for step in range(12):
        if step % 5 == 4:
            await run_whole(
                store._writer._connection, lambda sql: sql.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            )
        else:
            ids = await store.commit_poll(
                poll_of(await first(store), *(new(f"{step}-{n}") for n in range(chance.choice((1, 9)))))
            )
            item = await store.item(ids[0])
            assert item
            await store.commit_reading(await read(store, item, fired=1))
            kept += len(ids)
        snapshots.append((disk_of(store.path), kept))
    await store.close()
    for (before, rows), (after, _) in pairwise(snapshots):
        if sum(before[tail] != after[tail] for tail in before) > 1:  # two commits and what lies between them
            continue
        for _ in range(4):
            cut = tmp_path / "cut.db"
            for tail, content in torn(before, after, chance).items():
                cut.with_name(cut.name + tail).write_bytes(content)  # a test of files
            cut.with_name("cut.db-shm").unlink(missing_ok=True)
            again = await Store.open(cut, now=NOW)
            found, fault = (await again.counts()).items, await again.upkeep.fault()
            await again.close()
            assert (found >= rows, fault) == (True, "")


# --- F10: another program holds the database ----------------------------------------------------------------------------


@contextmanager
def held_by_another(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def test_f10_a_short_hold_is_waited_for_and_nobody_notices(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, URL)
    with held_by_another(store.path) as other:
        letting_go = threading.Timer(0.3, lambda: other.execute("COMMIT"))
        letting_go.start()
        assert len(await store.commit_poll(poll_of(await first(store), new("one")))) == 1
        letting_go.join()
    await store.close()


async def test_f10_a_long_hold_is_told_and_what_was_refused_is_done_by_the_next_try(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, URL)
    feed = await first(store)
    assert store._writer is not None
    await store._writer._connection.execute("PRAGMA busy_timeout = 20")
    with held_by_another(store.path):
        for _ in range(3):
            with pytest.raises(StoreError, match="another program holds the database"):
                await store.commit_poll(poll_of(feed, new("one")))
        assert [one.id for one in await store.due_feeds(NOW)] == [feed.id]  # still due, still answered
        assert store.vitals.store_fault
    assert len(await store.commit_poll(poll_of(feed, new("one")))) == 1
    assert not store.vitals.store_fault
    await store.close()


# --- F11: the disk is full ----------------------------------------------------------------------------------------------

FULL = """
import asyncio, json, resource, sys
from bot.errors import StoreError
from bot.store import Store
from bot.store.backup import back_up
from tests.store_fakes import NOW, URL, declared, first, new, poll_of, read

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

async def main():
    store = await Store.open(sys.argv[1], now=NOW)
    await declared(store, URL)
    feed = await first(store)
    room(400_000)
    kept, refused, said = 0, 0, set()
    for n in range(80):
        try:
            ids = await store.commit_poll(poll_of(feed, *(new(f"{n}-{m}", link="x" * 900) for m in range(5))))
            await store.commit_reading(await read(store, await store.item(ids[0]), fired=1))
            kept += len(ids)
        except StoreError as error:
            refused, said = refused + 1, said | {str(error)}
    room(40_000)
    try:
        back_up(store.path, sys.argv[2])
    except StoreError as error:
        said.add(str(error))
    room(resource.RLIM_INFINITY)
    await store.commit_poll(poll_of(feed, new("room again")))
    counts = await store.counts()
    await store.close()
    again = await Store.open(sys.argv[1], now=NOW)
    print(json.dumps({"kept": kept, "refused": refused, "said": sorted(said), "items": counts.items,
        "after": (await again.counts()).items, "owed": (await again.counts()).owed}))
    await again.close()

asyncio.run(main())
"""


def test_f11_a_full_disk_refuses_in_words_keeps_what_it_took_and_work_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    if resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY:
        pytest.skip("file sizes are limited here already")
    told = subprocess.run(  # noqa: S603  # our own words
        [sys.executable, "-c", FULL, str(tmp_path / "a.db"), str(tmp_path / "b.db")],
        cwd=ROOT, capture_output=True, check=True, text=True, timeout=60,
    )  # fmt: skip
    said = json.loads(told.stdout)
    assert said["kept"]
    assert said["refused"]
    assert all("\n" not in line and "nothing that was stored is lost" in line for line in said["said"])
    assert said["items"] == said["after"] >= said["kept"] + 1
    assert said["owed"] >= 1
    assert not [one for one in tmp_path.iterdir() if one.name.startswith("b.db")]  # half a backup is none


# --- F12: damage --------------------------------------------------------------------------------------------------------


async def large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a store that a start does not read whole."""
    monkeypatch.setattr(soundness, "READ_WHOLE_BYTES", 50_000)
    store = await Store.open(path, now=NOW)
    await declared(store, *(f"https://news.example/{n}" for n in range(50)))
    fresh = [new(f"{n}") for n in range(160)]
    for item_id in await store.commit_poll(poll_of(await first(store), *fresh)):
        item = await store.item(item_id)
        assert item
        await store.commit_reading(
            await read(store, item, text=f"Sanctions stay. {random.Random(item_id).randbytes(300).hex()}")
        )
    await store.close()


def damage(path: Path, table: str) -> None:
    """Overwrite the middle of a table's pages."""
    with closing(sqlite3.connect(path)) as sql:
        pages = [
            row[0] for row in sql.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (table,))
        ]
    content = bytearray(path.read_bytes())
    at = (pages[len(pages) // 2] - 1) * 4096
    content[at : at + 3000] = b"\xff" * 3000
    path.write_bytes(content)


async def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as refused:
        await Store.open(path, now=NOW)
    assert "\n" not in str(refused.value)
    return str(refused.value)


async def test_f12_a_large_store_is_opened_unread_but_not_where_it_decides_what_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await large(tmp_path / "a.db", monkeypatch)
    damage(tmp_path / "a.db", "feeds")
    assert "restore the latest backup" in await refusal(tmp_path / "a.db")


async def test_f12_a_large_store_that_was_cut_off_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    await large(path, monkeypatch)
    whole = path.read_bytes()  # a test of files
    path.write_bytes(whole[: len(whole) * 2 // 3])  # as above
    assert "restore the latest backup" in await refusal(path)


async def test_f12_what_the_daily_reading_finds_is_told_and_refused_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    await large(path, monkeypatch)
    back_up(path, tmp_path / "b.db")
    damage(path, "articles")
    store = await Store.open(path, now=NOW)
    assert await store.upkeep.fault()
    await store.close()
    assert "restore the latest backup" in await refusal(path)
    path.write_bytes((tmp_path / "b.db").read_bytes())  # as above
    store = await Store.open(path, now=NOW)
    assert await store.upkeep.fault() == ""
    await store.close()
    await (await Store.open(path, now=NOW)).close()


# --- F13: an old backup -------------------------------------------------------------------------------------------------

CONFIG = """
[store]
url = "sqlite:///a.db"
[[feeds]]
url = "https://news.example/feed"
[[watches]]
name = "w"
query = "sanctions"
"""


def wirewatch(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-m", "bot", *args, "--config", str(folder / "config.toml")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


async def test_f13_the_drill_backup_disaster_restore_by_the_commands_that_people_type(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)  # a test of files
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, URL)
    feed = replace(await first(store), subscribed_at=NOW, last_poll_at=NOW, state="ok")
    await store.commit_poll(poll_of(feed, new("one")))
    done = await asyncio.to_thread(wirewatch, tmp_path, "backup", str(tmp_path / "b.db"))  # while it is open
    assert (done.returncode, done.stdout) == (0, "")
    assert "checked" in done.stderr
    for command in (["restore", str(tmp_path / "b.db")], ["erase", "--person", "Nobody Known"]):
        done = await asyncio.to_thread(wirewatch, tmp_path, *command)
        assert done.returncode == 1
        assert "stop that one first" in done.stderr
        assert done.stderr.count("\n") == 1
    await store.close()
    (tmp_path / "a.db").write_bytes(b"\0" * 9000)  # the disaster
    assert "restore" in await refusal(tmp_path / "a.db")
    done = await asyncio.to_thread(wirewatch, tmp_path, "restore", str(tmp_path / "b.db"))
    assert done.returncode == 0
    assert "1 item, 1 feed" in done.stderr
    done = await asyncio.to_thread(wirewatch, tmp_path, "restore", str(tmp_path / "nothing.db"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    store = await Store.open(tmp_path / "a.db", now=NOW)
    assert (await store.counts()).items == 1
    assert (await first(store)).subscribed_at is None
    away = await store.upkeep.outage()
    assert away is not None
    assert away.restored
    await store.close()
    done = await asyncio.to_thread(wirewatch, tmp_path, "erase", "--person", "Title")
    assert done.returncode == 0
    assert "items: 1" in done.stderr
