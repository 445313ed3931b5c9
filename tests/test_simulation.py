"""Seeds of the simulation: nothing lost, nothing twice, whatever goes wrong when. Thousands more: `make simulate ARGS="--seeds 1000"`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from bot.store import outbox, polls
from tests import sim_run
from tests.sim_plan import Plan, plan_for
from tests.sim_run import simulate

ROOT = Path(__file__).parents[1]
REPLAYED = 3


@pytest.mark.parametrize("first", range(0, 20, 5))
def test_each_due_alert_is_seen_exactly_once_and_nothing_is_left_undone(first: int) -> None:
    outcomes = [simulate(seed) for seed in range(first, first + 5)]
    assert {one.seed: one.faults for one in outcomes if one.faults} == {}
    assert sum(one.kills for one in outcomes)
    assert sum(one.messages for one in outcomes)


def test_the_same_seed_gives_the_same_trace_in_another_process_too() -> None:
    here = simulate(REPLAYED)
    assert here.digest == simulate(REPLAYED).digest
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "benchmarks.simulate", "--seed", str(REPLAYED)],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "77"}, capture_output=True, check=True, text=True, timeout=60,
    )  # fmt: skip
    assert here.digest in told.stdout
    assert here.trace[-1] in told.stdout


# --- the simulation itself notices what it is there for ---


def faults_within(seeds: range, plan: Plan | None = None) -> list[str]:
    with (
        patch.object(sim_run, "plan_for", lambda seed: plan or plan_for(seed)),
        patch.object(sim_run, "QUIET_LIMIT_S", 3600.0),
    ):
        return [fault for seed in seeds for fault in simulate(seed).faults]


def test_it_notices_an_alert_that_is_posted_again_under_another_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(plan_for(5), fault_share=0.6, troubles=(), jumps=(), deleted_share=0.0)
    assert faults_within(range(5, 6), plan) == []
    release = outbox.reclaim

    def forgets(*args: object) -> object:
        sql = args[0]
        sql.execute("UPDATE alerts SET nonce = nonce || 'x' WHERE state = 'sending'")  # type: ignore[attr-defined]  # a connection
        return tuple(replace(one, in_doubt=False) for one in release(*args))  # type: ignore[arg-type]  # as handed over

    monkeypatch.setattr(outbox, "reclaim", forgets)
    assert [fault for fault in faults_within(range(5, 8), plan) if fault.startswith("TWICE")]


def test_it_notices_an_alert_that_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "owe", lambda *_: None)
    assert [fault for fault in faults_within(range(5, 6)) if fault.startswith("LOST")]


def test_it_notices_an_item_that_is_marked_seen_and_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polls, "_keep_new", lambda *_: None)
    assert [fault for fault in faults_within(range(5, 6)) if "stands 0 times" in fault]
