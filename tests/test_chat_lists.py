"""/feed add of a page, and /feed import and export, in a simulated Discord: what is shown first, what is stored, what never leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.feeds.opml import feeds_in_opml, opml_for
from bot.model import ListedFeed
from bot.store import NewFeed
from bot.workers import Workers
from tests.chat_fakes import Chat, open_chat, said_in
from tests.fakes import START_AT, Reply, Site, entry

if TYPE_CHECKING:
    from pathlib import Path

    import simcord

DATES = ("Sat, 28 Feb 2026 12:00:00 +0000", "Fri, 27 Feb 2026 12:00:00 +0000", "Thu, 26 Feb 2026 12:00:00 +0000")


def wire(site: Site, path: str = "/wire.xml", title: str = "Sample wire", count: int = 3) -> str:
    entries = [
        entry(f"Report {n}", site.url(f"{path}/{n}"), guid=f"{path}{n}", date=DATES[n % len(DATES)])
        for n in range(count)
    ]
    return site.feed(path, *entries, title=title)


def page(site: Site, *hrefs: str, path: str = "/page") -> str:
    tags = "".join(f'<link rel="alternate" type="application/rss+xml" title="T{h}" href="{h}">' for h in hrefs)
    return site.put(path, Reply(body=f"<!doctype html><html><head>{tags}</head><body>x</body></html>".encode()))


def opml(*feeds: tuple[str, str]) -> bytes:
    listed = [ListedFeed(url=url, name=name) for url, name in feeds]
    return opml_for(listed, title="t", at=START_AT).encode()


async def imported(chat: Chat, body: bytes) -> simcord.InteractionResult:
    return await chat.mod.slash(chat.channel, "feed import", file=("list.opml", body))


async def pressed(chat: Chat, result: simcord.InteractionResult, label: str) -> str:
    assert result.response is not None
    await chat.mod.click(result.response, label=label)
    return said_in(result)


# --- a page in place of a feed ---


async def test_a_page_leads_to_the_one_feed_that_it_names(chat: Chat) -> None:
    url = wire(chat.site)
    said = await chat.ask("feed add", url=page(chat.site, "/wire.xml"))
    assert f"The page names this feed: {url}" in said
    assert [feed.url for feed in await chat.store.feeds()] == [url]
    assert chat.site.asked == ["/page", "/wire.xml"], "each was asked once"


async def test_of_several_feeds_one_is_chosen(chat: Chat) -> None:
    wire(chat.site)
    other = wire(chat.site, "/other.xml", "Other wire")
    result = await chat.mod.slash(chat.channel, "feed add", url=page(chat.site, "/wire.xml", "/other.xml"), name="Mine")
    assert "choose one" in said_in(result)
    assert await chat.store.feeds() == ()
    assert result.response is not None
    await chat.mod.select(result.response, ["1"])
    assert "Mine is heard here" in said_in(result).replace("**", "")
    assert [feed.url for feed in await chat.store.feeds()] == [other]


async def test_a_feed_at_a_usual_place_is_found_within_six_requests(chat: Chat) -> None:
    page(chat.site)
    said = await chat.ask("feed add", url=chat.site.url("/page"))
    assert "none was found at /feed, /rss.xml, /atom.xml, /feed.json" in said
    assert chat.site.asked == ["/page", "/feed", "/rss.xml", "/atom.xml", "/feed.json"]
    assert await chat.store.feeds() == ()
    wire(chat.site, "/rss.xml")
    assert "3 items" in await chat.ask("feed test", url=chat.site.url("/page"))
    assert "3 items; none is posted" in await chat.ask("feed add", url=chat.site.url("/page"))


async def test_a_host_that_wants_to_be_left_alone_is_not_searched(chat: Chat) -> None:
    chat.site.put("/feed", Reply(status=503))
    await chat.ask("feed add", url=page(chat.site))
    assert chat.site.asked == ["/page", "/feed"]


@pytest.mark.parametrize(
    "href", ["http://10.1.2.3/feed", "http://localhost/feed", "http://169.254.169.254/f", "http://x.example:22/"]
)
async def test_a_page_opens_no_private_host(chat: Chat, href: str) -> None:
    said = await chat.ask("feed add", url=page(chat.site, href))
    assert "names no feed" in said
    assert len(chat.site.asked) == 5


async def test_what_a_page_names_and_what_is_wrong_with_it_are_said(chat: Chat) -> None:
    said = await chat.ask("feed add", url=page(chat.site, "/gone.xml"))
    assert f"the feed that it names, {chat.site.url('/gone.xml')}, cannot be had" in said
    assert "404" in said


# --- what is shown of a feed ---


async def test_a_feed_is_shown_when_it_is_added_and_removed_again_at_a_press(chat: Chat) -> None:
    result = await chat.mod.slash(chat.channel, "feed add", url=wire(chat.site))
    said = said_in(result)
    assert "about 1 item a day" in said
    assert [said.index(f"Report {n}") for n in range(3)] == sorted(said.index(f"Report {n}") for n in range(3))
    assert [feed.subscribed_at for feed in await chat.store.feeds()] == [chat.clock.now], "it is heard without a press"
    assert "Removed again: **Sample wire**" in await pressed(chat, result, "Remove")
    assert "hears no feed yet" in await chat.ask("feed list")


async def test_whoever_lost_the_right_removes_nothing_by_an_old_button(chat: Chat) -> None:
    result = await chat.mod.slash(chat.channel, "feed add", url=wire(chat.site))
    chat.demote()
    assert "Manage Server" in await pressed(chat, result, "Remove")
    assert len(await chat.store.feeds()) == 1


async def test_a_feed_that_is_looked_at_says_how_it_is(chat: Chat) -> None:
    url = wire(chat.site)
    chat.site.replies["/wire.xml"].headers["Cache-Control"] = "max-age=43200"
    said = await chat.ask("feed test", url=url)
    assert "about 1 item a day" in said
    assert "Asks for 12 h" in said
    assert await chat.store.feeds() == ()


# --- import ---


async def test_an_import_is_shown_first_and_stored_at_a_press(chat: Chat) -> None:
    known = wire(chat.site)
    await chat.ask("feed add", url=known)
    new = [wire(chat.site, f"/n{number}", f"Wire {number}") for number in range(3)]
    await chat.ask("watch add", name="All", query="report")
    result = await imported(
        chat,
        opml(
            *((url, f"Name {number}") for number, url in enumerate(new)),
            (new[0], "again"),
            (known, "Known"),
            ("http://10.1.2.3/feed", "Inside"),
            ("file:///etc/passwd", "File"),
        ),
    )
    said = said_in(result)
    assert "names 7 feeds: 3 new, 2 known, 2 refused" in said
    assert "Name 0" in said
    assert "a private network" in said
    assert "Only http:// and https://" in said
    assert len(await chat.store.feeds()) == 1, "a preview stores nothing"
    assert "3 feeds added" in await pressed(chat, result, "Save")
    assert [feed.url for feed in await chat.store.feeds()] == [known, *new]
    assert "0 read, 3 waiting, 0 in trouble" in await pressed(chat, result, "How far is it?")
    chat.site.put("/n2", Reply(status=403))
    await chat.read()
    far = await pressed(chat, result, "How far is it?")
    assert "2 read, 0 waiting, 1 in trouble" in far
    assert "403" in far
    assert "Name 1" in await chat.ask("feed list")
    assert "Nothing since" in await chat.ask("latest"), "what they hold is their baseline"


async def test_a_cancelled_import_stores_nothing(chat: Chat) -> None:
    result = await imported(chat, opml((wire(chat.site), "x")))
    assert "Cancelled" in await pressed(chat, result, "Cancel")
    assert await chat.store.feeds() == ()


async def test_feeds_of_public_hosts_are_asked_one_after_another(chat: Chat) -> None:
    result = await imported(chat, opml(*((f"https://news{n}.example/feed", "") for n in range(100))))
    assert "the last in about" in await pressed(chat, result, "Save")
    due = [feed.next_poll_at for feed in await chat.store.feeds()]
    waits = [(at - chat.clock.now).total_seconds() for at in due if at]
    assert len(waits) == 100
    assert waits == sorted(waits)
    assert 150 < waits[-1] < 300


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"<rss/>", "no OPML list"),
        (b'<opml><body><outline text="x"/></body></opml>', "no outline in it has an xmlUrl"),
        (b'<!DOCTYPE o [<!ENTITY a "b">]><opml/>', "document type"),
        (b"<opml>" + b" " * (1 << 20), "1 MiB"),
    ],
)
async def test_what_is_no_list_is_refused_in_words(chat: Chat, body: bytes, words: str) -> None:
    assert words in said_in(await imported(chat, body))


async def test_more_feeds_than_a_server_may_have_are_refused(chat: Chat) -> None:
    said = said_in(await imported(chat, opml(*((f"https://news.example/{n}", "") for n in range(502)))))
    assert "500 new, 0 known, 2 refused" in said
    assert "A server may have 500 feeds" in said


async def test_a_member_neither_imports_nor_exports(chat: Chat) -> None:
    for command, options in (
        ("feed import", {"file": ("l.opml", opml(("https://x.example/", "")))}),
        ("feed export", {}),
    ):
        assert "Manage Server" in said_in(await chat.ann.slash(chat.channel, command, **options))


# --- export ---


async def test_an_export_holds_the_servers_own_feeds_without_passwords(tmp_path: Path, site: Site) -> None:
    declared = wire(site, "/declared")
    async with Workers() as workers, open_chat(tmp_path, site, workers, feeds=[declared]) as chat:
        assert "nothing to export" in await chat.ask("feed export")
        await chat.ask("feed add", url=wire(site), name="Mine")
        wire(site, "/secret", "Secret wire")
        await chat.ask("feed add", url=f"http://anna:hushhush@{site.origin}/secret")
        await chat.store.chat.add_feed(99, "https://theirs.example/feed", by=1, now=chat.clock())
        result = await chat.mod.slash(chat.channel, "feed export")
        assert result.ephemeral
        said = said_in(result)
        assert "2 feeds" in said
        assert "1 feed without the password" in said
        assert "1 feed of the operator's" in said
        assert result.response is not None
        body = await result.response.attachments[0].read()
        assert b"hushhush" not in body
        assert [(one.url, one.name) for one in feeds_in_opml(body).feeds] == [
            (site.url("/wire.xml"), "Mine"),
            (site.url("/secret"), "Secret wire"),
        ]


# --- the operator's own list ---


async def test_a_feed_of_the_operators_list_is_heard_by_all_and_changed_by_nobody_here(chat: Chat) -> None:
    url = wire(chat.site)
    wire(chat.site, "/secret", "Secret wire")
    rows = [NewFeed(url=url, name="House"), NewFeed(url=f"http://anna:hush@{chat.site.origin}/secret")]
    await chat.store.chat.add_feeds(0, rows, by=0, now=chat.clock())
    await chat.desk.lists.ledger.changed()
    await chat.read()
    await chat.ask("watch add", name="All", query="report")
    listed = await chat.ask("feed list", by=chat.ann)
    assert "House · works · declared" in listed.replace("**", "")
    assert "Secret wire" not in listed, "with a password it is for the servers that declared watches alert"
    for command in ("feed remove", "feed pause"):
        assert "operator's own list" in await chat.ask(command, feed="House")
    assert "already" in await chat.ask("feed add", url=url)
    assert "0 new, 1 known" in said_in(await imported(chat, opml((url, "x"))))
    wire(chat.site, count=4)
    await chat.poll_again()
    assert "Report 3" in await chat.ask("latest")
