"""`extract`: the article of an HTML page, or of each page of a JSON-lines file. Fetches nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bot.errors import ParseError, UserError, WireError
from bot.jsonl import answer_lines, read_input, write_record
from bot.records import page_record
from bot.workers import Workers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from bot.jsonl import Record


async def show_extract(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the article of a page, or one record for each page."""
    del environ
    async with Workers() as workers:
        if args.jsonl:

            async def answer(record: Record) -> Record:
                html, url = record.get("html"), record.get("url") or ""
                if not isinstance(html, str) or not isinstance(url, str):
                    raise UserError('a record needs "html", the page as a string, and may have "url", a string')
                page = await workers.read_page(html.encode("utf-8", "replace"), url=url, charset="utf-8")
                return {"id": record.get("id"), **page_record(page)}

            await answer_lines(args.file, answer)
            return 0
        try:
            page = await workers.read_page(read_input(args.file), url=args.url, charset=None)
        except ParseError as error:
            raise WireError(f"{args.file}: {error}") from None
    if args.json:
        write_record({"id": args.url or args.file, **page_record(page)})
    else:
        from bot.terminal import console_for_people, print_page  # noqa: PLC0415 - rich is slow to load

        print_page(console_for_people(), page)
    if not page.text:
        sys.stderr.write(f"{args.file}: no article was found in this page\n")
    return 0
