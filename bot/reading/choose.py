"""Which text of an item is read: the feed's own or the page's, and what to tell people where something is missing. Pure.

A page never wins by its length alone: it has to belong to the item, so that consent, login and error pages lose to the teaser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bot.reading.languages import any_language

if TYPE_CHECKING:
    from bot.model import PageText, TextKind

_WHOLE_CHARS: Final = 1500
_END_CHARS: Final = 300
_LONGER: Final = 1.2
_BELONGS: Final = 0.5
_PARTLY: Final = 0.6
_STEM_CHARS: Final = 6
_RUN: Final = 3
_NO_ARTICLE_CHARS: Final = 3000
_TEASER: Final = "only the teaser was read"
_NO_MORE: Final = "the page holds no more than the feed"
_WORD: Final = re.compile(r"[^\W_]+")
_CUT_OFF: Final = re.compile(
    r"(?:…|\.\.\.|\[…\]|\[\.\.\.\]|\[&hellip;\]|read more|continue reading|(?:https?://|www\.)\S+"
    r"|читать далее|читать полностью|подробнее|чытаць далей|читати далі|czytaj dalej|czytaj więcej|weiterlesen|lire la suite)"
    r"[\s.:»›→>)\]]*$",
    re.IGNORECASE,
)
_NOT_THE_ARTICLE: Final = {
    "consent": "the page asks for consent to cookies",
    "login": "the page asks for a login",
    "script": "the page needs JavaScript",
    "missing": "the page says that there is no such article",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The text to read, whose it is, and one sentence for people where something was missing, else "".

    again: the page that was had is not the article, which may still come.
    """

    title: str
    text: str
    kind: TextKind
    note: str
    again: bool = False


def whole_enough(text: str) -> bool:
    """Say whether a feed's own text is the whole article, so that the page need not be fetched."""
    paragraphs = [part for part in text.split("\n\n") if part.strip()]
    return len(text) >= _WHOLE_CHARS and len(paragraphs) > 1 and not _CUT_OFF.search(text.rstrip()[-_END_CHARS:])


def choose_text(*, title: str, feed_text: str, page: PageText | None, failure: str = "") -> Chosen:
    """Return what is read of an item. page None: it was not fetched or could not be had, failure says why in half a sentence."""
    title = title or (page.title if page else "")
    if page is None:
        return _feeds_own(title, feed_text, failure)
    why_not = _why_not(title, feed_text, page)
    if why_not is not None:
        chosen = _feeds_own(title or page.title, feed_text, why_not)
        return replace(chosen, again=chosen.kind == "teaser" and why_not != _NO_MORE)
    if page.wall or len(_WORD.findall(page.text)) < _PARTLY * page.words_said:
        reason = "the rest is behind a paywall" if page.wall else "the page holds more than could be read"
        return Chosen(title, page.text, "partly", f"only a part was read: {reason}")
    return Chosen(title, page.text, "full", "")


def _feeds_own(title: str, feed_text: str, why: str) -> Chosen:
    if whole_enough(feed_text):
        return Chosen(title, feed_text, "feed", "")
    return Chosen(title, feed_text, "teaser", f"{_TEASER}: {why}" if why else _TEASER)


def _why_not(title: str, feed_text: str, page: PageText) -> str | None:
    """Return why the page's text is not taken, None where it is."""
    if not page.text.strip():
        return "the page holds no article text"
    kind = _other_kind(page)
    if not _belongs(title, feed_text, page.text) and (kind or not _belongs(title, "", page.title)):
        return kind or "the page does not seem to be this article"
    if len(page.text) < _LONGER * len(feed_text.strip()):
        return kind or _NO_MORE
    return None


def _other_kind(page: PageText) -> str | None:
    """Return what a page is that is no article at all, None where nothing says so. Long texts are not asked: they may be about it."""
    if len(page.text) > _NO_ARTICLE_CHARS:
        return None
    said = f"{page.title}\n{page.text}".replace("’", "'").casefold()
    for kind, reason in _NOT_THE_ARTICLE.items():
        if any(phrase in said for phrase in getattr(any_language(), kind)):
            return reason
    return None


def _belongs(title: str, feed_text: str, text: str) -> bool:
    """Say whether half of the title's content words stand in the text, or half of the teaser's word triples."""
    words = _words(text)
    stems = {word[:_STEM_CHARS] for word in words}
    asked = {word[:_STEM_CHARS] for word in _words(title) if word not in any_language().stop_words}
    teaser = _runs(_words(feed_text))
    if not asked and not teaser:
        return True
    if asked and len(asked & stems) >= _BELONGS * len(asked):
        return True
    return bool(teaser) and len(teaser & _runs(words)) >= _BELONGS * len(teaser)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
