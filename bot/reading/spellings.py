"""Writes out every spelling under which an actor or a term is looked for, each with its rule and with what a hit must still show.

It works when watches are compiled, where slow is fine, so that scanning an article needs neither lemmas nor regular expressions.
It never looks at an article.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple

from bot.model import Alias
from bot.reading.known_words import BODIES, COMMON, OFFICES, PARTICLES, SHORT_NAMES
from bot.reading.query import is_acronym
from bot.reading.text import fold_term, has_shared, is_unspaced, spelling

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from bot.model import Actor, Rule, WordForm
    from bot.reading.query_tree import Term

Case = Literal["any", "capitalised", "capitals", "plural"]

LINK_SCORE = 0.7
_MIN_LINK = 4
_LINK_WORDS = (2, 3, 4)
_ALIKE = 0.6  # of two surnames in one script: Lukashenka and Lukashenko are .9
_MAX_SPACED = 4  # one-letter words whose blanks are doubled independently: sixteen spellings, not more

_apostrophes = re.compile(r"(?<=\w)['’‘ʼ`′](?=\w)")
_TWO_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ẞ": "SS"})
_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Ø": "Oe", "Å": "Aa"}
)
_written_as_two = re.compile("[ßæœẞäöüøå]", re.IGNORECASE).search
_SENTENCE_MARKS = r"[.!?;:…/|()\[\]“”«»–—]"
# A name turned round stands across a comma or white space only; a full stop there may only be an initial's.
is_parted = re.compile(rf"\w{{2,}}\W?{_SENTENCE_MARKS}").search


@dataclass(frozen=True, slots=True, eq=False)
class Spelling:
    """One spelling of one target (an actor or a term). folded: what is scanned for; a head of words where `rule` is `prefix`.

    alias: as people know it. langs: counts only in articles of these languages (or unknown), empty: in all. case: what the original must
    show. dotted, common: of acronyms. link: counts only beside an anchor. letters: what the original's letters must be, "" where the
    bytes say it all. gap: holds two blanks, which must not be a paragraph's end. turned: the surname first, which must not be another
    sentence's end. unspaced: of a writing without blanks, where no boundary stands around words. checked: a hit has to be looked at
    again at all. Each is itself and equal to no other, so that hits hash quickly.
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
    turned: bool = False
    score: float = 1.0
    unspaced: bool = field(init=False)
    checked: bool = field(init=False)

    def __post_init__(self) -> None:
        """Say once, not at each hit, whether the bytes alone are not enough."""
        doubted = (
            self.langs or self.case != "any" or self.link or self.struck or self.letters or self.gap or self.turned
        )
        object.__setattr__(self, "checked", bool(doubted))
        object.__setattr__(self, "unspaced", bool(self.letters) and is_unspaced(self.letters))


class Written(NamedTuple):
    """One way to write a name or phrase: as folded bytes, and in letters where the bytes share some with others, else ""."""

    folded: bytes
    letters: str


@lru_cache(maxsize=1024)
def foldings_of(text: str) -> tuple[Written, ...]:
    """Return the ways to write a name or phrase: as it stands, without apostrophes, two letters for one, blanks after initials."""
    variants = [text]
    if "'" in text or _apostrophes.search(text):
        variants.append(_apostrophes.sub("", text))
    if not text.isascii() and _written_as_two(text):
        two = text.translate(_TWO_LETTERS)
        variants += (two, two.translate(_UMLAUTS))
    written: dict[bytes, Written] = {}
    for variant in variants:
        plain = fold_term(variant)
        letters = spelling(variant) if has_shared(plain) else ""
        for folded in (plain, *_spaced(plain.split())):
            if folded:
                written.setdefault(folded, Written(folded, letters))
    return tuple(written.values())


