"""What a hostile name or redirect can do: nothing. A public stand-in on 127.0.0.2, a private victim on 127.0.0.1 that counts."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bot.errors import FetchError
from bot.web import client, guard
from bot.web.fetch import FeedRequest, Fetched, Limits, Web
from bot.web.guard import AllowList
from tests.web_fakes import Names, Server, answer, moved, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PUBLIC_ADDRESS = "127.0.0.2"
QUICK = Limits(total_s=3, connect_s=2, read_s=2)
really_refused = guard.refusal


@dataclass
class Net:
    """public.example lives on a loopback address that the patched table calls public; every port here passes the port rule."""

    public: Server
    victim: Server
    names: Names

    def web(self, *entries: str) -> Web:
        return Web(allow=AllowList.parse(entries), resolver=self.names, limits=QUICK, page_gap_s=0.0)

    @property
    def feed(self) -> str:
        return self.public.url("/feed", host="public.example")


@pytest.fixture
async def net(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Net]:
    async with AsyncExitStack() as stack:
        public = await stack.enter_async_context(serving(PUBLIC_ADDRESS, end=answer(body=b"<rss/>")))
        victim = await stack.enter_async_context(serving())
        victim.scripts["*"] = answer(body=b"secret")
        monkeypatch.setattr(guard, "refusal", lambda a: None if a == PUBLIC_ADDRESS else really_refused(a))
        monkeypatch.setattr(guard, "PUBLIC_PORTS", guard.PUBLIC_PORTS | {public.port, victim.port})
        monkeypatch.setattr("bot.web.fetch.FEED_GAP_S", 0.0)
        monkeypatch.setattr(client, "_DNS_KEPT_S", 0)
        yield Net(public, victim, Names(public_example=[[PUBLIC_ADDRESS]]))


async def reason_for(web: Web, url: str) -> str:
    async with web:
        with pytest.raises(FetchError) as caught:
            await web.fetch_feed(FeedRequest(url=url))
    return caught.value.reason


async def test_the_public_stand_in_is_reached(net: Net) -> None:
    net.public.scripts["/feed"] = answer(body=b"<rss/>")
    async with net.web() as web:
        got = await web.fetch_feed(FeedRequest(url=net.feed))
    assert isinstance(got, Fetched)
    assert got.body == b"<rss/>"


LITERALS = {
    "A1": "127.0.0.1",
    "B4": "0177.0.0.1",
    "B12": "１２７.0.0.1",
    "B13": "127。0。0。1",
    "B14": "①②⑦.⓪.⓪.①",
    "C3": "[::]",
    "C4": "[::ffff:127.0.0.1]",
    "C5": "[::ffff:7f00:1]",
    "C8": "[::127.0.0.1]",
    "A8": "169.254.169.254",
    "D1": "localhost",
    "D2": "LOCALHOST",
    "D4": "localhost.",
    "D5": "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "D6": "ｌｏｃａｌｈｏｓｔ",
    "U18": "public.example@127.0.0.1",
}


@pytest.mark.parametrize("number", LITERALS)
async def test_a_private_host_is_not_reached_however_it_is_written(net: Net, number: str) -> None:
    assert await reason_for(net.web(), f"http://{LITERALS[number]}:{net.victim.port}/") == "refused"
    assert net.victim.connections == 0


ANSWERS = {
    "D14": ["127.0.0.1"],
    "D15": ["10.0.0.1"],
    "D16": ["::1"],
    "D17": ["::ffff:127.0.0.1"],
    "D18": ["fe80::1%1"],
    "D20 all private": ["127.0.0.1", "::1", "10.0.0.1"],
}


@pytest.mark.parametrize("number", ANSWERS)
async def test_a_public_name_with_private_answers_is_refused(net: Net, number: str) -> None:
    net.names.names["public.example"] = [ANSWERS[number]]
    assert await reason_for(net.web(), net.victim.url(host="public.example")) == "refused"
    assert net.victim.connections == 0


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1", PUBLIC_ADDRESS], [PUBLIC_ADDRESS, "127.0.0.1"], [PUBLIC_ADDRESS, "::1"]]
)
async def test_d20_to_d22_of_mixed_answers_only_the_public_one_is_used(net: Net, addresses: list[str]) -> None:
    net.names.names["public.example"] = [addresses]
    net.public.scripts["/feed"] = answer(body=b"<rss/>")
    async with net.web() as web:
        assert isinstance(await web.fetch_feed(FeedRequest(url=net.feed)), Fetched)
    assert net.victim.connections == 0


async def test_d23_a_name_that_turns_private_between_two_polls_is_refused(net: Net) -> None:
    net.names.names["public.example"] = [[PUBLIC_ADDRESS], ["127.0.0.1"]]
    net.public.scripts["/feed"] = answer(body=b"<rss/>", Connection="close")
    async with net.web() as web:
        await web.fetch_feed(FeedRequest(url=net.feed))
        with pytest.raises(FetchError, match="leads to this machine"):
            await web.fetch_feed(FeedRequest(url=net.feed))
    assert net.victim.connections == 0


REDIRECTS = {
    "E1": (301, "http://127.0.0.1:{port}/"),
    "E2": (302, "http://127.0.0.1:{port}/"),
    "E3": (303, "http://127.0.0.1:{port}/"),
    "E4": (307, "http://127.0.0.1:{port}/"),
    "E5": (308, "http://127.0.0.1:{port}/"),
    "E6": (300, "http://127.0.0.1:{port}/"),
    "E7": (305, "http://127.0.0.1:{port}/"),
    "E8": (302, "//127.0.0.1:{port}/"),
    "E9": (302, "\thttp://127.0.0.1:{port}/"),
    "E10": (302, " //127.0.0.1:{port}/"),
    "E11": (302, "/\\127.0.0.1:{port}/"),
    "E12": (302, "http:\\\\127.0.0.1:{port}\\"),
    "E13": (302, "http://①②⑦.0.0.1:{port}/"),
    "E14": (302, "http://u:p@127.0.0.1:{port}/"),
    "E15": (302, "http://localhost:{port}/"),
    "E16": (302, "http://private.example:{port}/"),
    "E17": (302, "http://[::ffff:7f00:1]:{port}/"),
    "E18": (302, "ws://127.0.0.1:{port}/"),
    "E19": (302, "file:///etc/passwd"),
    "E20": (302, "ftp://127.0.0.1:{port}/"),
    "E21": (302, "gopher://127.0.0.1:{port}/"),
    "E24 ssh": (302, "http://public.example:22/"),
    "E24 smtp": (302, "http://public.example:25/"),
    "E24 redis": (302, "http://public.example:6379/"),
    "E27 NUL": (302, "/a\x00b"),
    "E27 tab": (302, "http://127.0.0.1:{port}/\ta"),
    "raw byte": (302, "http://127.0.0.1:{port}/\udce9"),
    "userinfo": (302, "http://u:p@public.example:{port}/"),
}


@pytest.mark.parametrize("number", REDIRECTS)
async def test_a_redirect_never_leads_to_a_private_host(net: Net, number: str) -> None:
    status, location = REDIRECTS[number]
    net.names.names["private.example"] = [["127.0.0.1"]]
    net.public.scripts["/feed"] = moved(location.format(port=net.victim.port), status)
    assert await reason_for(net.web(), net.feed) in {"refused", "redirect", "status", "connect"}
    assert net.victim.connections == 0


async def test_e22_the_fifth_hop_is_guarded_like_the_first(net: Net) -> None:
    for hop in range(4):
        net.public.scripts["/feed" if hop == 0 else f"/{hop}"] = moved(f"/{hop + 1}")
    net.public.scripts["/4"] = moved(net.victim.url(host="127.0.0.1"))
    assert await reason_for(net.web(), net.feed) == "refused"
    assert len(net.public.requests) == 5
    assert net.victim.connections == 0


async def test_e25_a_loop_ends_after_five_redirects(net: Net) -> None:
    net.public.scripts["/feed"] = moved("/feed")
    assert await reason_for(net.web(), net.feed) == "redirect"
    assert len(net.public.requests) == 6


async def test_e26_refresh_headers_and_meta_refresh_are_not_followed(net: Net) -> None:
    page = f'<meta http-equiv="refresh" content="0;url={net.victim.url()}">'.encode()
    net.public.scripts["/feed"] = answer(body=page, Refresh=f"0;url={net.victim.url()}")
    async with net.web() as web:
        got = await web.fetch_feed(FeedRequest(url=net.feed))
    assert isinstance(got, Fetched)
    assert net.victim.connections == 0


async def test_e27_a_line_break_in_a_location_injects_no_header(net: Net) -> None:
    net.public.scripts["/feed"] = moved("/end\r\nSet-Cookie: a=b\r\nX-Injected: yes")
    async with net.web() as web:
        await web.fetch_feed(FeedRequest(url=net.feed))
        await web.fetch_feed(FeedRequest(url=net.feed))
    assert all("cookie" not in seen.headers and "x-injected" not in seen.headers for seen in net.public.requests)


async def test_h3_an_allowed_host_leads_to_no_other_private_host(net: Net) -> None:
    net.victim.scripts["/feed"] = moved(f"http://127.0.0.3:{net.victim.port}/")
    assert await reason_for(net.web(f"127.0.0.1:{net.victim.port}"), net.victim.url("/feed", "127.0.0.1")) == "refused"
    assert net.victim.connections == 1


async def test_h4_a_public_feed_does_not_lead_to_an_allowed_private_host(net: Net) -> None:
    net.public.scripts["/feed"] = moved(net.victim.url())
    assert await reason_for(net.web(f"localhost:{net.victim.port}", "127.0.0.0/8"), net.feed) == "refused"
    assert net.victim.connections == 0


async def test_h4_a_public_feed_links_to_no_page_and_no_robots_txt_of_an_allowed_private_host(net: Net) -> None:
    async with net.web(f"localhost:{net.victim.port}") as web:
        with pytest.raises(FetchError) as caught:
            await web.fetch_page(net.victim.url("/page"), configured_url=net.feed, patience_s=1)
    assert caught.value.reason == "refused"
    assert net.victim.connections == 0


async def test_h5_an_open_connection_of_an_allowed_feed_is_not_reused_by_a_public_one(net: Net) -> None:
    net.public.scripts["/feed"] = moved(net.victim.url())
    async with net.web(f"localhost:{net.victim.port}") as web:
        assert isinstance(await web.fetch_feed(FeedRequest(url=net.victim.url())), Fetched)
        with pytest.raises(FetchError, match="leads to this machine"):
            await web.fetch_feed(FeedRequest(url=net.feed))
    assert len(net.victim.requests) == 1


async def test_a_named_host_with_several_answers_is_asked_at_the_one_that_listens(net: Net) -> None:
    net.names.names["localhost"] = [["::1", "127.0.0.1", "10.0.0.1"]]
    async with net.web(f"localhost:{net.victim.port}") as web:
        assert isinstance(await web.fetch_feed(FeedRequest(url=net.victim.url())), Fetched)
    assert net.victim.connections == 1


async def test_h2_a_named_host_whose_answers_are_all_loopback_is_refused(net: Net) -> None:
    net.names.names["intranet"] = [["::1", "127.0.0.1"]]
    assert await reason_for(net.web("intranet"), net.victim.url(host="intranet")) == "refused"
    assert net.victim.connections == 0


async def test_g12_proxies_of_the_environment_are_not_used(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", net.victim.url())
    net.public.scripts["/feed"] = answer(body=b"<rss/>")
    async with net.web() as web:
        await web.fetch_feed(FeedRequest(url=net.feed))
    assert net.victim.connections == 0
