"""Which watches an article fires, where, and why the others stay silent. Compiled once for all watches, then pure and quick.

It alone ties queries, actors and hits together. It never fetches forms (they are handed in) and never changes: a new set of watches is
a new Matcher.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING, Self

from bot.errors import QueryError
from bot.model import Actor, Article, Match, Matches, Watch, WhyNot
from bot.reading.evaluate import View, evaluate
from bot.reading.hits import Found, Hit, Scanner
from bot.reading.known_words import ACRONYMS
from bot.reading.query import is_acronym, parse_query
from bot.reading.query_tree import ActorTerm, Query, Term, holds_without_hits, leaves_in, quoted, wanted_in
from bot.reading.sought import Sought, sought_by
from bot.reading.spellings import Spelling, is_known_word, name_parts, spellings_of_actor, spellings_of_term
from bot.reading.text import fold_term
from bot.reading.why import reason_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from bot.model import WordForm

_CLOSEST = 3


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A watch with its query read. targets: what its terms and actors are in the scan. wanted: without those that must not occur."""

    watch: Watch
    query: Query
    targets: Mapping[Term | ActorTerm, int]
    wanted: tuple[int, ...]


class Matcher:
    """All watches and actors, ready to read articles. Immutable, so that it can be swapped while articles are read.

    faults: the watches that could not be compiled, with the reason; they never stop the others.
    """

    def __init__(
        self, compiled: Sequence[_Compiled], scanner: Scanner, actors: Sequence[Actor | None], *, report_actors: bool
    ) -> None:
        self._compiled = compiled
        self._scanner = scanner
        self._actors = actors
        self._report_actors = report_actors
        self.faults: tuple[tuple[Watch, QueryError], ...] = ()
        self._always = frozenset(at for at, one in enumerate(compiled) if holds_without_hits(one.query.root))
        self._watches_of: defaultdict[int, list[int]] = defaultdict(list)
        for at, one in enumerate(compiled):
            for target in one.wanted:
                self._watches_of[target].append(at)

    @classmethod
    def compile(
        cls,
        watches: Sequence[Watch],
        actors: Sequence[Actor],
        *,
        forms: Mapping[str, Sequence[WordForm]],
        report_actors: bool = False,
    ) -> Self:
        """Return a Matcher over these watches (disabled ones are left out) and actors.

        forms: of the words of `keywords_in`, by the word as typed. report_actors: hits of each actor are also reported by themselves.
        """
        targets = _Targets(actors, forms)
        compiled: list[_Compiled] = []
        faults: list[tuple[Watch, QueryError]] = []
        for watch in watches:
            if not watch.enabled:
                continue
            try:
                compiled.append(targets.compile(watch))
            except QueryError as error:
                faults.append((watch, error))
        matcher = cls(compiled, Scanner(targets.spellings, targets.actors), targets.actors, report_actors=report_actors)
        matcher.faults = tuple(faults)
        return matcher

    def sought(self, watch_id: int) -> Sought:
        """Return what an article must hold for this watch to be worth trying on it. For the archive's index.

        Raises:
            KeyError: no watch of that id was compiled.
        """
        one = next((one for one in self._compiled if one.watch.id == watch_id), None)
        if one is None:
            raise KeyError(watch_id)
        by_target = self._scanner.spellings_of(frozenset(one.targets.values()))
        return sought_by(one.query.root, {leaf: by_target[target] for leaf, target in one.targets.items()})

    def match(self, article: Article) -> Matches:
        """Return what an article fires, and for each watch that had a hit and did not fire, why."""
        found = self._scanner.scan(article)
        candidates = self._always.union(*(self._watches_of.get(target, ()) for target in found.hits))
        matches: list[Match] = []
        why_not: list[WhyNot] = []
        fired: list[int] = []
        for at in sorted(candidates):
            one = self._compiled[at]
            view = View(article, found, one.targets)
            groups = evaluate(one.query.root, view)
            if groups is not None:
                fired.append(one.watch.id)
                hits = dict.fromkeys(chain.from_iterable(group.hits for group in groups))
                matches += self._matches_for(one.watch, hits, article) or [_whole_item(one, article)]
                why_not += self._ambiguous(one, found)
            elif not found.hits.keys().isdisjoint(one.wanted):
                reason = reason_for(one.query.root, view)
                why_not.append(WhyNot(watch_id=one.watch.id, watch=one.watch.name, actor=None, reason=reason))
        why_not += self._missed(found, candidates)
        if self._report_actors:
            self._report(found, article, matches, why_not)
        matches.sort(key=lambda match: (match.field == "text", match.start, -match.end))
        return Matches(matches=tuple(matches), why_not=tuple(why_not), fired=tuple(fired))

    def _missed(self, found: Found, candidates: Collection[int]) -> list[WhyNot]:
        """Return why the watches stay silent that have nothing but hits that do not count."""
        reasons: dict[int, str] = {}
        for target, misses in found.misses.items():
            for at in self._watches_of.get(target, ()):
                if at not in candidates:
                    reasons.setdefault(at, misses[0].reason)
        watches = ((self._compiled[at].watch, reason) for at, reason in sorted(reasons.items()))
        return [WhyNot(watch_id=watch.id, watch=watch.name, actor=None, reason=reason) for watch, reason in watches]

    def _matches_for(self, watch: Watch | None, hits: Iterable[Hit], article: Article) -> list[Match]:
        name, number = (watch.name, watch.id) if watch else (None, 0)
        matches: list[Match] = []
        for hit in hits:
            one = hit.spelling
            actor = self._actors[one.target]
            given = article.title if hit.field == "title" else article.text
            matches.append(
                Match(
                    watch_id=number,
                    watch=name,
                    actor=actor.name if actor else None,
                    field=hit.field,
                    start=hit.start,
                    end=hit.end,
                    text=given[hit.start : hit.end],
                    alias=one.alias,
                    rule=one.rule,
                    score=one.score,
                )
            )
        return matches

    def _ambiguous(self, one: _Compiled, found: Found) -> list[WhyNot]:
        """Return what a watch that fired leaves out all the same: surnames that may be another's."""
        left_out: list[WhyNot] = []
        for target in dict.fromkeys(one.targets.values()):
            actor = self._actors[target]
            for miss in found.misses.get(target, ()) if actor else ():
                if miss.reason.startswith("surname ambiguous"):
                    name = actor.name if actor else None
                    left_out.append(WhyNot(watch_id=one.watch.id, watch=one.watch.name, actor=name, reason=miss.reason))
        return left_out

    def _report(self, found: Found, article: Article, matches: list[Match], why_not: list[WhyNot]) -> None:
        for target, actor in enumerate(self._actors):
            if actor is None:
                continue
            hits, misses = found.hits.get(target, ()), found.misses.get(target, ())
            matches += self._matches_for(None, hits, article)
            told = [miss.reason for miss in misses if not hits or miss.reason.startswith("surname ambiguous")]
            why_not += [
                WhyNot(watch_id=0, watch=None, actor=actor.name, reason=reason)
                for reason in told[: None if hits else 1]
            ]


