"""The two seed articles as teasers with their pages behind, all the way into the channels of a Discord of our own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes import entry
from tests.wire_fakes import desk_in

if TYPE_CHECKING:
    from tests.standin import Channel
    from tests.wire_fakes import Desk

SEEDS = Path(__file__).parents[2] / "shared" / "data" / "seeds"
QUERIES = ("sanctions", "Shklyarov", "Sochi", 'actor:"Alexander Lukashenko"')
WATCHED = re.compile("sanction|Shklyarov|Sochi|Lukashenk", re.IGNORECASE)


def serve(desk: Desk, path: str, text: str) -> str:
    """Serve an article's page, and return the feed entry that teases it without a watched word."""
    silent = [one for one in re.split(r"(?<=[.!?])\s+", " ".join(text.split())) if not WATCHED.search(one)]
    title = " ".join(silent[0].split()[:9])
    link = desk.site.page(path, title, *(part for part in text.split("\n\n") if part.strip()))
    return entry(title, link, guid=path, text=silent[1])


@pytest.mark.skipif(
    not SEEDS.is_dir(), reason="the two seed articles are not beside this repository (../shared/data/seeds)"
)
async def test_the_seed_articles_raise_exactly_one_alert_each_in_the_right_channel(tmp_path: Path) -> None:
    async with desk_in(tmp_path) as desk:
        channels = [desk.discord.add_channel(desk.discord.guild, f"desk-{number}") for number in range(len(QUERIES))]
        for query, channel in zip(QUERIES, channels, strict=True):
            desk.watch(query.replace('"', ""), query, channel)
        desk.head = '[[actors]]\nname = "Alexander Lukashenko"\naliases = ["Lukashenka"]'
        desk.configure()
        config = tmp_path / "config.toml"
        config.write_text(config.read_text(encoding="utf-8").replace("'never'", "'auto'"), encoding="utf-8")
        async with desk.bot():
            texts = [file.read_text(encoding="utf-8") for file in sorted(SEEDS.glob("*.txt"))]
            desk.site.feed("/feed", *(serve(desk, f"/seed/{number}", text) for number, text in enumerate(texts)))
            await desk.settled(6)
        assert [len(desk.discord.messages(channel)) for channel in channels] == [2, 1, 1, 2]
        assert [links_in(desk, channel) for channel in channels] == [{0, 1}, {1}, {0}, {0, 1}]


def links_in(desk: Desk, channel: Channel) -> set[int]:
    """Return which of the two articles a channel's alerts lead to."""
    links = [embed["url"] for message in desk.discord.messages(channel) for embed in message.body["embeds"]]
    return {int(link.rpartition("/")[2]) for link in links}
