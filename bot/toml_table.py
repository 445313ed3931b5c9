"""One table of a TOML document, read key by key; every fault is noted with its key and the rest goes on. Knows no key by name."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, TypeVar

from bot.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

Choice = TypeVar("Choice", bound=str)

UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}
UNIT_OF = {
    "millisecond": "ms",
    "sec": "s",
    "second": "s",
    "min": "m",
    "minute": "m",
    "hour": "h",
    "day": "d",
    "week": "w",
    "year": "y",
}
_PART = r"(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]+)"
_PARTS = re.compile(_PART, re.ASCII)
DURATION = re.compile(rf"{_PART}(?:[\s,]*{_PART})*", re.ASCII)
SHOWN_CHARS = 80
DISCORD_ID_MAX = 2**63 - 1


def duration_s(text: str) -> float | None:
    """Return the seconds that "90s", "5m", "1h 30m", "2 days", "week" or "0" stand for, None where it is no duration."""
    line = text.strip().lower()
    if line == "0":
        return 0.0
    if line in UNIT_OF:
        line = f"1 {line}"
    if not DURATION.fullmatch(line):
        return None
    units = [(float(number), _unit(word)) for number, word in _PARTS.findall(line)]
    return sum(number * UNIT_S[unit] for number, unit in units) if all(unit for _, unit in units) else None


def _unit(word: str) -> str:
    """Return the unit that a word stands for, "" for none."""
    return word if word in UNIT_S else UNIT_OF.get(word) or UNIT_OF.get(word.removesuffix("s"), "")


class Table:
    """A table whose keys are taken out one by one; `close` then reports what nobody asked for.

    A wrong value is noted as a fault and its default returned, so that one reading finds every fault.
    """

    def __init__(self, file: str, name: str, rows: dict[str, object], faults: list[Fault]) -> None:
        self._file = file
        self._name = name
        self._rows = dict(rows)
        self._faults = faults
        self._known: list[str] = []

    def text(self, key: str, default: str, *, needed: bool = False) -> str:
        """Return a string; a needed one may be neither missing nor blank."""
        value = self._take(key, default)
        if not isinstance(value, str):
            self.fault(key, value, 'a text in quotes, such as "…"')
            return default
        if needed and not value.strip():
            self.fault(key, value, "this is needed")
        return value.strip()

    def whole(self, key: str, default: int) -> int:
        """Return a whole number from 0 on (Discord's ids are such; quotes around one are forgiven)."""
        value = self._take(key, default)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= DISCORD_ID_MAX:
            self.fault(key, value, "a whole number: the id that Discord shows under “Copy ID”, or 0")
            return default
        return value

    def duration(self, key: str, default: str, *, least_s: float = 0.0) -> float:
        """Return seconds."""
        value = self._take(key, default)
        seconds = (
            duration_s(value) if isinstance(value, str) else 0.0 if value == 0 and not isinstance(value, bool) else None
        )
        if seconds is None:
            self.fault(key, value, f'a duration such as "90s", "5m", "6h", "90d", "3y" (default "{default}")')
        elif seconds < least_s:
            self.fault(key, value, f"at least {shown_duration(least_s)}")
        else:
            return seconds
        return duration_s(default) or 0.0

    def choice(self, key: str, allowed: tuple[Choice, ...], default: Choice) -> Choice:
        """Return one of the allowed words."""
        value = self._take(key, default)
        for word in allowed:
            if word == value:
                return word
        self.fault(key, value, "one of " + ", ".join(f'"{word}"' for word in allowed))
        return default

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self._take(key, list(default))
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            self.fault(key, value, 'a list of texts, such as ["one", "two"]')
            return default
        return tuple(word.strip() for word in value)

    def table(self, key: str) -> Table:
        """Return the table of that name; an empty one where there is none."""
        value = self._take(key, {})
        if not isinstance(value, dict):
            self.fault(key, value, f"a table: write [{key}] on a line of its own")
            value = {}
        return Table(self._file, key, value, self._faults)

    def tables(self, key: str) -> Iterator[Table]:
        """Yield each table of a list of tables, named by its place from 1 on."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            self.fault(key, value, f"a list of tables: write [[{key}]] above each")
            return
        for place, row in enumerate(value, start=1):
            yield Table(self._file, f"{key}[{place}]", row, self._faults)

    def fault(self, key: str, value: object, allowed: str) -> None:
        """Note a fault of this table."""
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        shown = shown if len(shown) <= SHOWN_CHARS else shown[: SHOWN_CHARS - 1] + "…"
        self._faults.append(
            Fault(self._file, f"{self._name}.{key}" if self._name else key, " ".join(shown.split()), allowed)
        )

    def close(self) -> None:
        """Report every key that nobody asked for, with the nearest one that exists."""
        for key, value in self._rows.items():
            near = difflib.get_close_matches(key, self._known, n=1)
            self.fault(
                key,
                value,
                f"unknown key, did you mean {near[0]}?" if near else "unknown key; known: " + ", ".join(self._known),
            )

    def _take(self, key: str, default: object) -> object:
        self._known.append(key)
        return self._rows.pop(key, default)


def shown_duration(seconds: float) -> str:
    """Return seconds as people write them in the configuration: "5m", "6h", "90d"."""
    for unit in ("d", "h", "m"):
        if seconds >= UNIT_S[unit] and seconds % UNIT_S[unit] == 0:
            return f"{seconds / UNIT_S[unit]:g}{unit}"
    return f"{seconds:g}s"
