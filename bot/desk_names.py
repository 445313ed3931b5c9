"""The names that people give and type: made fit, found again, offered while somebody types. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from bot.errors import UserError
from bot.feeds.links import without_credentials
from bot.plurals import plural_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

T = TypeVar("T")

NAME_CHARS = 100
OFFERS = 25
CLOSEST = 3
NO_ALIASES: Mapping[str, Sequence[str]] = MappingProxyType({})
_NUMBER = re.compile(r"(\d{1,18})")
_STEM_CHARS = 40
_MARK_CHARS = 50
_JOINERS = "\u200c\u200d"  # needed by Persian words and by emoji


def host_in(url: str) -> str:
    """Return the host and port that an address leads to."""
    return re.split(r"[/?#]", without_credentials(url).partition("://")[2])[0]


def short_name(text: str) -> str:
    """Return a name on one line, short enough to be offered, without what nobody can see; "" where nothing is left."""
    line = one_line("".join(" " if char.isspace() else char for char in text if char.isspace() or _is_seen(char)))
    if not any(char not in _JOINERS for char in line):
        return ""
    return line if len(line) <= NAME_CHARS else line[: NAME_CHARS - 1] + "…"


def one_line(text: str) -> str:
    """Return a text with each run of blanks as one: how names are compared."""
    return " ".join(text.split())


def told_apart(named: Iterable[tuple[str, str, T]]) -> dict[str, T]:
    """Return things by names that are unlike each other, whatever their case: name, mark and thing in, in the order in which they came.

    A name that several bear is followed by the mark of its bearer, and by a number where that is not enough; "" is no mark.
    """
    given = [(short_name(name), mark, one) for name, mark, one in named]
    bearers = Counter(name.casefold() for name, _, _ in given)
    found: dict[str, T] = {}
    taken = {name.casefold() for name, mark, _ in given if bearers[name.casefold()] == 1 or not mark}
    for name, mark, one in given:
        unique = name
        if mark and bearers[name.casefold()] > 1:
            stem = f"{name[:_STEM_CHARS]} · {mark[:_MARK_CHARS]}"
            candidates = (stem, *(f"{stem} {number}" for number in range(2, len(given) + 2)))
            unique = next(each for each in candidates if each.casefold() not in taken)
            taken.add(unique.casefold())
        found[unique] = one
    return found


def _is_seen(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co"}


def named(name: str, known: Mapping[str, T], noun: str) -> T:
    """Return what bears this name, whatever its case.

    Raises:
        UserError: nothing does; names the closest.
    """
    wanted = one_line(name)
    if wanted in known:
        return known[wanted]
    by_low = {one.casefold(): one for one in known}
    low = wanted.casefold()
    if low in by_low:
        return known[by_low[low]]
    closest = [by_low[one] for one in get_close_matches(low, by_low, n=CLOSEST, cutoff=0.5)]
    way_out = f"Closest: {', '.join(closest)}." if closest else f"/{noun} list shows the {plural_of(noun)} you can see."
    raise UserError(f'There is no {noun} "{wanted[:NAME_CHARS]}" here. {way_out}')


def natural_order(name: str) -> list[str | int]:
    """Return a key by which "Team 2" stands before "Team 10", whatever the case."""
    return [int(part) if at % 2 else part for at, part in enumerate(_NUMBER.split(name.casefold()))]


def offers_for(typed: str, names: Iterable[str], aliases: Mapping[str, Sequence[str]] = NO_ALIASES) -> list[str]:
    """Return what may be meant by what is typed so far, best first: what begins so, then a word that does, then what holds it.

    aliases: what else stands for a name; of two that fit alike, the one that fits by its name comes first.
    """
    wanted = " ".join(typed.split()).casefold()
    ranked: list[tuple[int, int, str]] = []
    for place, name in enumerate(dict.fromkeys(names)):
        ranks = [2 * rank for rank in (_rank(name, wanted),) if rank is not None]
        ranks += [2 * rank + 1 for alias in aliases.get(name, ()) if (rank := _rank(alias, wanted)) is not None]
        if ranks and len(name) <= NAME_CHARS:
            ranked.append((min(ranks), place, name))
    return [name for _, _, name in sorted(ranked)[:OFFERS]]


def _rank(name: str, wanted: str) -> int | None:
    low = name.casefold()
    if low.startswith(wanted):
        return 0
    if any(word.startswith(wanted) for word in low.split()):
        return 1
    return 2 if wanted in low else None


def clean_name(name: str, noun: str) -> str:
    """Return a name that was typed, on one line.

    Raises:
        UserError: it is empty or too long.
    """
    line = one_line(name)
    if not any(map(str.isalnum, line)):
        article = "An" if noun[:1] in "aeiou" else "A"
        raise UserError(f"{article} {noun} needs a name with at least one letter or digit.")
    if len(line) > NAME_CHARS:
        raise UserError(f"A name may have {NAME_CHARS} characters; this one has {len(line)}.")
    return line
