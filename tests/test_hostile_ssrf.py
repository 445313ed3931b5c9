"""Every numbered way to a private address, put to the real client: each ends refused, with no socket opened. The id is the number."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from yarl import URL

from bot.config import config_in
from bot.errors import ConfigError, FetchError
from bot.web.client import Client
from bot.web.fetch import FeedRequest, Fetched, Limits
from bot.web.guard import AllowList
from tests import test_hostile_ways
from tests.hostile_net import OTHER_PUBLIC, PUBLIC_ADDRESS, Net, hostile_net
from tests.ssrf_vectors import ANSWERS, HOSTS, MIXED, NUMBERS, REDIRECTS, RESOLVED, URLS
from tests.web_fakes import answer, moved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FEED = b"<rss/>"


@pytest.fixture
async def net(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Net]:
    async with hostile_net(monkeypatch) as world:
        yield world


async def test_the_public_stand_in_is_reached(net: Net) -> None:
    net.public.scripts["/feed"] = answer(body=FEED)
    got = await net.ask(net.feed)
    assert isinstance(got, Fetched)
    assert got.body == FEED
    assert net.opened == [PUBLIC_ADDRESS]


async def test_the_victim_counts_who_reaches_it(net: Net) -> None:
    assert isinstance(await net.ask(net.victim.url(host="127.0.0.1"), f"127.0.0.1:{net.port}"), Fetched)
    assert net.victim.connections == 1


# --- A, B, C: literals, however they are written; D1 to D13: names of this machine and its neighbours -----------------


@pytest.mark.parametrize("number", HOSTS)
async def test_a_private_host_is_not_reached_however_it_is_written(net: Net, number: str) -> None:
    if number in RESOLVED:
        net.names.names[HOSTS[number].lower()] = [RESOLVED[number]]
    got = await net.ask(f"http://{HOSTS[number]}:{net.port}/")
    assert isinstance(got, FetchError)
    assert got.reason == "refused"
    assert net.opened == []
    net.assert_untouched()


# --- D14 to D25: what a resolver answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ANSWERS)
async def test_a_public_name_with_private_answers_is_refused(net: Net, number: str) -> None:
    net.names.names["public.example"] = [ANSWERS[number]]
    got = await net.ask(net.victim.url(host="public.example"))
    assert isinstance(got, FetchError)
    assert got.reason == "refused"
    assert net.opened == []
    net.assert_untouched()


@pytest.mark.parametrize("number", MIXED)
async def test_of_mixed_answers_only_the_public_one_is_used(net: Net, number: str) -> None:
    net.names.names["public.example"] = [MIXED[number]]
    net.public.scripts["/feed"] = answer(body=FEED)
    assert isinstance(await net.ask(net.feed), Fetched)
    assert net.opened == [PUBLIC_ADDRESS]
    net.assert_untouched()


@pytest.mark.parametrize("number", ["D23", "D24"])
async def test_a_name_that_turns_private_after_it_was_asked_is_refused(net: Net, number: str) -> None:
    net.names.names["public.example"] = [[PUBLIC_ADDRESS], ["127.0.0.1"]]
    net.public.scripts["/feed"] = answer(body=FEED, Connection="close" if number == "D23" else "keep-alive")
    async with net.web() as web:
        assert isinstance(await web.fetch_feed(FeedRequest(url=net.feed)), Fetched)
        if number == "D24":  # the client of a later day
            await web.__aexit__(None, None, None)
            await web.__aenter__()
        with pytest.raises(FetchError, match="leads to this machine"):
            await web.fetch_feed(FeedRequest(url=net.feed))
    net.assert_untouched()


@pytest.mark.parametrize("number", ["D25"])
async def test_a_name_of_the_bots_own_public_address_meets_a_port_that_is_never_asked(
    net: Net, number: str, tmp_path: Path
) -> None:
    net.names.names["me.example"] = [[address] for address in OTHER_PUBLIC]
    got = await net.ask("http://me.example:9464/metrics")
    assert isinstance(got, FetchError), number
    assert got.reason == "refused"
    assert net.opened == []
    with pytest.raises(ConfigError):  # and nothing of the bot listens there: its one port is on loopback or nowhere
        config_in({"operating": {"metrics": "9.9.9.9:9464"}}, tmp_path / "config.toml")


# --- E: redirects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", REDIRECTS)
async def test_a_redirect_never_leads_to_a_private_host(net: Net, number: str) -> None:
    status, location = REDIRECTS[number]
    net.names.names["private.example"] = [["127.0.0.1"]]
    net.public.scripts["/feed"] = moved(location.replace("PORT", str(net.port)), status)
    got = await net.ask(net.feed)
    assert isinstance(got, FetchError)
    assert got.reason in {"refused", "redirect", "status", "connect"}
    net.assert_untouched()


@pytest.mark.parametrize("number", ["E22"])
async def test_the_fifth_hop_is_guarded_like_the_first(net: Net, number: str) -> None:
    for hop in range(4):
        net.public.scripts["/feed" if hop == 0 else f"/{hop}"] = moved(f"/{hop + 1}")
    net.public.scripts["/4"] = moved(net.victim.url(host="127.0.0.1"))
    got = await net.ask(net.feed)
    assert isinstance(got, FetchError), number
    assert got.reason == "refused"
    assert len(net.public.requests) == 5
    net.assert_untouched()


@pytest.mark.parametrize("number", ["E23"])
def test_no_redirect_leads_from_https_to_http(number: str) -> None:
    client = Client(allow=AllowList(), resolver=None, limits=Limits())
    with pytest.raises(FetchError, match="from https to http") as caught:
        client._target(URL("https://public.example/feed"), "http://public.example/feed")
    assert caught.value.reason == "redirect", number


@pytest.mark.parametrize("number", ["E25"])
async def test_a_loop_ends_after_five_redirects(net: Net, number: str) -> None:
    net.public.scripts["/feed"] = moved("/feed")
    got = await net.ask(net.feed)
    assert isinstance(got, FetchError), number
    assert got.reason == "redirect"
    assert len(net.public.requests) == 6


@pytest.mark.parametrize("number", ["E26"])
async def test_refresh_headers_and_meta_refresh_are_not_followed(net: Net, number: str) -> None:
    page = f'<meta http-equiv="refresh" content="0;url={net.victim.url()}">'.encode()
    net.public.scripts["/feed"] = answer(body=page, Refresh=f"0;url={net.victim.url()}")
    assert isinstance(await net.ask(net.feed), Fetched), number
    net.assert_untouched()


@pytest.mark.parametrize("number", ["E27"])
async def test_a_line_break_in_a_location_injects_no_header(net: Net, number: str) -> None:
    net.public.scripts["/feed"] = moved("/end\r\nSet-Cookie: a=b\r\nX-Injected: yes")
    async with net.web() as web:
        await web.fetch_feed(FeedRequest(url=net.feed))
        await web.fetch_feed(FeedRequest(url=net.feed))
    sent = [seen.headers for seen in net.public.requests]
    assert all("cookie" not in headers and "x-injected" not in headers for headers in sent), number


# --- U: schemes, ports, syntax ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", URLS)
async def test_an_address_in_a_bad_form_is_not_asked(net: Net, number: str) -> None:
    got = await net.ask(URLS[number].replace("PORT", str(net.port)))
    assert isinstance(got, FetchError)
    assert got.reason == "refused"
    assert net.opened == []
    net.assert_untouched()


# --- H: what the operator opened, misused -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["H1"])
async def test_an_entry_with_a_port_opens_no_other_port(net: Net, number: str) -> None:
    for port in (22, net.port):
        got = await net.ask(f"http://127.0.0.1:{port}/", "127.0.0.1:8080")
        assert isinstance(got, FetchError), number
        assert got.reason == "refused"
    net.assert_untouched()


@pytest.mark.parametrize("number", ["H2"])
@pytest.mark.parametrize("answers", [["127.0.0.1"], ["::1", "127.0.0.1"], ["169.254.169.254"], ["fd00:ec2::254"]])
async def test_an_allowed_name_that_turns_to_loopback_or_metadata_is_refused(
    net: Net, number: str, answers: list[str]
) -> None:
    net.names.names["intranet"] = [answers]
    got = await net.ask(net.victim.url(host="intranet"), "intranet")
    assert isinstance(got, FetchError), number
    assert got.reason == "refused"
    net.assert_untouched()


@pytest.mark.parametrize("number", ["H3"])
async def test_an_allowed_host_leads_to_no_other_private_host(net: Net, number: str) -> None:
    net.victim.scripts["/feed"] = moved(f"http://127.0.0.3:{net.port}/")
    got = await net.ask(net.victim.url("/feed", "127.0.0.1"), f"127.0.0.1:{net.port}")
    assert isinstance(got, FetchError), number
    assert got.reason == "refused"
    assert net.opened == ["127.0.0.1"]


@pytest.mark.parametrize("number", ["H4"])
async def test_a_public_feed_leads_to_no_allowed_private_host(net: Net, number: str) -> None:
    net.public.scripts["/feed"] = moved(net.victim.url())
    got = await net.ask(net.feed, f"localhost:{net.port}", "127.0.0.0/8")
    assert isinstance(got, FetchError), number
    assert got.reason == "refused"
    async with net.web(f"localhost:{net.port}") as web:  # nor its items' pages, nor the robots.txt before them
        with pytest.raises(FetchError) as caught:
            await web.fetch_page(net.victim.url("/page"), configured_url=net.feed, patience_s=1)
    assert caught.value.reason == "refused"
    net.assert_untouched()


@pytest.mark.parametrize("number", ["H5"])
async def test_an_open_connection_of_an_allowed_feed_is_not_reused_by_a_public_one(net: Net, number: str) -> None:
    net.public.scripts["/feed"] = moved(net.victim.url())
    async with net.web(f"localhost:{net.port}") as web:
        assert isinstance(await web.fetch_feed(FeedRequest(url=net.victim.url())), Fetched), number
        with pytest.raises(FetchError, match="leads to this machine"):
            await web.fetch_feed(FeedRequest(url=net.feed))
    assert len(net.victim.requests) == 1


async def test_a_named_host_with_several_answers_is_asked_at_the_one_that_listens(net: Net) -> None:
    net.names.names["localhost"] = [["::1", "127.0.0.1", "10.0.0.1"]]
    assert isinstance(await net.ask(net.victim.url(), f"localhost:{net.port}"), Fetched)
    assert net.victim.connections == 1


# --- no number is missing ---------------------------------------------------------------------------------------------


def test_every_number_has_a_test() -> None:
    here = [*vars(sys.modules[__name__]).values(), *vars(test_hostile_ways).values()]
    marks = [mark for one in here for mark in getattr(one, "pytestmark", ()) if mark.name == "parametrize"]
    tested = {one.split()[0] for mark in marks if mark.args[0] == "number" for one in mark.args[1]}
    numbers = {f"{family}{number}" for family, count in NUMBERS.items() for number in range(1, count + 1)}
    assert len(numbers) == 164
    assert sorted(numbers - tested) == []
