"""The fault scenarios by number: what no other file holds, and that each number's tests are there. The table: docs/faults.md."""

from __future__ import annotations

import ast
import asyncio
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from bot.alerts import is_old_for
from bot.model import Item, Watch
from bot.service import SAME_WISH_S
from bot.store import Store
from bot.store.schema import MIGRATIONS, open_gate
from tests import sim_run
from tests.sim_life import Kill
from tests.sim_plan import PLACES, End, plan_for
from tests.sim_run import simulate
from tests.sim_soak import soak
from tests.store_fakes import NOW, declared

if TYPE_CHECKING:
    from tests.sim_plan import Plan

ROOT = Path(__file__).parents[1]
NUMBERS = range(1, 24)
NOT_OURS = {17, 18}
CALM = replace(plan_for(1000), troubles=(), jumps=(), ends=(), fault_share=0.0, deleted_share=0.0, nonce_s=300.0)


def faults_under(plan: Plan, *, seeds: int = 1) -> list[str]:
    """Return what is wrong in the end under a plan, with several seeds of what is left to chance."""
    with patch.object(sim_run, "plan_for", lambda seed: replace(plan, seed=seed)):
        return [fault for seed in range(seeds) for fault in simulate(seed).faults]


def killed(seam: str, when: str, *nths: int, away_s: float = 2.0) -> tuple[End, ...]:
    return tuple(End(away_s, kill=Kill(seam, when, nth)) for nth in nths)  # type: ignore[arg-type]  # as Kill names them


# --- every number has its tests ---


def table() -> dict[int, str]:
    page = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    return {int(number): row for number, row in re.findall(r"^\| F(\d+) \|(.*)$", page, re.MULTILINE)}


def names_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("number", NUMBERS)
def test_each_number_stands_in_the_table_with_tests_that_are_there(number: int) -> None:
    named = re.findall(r"`(test_\w+)\.py: (test_\w+)`", table()[number])
    assert bool(named) != (number in NOT_OURS)
    assert [(file, name) for file, name in named if name not in names_in(ROOT / f"tests/{file}.py")] == []


# --- F1 to F3: kill -9 ---


@pytest.mark.parametrize(
    ("seam", "when"), [("web", "after"), ("store", "before"), ("store", "inside"), ("store", "after")]
)
def test_f01_killed_at_any_await_of_a_poll_nothing_is_lost_and_nothing_stands_there_twice(seam: str, when: str) -> None:
    assert faults_under(replace(CALM, ends=killed(seam, when, 3, 11, 40))) == []


def test_f02_killed_between_the_accepted_post_and_its_record_no_channel_sees_it_twice() -> None:
    assert faults_under(replace(CALM, ends=killed("outlet", "accepted", 1, 1, 2))) == []


def test_f03_the_same_with_half_an_hour_of_absence_is_found_in_the_history() -> None:
    plan = replace(CALM, ends=killed("outlet", "accepted", 1, 1, 2, away_s=1800.0), nonce_s=120.0)
    assert faults_under(plan) == []


def test_f03_without_the_right_to_read_the_history_a_repeat_says_that_it_may_be_one() -> None:
    unreadable = tuple((f"history {place}", 0.0, inf) for place in PLACES)
    ends = killed("outlet", "accepted", 1, 1, 2, away_s=1800.0)
    assert faults_under(replace(CALM, ends=ends, nonce_s=120.0, troubles=unreadable)) == []


# --- F5 to F8: Discord ---


def test_f05_whatever_discord_answers_each_alert_is_visible_once() -> None:
    assert faults_under(replace(CALM, fault_share=0.8), seeds=2) == []


def test_f07_a_channel_that_closes_for_a_while_gets_all_it_was_owed_and_one_that_is_gone_stops_no_other() -> None:
    troubles = (("closed 101", 100.0, 3000.0), ("gone 102", 1000.0, inf))
    assert faults_under(replace(CALM, troubles=troubles)) == []


def test_f08_what_a_moderator_deleted_is_not_posted_again() -> None:
    assert faults_under(replace(CALM, fault_share=0.3, deleted_share=0.5)) == []


# --- F10, F11: the disk ---


@pytest.mark.parametrize("seconds", [4.0, 60.0])
def test_f10_held_by_another_program_for_seconds_or_a_minute_loses_nothing(seconds: float) -> None:
    held = tuple(("locked", at_s, at_s + seconds) for at_s in (300.0, 900.0, 1500.0))
    assert faults_under(replace(CALM, troubles=held)) == []


