"""Scans one article for every spelling at once, and tells the hits that count from those that do not, with the reason.

It alone holds the automata. It never knows queries; what the hits mean is evaluate.py's business.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from ahocorasick_rs import BytesAhoCorasick

from bot.reading.capitals import Capitals
from bot.reading.spellings import is_parted
from bot.reading.text import Folded, fold, fold_spaced, fold_term, spelling

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from bot.model import Actor, Article, FieldName
    from bot.reading.spellings import Spelling

MAX_HITS = 2_000
_MAX_MISSES = 100
_BLANK = 0x20
_at = attrgetter("at")


# A noted surname: its field, its place in the folded bytes, its place in the original.
_Link = tuple["FieldName", int, int, int, int]


class Hit(NamedTuple):
    """A spelling at a place: start and end in the original field, at and stop in its folded bytes."""

    field: FieldName
    start: int
    end: int
    at: int
    stop: int
    spelling: Spelling


class Miss(NamedTuple):
    """A hit that does not count, and why: a sentence."""

    field: FieldName
    reason: str


@dataclass(slots=True)
class Found:
    """What stands in one article, by target. hits: title first, by start, longest first, none inside another of its target.

    Of one target at most 2,000 hits are kept and 100 misses, the first of them: what goes on beyond is dropped, so that an article
    written to be slow makes neither matches nor reasons without bound. It is a limit for each target, not for the article, so that no
    frequent word of one watch takes the place of another's.
    """

    folded: dict[FieldName, Folded]
    capitals: dict[FieldName, Capitals]
    hits: dict[int, list[Hit]] = field(default_factory=dict)
    misses: dict[int, list[Miss]] = field(default_factory=dict)

    def miss(self, target: int, miss: Miss) -> None:
        """Note a hit that does not count."""
        noted = self.misses.get(target)
        if noted is None:
            self.misses[target] = [miss]
        elif len(noted) < _MAX_MISSES:
            noted.append(miss)


class Scanner:
    """The automata over all spellings of all watches. Immutable; scanning is thread-safe."""

    def __init__(self, spellings: Sequence[Spelling], actors: Sequence[Actor | None]) -> None:
        """Build. actors: by target, None for a term."""
        whole: defaultdict[bytes, list[Spelling]] = defaultdict(list)
        heads: defaultdict[bytes, list[Spelling]] = defaultdict(list)
        inner: defaultdict[bytes, list[Spelling]] = defaultdict(list)
        for one in spellings:
            (inner if one.unspaced else heads if one.rule == "prefix" else whole)[one.folded].append(one)
        self._actors = actors
        self._own: dict[int, frozenset[bytes]] = {}
        groups = list(whole.values())
        self._whole = [tuple(one for one in group if not one.link) for group in groups]
        self._links = [tuple(one for one in group if one.link) for group in groups]
        self._heads = [tuple(group) for group in heads.values()]
        self._inner = [tuple(group) for group in inner.values()]
        self._find_inner = BytesAhoCorasick(list(inner)).find_matches_as_indexes
        self._find_whole = BytesAhoCorasick([b" %b " % key for key in whole]).find_matches_as_indexes
        self._find_heads = BytesAhoCorasick([b" %b" % key for key in heads]).find_matches_as_indexes

    def spellings_of(self, targets: Collection[int]) -> Mapping[int, Sequence[Spelling]]:
        """Return the spellings by which each of these targets can be found at all: neither struck ones nor bare surnames."""
        those: dict[int, list[Spelling]] = {target: [] for target in targets}
        for one in chain.from_iterable((*self._whole, *self._heads, *self._inner)):
            if one.target in those and not one.struck:
                those[one.target].append(one)
        return those

    def scan(self, article: Article) -> Found:
        """Return everything that stands in the title and in the text of an article."""
        given: dict[FieldName, str] = {"title": article.title, "text": article.text}
        folded = {name: fold(text) for name, text in given.items()}
        found = Found(folded, {name: Capitals(text, article.lang) for name, text in given.items()})
        hits: defaultdict[int, list[Hit]] = defaultdict(list)
        links: dict[int, list[_Link]] = {}
        for name, capitals in found.capitals.items():
            for hit in self._hits(name, folded[name], given[name], links):
                one = hit.spelling
                reason = _reason_against(hit, capitals, article) if one.checked else ""
                if reason:
                    found.miss(one.target, Miss(name, reason))
                elif reason is not None:
                    hits[one.target].append(hit)
        if links:
            self._settle_links(links, hits, found, article)
        found.hits = {target: _outermost(those)[:MAX_HITS] for target, those in hits.items()}
        return found

    def _hits(self, name: FieldName, folded: Folded, given: str, links: dict[int, list[_Link]]) -> list[Hit]:
        """Return the hits of one field. Bare surnames, which are many and seldom count, are only noted in `links`, by key."""
        hits: list[Hit] = []
        data, whole, linked, span = fold_spaced(given, folded), self._whole, self._links, folded.span
        even = not folded.starts
        for key, at, stop in self._find_whole(data, overlapping=True):
            # A boundary byte stands on each side of what was found, and one before the whole field: it starts at `at` in the original.
            start, end = (at, stop - 2) if even else span(at + 1, stop - 1)
            if linked[key] and not given[start:end].islower():
                link = (name, at + 1, stop - 1, start, end)
                if key not in links:
                    links[key] = [link]
                elif len(links[key]) < MAX_HITS:
                    links[key].append(link)
            for one in whole[key]:
                dot = one.dotted and given[end : end + 1] == "."
                hits.append(Hit(name, start, end + dot, at + 1, stop - 1, one))
        if self._heads:
            for key, at, stop in self._find_heads(data, overlapping=True):
                last = data.index(b" ", stop)
                start, end = span(at + 1, last)
                hits += [Hit(name, start, end, at + 1, last, one) for one in self._heads[key]]
        if self._inner and data is not folded.data:
            hits += self._inner_hits(name, folded, data, given)
        return hits

    def _inner_hits(self, name: FieldName, folded: Folded, spaced: bytes, given: str) -> Iterator[Hit]:
        """Yield the spellings of a field that stand in a writing without blanks: anywhere, but not within a word of another writing."""
        for key, at, stop in self._find_inner(folded.data, overlapping=True):
            start, end = folded.span(at, stop)
            parts_of_words = (spaced[at - 1] != _BLANK != spaced[at], spaced[stop - 1] != _BLANK != spaced[stop])
            if not any(parts_of_words):
                for one in self._inner[key]:
                    # Many letters share a byte, so most of what is found is something else; told apart without a closer look.
                    if given[start:end] == one.letters or _is_spelt(given[start:end], one):
                        yield Hit(name, start, end, at, stop, one)

    def _settle_links(
        self, links: Mapping[int, Sequence[_Link]], hits: defaultdict[int, list[Hit]], found: Found, article: Article
    ) -> None:
        """Let a bare surname count where a fuller name of that actor, and of no other of that surname, stands in the article."""
        anchored = set(hits)
        longer = _Longer(hit for target, those in hits.items() if self._actors[target] for hit in those)
        for key, places in links.items():
            surnames = self._links[key]
            counting = [one for one in surnames if one.target in anchored]
            if not counting:
                self._miss_link(places, surnames, longer, found)
                continue
            for one in counting:
                rivals = sorted(
                    {
                        actor.name
                        for other in counting
                        if other.target != one.target and self._together(one.target, other.target)
                        if (actor := self._actors[other.target])
                    }
                )
                for hit in self._counting_links(places, one, longer, found, article):
                    if rivals:
                        where = _place(hit, found.capitals[hit.field].given)
                        reason = f"surname ambiguous: {where} may also be {' or '.join(rivals)}"
                        found.miss(one.target, Miss(hit.field, reason))
                    else:
                        hits[one.target].append(hit)

    def _counting_links(
        self, places: Iterable[_Link], one: Spelling, longer: _Longer, found: Found, article: Article
    ) -> Iterator[Hit]:
        """Yield the places of an anchored actor's surname that are neither within a fuller name nor the end of another person's."""
        own = self._own_words(one.target)
        for name, at, stop, start, end in places:
            capitals = found.capitals[name]
            if any(self._together(one.target, other.spelling.target) for other in longer.around(name, at, stop)):
                continue
            hit = Hit(name, start, end, at, stop, one)
            if _reason_against(hit, capitals, article) == "" and not capitals.is_others(start, end, own):
                yield hit

    def _own_words(self, target: int) -> frozenset[bytes]:
        """Return the folded words of an actor's names. Worked out once; threads that meet here work out the same."""
        own = self._own.get(target)
        if own is None:
            actor = self._actors[target]
            names = (actor.name, *(alias.text for alias in actor.aliases)) if actor else ()
            own = self._own[target] = frozenset(word for name in names for word in fold_term(name).split())
        return own

    def _miss_link(self, places: Sequence[_Link], surnames: Sequence[Spelling], longer: _Longer, found: Found) -> None:
        """Note for each actor of a surname that nothing but the surname stands in the article, at its first place."""
        for name, at, stop, start, end in places:
            if longer.around(name, at, stop):
                continue
            given = found.capitals[name].given
            where = " in the title" if name == "title" else ""
            miss = Miss(name, f"surname only: '{given[start:end]}' at {start}{where}; no full name in this item")
            for one in surnames:
                found.miss(one.target, miss)
            return

    def _together(self, one: int, other: int) -> bool:
        """Return whether two actors are known to the same server, so that one may say something about the other."""
        first, second = self._actors[one], self._actors[other]
        return (
            first is not None
            and second is not None
            and (first.guild_id == second.guild_id or 0 in (first.guild_id, second.guild_id))
        )


