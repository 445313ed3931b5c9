"""Article pages over a real loopback server: robots.txt, one at a time, the pause, rests, types."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bot.errors import FetchError
from bot.web import client, guard
from bot.web.fetch import FeedRequest, Fetched, Limits, Web
from bot.web.guard import AllowList
from tests.web_fakes import Names, Seen, Server, answer, moved, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE = answer(body=b"<!doctype html><p>Words.</p>", Content_Type="text/html; charset=utf-8")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(page=PAGE) as running:
        yield running


class Clock:
    """A clock that stands until it is moved."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def web_for(server: Server, clock: Clock | None = None, page_gap_s: float = 2.0) -> Web:
    return Web(
        allow=AllowList.parse([f"localhost:{server.port}"]),
        page_gap_s=page_gap_s,
        resolver=Names(),
        limits=Limits(total_s=3, connect_s=2, read_s=2),
        monotonic=clock or Clock(),
    )


async def page(web: Web, server: Server, path: str = "/page", patience_s: float = 0.0) -> Fetched:
    return await web.fetch_page(server.url(path), configured_url=server.url("/feed"), patience_s=patience_s)


async def failure(web: Web, server: Server, path: str = "/page", patience_s: float = 0.0) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await page(web, server, path, patience_s)
    return caught.value


# --- robots.txt -------------------------------------------------------------------------------------------------------

ROBOTS = b"""User-agent: *
Disallow: /

User-agent: WireWatch
Disallow: /private
Allow: /private/open
Disallow: /*.pdf$
"""


async def test_the_rules_for_us_count_and_the_longest_wins(server: Server) -> None:
    server.scripts["/robots.txt"] = answer(body=ROBOTS)
    for path in ("/private/open/1", "/a.pdf?x", "/private/closed", "/a.pdf"):
        server.scripts[path] = PAGE
    async with web_for(server) as web:
        for path in ("/page", "/private/open/1", "/a.pdf?x"):
            assert (await page(web, server, path)).status == 200
        for path in ("/private/closed", "/a.pdf"):
            error = await failure(web, server, path)
            assert (error.reason, error.retry_after_s) == ("robots", None)
    assert server.paths == ["/robots.txt", "/page", "/private/open/1", "/a.pdf?x"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
async def test_no_robots_txt_allows_everything(server: Server, status: int) -> None:
    server.scripts["/robots.txt"] = answer(status)
    async with web_for(server) as web:
        assert (await page(web, server)).body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_robots_txt_that_cannot_be_had_closes_the_site_and_is_asked_again_a_minute_later(
    server: Server, status: int
) -> None:
    clock = Clock()
    server.scripts["/robots.txt"] = answer(status)
    async with web_for(server, clock) as web:
        for _ in range(2):
            error = await failure(web, server)
            assert (error.reason, error.retry_after_s) == ("resting", 60.0)
        clock.now += 3_600
        assert (await failure(web, server)).retry_after_s == 600.0
        server.scripts["/robots.txt"] = answer(404)
        clock.now += 601
        assert (await page(web, server)).status == 200
    assert server.paths == ["/robots.txt", "/robots.txt", "/robots.txt", "/page"]


async def test_a_robots_txt_whose_server_breaks_off_closes_the_site_for_now(server: Server) -> None:
    server.scripts["/robots.txt"] = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nX: \x00\r\n\r\n"
    async with web_for(server) as web:
        error = await failure(web, server)
    assert (error.reason, error.retry_after_s) == ("resting", 60.0)


async def test_after_a_month_without_robots_txt_the_site_counts_as_open(server: Server) -> None:
    clock = Clock()
    server.scripts["/robots.txt"] = answer(500)
    async with web_for(server, clock) as web:
        for _ in range(30):
            assert (await failure(web, server)).reason == "resting"
            clock.now += 86_400
        assert (await page(web, server)).status == 200


async def test_a_robots_txt_is_kept_for_a_day_and_no_longer(server: Server) -> None:
    clock = Clock()
    async with web_for(server, clock) as web:
        for _ in range(3):
            await page(web, server)
        clock.now += 86_401
        server.scripts["/robots.txt"] = answer(body=b"User-agent: *\nDisallow: /")
        assert (await failure(web, server)).reason == "robots"
    assert server.paths == ["/robots.txt", "/page", "/page", "/page", "/robots.txt"]


async def test_a_redirected_robots_txt_is_followed_and_a_loop_counts_as_none(server: Server) -> None:
    server.scripts["/robots.txt"] = moved("/rules", 301)
    server.scripts["/rules"] = answer(body=b"User-agent: *\nDisallow: /page")
    async with web_for(server) as web:
        assert (await failure(web, server)).reason == "robots"
    server.scripts["/robots.txt"] = moved("/robots.txt")
    async with web_for(server) as web:
        assert (await page(web, server)).status == 200


async def test_a_robots_txt_over_500_kib_is_read_up_to_there(server: Server) -> None:
    filling = b"# filling\n" * 51_300
    server.scripts["/robots.txt"] = answer(body=b"User-agent: *\nDisallow: /page\n" + filling * 2)
    async with web_for(server) as web:
        assert (await failure(web, server)).reason == "robots"


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00", b"User-agent: *\nDisallow: " + b"*a" * 20_000, b"<html>", b"\xef\xbb\xbf"]
)
async def test_a_robots_txt_that_makes_no_sense_forbids_nothing(server: Server, body: bytes) -> None:
    server.scripts["/robots.txt"] = answer(body=body)
    async with web_for(server) as web:
        assert (await page(web, server)).status == 200


