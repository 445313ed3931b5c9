"""Feeds over a real loopback server: conditional requests, freshness, redirects, credentials, manners."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import pytest
from yarl import URL

from bot import __version__
from bot.errors import FetchError
from bot.web.fetch import FeedRequest, Fetched, Limits, NotModified, Web
from bot.web.guard import AllowList
from tests.web_fakes import Names, Server, answer, moved, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOON = "Thu, 05 Mar 2026 12:00:00 GMT"
ONE = "Thu, 05 Mar 2026 13:00:00 GMT"
NOON_UNIX = 1_772_712_000.0


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(feed=answer(body=b"<rss/>", Content_Type="text/xml; charset=windows-1251")) as running:
        yield running


def web_for(*servers: Server, contact: str = "", host: str = "localhost") -> Web:
    return Web(
        allow=AllowList.parse([f"{host}:{server.port}" for server in servers]),
        contact=contact,
        resolver=Names(other_example=[["127.0.0.1"]]),
        limits=Limits(total_s=3, connect_s=2, read_s=2),
        wall=lambda: NOON_UNIX,
    )


async def fetched(server: Server, request: FeedRequest | None = None) -> Fetched:
    async with web_for(server) as web:
        got = await web.fetch_feed(request or FeedRequest(url=server.url("/feed")))
    assert isinstance(got, Fetched)
    return got


async def failure(server: Server, path: str = "/feed") -> FetchError:
    async with web_for(server) as web:
        with pytest.raises(FetchError) as caught:
            await web.fetch_feed(FeedRequest(url=server.url(path)))
    return caught.value


async def test_a_feed_comes_with_its_bytes_and_its_declared_type(server: Server) -> None:
    got = await fetched(server)
    assert got == Fetched(
        url=server.url("/feed"), status=200, body=b"<rss/>", content_type="text/xml; charset=windows-1251"
    )


async def test_a_request_says_who_asks_and_for_how_many_and_carries_nothing_else(server: Server) -> None:
    async with web_for(server, contact="desk@example.org\r\n") as web:
        await web.fetch_feed(FeedRequest(url=server.url("/feed"), subscribers=7))
    sent = server.requests[0].headers
    project = "+https://github.com/wirewatch/wirewatch"
    assert sent["user-agent"] == f"wirewatch/{__version__} ({project}; desk@example.org; 7 subscribers)"
    assert sent["accept"].startswith("application/atom+xml")
    assert sent["accept-encoding"] == "gzip, br, zstd"
    assert set(sent) == {"host", "user-agent", "accept", "accept-encoding"}


@pytest.mark.parametrize("etag", ['"abc"', 'W/"abc"', "unquoted", '"a""b"', '"\u00e9t\u00e9"', '"-gzip"', "''"])
async def test_validators_go_back_byte_for_byte_as_they_came(server: Server, etag: str) -> None:
    odd_date = "Thu, 5 Mar 26 12:00:00 +0000"
    server.scripts["/feed"] = answer(body=b"<rss/>", ETag=etag, Last_Modified=odd_date)
    first = await fetched(server)
    assert (first.etag, first.last_modified) == (etag, odd_date)
    await fetched(server, FeedRequest(url=server.url("/feed"), etag=first.etag, last_modified=first.last_modified))
    sent = server.requests[1].headers
    assert (sent["if-none-match"], sent["if-modified-since"], sent["a-im"]) == (etag, odd_date, "feed")


async def test_a_validator_that_could_not_be_sent_back_as_it_came_is_none(server: Server) -> None:
    server.scripts["/feed"] = answer(body=b"<rss/>", ETag='"\udce9"')
    assert (await fetched(server)).etag is None


async def test_a_304_brings_new_validators_and_freshness_and_keeps_the_old_ones_otherwise(server: Server) -> None:
    request = FeedRequest(url=server.url("/feed"), etag='"old"', last_modified=NOON)
    async with web_for(server) as web:
        server.scripts["/feed"] = answer(304, ETag='"new"', Cache_Control="max-age=900")
        renewed = await web.fetch_feed(request)
        server.scripts["/feed"] = answer(304)
        kept = await web.fetch_feed(request)
    assert renewed == NotModified(etag='"new"', last_modified=NOON, fresh_s=900.0)
    assert kept == NotModified(etag='"old"', last_modified=NOON, fresh_s=None)


async def test_a_304_that_nobody_asked_for_is_an_error(server: Server) -> None:
    server.scripts["/feed"] = answer(304)
    error = await failure(server)
    assert (error.reason, error.status) == ("status", 304)


async def test_a_226_is_a_document(server: Server) -> None:
    server.scripts["/feed"] = answer(226, body=b"<rss>new</rss>", IM="feed")
    got = await fetched(server, FeedRequest(url=server.url("/feed"), etag='"a"'))
    assert (got.status, got.body) == (226, b"<rss>new</rss>")


@pytest.mark.parametrize(
    ("headers", "fresh_s"),
    [
        ({"Cache_Control": "public, max-age=600"}, 600.0),
        ({"Cache_Control": "max-age=600", "Age": "100"}, 500.0),
        ({"Cache_Control": "max-age=600", "Age": "1000"}, 0.0),
        ({"Cache_Control": "max-age=60", "Date": NOON, "Expires": ONE}, 60.0),
        ({"Cache_Control": "MAX-AGE = 60"}, 60.0),
        ({"Cache_Control": "s-maxage=900"}, 0.0),
        ({"Cache_Control": "no-store, max-age=900"}, 0.0),
        ({"Cache_Control": "max-age=soon"}, 0.0),
        ({"Date": NOON, "Expires": ONE}, 3600.0),
        ({"Date": ONE, "Expires": NOON}, 0.0),
        ({"Date": NOON, "Expires": "0"}, 0.0),
        ({"Expires": ONE}, 0.0),
        ({}, 0.0),
    ],
)
async def test_freshness_is_what_the_server_says_by_its_own_clock(
    server: Server, headers: dict[str, str], fresh_s: float
) -> None:
    server.scripts["/feed"] = answer(200, b"<rss/>", **headers)
    assert (await fetched(server)).fresh_s == fresh_s


async def test_the_skew_is_the_servers_clock_ahead_of_ours_and_unknown_for_a_cached_answer(server: Server) -> None:
    server.scripts["/feed"] = answer(body=b"<rss/>", Date=ONE)
    assert (await fetched(server)).skew_s == 3600.0
    server.scripts["/feed"] = answer(body=b"<rss/>", Date=ONE, Age="7")
    assert (await fetched(server)).skew_s is None


@pytest.mark.parametrize(
    ("value", "date", "wait_s"),
    [
        ("120", NOON, 120.0),
        (ONE, NOON, 3600.0),
        (ONE, "", 3600.0),
        (NOON, ONE, 0.0),
        ("99999999", NOON, 7 * 86_400.0),
        ("-5", NOON, None),
        ("later", NOON, None),
        ("Thu, 99 Foo 2026 99:99:99 GMT", NOON, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_read_as_seconds_or_as_a_date(
    server: Server, status: int, value: str, date: str, wait_s: float | None
) -> None:
    server.scripts["/feed"] = answer(status, Retry_After=value, Date=date)
    error = await failure(server)
    assert (error.reason, error.status, error.retry_after_s) == ("status", status, wait_s)


@pytest.mark.parametrize("status", [204, 300, 305, 400, 401, 402, 403, 404, 406, 410, 418, 451, 500, 502, 599])
async def test_a_status_without_a_document_is_one_plain_line(server: Server, status: int) -> None:
    server.scripts["/feed?key=secret"] = answer(status, body=b"" if status == 204 else b"sorry")
    error = await failure(server, "/feed?key=secret")
    assert (error.reason, error.status) == ("status", status)
    assert "localhost" in str(error)
    assert f"HTTP {status}" in str(error)
    assert "secret" not in str(error)
    assert "\n" not in str(error)


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "is_lasting"),
    [([301], True), ([308], True), ([301, 308], True), ([302], False), ([301, 302], False), ([307, 301], False)],
)
async def test_a_feed_has_moved_only_when_every_redirect_was_permanent(
    server: Server, statuses: list[int], *, is_lasting: bool
) -> None:
    for number, status in enumerate(statuses):
        target = "/feed" if number == len(statuses) - 1 else f"/{number + 1}"
        server.scripts[f"/{number}"] = moved(target, status)
    got = await fetched(server, FeedRequest(url=server.url("/0")))
    assert got.url == server.url("/feed")
    assert got.moved_to == (server.url("/feed") if is_lasting else None)


async def test_credentials_are_sent_as_authorization_and_appear_nowhere_else(server: Server) -> None:
    server.scripts["/old"] = moved("/feed", 301)
    with_password = server.url("/old").replace("//", "//käthe:pass%20word@")
    got = await fetched(server, FeedRequest(url=with_password))
    expected = "Basic " + base64.b64encode("käthe:pass word".encode()).decode()
    assert [seen.headers["authorization"] for seen in server.requests] == [expected, expected]
    assert got.url == server.url("/feed")
    assert got.moved_to == server.url("/feed").replace("//", "//k%C3%A4the:pass%20word@")


async def test_credentials_and_validators_stay_with_their_host(server: Server) -> None:
    async with serving(feed=answer(body=b"<rss/>")) as other:
        for target in (other.url("/feed"), server.url("/feed", host="other.example")):
            server.scripts["/old"] = moved(target, 301)
            request = FeedRequest(url=server.url("/old").replace("//", "//u:p@"), etag='"a"', last_modified=NOON)
            allow = AllowList.parse(
                [f"localhost:{server.port}", f"localhost:{other.port}", "other.example", "127.0.0.1"]
            )
            async with Web(allow=allow, resolver=Names(other_example=[["127.0.0.1"]])) as web:
                got = await web.fetch_feed(request)
            assert isinstance(got, Fetched)
            assert got.moved_to == target
        private = {"authorization", "if-none-match", "if-modified-since", "a-im", "referer", "cookie"}
        assert not private & set(other.requests[0].headers)
        assert not private & set(server.requests[-1].headers)
        assert server.requests[-1].path == "/feed"


async def test_cookies_are_not_kept(server: Server) -> None:
    server.scripts["/feed"] = answer(body=b"<rss/>", Set_Cookie="session=1; Path=/")
    async with web_for(server) as web:
        await web.fetch_feed(FeedRequest(url=server.url("/feed")))
        await web.fetch_feed(FeedRequest(url=server.url("/feed")))
    assert "cookie" not in server.requests[1].headers


async def test_a_connection_is_kept_between_two_polls(server: Server) -> None:
    async with web_for(server) as web:
        await web.fetch_feed(FeedRequest(url=server.url("/feed")))
        await web.fetch_feed(FeedRequest(url=server.url("/feed")))
    assert server.connections == 1


async def test_hosts_that_the_operator_named_are_asked_without_a_pause(server: Server) -> None:
    together = asyncio.Event()

    async def wait_for_five(_: object, writer: asyncio.StreamWriter) -> None:
        if server.open_now == 5:
            together.set()
        await together.wait()
        writer.write(answer(body=b"<rss/>"))

    server.scripts["/feed"] = wait_for_five
    async with web_for(server) as web:
        await asyncio.gather(*(web.fetch_feed(FeedRequest(url=server.url("/feed"))) for _ in range(5)))
    assert server.open_most == 5


async def test_may_be_private_is_decided_by_the_configured_address_alone(server: Server) -> None:
    web = web_for(server)
    assert web.may_be_private(server.url("/feed"))
    assert not web.may_be_private("http://feeds.example.org/feed")
    assert not web.may_be_private("not an address")


async def test_a_name_that_does_not_resolve_and_a_port_where_nobody_listens_are_told_apart() -> None:
    async with serving() as gone:
        pass
    allow = AllowList.parse([f"localhost:{gone.port}"])
    async with Web(allow=allow, resolver=Names(), limits=Limits(connect_s=2)) as web:
        with pytest.raises(FetchError, match="localhost cannot be reached") as unreachable:
            await web.fetch_feed(FeedRequest(url=gone.url()))
        with pytest.raises(FetchError, match=r"name feeds\.example\.org cannot be resolved") as unknown:
            await web.fetch_feed(FeedRequest(url="http://u:secret@feeds.example.org/?token=1"))
    assert (unreachable.value.reason, unknown.value.reason) == ("connect", "dns")


async def test_https_where_only_http_is_spoken_is_a_plain_failure() -> None:
    async def speak_http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(400))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak_http, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with Web(allow=AllowList.parse([f"localhost:{port}"]), resolver=Names()) as web:
            with pytest.raises(FetchError, match="certificate of localhost") as caught:
                await web.fetch_feed(FeedRequest(url=f"https://localhost:{port}/feed"))
    assert caught.value.reason == "connect"


async def test_a_step_down_from_https_is_not_followed() -> None:
    web = Web(allow=AllowList(), resolver=Names())
    with pytest.raises(FetchError, match="https to http") as caught:
        web._client._target(URL("https://feeds.example.org/a"), "http://feeds.example.org/a")
    assert caught.value.reason == "redirect"


async def test_the_systems_own_resolver_finds_localhost(server: Server) -> None:
    async with Web(allow=AllowList.parse([f"localhost:{server.port}"])) as web:
        assert isinstance(await web.fetch_feed(FeedRequest(url=server.url("/feed"))), Fetched)


async def test_a_web_that_is_not_open_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Web(allow=AllowList()).fetch_feed(FeedRequest(url="http://feeds.example.org/"))
