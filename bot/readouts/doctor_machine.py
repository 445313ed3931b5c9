"""What `doctor` says of the machine: versions, libraries, time zone and encoding, memory, whether worker processes start."""

from __future__ import annotations

import codecs
import os
import platform
import sqlite3
import sys
import time
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from bot import __version__
from bot.errors import ParseError
from bot.readouts.findings import Finding, fine, shown_bytes, skipped, unwise, wrong
from bot.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = (3, 11)
STRICT_TABLES = (3, 37, 0)
WAL_MENDED = (3, 51, 3)
LITTLE_BYTES = 200_000_000
FEED = b'<rss version="2.0"><channel><title>t</title><item><title>An item</title></item></channel></rss>'
PAGE = (
    b"<html><body><article><h1>A page</h1><p>One sentence of it stands here, and another.</p></article></body></html>"
)


async def look_at_machine() -> list[Finding]:
    """Return what is found of the machine."""
    return [*_versions(), _libraries(), sqlite_verdict(sqlite3.sqlite_version), *_surroundings(), await _workers()]


def _versions() -> Iterator[Finding]:
    yield fine("wirewatch", __version__)
    said = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info[:2] < PYTHON:
        yield wrong("python", said, "3.11 or newer is needed: make clean, then make setup PYTHON=python3.12")
    else:
        yield fine("python", said)


def _libraries() -> Finding:
    found, missing = [], []
    try:
        wanted = requires("wirewatch") or []
    except PackageNotFoundError:
        return skipped("libraries", "wirewatch runs from its source, not installed: nothing says what it needs")
    for name in sorted({_name_of(line) for line in wanted if "extra ==" not in line}):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            if name != "backports.zstd":  # a part of Python from 3.14 on
                missing.append(name)
    if missing:
        return wrong(
            "libraries", f"missing: {', '.join(missing)}", "run make setup, which installs the pinned versions"
        )
    return fine("libraries", ", ".join(found))


def _name_of(requirement: str) -> str:
    end = next((at for at, char in enumerate(requirement) if not (char.isalnum() or char in "-_.")), len(requirement))
    return requirement[:end]


def sqlite_verdict(number: str) -> Finding:
    """Return what is to be said of this version of SQLite, its WAL-reset bug first.

    Up to 3.51.2 two connections that write or checkpoint at the same moment can damage a database. Here one connection does both.
    """
    parts = tuple(map(int, number.split(".")))
    if parts < STRICT_TABLES:
        return wrong("sqlite", number, "3.37 or newer is needed: take a newer Python or Debian")
    if parts < WAL_MENDED:
        return unwise(
            "sqlite",
            f"{number}: has the WAL-reset bug (mended in 3.51.3), which strikes where two connections write at once; "
            "wirewatch writes through one",
            "write to the database by nothing else while the bot runs (no Litestream, no shell); reading and `wirewatch backup` are safe",
        )
    return fine("sqlite", f"{number}: without the WAL-reset bug")


def _surroundings() -> Iterator[Finding]:
    encoding = codecs.lookup(sys.stdout.encoding or "ascii").name
    said = f"times are kept in UTC; this machine is in {time.tzname[0] or 'UTC'}, its terminal in {encoding}"
    if encoding != "utf-8":
        yield unwise("surroundings", said, "set LANG=C.UTF-8, or headlines show question marks")
    else:
        yield fine("surroundings", said)
    free = _free_memory_bytes()
    if free is not None and free < LITTLE_BYTES:
        yield unwise(
            "memory", f"{shown_bytes(free)} free", "the bot and its workers want 512 MB together: add memory or swap"
        )
    elif free is not None:
        yield fine("memory", f"{shown_bytes(free)} free")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        yield unwise("user", "this is root", "run the bot as a user of its own, as deploy/wirewatch.service does")


def _free_memory_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


async def _workers() -> Finding:
    async with Workers() as workers:
        try:
            feed = await workers.parse_feed(FEED, "application/rss+xml", "")
            await workers.read_page(PAGE, url="", charset=None)
        except ParseError as error:
            return wrong("workers", f"do not work ({error})", "look at the memory of this machine, and run make setup")
    if [item.title for item in feed.items] != ["An item"]:
        return wrong("workers", "read a feed of one item otherwise", "run make clean, then make setup")
    return fine("workers", "start, parse a feed and read a page")
