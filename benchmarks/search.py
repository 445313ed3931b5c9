"""How quick the archive answers: a made store of many items in a temporary folder, asked again and again. Prints tables.

`python -m benchmarks.search --items 1000000` is the size that the goal names; building it takes some minutes. Texts are made from a
seed: words as frequent as in real texts (Zipf), two given names and surnames, 500 feeds. Every question is asked as `/latest query:`
asks it, through the parser and the matcher's spellings; a time is that of `Store.search`, articles unpacked and all, newest 25 first,
from an open store whose pages may or may not be in memory, each question 40 times with other words. CPU is that of the whole process, and
says the same on a busy machine. `--store FILE` builds there and leaves it, or asks what is there.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from bot.model import Watch
from bot.reading.matcher import Matcher
from bot.store import Store
from bot.store.codec import ms_for, pack
from bot.store.index import add_words
from bot.store.schema import open_gate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bot.reading.sought import Sought

END_AT = datetime(2026, 3, 1, tzinfo=UTC)
FEEDS = 500
VOCABULARY = 60_000
BATCH = 2_000
ASKED = 40
LIMIT = 25


@dataclass
class Words:
    """Made words, the n-th most frequent first, drawn as often as real words are."""

    chance: random.Random
    words: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the words."""
        parts = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "ol")]
        made: dict[str, None] = {}
        while len(made) < VOCABULARY:
            made["".join(self.chance.choices(parts, k=self.chance.choice((1, 2, 2, 3, 3, 4))))] = None
        self.words = list(made)
        self.weights = list(accumulate(1 / (rank + 3) for rank in range(VOCABULARY)))

    def some(self, count: int) -> list[str]:
        """Return that many words as they come."""
        return self.chance.choices(self.words, cum_weights=self.weights, k=count)

    def of_rank(self, low: int, high: int) -> str:
        """Return a word that is between so and so frequent."""
        return self.words[self.chance.randrange(low, high)]


def build(path: Path, items: int, length: int) -> Words:
    """Fill a new store; the road's own commits would take an hour."""
    words = Words(random.Random(5))
    open_gate(path, now=END_AT)
    with closing(sqlite3.connect(path, isolation_level=None)) as sql:
        sql.execute("PRAGMA synchronous = OFF")
        sql.execute("PRAGMA cache_size = -200000")
        sql.executemany(
            "INSERT INTO feeds (id, url, host, name, origin, added_at) VALUES (?, ?, ?, ?, 'config', 0)",
            [(n, f"https://site{n}.example/feed", f"site{n}.example", f"Site {n}") for n in range(1, FEEDS + 1)],
        )
        for start in range(1, items + 1, BATCH):
            sql.execute("BEGIN")
            for number in range(start, min(start + BATCH, items + 1)):
                _add(sql, words, number, items, length)
            sql.execute("COMMIT")
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return words


def _add(sql: sqlite3.Connection, words: Words, number: int, items: int, length: int) -> None:
    seen_at = ms_for(END_AT - timedelta(days=80) * ((items - number) / items))
    feed = words.chance.randrange(1, FEEDS + 1)
    url, title = f"https://site{feed}.example/{number}/report", " ".join(words.some(9)).capitalize()
    text = " ".join(words.some(length))
    key = number.to_bytes(16, "big")
    sql.execute(
        """INSERT INTO items (id, feed_id, key, link_hash, title_hash, content_hash, guid, url, title, author, first_seen_at, state)
        VALUES (?1, ?2, ?3, ?3, ?3, ?3, ?4, ?4, ?5, '', ?6, 'read')""",
        (number, feed, key, url, title, seen_at),
    )
    sql.execute(
        "INSERT INTO seen (feed_id, key, item_id, last_seen_at) VALUES (?, ?, ?, ?)", (feed, key, number, seen_at)
    )
    sql.execute("INSERT INTO item_bodies (item_id, text) VALUES (?, ?)", (number, pack(text[:300])))
    sql.execute(
        """INSERT INTO articles (item_id, title, text, url, source, host, lang, author, kind, note, read_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, '', 'full', '', ?)""",
        (number, title, pack(text), url, f"Site {feed}", f"site{feed}.example", "en" if number % 3 else "uk", seen_at),
    )
    add_words(sql, number)


Question = tuple[str, "Callable[[Words], str]", "Collection[int] | None", timedelta]

