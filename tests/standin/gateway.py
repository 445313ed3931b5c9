"""The stand-in's gateway: sessions that outlive their connection, heartbeats, RESUME with what was missed, and its bad days.

Speaks plain JSON text frames, whatever compression was asked for; discord.py takes both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from aiohttp import WSMsgType, web

from tests.standin.shapes import guild_json, user_json
from tests.standin.wire import close_connection, reset_connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.standin.server import StandIn

JSON = dict[str, Any]
Refused = Literal["502", "503", "reset", "close", "hang"]
GUILDS: Final = 1 << 0
GUILD_MESSAGES: Final = 1 << 9
_PRIVILEGED: Final = (1 << 1) | (1 << 8) | (1 << 15)
_NEEDED: Final = {"MESSAGE_CREATE": GUILD_MESSAGES, "MESSAGE_UPDATE": GUILD_MESSAGES, "MESSAGE_DELETE": GUILD_MESSAGES}


@dataclass
class Frame:
    """One event of a session; delivered is called each time it is written to a connection."""

    seq: int
    text: str
    delivered: Callable[[], None] | None = None


@dataclass
class Session:
    """What a RESUME takes up again: every event since the IDENTIFY. socket is None while the bot is away."""

    id: str
    intents: int
    frames: list[Frame] = field(default_factory=list)
    outbox: asyncio.Queue[Frame] = field(default_factory=asyncio.Queue)
    socket: web.WebSocketResponse | None = None

    def push(self, event: str, data: JSON, delivered: Callable[[], None] | None = None) -> None:
        """Queue an event; it goes out at once where a connection is open."""
        seq = len(self.frames) + 1
        frame = Frame(seq, json.dumps({"op": 0, "s": seq, "t": event, "d": data}), delivered)
        self.frames.append(frame)
        if self.socket is not None:
            self.outbox.put_nowait(frame)


@dataclass
class Gateway:
    """All of /gateway. resume_url: what READY says of where to resume; "": here, None: nothing."""

    stand: StandIn
    heartbeat_interval_s: float = 41.25
    answers_heartbeats: bool = True
    identify_gap_s: float = 0.0
    sessions: dict[str, Session] = field(default_factory=dict)
    sockets: dict[web.WebSocketResponse, web.Request] = field(default_factory=dict)
    connections: int = 0
    heartbeats: int = 0
    resume_url: str | None = ""
    refusals_left: int = 0
    refuse_how: Refused = "502"

    @property
    def connected(self) -> bool:
        """Whether a bot is connected and identified."""
        return any(session.socket is not None for session in self.sessions.values())

    def refuse(self, times: int, how: Refused = "502") -> None:
        """Refuse the next connections: with a status, a reset, a close without an answer, or none at all."""
        self.refusals_left, self.refuse_how = times, how

    def dispatch(self, event: str, data: JSON, delivered: Callable[[], None] | None = None) -> None:
        """Send an event to every session whose intents allow it; one that is away gets it with its RESUME."""
        needed = _NEEDED.get(event, 0)
        for session in self.sessions.values():
            if session.intents & needed == needed:
                session.push(event, data, delivered)

    def forget(self) -> None:
        """Forget all sessions: the next RESUME is refused with INVALID_SESSION."""
        self.sessions.clear()

    async def drop(self, code: int | None = None) -> None:
        """End all connections: without a word, or with this close code; sessions stay, to be resumed."""
        for socket, request in list(self.sockets.items()):
            self._leave(socket)
            if code is None:
                reset_connection(request)
            else:
                await socket.close(code=code, message=b"stand-in")

    async def reconnect(self) -> None:
        """Ask every bot to reconnect and resume (op 7)."""
        await self._send_all({"op": 7, "d": None})

    async def invalidate(self, *, resumable: bool = False) -> None:
        """Tell every bot that its session is invalid (op 9); one that is not resumable is forgotten."""
        if not resumable:
            self.sessions.clear()
        await self._send_all({"op": 9, "d": resumable})

    async def _send_all(self, frame: JSON) -> None:
        for socket in list(self.sockets):
            with contextlib.suppress(ConnectionError):
                await socket.send_json(frame)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        self.connections += 1
        if self.refusals_left > 0:
            self.refusals_left -= 1
            return await self._refuse(request)
        socket = web.WebSocketResponse(max_msg_size=0, timeout=0.2)
        await socket.prepare(request)
        self.sockets[socket] = request
        try:
            await socket.send_json(
                {"op": 10, "s": None, "t": None, "d": {"heartbeat_interval": self.heartbeat_interval_s * 1000}}
            )
            await self._listen(socket)
        except ConnectionError:
            pass
        finally:
            self._leave(socket)
        return socket

    async def _refuse(self, request: web.Request) -> web.StreamResponse:
        match self.refuse_how:
            case "reset":
                return reset_connection(request)
            case "close":
                return close_connection(request)
            case "hang":
                await self.stand.pause(60)
                return close_connection(request)
            case status:
                return web.Response(status=int(status), text="upstream error")

    async def _listen(self, socket: web.WebSocketResponse) -> None:
        writer: asyncio.Task[None] | None = None
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                frame = json.loads(message.data)
                session = await self._hear(socket, frame)
                if session is not None and writer is None:
                    writer = asyncio.create_task(self._write(socket, session))
        finally:
            if writer is not None:
                writer.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writer
        if socket.close_code in {1000, 1001}:
            gone = [key for key, session in self.sessions.items() if session.socket is socket]
            for key in gone:
                del self.sessions[key]

    async def _hear(self, socket: web.WebSocketResponse, frame: JSON) -> Session | None:
        match frame.get("op"):
            case 1:
                self.heartbeats += 1
                if self.answers_heartbeats:
                    await socket.send_json({"op": 11})
            case 2:
                return await self._identify(socket, frame["d"])
            case 6:
                return await self._resume(socket, frame["d"])
        return None

    async def _identify(self, socket: web.WebSocketResponse, data: JSON) -> Session | None:
        stand, now = self.stand, time.monotonic()
        times = stand.journal.identified_at_s
        early = bool(times) and now - times[-1] < self.identify_gap_s
        times.append(now)
        if data.get("token") != stand.token or stand.token_revoked:
            await socket.close(code=4004, message=b"Authentication failed.")
            return None
        if int(data.get("intents", 0)) & _PRIVILEGED & ~stand.privileged_intents:
            await socket.close(code=4014, message=b"Disallowed intent(s).")
            return None
        if early:
            stand.journal.breach("identify", "an IDENTIFY too soon after another")
            await socket.send_json({"op": 9, "d": False})
            return None
        session = Session(f"{stand.clock.snowflake():x}", int(data.get("intents", 0)), socket=socket)
        self.sessions[session.id] = session
        self._greet(session)
        return session

    def _greet(self, session: Session) -> None:
        world = self.stand.world
        where = self.resume_url if self.resume_url != "" else self.stand.gateway_url + "/resume"
        session.push(
            "READY",
            ({} if where is None else {"resume_gateway_url": where})
            | {
                "v": 10,
                "user": user_json(world.bot) | {"verified": True, "mfa_enabled": True, "email": None},
                "guilds": [{"id": str(guild), "unavailable": True} for guild in world.guilds],
                "session_id": session.id,
                "session_type": "normal",
                "application": {"id": str(world.application_id), "flags": 0},
                "shard": [0, 1],
                "private_channels": [],
                "relationships": [],
                "presences": [],
                "user_settings": {},
                "_trace": ["stand-in"],
            },
        )
        if session.intents & GUILDS:
            for guild in world.guilds.values():
                session.push("GUILD_CREATE", guild_json(guild, world.bot.id))

    async def _resume(self, socket: web.WebSocketResponse, data: JSON) -> Session | None:
        session = self.sessions.get(str(data.get("session_id")))
        seq = data.get("seq")
        if data.get("token") != self.stand.token or self.stand.token_revoked:
            await socket.close(code=4004, message=b"Authentication failed.")
            return None
        if session is None or not isinstance(seq, int) or seq > len(session.frames):
            await socket.send_json({"op": 9, "d": False})
            return None
        self.stand.journal.resumed_at_s.append(time.monotonic())
        session.socket = socket
        session.outbox = asyncio.Queue()
        for frame in session.frames[seq:]:
            session.outbox.put_nowait(frame)
        session.push("RESUMED", {"_trace": ["stand-in"]})
        return session

    async def _write(self, socket: web.WebSocketResponse, session: Session) -> None:
        outbox = session.outbox
        while True:
            frame = await outbox.get()
            try:
                await socket.send_str(frame.text)
            except ConnectionError:
                return
            if frame.delivered is not None:
                frame.delivered()

    def _leave(self, socket: web.WebSocketResponse) -> None:
        self.sockets.pop(socket, None)
        for session in self.sessions.values():
            if session.socket is socket:
                session.socket = None