def _whole_item(one: _Compiled, article: Article) -> Match:
    """Return the match of a watch that holds without any word, by its source: the headline stands for the item."""
    filters = str(one.query)
    return Match(
        watch_id=one.watch.id,
        watch=one.watch.name,
        actor=None,
        field="title",
        start=0,
        end=len(article.title),
        text=article.title,
        alias=filters,
        rule="user",
    )


class _Targets:
    """Hands out one number to each distinct thing that is looked for, actors first, and writes its spellings out once."""

    def __init__(self, actors: Sequence[Actor], forms: Mapping[str, Sequence[WordForm]]) -> None:
        self.actors: list[Actor | None] = list(actors)
        self.spellings: list[Spelling] = []
        self._forms = forms
        self._terms: dict[tuple[Term, bool], int] = {}
        self._names: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
        self._known: dict[int, list[str]] = defaultdict(list)
        for target, actor in enumerate(actors):
            self.spellings += spellings_of_actor(target, actor)
            self._known[actor.guild_id].append(actor.name)
            surname = tuple(filter(None, name_parts(actor.name)[1:]))
            for rank, names in enumerate(((actor.name,), tuple(alias.text for alias in actor.aliases), surname)):
                for folded in {fold_term(name) for name in names}:
                    self._names[rank, folded].append(target)

    def compile(self, watch: Watch) -> _Compiled:
        """Return a watch ready to be evaluated.

        Raises:
            QueryError: its query cannot be read, or names an actor that nobody knows.
        """
        query = parse_query(watch.query)
        leaves = leaves_in(query.root)
        shouted = _is_shouted(query)
        targets: dict[Term | ActorTerm, int] = {}
        for leaf in leaves:
            if isinstance(leaf, ActorTerm):
                targets[leaf] = self._actor(leaf, watch)
        for leaf in leaves:
            if isinstance(leaf, Term):
                targets[leaf] = self._term(leaf, watch, shouted=shouted)
        return _Compiled(watch, query, targets, tuple(dict.fromkeys(targets[leaf] for leaf in wanted_in(query.root))))

    def _term(self, term: Term, watch: Watch, *, shouted: bool) -> int:
        dotted = "." in term.text
        names = self._known[watch.guild_id] + (self._known[0] if watch.guild_id else [])
        acronym = term.mode != "prefix" and is_acronym(term.text)
        known = term.text.lower() in ACRONYMS
        acronym = acronym and (dotted or known or not (shouted or is_known_word(term.text, names)))
        target = self._terms.get((term, acronym))
        if target is None:
            target = self._terms[term, acronym] = len(self.actors)
            self.actors.append(None)
            self.spellings += spellings_of_term(target, term, self._forms, acronym=acronym)
        return target

    def _actor(self, leaf: ActorTerm, watch: Watch) -> int:
        """Return the actor of a name: by name, else by an alias, else by a surname that only one bears."""
        folded = fold_term(leaf.name)
        for rank in range(3):
            known = [target for target in self._names.get((rank, folded), ()) if self._is_visible(target, watch)]
            if known and (rank == 0 or len(known) == 1):
                return known[0]
            if known:
                raise self._shared(leaf, watch, [actor.name for at in known if (actor := self.actors[at])])
        names = [actor.name for at, actor in enumerate(self.actors) if actor and self._is_visible(at, watch)]
        raise self._unknown(leaf, watch, names)

    def _is_visible(self, target: int, watch: Watch) -> bool:
        actor = self.actors[target]
        return actor is not None and actor.guild_id in (0, watch.guild_id)

    def _shared(self, leaf: ActorTerm, watch: Watch, names: Sequence[str]) -> QueryError:
        start, end = leaf.at
        return QueryError(
            f'{len(names)} actors bear the name "{leaf.name}".',
            query=watch.query,
            start=start,
            end=end,
            why=f"Say which: {', '.join(map(quoted, names))}.",
            instead=f"{watch.query[:start]}{quoted(names[0])}{watch.query[end:]}",
        )

    def _unknown(self, leaf: ActorTerm, watch: Watch, names: Sequence[str]) -> QueryError:
        by_low = {name.lower(): name for name in names}
        wanted = leaf.name.lower()
        closest = [by_low[low] for low in get_close_matches(wanted, by_low, n=_CLOSEST, cutoff=0.5)]
        closest += [name for name in names if wanted in name.lower().split() and name not in closest]
        start, end = leaf.at
        return QueryError(
            f'There is no actor "{leaf.name}".',
            query=watch.query,
            start=start,
            end=end,
            why=f"Closest: {', '.join(closest)}."
            if closest
            else "Add it first: /actor add, or [[actors]] in the configuration.",
            instead=f"{watch.query[:start]}{quoted(closest[0])}{watch.query[end:]}" if closest else "",
        )


def _is_shouted(query: Query) -> bool:
    """Return whether a query of two or more words was typed in capitals throughout, so that capitals say nothing of its words."""
    words = [leaf.text for leaf in leaves_in(query.root) if isinstance(leaf, Term)]
    return len(words) > 1 and all(map(str.isupper, words))
