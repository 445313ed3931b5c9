"""What the card of an alert says once its article was read again: what changed, and what no longer stands there. Pure.

"No longer" is said only where it is known: by a text that is read at least as fully as the one the alert was made of, and of words that
stand nowhere in what the feed or the page now says.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from bot.cards import UNTITLED
from bot.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bot.model import Article, BriefSentence, Card, ChangeKind, Item, Reason

FULLNESS = {"teaser": 0, "partly": 1, "feed": 2, "full": 2}
CHANGES = 6


class Rereading:
    """One article that was read before, as it now is."""

    def __init__(self, *, item: Item, article: Article, now: datetime) -> None:
        self._item = item
        self._article = article
        self._now = now

    def told(self, card: Card, better: Card | None) -> Card:
        """Return what the card of an alert says from now on. better: what its watches make of the article, None where none fires."""
        fires = better is not None
        if better is None:
            if not self._is_known(card) or not self._missing((*card.reasons, *card.gone)):
                return card
            better = self._without_matches(card)
        if self._is_known(card):
            silent = [
                one for one in (*card.reasons, *card.gone) if one.watch not in {each.watch for each in better.reasons}
            ]
            better = replace(better, gone=self._missing(silent), before=self._unsaid((*card.brief, *card.before)))
            better = better if better.gone else replace(better, before=())
        else:
            better = replace(better, gone=card.gone, before=card.before)
        if better.gone and not fires:
            better = replace(better, mentions=())
        better = replace(better, changes=card.changes)
        if better == card:
            return card
        return replace(better, changes=(*card.changes, *self._changes(card, better))[-CHANGES:])

    def _without_matches(self, card: Card) -> Card:
        """Return a card whose watches all fell silent, with what is left of it."""
        article = self._article
        return replace(
            card,
            headline=article.title or UNTITLED,
            link=article.url,
            published_at=article.published_at,
            kind=article.kind,
            note=article.note,
            lang=article.lang,
            reasons=(),
            brief=tuple(one for one in card.brief if _one_line(one.text) in self._said),
        )

    def _is_known(self, card: Card) -> bool:
        return FULLNESS[self._article.kind] >= FULLNESS[card.kind]

    def _missing(self, reasons: Iterable[Reason]) -> tuple[Reason, ...]:
        """Return those of the reasons whose words stand nowhere any more, each once."""
        found = (one for one in reasons if not one.is_whole_item)  # a headline that stood for the item was never found
        return tuple(dict.fromkeys(replace(one, times=1) for one in found if not self._stands(one.words)))

    def _unsaid(self, sentences: Iterable[BriefSentence]) -> tuple[BriefSentence, ...]:
        return tuple(dict.fromkeys(one for one in sentences if _one_line(one.text) not in self._said))

    def _changes(self, card: Card, better: Card) -> list[Change]:
        """Return what a reader of the card would want to know that it says otherwise now."""
        known = self._is_known(card)
        old, new = _words(card.reasons), _words(better.reasons)
        said: list[tuple[ChangeKind, tuple[str, ...]]] = []
        if better.headline != card.headline:
            said.append(("headline", (card.headline,)))
        if card.kind == "teaser" and better.kind != "teaser":
            said.append(("read", ()))
        gone = [one for one in old.values() if known and one != card.headline and not self._stands(one)]
        if gone:
            said.append(("gone", tuple(gone)))
        elif known and card.kind == better.kind and self._unsaid(card.brief):
            said.append(("text", ()))
        if added := [one for low, one in new.items() if low not in old and one != better.headline]:
            said.append(("new", tuple(added)))
        return [Change(at=self._now, kind=kind, words=words) for kind, words in said]

    @cached_property
    def _said(self) -> str:
        """What the feed and the page now say, on one line."""
        return _one_line(f"{self._article.title} {self._article.text} {self._item.title} {self._item.text}")

    @cached_property
    def _said_low(self) -> str:
        return self._said.casefold()

    def _stands(self, words: str) -> bool:
        """Return whether words stand there still, as words where their letters have a case, and so blanks between them."""
        low = _one_line(words).casefold()
        before, after = (r"(?<!\w)" if low[:1].islower() else ""), (r"(?!\w)" if low[-1:].islower() else "")
        return bool(low) and re.search(before + re.escape(low) + after, self._said_low) is not None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _words(reasons: Iterable[Reason]) -> dict[str, str]:
    return {one.words.casefold(): one.words for one in reasons}
