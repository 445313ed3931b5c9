"""The commands of the contract: argv → exit status. Each opens only what it needs; what they do stands in the rooms below.

Exit status: 0 done; 1 failed, one plain line on standard error; 2 wrong usage; 78 wrong configuration.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import logging
import os
import sys
from typing import TYPE_CHECKING

from bot import __version__
from bot.errors import ConfigError, UserError, WireError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DONE, FAILED, USAGE, CONFIG = 0, 1, 2, 78
INTERRUPTED = 130
DEBUG = "WIREWATCH_DEBUG"


def run(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Run one command and return its exit status; whatever goes wrong is said in one plain line, never as a traceback."""
    settle_streams()
    if not argv:
        parser().print_help(sys.stderr)
        return USAGE
    try:
        args = parser().parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    prepare_log(args.command, environ)
    try:
        status = asyncio.run(command_for(args.command)(args, environ))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if environ.get(DEBUG) and not isinstance(error, WireError):
            raise
        return said(*line_for(error))
    return status


def settle_streams() -> None:
    """Give a program that was started with a closed standard stream an empty one, lest a database be opened in its place.

    What the terminal's encoding cannot show becomes a question mark; JSON is UTF-8 whatever the terminal is.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def line_for(error: Exception) -> tuple[str, int]:
    """Return what is said of an error, and the exit status that goes with it."""
    if isinstance(error, ConfigError):
        return str(error), CONFIG
    if isinstance(error, UserError):
        return str(error), USAGE
    if isinstance(error, WireError):
        return str(error), FAILED
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'output'}: {error.strerror}", FAILED
    return f"something went wrong inside wirewatch ({type(error).__name__}: {error}); {DEBUG}=1 shows where", FAILED


def said(line: str, status: int) -> int:
    """Print to standard error and return the status."""
    sys.stderr.write(f"{printable(line)}\n")
    return status


def prepare_log(command: str, environ: Mapping[str, str]) -> None:
    """Log to standard error: `run` from warnings on, everything with WIREWATCH_DEBUG, other commands nothing."""
    level = logging.DEBUG if environ.get(DEBUG) else logging.WARNING if command == "run" else logging.CRITICAL + 1
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr, force=True
    )


def command_for(name: str) -> Command:
    """Return the coroutine function of a command; its room is imported only now, so that `--help` is quick."""
    import importlib  # noqa: PLC0415 - see above

    room, function = COMMANDS[name]
    command: Command = getattr(importlib.import_module(room), function)
    return command


COMMANDS = {
    "try": ("bot.live", "try_feeds"),
    "run": ("bot.live", "run_forever"),
    "check": ("bot.readouts.check", "check_config"),
    "doctor": ("bot.readouts.doctor", "examine"),
    "feed": ("bot.readouts.feed", "show_feed"),
    "extract": ("bot.readouts.extract", "show_extract"),
    "match": ("bot.readouts.match", "show_matches"),
    "opml": ("bot.readouts.opml", "exchange"),
    "backup": ("bot.readouts.backup", "back_up_store"),
    "restore": ("bot.readouts.backup", "restore_store"),
    "erase": ("bot.readouts.backup", "erase_from_store"),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    what = "A newsdesk bot: polls feeds, reads the articles behind them, alerts once and says why."
    top = argparse.ArgumentParser(prog="wirewatch", description=what)
    top.add_argument("--version", action="version", version=f"wirewatch {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_live(commands)
    _add_readouts(commands)
    _add_opml(commands)
    _add_store(commands)
    return top


def _add_live(commands: Commands) -> None:
    trial = commands.add_parser("try", help="the main job in the terminal, on a bundled newsroom or on feeds you name")
    trial.add_argument(
        "feeds", nargs="*", metavar="FEED_URL", help="feeds to read; none: the bundled newsroom on loopback"
    )
    _add_watch(trial, "a query to watch for; none: sanctions, Shklyarov, Sochi and the bundled actors")
    trial.add_argument("--once", action="store_true", help="one round, then exit")
    _add_allow_private(trial)
    bot = commands.add_parser("run", help="the bot, on a configuration")
    _add_config(bot)
    bot.add_argument("--terminal", action="store_true", help="deliver to this terminal")
    check = commands.add_parser("check", help="what is wrong with a configuration, and what it would do")
    _add_config(check)
    doctor = commands.add_parser("doctor", help="what is wrong with this installation")
    _add_config(doctor)
    doctor.add_argument("--json", action="store_true", help="one JSON object")
    doctor.add_argument("--offline", action="store_true", help="ask Discord nothing")
    doctor.add_argument("--running", action="store_true", help="only whether the bot runs and is well")


def _add_readouts(commands: Commands) -> None:
    feed = commands.add_parser("feed", help="a feed as the bot reads it")
    feed.add_argument("source", metavar="FILE-or-URL", help="- for standard input")
    feed.add_argument("--json", action="store_true", help="one JSON object")
    _add_allow_private(feed)
    extract = commands.add_parser("extract", help="the article out of an HTML page")
    _add_file(extract)
    extract.add_argument("--url", default="", help="where the page came from")
    match = commands.add_parser("match", help="which watches match an article, where and why")
    _add_file(match)
    _add_config(match)
    _add_watch(match, "a query; more than one may be given")
    match.add_argument(
        "--actor", action="append", default=[], metavar="NAME", help="an actor by one name; more than one may be given"
    )


def _add_opml(commands: Commands) -> None:
    opml = commands.add_parser("opml", help="feeds as the lists that feed readers exchange")
    actions = opml.add_subparsers(dest="action", required=True, metavar="ACTION")
    bring = actions.add_parser("import", help="into the operator's own list; the bot must not run")
    bring.add_argument("file", metavar="FILE", help="- for standard input")
    bring.add_argument("--replace", action="store_true", help="drop from that list what this one does not name")
    give = actions.add_parser("export", help="every feed that is on, also while the bot runs")
    give.add_argument("file", metavar="FILE", help="- for standard output")
    give.add_argument("--with-credentials", action="store_true", help="with the passwords that stand in addresses")
    for action in (bring, give):
        _add_config(action)


def _add_store(commands: Commands) -> None:
    backup = commands.add_parser("backup", help="copy the store into one file, also while the bot runs")
    restore = commands.add_parser("restore", help="put a backup in the store's place; the bot must not run")
    erase = commands.add_parser("erase", help="erase a person or a server from the store; the bot must not run")
    whom = erase.add_mutually_exclusive_group(required=True)
    whom.add_argument("--person", action="append", metavar="NAME", help="more than one spelling may be given")
    whom.add_argument("--server", type=int, metavar="ID", help="a Discord server")
    _add_config(erase)
    for command in (backup, restore):
        command.add_argument("file", metavar="FILE")
        _add_config(command)


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE", help="default: $WIREWATCH_CONFIG, then ./config.toml")


def _add_watch(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--watch", action="append", default=[], metavar="QUERY", help=text)


def _add_allow_private(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--allow-private",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="may be fetched although it is private",
    )


def _add_file(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: -, standard input")
    shape = command.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one JSON object")
    shape.add_argument("--jsonl", action="store_true", help="one JSON object in and one out per line")


if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    Command = Callable[[argparse.Namespace, Mapping[str, str]], Coroutine[Any, Any, int]]
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it
