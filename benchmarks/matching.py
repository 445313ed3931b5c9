"""How quick matching is, end to end, beside raw ahocorasick_rs and pyahocorasick in the same run. Prints a table.

The texts and names are made here, from a seed, so that everybody measures the same. Where `../shared/data/names/docs.jsonl` exists, its
documents are measured too. Only ratios within one run may be compared: the figures are CPU time on whatever machine this is.
"""

from __future__ import annotations

import gc
import json
import random
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ahocorasick_rs

from bot.model import Actor, Article, Watch
from bot.reading.matcher import Matcher
from bot.reading.text import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
_pair = re.compile(r"\b[^\W\d_a-zа-я]\w+ [^\W\d_a-zа-я]\w+\b")
DOCS = Path(__file__).resolve().parents[2] / "shared" / "data" / "names" / "docs.jsonl"
SIZES = (1_000, 10_000, 100_000)
ROUNDS = 3
KNOWN_SHARE = 0.01
DENSE_SHARE = 0.1  # the hard case: every text is full of bare surnames, each a reason why some watch stays silent
A_WATCH = 20
LATIN = ("ba ce di fo gu ha ki lo mu na pe ri so ta vi we ya zo sha che tra blo kov ska min ler".split(), "aeiouyzó")  # noqa: SIM905  # readable
CYRILLIC = ("ба ве ги до жу за ки ло му на пе ри со ту фи ха це чо ша щу эл юр яр ов ск ин".split(), "аеиоуыёй")  # noqa: SIM905  # readable


def main() -> None:
    """Measure and print."""
    chance = random.Random(20)
    texts = {"made": [made_text(chance) for _ in range(1_200)]}
    if DOCS.exists():
        texts["docs"] = [json.loads(line)["text"] for line in DOCS.open(encoding="utf-8")]
    else:
        print("../shared/data/names/docs.jsonl is not here: only made texts are measured")
    for name, those in texts.items():
        measure_fold(name, those)
    print(f"\n{'texts':6}{'aliases':>9}{'engine':>28}{'MB/s':>8}{'to raw':>8}{'hits':>9}{'build s':>9}")
    for name, those in texts.items():
        names = made_names(chance, those, max(SIZES))
        for size in SIZES:
            measure_scan(name, those, names[:size])
    dense = made_names(chance, texts["made"], SIZES[1], share=DENSE_SHARE)
    measure_scan("dense", texts["made"], dense)


def made_word(chance: random.Random, *, cyrillic: bool) -> str:
    """Return an invented word of two to four syllables."""
    syllables, ends = CYRILLIC if cyrillic else LATIN
    return "".join(chance.choice(syllables) for _ in range(chance.randint(1, 3))) + chance.choice(ends)


def made_text(chance: random.Random) -> str:
    """Return an invented article: some 3,000 characters in paragraphs, a third of all in Cyrillic, common words more often."""
    cyrillic = chance.random() < 1 / 3
    words = [made_word(chance, cyrillic=cyrillic) for _ in range(250)]
    paragraphs = []
    for _ in range(8):
        drawn = [words[min(int(chance.paretovariate(0.6)) - 1, len(words) - 1)] for _ in range(60)]
        drawn = [word.capitalize() if chance.random() < 0.15 else word for word in drawn]
        paragraphs.append(" ".join(word + chance.choice(("", "", "", "", "", ",", ".", "’s")) for word in drawn))
    return "\n\n".join(paragraphs)


def made_names(chance: random.Random, texts: Sequence[str], count: int, share: float = KNOWN_SHARE) -> list[str]:
    """Return distinct names of two words: one in a hundred stands in some text (two words in capitals), the others are invented.

    With that share about one text in two holds, at 10,000 names, something that has to be looked at, a full name or a bare surname.
    """
    pool = sorted({pair for text in texts[:500] for pair in _pair.findall(text)})
    names: dict[str, None] = {}
    while len(names) < count:
        invented = [made_word(chance, cyrillic=len(names) % 3 == 0).capitalize() for _ in range(4)]
        name = f"{invented[0]} {invented[1]}{invented[2].lower()}{invented[3].lower()}"
        names[chance.choice(pool) if chance.random() < share else name] = None
    return list(names)