class _Longer:
    """The hits of several words, to be asked which of them hold a place. Each answer takes as long as the longest name is, not the text."""

    def __init__(self, hits: Iterable[Hit]) -> None:
        self._hits: dict[FieldName, list[Hit]] = {"title": [], "text": []}
        for hit in hits:
            if b" " in hit.spelling.folded:
                self._hits[hit.field].append(hit)
        self._longest = 0
        for those in self._hits.values():
            those.sort(key=_at)
            self._longest = max((self._longest, *(hit.stop - hit.at for hit in those)))

    def around(self, name: FieldName, at: int, stop: int) -> list[Hit]:
        """Return the hits that hold `[at, stop)` and more."""
        those = self._hits[name]
        found: list[Hit] = []
        place = bisect_right(those, at, key=_at)
        while place and (hit := those[place - 1]).at >= stop - self._longest:
            if hit.stop >= stop and (hit.at, hit.stop) != (at, stop):
                found.append(hit)
            place -= 1
        return found


def _outermost(hits: list[Hit]) -> list[Hit]:
    """Return the hits in order of reading, without those that stand inside another, and each place once."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.field == "text", hit.start, -hit.end, hit.spelling.rule != "user")):
        if not kept or kept[-1].field != hit.field or hit.end > kept[-1].end:
            kept.append(hit)
    return kept


def _place(hit: Hit, given: str) -> str:
    where = " in the title" if hit.field == "title" else ""
    return f"'{given[hit.start : hit.end]}' at {hit.start}{where}"


def _reason_against(hit: Hit, capitals: Capitals, article: Article) -> str | None:
    """Return why a hit does not count: a sentence; None where it is no hit at all; "" where it counts."""
    one, given = hit.spelling, capitals.given
    words = given[hit.start : hit.end]
    if (one.letters and not _is_spelt(words, one)) or (one.gap and words.count("\n") > 1):
        return None
    if (one.turned and is_parted(words)) or (one.case == "capitalised" and words.islower()):
        return None
    if one.struck:
        return f"alias '{one.alias}' was struck"
    if one.langs and article.lang and article.lang.partition("-")[0].lower() not in one.langs:
        return f"{_place(hit, given)} counts only in {' or '.join(sorted(one.langs))}, item is {article.lang}"
    if one.case in ("capitals", "plural"):
        return _reason_against_acronym(hit, capitals)
    return ""


def _is_spelt(words: str, one: Spelling) -> bool:
    letters = spelling(words)
    return letters.startswith(one.letters) if one.rule == "prefix" and not one.unspaced else letters == one.letters


def _reason_against_acronym(hit: Hit, capitals: Capitals) -> str | None:
    one, given = hit.spelling, capitals.given
    words = given[hit.start : hit.end]
    if one.case == "plural":
        return "" if words[:-1].isupper() and words.endswith("s") else None
    if not words.isupper():
        return f"{_place(hit, given)} is not in capitals"
    if one.common and capitals.shouts_at(hit.start):
        return f"{_place(hit, given)} stands in a line of capitals, where it may be the word"
    return ""
