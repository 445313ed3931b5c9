"""`feed`: a feed, from a file, from standard input or from the web, as the bot reads it. Keeps nothing."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.errors import ChoiceError, FetchError, ParseError, UserError, WireError, printable
from bot.feeds.links import without_credentials
from bot.feeds.notices import span
from bot.feeds.preview import asking_s, rhythm_of
from bot.feeds.shape import feed_json
from bot.jsonl import read_input, write_record
from bot.workers import Workers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from bot.model import ParsedFeed
    from bot.web.guard import AllowList

AGAIN = "; it is tried again later"
"""What a failure says to those who go on polling."""
_KEY = re.compile(r"(put it into )?(?:\[fetch\] )?\ballow_private\b( lists)?")


async def show_feed(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print a feed as the bot reads it; of a page, the feed that it names."""
    del environ
    source = without_credentials(args.source)
    async with Workers() as workers:
        try:
            feed, fresh_s = await (_fetched if "://" in args.source else _read)(args, workers)
        except ParseError as error:
            raise WireError(f"{source}: {error}") from None
        except ChoiceError as several:
            if args.json:
                raise WireError(f"{source}: {several}") from None
            _list(several)
            raise WireError(f"{source}: this is a web page that names several feeds: give one of them") from None
    if args.json:
        write_record(feed_json(feed))
    else:
        from bot.terminal import console_for_people, print_feed  # noqa: PLC0415 - rich is slow to load

        asks_s = asking_s(feed, fresh_s)
        facts = (rhythm_of(feed, datetime.now(UTC)), f"asks for {span(asks_s)} between two polls" if asks_s else "")
        print_feed(console_for_people(), feed, source=source, facts=facts)
    return 0


async def _read(args: argparse.Namespace, workers: Workers) -> tuple[ParsedFeed, float]:
    return await workers.parse_feed(read_input(args.source), None, ""), 0.0


async def _fetched(args: argparse.Namespace, workers: Workers) -> tuple[ParsedFeed, float]:
    from bot.discovery import PATIENCE_S, find_feed  # noqa: PLC0415 - a file needs no HTTP client
    from bot.web.fetch import Web  # noqa: PLC0415 - as above

    async with Web(allow=allowed(args.allow_private)) as web:
        try:
            found = await find_feed(args.source, web=web, workers=workers, patience_s=3 * PATIENCE_S)
        except FetchError as error:
            raise WireError(with_option(str(error)).replace(AGAIN, "")) from None
    if found.page:
        sys.stderr.write(f"The page names this feed: {printable(found.url)}\n")
    return found.feed, found.answer.fresh_s


def _list(several: ChoiceError) -> None:
    for choice in several.choices:
        sys.stdout.write("\t".join(map(printable, choice)).rstrip() + "\n")


def with_option(line: str) -> str:
    """Return what the guard says, for a command that has an option in place of a configuration."""
    return _KEY.sub(_option_for, line)


def _option_for(found: re.Match[str]) -> str:
    return "say --allow-private HOST:PORT" if found[1] else "--allow-private HOST:PORT" + (" opens" if found[2] else "")


def allowed(entries: Sequence[str]) -> AllowList:
    """Return the parsed `--allow-private` entries.

    Raises:
        UserError: one is malformed.
    """
    from bot.web.guard import AllowList  # noqa: PLC0415 - a file needs no HTTP client

    try:
        return AllowList.parse(entries)
    except ValueError as error:
        raise UserError(f"--{str(error).replace('_', '-', 1)}") from None
