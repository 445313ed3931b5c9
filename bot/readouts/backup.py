"""`backup`, `restore` and `erase`: on the store of a configuration. A backup is taken while the bot runs; the others refuse then."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.config import config_path, load_config
from bot.plurals import counted
from bot.store.backup import back_up, restore

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

MB = 1_000_000


async def back_up_store(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Write a backup."""
    config = load_config(config_path(args.config, environ))
    size = await asyncio.to_thread(back_up, config.store_path, Path(args.file))
    say(
        f"{args.file}: {size / MB:.1f} MB, checked. It holds feed addresses with their passwords: keep it as safe as the store."
    )
    return 0


async def restore_store(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Put a backup in the store's place."""
    config = load_config(config_path(args.config, environ))
    done = await asyncio.to_thread(restore, config.store_path, Path(args.file), now=datetime.now(UTC))
    say(f"{config.store_path} is what {args.file} holds: {counted(done.items, 'item')}, {counted(done.feeds, 'feed')}.")
    if done.replaced:
        say(f"What stood there is {done.replaced}: delete it when all is well.")
    if done.doubtful:
        say(
            f"{counted(done.doubtful, 'alert')} may have been sent since the backup: each is looked for before it is posted."
        )
    say("Start the bot: what its feeds hold then counts as known, and a line says how much that is.")
    return 0


def say(line: str) -> None:
    """Print a line for people."""
    sys.stderr.write(f"{line}\n")