@pytest.mark.parametrize("kind", ["full", "ioerr"])
def test_f11_a_disk_that_is_full_or_fails_for_twenty_minutes_loses_nothing(kind: str) -> None:
    assert faults_under(replace(CALM, troubles=((kind, 600.0, 1800.0),), ends=killed("outlet", "accepted", 2))) == []


# --- F15: the clock ---


@pytest.mark.parametrize("by_s", [86400.0, -86400.0, 3600.0, -3600.0])
def test_f15_a_clock_that_is_set_loses_nothing_that_comes_afterwards(by_s: float) -> None:
    plan = replace(CALM, jumps=((600.0, by_s),), ends=killed("outlet", "accepted", 2))
    assert faults_under(plan) == []


async def test_f15_a_clock_set_back_leaves_no_watch_in_force_only_from_tomorrow_on(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, "https://news.example/feed", watches=(Watch(name="w", query="sanctions"),))
    (watch,), earlier = await store.watches(), NOW - timedelta(days=1)
    item = Item(id=1, feed_id=1, feed_name="", key=b"", link_hash=None, url="", title="", first_seen_at=earlier)
    assert is_old_for(watch, item, {}, now=NOW)
    assert not is_old_for(watch, item, {}, now=earlier)
    await store.shift_due_times(earlier - NOW, now=earlier)
    assert [one.since_at for one in await store.watches()] == [earlier]
    await store.close()


# --- F19: an upgrade that is killed ---

UPGRADE = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from bot.store.schema import MIGRATIONS, open_gate

class Deadly(tuple):
    def __iter__(self):
        yield "CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT"
        yield "UPDATE feeds SET name = 'half'"
        os._exit(9)

open_gate(Path(sys.argv[1]), now=datetime.now(UTC), migrations=(*MIGRATIONS, Deadly(("",))))
"""


async def test_f19_killed_inside_a_migration_the_next_start_does_it_whole_and_no_row_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = await Store.open(path, now=NOW)
    await declared(store, *(f"https://news.example/{n}" for n in range(50)))
    await store.close()
    done = subprocess.run([sys.executable, "-c", UPGRADE, str(path)], cwd=ROOT, check=False, timeout=60)  # noqa: ASYNC221, S603 - our own words
    assert done.returncode == 9
    later = ("CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT", "UPDATE feeds SET name = name || '!'")
    open_gate(path, now=NOW, migrations=(*MIGRATIONS, later))
    with closing(sqlite3.connect(path)) as sql:
        assert sql.execute("SELECT name, COUNT(*) FROM feeds GROUP BY name").fetchall() == [("!", 50)]
        assert sql.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
        assert sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# --- F22: the end ---

SLOW_TO_END = """
import asyncio, sys
from bot.service import signals_into
from bot.store import Store
from tests.store_fakes import NOW, declared

async def main():
    store, stop = await Store.open(sys.argv[1], now=NOW), asyncio.Event()
    await declared(store, "https://news.example/feed")
    with signals_into(stop):
        print("ready", flush=True)
        await stop.wait()
        print("stopping", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_f22_told_to_stop_at_any_moment_nothing_is_left_on_its_way_for_no_reason() -> None:
    ends = tuple(End(2.0, after_s=after_s) for after_s in (0.001, 0.5, 3.0, 700.0, 1901.3))
    assert faults_under(replace(CALM, ends=ends, fault_share=0.3)) == []


async def test_f22_a_second_signal_ends_it_at_once_and_the_store_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with subprocess.Popen([sys.executable, "-c", SLOW_TO_END, str(path)], cwd=ROOT, stdout=subprocess.PIPE) as slow:  # noqa: ASYNC220, S603 - our own words
        assert slow.stdout is not None
        assert slow.stdout.readline() == b"ready\n"
        slow.send_signal(signal.SIGTERM)
        assert slow.stdout.readline() == b"stopping\n"
        await asyncio.sleep(SAME_WISH_S + 0.3)
        slow.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(slow.wait, 5) == 1
    store = await Store.open(path, now=NOW)
    assert [one.url for one in await store.feeds()] == ["https://news.example/feed"]
    await store.close()


# --- F23: long at work ---


def test_f23_days_of_load_leave_memory_files_and_tasks_flat() -> None:
    samples = soak(hours=12.0, every_h=3.0, feeds=2)
    first, last = samples[1], samples[-1]  # after everything was loaded and met once
    assert last.items > first.items > 0
    assert (last.files, last.tasks) == (first.files, first.tasks)
    assert last.objects - first.objects < 40 * (last.items - first.items), (
        "less than an item's own text of each item stays"
    )