async def test_a_feed_is_fetched_without_asking_robots_txt(server: Server) -> None:
    server.scripts["/robots.txt"] = answer(body=b"User-agent: *\nDisallow: /")
    server.scripts["/feed"] = answer(body=b"<rss/>")
    async with web_for(server) as web:
        await web.fetch_feed(FeedRequest(url=server.url("/feed")))
    assert server.paths == ["/feed"]


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body", "is_page"),
    [
        ("text/html", b"x", True),
        ("TEXT/HTML;charset=utf-8", b"x", True),
        ("application/xhtml+xml", b"x", True),
        ("", b"\xef\xbb\xbf \n<!DOCTYPE html><p>x", True),
        ("", b"<!-- late --><HTML lang=ru>", True),
        ("", b"%PDF-1.7", False),
        ("", b"", False),
        ("application/pdf", b"<html>", False),
        ("text/plain", b"<html>", False),
        ("image/jpeg", b"x", False),
    ],
)
async def test_only_web_pages_are_read(server: Server, kind: str, body: bytes, *, is_page: bool) -> None:
    server.scripts["/page"] = answer(200, body, **({"Content_Type": kind} if kind else {}))
    async with web_for(server) as web:
        if is_page:
            assert (await page(web, server)).content_type == (kind or None)
        else:
            assert (await failure(web, server)).reason == "content_type"


# --- turns ------------------------------------------------------------------------------------------------------------


async def test_pages_of_one_host_come_one_at_a_time(server: Server) -> None:
    async with web_for(server, page_gap_s=0.0) as web:
        await asyncio.gather(*(page(web, server, patience_s=5) for _ in range(6)))
    assert server.open_most == 1
    assert server.paths == ["/robots.txt"] + ["/page"] * 6


async def test_who_has_no_time_to_wait_for_a_busy_host_is_told_so(server: Server) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Seen, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        writer.write(PAGE)

    server.scripts["/slow"] = slow
    async with web_for(server) as web:
        first = asyncio.create_task(page(web, server, "/slow", patience_s=5))
        await asked.wait()
        error = await failure(web, server, patience_s=0.01)
        assert error.reason == "resting"
        assert error.retry_after_s
        go_on.set()
        assert (await first).status == 200
        assert (await page(web, server)).status == 200


@pytest.mark.parametrize("status", [403, 429])
async def test_a_host_that_turns_us_away_twice_rests_for_six_hours(server: Server, status: int) -> None:
    clock = Clock()
    server.scripts["/no"] = answer(status, Retry_After="0")
    async with web_for(server, clock) as web:
        assert (await failure(web, server, "/no")).status == status
        await page(web, server)
        assert (await failure(web, server, "/no")).status == status
        assert (await page(web, server)).status == 200
        for _ in range(2):
            assert (await failure(web, server, "/no")).status == status
        error = await failure(web, server, patience_s=60)
        assert (error.reason, error.retry_after_s) == ("resting", 21_600.0)
        clock.now += 21_601
        server.scripts["/robots.txt"] = answer(404)
        assert (await page(web, server)).status == 200


async def test_a_host_in_trouble_turns_nobody_away(server: Server) -> None:
    server.scripts["/no"] = answer(503)
    server.scripts["/closed"] = answer(403)
    async with web_for(server) as web:
        assert (await failure(web, server, "/closed")).status == 403
        for _ in range(3):
            assert (await failure(web, server, "/no")).status == 503
        assert (await page(web, server)).status == 200


@pytest.mark.parametrize("path", ["/page", "/robots.txt", "/feed"])
@pytest.mark.parametrize(("headers", "rest_s"), [({"Retry_After": "300"}, 300.0), ({}, 1_800.0)])
async def test_a_host_that_has_had_enough_rests_with_its_feeds_and_its_pages(
    server: Server, path: str, headers: dict[str, str], rest_s: float
) -> None:
    clock = Clock()
    async with web_for(server, clock) as web:
        server.scripts["/feed"] = server.scripts[path] = answer(429, b"", **headers)
        with pytest.raises(FetchError):
            await (web.fetch_feed(FeedRequest(url=server.url("/feed"))) if path == "/feed" else page(web, server))
        asked = list(server.paths)
        error = await failure(web, server, "/other", patience_s=8)
        assert (error.reason, error.retry_after_s) == ("resting", rest_s)
        with pytest.raises(FetchError) as caught:
            await web.fetch_feed(FeedRequest(url=server.url("/other")))
        assert (caught.value.reason, caught.value.retry_after_s) == ("resting", rest_s)
        assert server.paths == asked
        assert asked[-1] == path
        server.scripts["*"] = answer(body=b"<rss/>")
        clock.now += rest_s - 29
        assert isinstance(await web.fetch_feed(FeedRequest(url=server.url("/other"))), Fetched)


