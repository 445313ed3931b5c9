"""Opening the store: created once, locked, migrated, and never started empty over something damaged."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.errors import StoreError
from bot.model import Watch
from bot.store import DeclaredFeed, Store
from bot.store.schema import MIGRATIONS, Migration, migrate, open_gate

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[1]

HOLD = """
import asyncio, sys
from datetime import UTC, datetime
from bot.store import Store

async def main():
    await Store.open(sys.argv[1], now=datetime.now(UTC))
    print("open", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def filled(path: Path) -> None:
    store = await Store.open(path, now=NOW)
    feeds = [DeclaredFeed(url=f"https://news.example/{n}", name="n" * 200) for n in range(400)]
    await store.declare(feeds=feeds, actors=(), watches=(Watch(name="w", query="sanctions"),), now=NOW)
    await store.close()


def raw(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(path, isolation_level=None))


def shape(path: Path) -> Sequence[object]:
    with raw(path) as sql:
        return sql.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def names_in(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir())


def allow(directory: Path, mode: int) -> None:
    directory.chmod(mode)


async def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as refused:
        await Store.open(path, now=NOW)
    said = str(refused.value)
    assert "\n" not in said
    return said


async def test_a_missing_file_is_created_and_closing_leaves_one_file_and_the_lock(tmp_path: Path) -> None:
    await filled(tmp_path / "a.db")
    assert names_in(tmp_path) == ["a.db", "a.db.lock"]
    store = await Store.open(tmp_path / "a.db", now=NOW)
    assert len(await store.feeds()) == 400
    await store.close()


async def test_closing_twice_does_no_harm_and_a_closed_store_says_so(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.counts()
    with pytest.raises(StoreError, match="closed"):
        await store.release(now=NOW)


async def test_a_new_database_has_the_settings_that_promises_rest_on(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    assert store._writer is not None
    names = ("journal_mode", "synchronous", "foreign_keys")
    ask = "SELECT (SELECT * FROM pragma_journal_mode), (SELECT * FROM pragma_synchronous), (SELECT * FROM pragma_foreign_keys)"
    values = await store._writer.write(lambda sql: sql.execute(ask).fetchone())
    assert dict(zip(names, values, strict=True)) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with pytest.raises(StoreError):
        await store._read(lambda sql: sql.execute("DELETE FROM feeds"))
    await store.close()


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_every_schema_leads_to_the_same_tables_as_a_fresh_start(tmp_path: Path, version: int) -> None:
    with raw(tmp_path / "old.db") as sql:
        migrate(sql, MIGRATIONS[:version])
        migrate(sql)
        assert sql.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    open_gate(tmp_path / "fresh.db", now=NOW)
    assert shape(tmp_path / "old.db") == shape(tmp_path / "fresh.db")


async def test_an_older_schema_is_copied_then_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await filled(path)
    later: Migration = ("CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT",)
    open_gate(path, now=NOW, migrations=(*MIGRATIONS, later))
    copy = tmp_path / f"a.db.schema-{len(MIGRATIONS)}-20260301T120000Z"
    for file, version, tables in ((path, len(MIGRATIONS) + 1, 1), (copy, len(MIGRATIONS), 0)):
        with raw(file) as sql:
            assert sql.execute("PRAGMA user_version").fetchone() == (version,)
            assert sql.execute("SELECT COUNT(*) FROM feeds").fetchone() == (400,)
            assert sql.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = 'later'").fetchone() == (tables,)
    assert "newer wirewatch" in await refusal(path)


async def test_a_failed_migration_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await filled(path)
    before = shape(path)
    with pytest.raises(sqlite3.OperationalError):
        open_gate(path, now=NOW, migrations=(*MIGRATIONS, ("CREATE TABLE half (id)", "CREATE NONSENSE")))
    assert shape(path) == before
    await (await Store.open(path, now=NOW)).close()


async def test_a_newer_schema_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await filled(path)
    with raw(path) as sql:
        sql.execute("PRAGMA user_version = 99")
    said = await refusal(path)
    assert "schema 99" in said
    assert "upgrade" in said


async def test_a_truncated_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await filled(path)
    whole = path.read_bytes()
    for size in (len(whole) // 2 // 4096 * 4096, len(whole) // 2 + 100, 4096, 1000, 50, 0):
        path.write_bytes(whole[:size])
        assert "restore" in await refusal(path)
        assert path.read_bytes() == whole[:size]


async def test_a_damaged_page_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await filled(path)
    whole = bytearray(path.read_bytes())
    for page in range(1, len(whole) // 4096):  # every page but the first, so that the header still promises a database
        whole[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(whole)
    assert "damaged" in await refusal(path)


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"Dear diary, " * 500)
    assert "no database" in await refusal(path)
    assert path.read_bytes().startswith(b"Dear diary")


async def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with raw(path) as sql:
        sql.execute("CREATE TABLE recipes (name)")
    assert "another program" in await refusal(path)


async def test_a_deleted_database_whose_log_is_left_is_not_started_empty(tmp_path: Path) -> None:
    (tmp_path / "a.db-wal").write_bytes(b"left over")
    assert "is missing" in await refusal(tmp_path / "a.db")
    assert not (tmp_path / "a.db").exists()


async def test_a_missing_directory_and_a_directory_in_place_of_the_file_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in await refusal(tmp_path / "nowhere" / "a.db")
    assert "is a directory" in await refusal(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_directory_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    allow(tmp_path, 0o500)
    assert "may not be written" in await refusal(tmp_path / "a.db")
    allow(tmp_path, 0o700)


async def test_a_crash_while_the_database_was_being_created_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.db.new").write_bytes(b"half a database")
    (tmp_path / "a.db.lock").write_text("1234567890123")
    await filled(tmp_path / "a.db")
    assert not (tmp_path / "a.db.new").exists()


async def test_a_second_process_is_named_and_kill_9_frees_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdout=subprocess.PIPE) as holder:  # noqa: ASYNC220, S603  # our own words
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        assert f"process {holder.pid}" in await refusal(path)
        reader = await Store.open_readonly(path)
        assert (await reader.counts()).feeds == 0
        await reader.close()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    store = await Store.open(path, now=NOW)
    assert await store.feeds() == ()
    await store.close()


async def test_one_store_cannot_be_opened_twice_even_under_another_name(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    (tmp_path / "b.db").symlink_to(tmp_path / "a.db")
    assert f"process {os.getpid()}" in await refusal(tmp_path / "b.db")
    await store.close()
    await (await Store.open(tmp_path / "b.db", now=NOW)).close()


async def test_a_store_for_reading_changes_nothing_and_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database"):
        await Store.open_readonly(tmp_path / "a.db")
    assert names_in(tmp_path) == []
    await filled(tmp_path / "a.db")
    store = await Store.open_readonly(tmp_path / "a.db")
    assert len(await store.feeds()) == 400
    with pytest.raises(StoreError, match="reading only"):
        await store.release(now=NOW)
    await store.close()
