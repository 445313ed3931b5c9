"""What discord.py's gateway and log do otherwise for us: where they connect to, who they say we are, how much they say.

The only room that reaches into discord.py, and that may point it elsewhere.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import aiohttp
import discord.client
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


class OneLine(logging.Filter):
    """Has discord.py say on one line what it would show the whole way of: a connection that was refused is no bug of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the traceback off, unless everything is logged."""
        if record.exc_info and record.exc_info[1] is not None and not log.isEnabledFor(logging.DEBUG):
            record.msg, record.args = f"{record.getMessage()} ({type(record.exc_info[1]).__name__})", None
            record.exc_info = None
        return True


class Socket(DiscordWebSocket):
    """A connection that is taken up again where READY says, or, pinned, where it was begun; also after a READY that does not say."""

    pinned = False

    async def received_message(self, msg: Any, /) -> None:  # noqa: ANN401 - as it is there
        """Read one message."""
        if isinstance(msg, bytes):
            msg = self._decompressor.decompress(msg)
            if msg is None:
                return
        if '"READY"' in msg:
            read = json.loads(msg)
            if read.get("t") == "READY" and (self.pinned or not read["d"].get("resume_gateway_url")):
                read["d"]["resume_gateway_url"] = str(self.DEFAULT_GATEWAY)
                msg = json.dumps(read)
        await super().received_message(msg)


def point_at(api: str, gateway: str) -> None:
    """Have discord.py talk to these addresses in place of Discord's own; whoever calls has made sure that they are loopback."""
    discord.client.DiscordWebSocket = Socket  # type: ignore[misc]  # the name under which a client looks it up
    if api:
        Route.BASE = api
    Socket.pinned = bool(gateway)
    if gateway:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


def hush() -> None:
    """Have discord.py say on one line what is no bug."""
    for name in ("discord.client", "discord.gateway", "discord.http"):
        logging.getLogger(name).addFilter(OneLine())


def named_trace(user_agent: Callable[[], str]) -> aiohttp.TraceConfig:
    """Return what has every request say who we are, as Discord asks: discord.py says it in all but the answers to interactions."""
    trace = aiohttp.TraceConfig()

    async def began(_: object, __: object, start: aiohttp.TraceRequestStartParams) -> None:
        start.headers.setdefault("User-Agent", user_agent())

    trace.on_request_start.append(began)
    return trace
