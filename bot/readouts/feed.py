"""`feed`: a feed, from a file, from standard input or from the web, as the bot reads it. Keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import ParseError, UserError, WireError
from bot.feeds.shape import feed_json
from bot.jsonl import read_input, write_record
from bot.workers import Workers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from bot.model import ParsedFeed
    from bot.web.guard import AllowList


async def show_feed(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print a feed as the bot reads it."""
    del environ
    async with Workers() as workers:
        try:
            feed = await (_fetched if "://" in args.source else _read)(args.source, args.allow_private, workers)
        except ParseError as error:
            raise WireError(f"{args.source}: {error}") from None
    if args.json:
        write_record(feed_json(feed))
    else:
        from bot.terminal import console_for_people, print_feed  # noqa: PLC0415 - rich is slow to load

        print_feed(console_for_people(), feed, source=args.source)
    return 0


async def _read(name: str, _: Sequence[str], workers: Workers) -> ParsedFeed:
    return await workers.parse_feed(read_input(name), None, "")


async def _fetched(url: str, allow_private: Sequence[str], workers: Workers) -> ParsedFeed:
    from bot.web.fetch import FeedRequest, NotModified, Web  # noqa: PLC0415 - a file needs no HTTP client

    async with Web(allow=allowed(allow_private)) as web:
        answer = await web.fetch_feed(FeedRequest(url=url))
    if isinstance(answer, NotModified):
        raise WireError(f"{url}: the server says that nothing changed, although nothing was asked of it before")
    return await workers.parse_feed(answer.body, answer.content_type, answer.url)


def allowed(entries: Sequence[str]) -> AllowList:
    """Return the parsed `--allow-private` entries.

    Raises:
        UserError: one is malformed.
    """
    from bot.web.guard import AllowList  # noqa: PLC0415 - a file needs no HTTP client

    try:
        return AllowList.parse(entries)
    except ValueError as error:
        raise UserError(f"--allow-private: {error}") from None
