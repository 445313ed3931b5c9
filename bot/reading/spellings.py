"""Writes out every spelling under which an actor or a term is looked for, each with its rule and with what a hit must still show.

It works when watches are compiled, where slow is fine, so that scanning an article needs neither lemmas nor regular expressions.
It never looks at an article.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Literal

from bot.reading.query import is_acronym
from bot.reading.text import fold_term, has_shared, spelling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bot.model import Actor, Rule, WordForm
    from bot.reading.query_tree import Term

Case = Literal["any", "capitalised", "capitals", "plural"]

LINK_SCORE = 0.7
_MIN_LINK = 4
_LINK_WORDS = (2, 3, 4)
_MAX_SPACED = 4  # one-letter words whose blanks are doubled independently: sixteen spellings, not more

_apostrophes = re.compile(r"(?<=\w)['’‘ʼ`′](?=\w)")
_TWO_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ẞ": "SS"})
_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Ø": "Oe", "Å": "Aa"}
)
_written_as_two = re.compile("[ßæœẞäöüøå]", re.IGNORECASE).search
# Acronyms that are also words: in a line of capitals they prove nothing.
_COMMON = """
    us it who is am or an as at be by do go he if in me my no of on so to up we aid act
"""
_COMMON_WORDS = frozenset(_COMMON.split())
# Names that are short enough to pass for acronyms when typed in capitals.
_TOWNS = """
    iran iraq china russia syria israel gaza cuba chad mali niger togo benin ghana kenya sudan libya egypt oman
    qatar yemen india nepal japan korea laos spain france italy malta greece cyprus serbia kosovo latvia poland
    norway sweden turkey minsk moscow kyiv kiev sochi paris london berlin vienna rome prague sofia riga hague
    davos brest grodno
"""
_PLACES = frozenset(_TOWNS.split())
# Last words of organisations and places, which are no surnames although the whole looks like a name.
_BODIES = """
    academy agency alliance army assembly association authority bank board bureau center centre chamber church
    city club command commission committee company confederation conference congress corporation council country
    court department district duma embassy federation force forces forum foundation front fund government group
    guard house industries institute international island islands kingdom league media ministry mission movement
    nations network news office organisation organization parliament party police post press region republic
    security senate service society soviet state states street times tribunal union university watch zone
"""
_NO_SURNAMES = frozenset(_BODIES.split())


@dataclass(frozen=True, slots=True)
class Spelling:
    """One spelling of one target (an actor or a term). folded: what is scanned for; a head of words where `rule` is `prefix`.

    alias: as people know it. langs: counts only in articles of these languages (or unknown), empty: in all. case: what the original must
    show. dotted, common: of acronyms. link: counts only beside an anchor. letters: what the original's letters must be, "" where the
    bytes say it all. gap: holds two blanks, which must not be a paragraph's end. checked: a hit has to be looked at again at all.
    """

    target: int
    folded: bytes
    alias: str
    rule: Rule
    langs: frozenset[str] = frozenset()
    case: Case = "any"
    common: bool = False
    dotted: bool = False
    link: bool = False
    struck: bool = False
    letters: str = ""
    gap: bool = False
    score: float = 1.0

    @property
    def checked(self) -> bool:
        """Return whether a hit of the bytes alone is not enough."""
        return bool(self.langs or self.case != "any" or self.link or self.struck or self.letters or self.gap)


@lru_cache(maxsize=1024)
def foldings_of(text: str) -> tuple[bytes, ...]:
    """Return the folded spellings of a name or phrase: as it stands, without apostrophes, two letters for one, blanks after initials."""
    plain = fold_term(text)
    written = {plain: None}
    if "'" in text or _apostrophes.search(text):
        written[fold_term(_apostrophes.sub("", text))] = None
    if not text.isascii() and _written_as_two(text):
        two = text.translate(_TWO_LETTERS)
        written |= dict.fromkeys((fold_term(two), fold_term(two.translate(_UMLAUTS))))
    for folded in tuple(written):
        if len(words := folded.split()) > 1:
            written |= dict.fromkeys(_spaced(words))
    return tuple(filter(None, written))


def _spaced(words: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the words joined by one blank, or by one or two after each one-letter word ("George W. Bush" folds to two)."""
    single = [at for at, word in enumerate(words[:-1]) if len(word) == 1][:_MAX_SPACED]
    if not single:
        yield b" ".join(words)
        return
    for doubled in product((b" ", b"  "), repeat=len(single)):
        blanks = dict(zip(single, doubled, strict=True))
        yield b"".join(word + (blanks.get(at, b" ") if at < len(words) - 1 else b"") for at, word in enumerate(words))


