"""What a query means, in words, and what is doubtful about it. Pure; it neither reads queries (reading/query.py) nor refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.model import Watch
from bot.reading.known_words import ACRONYMS
from bot.reading.languages import any_language
from bot.reading.matcher import Matcher
from bot.reading.query import actors_in, is_acronym, parse_query
from bot.reading.query_tree import ActorTerm, And, Filter, Near, Node, Not, Or, Scoped, Term, leaves_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.model import Actor
    from bot.reading.query_tree import Query

SHORT_CHARS = 3
PLACES = {"title": "in the headline", "text": "in the text"}
FILTERS = {"source": "from the source", "lang": "in the language"}


def read_query(query: str, actors: Sequence[Actor], guild_id: int) -> Query:
    """Return a query that these actors make sense of.

    Raises:
        QueryError: it cannot be read, or names an actor that nobody knows.
    """
    watch = Watch(id=1, guild_id=guild_id, name="draft", query=query)
    for _, error in Matcher.compile([watch], actors, forms={}).faults:
        raise error
    return parse_query(query)


def meaning_of(node: Node) -> str:
    """Return what a query asks for, in words: which things must all occur, which of several is enough."""
    match node:
        case Or():
            return "any of: " + "; ".join(map(_inner, node.nodes))
        case And():
            return "all of: " + "; ".join(map(_inner, node.nodes))
        case _:
            return _inner(node)


def doubts_about(query: Query, actors: Sequence[Actor]) -> list[str]:
    """Return a sentence for each thing in a query that is allowed, but may alert too often."""
    root = query.root
    said: list[str] = []
    if isinstance(root, Term) and root.mode == "word" and root.text.islower() and _is_common(root.text):
        said.append(f'"{root.text}" is a common word: this watch may alert all day. Add a second word to narrow it.')
    terms = [leaf for leaf in leaves_in(root) if isinstance(leaf, Term) and leaf.mode != "prefix"]
    said += [
        f'"{text}" in small letters is the word as well; as {text.upper()} it is the acronym, and counts only in capitals.'
        for text in dict.fromkeys(term.text for term in terms)
        if text.islower() and text in ACRONYMS
    ]
    wanted = {name.casefold() for name in actors_in(query)}
    said += [doubt for actor in actors if actor.name.casefold() in wanted for doubt in doubts_about_actor(actor)]
    return list(dict.fromkeys(said))


def doubts_about_actor(actor: Actor) -> list[str]:
    """Return a sentence for each spelling of an actor that may also be somebody or something else."""
    said = []
    for text in dict.fromkeys((actor.name, *(alias.text for alias in actor.aliases if not alias.struck))):
        if text.isalpha() and text.islower():
            said.append(f'"{text}" is typed in small letters and counts wherever that word stands.')
        elif text.isalpha() and not is_acronym(text):
            said.append(f'"{text}" is a single name: everyone who bears it counts. A full name is safer.')
    return said


def _is_common(word: str) -> bool:
    return len(word) <= SHORT_CHARS or word in any_language().stop_words


def _inner(node: Node) -> str:  # noqa: PLR0911  # one return for each kind of node
    match node:
        case Term():
            return _term(node)
        case ActorTerm():
            return f"{node.name} in any known spelling"
        case Filter():
            return f"{FILTERS[node.name]} {' or '.join(node.values)}"
        case Scoped():
            return f"{_inner(node.node)} ({PLACES[node.scope]})"
        case Near():
            words = "1 word" if node.distance == 1 else f"{node.distance} words"
            return f"{_inner(node.left)} at most {words} away from {_inner(node.right)}"
        case Not():
            return f"not {_inner(node.node)}"
        case And():
            return f"({' and '.join(map(_inner, node.nodes))})"
        case Or():
            return f"({' or '.join(map(_inner, node.nodes))})"


def _term(term: Term) -> str:
    if term.mode == "prefix":
        return f'a word that begins with "{term.text}"'
    if term.mode == "exact":
        return f'"{term.text}" and no other form'
    if " " in term.text:
        return f'the phrase "{term.text}"'
    return f'"{term.text}"' if is_acronym(term.text) or not term.text.isalpha() else f'"{term.text}" in any form'
