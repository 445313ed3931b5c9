"""Reads queries: from what a person typed to a tree, or to an error that points at the place and offers a way out.

It alone says what a query may be. It never looks for anything, and never knows which actors exist.

    query   ::= or                                   and   ::= not ( "AND"? not )*      (a blank is AND)
    or      ::= and ( "OR" and )*                    not   ::= ( "NOT" | "-" )? near
    near    ::= atom ( "NEAR/" number atom )*        atom  ::= "(" or ")" | scoped | filter | actor | term
    scoped  ::= ( "title:" | "text:" ) ( term | actor | "(" or ")" )
    actor   ::= "actor:" names                       filter ::= ( "source:" | "lang:" ) names
    names   ::= name | "(" name ( "OR" name )* ")"   term  ::= word | phrase | word"*" | "=" ( word | phrase )
"""

from __future__ import annotations

import re
from typing import NoReturn

from bot.errors import QueryError
from bot.reading.query_tree import (
    ActorTerm,
    And,
    FieldScope,
    Filter,
    FilterName,
    Near,
    Node,
    Not,
    Or,
    Query,
    Scoped,
    Term,
    each_near,
    leaves_in,
    may_be_near,
    must_occur,
)
from bot.reading.query_words import Kind, Token, tokens_in
from bot.reading.text import fold_term, has_shared

__all__ = ["ActorTerm", "And", "Filter", "Near", "Node", "Not", "Or", "Query", "Scoped", "Term"]
__all__ += ["actors_in", "is_acronym", "keywords_in", "parse_query"]

MAX_CHARS = 1000
MAX_TERMS = 64
MAX_DEPTH = 8
_CORRECTIONS = 8

_ATOM_STARTS: frozenset[Kind] = frozenset({"word", "phrase", "prefix", "exact", "field", "("})
_language = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*").fullmatch
_acronym = re.compile(r"[^\W\d_]{2,6}|(?:[^\W\d_]\.\s?){2,6}|(?:[^\W\d_]\.\s?){1,5}[^\W\d_]").fullmatch
_NOTHING = "This would match every item without a word: name something that must occur."


def parse_query(query: str) -> Query:
    """Return the query as a tree.

    Raises:
        QueryError: at the first fault; its place is one of `query` as typed.
    """
    if len(query) > MAX_CHARS:
        raise QueryError(
            f"A query may have {MAX_CHARS} characters; this one has {len(query)}.",
            query=query,
            start=MAX_CHARS,
            end=len(query),
        )
    try:
        return Query(_Parser(query).read(), query)
    except QueryError as error:
        instead = _readable(error.instead)
        raise QueryError(
            error.what, query=query, start=error.start, end=error.end, why=error.why, instead=instead
        ) from None


def _readable(instead: str) -> str:
    """Return a correction that can itself be read, corrected in turn where it cannot; "" where that comes to nothing."""
    for _ in range(_CORRECTIONS):
        try:
            _Parser(instead).read()
        except QueryError as error:
            instead = error.instead if instead else ""
        else:
            return instead
    return ""


def keywords_in(query: Query) -> tuple[str, ...]:
    """Return the words of a query that take other forms, as typed, each once. Empty where all is exact, a phrase or an actor."""
    words = (leaf.text for leaf in leaves_in(query.root) if isinstance(leaf, Term) and leaf.mode == "word")
    return tuple(dict.fromkeys(word for word in words if _takes_forms(word)))


def actors_in(query: Query) -> tuple[str, ...]:
    """Return the names of the actors in a query, as typed, each once."""
    return tuple(dict.fromkeys(leaf.name for leaf in leaves_in(query.root) if isinstance(leaf, ActorTerm)))


def is_acronym(text: str) -> bool:
    """Return whether a term as typed is an acronym by its looks: two to six capitals, with or without dots."""
    return text.isupper() and _acronym(text) is not None


def _takes_forms(word: str) -> bool:
    return word.isalpha() and not is_acronym(word)


