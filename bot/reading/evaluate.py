"""Says whether a query holds in an article, from the hits alone, and which hits make it hold. It never reads the article's text."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bot.reading.hits import MAX_HITS
from bot.reading.query_tree import ActorTerm, And, FieldScope, Filter, Near, Node, Not, Or, Scoped, Term
from bot.reading.text import fold_term

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bot.model import Article, FieldName
    from bot.reading.hits import Found, Hit

_LONGEST_WORD = 64


class Group(NamedTuple):
    """Hits that belong together, from the first to the last of them; at and stop as in `Hit`."""

    field: FieldName
    at: int
    stop: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One article as one watch sees it. targets: of the terms and actors in its query."""

    article: Article
    found: Found
    targets: Mapping[Term | ActorTerm, int]

    def groups_for(self, leaf: Term | ActorTerm, scope: FieldScope | None) -> list[Group]:
        """Return the hits of a term or actor, each a group, in order; of one field only where there is a scope."""
        hits = self.found.hits.get(self.targets[leaf], ())
        return [Group(hit.field, hit.at, hit.stop, (hit,)) for hit in hits if scope in (None, hit.field)]


def evaluate(  # noqa: PLR0911  # one return for each kind of node
    node: Node, view: View, scope: FieldScope | None = None
) -> list[Group] | None:
    """Return the hits by which a tree holds, in groups (no group where it holds without any); None where it does not hold."""
    match node:
        case Term() | ActorTerm():
            return view.groups_for(node, scope) or None
        case Filter():
            return [] if passes(node, view.article) else None
        case Scoped():
            return evaluate(node.node, view, node.scope)
        case Not():
            return [] if evaluate(node.node, view, scope) is None else None
        case Near():
            sides = evaluate(node.left, view, scope), evaluate(node.right, view, scope)
            return near_groups(*sides, node.distance, view) if sides[0] and sides[1] else None  # type: ignore[arg-type]  # a tuple is not narrowed
        case And():
            held = [evaluate(child, view, scope) for child in node.nodes]
            return None if None in held else [group for groups in held for group in groups or ()]
        case Or():
            held = [evaluate(child, view, scope) for child in node.nodes]
            return (
                None if all(groups is None for groups in held) else [group for groups in held for group in groups or ()]
            )


def near_groups(left: Iterable[Group], right: Sequence[Group], distance: int, view: View) -> list[Group] | None:
    """Return each pair of groups with at most `distance` words between them, as one group; None where there is none.

    At most 2,000 pairs: a chain of NEARs would otherwise multiply them.
    """
    pairs: list[Group] = []
    for field in ("title", "text"):
        others = sorted((group for group in right if group.field == field), key=lambda group: group.at)
        starts = [group.at for group in others]
        for group in left:
            if group.field != field:
                continue
            after = bisect_left(starts, group.stop)
            for at in range(after, len(others)):
                if words_between(group, others[at], view, distance) > distance:
                    break
                pairs.append(_pair(group, others[at]))
            for at in range(after - 1, -1, -1):
                if others[at].stop > group.at:
                    continue
                if words_between(others[at], group, view, distance) > distance:
                    break
                pairs.append(_pair(others[at], group))
            if len(pairs) >= MAX_HITS:
                return pairs[:MAX_HITS]
    return pairs or None


def words_between(first: Group, second: Group, view: View, enough: int = 1 << 20) -> int:
    """Return how many words stand between two groups of one field; more than `enough` is not counted out."""
    if second.at - first.stop > _LONGEST_WORD * (enough + 1):
        return enough + 1
    return len(view.found.folded[first.field].data[first.stop : second.at].split())


def _pair(one: Group, other: Group) -> Group:
    return Group(one.field, min(one.at, other.at), max(one.stop, other.stop), one.hits + other.hits)


def passes(node: Filter, article: Article) -> bool:
    """Return whether an article is of one of the languages, or from one of the sources: a host, a host above it, or the outlet's name."""
    if node.name == "lang":
        known = (article.lang or "").partition("-")[0].lower()
        return any(value.partition("-")[0].lower() == known for value in node.values)
    outlet = fold_term(article.source)
    for value in node.values:
        host = value.lower().removeprefix("www.")
        if article.host == host or article.host.endswith(f".{host}") or (outlet and outlet == fold_term(value)):
            return True
    return False
