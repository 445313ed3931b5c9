"""A scripted raw HTTP server on loopback and a scripted resolver, for the tests of the web room."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from bot.web.guard import AddressInfo

Script = bytes | Callable[["Seen", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived; header names in lower case."""

    path: str
    headers: dict[str, str]
    at: float


@dataclass
class Server:
    """Answers by path; "*" for any other. requests: in order of arrival. connections: how often anything connected."""

    port: int = 0
    scripts: dict[str, Script] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    open_most: int = 0

    def url(self, path: str = "/", host: str = "localhost") -> str:
        return f"http://{host}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        fields = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        seen = Seen(path=first.split(" ")[1], headers=headers, at=asyncio.get_running_loop().time())
        self.requests.append(seen)
        script = self.scripts.get(seen.path, self.scripts.get("*", answer(404)))
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            if isinstance(script, bytes):
                writer.write(script)
                await writer.drain()
            else:
                await script(seen, writer)
        finally:
            self.open_now -= 1


def answer(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """Return a whole HTTP answer; header names are written with underscores."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def moved(location: str, status: int = 302) -> bytes:
    return answer(status, Location=location)


@asynccontextmanager
async def serving(host: str = "127.0.0.1", **scripts: Script) -> AsyncIterator[Server]:
    """Serve on loopback until the block ends; every connection is closed by then."""
    server = Server()
    server.scripts.update({f"/{name}": script for name, script in scripts.items()})
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, host, 0, family=socket.AF_INET)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Names(AbstractResolver):
    """Answers from a table: a name has a list of answers, each a list of addresses; the last one is given for ever."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.names = {name.replace("__", "-").replace("_", "."): answers for name, answers in names.items()}
        self.names.setdefault("localhost", [["127.0.0.1"]])

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        _ = family
        answers = self.names.get(host.removesuffix("."))
        if not answers:
            raise OSError(None, f"no such name: {host}")
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Have nothing to close."""


def address_info(address: str, port: int = 80) -> AddressInfo:
    """Return what the client hands a socket factory for this address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