class _Parser:
    """Descent over the tokens, one ahead. The tokens are cut as they are asked for, so that the first fault is the one told."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.tokens = tokens_in(query)
        self.now = next(self.tokens)
        self.depth = 0
        self.terms = 0
        self.single: QueryError | None = None

    def fault(self, what: str, start: int, end: int, *, why: str = "", instead: str = "") -> QueryError:
        return QueryError(what, query=self.query, start=start, end=end, why=why, instead=instead)

    def at(self, *kinds: Kind) -> bool:
        return self.now.kind in kinds

    def step(self) -> Token:
        token = self.now
        if token.kind != "end":
            self.now = next(self.tokens)
        return token

    def read(self) -> Node:
        if self.at("end"):
            raise self.fault("There is nothing to look for.", 0, len(self.query), instead="sanctions")
        root = self.read_or()
        if self.terms > MAX_TERMS:
            raise self.fault(f"A query may have {MAX_TERMS} terms; this one has {self.terms}.", 0, len(self.query))
        if self.at(")"):
            raise self.fault(
                "This bracket has no partner.", self.now.start, self.now.end, instead=self.without(self.now)
            )
        if not must_occur(root):
            self.refuse_open(root)
        if self.single is not None:
            raise self.single
        return root

    def without(self, token: Token) -> str:
        return " ".join((self.query[: token.start] + " " + self.query[token.end :]).split())

    def read_or(self) -> Node:
        nodes = [self.read_and()]
        while self.at("OR"):
            operator = self.step()
            if not self.at(*_ATOM_STARTS) and not self.at("NOT", "-"):
                self.refuse_lonely(operator)
            nodes.append(self.read_and())
        return _joined(Or, nodes)

    def read_and(self) -> Node:
        if self.at("AND", "OR", "near"):
            self.refuse_lonely(self.now)
        nodes = [self.read_not()]
        while True:
            if self.at("AND"):
                operator = self.step()
                if not self.at(*_ATOM_STARTS) and not self.at("NOT", "-"):
                    self.refuse_lonely(operator)
            elif not self.at(*_ATOM_STARTS) and not self.at("NOT", "-"):
                return _joined(And, nodes)
            nodes.append(self.read_not())

    def read_not(self) -> Node:
        if not self.at("NOT", "-"):
            return self.read_near()
        operator = self.step()
        if not self.at(*_ATOM_STARTS):
            if self.at("NOT", "-"):
                raise self.fault(
                    "Two negations cancel each other.",
                    operator.start,
                    self.now.end,
                    instead=self.query[: operator.start] + self.query[self.now.end :].lstrip(),
                )
            instead = self.without(operator)
            raise self.fault(
                f"{_name(operator)} needs something after it.", operator.start, operator.end, instead=instead
            )
        return Not(self.read_near(), (operator.start, self.now.start))

    def read_near(self) -> Node:
        start = self.now.start
        node = self.read_atom()
        end = self.now.start
        while self.at("near"):
            operator = self.step()
            if self.at("NOT", "-"):
                self.refuse_near(self.now.start, self.now.end, self.without(operator))
            if not self.at(*_ATOM_STARTS):
                self.refuse_lonely(operator)
            right_start = self.now.start
            right = self.read_atom()
            for side, side_start, side_end in ((node, start, end), (right, right_start, self.now.start)):
                if not may_be_near(side):
                    stop = side_start + len(self.query[side_start:side_end].rstrip())
                    self.refuse_near(
                        side_start, stop, each_near(node, right, int(operator.text)) or self.without(operator)
                    )
            end = self.now.start
            node = Near(node, right, int(operator.text), (start, end))
        return node

    def read_atom(self) -> Node:
        token = self.step()
        if token.kind == "(":
            return self.read_bracket(token)
        if token.kind == "field":
            return self.read_field(token)
        if token.kind in ("word", "phrase", "prefix", "exact"):
            return self.read_term(token)
        if token.kind == ")":
            raise self.fault("There is nothing between these brackets.", max(0, token.start - 1), token.end)
        raise self.fault("Here a word is missing.", token.start, token.end)

    def read_bracket(self, opened: Token) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fault(
                f"Brackets may be nested {MAX_DEPTH} deep; here they are {_depth(self.query)} deep.",
                opened.start,
                opened.end,
            )
        if self.at("end"):
            instead = self.query[: opened.start].rstrip("( ")
            raise self.fault("This bracket has no partner.", opened.start, opened.end, instead=instead)
        if self.at(")"):
            instead = f"{self.query[: opened.start]}{self.query[self.now.end :]}".strip()
            raise self.fault("There is nothing between these brackets.", opened.start, self.now.end, instead=instead)
        node = self.read_or()
        if not self.at(")"):
            raise self.fault(
                "This bracket has no partner.", opened.start, opened.end, instead=self.query.rstrip() + ")"
            )
        self.step()
        self.depth -= 1
        return node

    def read_field(self, token: Token) -> Node:
        if token.text in ("title", "text"):
            scope: FieldScope = "title" if token.text == "title" else "text"
            actor = self.at("field") and self.now.text == "actor"
            if not actor and not self.at(*(_ATOM_STARTS - {"field"})):
                raise self.fault(f"`{scope}:` needs a word, a phrase or a bracket after it.", token.start, token.end)
            return Scoped(scope, self.read_atom())
        names = self.read_names(token)
        if token.text == "actor":
            self.terms += len(names)
            return _joined(Or, [ActorTerm(name.text, (name.start, name.end)) for name in names])
        name: FilterName = "lang" if token.text == "lang" else "source"
        for value in names:
            if name == "lang" and not _language(value.text):
                raise self.fault(
                    f"`{value.text}` is no language code.",
                    value.start,
                    value.end,
                    why="Write for example lang:ru or lang:en.",
                )
        return Filter(name, tuple(value.text for value in names), (token.start, names[-1].end))

    def read_names(self, field: Token) -> list[Token]:
        """Return the names behind `actor:`, `source:` or `lang:`: one, or several in brackets with OR between them."""
        example = {"actor": 'actor:"Jane Doe"', "source": "source:example.org"}.get(field.text, "lang:ru")
        if self.at("word", "phrase"):
            return [self.step()]
        if not self.at("("):
            raise self.fault(f"`{field.text}:` needs a name after it, for example {example}.", field.start, field.end)
        opened = self.step()
        names: list[Token] = []
        while self.at("word", "phrase"):
            names.append(self.step())
            if self.at(")"):
                self.step()
                return names
            if not self.at("OR"):
                break
            self.step()
        if self.at("end"):
            raise self.fault(
                "This bracket has no partner.", opened.start, opened.end, instead=self.query.rstrip() + ")"
            )
        raise self.fault(
            f"Between these brackets stand names with OR between them: {field.text}:(a OR b).",
            self.now.start,
            self.now.end,
        )

    def read_term(self, token: Token) -> Node:
        self.terms += 1
        folded = fold_term(token.text)
        if self.single is None and len(folded) == 1 and folded.isalnum() and not has_shared(folded):
            # Told only where all else reads: of a query such as `a OR` the letter is the lesser fault.
            self.single = self.fault(
                f"Only `{folded.decode()}` is left of this word.",
                token.start,
                token.end,
                why="A single letter or digit would match nearly everything.",
            )
        mode = "exact" if token.kind == "exact" else "prefix" if token.kind == "prefix" else "word"
        return Term(token.text, mode, (token.start, token.end))  # type: ignore[arg-type]  # a conditional of literals is read as str

    def refuse_lonely(self, operator: Token) -> NoReturn:
        instead = self.without(operator)
        raise self.fault(
            f"{_name(operator)} needs something on both sides.", operator.start, operator.end, instead=instead
        )

    def refuse_near(self, start: int, end: int, instead: str) -> NoReturn:
        raise self.fault("NEAR joins words, phrases and actors, not AND, NOT or filters.", start, end, instead=instead)

    def refuse_open(self, root: Node) -> NoReturn:
        """Refuse a query, or a side of its OR, that names nothing that must occur."""
        opened = _half_open(root)
        if opened is None:
            raise self.fault(_NOTHING, 0, len(self.query), instead=f"sanctions {root}")
        start, end = _place(next(side for side in opened.nodes if not must_occur(side)))
        raise self.fault(
            "One side of OR has no word that must occur, so nearly everything would match.",
            start,
            start + len(self.query[start:end].rstrip(" )")),
            instead=str(_closed(root)) if any(map(must_occur, opened.nodes)) else "",
        )


def _half_open(node: Node) -> Or | None:
    """Return the OR by whose side a tree has nothing that must occur; None where that is not for an OR."""
    match node:
        case Or():
            return node
        case Scoped():
            return _half_open(node.node)
        case And():
            return next((found for child in node.nodes if (found := _half_open(child))), None)
        case _:
            return None


def _closed(node: Node) -> Node:
    """Return a tree without those sides of an OR that have nothing that must occur, where others have."""
    match node:
        case Or():
            kept = [side for side in node.nodes if must_occur(side)]
            return _joined(Or, kept) if kept else node
        case Scoped():
            return Scoped(node.scope, _closed(node.node))
        case And():
            return _joined(And, [_closed(child) for child in node.nodes])
        case _:
            return node


def _depth(query: str) -> int:
    """Return how deep the brackets of a query are nested, those in quotation marks left out."""
    deepest = depth = 0
    for char in re.sub(r'"[^"]*"', "", query):
        depth += (char == "(") - (char == ")")
        deepest = max(deepest, depth)
    return deepest


def _name(operator: Token) -> str:
    return "NEAR" if operator.kind == "near" else "The minus" if operator.kind == "-" else operator.text


def _joined(kind: type[And | Or], nodes: list[Node]) -> Node:
    """Return the nodes as one, a group within a group of its kind taken apart."""
    flat: list[Node] = []
    for node in nodes:
        flat += node.nodes if isinstance(node, kind) else (node,)
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def _place(node: Node) -> tuple[int, int]:
    match node:
        case Term() | ActorTerm() | Filter() | Near() | Not():
            return node.at
        case Scoped():
            return _place(node.node)
        case And() | Or():
            return _place(node.nodes[0])[0], _place(node.nodes[-1])[1]
