"""/feed in a simulated Discord: what is heard, what is refused and how, and what nobody else may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
import pytest

from bot.workers import Workers
from tests.chat_fakes import Chat, open_chat
from tests.fakes import Reply, Site, entry

if TYPE_CHECKING:
    from pathlib import Path

FOR_MANAGERS = "This is for people with the Manage Server permission: ask one of them."


def wire(site: Site, path: str = "/feed", title: str = "Sample wire", count: int = 2) -> str:
    return site.feed(
        path, *(entry(f"Report {n}", site.url(f"{path}/{n}"), guid=f"{path}{n}") for n in range(count)), title=title
    )


async def test_a_feed_is_read_when_it_is_added_and_posts_nothing_old(chat: Chat) -> None:
    await chat.ask("watch add", name="All", query="report")
    said = await chat.ask("feed add", url=wire(chat.site))
    assert "Sample wire" in said
    assert "2 items; none is posted" in said
    await chat.read()
    assert "Nothing since" in await chat.ask("latest")
    wire(chat.site, count=3)
    await chat.poll_again()
    latest = await chat.ask("latest")
    assert "Report 2" in latest
    assert "Report 1" not in latest


async def test_with_backfill_the_newest_item_counts_as_new(chat: Chat) -> None:
    await chat.ask("watch add", name="All", query="report")
    assert "the newest counts as new" in await chat.ask("feed add", url=wire(chat.site), backfill=True)
    await chat.read()
    assert "Latest (1)" in await chat.ask("latest")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://{origin}/nothing", "404"),
        ("http://{origin}/page", "/real.xml"),
        ("ftp://{origin}/feed", "http"),
        ("http://10.1.2.3/feed", "private"),
        ("two words", "no blanks"),
    ],
)
async def test_what_is_no_feed_is_refused_with_a_way_out(chat: Chat, url: str, words: str) -> None:
    page = '<!doctype html><html><head><link rel="alternate" type="application/rss+xml" href="/real.xml"></head><body>x</body></html>'
    chat.site.put("/page", Reply(body=page.encode()))
    assert words in await chat.ask("feed add", url=url.format(origin=chat.site.origin))
    assert "hears no feed yet" in await chat.ask("feed list")
    assert await chat.store.feeds() == ()


async def test_the_same_feed_is_not_added_twice(chat: Chat) -> None:
    url = wire(chat.site)
    await chat.ask("feed add", url=url)
    assert "has that feed already" in await chat.ask("feed add", url=url)


async def test_a_feed_is_renamed_and_given_an_interval(chat: Chat) -> None:
    await chat.ask("feed add", url=wire(chat.site))
    assert "Other name" in await chat.ask("feed edit", feed="sample WIRE", name="Other name", interval="10m")
    listed = await chat.ask("feed list")
    assert "Other name" in listed
    assert "at most every 10m" in listed
    assert (await chat.store.feeds())[0].interval_s == 600
    assert "a duration" in await chat.ask("feed edit", feed="Other name", interval="soon")
    assert "Say what to change" in await chat.ask("feed edit", feed="Other name")
    assert "Closest: Other name" in await chat.ask("feed edit", feed="Other nam", name="x1")


async def test_a_paused_feed_is_not_polled_and_comes_back_without_what_it_missed(chat: Chat) -> None:
    await chat.ask("watch add", name="All", query="report")
    await chat.ask("feed add", url=wire(chat.site))
    assert "Paused" in await chat.ask("feed pause", feed="Sample wire")
    assert await chat.store.due_feeds(chat.clock.now) == ()
    assert "paused already" in await chat.ask("feed pause", feed="Sample wire")
    assert "paused" in await chat.ask("feed list", state="paused")
    wire(chat.site, count=3)
    assert "Heard again" in await chat.ask("feed resume", feed="Sample wire")
    assert "is not paused" in await chat.ask("feed resume", feed="Sample wire")
    await chat.poll_again()
    wire(chat.site, count=4)
    await chat.poll_again()
    latest = await chat.ask("latest")
    assert "Report 3" in latest
    assert "Report 2" not in latest


async def test_a_feed_is_removed_after_a_confirmation_only(chat: Chat) -> None:
    url = wire(chat.site)
    await chat.ask("feed add", url=url)
    assert "Kept" in await chat.confirm("feed remove", "Keep", feed="Sample wire")
    assert "Sample wire" in await chat.ask("feed list")
    said = await chat.confirm("feed remove", "Remove the feed", feed="Sample wire")
    assert url in said
    assert "hears no feed yet" in await chat.ask("feed list")
    assert "Sample wire" in await chat.ask("feed add", url=url)


async def test_a_confirmation_names_the_watches_that_would_hear_nothing(chat: Chat) -> None:
    await chat.ask("feed add", url=wire(chat.site))
    await chat.ask("watch add", name="Narrow", query="report", feeds="Sample wire")
    await chat.ask("watch add", name="Broad", query="report")
    said = await chat.ask("feed remove", feed="Sample wire")
    assert "These watches listen to nothing else: Narrow." in said


async def test_a_shared_feed_in_trouble_is_heard_all_the_same_and_said_to_be_so(chat: Chat) -> None:
    url = wire(chat.site)
    await chat.store.chat.add_feed(99, url, by=1, now=chat.clock())
    await chat.poll_again()
    chat.site.put("/feed", Reply(status=403))
    chat.clock.move(minutes=10)
    await chat.poll_again()
    said = await chat.ask("feed add", url=url, backfill=True)
    assert "none of its items can count as new" in said, "the other server would be told of it too"
    assert "403" in said


async def test_a_feed_in_trouble_is_released(chat: Chat) -> None:
    url = wire(chat.site)
    await chat.ask("feed add", url=url)
    assert "Nothing is held back" in await chat.ask("feed release", feed="Sample wire")
    chat.site.put("/feed", Reply(status=403))
    chat.clock.move(minutes=5)
    await chat.poll_again()
    assert "refuses us" in await chat.ask("feed list")
    assert "less than a minute ago" in await chat.ask("feed release", feed="Sample wire")
    chat.clock.move(minutes=2)
    assert "asked again now" in await chat.ask("feed release", feed="Sample wire")
    assert len(await chat.store.due_feeds(chat.clock.now)) == 1


async def test_a_feed_is_tested_by_name_by_everyone_and_by_address_by_managers(chat: Chat) -> None:
    await chat.ask("feed add", url=wire(chat.site))
    by_name = await chat.ask("feed test", by=chat.ann, feed="Sample wire")
    assert "2 items kept" in by_name
    assert "/feed\n" not in by_name, "an address is for managers"
    other = wire(chat.site, "/other", "Other wire", count=5)
    assert "5 items · not subscribed" in await chat.ask("feed test", url=other)
    assert await chat.ask("feed test", by=chat.ann, url=other) == FOR_MANAGERS
    assert "404" in await chat.ask("feed test", url=chat.site.url("/nothing"))
    assert "Say which" in await chat.ask("feed test")
    assert "Other wire" not in await chat.ask("feed list")


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("feed add", {"url": "https://news.example/feed"}),
        ("feed edit", {"feed": "Sample wire", "name": "x1"}),
        ("feed remove", {"feed": "Sample wire"}),
        ("feed pause", {"feed": "Sample wire"}),
        ("feed resume", {"feed": "Sample wire"}),
        ("feed release", {"feed": "Sample wire"}),
    ],
)
async def test_a_member_changes_no_feed(chat: Chat, command: str, options: dict[str, Any]) -> None:
    await chat.ask("feed add", url=wire(chat.site))
    assert await chat.ask(command, by=chat.ann, **options) == FOR_MANAGERS
    assert "Sample wire" in await chat.ask("feed list", by=chat.ann)


async def test_the_managers_role_is_enough(tmp_path: Path, site: Site) -> None:
    async with Workers() as workers, open_chat(tmp_path, site, workers, role=True) as chat:
        assert "Sample wire" in await chat.ask("feed add", url=wire(site))


async def test_names_are_offered_while_somebody_types(chat: Chat) -> None:
    for number in range(30):
        await chat.store.chat.add_feed(chat.guild.id, f"https://news.example/{number}", by=1, now=chat.clock())
        await chat.store.chat.edit_feed(chat.guild.id, number + 1, name=f"Wire {number:02}", interval_s=None)
    await chat.ask("feed list")
    assert len(await chat.names("feed test", "feed")) == 25
    assert await chat.names("feed test", "feed", "29") == ["Wire 29"]
    assert await chat.names("feed pause", "feed", "wire 0") == [f"Wire 0{n}" for n in range(10)]
    assert await chat.names("feed edit", "feed", "nothing") == []


async def test_declared_feeds_are_shown_as_declared_and_changed_in_the_file(tmp_path: Path, site: Site) -> None:
    url = wire(site)
    async with Workers() as workers, open_chat(tmp_path, site, workers, feeds=[url]) as chat:
        await chat.read()
        assert "declared" in await chat.ask("feed list")
        for command in ("feed remove", "feed pause", "feed resume"):
            assert "[[feeds]]" in await chat.ask(command, feed="Sample wire")
        assert "[[feeds]]" in await chat.ask("feed edit", feed="Sample wire", name="Mine")
        assert "already" in await chat.ask("feed add", url=url)
        assert await chat.names("feed remove", "feed") == []
        assert await chat.names("feed test", "feed") == ["Sample wire"]


async def test_a_password_is_never_shown_and_its_feed_is_one_servers(chat: Chat) -> None:
    wire(chat.site)
    url = f"http://anna:hushhush@{chat.site.origin}/feed"
    said = [
        await chat.ask("feed add", url=url),
        await chat.ask("feed list"),
        await chat.ask("feed test", feed="Sample wire"),
    ]
    assert "hushhush" not in "".join(said)
    other = chat.env.create_guild()
    place = other.create_text_channel("there")
    managers = other.create_role("Desk", permissions=discord.Permissions(manage_guild=True))
    them = other.add_member(chat.env.create_user("eve"), roles=[managers])
    there = [
        await chat.ask("feed list", by=them, at=place),
        await chat.ask("feed test", by=them, at=place, feed="Sample wire"),
        await chat.ask("feed pause", by=them, at=place, feed="Sample wire"),
    ]
    assert "hears no feed yet" in there[0]
    assert all('There is no feed "Sample wire" here' in each for each in there[1:])
    assert (await chat.store.feeds())[0].origin == "chat"
    assert await chat.store.chat.audiences() == {1: frozenset({chat.guild.id})}


async def test_feeds_are_paged(chat: Chat) -> None:
    for number in range(20):
        await chat.store.chat.add_feed(chat.guild.id, f"https://news.example/{number}", by=1, now=chat.clock())
        await chat.store.chat.edit_feed(chat.guild.id, number + 1, name=f"Wire {number:02}", interval_s=None)
    result = await chat.mod.slash(chat.channel, "feed list")
    assert result.response is not None
    assert "Wire 00" in str(result.response.embeds[0].description)
    await chat.mod.click(result.response, label="Next")
    assert "Wire 08" in str(result.response.embeds[0].description)
    await chat.mod.click(result.response, label="Back")
    assert "Wire 00" in str(result.response.embeds[0].description)
    await chat.env.advance_time(500)
    await chat.mod.click(result.response, label="Next")
    await chat.env.advance_time(700)
    assert result.response.components == []
    tokens = [one.path.split("/")[-3] for one in chat.env.http_requests if one.path.endswith("/messages/@original")]
    assert tokens[-1] != tokens[0], "the first press's token is over by then"


async def test_a_confirmation_shows_which_of_two_namesakes_goes(chat: Chat) -> None:
    for word in ("sanctions", "embargo"):
        await chat.ask("feed add", url=wire(chat.site, "/search", "Search") + f"?q={word}")
    names = await chat.names("feed remove", "feed")
    assert len(names) == 2
    said = [await chat.ask("feed remove", feed=name) for name in names]
    assert "?q=sanctions" in said[0]
    assert "?q=embargo" in said[1]
    listed = await chat.ask("feed list", by=chat.ann)
    assert "/search" not in listed, "an address is for managers"


async def test_a_name_and_an_interval_are_taken_back(chat: Chat) -> None:
    await chat.ask("feed add", url=wire(chat.site), name="Mine")
    await chat.ask("feed edit", feed="Mine", interval="10m")
    assert "Sample wire" in await chat.ask("feed edit", feed="Mine", name="default", interval="default")
    assert (await chat.store.feeds())[0].interval_s is None


async def test_who_may_not_is_told_of_the_role_that_may(tmp_path: Path, site: Site) -> None:
    async with Workers() as workers, open_chat(tmp_path, site, workers, role=True) as chat:
        assert "or the role Desk" in await chat.ask("feed add", by=chat.ann, url=wire(site))
