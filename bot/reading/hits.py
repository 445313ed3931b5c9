"""Scans one article for every spelling at once, and tells the hits that count from those that do not, with the reason.

It alone holds the automata. It never knows queries; what the hits mean is evaluate.py's business.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ahocorasick_rs import BytesAhoCorasick

from bot.reading.text import Folded, fold, spelling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.model import Actor, Article, FieldName
    from bot.reading.spellings import Spelling

_MOSTLY = 0.6
_LINE_WORDS = 3


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
    """What stands in one article, by target. hits: title first, by start, longest first, none inside another of its target."""

    folded: dict[FieldName, Folded]
    hits: dict[int, list[Hit]] = field(default_factory=dict)
    misses: dict[int, list[Miss]] = field(default_factory=dict)


class Scanner:
    """The automata over all spellings of all watches. Immutable; scanning is thread-safe."""

    def __init__(self, spellings: Sequence[Spelling], actors: Sequence[Actor | None]) -> None:
        """Build. actors: by target, None for a term."""
        whole: defaultdict[bytes, list[Spelling]] = defaultdict(list)
        heads: defaultdict[bytes, list[Spelling]] = defaultdict(list)
        for one in spellings:
            (heads if one.rule == "prefix" else whole)[one.folded].append(one)
        self._actors = actors
        groups = list(whole.values())
        self._whole = [tuple(one for one in group if not one.link) for group in groups]
        self._links = [tuple(one for one in group if one.link) for group in groups]
        self._heads = [tuple(group) for group in heads.values()]
        self._find_whole = BytesAhoCorasick([b" %b " % key for key in whole]).find_matches_as_indexes
        self._find_heads = BytesAhoCorasick([b" %b" % key for key in heads]).find_matches_as_indexes

    def scan(self, article: Article) -> Found:
        """Return everything that stands in the title and in the text of an article."""
        found = Found({"title": fold(article.title), "text": fold(article.text)})
        hits: defaultdict[int, list[Hit]] = defaultdict(list)
        links: dict[int, list[tuple[FieldName, int, int]]] = {}
        for name, folded in found.folded.items():
            given = article.title if name == "title" else article.text
            for hit in self._hits(name, folded, given, links):
                one = hit.spelling
                reason = _reason_against(hit, given, article) if one.checked else ""
                if reason:
                    found.misses.setdefault(one.target, []).append(Miss(hit.field, reason))
                elif reason is not None:
                    hits[one.target].append(hit)
        if links:
            self._settle_links(links, hits, found, article)
        found.hits = {target: _outermost(those) for target, those in hits.items()}
        return found

    def _hits(
        self, name: FieldName, folded: Folded, given: str, links: dict[int, list[tuple[FieldName, int, int]]]
    ) -> list[Hit]:
        """Return the hits of one field. Bare surnames, which are many and seldom count, are only noted in `links`, by key."""
        hits: list[Hit] = []
        data, whole, linked = folded.data, self._whole, self._links
        for key, at, stop in self._find_whole(data, overlapping=True):
            if linked[key]:
                if key in links:
                    links[key].append((name, at + 1, stop - 1))
                else:
                    links[key] = [(name, at + 1, stop - 1)]
            for one in whole[key]:
                start, end = folded.span(at + 1, stop - 1)
                dot = one.dotted and given[end : end + 1] == "."
                hits.append(Hit(name, start, end + dot, at + 1, stop - 1, one))
        if self._heads:
            for key, at, stop in self._find_heads(data, overlapping=True):
                last = data.index(b" ", stop)
                start, end = folded.span(at + 1, last)
                hits += [Hit(name, start, end, at + 1, last, one) for one in self._heads[key]]
        return hits

    def _settle_links(
        self,
        links: Mapping[int, Sequence[tuple[FieldName, int, int]]],
        hits: defaultdict[int, list[Hit]],
        found: Found,
        article: Article,
    ) -> None:
        """Let a bare surname count where a fuller name of that actor, and of no other of that surname, stands in the article."""
        anchored = set(hits)
        longer = [hit for those in hits.values() for hit in those if self._actors[hit.spelling.target]]
        longer = [hit for hit in longer if b" " in hit.spelling.folded]
        for key, places in links.items():
            surnames = self._links[key]
            counting = [one for one in surnames if one.target in anchored]
            if not counting:
                self._miss_link(places, surnames, longer, found, article)
                continue
            shown = [hit for place in places if (hit := _link_at(place, surnames[0], found, article))]
            for one in counting:
                rivals = [
                    other.target
                    for other in counting
                    if other.target != one.target and self._together(one.target, other.target)
                ]
                for hit in (plain._replace(spelling=one) for plain in shown):
                    if self._covered(hit, longer) or _reason_against(hit, _given(hit, article), article) != "":
                        continue
                    if rivals:
                        names = " or ".join(
                            sorted(actor.name for actor in map(self._actors.__getitem__, rivals) if actor)
                        )
                        reason = f"surname ambiguous: {_place(hit, article)} may also be {names}"
                        found.misses.setdefault(one.target, []).append(Miss(hit.field, reason))
                    else:
                        hits[one.target].append(hit)

    def _miss_link(
        self,
        places: Sequence[tuple[FieldName, int, int]],
        surnames: Sequence[Spelling],
        longer: Sequence[Hit],
        found: Found,
        article: Article,
    ) -> None:
        """Note for each actor of a surname that nothing but the surname stands in the article, at its first place."""
        for name, at, stop in places:
            start, end = found.folded[name].span(at, stop)
            given = article.title if name == "title" else article.text
            if not given[start : start + 1].isupper():
                continue
            if longer and any(_inside(Hit(name, start, end, at, stop, surnames[0]), other) for other in longer):
                continue
            where = " in the title" if name == "title" else ""
            miss = [Miss(name, f"surname only: '{given[start:end]}' at {start}{where}; no full name in this item")]
            for one in surnames:
                if one.target in found.misses:
                    found.misses[one.target] += miss
                else:
                    found.misses[one.target] = list(miss)
            return

    def _covered(self, link: Hit, longer: Sequence[Hit]) -> bool:
        """Return whether a surname is a part of a fuller name that stands there, its own actor's or another's."""
        target = link.spelling.target
        return any(_inside(link, other) and self._together(target, other.spelling.target) for other in longer)

    def _together(self, one: int, other: int) -> bool:
        """Return whether two actors are known to the same server, so that one may say something about the other."""
        first, second = self._actors[one], self._actors[other]
        return (
            first is not None
            and second is not None
            and (first.guild_id == second.guild_id or 0 in (first.guild_id, second.guild_id))
        )


def _inside(inner: Hit, outer: Hit) -> bool:
    return inner.field == outer.field and outer.at <= inner.at and inner.stop <= outer.stop and inner[3:5] != outer[3:5]


def _outermost(hits: list[Hit]) -> list[Hit]:
    """Return the hits in order of reading, without those that stand inside another, and each place once."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.field == "text", hit.start, -hit.end, hit.spelling.rule != "user")):
        if not kept or kept[-1].field != hit.field or hit.end > kept[-1].end:
            kept.append(hit)
    return kept


