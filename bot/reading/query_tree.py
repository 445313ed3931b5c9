"""What a query is once it is read: a tree of frozen nodes, each of which prints as text that reads back as the same node.

It never says whether a query is allowed (query.py) nor what it finds (evaluate.py).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

TermMode = Literal["word", "exact", "prefix"]
FilterName = Literal["source", "lang"]
FieldScope = Literal["title", "text"]

# Vowels and tones that stand on, under or beside a letter (Hindi, Thai, Arabic, Burmese, …) are no `\w`, and yet of the word.
_ABOUT_LETTERS = (range(0x0300, 0x2100), range(0xA600, 0xAC00), range(0xFE20, 0xFE30))
_MARKS = "".join(chr(at) for part in _ABOUT_LETTERS for at in part if unicodedata.category(chr(at))[0] == "M")
WORD = re.compile(rf"[^\W_](?:[\w.'’+#/-]|&(?!&)|[{_MARKS}\u200c\u200d])*")
OPERATORS = frozenset({"AND", "OR", "NOT", "NEAR"})


def quoted(text: str) -> str:
    """Return a word as it stands in a query, in quotation marks where it would not be read as one word without them."""
    plain = WORD.fullmatch(text) and text not in OPERATORS and not text.startswith("NEAR/")
    return text if plain else f'"{text}"'


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase. mode: `exact` takes no other forms, `prefix` any ending. at: its place in the query as typed."""

    text: str
    mode: TermMode = "word"
    at: tuple[int, int] = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        if self.mode == "prefix":
            return f"{self.text}*"
        return f"={quoted(self.text)}" if self.mode == "exact" else quoted(self.text)


@dataclass(frozen=True, slots=True)
class ActorTerm:
    """An actor, by the name that was typed."""

    name: str
    at: tuple[int, int] = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        return f"actor:{quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on the item: one of the sources, or one of the languages."""

    name: FilterName
    values: tuple[str, ...]
    at: tuple[int, int] = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{self.name}:{quoted(self.values[0])}"
        return f"{self.name}:({' OR '.join(map(quoted, self.values))})"


@dataclass(frozen=True, slots=True)
class Scoped:
    """What must occur in the title, or in the text."""

    scope: FieldScope
    node: Node

    def __str__(self) -> str:
        return f"{self.scope}:{_tight(self.node, (Term,))}"


@dataclass(frozen=True, slots=True)
class Near:
    """Two nodes with at most `distance` words between them, in either order, within one field."""

    left: Node
    right: Node
    distance: int
    at: tuple[int, int] = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        return f"{_tight(self.left, (*_ATOMS, Near))} NEAR/{self.distance} {_tight(self.right, _ATOMS)}"


@dataclass(frozen=True, slots=True)
class Not:
    """What must not occur."""

    node: Node
    at: tuple[int, int] = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        return f"-{_tight(self.node, _ATOMS)}"


@dataclass(frozen=True, slots=True)
class And:
    """Nodes that must all hold, anywhere in the item. At least two, none an And."""

    nodes: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(_tight(node, (*_ATOMS, Near, Not)) for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Or:
    """Nodes of which one must hold. At least two, none an Or."""

    nodes: tuple[Node, ...]

    def __str__(self) -> str:
        return " OR ".join(map(str, self.nodes))


Node = Term | ActorTerm | Filter | Scoped | Near | Not | And | Or
_ATOMS = (Term, ActorTerm, Filter, Scoped)


def _tight(node: Node, bare: tuple[type, ...]) -> str:
    return str(node) if isinstance(node, bare) else f"({node})"


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read. `str` prints it in its plainest form. typed: as it was given."""

    root: Node
    typed: str = field(default="", compare=False)

    def __str__(self) -> str:
        return str(self.root)


def leaves_in(node: Node) -> tuple[Term | ActorTerm, ...]:
    """Return the terms and actors of a tree in the order of the query, those that must not occur too."""
    match node:
        case Term() | ActorTerm():
            return (node,)
        case Filter():
            return ()
        case Scoped() | Not():
            return leaves_in(node.node)
        case Near():
            return leaves_in(node.left) + leaves_in(node.right)
        case And() | Or():
            return tuple(leaf for child in node.nodes for leaf in leaves_in(child))


def filters_in(node: Node) -> tuple[Filter, ...]:
    """Return the filters of a tree in the order of the query, those that must not hold too."""
    match node:
        case Filter():
            return (node,)
        case Scoped() | Not():
            return filters_in(node.node)
        case And() | Or():
            return tuple(one for child in node.nodes for one in filters_in(child))
        case _:
            return ()


def wanted_in(node: Node) -> tuple[Term | ActorTerm, ...]:
    """Return the terms and actors that a tree is about: those that need not be absent."""
    match node:
        case Not():
            return ()
        case Scoped():
            return wanted_in(node.node)
        case And() | Or():
            return tuple(leaf for child in node.nodes for leaf in wanted_in(child))
        case _:
            return leaves_in(node)


def must_occur(node: Node) -> bool:
    """Return whether a tree names something that must occur: a term, an actor, or a source."""
    match node:
        case Term() | ActorTerm() | Near():
            return True
        case Filter():
            return node.name == "source"
        case Scoped():
            return must_occur(node.node)
        case Not():
            return False
        case And():
            return any(map(must_occur, node.nodes))
        case Or():
            return all(map(must_occur, node.nodes))


def holds_without_hits(node: Node) -> bool:
    """Return whether a tree can hold in an article in which none of its terms and actors occurs."""
    match node:
        case Term() | ActorTerm() | Near():
            return False
        case Filter() | Not():
            return True
        case Scoped():
            return holds_without_hits(node.node)
        case And():
            return all(map(holds_without_hits, node.nodes))
        case Or():
            return any(map(holds_without_hits, node.nodes))


def each_near(left: Node, right: Node, distance: int) -> str:
    """Return a NEAR with an AND on one side taken apart, each word near the other side; "" where that is not what it is."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, And) and all(map(may_be_near, (*one.nodes, other))):
            return str(And(tuple(Near(each, other, distance) for each in one.nodes)))
    return ""


def may_be_near(node: Node) -> bool:
    """Return whether NEAR can join a tree: words, phrases and actors, and any of several."""
    match node:
        case Term() | ActorTerm() | Near():
            return True
        case Or():
            return all(map(may_be_near, node.nodes))
        case Scoped():
            return may_be_near(node.node)
        case _:
            return False