def best_mb_per_s(work: Callable[[], object], characters: int) -> float:
    """Return millions of characters per second of CPU time, the best of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        gc.collect()
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return characters / 1e6 / min(taken)


def measure_fold(name: str, texts: Sequence[str]) -> None:
    """Print what folding costs beside `str.lower` and a `str.translate` with the same letters."""
    characters = sum(map(len, texts))
    letters = {char for text in texts for char in text}
    table = {ord(char): chr(fold(char).data[1:-1][0]) if len(fold(char).data) == 3 else " " for char in letters}
    print(f"fold, {name}: {characters / 1e6:.1f} M characters")
    for label, work in (
        ("str.lower", lambda: [text.lower() for text in texts]),
        ("str.translate", lambda: [text.translate(table) for text in texts]),
        ("fold", lambda: [fold(text) for text in texts]),
    ):
        print(f"  {label:14}{best_mb_per_s(work, characters):8.1f} MB/s")


def measure_scan(name: str, texts: Sequence[str], names: Sequence[str]) -> None:
    """Print raw ahocorasick_rs on lower-cased text, pyahocorasick on the same, and ours from the given text to matches."""
    characters = sum(map(len, texts))
    lowered = [one.lower() for one in names]
    raw_scan, raw_build = timed(lambda: ahocorasick_rs.AhoCorasick(lowered))
    own, own_build = timed(lambda: compiled(names))
    articles = [Article(title="", text=text) for text in texts]
    engines: list[tuple[str, Callable[[], int], float]] = [
        (
            "ahocorasick_rs, lower",
            lambda: sum(len(raw_scan.find_matches_as_indexes(text.lower(), overlapping=True)) for text in texts),
            raw_build,
        ),
        *pyahocorasick(texts, lowered),
        ("wirewatch, end to end", lambda: sum(len(own.match(article).matches) for article in articles), own_build),
    ]
    raw = 0.0
    for label, work, build in engines:
        rate = best_mb_per_s(work, characters)
        raw = raw or rate
        print(f"{name:6}{len(names):9,}{label:>28}{rate:8.1f}{rate / raw:8.2f}{work():9,}{build:9.2f}")


def pyahocorasick(texts: Sequence[str], lowered: Sequence[str]) -> Iterator[tuple[str, Callable[[], int], float]]:
    """Yield the engine pyahocorasick where it is installed (a development tool)."""
    try:
        import ahocorasick  # noqa: PLC0415  # optional
    except ImportError:
        print("pyahocorasick is not installed: left out")
        return

    def build() -> ahocorasick.Automaton:
        automaton = ahocorasick.Automaton()
        for number, one in enumerate(lowered):
            automaton.add_word(one, number)
        automaton.make_automaton()
        return automaton

    automaton, taken = timed(build)
    yield "pyahocorasick, lower", lambda: sum(sum(1 for _ in automaton.iter(text.lower())) for text in texts), taken


def compiled(names: Sequence[str]) -> Matcher:
    """Return a Matcher that knows every name as an actor of its own, with bare surname and all, each watched by one watch."""
    actors = [Actor(id=at, name=name) for at, name in enumerate(names, start=1)]
    watches = [
        Watch(
            id=at + 1, name=f"w{at}", query=" OR ".join(f'actor:"{actor.name}"' for actor in actors[at : at + A_WATCH])
        )
        for at in range(0, len(actors), A_WATCH)
    ]
    return Matcher.compile(watches, actors, forms={})


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what the work gives and the CPU seconds it took."""
    start = time.process_time()
    made = work()
    return made, time.process_time() - start


if __name__ == "__main__":
    main()
