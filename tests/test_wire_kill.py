"""kill -9 under flow, half of the kills aimed at a message on its way: a small number of what `make kill-discord` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.kill_discord import torture

if TYPE_CHECKING:
    from pathlib import Path


async def test_4_killed_again_and_again_nothing_is_lost_and_nothing_told_twice(tmp_path: Path) -> None:
    verdict = await torture(tmp_path, kills=6, seed=3)
    assert verdict.sound, verdict
    assert (verdict.kills, verdict.aimed) == (6, 3)
    assert verdict.taken > 0
    assert verdict.wiped > 0
    assert verdict.articles > 0
