"""Forms of keywords, kept so that the large word lists need not be loaded at each start. Owns the table word_forms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bot.model import WordForm

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence


def word_forms(sql: sqlite3.Connection, words: Sequence[str], langs: Sequence[str]) -> dict[str, tuple[WordForm, ...]]:
    """Return the forms of those words that are known in every one of these languages, by language in the order given.

    A word that has no other form comes back with an empty tuple; one that must still be asked for does not come back.
    """
    wanted = list(dict.fromkeys(langs))
    kept: dict[str, dict[str, list[str]]] = {}
    rows = sql.execute(
        """SELECT word, lang, forms FROM word_forms
        WHERE word IN (SELECT value FROM json_each(?)) AND lang IN (SELECT value FROM json_each(?))""",
        (json.dumps(list(words)), json.dumps(wanted)),
    )
    for word, lang, forms in rows:
        kept.setdefault(word, {})[lang] = json.loads(forms)
    return {
        word: tuple(WordForm(text=text, lang=lang) for lang in wanted for text in kept.get(word, {})[lang])
        for word in dict.fromkeys(words)
        if kept.get(word, {}).keys() >= set(wanted)
    }


def keep_word_forms(sql: sqlite3.Connection, forms: Mapping[str, Sequence[WordForm]], langs: Sequence[str]) -> None:
    """Remember the forms of these words in exactly these languages; a language without a form is remembered as such."""
    sql.executemany(
        "INSERT OR REPLACE INTO word_forms (word, lang, forms) VALUES (?, ?, ?)",
        [
            (word, lang, json.dumps([one.text for one in found if one.lang == lang]))
            for word, found in forms.items()
            for lang in langs
        ],
    )