@pytest.mark.parametrize("path", ["/page", "/robots.txt", "/feed"])
async def test_a_retry_after_counts_for_all_pages_of_the_host(server: Server, path: str) -> None:
    clock = Clock()
    async with web_for(server, clock) as web:
        server.scripts["/feed"] = server.scripts[path] = answer(503, Retry_After="300")
        with pytest.raises(FetchError):
            await (web.fetch_feed(FeedRequest(url=server.url("/feed"))) if path == "/feed" else page(web, server))
        error = await failure(web, server, "/other", patience_s=8)
        assert (error.reason, error.retry_after_s) == ("resting", 300.0)


async def test_a_rest_that_the_store_remembered_is_kept(server: Server) -> None:
    async with web_for(server) as web:
        web.rest_host(server.url("/feed"), 120.0)
        web.rest_host("http://h:99999/", 120.0)
        assert (await failure(web, server)).retry_after_s == 120.0
    assert server.connections == 0


async def test_a_page_that_redirects_inside_its_host_is_followed_within_its_turn(server: Server) -> None:
    server.scripts["/short"] = moved("/page", 301)
    async with web_for(server) as web:
        got = await page(web, server, "/short")
    assert (got.url, got.moved_to) == (server.url("/page"), server.url("/page"))


async def test_a_redirect_to_a_page_that_robots_txt_closes_is_not_followed(server: Server) -> None:
    server.scripts["/robots.txt"] = answer(body=b"User-agent: *\nDisallow: /page")
    server.scripts["/short"] = moved("/page")
    async with web_for(server) as web:
        assert (await failure(web, server, "/short")).reason == "robots"
    assert server.paths == ["/robots.txt", "/short"]


@pytest.fixture
def public_port(server: Server, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the server pass for a public one, so that the pace of public hosts holds for it."""
    monkeypatch.setattr(guard, "refusal", lambda address: None if address == "127.0.0.1" else "elsewhere")
    monkeypatch.setattr(guard, "PUBLIC_PORTS", frozenset({server.port}))
    monkeypatch.setattr(client, "_DNS_KEPT_S", 0)
    return server.port


@pytest.mark.parametrize(
    ("robots", "pause_s"), [("", 2.0), ("Crawl-delay: 7", 7.0), ("Crawl-delay: 1", 2.0), ("Crawl-delay: 900", 30.0)]
)
async def test_a_public_host_gets_its_pause_or_its_own_crawl_delay_up_to_30_s(
    server: Server, public_port: int, robots: str, pause_s: float
) -> None:
    server.scripts["/robots.txt"] = answer(body=f"User-agent: *\n{robots}\nDisallow:".encode())
    clock = Clock()
    names = Names(www_public_example=[["127.0.0.1"]], public_example=[["127.0.0.1"]])
    async with Web(allow=AllowList(), resolver=names, monotonic=clock) as web:
        first, second = (f"http://{host}:{public_port}/page" for host in ("public.example", "www.public.example"))
        await web.fetch_page(first, configured_url=first, patience_s=0)
        with pytest.raises(FetchError) as caught:
            await web.fetch_page(second, configured_url=first, patience_s=pause_s - 0.1)
        assert caught.value.retry_after_s == pytest.approx(pause_s)
        clock.now += pause_s
        assert (await web.fetch_page(second, configured_url=first, patience_s=0)).status == 200


async def test_feeds_of_one_public_host_come_at_most_two_at_once(
    server: Server, public_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.web.fetch.FEED_GAP_S", 0.0)

    async def unhurried(_: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(answer(body=b"<rss/>"))

    server.scripts["/feed"] = unhurried
    url = f"http://public.example:{public_port}/feed"
    async with Web(allow=AllowList(), resolver=Names(public_example=[["127.0.0.1"]])) as web:
        await asyncio.gather(*(web.fetch_feed(FeedRequest(url=url)) for _ in range(6)))
    assert server.open_most == 2


async def test_feeds_that_wait_for_their_turn_are_not_sent_to_a_host_that_has_had_enough(
    server: Server, public_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.web.fetch.FEED_GAP_S", 0.0)
    two_asked, go_on = asyncio.Event(), asyncio.Event()

    async def enough(_: Seen, writer: asyncio.StreamWriter) -> None:
        if server.open_now == 2:
            two_asked.set()
        await go_on.wait()
        writer.write(answer(429, Retry_After="300"))

    server.scripts["/feed"] = enough
    url = f"http://public.example:{public_port}/feed"
    async with Web(allow=AllowList(), resolver=Names(public_example=[["127.0.0.1"]]), monotonic=Clock()) as web:
        feeds = [asyncio.create_task(web.fetch_feed(FeedRequest(url=url))) for _ in range(6)]
        await two_asked.wait()
        go_on.set()
        errors = await asyncio.gather(*feeds, return_exceptions=True)
    assert [(error.reason, error.retry_after_s) for error in errors if isinstance(error, FetchError)] == [
        ("status", 300.0)
    ] * 2 + [("resting", 300.0)] * 4
    assert server.paths == ["/feed"] * 2