def _link_at(place: tuple[FieldName, int, int], one: Spelling, found: Found, article: Article) -> Hit | None:
    """Return a noted surname as a hit; None where the article has it in small letters, as a word."""
    name, at, stop = place
    start, end = found.folded[name].span(at, stop)
    hit = Hit(name, start, end, at, stop, one)
    return hit if _given(hit, article)[start : start + 1].isupper() else None


def _given(hit: Hit, article: Article) -> str:
    return article.title if hit.field == "title" else article.text


def _place(hit: Hit, article: Article) -> str:
    given = _given(hit, article)
    where = " in the title" if hit.field == "title" else ""
    return f"'{given[hit.start : hit.end]}' at {hit.start}{where}"


def _reason_against(hit: Hit, given: str, article: Article) -> str | None:
    """Return why a hit does not count: a sentence; None where it is no hit at all; "" where it counts."""
    one = hit.spelling
    words = given[hit.start : hit.end]
    false = (one.letters and spelling(words) != one.letters) or (one.gap and words.count("\n") > 1)
    if false or (one.case == "capitalised" and not words[:1].isupper()):
        return None
    if one.struck:
        return f"alias '{one.alias}' was struck"
    if one.langs and article.lang and article.lang.partition("-")[0].lower() not in one.langs:
        return f"{_place(hit, article)} counts only in {' or '.join(sorted(one.langs))}, item is {article.lang}"
    if one.case in ("capitals", "plural"):
        return _reason_against_acronym(hit, given, article)
    return ""


def _reason_against_acronym(hit: Hit, given: str, article: Article) -> str | None:
    one = hit.spelling
    words = given[hit.start : hit.end]
    if one.case == "plural":
        return "" if words[:-1].isupper() and words.endswith("s") else None
    if not words.isupper():
        return f"{_place(hit, article)} is not in capitals"
    if one.common and not one.dotted and _shouts(given, hit.start):
        return f"{_place(hit, article)} stands in a line of capitals, where it may be the word"
    return ""


def _shouts(given: str, at: int) -> bool:
    """Return whether the line around a place is mostly in capitals, so that capitals prove nothing there."""
    feed = given.find("\n", at)
    line = given[given.rfind("\n", 0, at) + 1 : feed if feed >= 0 else len(given)]
    letters = [char for char in line if char.isalpha()]
    return len(line.split()) > _LINE_WORDS and sum(map(str.isupper, letters)) > _MOSTLY * len(letters)
