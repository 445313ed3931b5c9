"""What `doctor` finds, one value for each thing it looked at. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "wrong", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """topic: what was looked at. said: how it is. advice: what to do next, "" where nothing is to be done."""

    topic: str
    state: State
    said: str
    advice: str = ""

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"{self.topic}: {self.said}" + (f"; {self.advice}" if self.advice else "")


def fine(topic: str, said: str) -> Finding:
    """Return that all is well with something."""
    return Finding(topic=topic, state="ok", said=said)


def unwise(topic: str, said: str, advice: str) -> Finding:
    """Return that something works and could be better."""
    return Finding(topic=topic, state="warning", said=said, advice=advice)


def wrong(topic: str, said: str, advice: str) -> Finding:
    """Return that something is wrong."""
    return Finding(topic=topic, state="wrong", said=said, advice=advice)


def skipped(topic: str, said: str) -> Finding:
    """Return that something was not looked at, and why."""
    return Finding(topic=topic, state="skipped", said=said)


def shown_bytes(count: float) -> str:
    """Return "4.0 kB", "37 MB", "1.2 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":  # noqa: PLR2004 - the step from one unit to the next
            return f"{count:.1f} {unit}" if count < 10 and unit != "B" else f"{count:.0f} {unit}"  # noqa: PLR2004 - one digit
        count /= 1000
    return ""
