"""What the people who run the bot are told, at the terminal and in the log channel: each line once there, and until it is there."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from base64 import b32encode
from functools import partial
from typing import TYPE_CHECKING

from bot.errors import DeliveryError, StoreError
from cogs._bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from bot.model import Delivery, PausedChannel
    from bot.store import Store
    from cogs._outlet import DiscordOutlet
    from cogs._places import Places

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
MOST_WAITING = 50


class Operators:
    """Tells them, one task a line; a line that waits already is not told twice. say: tells the one at the terminal, at once.

    store: set as soon as there is one.
    """

    def __init__(
        self, outlet: DiscordOutlet, places: Places, *, clock: Callable[[], datetime], say: Callable[[str], None]
    ) -> None:
        self._outlet = outlet
        self._places = places
        self._clock = clock
        self._say = say
        self._waiting: dict[str, asyncio.Task[bool]] = {}
        self._of_feeds = Bundle(lambda line: outlet.tell_operators(line, nonce=nonce_for(line)))
        self.store: Store

    async def channel_paused(self, delivery: Delivery, _: str) -> None:
        """Say once, here and in the log channel, that a channel refuses; waits for nothing to arrive."""
        try:
            await self.tell_of_paused(delivery.thread_id or delivery.channel_id)
        except StoreError as error:
            log.warning("event=pause_not_told channel=%s reason=%r", delivery.channel_id, str(error))

    async def given_up(self, delivery: Delivery, reason: str) -> None:
        """Say, here and in the log channel, what will never arrive."""
        place = self._places.name_of(delivery.thread_id or delivery.channel_id)
        what = "an alert" if delivery.kind == "post" else "a better card of an alert"
        line = f"{what} for channel {place} was refused for good, and is given up: {reason}. It was: {delivery.card.headline}"
        self._say(line)
        self.tell(line, "given up", delivery.nonce, delivery.kind, f"{self._clock():%Y%m%d%H}")

    def trouble(self, line: str) -> None:
        """Say a line of trouble, here and in the log channel; the same line once an hour there."""
        self._say(line)
        self.tell(line, line, f"{self._clock():%Y%m%d%H}")

    def notice(self, line: str) -> None:
        """Say a line on a feed, here at once, in the log channel together with others."""
        self._say(line)
        self._of_feeds.add(line)

    async def is_told(self, line: str) -> bool:
        """Say a line here; return whether it is in the log channel, as soon as that is known. No log channel is no reason against."""
        self._say(line)
        return await self._tell(line, nonce_for(line), None)

    async def tell_of_paused(self, only: int = 0) -> None:
        """Tell of the paused channels that operators do not know of; of the one that is new here too.

        Raises:
            StoreError: the database cannot say which there are.
        """
        for one in await self.store.paused_channels():
            id_ = one.thread_id or one.channel_id
            if one.told or (only and id_ != only):
                continue
            line = (
                f"nothing is posted to channel {self._places.name_of(id_)} any more: {one.reason}. "
                "What it is owed waits; it is tried again when that changes"
            )
            if only:
                self._say(line)
            named = (str(one.channel_id), str(one.thread_id), one.paused_at.isoformat())
            self.tell(line, *named, told=partial(self._told_of, one))

    async def _told_of(self, paused: PausedChannel) -> None:
        if self._outlet.log_channel:
            with contextlib.suppress(StoreError):  # then they are told again, under the same nonce
                await self.store.operators_told(paused.channel_id, paused.thread_id)

    def tell(self, line: str, *named: str, told: Callable[[], Awaitable[None]] | None = None) -> None:
        """Tell them a line, once for what `named` names (by itself: the line); told: called when it is there."""
        nonce = nonce_for(*(named or (line,)))
        if nonce in self._waiting:
            return
        if len(self._waiting) >= MOST_WAITING:
            log.warning("event=operators_not_told reason='too many lines wait' line=%r", line)
            return
        task = self._waiting[nonce] = asyncio.create_task(self._tell(line, nonce, told))
        task.add_done_callback(lambda _: self._waiting.pop(nonce, None))

    async def close(self) -> None:
        """Leave what waits untold, but for what waited to be told together."""
        tasks = list(self._waiting.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, self._of_feeds.close(), return_exceptions=True)

    async def _tell(self, line: str, nonce: str, told: Callable[[], Awaitable[None]] | None) -> bool:
        """Tell it until it is there; return whether it ever can be."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._outlet.tell_operators(line, nonce=nonce)
            except DeliveryError as error:
                log.warning("event=operators_not_told reason=%r", str(error))
                if error.closed or not error.again:
                    return False
                await asyncio.sleep(error.after_s or pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                if told is not None:
                    await told()
                return True


def nonce_for(*parts: str) -> str:
    """Return a nonce that names this."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=14).digest()
    return "o" + b32encode(digest).decode().rstrip("=").lower()