YEAR, WEEK = timedelta(days=365), timedelta(days=7)
QUESTIONS: tuple[Question, ...] = (
    ("one common word (1 in 3 items)", lambda w: w.of_rank(20, 60), None, YEAR),
    ("one middling word", lambda w: w.of_rank(500, 2000), None, YEAR),
    ("one rare word", lambda w: w.of_rank(30000, 60000), None, YEAR),
    ("a word that is nowhere", lambda _: "xylophonist", None, YEAR),
    ("two common words", lambda w: f"{w.of_rank(0, 60)} {w.of_rank(0, 60)}", None, YEAR),
    ("a common and a rare word", lambda w: f"{w.of_rank(0, 30)} {w.of_rank(30000, 60000)}", None, YEAR),
    ("two rare words, seldom together", lambda w: f"{w.of_rank(2000, 9000)} {w.of_rank(2000, 9000)}", None, YEAR),
    ("phrase of two common words", lambda w: f'"{w.of_rank(0, 60)} {w.of_rank(0, 60)}"', None, YEAR),
    ("phrase of two middling words", lambda w: f'"{w.of_rank(300, 900)} {w.of_rank(300, 900)}"', None, YEAR),
    ("two common words in the title", lambda w: f"title:({w.of_rank(20, 60)} {w.of_rank(20, 60)})", None, YEAR),
    ("begins with the letters of a rare word", lambda w: f"{w.of_rank(3000, 30000)[:5].ljust(3, 'a')}*", None, YEAR),
    ("begins with three letters", lambda w: f"{w.of_rank(0, 9000)[:3].ljust(3, 'a')}*", None, YEAR),
    ("either of eight middling words", lambda w: " OR ".join(w.of_rank(500, 5000) for _ in range(8)), None, YEAR),
    (
        "a common word, one source",
        lambda w: f"{w.of_rank(0, 60)} source:site{w.chance.randrange(1, FEEDS)}.example",
        None,
        YEAR,
    ),
    ("all of one source", lambda w: f"source:site{w.chance.randrange(1, FEEDS)}.example", None, YEAR),
    ("a common word, one language", lambda w: f"{w.of_rank(0, 60)} lang:uk", None, YEAR),
    ("a common word, this week", lambda w: w.of_rank(0, 60), None, WEEK),
    ("a common word, 3 of the feeds are heard", lambda w: w.of_rank(0, 60), (3, 77, 310), YEAR),
    ("a common word, 200 of the feeds are heard", lambda w: w.of_rank(0, 60), range(1, 201), YEAR),
    ("a rare word, 200 of the feeds are heard", lambda w: w.of_rank(30000, 60000), range(1, 201), YEAR),
)


def sought_for(query: str) -> Sought:
    """Return what the index is asked for a query."""
    matcher = Matcher.compile([Watch(id=1, name="q", query=query)], [], forms={})
    for _, fault in matcher.faults:
        raise fault
    return matcher.sought(1)


async def ask(store: Store, words: Words, question: Question) -> tuple[list[float], list[float], float]:
    """Return how long each answer took, in ms of the clock and of CPU, ascending, and how many articles one brought on average."""
    _, query, feeds, since = question
    times, costs, brought = [], [], 0
    for _ in range(ASKED):
        sought = sought_for(query(words))
        start, begun = time.perf_counter(), time.process_time()
        brought += len(await store.archive.search(sought, feeds=feeds, since=END_AT - since, limit=LIMIT))
        times.append((time.perf_counter() - start) * 1000)
        costs.append((time.process_time() - begun) * 1000)
    return sorted(times), sorted(costs), brought / ASKED


def print_sizes(path: Path, items: int, length: int) -> None:
    """Print what an item costs on the disk, by table."""
    with closing(sqlite3.connect(path)) as sql:
        rows = sql.execute(
            """SELECT CASE WHEN name LIKE 'words%' THEN 'the index of words' WHEN name LIKE 'sqlite_autoindex%' THEN 'other'
                ELSE name END AS part, SUM(pgsize) FROM dbstat GROUP BY part ORDER BY 2 DESC"""
        ).fetchall()
    print(f"\n| bytes an item, of {length} words and a title of 9 | |\n|---|---|")
    for part, size in rows:
        if size > items:
            print(f"| {part} | {size / items:,.0f} |")
    print(f"| **all** | **{path.stat().st_size / items:,.0f}** |")


def shown(times: list[float]) -> str:
    """Return median and 99th percentile of ascending times."""
    return f"{times[len(times) // 2]:.1f} | {times[int(len(times) * 0.99)]:.1f}"


async def measure(path: Path, words: Words) -> None:
    """Ask all questions and print the table."""
    start = time.perf_counter()
    store = await Store.open(path, now=END_AT)
    print(f"\nopened in {time.perf_counter() - start:.2f} s")
    print("\n| newest 25 of | p50 ms | p99 ms | CPU p50 | CPU p99 | found on average |\n|---|---|---|---|---|---|")
    every: list[float] = []
    every_cpu: list[float] = []
    for question in QUESTIONS:
        times, costs, brought = await ask(store, words, question)
        every += times
        every_cpu += costs
        print(f"| {question[0]} | {shown(times)} | {shown(costs)} | {brought:.1f} |")
    print(f"| **all together** | {shown(sorted(every))} | {shown(sorted(every_cpu))} | |")
    await store.close()


def main() -> None:
    """Build, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--words", type=int, default=120, help="words of each text")
    parser.add_argument("--store", type=Path, metavar="FILE", help="build there, or ask what is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.store or Path(folder) / "search.db"
        start = time.perf_counter()
        words = Words(random.Random(5)) if path.exists() else build(path, given.items, given.words)
        print(f"{given.items:,} items made in {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1e6:,.0f} MB")
        print_sizes(path, given.items, given.words)
        asyncio.run(measure(path, words))


if __name__ == "__main__":
    main()
