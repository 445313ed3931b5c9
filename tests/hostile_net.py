"""A world for attacks on the guard: a public stand-in, a private victim that counts, a resolver of ours, and a record of every socket.

`public.example` lives at 127.0.0.2, which the patched table calls public; every other address is judged by the real table. The last step
of the guard, the opening of the socket, is replaced by one that writes the address down and opens it on loopback only: no packet of
a test that fails ever leaves the machine.
"""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.errors import FetchError
from bot.web import client, guard
from bot.web.fetch import FeedRequest, Fetched, Limits, NotModified, Web
from bot.web.guard import AllowList
from tests.web_fakes import Names, Server, answer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest
    from aiohttp.abc import ResolveResult

    from bot.web.guard import AddressInfo

PUBLIC_ADDRESS = "127.0.0.2"
QUICK = Limits(total_s=3, connect_s=2, read_s=2)
OTHER_PUBLIC = frozenset({"9.9.9.9", "2620:fe::9"})
_really_refused = guard.refusal


class LenientNames(Names):
    """Answers what it does not know as the most helpful resolver would: with this machine."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        if host.removesuffix(".") not in self.names:
            self.names[host.removesuffix(".")] = [["127.0.0.1"]]
        return await super().resolve(host, port, family)


@dataclass
class Net:
    """opened: every address for which the guard let a socket be made, in order."""

    public: Server
    victim: Server
    names: Names
    opened: list[str] = field(default_factory=list)

    def web(self, *entries: str) -> Web:
        return Web(allow=AllowList.parse(entries), resolver=self.names, limits=QUICK, page_gap_s=0.0)

    @property
    def feed(self) -> str:
        return self.public.url("/feed", host="public.example")

    @property
    def port(self) -> int:
        """The victim's, and so the one to put into an attack."""
        return self.victim.port

    async def ask(self, url: str, *entries: str) -> Fetched | NotModified | FetchError:
        """Ask for a feed with a client of its own; return what came of it."""
        async with self.web(*entries) as web:
            try:
                return await web.fetch_feed(FeedRequest(url=url))
            except FetchError as error:
                return error

    def assert_untouched(self) -> None:
        """Assert that nothing private was connected to, by the victim's count and by the sockets."""
        assert self.victim.connections == 0
        assert set(self.opened) <= {PUBLIC_ADDRESS} | OTHER_PUBLIC


@asynccontextmanager
async def hostile_net(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Net]:
    """Set up the world; it is gone with the block."""
    async with AsyncExitStack() as stack:
        public = await stack.enter_async_context(serving(PUBLIC_ADDRESS, end=answer(body=b"<rss/>")))
        victim = await stack.enter_async_context(serving())
        victim.scripts["*"] = answer(body=b"secret")
        net = Net(public, victim, LenientNames(public_example=[[PUBLIC_ADDRESS]]))

        def recorded(info: AddressInfo) -> socket.socket:
            address = str(info[4][0])
            net.opened.append(address)
            if not address.startswith("127.") and address != "::1":
                raise OSError(101, "no packet leaves this test")
            return socket.socket(info[0], info[1], info[2])

        monkeypatch.setattr(guard, "_socket", recorded)
        monkeypatch.setattr(guard, "refusal", lambda a: None if a == PUBLIC_ADDRESS else _really_refused(a))
        monkeypatch.setattr(guard, "PUBLIC_PORTS", guard.PUBLIC_PORTS | {public.port, victim.port})
        monkeypatch.setattr("bot.web.fetch.FEED_GAP_S", 0.0)
        monkeypatch.setattr(client, "_DNS_KEPT_S", 0)
        yield net
