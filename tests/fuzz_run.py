# ruff: noqa: T201  # a program that prints
"""`make fuzz`: each target under atheris for some time, with coverage of our own rooms and of what they read with. Prints a line for each.

Where atheris has no wheel (it has some for CPython on x86-64 only), the targets run on Hypothesis' bytes instead, and it says so.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

INSTRUMENTED = ("bot.feeds", "bot.reading", "bot.web", "bot.config", "bot.toml_table", "feedparser", "protego")


def run_target(name: str, seconds: int, corpus: Path) -> None:
    """Fuzz one target in this process; atheris ends it, with status 0 where nothing fell."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415  # not for every machine

    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from tests.fuzz_targets import TARGETS  # noqa: PLC0415  # while imports are instrumented
    target, seeds = TARGETS[name]
    for place, seed in enumerate(seeds):
        (corpus / f"seed-{place}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-timeout=25",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={corpus}/", *options], target)
    atheris.Fuzz()


def run_apart(name: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own; print what it came to, and what it fell over."""
    with tempfile.TemporaryDirectory() as corpus:
        options = ["--target", name, "--seconds", str(seconds), "--corpus", corpus]
        done = subprocess.run(  # noqa: S603  # ourselves
            [sys.executable, "-m", "tests.fuzz_run", *options],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        lines = done.stderr.splitlines() + done.stdout.splitlines()
        runs = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "?")
        print(f"{name}: {runs} runs in {seconds} s, {'nothing fell' if not done.returncode else 'FELL'}", flush=True)
        if done.returncode:
            print("\n".join(lines[-60:]))
            for found in Path(corpus).glob("[cto]*-*"):  # crash-…, timeout-…, oom-…
                print(found.name, found.read_bytes()[:2_000])
    return not done.returncode


def run_without_atheris(examples: int) -> bool:
    """Run every target on Hypothesis' bytes."""
    from hypothesis import HealthCheck, given, settings  # noqa: PLC0415  # only where it is needed

    from tests.fuzz_targets import TARGETS  # noqa: PLC0415  # the same
    from tests.test_hostile_fuzz import near  # noqa: PLC0415  # the same

    print("atheris has no wheel for this machine; these are Hypothesis' bytes, without coverage")
    for name, (target, seeds) in TARGETS.items():
        settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))(
            given(near(seeds))(target)
        )()
        print(f"{name}: {examples} examples, nothing fell", flush=True)
    return True


def main() -> None:
    """Run what was asked for; status 1 where something fell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="targets whose name holds this")
    parser.add_argument("--seconds", type=int, default=120, help="for each target")
    parser.add_argument("--target", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.target:
        run_target(given.target, given.seconds, given.corpus)
    elif find_spec("atheris") is None:
        sys.exit(not run_without_atheris(5_000))
    else:
        names = ("feed", "json_feed", "encoding", "query", "offsets", "config", "robots", "links", "page", "headers")
        fine = [run_apart(name, given.seconds) for name in names if given.only in name]
        sys.exit(not all(fine))


if __name__ == "__main__":
    main()