def _spaced(words: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the words joined by one blank, or by one or two after each one-letter word ("George W. Bush" folds to two)."""
    single = [at for at, word in enumerate(words[:-1]) if len(word) == 1][:_MAX_SPACED]
    if not words:
        return
    if not single:
        yield b" ".join(words)
        return
    for doubled in product((b" ", b"  "), repeat=len(single)):
        blanks = dict(zip(single, doubled, strict=True))
        yield b"".join(word + (blanks.get(at, b" ") if at < len(words) - 1 else b"") for at, word in enumerate(words))


def spellings_of_actor(target: int, actor: Actor) -> list[Spelling]:
    """Return every spelling of an actor: the name and the aliases, and of personal names the bare surname as a link."""
    found: dict[tuple[bytes, str | None], Spelling] = {}
    struck = {fold_term(alias.text) for alias in actor.aliases if alias.struck}
    names = (Alias(text=actor.name, rule="exact"), *actor.aliases)
    for name in names:
        for one in _spellings_of_name(target, name, struck):
            if len(one.folded) > 1 and (one.struck or (one.folded, name.lang) not in found):
                found[one.folded, name.lang] = one
    for name in names:
        surname = name_parts(name.text)[1]
        if name.struck or len(surname) < _MIN_LINK or not _is_surname_of(name.text, actor.name):
            continue
        for written in foldings_of(surname):
            if (written.folded, name.lang) not in found and (written.folded, None) not in found:
                link = replace(_spelling(target, written, surname, "name", name.lang), case="capitalised", link=True)
                found[written.folded, name.lang] = replace(link, score=LINK_SCORE)
    return list(found.values())


def _spellings_of_name(target: int, name: Alias, struck: Collection[bytes]) -> Iterator[Spelling]:
    """Yield the spellings of one name or alias. An acronym goes by case and dots as in a query."""
    if is_acronym(name.text) and not is_known_word(name.text, ()):
        for one in acronyms_of(target, name.text, name.rule):
            gone = name.struck or one.folded in struck
            yield replace(one, struck=gone, langs=_languages(name.lang))
        return
    link = len(name.text.split()) == 1 and name.rule not in ("user", "exact")
    given, surname = name_parts(name.text)
    plain = _spelling(target, Written(b"", ""), name.text, name.rule, name.lang)
    if link:
        plain = replace(plain, case="capitalised", link=True, score=LINK_SCORE)
    for written in foldings_of(name.text):
        gone = name.struck or written.folded in struck
        yield replace(plain, folded=written.folded, letters=written.letters, struck=gone, gap=b"  " in written.folded)
    if not given or link:
        return
    for last, first, blanks in product(foldings_of(surname), foldings_of(given), (b"  ", b" ")):
        folded = last.folded + blanks + first.folded
        letters = " ".join(one.letters or one.folded.decode("ascii", "replace") for one in (last, first))
        shown = letters if has_shared(folded) else ""
        gone = name.struck or folded in struck
        yield replace(plain, folded=folded, letters=shown, struck=gone, gap=b"  " in folded, turned=True)


def name_parts(text: str) -> tuple[str, str]:
    """Return the given names and the surname of what looks like a person's name; two empty strings where it does not.

    That is two to four words, all with a capital but particles within ("Ursula von der Leyen": "Ursula", "von der Leyen").
    """
    words = text.split()
    if len(words) not in _LINK_WORDS or "," in text or not (words[0][0].isupper() and words[-1][0].isupper()):
        return "", ""
    if not all(word[0].isupper() or word in PARTICLES for word in words) or is_acronym(words[-1]):
        return "", ""
    if any(word.lower() in BODIES for word in words):
        return "", ""
    last = next((at for at, word in enumerate(words) if at and word in PARTICLES), len(words) - 1)
    return " ".join(words[:last]), " ".join(words[last:])


def _is_surname_of(alias: str, name: str) -> bool:
    """Return whether the last word of an alias is the surname in a name, alike or in another script; not that of an office.

    "Alyaksandr Lukashenka" and "Аляксандр Лукашэнка" end in the surname of Alexander Lukashenko; "Hungarian Prime Minister" does not.
    """
    if alias == name:
        return True
    surname, own = name_parts(alias)[1].casefold(), name_parts(name)[1].casefold()
    if not own or any(word in OFFICES for word in alias.casefold().replace("-", " ").split()):
        return bool(own) and surname == own
    if _script(surname) != _script(own):
        return len(alias.split()) == len(name.split())
    return SequenceMatcher(None, surname, own, autojunk=False).ratio() >= _ALIKE


def _script(word: str) -> str:
    return unicodedata.name(word[0], "").partition(" ")[0]


def spellings_of_term(
    target: int, term: Term, forms: Mapping[str, Sequence[WordForm]], *, acronym: bool
) -> list[Spelling]:
    """Return every spelling of a keyword or phrase. acronym: it must stand in capitals."""
    if acronym:
        return list(acronyms_of(target, term.text, "exact"))
    if term.mode == "prefix":
        return [_spelling(target, _as_written(term.text), f"{term.text}*", "prefix")]
    written = {one.folded: _spelling(target, one, term.text, "exact") for one in foldings_of(term.text)}
    if term.mode == "word":
        by_form: dict[bytes, tuple[str, set[str]]] = {}
        for form in forms.get(term.text, ()):
            by_form.setdefault(fold_term(form.text), (form.text, set()))[1].add(form.lang)
        for folded, (text, langs) in by_form.items():
            if folded and folded not in written:
                written[folded] = _spelling(target, _as_written(text), text, "lemma", *langs)
    return list(written.values())


def acronyms_of(target: int, text: str, rule: Rule) -> Iterator[Spelling]:
    """Yield the spellings of an acronym: bare, in the plural, with dots; all must stand in capitals."""
    letters = [char for char in text if char.isalpha()]
    bare = _as_written("".join(letters))
    common = bare.folded.decode("ascii", "replace") in COMMON
    plain = replace(_spelling(target, bare, text, rule), case="capitals", common=common)
    yield plain
    yield replace(plain, folded=bare.folded + b"s", letters=bare.letters and bare.letters + "s", case="plural")
    for blanks in (" ", "  "):
        dotted = _as_written(blanks.join(letters))
        folded = blanks.encode().join(map(fold_term, letters))
        yield replace(plain, folded=folded, letters=dotted.letters, gap=b"  " in folded, common=False, dotted=True)


def _as_written(text: str) -> Written:
    folded = fold_term(text)
    return Written(folded, spelling(text) if has_shared(folded) else "")


def _spelling(target: int, written: Written, alias: str, rule: Rule, *langs: str | None) -> Spelling:
    folded, letters = written
    return Spelling(target, folded, alias, rule, _languages(*langs), letters=letters, gap=b"  " in folded)


def _languages(*langs: str | None) -> frozenset[str]:
    return frozenset(lang.partition("-")[0].lower() for lang in langs if lang)


def is_known_word(text: str, names: Iterable[str]) -> bool:
    """Return whether capitals as typed are a name that people also write in small letters: a place, a surname, or a part of an actor's."""
    low = text.lower()
    return low in SHORT_NAMES or any(low in name.lower().split() and text not in name for name in names)
