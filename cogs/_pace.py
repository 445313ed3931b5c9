"""How fast Discord may be asked, and when it is to be left alone: everywhere, or on one route. Sends nothing.

Its limits by bucket are discord.py's to keep; here stand those of the token as a whole, the ban of the address, and what Discord asked
for that is too long to sleep inside a call.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable

Route = tuple[str, int]
"""A method and a channel."""

INVALID_WINDOW_S = 600.0
INVALID_MOST = 1000
MOST_PER_S = 40  # of the 50 that Discord allows a token; its 429s would count towards the ban of the address


@dataclass(slots=True)
class Invalid:
    """Counts what Discord counts towards the ban of an address: 401, 403 and 429, but not those of scope shared."""

    at_s: deque[float] = field(default_factory=deque)
    by_status: Counter[str] = field(default_factory=Counter)

    def add(self, status: int, scope: str | None) -> None:
        """Count an answer."""
        if status in {401, 403, 429} and scope != "shared":
            self.at_s.append(time.monotonic())
            self.by_status[str(status)] += 1

    @property
    def count(self) -> int:
        """How many there were in the last ten minutes."""
        while self.at_s and self.at_s[0] < time.monotonic() - INVALID_WINDOW_S:
            self.at_s.popleft()
        return len(self.at_s)


class Pace:
    """Turns and rests. say: tells the operator at the terminal one line. longest_s: what is slept out; what is longer is refused."""

    def __init__(self, say: Callable[[str], None], *, longest_s: float) -> None:
        self._say = say
        self._longest_s = longest_s
        self._turns = asyncio.Lock()
        self._turn_at_s = 0.0
        self._until_s = 0.0
        self._routes_until_s: dict[Route, float] = {}
        self.invalid = Invalid()

    def count(self, status: int, scope: str | None) -> None:
        """Count an answer towards the ban of the address, and rest long before it comes."""
        self.invalid.add(status, scope)

    async def turn(self, route: Route) -> None:
        """Wait until one more request is within what Discord allows a second, and until a short rest of everything is over.

        Raises:
            DeliveryError: this route, or for long everything, is to be left alone; it says for how long.
        """
        if self.invalid.count >= INVALID_MOST and not self._rest_s():
            self.rest(INVALID_WINDOW_S / 2, f"Discord refused {INVALID_MOST} requests in ten minutes")
        await self.all_clear()
        rest_s = self._routes_until_s.pop(route, 0.0) - time.monotonic()
        if rest_s > 0:
            self.rest_route(route, rest_s)
            raise DeliveryError("Discord asked for a pause there", again=True, after_s=rest_s)
        async with self._turns:  # held while it sleeps, so that after a stall nobody catches up
            await asyncio.sleep(max(0.0, self._turn_at_s - time.monotonic()))
            self._turn_at_s = time.monotonic() + 1 / MOST_PER_S

    async def all_clear(self) -> None:
        """Wait out a short rest of everything.

        Raises:
            DeliveryError: it is a long one.
        """
        while (rest_s := self._rest_s()) > 0:
            if rest_s > self._longest_s:
                raise DeliveryError("Discord asked for a pause", again=True, after_s=rest_s)
            await asyncio.sleep(rest_s)

    def rest(self, seconds: float, why: str = "") -> None:
        """Ask for nothing for so long; why: said, where people are to know."""
        if why and not self._rest_s():
            self._say(f"{why}: nothing is sent for {shown_s(seconds)}; what is owed waits")
        self._until_s = max(self._until_s, time.monotonic() + seconds)

    def rest_route(self, route: Route, seconds: float) -> None:
        """Ask for nothing on this route for so long."""
        self._routes_until_s[route] = max(self._routes_until_s.get(route, 0.0), time.monotonic() + seconds)

    def _rest_s(self) -> float:
        return max(0.0, self._until_s - time.monotonic())


def shown_s(seconds: float) -> str:
    """Return a duration in words."""
    return f"{seconds / 60:.0f} minutes" if seconds > 90 else f"{max(1, round(seconds))} seconds"  # noqa: PLR2004 - a minute and a half
