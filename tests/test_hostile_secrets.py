"""A feed's secrets, in its address or its header file: sent to its own host alone, and found nowhere else."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bot.app import open_engine
from bot.config import config_in, load_config, warnings_for
from bot.desk_sight import Asker
from bot.errors import ConfigError, UserError
from bot.model import DeclaredFeed
from bot.web.fetch import FeedRequest, Fetched
from bot.web.own_headers import LIMIT_BYTES, headers_in
from tests.cli_fakes import environment
from tests.fakes import KeepingOutlet, Reply, Site, entry, rss
from tests.hostile_net import PUBLIC_ADDRESS, Net, hostile_net
from tests.web_fakes import answer, moved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot.config import Config

SESAME, OTHER = "sesame-4711", "changed-0815"
KEY = ("X-Api-Key", SESAME)
DOCUMENT = rss("Members", entry("Harbour", "http://127.0.0.1/1")).encode()


@pytest.fixture
async def net(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Net]:
    async with hostile_net(monkeypatch) as world:
        yield world


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site() as running:
        yield running


# --- the header file --------------------------------------------------------------------------------------------------


def test_a_header_file_is_one_header_a_line() -> None:
    text = "# members\r\nX-Api-Key:  sesame-4711 \n\nAuthorization: Bearer a.b:c=\n  Cookie: a=1; b=2"
    assert headers_in(text) == (KEY, ("Authorization", "Bearer a.b:c="), ("Cookie", "a=1; b=2"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no header"),
        ("# nothing", "no header"),
        (f"{SESAME}", "line 1 is no header"),
        (f"X-Key: ok\n{SESAME} x: y", "line 2 is no header"),
        (f"X-Key:{SESAME}\rX-Other: y", "line 1 is no header"),
        (f"X-Key: {SESAME}\x00", "line 1 is no header"),
        (f"X-Key: {SESAME}ü", "line 1 is no header"),
        ("X-Key:", "line 1 is no header"),
        (f": {SESAME}", "line 1 is no header"),
        (f"Host: {SESAME}", "line 1 sets a header that the bot sets itself"),
        (f"a-im: {SESAME}", "line 1 sets a header that the bot sets itself"),
        (f"Transfer-Encoding: {SESAME}", "line 1 sets a header that the bot sets itself"),
        (f"X-Key: 1\nx-key: {SESAME}", "line 2 gives the same header a second time"),
        (f"X-Key: {SESAME * LIMIT_BYTES}", "longer than"),
    ],
)
def test_a_fault_of_a_header_file_names_the_line_and_nothing_of_what_is_in_it(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        headers_in(text)
    assert SESAME not in str(caught.value)


def written(folder: Path, url: str, *, secret: str = SESAME, more: str = "") -> Path:
    """Write a configuration with one feed and its header file; return its path."""
    (folder / "members.headers").write_text(f"{KEY[0]}: {secret}\n", encoding="utf-8")
    path = folder / "config.toml"
    path.write_text(f'{more}[[feeds]]\nurl = "{url}"\nheader_file = "members.headers"\n', encoding="utf-8")
    return path


def test_the_configuration_reads_the_file_beside_it_and_does_not_show_what_is_in_it(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "https://members.example/feed"))
    assert config.feeds == (DeclaredFeed(url="https://members.example/feed", headers=(KEY,)),)
    assert SESAME not in repr(config)
    assert warnings_for(config) == (
        "no watch is declared: add [[watches]] with a name and a query, or nothing will ever alert",
    )


@pytest.mark.parametrize("content", [None, b"\xff\xfe", SESAME.encode()])
def test_a_header_file_that_is_missing_or_none_is_a_fault_without_its_content(
    tmp_path: Path, content: bytes | None
) -> None:
    path = written(tmp_path, "https://members.example/feed")
    (tmp_path / "members.headers").unlink()
    if content is not None:
        (tmp_path / "members.headers").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (fault,) = caught.value.faults
    assert fault.key == "feeds[1].header_file"
    assert SESAME not in str(caught.value)


def test_a_secret_that_would_go_over_the_network_in_clear_is_warned_of(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "http://members.example/feed"))
    said = " ".join(warnings_for(config))
    assert "given its secret over http" in said
    assert SESAME not in said
    assert "over http" in " ".join(
        warnings_for(config_in({"feeds": [{"url": f"http://me:{SESAME}@members.example/"}]}, tmp_path / "c.toml"))
    )


# --- on the network ---------------------------------------------------------------------------------------------------


async def test_the_secret_goes_to_the_feeds_own_host_and_to_no_other(net: Net) -> None:
    net.names.names["other.example"] = [[PUBLIC_ADDRESS]]
    net.public.scripts["/feed"] = moved("/inside")
    net.public.scripts["/inside"] = moved(net.public.url("/outside", "other.example"))
    net.public.scripts["/outside"] = moved(net.public.url("/back", "public.example"))
    net.public.scripts["/back"] = answer(body=DOCUMENT)
    url = net.feed.replace("http://", f"http://me:{OTHER}@")
    async with net.web() as web:
        got = await web.fetch_feed(FeedRequest(url=url, headers=(KEY,), etag='"1"'))
    assert isinstance(got, Fetched)
    sent = [
        (seen.path, "x-api-key" in seen.headers, "authorization" in seen.headers, "if-none-match" in seen.headers)
        for seen in net.public.requests
    ]
    assert sent == [
        ("/feed", True, True, True),
        ("/inside", True, True, True),
        ("/outside", False, False, False),
        ("/back", False, False, False),  # who leaves and comes back is led by another
    ]
    assert OTHER not in got.url


async def test_another_port_of_the_host_is_not_told(net: Net) -> None:
    net.public.scripts["/feed"] = moved(f"http://public.example:{net.port}/")
    net.names.names["public.example"] = [[PUBLIC_ADDRESS]]
    async with net.web() as web:
        with pytest.raises(Exception, match="cannot be reached"):
            await web.fetch_feed(FeedRequest(url=net.feed, headers=(KEY,)))
    assert [KEY[0].lower() in seen.headers for seen in net.public.requests] == [True]


def test_a_request_shows_neither_its_address_nor_its_headers() -> None:
    shown = repr(FeedRequest(url=f"https://me:{OTHER}@members.example/?key={OTHER}", headers=(KEY,)))
    assert SESAME not in shown
    assert OTHER not in shown


# --- in the whole engine ----------------------------------------------------------------------------------------------


def configuration(folder: Path, site: Site, *, secret: str = SESAME) -> Config:
    more = f'[fetch]\nallow_private = ["{site.origin}"]\ninterval = "1s"\n'
    more += f'[[feeds]]\nurl = "http://me:{OTHER}@{site.origin}/named"\n'
    return load_config(written(folder, site.url("/members"), secret=secret, more=more))


def database_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("wirewatch.db"))


@pytest.mark.parametrize("status", [200, 401, 302])
async def test_a_secret_stands_in_no_log_no_notice_no_error_and_no_database(
    tmp_path: Path, site: Site, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    away = {"Location": "http://10.0.0.9/x"} if status == 302 else {}
    for path in ("/members", "/named"):
        site.put(path, Reply(body=DOCUMENT, status=status, content_type="application/rss+xml", headers=away))
    config, notices = configuration(tmp_path, site), list[str]()
    async with open_engine(config, KeepingOutlet(), say=notices.append) as engine:
        for feed in await engine.store.feeds():
            await engine.pipeline.poll_feed(feed)
        said = [feed.last_error for feed in await engine.store.feeds()]
        manager = Asker(guild_id=11, user_id=1, is_manager=True, sees=lambda _: True, holds=lambda _: True)
        desk = engine.desk()
        reports = [str(await desk.feeds.test(manager, one.name)) for one in await desk.feeds.list(manager)]
        state = repr(engine.pipeline.habits) + repr(config)
    assert [headers.get(KEY[0]) for headers in site.sent_headers].count(SESAME) == 1
    raw = database_in(tmp_path)
    assert raw
    for place in (caplog.text, *notices, *said, state):
        assert SESAME not in place
    assert SESAME.encode() not in raw
    assert SESAME not in "".join(reports)
    assert OTHER not in caplog.text + "".join(notices) + "".join(said)


async def test_a_changed_header_file_is_taken_in_with_a_reload(tmp_path: Path, site: Site) -> None:
    site.put("/members", Reply(body=DOCUMENT, content_type="application/rss+xml"))
    site.put("/named", Reply(body=DOCUMENT, content_type="application/rss+xml"))
    async with open_engine(configuration(tmp_path, site), KeepingOutlet()) as engine:
        await engine.declare(configuration(tmp_path, site, secret=OTHER))
        for feed in await engine.store.feeds():
            await engine.pipeline.poll_feed(feed)
    assert [headers[KEY[0]] for headers in site.sent_headers if KEY[0] in headers] == [OTHER]


async def test_neither_chat_nor_a_feed_that_moved_is_given_the_file_s_secrets(tmp_path: Path, site: Site) -> None:
    for path in ("/members", "/named", "/elsewhere"):
        site.put(path, Reply(body=DOCUMENT, content_type="application/rss+xml"))
    async with open_engine(configuration(tmp_path, site), KeepingOutlet()) as engine:
        (feed,) = [one for one in await engine.store.feeds() if one.url == site.url("/members")]
        for other in (replace(feed, origin="chat"), replace(feed, url=site.url("/elsewhere"))):
            await engine.pipeline.poll_feed(other)
        manager = Asker(guild_id=11, user_id=1, is_manager=True, sees=lambda _: True, holds=lambda _: True)
        with pytest.raises(UserError):
            await engine.desk().feeds.add(manager, site.url("/members"))
        await engine.desk().feeds.test(manager, f"{site.url('/members')}?")
    assert not any(KEY[0] in headers for headers in site.sent_headers)


def test_what_the_program_writes_is_for_its_own_user_alone(tmp_path: Path) -> None:
    code = "import sys, bot.__main__ as program; sys.argv[1:] = ['--help']\n"
    code += "try: program.main()\nexcept SystemExit: pass\nopen('written', 'w').close()"
    done = subprocess.run(  # noqa: S603  # ourselves
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, check=True
    )
    assert done.stderr == b""
    assert (tmp_path / "written").stat().st_mode & 0o777 == 0o600
