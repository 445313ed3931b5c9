"""Why an alert was made, and what changed since, in words: the same on a card, in /why and in the terminal.

Pure. It alone names rules and places for people. It escapes nothing itself: `say` does, which is handed every piece that is not ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from bot.model import Change, Reason, Rule

    Say = Callable[[str, int], str]
    """Text of others and how many characters it may take → as it may be shown."""

RULE: Mapping[Rule, str] = {
    "exact": "as typed",
    "user": "an alias",
    "lemma": "another form",
    "prefix": "begins so",
    "name": "surname, beside the full name",
    "transliteration": "transliterated",
    "inflection": "inflected",
}
PLACE = {"title": "headline", "text": "text"}
WORDS_CHARS = 80
NAME_CHARS = 60
WATCHES_CHARS = 200
HEADLINE_CHARS = 120


def why_lines(reasons: Iterable[Reason], say: Say) -> list[str]:
    """Return a line for each set of watches and whom it found: the words, each with its places, the spelling and the rule."""
    by_word: dict[tuple[str | None, str, str], list[Reason]] = {}
    for reason in reasons:
        by_word.setdefault((reason.actor, reason.alias.casefold(), reason.rule), []).append(reason)
    lines: dict[tuple[tuple[str, ...], str | None], list[str]] = {}
    for (actor, _, _), those in by_word.items():
        watches = tuple(dict.fromkeys(one.watch for one in those if one.watch))
        lines.setdefault((watches, actor), []).append(_found(those, say))
    return [
        (f"{say(actor, NAME_CHARS)}: " if actor else "") + ", ".join(found) + _for(watches, say)
        for (watches, actor), found in lines.items()
    ]


def gone_lines(gone: Iterable[Reason], say: Say) -> list[str]:
    """Return a line for each set of watches: the words that an article no longer holds."""
    watches_of: dict[str, list[str]] = {}
    for reason in gone:
        watches_of.setdefault(reason.words, []).append(reason.watch)
    lines: dict[tuple[str, ...], list[str]] = {}
    for words, watches in watches_of.items():
        lines.setdefault(tuple(dict.fromkeys(filter(None, watches))), []).append(words)
    return [_quoted(words, say) + _for(watches, say) for watches, words in lines.items()]


def changes_at(changes: Sequence[Change], say: Say) -> list[tuple[datetime, str]]:
    """Return what changed, as half a sentence for each time at which something did."""
    said: dict[datetime, list[str]] = {}
    for change in changes:
        said.setdefault(change.at, []).append(_changed(change, say))
    return [(at, "; ".join(parts)) for at, parts in said.items()]


def rule_said(rule: Rule, alias: str, words: str) -> str:
    """Return the rule that found words, with the spelling where the words do not show it."""
    return RULE[rule] if _shows(words, alias) else f"{RULE[rule]}: {alias}"


def _found(those: Sequence[Reason], say: Say) -> str:
    """Return words with their places: `“sanctions” (headline, text ×3; an alias)`."""
    first = those[0]
    if first.is_whole_item:
        return f"every article of {say(first.alias, WORDS_CHARS)}"
    times: dict[str, int] = {}
    for one in those:
        times[one.field] = max(times.get(one.field, 0), one.times)
    places = ", ".join(f"{PLACE[field]} ×{count}" if count > 1 else PLACE[field] for field, count in times.items())
    is_plain = first.rule in {"exact", "prefix"}  # the words alone say it, or what they stand for
    rule = "" if is_plain else f"; {RULE[first.rule]}"
    alias = (
        "" if _shows(first.words, first.alias) else f"{'; for' if is_plain else ' of'} “{say(first.alias, NAME_CHARS)}”"
    )
    return f"“{say(first.words, WORDS_CHARS)}” ({places}{rule}{alias})"


def _shows(words: str, alias: str) -> bool:
    return " ".join(alias.split()).casefold() == " ".join(words.split()).casefold()


def _for(watches: Sequence[str], say: Say) -> str:
    return f" — {say(', '.join(watches), WATCHES_CHARS)}" if watches else ""


def _quoted(words: Iterable[str], say: Say) -> str:
    return ", ".join(f"“{say(one, WORDS_CHARS)}”" for one in words)


def _changed(change: Change, say: Say) -> str:
    match change.kind:
        case "headline":
            return "the headline was " + ", ".join(f"“{say(one, HEADLINE_CHARS)}”" for one in change.words)
        case "gone":
            return f"no longer there: {_quoted(change.words, say)}"
        case "new":
            return f"now there: {_quoted(change.words, say)}"
        case "read":
            return "now read from the article's page"
        case "text":
            return "the text was changed"