def spellings_of_actor(target: int, actor: Actor) -> list[Spelling]:
    """Return every spelling of an actor: the name and the aliases, and of personal names the bare surname as a link."""
    found: dict[tuple[bytes, str | None], Spelling] = {}
    names = [(actor.name, "exact", None, False)] + [(a.text, a.rule, a.lang, a.struck) for a in actor.aliases]
    struck = {fold_term(a.text) for a in actor.aliases if a.struck}
    for text, rule, lang, gone in names:
        words = name_words(text)
        link = len(text.split()) == 1 and rule not in ("user", "exact")
        written = foldings_of(text)
        if len(words) > 1 and not link:
            first, last = foldings_of(" ".join(words[:-1])), foldings_of(words[-1])
            written += tuple(one + blanks + other for one in last for blanks in (b"  ", b" ") for other in first)
        case: Case = "capitals" if is_acronym(text) else "capitalised" if link else "any"
        for folded in written:
            made = _spelling(target, folded, text, rule, lang, case=case, link=link, struck=gone or folded in struck)  # type: ignore[arg-type]  # a tuple of str loses Rule
            if len(folded) > 1 and (made.struck or (folded, lang) not in found):
                found[folded, lang] = made
    for text, _, lang, gone in names:
        surname = name_words(text)[-1:]
        if gone or not surname or len(surname[0]) < _MIN_LINK:
            continue
        for folded in foldings_of(surname[0]):
            if (folded, lang) not in found and (folded, None) not in found:
                made = _spelling(target, folded, surname[0], "name", lang, case="capitalised", link=True)
                found[folded, lang] = made
    return list(found.values())


def name_words(text: str) -> tuple[str, ...]:
    """Return the words of what looks like a person's name: two to four words in capitals; else nothing."""
    words = tuple(text.split())
    if len(words) not in _LINK_WORDS or not all(word[0].isupper() for word in words) or "," in text:
        return ()
    return () if any(word.lower() in _NO_SURNAMES for word in words) or is_acronym(words[-1]) else words


def spellings_of_term(
    target: int, term: Term, forms: Mapping[str, Sequence[WordForm]], *, acronym: bool
) -> list[Spelling]:
    """Return every spelling of a keyword or phrase. acronym: it must stand in capitals."""
    if acronym:
        return list(_acronyms(target, term.text))
    if term.mode == "prefix":
        return [_spelling(target, fold_term(term.text), f"{term.text}*", "prefix")]
    written: dict[bytes, Spelling] = {
        folded: _spelling(target, folded, term.text, "exact") for folded in foldings_of(term.text)
    }
    if term.mode == "word":
        by_form: dict[bytes, tuple[str, set[str]]] = {}
        for form in forms.get(term.text, ()):
            by_form.setdefault(fold_term(form.text), (form.text, set()))[1].add(form.lang)
        for folded, (text, langs) in by_form.items():
            if folded and folded not in written:
                made = _spelling(target, folded, text, "lemma", *langs)
                written[folded] = made
    return list(written.values())


def _acronyms(target: int, text: str) -> Iterator[Spelling]:
    letters = [char for char in text if char.isalpha()]
    bare = fold_term("".join(letters))
    common = bare.decode("ascii", "replace") in _COMMON_WORDS
    yield _spelling(target, bare, text, "exact", case="capitals", common=common)
    yield _spelling(target, bare + b"s", text, "exact", case="plural", common=common)
    for blanks in (b" ", b"  "):
        yield _spelling(target, blanks.join(map(fold_term, letters)), text, "exact", case="capitals", dotted=True)


def _spelling(
    target: int,
    folded: bytes,
    alias: str,
    rule: Rule,
    *langs: str | None,
    case: Case = "any",
    common: bool = False,
    dotted: bool = False,
    link: bool = False,
    struck: bool = False,
) -> Spelling:
    # A spelling with shared letters is compared with the alias it was made from; made ones (two letters for one) have none.
    letters = spelling(alias) if has_shared(folded) else ""
    return Spelling(
        target,
        folded,
        alias,
        rule,
        frozenset(lang.partition("-")[0].lower() for lang in langs if lang),
        case,
        common,
        dotted,
        link,
        struck,
        letters,
        b"  " in folded,
        LINK_SCORE if link else 1.0,
    )


def is_known_word(text: str, names: Iterable[str]) -> bool:
    """Return whether capitals as typed are a name that people also write in small letters: a place, or a part of an actor's name."""
    return text.lower() in _PLACES or any(text.lower() in name.lower().split() and text not in name for name in names)
