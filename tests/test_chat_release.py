"""/feed release in a simulated Discord: what was held back, let through or dropped, by whom; and what lists say of a feed."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

from tests.fakes import START_AT, Reply, entry

if TYPE_CHECKING:
    from tests.chat_fakes import Chat


def wire(chat: Chat, kind: str, count: int, *, days_ago: int) -> str:
    """Serve a feed of so many reports, an hour apart, the newest so many days old at the start."""
    newest_at = START_AT - timedelta(days=days_ago)
    dates = [format_datetime(newest_at - timedelta(hours=number), usegmt=True) for number in range(count)]
    return chat.site.feed(
        "/feed",
        *(
            entry(f"Report {kind} {n}", chat.site.url(f"/{kind}/{n}"), guid=f"{kind}{n}", date=dates[n])
            for n in range(count)
        ),
        headers={"Cache-Control": "max-age=43200"},
    )


async def flooded(chat: Chat) -> None:
    await chat.ask("watch add", name="All", query="report")
    await chat.ask("feed add", url=wire(chat, "known", 5, days_ago=0))
    chat.clock.move(days=8)
    wire(chat, "old", 25, days_ago=40)
    await chat.poll_again()


async def test_a_flood_is_shown_and_let_through_by_a_command(chat: Chat) -> None:
    await flooded(chat)
    assert "Nothing since" in await chat.ask("latest")
    for said in (await chat.ask("feed list", state="suspect"), await chat.ask("feed test", feed="Sample wire")):
        assert "looks wrong" in said
        assert "25 items are held back: /feed release lets them through, or drops them." in said
        assert "Asks for 12 h between two polls." in said
    assert "25 held back, let through" in await chat.ask("feed release", feed="Sample wire")
    await chat.read()
    assert "Latest (25)" in await chat.ask("latest")
    assert "Nothing is held back" in await chat.ask("feed release", feed="Sample wire", drop=True)
    assert "held back" not in await chat.ask("feed list")


async def test_a_flood_is_dropped_by_a_command_where_nobody_else_hears_the_feed(chat: Chat) -> None:
    await flooded(chat)
    url = chat.site.url("/feed")
    await chat.store.chat.add_feed(4711, url, by=1, now=chat.clock())
    assert "Other servers hear this feed too" in await chat.ask("feed release", feed="Sample wire", drop=True)
    await chat.store.chat.remove_feed(4711, 1)
    assert "25 held back, dropped" in await chat.ask("feed release", feed="Sample wire", drop=True)
    await chat.read()
    assert "Nothing since" in await chat.ask("latest")


async def test_a_host_that_wants_to_be_left_alone_is(chat: Chat) -> None:
    await chat.ask("feed add", url=wire(chat, "known", 5, days_ago=0))
    chat.site.put("/feed", Reply(status=503, headers={"Retry-After": "7200"}))
    chat.clock.move(minutes=5)
    await chat.poll_again()
    chat.clock.move(minutes=30)
    assert "Sample wire can be asked again in 1.5 h" in await chat.ask("feed release", feed="Sample wire")


async def test_who_may_not_change_things_releases_nothing(chat: Chat) -> None:
    await flooded(chat)
    assert "Manage Server" in await chat.ask("feed release", by=chat.ann, feed="Sample wire", drop=True)
