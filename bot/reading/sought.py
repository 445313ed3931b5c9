"""What an article must hold for a query to be worth trying on it: the query, turned into words that an index of folded words knows.

Never narrower than the query itself: what is found here is read by a Matcher before anyone sees it. Knows no index and no article.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.reading.query_tree import ActorTerm, And, FieldScope, Filter, FilterName, Near, Node, Not, Or, Scoped, Term
from bot.reading.text import fold_parted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bot.reading.spellings import Spelling


@dataclass(frozen=True, slots=True)
class Phrase:
    """Folded words that stand side by side; of a head, the last of them begins a word. scope: the field, None for either."""

    words: tuple[bytes, ...]
    scope: FieldScope | None = None
    is_head: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A source or a language, as typed."""

    name: FilterName
    value: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Parts that must all be there; without parts: everything is."""

    parts: tuple[Sought, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Parts of which one must be there; without parts: nothing is."""

    parts: tuple[Sought, ...]


Sought = Phrase | Mark | AllOf | AnyOf
EVERYTHING = AllOf(())


def sought_by(  # noqa: PLR0911  # one return for each kind of node
    node: Node, spellings: Mapping[Term | ActorTerm, Sequence[Spelling]], scope: FieldScope | None = None
) -> Sought:
    """Return what must be there for a tree to hold. spellings: of each of its terms and actors, bare surnames left out."""
    match node:
        case Term() | ActorTerm():
            return _any_of(_phrase(one, scope) for one in spellings[node])
        case Filter():
            return _any_of(Mark(node.name, value) for value in node.values)
        case Scoped():
            return sought_by(node.node, spellings, node.scope)
        case Not():  # what it forbids may stand there and yet not count
            return EVERYTHING
        case Near():
            return _all_of(sought_by(side, spellings, scope) for side in (node.left, node.right))
        case And():
            return _all_of(sought_by(child, spellings, scope) for child in node.nodes)
        case Or():
            return _any_of(sought_by(child, spellings, scope) for child in node.nodes)


def _phrase(one: Spelling, scope: FieldScope | None) -> Phrase:
    if one.unspaced:
        return Phrase(tuple(fold_parted(one.letters).split()), scope)
    return Phrase(tuple(one.folded.split()), scope, is_head=one.rule == "prefix")


def _all_of(parts: Iterable[Sought]) -> Sought:
    kept = tuple(dict.fromkeys(part for part in parts if part != EVERYTHING))
    return kept[0] if len(kept) == 1 else AllOf(kept)


def _any_of(parts: Iterable[Sought]) -> Sought:
    kept = tuple(dict.fromkeys(parts))
    if EVERYTHING in kept:
        return EVERYTHING
    return kept[0] if len(kept) == 1 else AnyOf(kept)
