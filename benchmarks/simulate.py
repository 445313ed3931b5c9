"""Seeded schedules under virtual time: is any alert lost, does any stand there twice?

Kills at any await, orderly ends, full, held and failing disks, clocks that are set, a Discord that answers late, wrongly or never, feeds
and pages in trouble; the real store, road and outlet, and nothing ever sleeps.

    python -m benchmarks.simulate [--seeds 1000] [--first 0] [--jobs 2]
    python -m benchmarks.simulate --seed 17          one seed, with all that happened
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.sim_run import Outcome, simulate

SHOWN = 20


def main() -> int:
    """Run the seeds; return 1 where one of them went wrong."""
    parser = argparse.ArgumentParser(description="Seeded schedules under virtual time.")
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="from which on")
    parser.add_argument("--seed", type=int, help="this one alone, with its trace")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes")
    asked = parser.parse_args()
    logging.disable()
    if asked.seed is not None:
        return show(simulate(asked.seed))
    began_s, bad = time.monotonic(), []
    kills = stops = messages = 0
    with ProcessPoolExecutor(asked.jobs) as pool:
        for outcome in pool.map(told_of, range(asked.first, asked.first + asked.seeds), chunksize=10):
            kills, stops, messages = kills + outcome.kills, stops + outcome.stops, messages + outcome.messages
            if outcome.faults:
                bad.append(outcome)
                print_faults(outcome)
    print(
        f"{asked.seeds} seeds, {kills} kills, {stops} orderly ends, {messages} messages: {len(bad)} seeds with faults"
    )
    print(f"{time.monotonic() - began_s:.0f} s, {asked.jobs} at a time")
    return 1 if bad else 0


def told_of(seed: int) -> Outcome:
    """Return what became of a seed, without its trace."""
    logging.disable()
    outcome = simulate(seed)
    outcome.trace = []
    return outcome


def show(outcome: Outcome) -> int:
    """Print all that happened."""
    print(*outcome.trace, sep="\n")
    print(f"seed {outcome.seed}, trace {outcome.digest}: {len(outcome.faults)} faults")
    print_faults(outcome)
    return 1 if outcome.faults else 0


def print_faults(outcome: Outcome) -> None:
    """Print what is wrong, and how to see it again."""
    for fault in outcome.faults[:SHOWN]:
        print(f"seed {outcome.seed}: {fault}")
    if outcome.faults:
        print(f"    again: python -m benchmarks.simulate --seed {outcome.seed}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
