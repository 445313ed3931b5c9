"""Finds the other forms of a keyword ("sanctions": sanction, sanctioned, sanctioning) in simplemma's dictionaries, read backwards.

It alone knows simplemma, and loads up to 400 MB for it: call it in a worker process that ends afterwards, never in the bot itself.
It never joins word families (protest stays apart from protester and Protestant): what has a lemma of its own is another word.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

from bot.model import WordForm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# The script that a language is written in, by the first word of its letters' Unicode names; all others are Latin.
_SCRIPTS = {
    **dict.fromkeys(("be", "bg", "mk", "ru", "uk"), "CYRILLIC"),
    **dict.fromkeys(("el", "grc"), "GREEK"),
    **dict.fromkeys(("ar", "fa"), "ARABIC"),
    "he": "HEBREW",
    "hi": "DEVANAGARI",
    "hy": "ARMENIAN",
    "ka": "GEORGIAN",
    "ml": "MALAYALAM",
}


def word_forms(words: Sequence[str], langs: Sequence[str]) -> dict[str, tuple[WordForm, ...]]:
    """Return for each word as typed its other forms in each language, the lemma first, then by alphabet; empty where there are none.

    langs: BCP 47 codes, of which the primary part counts. A language without a dictionary (Belarusian) or in another script than the
    word gives nothing. Of a word that is a form of one lemma and a lemma itself ("found"), the forms of the word as typed are taken.
    """
    forms: dict[str, tuple[WordForm, ...]] = dict.fromkeys(words, ())
    for lang in dict.fromkeys(code.partition("-")[0].lower() for code in langs):
        fitting = [word for word in forms if word and _script(word) == _SCRIPTS.get(lang, "LATIN")]
        lemmas = _dictionary(lang) if fitting else None
        if lemmas is not None:
            for word, found in _forms_in(lemmas, fitting).items():
                forms[word] += tuple(WordForm(text=text, lang=lang) for text in found)
    return forms


def _script(word: str) -> str:
    return unicodedata.name(word[0], "").partition(" ")[0]


def _dictionary(lang: str) -> Mapping[str, str] | None:
    from simplemma.strategies import DefaultDictionaryFactory  # noqa: PLC0415  # see the module's own words on memory

    try:
        dictionary: Mapping[str, str] = DefaultDictionaryFactory(cache_max_size=1).get_dictionary(lang)
    except ValueError:
        return None
    return dictionary


def _forms_in(lemmas: Mapping[str, str], words: Iterable[str]) -> dict[str, list[str]]:
    """Return the other forms of each word, out of a dictionary from forms to lemmas: one pass over all its entries."""
    spellings = {word: tuple(dict.fromkeys((word, word.lower(), word.capitalize()))) for word in words}
    wanted = {lemma for tried in spellings.values() for text in tried for lemma in (text, lemmas.get(text)) if lemma}
    forms: defaultdict[str, set[str]] = defaultdict(set)
    for form, lemma in lemmas.items():
        if lemma in wanted:
            forms[lemma].add(form)
    found: dict[str, list[str]] = {}
    for word, tried in spellings.items():
        own = next((text for text in tried if forms.get(text, set()) - set(tried)), None)
        chosen = own or next((lemmas[text] for text in tried if text in lemmas), None)
        if chosen is not None:
            others = (chosen, *sorted(forms[chosen]))
            found[word] = [text for text in dict.fromkeys(others) if text.lower() != word.lower()]
    return found
