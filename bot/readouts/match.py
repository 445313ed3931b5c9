"""`match`: which watches match an article, or each of many, where and why. Reads no store: word forms are worked out each time."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.desk_queries import slips_in
from bot.errors import UserError, WireError, printable
from bot.jsonl import answer_lines, decode_text, object_in, read_input, write_record
from bot.model import Actor, Watch
from bot.reading.matcher import Matcher
from bot.reading.query import keywords_in, parse_query
from bot.records import article_in, match_record
from bot.workers import Workers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from bot.jsonl import Record
    from bot.model import Match, Matches, WhyNot

DEFAULT_LANGUAGES = ("en", "ru", "uk")


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
        from bot.terminal import console_for_people, print_matches  # noqa: PLC0415 - rich is slow to load

        print_matches(console_for_people(), found, {"title": article.title, "text": article.text})
    return 0


async def _matcher(args: argparse.Namespace, environ: Mapping[str, str], workers: Workers) -> Matcher:
    for name in args.actor:
        if sum(map(str.isalnum, name)) < 2:  # noqa: PLR2004 - as in the configuration
            raise UserError(f'--actor "{name}": a name has at least two letters')
    actors = [Actor(name=name) for name in dict.fromkeys(args.actor)]
    watches: list[Watch] = []
    languages: tuple[str, ...] = DEFAULT_LANGUAGES
    if args.config or not (args.watch or args.actor):
        from bot.config import config_path, load_config  # noqa: PLC0415 - queries on the command line need none

        config = load_config(config_path(args.config, environ))
        known = {actor.name.casefold() for actor in config.actors}
        actors = [*config.actors, *(actor for actor in actors if actor.name.casefold() not in known)]
        watches, languages = list(config.watches), config.languages
    watches += [Watch(name=query, query=query) for query in dict.fromkeys(args.watch)]
    watches = [Watch(id=number, name=watch.name, query=watch.query) for number, watch in enumerate(watches, start=1)]
    for _, error in Matcher.compile(watches, actors, forms={}).faults:
        raise error
    queries = [parse_query(watch.query) for watch in watches]
    for doubt in dict.fromkeys(doubt for query in queries for doubt in slips_in(query, None)):
        sys.stderr.write(f"warning: {printable(doubt)}\n")
    words = sorted(set[str]().union(*map(keywords_in, queries)))
    forms = await workers.word_forms(words, languages) if words else {}
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
