"""What a query means, in words, and what is doubtful about it. Pure; it neither reads queries (reading/query.py) nor refuses them."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from bot.errors import QueryError
from bot.model import Watch
from bot.reading.known_words import ACRONYMS
from bot.reading.languages import any_language
from bot.reading.matcher import Matcher
from bot.reading.query import is_acronym, parse_query
from bot.reading.query_tree import (
    ActorTerm,
    And,
    Filter,
    Near,
    Node,
    Not,
    Or,
    Scoped,
    Term,
    filters_in,
    leaves_in,
    quoted,
)
from bot.reading.text import fold_term

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.model import Actor
    from bot.reading.query_tree import Query

SHORT_CHARS = 3
CLOSEST = 3
OPERATORS = {"or": "one is enough", "and": "both", "not": "without it"}
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
            return "any of: " + "; ".join(_inner(each) for each in node.nodes)
        case And():
            wanted = [each for each in node.nodes if not isinstance(each, Filter)]
            core = _inner(wanted[0]) if len(wanted) == 1 else "all of: " + "; ".join(map(_inner, wanted))
            filters = [_inner(each) for each in node.nodes if isinstance(each, Filter)]
            return ", ".join([core if wanted else "every article", *filters])
        case Filter():
            return f"every article {_inner(node)}"
        case _:
            return _inner(node)


def doubts_about(query: Query, sources: Sequence[str] | None = None) -> list[str]:
    """Return a sentence for each thing in a query that is allowed, but means something else than it seems, or alerts too often.

    sources: the names of the feeds that are heard, None where they are not known.
    """
    root = query.root
    said = slips_in(query, sources)
    if isinstance(root, Term) and root.mode == "word" and root.text.islower() and _is_common(root.text):
        said.append(f'"{root.text}" is a common word: this watch may alert all day. Add a second word to narrow it.')
    terms = [leaf for leaf in leaves_in(root) if isinstance(leaf, Term) and leaf.mode != "prefix"]
    said += [
        f'"{text}" in small letters is the word as well; as {text.upper()} it is the acronym, and counts only in capitals.'
        for text in dict.fromkeys(term.text for term in terms)
        if text.islower() and text in ACRONYMS
    ]
    return said


def slips_in(query: Query, sources: Sequence[str] | None) -> list[str]:
    """Return a sentence for each thing in a query that probably means something else than was meant. sources: as in `doubts_about`."""
    said = [doubt] if (doubt := doubt_about_operators(query)) else []
    return [*said, *(_doubts_about_sources(query, sources) if sources is not None else ())]


def doubt_about_operators(query: Query) -> str:
    """Return what is said of `or`, `and` and `not` in small letters, with the query that was probably meant; "" where there are none."""
    small = [
        leaf
        for leaf in leaves_in(query.root)
        if isinstance(leaf, Term) and leaf.text in OPERATORS and query.typed[slice(*leaf.at)] == leaf.text
    ]
    if not small:
        return ""
    meant = query.typed
    for leaf in small:
        meant = meant[: leaf.at[0]] + leaf.text.upper() + meant[leaf.at[1] :]
    word = small[0].text
    return f'"{word}" in small letters is a word to be found. If you mean “{OPERATORS[word]}”, write it in capitals' + (
        f": {meant}" if _is_readable(meant) else "."
    )


def _doubts_about_sources(query: Query, sources: Sequence[str]) -> list[str]:
    """Return a sentence for each outlet that a query names and that no feed is called. A host may be any."""
    known = {fold_term(name): name for name in sources}
    said: list[str] = []
    for name in dict.fromkeys(value for one in filters_in(query.root) if one.name == "source" for value in one.values):
        if fold_term(name) in known or re.fullmatch(r"[^\s.]+(\.[^\s.]+)+", name):
            continue
        low = name.casefold()
        near = [each for each in known.values() if low in each.casefold()]
        near += get_close_matches(name, [each for each in known.values() if each not in near], n=CLOSEST, cutoff=0.5)
        closest = ", ".join(f"source:{quoted(each)}" for each in near[:CLOSEST])
        said.append(
            f'No feed here is called "{name}", and source: wants the whole name or a host: it finds nothing.'
            + (f" Closest: {closest}" if closest else "")
        )
    return said


def silence_of(query: str) -> str:
    """Return why a watch is silent about an article that holds none of its words, half a sentence."""
    try:
        root = parse_query(query).root
    except QueryError:
        return "it is not in force: its query cannot be read"
    if leaves_in(root):
        return "none of its words stands there"
    return "it is not " + " and ".join(_inner(one) for one in filters_in(root))


def doubts_about_actor(actor: Actor) -> list[str]:
    """Return a sentence for each kind of spelling of an actor that may also be somebody or something else."""
    texts = dict.fromkeys((actor.name, *(alias.text for alias in actor.aliases if not alias.struck)))
    words = [text for text in texts if text.isalpha() and text.islower()]
    names = [text for text in texts if text.isalpha() and not text.islower() and not is_acronym(text)]
    said = []
    if words:
        them = "counts wherever that word stands" if len(words) == 1 else "count wherever those words stand"
        said.append(f"{_listed(words)}, in small letters, {them}.")
    if names:
        them = (
            "is a single name: everyone who bears it" if len(names) == 1 else "are single names: everyone who bears one"
        )
        said.append(f"{_listed(names)} {them} counts. A full name is safer.")
    return said


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)


def _is_readable(query: str) -> bool:
    try:
        parse_query(query)
    except QueryError:
        return False
    return True


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
