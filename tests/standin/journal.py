"""What happened to the stand-in: each request with its answer, each ping, each IDENTIFY, and whatever Discord would hold against a bot.

The bot's token never gets in here: where it should be, it reads "***".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

JSON = dict[str, Any]


@dataclass
class Request:
    """One REST call. path: below /api/v10, without the query. status is None while (or if never) answered; fault: what struck."""

    at_s: float
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    files: list[str] = field(default_factory=list)
    content_type: str = ""
    template: str = ""
    status: int | None = None
    answer: Any = None
    fault: str = ""


@dataclass(frozen=True)
class Violation:
    """What Discord forbids. kind: early, late, twice, lint, token, agent, type, route, identify."""

    kind: str
    text: str


@dataclass(frozen=True)
class Ping:
    """A message that notified somebody, or would have but for its silent flag."""

    message_id: int
    channel_id: int
    roles: tuple[int, ...]
    users: tuple[int, ...]
    everyone: bool
    silent: bool


@dataclass
class Journal:
    """Lists in order of time. shared_limits: 429 of the scope that Discord does not count as invalid."""

    requests: list[Request] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    pings: list[Ping] = field(default_factory=list)
    identified_at_s: list[float] = field(default_factory=list)
    resumed_at_s: list[float] = field(default_factory=list)
    shared_limits: int = 0

    def breach(self, kind: str, text: str) -> None:
        """Keep a violation."""
        self.violations.append(Violation(kind, text))

    def to(self, method: str = "*", path: str = "*") -> list[Request]:
        """Return the requests to this method and path pattern ("/channels/*/messages"), in order."""
        return [each for each in self.requests if fnmatchcase(each.method, method) and fnmatchcase(each.path, path)]

    @property
    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(each.status for each in self.requests if each.status is not None)

    @property
    def invalid_requests(self) -> int:
        """What counts towards Discord's ban of an address: 401, 403 and 429, not those of scope shared."""
        return sum(self.statuses[status] for status in (401, 403, 429)) - self.shared_limits

    def summary(self) -> JSON:
        """Return the figures, for a script in another process."""
        return {
            "requests": len(self.requests),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "invalid_requests": self.invalid_requests,
            "violations": [asdict(each) for each in self.violations],
            "pings": len(self.pings),
            "identifies": len(self.identified_at_s),
            "resumes": len(self.resumed_at_s),
        }
