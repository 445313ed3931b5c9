"""`wirewatch opml` and `wirewatch feed` of a page, as processes: what is said by line, what a reload keeps, what a running bot refuses."""

from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.feeds.opml import feeds_in_opml, opml_for
from bot.model import DeclaredFeed, ListedFeed
from bot.store import Store
from bot.store.lock import take_lock
from tests.cli_fakes import Wire, one_line, wire, wirewatch
from tests.fakes import entry

if TYPE_CHECKING:
    from pathlib import Path

    from bot.model import Feed

__all__ = ["wire"]  # a fixture is found by its name in this module

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CONFIG = """
[[feeds]]
url = "https://declared.example/feed"
[[watches]]
name = "All"
query = '="sanctions"'
channel = 5
"""


def configured(folder: Path) -> None:
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")


def write_list(folder: Path, *urls: str) -> None:
    feeds = [ListedFeed(url=url, name=f"Wire {place}", folder="Abroad") for place, url in enumerate(urls)]
    (folder / "list.opml").write_text(opml_for(feeds, title="t", at=AT), encoding="utf-8")


def restarted(folder: Path, guild_id: int) -> tuple[set[str], dict[str, frozenset[int]]]:
    """Return which feeds are on after a start of the bot, and who hears them where not all do."""

    async def look() -> tuple[set[str], dict[str, frozenset[int]]]:
        store = await Store.open(folder / "wirewatch.db", now=AT)
        try:
            await store.declare(
                feeds=[DeclaredFeed(url="https://declared.example/feed")], actors=[], watches=[], now=AT
            )
            feeds: tuple[Feed, ...] = await store.feeds()
            seen = {feed.id: feed.url for feed in (await store.chat.holdings(guild_id)).feeds}
            audiences = await store.chat.audiences()
            return {one.url for one in feeds if one.state != "paused" and one.id in seen}, {
                seen[feed_id]: guilds for feed_id, guilds in audiences.items() if feed_id in seen
            }
        finally:
            await store.close()

    return asyncio.run(look())


def test_a_list_is_imported_by_line_kept_over_reloads_and_replaced(tmp_path: Path) -> None:
    configured(tmp_path)
    urls = ["https://one.example/a", "https://anna:hush@two.example/b"]
    write_list(tmp_path, *urls, "https://declared.example/feed", "http://10.0.0.1/c", urls[0])
    run = wirewatch("opml", "import", "list.opml", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    assert [row[1] for row in rows] == ["added", "added", "known", "refused", "known"]
    assert [row[0] for row in rows] == ["6", "7", "8", "9", "10"]
    assert "a private network" in rows[3][3]
    assert "hush" not in run.stdout + run.stderr
    assert "5 feeds: 2 added, 2 known, 1 refused." in run.stderr
    on, heard_by = restarted(tmp_path, guild_id=77)
    assert on == {*urls, "https://declared.example/feed"}
    assert heard_by == {urls[1]: frozenset({0})}, (
        "with a password it is for declared watches alone; 0: not yet in a server"
    )
    write_list(tmp_path, urls[1])
    assert "removed" in wirewatch("opml", "import", "list.opml", "--replace", cwd=tmp_path).stdout
    assert restarted(tmp_path, guild_id=77)[0] == {urls[1], "https://declared.example/feed"}


def test_an_export_is_read_back_and_holds_passwords_only_when_asked(tmp_path: Path) -> None:
    configured(tmp_path)
    one_line(wirewatch("opml", "export", "out.opml", cwd=tmp_path), 1, "no database")
    write_list(tmp_path, "https://one.example/a", "https://anna:hush@two.example/b")
    wirewatch("opml", "import", "list.opml", cwd=tmp_path)
    restarted(tmp_path, guild_id=77)
    lock = take_lock(tmp_path / "wirewatch.db")  # as a running bot holds it
    try:
        assert "without the password" in wirewatch("opml", "export", "out.opml", cwd=tmp_path).stderr
        secret = wirewatch("opml", "export", "secret.opml", "--with-credentials", cwd=tmp_path)
        one_line(wirewatch("opml", "import", "list.opml", cwd=tmp_path), 1, "in use", "stop that one first")
    finally:
        lock.release()
    listed = feeds_in_opml((tmp_path / "out.opml").read_bytes()).feeds
    assert [(one.url, one.name, one.folder) for one in listed] == [
        ("https://declared.example/feed", "", "declared in the configuration"),
        ("https://one.example/a", "Wire 0", "the operator's list"),
        ("https://two.example/b", "Wire 1", "the operator's list"),
    ]
    assert "keep it as safe" in secret.stderr
    assert b"anna:hush@" in (tmp_path / "secret.opml").read_bytes()
    assert stat.S_IMODE((tmp_path / "secret.opml").stat().st_mode) == 0o600
    assert feeds_in_opml(wirewatch("opml", "export", "-", cwd=tmp_path).stdout.encode()).feeds == listed


def test_what_cannot_be_imported_is_said_in_one_line(tmp_path: Path) -> None:
    configured(tmp_path)
    (tmp_path / "bad.opml").write_text("<rss/>", encoding="utf-8")
    one_line(wirewatch("opml", "import", "bad.opml", cwd=tmp_path), 1, "bad.opml", "no OPML list")
    one_line(wirewatch("opml", "import", "none.opml", cwd=tmp_path), 1, "none.opml")
    write_list(tmp_path)
    wirewatch("opml", "import", "list.opml", cwd=tmp_path)
    one_line(wirewatch("opml", "export", "wirewatch.db", cwd=tmp_path), 2, "the store itself")


def test_a_page_leads_to_its_feed_or_offers_them(tmp_path: Path, wire: Wire) -> None:
    wire.feed("/f", entry("First", "http://news.example/1", date="Mon, 14 Sep 2020 09:30:00 +0000"))
    tag = '<link rel="alternate" type="application/rss+xml" title="World" href="{}">'
    wire.answers["/page"] = ("text/html", f"<!doctype html><html><head>{tag.format('f')}</head></html>".encode())
    both = tag.format("f") + tag.format("/g")
    wire.answers["/both"] = ("text/html", f"<!doctype html><html><head>{both}</head></html>".encode())
    run = wirewatch("feed", wire.url("/page"), "--allow-private", wire.origin, cwd=tmp_path)
    assert run.returncode == 0
    assert f"The page names this feed: {wire.url('/f')}" in run.stderr
    assert "First" in run.stdout
    run = wirewatch("feed", wire.url("/both"), "--allow-private", wire.origin, cwd=tmp_path)
    assert run.returncode == 1
    assert run.stdout.splitlines() == [f"{wire.url('/f')}\tWorld", f"{wire.url('/g')}\tWorld"]
    assert "names several feeds" in run.stderr
