"""`make bench`: the measurements that take about a minute, one after another."""

from __future__ import annotations

from benchmarks import matching, road


def main() -> None:
    """Print each table under its headline."""
    for headline, measurement in (("Matching", matching), ("The road", road)):
        print(f"\n## {headline}\n")
        measurement.main()


if __name__ == "__main__":
    main()
