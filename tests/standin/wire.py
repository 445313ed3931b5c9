"""What the stand-in's routes take and give: a Call, an Answer, a Refusal."""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.standin.server import StandIn

    Route = Callable[[StandIn, "Call"], "Answer"]

JSON = dict[str, Any]


@dataclass
class Call:
    """One request on its way to a route; ids: what stood in the braces of the template."""

    ids: dict[str, str]
    query: dict[str, str]
    body: Any
    files: list[str]

    def id(self, name: str) -> int:
        """Return a snowflake out of the path.

        Raises:
            Refusal: 400 where it is none.
        """
        text = self.ids[name]
        if not text.isdecimal():
            raise Refusal(400, 50035, "Invalid Form Body", [f'{name}: Value "{text}" is not snowflake.'])
        return int(text)


@dataclass
class Answer:
    """A status and its JSON; None: no content."""

    status: int = 200
    body: Any = None


@dataclass
class Refusal(Exception):  # noqa: N818 - it is Discord that refuses; nothing went wrong here
    """Discord's no, with its error code; faults: sentences that start with a path ("embeds[0].title: too long")."""

    status: int
    code: int
    message: str
    faults: list[str] = field(default_factory=list)

    def body(self) -> JSON:
        """Return it as Discord words it."""
        shape: JSON = {"message": self.message, "code": self.code}
        if self.faults:
            shape["errors"] = _error_tree(self.faults)
        return shape


def reset_connection(request: web.Request) -> web.Response:
    """Cut the connection with a RST, as a broken network does."""
    if request.transport is not None:
        raw = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


def close_connection(request: web.Request) -> web.Response:
    """Close the connection in order, but without an answer."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _error_tree(faults: list[str]) -> JSON:
    tree: JSON = {}
    for fault in faults:
        path, _, sentence = fault.partition(": ")
        node = tree
        for step in re.findall(r"[^.\[\]]+", path):
            node = node.setdefault(step, {})
        node.setdefault("_errors", []).append({"code": "STAND_IN", "message": sentence})
    return tree


UNKNOWN_APPLICATION = (404, 10002, "Unknown Application")
UNKNOWN_CHANNEL = (404, 10003, "Unknown Channel")
UNKNOWN_GUILD = (404, 10004, "Unknown Guild")
UNKNOWN_MESSAGE = (404, 10008, "Unknown Message")
UNKNOWN_WEBHOOK = (404, 10015, "Unknown Webhook")
UNKNOWN_INTERACTION = (404, 10062, "Unknown interaction")
MISSING_ACCESS = (403, 50001, "Missing Access")
FOREIGN_MESSAGE = (403, 50005, "Cannot edit a message authored by another user")
EMPTY_MESSAGE = (400, 50006, "Cannot send an empty message")
NO_TEXT_CHANNEL = (400, 50008, "Cannot send messages in a non-text channel")
MISSING_PERMISSIONS = (403, 50013, "Missing Permissions")
BAD_WEBHOOK_TOKEN = (401, 50027, "Invalid Webhook Token")
INVALID_BODY = (400, 50035, "Invalid Form Body")
ARCHIVED_THREAD = (400, 50083, "Thread is archived")
FORUM_NEEDS_THREAD = (400, 40058, "Cannot send a message in a forum channel")
TAG_REQUIRED = (400, 40067, "A tag is required to create a forum post in this channel")
ANSWERED_ALREADY = (400, 40060, "Interaction has already been acknowledged.")
