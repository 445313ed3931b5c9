"""Backups and restores: taken while the bot works, refused where they would harm, and nothing told twice or left unsaid afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.errors import StoreError
from bot.housekeeping import line_for
from bot.model import EditedItem
from bot.store import Store
from bot.store.backup import back_up, restore
from tests.store_fakes import DAY, HOUR, NOW, OTHER_URL, URL, declared, entry_of, first, keys_of, new, poll_of, read

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


async def opened(path: Path) -> Store:
    store = await Store.open(path, now=NOW)
    await declared(store, URL, OTHER_URL)
    return store


async def poll(store: Store, *names: str, at: timedelta = timedelta(0)) -> tuple[int, ...]:
    feed = replace(await first(store), last_poll_at=NOW + at, last_ok_at=NOW + at, subscribed_at=NOW)
    fresh = [new(name, to_read=feed.state != "new") for name in names]
    return await store.commit_poll(poll_of(replace(feed, state="ok"), *fresh, at=NOW + at))


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def remove(path: Path) -> None:
    path.unlink()


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def said_by(call: object) -> str:
    with pytest.raises(StoreError) as refused:
        call()  # type: ignore[operator]  # a lambda of the test
    said = str(refused.value)
    assert "\n" not in said
    return said


async def test_a_backup_taken_while_the_bot_writes_holds_one_whole_moment(path: Path, tmp_path: Path) -> None:
    store = await opened(path)
    writing = [asyncio.create_task(poll(store, f"{n}")) for n in range(60)]
    size = await asyncio.to_thread(back_up, path, tmp_path / "b.db")
    await asyncio.gather(*writing)
    await store.close()
    assert names_in(tmp_path) == ["a.db", "a.db.backed-up", "a.db.lock", "b.db"]
    assert size == (tmp_path / "b.db").stat().st_size
    assert stat.S_IMODE((tmp_path / "b.db").stat().st_mode) == 0o600
    copy = await Store.open(tmp_path / "b.db", now=NOW)
    counts = await copy.counts()
    assert counts.feeds == 2
    assert counts.items <= 60
    await copy.close()


async def test_a_backup_replaces_a_backup_but_nothing_else(path: Path, tmp_path: Path) -> None:
    await (await opened(path)).close()
    for _ in range(2):
        back_up(path, tmp_path / "b.db")
    (tmp_path / "diary").write_text("Dear diary")
    with closing(sqlite3.connect(tmp_path / "recipes.db")) as sql:
        sql.execute("CREATE TABLE recipes (name)")
    for target in ("diary", "recipes.db"):
        assert "no backup of wirewatch" in said_by(lambda target=target: back_up(path, tmp_path / target))
    assert (tmp_path / "diary").read_text() == "Dear diary"
    assert "is the store itself" in said_by(lambda: back_up(path, path))
    assert "does not exist" in said_by(lambda: back_up(path, tmp_path / "nowhere" / "b.db"))
    assert "is a directory" in said_by(lambda: back_up(path, tmp_path))
    assert "no database" in said_by(lambda: back_up(tmp_path / "none.db", tmp_path / "c.db"))
    assert "c.db" not in names_in(tmp_path)


async def test_a_restore_puts_back_what_the_backup_held_and_keeps_what_stood_there(path: Path, tmp_path: Path) -> None:
    store = await opened(path)
    await poll(store, "one")
    back_up(path, tmp_path / "b.db")
    await poll(store, "two", "three")
    await store.close()
    done = restore(path, tmp_path / "b.db", now=NOW + DAY)
    assert (done.items, done.feeds, done.doubtful) == (1, 1, 0)
    assert done.replaced == tmp_path / "a.db.replaced-20260302T120000Z"
    for file, items in ((path, 1), (done.replaced, 3), (tmp_path / "b.db", 1)):
        kept = await Store.open(file, now=NOW)
        assert (await kept.counts()).items == items
        await kept.close()


async def test_a_store_whose_log_was_never_folded_is_kept_with_its_log(path: Path, tmp_path: Path) -> None:
    store = await opened(path)
    back_up(path, tmp_path / "b.db")
    await poll(store, "only in the log")
    for tail in ("", "-wal"):  # what a kill leaves
        (tmp_path / f"k.db{tail}").write_bytes((tmp_path / f"a.db{tail}").read_bytes())
    await store.close()
    done = restore(tmp_path / "k.db", tmp_path / "b.db", now=NOW)
    assert done.replaced
    kept = await Store.open(done.replaced, now=NOW)
    assert (await kept.counts()).items == 1
    await kept.close()


@pytest.mark.parametrize("harm", ["missing", "emptied", "damaged", "log only"])
async def test_a_restore_is_the_way_out_of_a_damaged_store(path: Path, tmp_path: Path, harm: str) -> None:
    await (await opened(path)).close()
    back_up(path, tmp_path / "b.db")
    if harm in {"missing", "log only"}:
        remove(path)
    else:
        write(path, b"" if harm == "emptied" else content_of(path)[:5000])
    if harm == "log only":
        (tmp_path / "a.db-wal").write_bytes(b"left over")
    if harm != "missing":
        with pytest.raises(StoreError, match="restore"):
            await Store.open(path, now=NOW)
    restore(path, tmp_path / "b.db", now=NOW)
    store = await Store.open(path, now=NOW)
    assert len(await store.feeds()) == 2
    await store.close()


async def test_a_restore_refuses_while_the_bot_runs_and_touches_nothing(path: Path, tmp_path: Path) -> None:
    store = await opened(path)
    back_up(path, tmp_path / "b.db")
    said = said_by(lambda: restore(path, tmp_path / "b.db", now=NOW))
    assert "stop" in said
    await poll(store, "still at work")
    assert (await store.counts()).items == 1
    await store.close()


async def test_a_backup_that_is_none_or_damaged_or_newer_is_refused_before_anything_is_touched(
    path: Path, tmp_path: Path
) -> None:
    store = await opened(path)
    await poll(store, *(f"{n}" for n in range(200)))
    await store.close()
    back_up(path, tmp_path / "b.db")
    whole = (tmp_path / "b.db").read_bytes()
    before = content_of(path)
    (tmp_path / "torn.db").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bad.db").write_bytes(whole[:8192] + b"\xff" * 16384 + whole[24576:])
    (tmp_path / "text.db").write_text("Dear diary, " * 500)
    (tmp_path / "newer.db").write_bytes(whole)
    with closing(sqlite3.connect(tmp_path / "newer.db")) as sql:
        sql.execute("PRAGMA user_version = 99")
    for name, words in (
        ("none.db", "no backup"),
        ("torn.db", "damaged"),
        ("bad.db", "damaged"),
        ("text.db", "no database"),
        ("newer.db", "newer wirewatch"),
        ("a.db", "the store itself"),
    ):
        assert words in said_by(lambda name=name: restore(path, tmp_path / name, now=NOW)), name
    assert content_of(path) == before
    assert not [name for name in names_in(tmp_path) if "replaced" in name or "restoring" in name]


async def test_after_a_restore_the_feeds_start_anew_and_one_line_says_what_was_not_told(
    path: Path, tmp_path: Path
) -> None:
    store = await opened(path)
    await poll(store, "one")
    back_up(path, tmp_path / "b.db")
    await store.close()
    restore(path, tmp_path / "b.db", now=NOW + DAY)
    store = await Store.open(path, now=NOW + DAY)
    await store.upkeep.note_outage(now=NOW + DAY + HOUR)
    feed = await first(store)
    assert (feed.subscribed_at, feed.etag, feed.next_poll_at) == (None, None, None)
    at = NOW + DAY + 2 * HOUR
    known = await store.known(feed.id, [keys_of("one")], now=at)
    assert keys_of("one").key in known.by_key
    polled = replace(feed, last_poll_at=at, last_ok_at=at, subscribed_at=at, state="ok")
    await store.commit_poll(poll_of(polled, new("two", to_read=False), new("three", to_read=False), at=at))
    away = await store.upkeep.outage()
    assert away is not None
    assert (away.restored, away.silent, away.from_at, away.to_at) == (True, 2, NOW, NOW + DAY + HOUR)
    assert line_for(away) == (
        "a backup was restored: of the time from 2026-03-01 12:00 to 2026-03-02 13:00 UTC, 2 items stood in the feeds that this store"
        " had not read; they count as known and alert nobody; 1 feed could not be asked yet."
    )
    await store.upkeep.outage_told(away.to_at)
    assert await store.upkeep.outage() is None
    await store.close()


async def test_what_a_backup_still_owed_is_looked_for_before_it_is_posted(path: Path, tmp_path: Path) -> None:
    store = await opened(path)
    (item_id,) = await store.commit_poll(poll_of(await first(store), new("one")))
    item = await store.item(item_id)
    assert item
    await store.commit_reading(await read(store, item, fired=1))
    back_up(path, tmp_path / "b.db")
    (sent,) = await store.claim(NOW)
    await store.mark_sent(sent, message_id=7, now=NOW)
    await store.close()
    done = restore(path, tmp_path / "b.db", now=NOW + HOUR)
    assert done.doubtful == 1
    store = await Store.open(path, now=NOW + HOUR)
    await store.end_leases(now=NOW + HOUR)
    assert await store.claim(NOW + HOUR) == ()
    (doubtful,) = await store.reclaim(NOW + HOUR)
    assert (doubtful.in_doubt, doubtful.nonce, doubtful.first_sent_at) == (True, sent.nonce, NOW)
    await store.close()


async def test_what_a_backup_had_not_read_and_whose_page_it_awaited_alerts_nobody_after_a_restore(
    path: Path, tmp_path: Path
) -> None:
    store = await opened(path)
    unread, teaser, edited = await store.commit_poll(poll_of(await first(store), new("a"), new("b"), new("c")))
    for item_id in (teaser, edited):
        item = await store.item(item_id)
        assert item
        await store.commit_reading(replace(await read(store, item), page_next_at=NOW + HOUR, page_tries=1))
    edit = EditedItem(item_id=edited, entry=entry_of("c", text="Sanctions."), keys=keys_of("c", content="edited"))
    await store.commit_poll(poll_of(await first(store), edited=(edit,)))
    await store.close()
    back_up(path, tmp_path / "b.db")
    restore(path, tmp_path / "b.db", now=NOW + HOUR)
    store = await Store.open(path, now=NOW + HOUR)
    assert await store.items_to_read(limit=9) == ()
    assert await store.pages_owed(NOW + DAY, limit=9) == ()
    items = [await store.item(item_id) for item_id in (unread, teaser, edited)]
    assert [one.baseline for one in items if one] == [True, False, False]
    await store.upkeep.note_outage(now=NOW + 2 * HOUR)
    away = await store.upkeep.outage()
    assert away is not None
    assert away.silent == 3
    await store.close()


async def test_a_short_stop_is_no_time_away_and_a_long_one_is_told_with_what_came_late(path: Path) -> None:
    store = await opened(path)
    await poll(store, "one")
    await store.upkeep.note_outage(now=NOW + timedelta(minutes=29))
    assert await store.upkeep.outage() is None
    await store.upkeep.note_outage(now=NOW + 5 * HOUR)
    await poll(store, "two", at=5 * HOUR + timedelta(minutes=1))
    away = await store.upkeep.outage()
    assert away is not None
    assert (away.late, away.silent, away.waiting, away.gaps) == (1, 0, 1, ())
    said = line_for(replace(away, waiting=0, gaps=(("Harbour News", 4), ("Wire", 1))))
    assert said == (
        "the bot was away from 2026-03-01 12:00 to 2026-03-01 17:00 UTC: 1 item of that time were still in the feeds; what matches is"
        " alerted late; up to 5 items may have left the feeds unseen: Harbour News (4), Wire (1)."
    )
    await store.close()
