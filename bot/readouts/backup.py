"""`backup`, `restore` and `erase`: on the store of a configuration. A backup is taken while the bot runs; the others refuse then."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.config import config_path, load_config
from bot.errors import UserError
from bot.plurals import counted
from bot.store.backup import back_up, restore
from bot.store.erasure import STILL_NAMED, copies_beside, erase_guild, erase_person

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

MB = 1_000_000
NOUNS = {"item_bodies": "texts of feeds", "articles": "texts of articles"}


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


async def erase_from_store(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Erase a person, or a server."""
    config = load_config(config_path(args.config, environ))
    if args.server is not None:
        whom, done = f"server {args.server}", await asyncio.to_thread(erase_guild, config.store_path, args.server)
    else:
        names = [name for name in args.person if any(map(str.isalnum, name))]
        if not names:
            raise UserError("Give a name with at least one letter: wirewatch erase --person 'Jane Doe'.")
        whom, done = names[0], await asyncio.to_thread(erase_person, config.store_path, names)
    counts = ", ".join(f"{NOUNS.get(what, what)}: {count}" for what, count in done.items() if what != STILL_NAMED)
    say(f"{whom}: {counts or 'nothing was there'}. The file was written anew; nothing of it is left in the store.")
    if left := done.get(STILL_NAMED):
        say(
            f"{counted(left, 'feed')} still has it in its address: remove such feeds with /feed remove, then erase again."
        )
    if copies := copies_beside(config.store_path):
        say(
            f"Older copies still hold it; delete them: {', '.join(one.name for one in copies)}. So do backups that you made."
        )
    say("What the configuration file declares comes back with the next start: take it out there, too.")
    return 0


def say(line: str) -> None:
    """Print a line for people."""
    sys.stderr.write(f"{line}\n")
