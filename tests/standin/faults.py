"""What goes wrong on purpose: scripted faults, and Discord's rate limits with a Retry-After that is enforced."""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

JSON = dict[str, Any]
Kind = Literal["status", "429", "delay", "cut", "close", "hang", "cut_body", "wrong_type", "refuse"]
Form = Literal["route", "global", "shared", "bare", "cloudflare"]
GRACE_S: Final = 0.05  # what was under way when a 429 left is not held against the bot
_INTERACTIVE: Final = ("/interactions/", "/webhooks/")


@dataclass
class Fault:
    """One scripted fault; it strikes `times` requests (-1: all) that match, after leaving `skip` of them alone.

    status: answer `status` with `code` (a Discord error code; 0: the plain text of a proxy).
    429: `form` and `retry_after_s`, enforced.
    delay: go on after `seconds`. hang: no answer for `seconds`. refuse: the connection is closed, nothing is accepted.
    cut: a reset connection, close: one closed without an answer; both AFTER the request was accepted.
    cut_body: half an answer. wrong_type: an answer as text/html. Both after acceptance too.
    accept: overrides whether the request takes effect before the fault strikes.
    """

    kind: Kind
    method: str = "*"
    path: str = "*"
    times: int = 1
    skip: int = 0
    status: int = 502
    code: int = 0
    message: str = ""
    form: Form = "route"
    retry_after_s: float = 0.3
    seconds: float = 60.0
    accept: bool | None = None
    hits: int = 0

    @property
    def accepts(self) -> bool:
        """Whether the request takes effect all the same."""
        if self.accept is not None:
            return self.accept
        return self.kind in {"delay", "cut", "close", "cut_body", "wrong_type"}

    def strikes(self, method: str, path: str) -> bool:
        """Return whether this request is struck, and count it."""
        if self.times == 0 or not (fnmatchcase(method, self.method) and fnmatchcase(path, self.path)):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1 if self.times > 0 else 0
        self.hits += 1
        return True


@dataclass
class Limit:
    """A route's bucket: so many requests in so many seconds."""

    method: str
    path: str
    limit: int
    per_s: float


@dataclass
class Block:
    """A 429 that was answered, and until when nothing may come."""

    until_s: float
    since_s: float
    form: Form


@dataclass
class Limiter:
    """Rate limits; times are of the monotonic clock, since a bot truly sleeps. global_limit: requests in a second, None: any."""

    limits: list[Limit] = field(default_factory=list)
    global_limit: int | None = 50
    blocks: dict[str, Block] = field(default_factory=dict)
    used: dict[str, tuple[float, int]] = field(default_factory=dict)
    recent: deque[float] = field(default_factory=deque)

    def block(self, key: str, form: Form, retry_after_s: float) -> None:
        """Let nothing through for so long: on this bucket, or anywhere for global and cloudflare."""
        now = time.monotonic()
        self.blocks[form if form in {"global", "cloudflare"} else key] = Block(now + retry_after_s, now, form)

    def blocked(self, key: str, path: str) -> tuple[Block, bool] | None:
        """Return what forbids this request, and whether it comes so early that the bot should have known; None: nothing does."""
        now = time.monotonic()
        names = [key, "cloudflare"] + ([] if path.startswith(_INTERACTIVE) else ["global"])
        for name in names:
            found = self.blocks.get(name)
            if found is None:
                continue
            if now < found.until_s - 0.005:
                return found, now > found.since_s + GRACE_S
            del self.blocks[name]
        return None

    def take(self, key: str, method: str, path: str) -> tuple[Form, float] | None:
        """Count a request; return the form and the seconds to wait where it is one too many."""
        now = time.monotonic()
        if self.global_limit is not None and not path.startswith(_INTERACTIVE):
            while self.recent and self.recent[0] <= now - 1:
                self.recent.popleft()
            if len(self.recent) >= self.global_limit:
                return "global", self.recent[0] + 1 - now
            self.recent.append(now)
        limit = self._limit(method, path)
        start, count = self.used.get(key, (now, 0))
        if now - start >= limit.per_s:
            start, count = now, 0
        if count >= limit.limit:
            return "route", start + limit.per_s - now
        self.used[key] = (start, count + 1)
        return None

    def headers(self, key: str, method: str, path: str) -> dict[str, str]:
        """Return the rate headers of an answer."""
        now, limit = time.monotonic(), self._limit(method, path)
        start, count = self.used.get(key, (now, 0))
        left_s = max(0.0, start + limit.per_s - now)
        return {
            "X-RateLimit-Limit": str(limit.limit),
            "X-RateLimit-Remaining": str(max(0, limit.limit - count)),
            "X-RateLimit-Reset": f"{time.time() + left_s:.3f}",
            "X-RateLimit-Reset-After": f"{left_s:.3f}",
            "X-RateLimit-Bucket": hashlib.blake2b(
                key.split(" ", 2)[1].encode() + method.encode(), digest_size=8
            ).hexdigest(),
            "Via": "1.1 stand-in",
        }

    def _limit(self, method: str, path: str) -> Limit:
        found = (each for each in self.limits if fnmatchcase(method, each.method) and fnmatchcase(path, each.path))
        return next(found, Limit("*", "*", 1000, 1.0))


def refusal_429(form: Form, retry_after_s: float) -> tuple[JSON | str, dict[str, str]]:
    """Return body and headers of a 429 in one of its forms; bare: as of a route, but without the header that says it is Discord's."""
    seconds = str(math.ceil(retry_after_s))
    if form == "cloudflare":
        return "error code: 1015", {"Retry-After": seconds, "Server": "cloudflare"}
    scope = {"route": "user", "global": "global", "shared": "shared", "bare": "user"}[form]
    headers = {"Retry-After": seconds, "X-RateLimit-Scope": scope}
    if form != "bare":
        headers["Via"] = "1.1 stand-in"
    if form == "global":
        headers["X-RateLimit-Global"] = "true"
    text = {"shared": "The resource is being rate limited."}.get(form, "You are being rate limited.")
    body: JSON = {"message": text, "retry_after": round(retry_after_s, 3), "global": form == "global", "code": 0}
    return body, headers
