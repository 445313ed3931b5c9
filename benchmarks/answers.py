"""How soon is a person in chat answered while news flows? The bot as a process, a Discord of our own on loopback, the bundled newsroom.

Every command and autocomplete is sent again and again, one after another, while the newsroom's articles are polled, read and posted;
what counts is the time until the first response, which Discord wants within 3 s.

    python -m benchmarks.answers [--seconds 40]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import quantiles

from bot.newsroom import Newsroom
from tests.wire_fakes import Desk, desk_in

COMMANDS: tuple[tuple[str, dict[str, str]], ...] = (
    ("status", {}),
    ("help", {}),
    ("feed list", {}),
    ("watch list", {}),
    ("watch add", {"name": "Measured", "query": '="nothing of the kind"'}),
    ("watch show", {"watch": "Measured"}),
    ("watch edit", {"watch": "Measured", "query": '="still nothing"'}),
    ("watch pause", {"watch": "Measured"}),
    ("latest", {}),
    ("latest", {"query": '="sanctions"'}),
    ("actor list", {}),
    ("why", {"link": "https://news.example/unknown"}),
)
GOAL_MS = 250
PAUSE_S = 0.5


async def measure(seconds: float) -> dict[str, list[float]]:
    """Return the first responses' times in ms, by command."""
    took_ms: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        async with Newsroom(staggered=True) as newsroom, desk_in(Path(folder)) as desk:
            configure(desk, newsroom)
            async with desk.bot():
                until, number = time.monotonic() + seconds, 0
                while time.monotonic() < until:
                    await ask_all(desk, number, took_ms)
                    await asyncio.sleep(PAUSE_S)
                    number += 1
                print(f"{len(desk.discord.messages(desk.discord.alerts))} alerts were posted meanwhile")
    return took_ms


async def ask_all(desk: Desk, number: int, took_ms: dict[str, list[float]]) -> None:
    """Send each command once; each round has a watch of its own."""
    for line, options in COMMANDS:
        given = {key: f"Measured {number}" if value == "Measured" else value for key, value in options.items()}
        answer = await (await desk.discord.slash(line, given)).wait()
        took_ms[line].append((answer.answered_after_s or 0) * 1000)
    found = await desk.discord.autocomplete("watch show", "watch", "Mea")
    took_ms["(a name is typed)"].append((found.answered_after_s or 0) * 1000)


def configure(desk: Desk, newsroom: Newsroom) -> None:
    """Declare the newsroom's feeds, and its watches in the alerts channel."""
    feeds = "".join(f"[[feeds]]\nurl = '{feed.url}'\n" for feed in newsroom.feeds)
    for name, query in newsroom.watches:
        if "actor:" not in query:
            desk.watch(name, query, desk.discord.alerts)
    (desk.folder / "config.toml").write_text(
        f"[fetch]\ninterval = '1s'\nallow_private = ['{newsroom.origin}']\n{feeds}{''.join(desk.watches)}",
        encoding="utf-8",
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0)
    took_ms = asyncio.run(measure(parser.parse_args().seconds))
    every = [ms for each in took_ms.values() for ms in each]
    print(f"{'first response, ms':<22}{'n':>6}{'median':>9}{'p95':>9}{'longest':>9}")
    for line, each in [*sorted(took_ms.items()), ("all", every)]:
        cuts = quantiles(each, n=100) if len(each) > 1 else each * 99
        print(f"{line:<22}{len(each):>6}{cuts[49]:>9.1f}{cuts[94]:>9.1f}{max(each):>9.1f}")
    p95 = quantiles(every, n=100)[94]
    print(f"\nwithin {GOAL_MS} ms at the 95th percentile: {'yes' if p95 <= GOAL_MS else 'NO'} ({p95:.1f} ms)")


if __name__ == "__main__":
    main()
