"""Cuts a query into its words and marks. It alone knows what a person may type wrong within one word, and says so in plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.errors import QueryError
from bot.reading.query_tree import WORD

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["word", "phrase", "prefix", "exact", "field", "near", "AND", "OR", "NOT", "-", "(", ")", "end"]
FIELDS = ("actor", "title", "text", "source", "lang")
MAX_DISTANCE = 50

_ONE_TO_ONE = str.maketrans({**dict.fromkeys("“”„‟«»″＂", '"'), **dict.fromkeys("\u00a0\u2007\u202f\u3000", " ")})
_OTHER_OPERATOR = re.compile(r"\|\|?|&&?|~\d*|\?")
_SLASHED = re.compile(r"/[^\s/]*/?")
_WRITE = "Write OR, AND or NEAR/5; regular expressions are not supported (they can hang the bot)."
_STAR = "A star may only end a word."
_NEAR = "NEAR needs a number from 1 to 50: `a NEAR/5 b`."


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query: its kind, what it holds, and its place `[start, end)` in the query as typed."""

    kind: Kind
    text: str
    start: int
    end: int


def tokens_in(query: str) -> Iterator[Token]:
    """Yield the tokens of a query in order, the last of kind `end`.

    Raises:
        QueryError: at the first place that cannot be read.
    """
    return _Cutter(query).tokens()


