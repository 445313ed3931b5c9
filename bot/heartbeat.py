"""The address that is asked after each good round, so that somebody far away notices silence.

Goes through the guard like everything that is fetched. Its failure is logged once and stops nothing.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bot import __version__
from bot.errors import FetchError
from bot.web.client import Ask, Client, Limits
from bot.web.fetch import PROJECT_URL
from bot.web.guard import check_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from yarl import URL

    from bot.web.guard import AllowList

log = logging.getLogger(__name__)

LIMITS = Limits(body_bytes=64 * 1024, total_s=10.0, connect_s=5.0, read_s=10.0, redirects=3)
GOOD = range(200, 300)


class Heartbeat:
    """Asks an address; remembers only whether it was answered."""

    def __init__(self) -> None:
        self._failing = ""

    async def beat(self, url: str, *, allow: AllowList, contact: str) -> bool:
        """Ask once; return whether the answer was a good one. What is in its way is logged when it changes."""
        about = "; ".join(filter(None, (f"+{PROJECT_URL}", contact)))
        try:
            async with Client(allow=allow, resolver=None, limits=LIMITS) as client:
                answer = await client.answer_for(
                    Ask(
                        url=check_url(url, allow),
                        private=allow.names(url),
                        headers={"User-Agent": f"wirewatch/{__version__} ({about})", "Accept": "*/*"},
                        turn=_at_once,
                        cut=True,
                    )
                )
            failure = "" if answer.status in GOOD else f"it answered HTTP {answer.status}"
        except FetchError as error:
            failure = str(error)
        if failure != self._failing:
            log.log(
                logging.WARNING if failure else logging.INFO, "event=heartbeat reason=%r", failure or "answered again"
            )
        self._failing = failure
        return not failure


@asynccontextmanager
async def _at_once(url: URL, follows: bool) -> AsyncIterator[None]:  # noqa: ARG001, FBT001 - the shape of Turn
    yield
