"""Counted nouns, as people read them. Pure; our own few nouns, no grammar of English."""

from __future__ import annotations


def plural_of(noun: str) -> str:
    """Return "feeds", "watches"."""
    return f"{noun}{'es' if noun.endswith('ch') else 's'}"


def counted(count: int, noun: str) -> str:
    """Return "1 feed", "2 watches", "1,234 items"."""
    return f"{count:,} {noun if count == 1 else plural_of(noun)}"