class _Cutter:
    def __init__(self, query: str) -> None:
        self.query = query
        self.text = query.translate(_ONE_TO_ONE)

    def fault(self, what: str, start: int, end: int, *, why: str = "", instead: str = "") -> QueryError:
        return QueryError(what, query=self.query, start=start, end=max(end, start), why=why, instead=instead)

    def with_part(self, start: int, end: int, part: str) -> str:
        return self.text[:start] + part + self.text[end:]

    def tokens(self) -> Iterator[Token]:
        at = 0
        while at < len(self.text):
            if self.text[at].isspace():
                at += 1
                continue
            token = self.token(at)
            yield token
            at = token.end
        yield Token("end", "", len(self.text), len(self.text))

    def token(self, at: int) -> Token:
        char = self.text[at]
        if char == "(":
            return Token("(", char, at, at + 1)
        if char == ")":
            return Token(")", char, at, at + 1)
        if char == '"':
            return self.phrase(at)
        if char in "-–—":
            return self.minus(at)
        if char == "=":
            return self.exact(at)
        if WORD.match(self.text, at):
            return self.word(at)
        raise self.stray(at)

    def phrase(self, at: int) -> Token:
        close = self.text.find('"', at + 1)
        if close < 0:
            instead = self.text.rstrip() + '"'
            raise self.fault(
                "This quotation mark is never closed.", at, at + 1, instead=instead if instead[-2:] != '""' else ""
            )
        inner = " ".join(self.text[at + 1 : close].split())
        if not any(map(str.isalnum, inner)):
            raise self.fault("There is no word between these quotation marks.", at, close + 1)
        self.refuse_tail(close + 1)
        return Token("phrase", inner, at, close + 1)

    def refuse_tail(self, end: int) -> None:
        """Refuse what other programs allow right behind a word or phrase."""
        if other := _OTHER_OPERATOR.match(self.text, end):
            meant = {"|": " OR ", "&": " "}.get(other[0][0], "")
            instead = self.with_part(*other.span(), meant)
            if other[0][0] == "~" and self.text[end - 1] == '"':
                start = self.text.rfind('"', 0, end - 1)
                instead = self.with_part(start, other.end(), _near_each_other(self.text[start + 1 : end - 1], other[0]))
            raise self.fault(_WRITE, *other.span(), instead=instead)
        if self.text[end : end + 1] == "*":
            raise self.fault(
                _STAR, end, end + 1, why="A phrase is found as it stands.", instead=self.with_part(end, end + 1, "")
            )

    def minus(self, at: int) -> Token:
        if self.text[at] != "-":
            rest = self.text[at + 1 :].lstrip()
            raise self.fault(
                "This is a dash, not a minus.",
                at,
                at + 1,
                why="Phones write one for the other.",
                instead=f"{self.text[:at]}-{rest}" if rest else "",
            )
        rest = self.text[at + 1 :]
        if not rest.strip():
            raise self.fault("There is nothing after this minus.", at, at + 1, instead=self.text[:at].strip())
        if rest[0].isspace():
            raise self.fault(
                "Put the minus directly before the word: `-a`.", at, at + 1, instead=self.text[: at + 1] + rest.lstrip()
            )
        return Token("-", "-", at, at + 1)

    def exact(self, at: int) -> Token:
        following = self.text[at + 1 : at + 2]
        if following == '"':
            token = self.phrase(at + 1)
        elif WORD.match(self.text, at + 1):
            token = self.word(at + 1)
        else:
            rest = self.text[at + 1 :].lstrip()
            instead = self.text[:at] + f"={rest}" * (rest != "")
            raise self.fault('= must touch the word or phrase it makes exact: `="a b"`.', at, at + 1, instead=instead)
        if token.kind not in ("word", "phrase"):
            instead = self.with_part(at, at + 1, "")
            raise self.fault(
                "= takes a word or a phrase.", at, token.end, why="It means: no other forms.", instead=instead
            )
        return Token("exact", token.text, at, token.end)

    def word(self, at: int) -> Token:
        found = WORD.match(self.text, at)
        assert found  # noqa: S101  # both callers looked
        word, end = found[0], found.end()
        following = self.text[end : end + 1]
        if following == "*" and word.startswith("NEAR/"):
            raise self.fault(_NEAR, at, end + 1, instead=self.with_part(end, end + 1, ""))
        if following == ":":
            return self.field(at, end, word)
        if following == "*":
            return self.prefix(at, end, word)
        if word in ("AND", "OR", "NOT"):
            return Token(word, word, at, end)  # type: ignore[arg-type]  # mypy does not narrow `in` to literals
        if word == "NEAR" or word.startswith("NEAR/"):
            return self.near(at, end, word)
        if following != "":
            self.refuse_tail(end)
        return Token("word", word, at, end)

    def near(self, at: int, end: int, word: str) -> Token:
        number = word.removeprefix("NEAR").removeprefix("/")
        if not (number.isascii() and number.isdigit() and 1 <= int(number) <= MAX_DISTANCE):
            raise self.fault(
                _NEAR,
                at,
                end,
                instead=self.with_part(
                    at, end, f"NEAR/{MAX_DISTANCE if number.isdigit() and number.strip('0') else 5}"
                ),
            )
        return Token("near", number, at, end)

    def field(self, at: int, end: int, word: str) -> Token:
        name = word.lower()
        if name in FIELDS:
            return Token("field", name, at, end + 1)
        stop = re.compile(r'[^\s()"]*').match(self.text, at)
        last = stop.end() if stop else end + 1
        raise self.fault(
            f"Unknown field `{word}:`.",
            at,
            end + 1,
            why=f"Known: {', '.join(FIELDS)}. To search a colon, put it in quotes.",
            instead=self.with_part(at, last, f'"{self.text[at:last]}"'),
        )

    def prefix(self, at: int, end: int, word: str) -> Token:
        short = sum(map(str.isalnum, word)) < 3  # noqa: PLR2004  # the contract's three letters, said in the message below
        tail = re.compile(r"[*\w]*").match(self.text, end + 1)
        if tail and tail.end() > end + 1:
            raise self.fault(
                _STAR,
                end,
                end + 1,
                why="" if short else f"Did you mean `{word}*`?",
                instead=self.with_part(at, tail.end(), word if short else f"{word}*"),
            )
        if short:
            raise self.fault(
                f"A star needs three letters before it: `{word}*` would match thousands of words.",
                at,
                end + 1,
                instead=self.with_part(at, end + 1, word),
            )
        return Token("prefix", word, at, end + 1)

    def stray(self, at: int) -> QueryError:
        if self.text[at] == "*":
            return self.fault(_STAR, at, at + 1, instead=self.with_part(at, at + 1, ""))
        if other := _OTHER_OPERATOR.match(self.text, at):
            name = {"|": "OR", "&": ""}.get(other[0][0], "")
            return self.fault(_WRITE, *other.span(), instead=" ".join(self.with_part(*other.span(), name).split()))
        if self.text[at] == "/" and (slashed := _SLASHED.match(self.text, at)):
            inner = slashed[0].strip("/")
            instead = self.with_part(*slashed.span(), inner) if WORD.fullmatch(inner) else ""
            return self.fault(_WRITE, *slashed.span(), instead=instead)
        char = self.text[at]
        if char == "!":
            rest = self.text[at + 1 :].lstrip("!= ")
            return self.fault(
                "`!` means nothing in a query.",
                at,
                at + 1,
                why="For what must not occur write a minus: `-a`.",
                instead=f"{self.text[:at]}-{rest}" if rest else self.text[:at].strip(),
            )
        return self.fault(
            f"`{char}` means nothing in a query.",
            at,
            at + 1,
            why="To search it, put it in quotes with its word.",
            instead=" ".join(self.with_part(at, at + 1, " ").split()),
        )


def _near_each_other(phrase: str, slop: str) -> str:
    """Return what `"a b"~5` of other programs means here."""
    distance = min(max(int(slop[1:] or 1), 1), MAX_DISTANCE)
    return f" NEAR/{distance} ".join(phrase.split())
