"""A week at five times the usual load, in virtual time: does memory, do open files or tasks grow?

Ten feeds with five items an hour each, the real store, road and outlet; what stands still is not shown: the database itself grows, and
with it SQLite's own page cache, up to 64 MB for each of its three connections.

    python -m benchmarks.soak [--days 7] [--feeds 10]
"""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING

from tests.sim_soak import soak

if TYPE_CHECKING:
    from tests.sim_soak import Sample

MIB = 1 << 20


def main() -> int:
    """Print a line for every sixth of the time, and the slopes; return 1 where tasks or files grew."""
    parser = argparse.ArgumentParser(description="A week of load in virtual time.")
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--feeds", type=int, default=10)
    asked = parser.parse_args()
    logging.disable()
    print(f"{'hour':>6} {'items':>7} {'MiB':>7} {'objects':>9} {'files':>6} {'tasks':>6}")
    samples = soak(hours=24 * asked.days, every_h=4 * asked.days / 2, feeds=asked.feeds, tell=show)
    first, last = samples[len(samples) // 3], samples[-1]
    days = (last.hour - first.hour) / 24
    objects = (last.objects - first.objects) * 64 / MIB / days
    print(
        f"memory: {(last.rss_bytes - first.rss_bytes) / MIB / days:+.2f} MiB a day; Python's objects: about {objects:+.2f} of it"
    )
    print(f"files {last.files - first.files:+}, tasks {last.tasks - first.tasks:+}")
    return int(last.files > first.files or last.tasks > first.tasks)


def show(sample: Sample) -> None:
    """Print a sample."""
    print(
        f"{sample.hour:6.0f} {sample.items:7,} {sample.rss_bytes / MIB:7.1f} {sample.objects:9,} {sample.files:6} {sample.tasks:6}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
