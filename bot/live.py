"""`try` and `run`: the road itself, in a terminal. Turns arguments into a configuration and an outlet; `app` does the rest."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bot.app import open_engine
from bot.config import Config, Fetching, config_path, size_of
from bot.errors import FetchError, UserError, printable
from bot.feeds.links import without_credentials
from bot.model import DeclaredFeed, Watch
from bot.newsroom import Newsroom
from bot.plurals import counted
from bot.reading.matcher import Matcher
from bot.readouts.feed import AGAIN, allowed, with_option
from bot.service import run_bot, run_engine, run_in_discord, signals_into
from bot.terminal import TerminalOutlet, console_for_people
from bot.web.guard import check_url

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from bot.app import Engine
    from bot.store import Counts
    from bot.web.guard import AllowList

TRY_INTERVAL_S = 2.0
ONCE_PATIENCE_S = 120.0


def say(line: str) -> None:
    """Tell the person at the terminal one line, beside the alerts: on standard error."""
    sys.stderr.write(f"{printable(line)}\n")
    sys.stderr.flush()


def leave() -> None:
    """Stop in order, as if told to: nobody reads our output any more, and what is owed is safe in the store."""
    signal.raise_signal(signal.SIGTERM)


# --- try ---


async def try_feeds(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Show every alert that feeds raise, in the terminal, with a temporary store; what the feeds hold now counts as new."""
    del environ
    folder = Path(tempfile.mkdtemp(prefix="wirewatch-try-"))
    try:
        async with AsyncExitStack() as stack:
            newsroom = await stack.enter_async_context(Newsroom(staggered=not args.once))
            config = _try_config(args, newsroom, folder)
            what = "your feeds" if args.feeds else "a sample newsroom on this machine"
            verb, end = ("reading", "") if args.once else ("watching", " Ctrl-C stops.")
            say(f"{verb} {what}: {size_of(config)}.{end}")
            outlet = TerminalOutlet(console_for_people(), *(() if args.once else (leave,)))

            def say_trouble(line: str) -> None:
                say(with_option(line).replace(AGAIN, "") if args.once else with_option(line))

            engine = await stack.enter_async_context(open_engine(config, outlet, baseline=False, say=say_trouble))
            return await (_try_once(engine) if args.once else _try_on(engine))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _try_config(args: argparse.Namespace, newsroom: Newsroom, folder: Path) -> Config:
    allow = allowed([*args.allow_private, *(() if args.feeds else (newsroom.origin,))])
    feeds = [DeclaredFeed(url=url) for url in dict.fromkeys(args.feeds)] or [
        DeclaredFeed(url=feed.url, name=feed.name) for feed in newsroom.feeds
    ]
    watches = [(query, query) for query in dict.fromkeys(args.watch)] or list(newsroom.watches)
    config = Config(
        path=folder / "config.toml",
        store_path=folder / "try.db",
        fetch=Fetching(interval_s=TRY_INTERVAL_S, allow_private=allow),
        feeds=tuple(feeds),
        actors=newsroom.actors,
        watches=tuple(Watch(name=name, query=query) for name, query in watches),
    )
    _check_arguments(config, allow)
    return config


def _check_arguments(config: Config, allow: AllowList) -> None:
    for feed in config.feeds:
        try:
            check_url(feed.url, allow)
        except FetchError as error:
            raise UserError(f"{without_credentials(feed.url)}: {with_option(str(error))}") from None
    for _, fault in Matcher.compile(config.watches, config.actors, forms={}).faults:
        raise fault


async def _try_once(engine: Engine) -> int:
    engine.pipeline.habits = replace(engine.pipeline.habits, patience_s=ONCE_PATIENCE_S)
    await engine.scheduler.run_once()
    counts = await engine.store.counts()
    feeds = await engine.store.feeds()
    failed = [feed for feed in feeds if feed.fail_count]
    say(f"{counted(len(feeds) - len(failed), 'feed')} read, {shown_counts(counts)}")
    return 1 if len(failed) == len(feeds) else 0


async def _try_on(engine: Engine) -> int:
    stop = asyncio.Event()
    with signals_into(stop):
        await run_engine(engine, stop)
    counts = await engine.store.counts()
    say(f"stopped after {shown_counts(counts)}")
    return 0


def shown_counts(counts: Counts) -> str:
    """Return how much was read and told."""
    return f"{counted(counts.items, 'article')}, {counted(counts.sent, 'alert')}"


# --- run ---


async def run_forever(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the bot on a configuration until SIGTERM."""
    path = config_path(args.config, environ)
    if args.terminal:
        outlet = TerminalOutlet(console_for_people(), leave)
        await run_bot(path, outlet, say=say, prepare=into_terminal)
    else:
        await run_in_discord(path, environ, say=say)
    return 0


def into_terminal(config: Config) -> Config:
    """Return the configuration with every watch's alerts led to the terminal, where nobody can be pinged."""
    return replace(config, watches=tuple(replace(watch, channel_id=0, mention=0) for watch in config.watches))
