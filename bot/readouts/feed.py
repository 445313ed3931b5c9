"""`feed`: a feed, from a file, from standard input or from the web, as the bot reads it. Keeps nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.errors import FetchError, ParseError, UserError, WireError
from bot.feeds.links import without_credentials
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
    """Print a feed as the bot reads it."""
    del environ
    source = without_credentials(args.source)
    async with Workers() as workers:
        try:
            feed = await (_fetched if "://" in args.source else _read)(args.source, args.allow_private, workers)
        except ParseError as error:
            raise WireError(f"{source}: {error}") from None
    if args.json:
        write_record(feed_json(feed))
    else:
        from bot.terminal import console_for_people, print_feed  # noqa: PLC0415 - rich is slow to load

        print_feed(console_for_people(), feed, source=source)
    return 0


async def _read(name: str, _: Sequence[str], workers: Workers) -> ParsedFeed:
    return await workers.parse_feed(read_input(name), None, "")


async def _fetched(url: str, allow_private: Sequence[str], workers: Workers) -> ParsedFeed:
    from bot.web.fetch import FeedRequest, NotModified, Web  # noqa: PLC0415 - a file needs no HTTP client

    async with Web(allow=allowed(allow_private)) as web:
        try:
            answer = await web.fetch_feed(FeedRequest(url=url))
        except FetchError as error:
            raise WireError(with_option(str(error)).replace(AGAIN, "")) from None
    if isinstance(answer, NotModified):
        raise WireError(f"{url}: the server says that nothing changed, although nothing was asked of it before")
    return await workers.parse_feed(answer.body, answer.content_type, answer.url)


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
