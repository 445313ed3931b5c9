"""`opml import` and `opml export`: feeds as the lists that readers exchange, on the store of a configuration.

An import goes into the operator's own list: heard by all, like what the file declares, and kept whatever a reload brings. It asks nobody,
and refuses while the bot runs; an export is made beside it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.config import config_path, load_config
from bot.errors import ParseError, UserError, WireError, printable
from bot.feeds.importing import plan_import
from bot.feeds.links import without_credentials
from bot.feeds.opml import LIMIT_FEEDS, opml_for
from bot.jsonl import read_input
from bot.plurals import counted
from bot.store import NewFeed, Store
from bot.store.lists import listed_feeds
from bot.store.subscriptions import OPERATOR
from bot.web.guard import refusal_of
from bot.workers import Workers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from bot.config import Config
    from bot.feeds.importing import ImportPlan, Verdict

WORDS: dict[Verdict, str] = {"new": "added", "known": "known", "refused": "refused"}


async def exchange(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Import a list, or export one."""
    config = load_config(config_path(args.config, environ))
    await (_export if args.action == "export" else _import)(args, config)
    return 0


async def _import(args: argparse.Namespace, config: Config) -> None:
    try:
        async with Workers() as workers:
            listed = await workers.read_opml(await asyncio.to_thread(read_input, args.file))
    except ParseError as error:
        raise WireError(f"{args.file}: {error}") from None
    now, allow = datetime.now(UTC), config.fetch.allow_private
    store = await Store.open(config.store_path, now=now)
    try:
        holdings = await store.chat.holdings(OPERATOR)
        listed_ids = {one.feed_id for one in holdings.subscriptions}
        own = {feed.url: feed.id for feed in holdings.feeds if feed.id in listed_ids}
        plan = plan_import(
            listed,
            known={*own, *(feed.url for feed in config.feeds)},
            refusal=lambda url: refusal_of(url, allow),
            room=LIMIT_FEEDS,
            full="",
        )
        rows = [NewFeed(url=line.feed.url, name=line.feed.name) for line in plan.those("new")]
        await store.chat.add_feeds(OPERATOR, rows, by=0, now=now)
        gone = [url for url in own if url not in {one.url for one in listed.feeds}] if args.replace else []
        for url in gone:
            await store.chat.remove_feed(OPERATOR, own[url])
    finally:
        await store.close()
    _print(plan, [without_credentials(url) for url in gone])


def _print(plan: ImportPlan, gone: list[str]) -> None:
    rows = [(str(line.feed.line), WORDS[line.verdict], line.shown, line.why) for line in plan.lines]
    rows += [("", "removed", url, "It is not in the list any more.") for url in gone]
    for row in rows:
        sys.stdout.write("\t".join(map(printable, row)).rstrip() + "\n")
    counts = [f"{len(plan.those(verdict))} {word}" for verdict, word in WORDS.items()]
    _say(f"{counted(len(plan.lines), 'feed')}: {', '.join(counts)}" + (f", {len(gone)} removed." if gone else "."))
    if plan.folders:
        _say("Folders are not kept.")
    for problem in plan.problems:
        _say(problem)
    if plan.those("new"):
        _say("Start the bot: it reads them, and what they hold then is not posted.")


async def _export(args: argparse.Namespace, config: Config) -> None:
    feeds = await asyncio.to_thread(listed_feeds, config.store_path)
    secret = sum(without_credentials(one.url) != one.url for one in feeds)
    if not args.with_credentials:
        feeds = tuple(replace(one, url=without_credentials(one.url)) for one in feeds)
    text = opml_for(feeds, title="Feeds of wirewatch", at=datetime.now(UTC))
    if args.file == "-":
        sys.stdout.buffer.write(text.encode())
    else:
        await asyncio.to_thread(
            _write, Path(args.file), text.encode(), config, mode=0o600 if secret and args.with_credentials else 0o644
        )
    _say(f"{args.file}: {counted(len(feeds), 'feed')}, in folders by whose they are.")
    if secret and args.with_credentials:
        _say(f"It holds {counted(secret, 'feed')} with a password: keep it as safe as the store.")
    elif secret:
        _say(f"{counted(secret, 'feed')} without the password; --with-credentials keeps it.")


def _write(file: Path, body: bytes, config: Config, *, mode: int) -> None:
    target = file.absolute()
    if target.resolve() == config.store_path.resolve():
        raise UserError(f"{file} is the store itself: name another file.")
    draft = target.with_name(f"{target.name}.part")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as written:
            written.write(body)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise WireError(f"{target}: {error.strerror}: name a file that can be written") from None


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
