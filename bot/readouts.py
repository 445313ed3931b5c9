"""`feed`, `extract` and `match`: one document in, what the bot makes of it out. The same steps as on the road, without a store."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text

from bot.app import word_forms_for
from bot.config import config_path, load_config
from bot.desk import article_in, match_record, page_record
from bot.errors import ParseError, UserError, WireError
from bot.feeds.shape import feed_json
from bot.jsonl import answer_lines, decode_text, object_in, read_input, write_record
from bot.model import Actor, Watch
from bot.reading.matcher import Matcher
from bot.terminal import console_for_people, flat, print_feed, print_matches
from bot.web.fetch import FeedRequest, NotModified, Web
from bot.web.guard import AllowList
from bot.workers import Workers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from bot.jsonl import Record
    from bot.model import Match, Matches, PageText, ParsedFeed, WhyNot

DEFAULT_LANGUAGES = ("en", "ru", "uk")


# --- feed ---


async def show_feed(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print a feed, from a file, from standard input or from the web, as the bot reads it."""
    del environ
    async with Workers() as workers:
        feed = await _feed(args.source, allowed(args.allow_private), workers)
    if args.json:
        write_record(feed_json(feed))
    else:
        print_feed(console_for_people(), feed, source=args.source)
    return 0


async def _feed(source: str, allow: AllowList, workers: Workers) -> ParsedFeed:
    if "://" not in source:
        try:
            return await workers.parse_feed(read_input(source), None, "")
        except ParseError as error:
            raise WireError(f"{source}: {error}") from None
    async with Web(allow=allow) as web:
        answer = await web.fetch_feed(FeedRequest(url=source))
        if isinstance(answer, NotModified):
            raise WireError(f"{source}: the server says that nothing changed, although nothing was asked of it before")
        return await workers.parse_feed(answer.body, answer.content_type, answer.url)


def allowed(entries: Sequence[str]) -> AllowList:
    """Return the parsed `--allow-private` entries.

    Raises:
        UserError: one is malformed.
    """
    try:
        return AllowList.parse(entries)
    except ValueError as error:
        raise UserError(f"--allow-private: {error}") from None


# --- extract ---


async def show_extract(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the article of an HTML page, or of each page of a JSON-lines file."""
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
        page = await workers.read_page(read_input(args.file), url=args.url, charset=None)
    if args.json:
        write_record({"id": args.url or args.file, **page_record(page)})
    else:
        _print_page(page)
    if not page.text:
        sys.stderr.write(f"{args.file}: no article was found in this page\n")
    return 0


def _print_page(page: PageText) -> None:
    console = console_for_people()
    facts = page_record(page)
    console.print(Text(flat(page.title), style="bold"), soft_wrap=not console.is_terminal)
    line = " · ".join(str(facts[key]) for key in ("author", "published", "lang") if facts[key])
    if line:
        console.print(Text(flat(line), style="dim"), soft_wrap=not console.is_terminal)
    for paragraph in page.text.split("\n\n"):
        console.print()
        console.print(Text(flat(paragraph)), soft_wrap=not console.is_terminal)


# --- match ---


async def show_matches(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print which watches match an article, where and why."""
    async with Workers() as workers:
        matcher = await _matcher(args, environ, workers)

        async def answer(record: Record) -> Record:
            return match_record(record.get("id"), asked_for(matcher.match(article_in(record)), args.actor))

        if args.jsonl:
            await answer_lines(args.file, answer)
            return 0
    record = _article_record(args.file)
    article = article_in(record)
    found = asked_for(matcher.match(article), args.actor)
    if args.json:
        write_record(match_record(record.get("id"), found))
    else:
        print_matches(console_for_people(), found, {"title": article.title, "text": article.text})
    return 0


async def _matcher(args: argparse.Namespace, environ: Mapping[str, str], workers: Workers) -> Matcher:
    actors = [Actor(name=name) for name in dict.fromkeys(args.actor)]
    watches: list[Watch] = []
    languages: tuple[str, ...] = DEFAULT_LANGUAGES
    if args.config or not (args.watch or args.actor):
        config = load_config(config_path(args.config, environ))
        known = {actor.name.casefold() for actor in config.actors}
        actors = [*config.actors, *(actor for actor in actors if actor.name.casefold() not in known)]
        watches, languages = list(config.watches), config.languages
    watches += [Watch(name=query, query=query) for query in dict.fromkeys(args.watch)]
    watches = [Watch(id=number, name=watch.name, query=watch.query) for number, watch in enumerate(watches, start=1)]
    for _, error in Matcher.compile(watches, actors, forms={}).faults:
        raise error
    forms = await word_forms_for(watches, languages, store=None, workers=workers)
    return Matcher.compile(watches, actors, forms=forms, report_actors=bool(args.actor))


def asked_for(found: Matches, names: Sequence[str]) -> Matches:
    """Return what was asked for: all that watches found, and of what actors found by themselves only these names."""
    wanted = {name.casefold() for name in names}

    def is_asked(said: Match | WhyNot) -> bool:
        return said.watch is not None or (said.actor or "").casefold() in wanted

    return replace(
        found, matches=tuple(filter(is_asked, found.matches)), why_not=tuple(filter(is_asked, found.why_not))
    )


def _article_record(name: str) -> Record:
    text = decode_text(read_input(name))
    if text.lstrip().startswith("{"):
        try:
            record = object_in(text)
        except WireError:
            return {"id": name, "text": text}
        if "text" in record:
            return record
    return {"id": name, "text": text}
