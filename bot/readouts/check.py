"""`check`: what a configuration would do. Opens nothing but the file; its faults are raised where it is read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bot.config import config_path, load_config, size_of, warnings_for
from bot.desk_queries import slips_in
from bot.errors import printable
from bot.reading.query import parse_query
from bot.terminal import console_for_people, print_table
from bot.toml_table import shown_duration
from bot.web.guard import check_url

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from bot.config import Config
    from bot.model import DeclaredFeed, Watch


async def check_config(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Say what a configuration would do; its faults are raised."""
    config = load_config(config_path(args.config, environ))
    console = console_for_people()
    for warning in warnings_for(config):
        sys.stderr.write(f"warning: {warning}\n")
    names = [feed.name for feed in config.feeds]
    for watch in config.watches:
        for slip in slips_in(parse_query(watch.query), names if all(names) else None):  # a feed may name itself
            sys.stderr.write(f'warning: watch "{printable(watch.name)}": {printable(slip)}\n')
    print_table(console, ("feed", "every", "private"), [_feed_row(feed, config) for feed in config.feeds])
    actors = [(actor.name, ", ".join(alias.text for alias in actor.aliases)) for actor in config.actors]
    print_table(console, ("actor", "also spelled"), actors)
    print_table(console, ("watch", "tells", "of"), [_watch_row(watch) for watch in config.watches])
    sys.stderr.write(f"{config.path} is fine: {size_of(config)}\n")
    return 0


def _feed_row(feed: DeclaredFeed, config: Config) -> Sequence[str]:
    private = config.fetch.allow_private.names(feed.url)
    every_s = feed.interval_s or config.fetch.interval_s
    shown = feed.name or check_url(feed.url, config.fetch.allow_private).host_port_subcomponent or feed.url
    return shown, shown_duration(every_s if private else max(every_s, 300)), "allowed" if private else ""


def _watch_row(watch: Watch) -> Sequence[str]:
    return watch.name, f"channel {watch.channel_id}" if watch.channel_id else "the terminal", watch.query
