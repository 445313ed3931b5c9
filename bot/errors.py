"""Every error that wirewatch raises on purpose. Knows nothing else of the program.

    WireError                   its text is one plain line that says what to do
    ├── ConfigError             the configuration is wrong; carries every fault, not only the first
    ├── FeedError               one feed or page could not be had; never stops another
    │   ├── FetchError          the network's part: refused, timed out, too large, an HTTP status
    │   └── ParseError          the document's part: not a feed, hostile, took too long
    ├── DeliveryError           an outlet could not post; says whether trying again can help
    ├── StoreError              the database cannot be used as it is: locked, newer, damaged, full
    └── UserError               a person asked for something that cannot be; the text is shown to them
        ├── QueryError          a query that cannot be read; carries the place
        └── ChoiceError         what was named is several things; carries them, to choose from

`except Exception` belongs only around one feed, one item, one delivery, one command. `CancelledError` is never swallowed.
"""

from __future__ import annotations

from dataclasses import dataclass

AROUND_CHARS = 40
MARKED_CHARS = 120


class WireError(Exception):
    """The root: `str(error)` is one line, for people, and says what to do next."""


def printable(text: str) -> str:
    """Return text that may be shown in a terminal: control characters are replaced, line breaks stay."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a configuration file."""

    file: str
    key: str
    value: str
    allowed: str

    def __str__(self) -> str:
        """Return the fault as one line: file, key, value, what is allowed."""
        return f"{self.file}: {self.key} = {self.value}: {self.allowed}"


class ConfigError(WireError):
    """The configuration cannot be used."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class FeedError(WireError):
    """One feed or page could not be had."""


class FetchError(FeedError):
    """The network's part of a failure.

    reason: a short machine word: refused (the guard, a scheme, a port), dns, connect, timeout, too_large, redirect, status,
    robots, resting, content_type. status: the HTTP status where there was one. retry_after_s: what the server asked for.
    """

    def __init__(
        self, message: str, *, reason: str, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        self.retry_after_s = retry_after_s


class ParseError(FeedError):
    """The document's part of a failure.

    reason: a short machine word: html, challenge (a page against bots), empty, not_a_feed, entities, too_large, timeout, memory, worker.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process (exceptions pickle by their args alone)."""
        return (_parse_error, (str(self), self.reason))


class DeliveryError(WireError):
    """An outlet could not post or edit. again: whether the same thing may succeed later.

    unknown: it may have arrived all the same, so that nobody may repeat it blindly. closed: the channel takes nothing now, and
    standing says how it looks, so that a change can be told. after_s: how long its channel is to be left alone; None: try again as usual.
    """

    def __init__(
        self,
        message: str,
        *,
        again: bool,
        unknown: bool = False,
        closed: bool = False,
        standing: str = "",
        after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.again = again
        self.unknown = unknown
        self.closed = closed
        self.standing = standing
        self.after_s = after_s


class StoreError(WireError):
    """The database cannot be used as it is."""


class UserError(WireError):
    """A person asked for something that cannot be done; the text is shown to them as it stands."""


class ChoiceError(UserError):
    """What was named is several things. choices: what each is named by from now on, and its title, which may be empty."""

    def __init__(self, message: str, *, choices: tuple[tuple[str, str], ...]) -> None:
        super().__init__(message)
        self.choices = choices


class QueryError(UserError):
    """A query that cannot be read.

    what: what is wrong, one sentence. at: code points into the query as typed, `[start, end)`. why: half a sentence, may be empty.
    instead: a corrected query to copy, may be empty.
    """

    def __init__(self, what: str, *, query: str, start: int, end: int, why: str = "", instead: str = "") -> None:
        tail = "".join((f" {why}" if why else "", f" Try: {instead}" if instead else ""))
        before, marked, after = query[:start], query[start:end], query[end:]
        shown = f"{_cut(before, -AROUND_CHARS)}⟪{_cut(marked, MARKED_CHARS)}⟫{_cut(after, AROUND_CHARS)}"
        super().__init__(f"{what}{tail} ({shown})")
        self.what = what
        self.query = query
        self.start = start
        self.end = end
        self.why = why
        self.instead = instead

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process (exceptions pickle by their args alone)."""
        return (_query_error, (self.what, self.query, self.start, self.end, self.why, self.instead))


def _cut(text: str, chars: int) -> str:
    """Return the first so many characters of a text, the last where there are fewer than none, and that the rest is left out."""
    if len(text) <= abs(chars):
        return text
    return f"{text[:chars]}…" if chars > 0 else f"…{text[chars:]}"


def _parse_error(message: str, reason: str) -> ParseError:
    return ParseError(message, reason=reason)


def _query_error(what: str, query: str, start: int, end: int, why: str, instead: str) -> QueryError:
    return QueryError(what, query=query, start=start, end=end, why=why, instead=instead)
