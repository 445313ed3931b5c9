"""The whole road from a configuration file to what is posted: teasers that say nothing, and the articles behind them that say it all."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.app import Engine, open_engine
from bot.config import load_config
from bot.service import run_engine
from tests.fakes import KeepingOutlet, Site, entry, rows_in, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bot.model import Card

SEEDS = Path(__file__).parents[2] / "shared" / "data" / "seeds"
WATCH_WORDS = re.compile(r"sanction|sochi|shklyarov|rud[ze]|lukashenk", re.IGNORECASE)


def paragraphs_in(text: str) -> list[str]:
    """Return the paragraphs of a text, each on one line."""
    return [" ".join(part.split()) for part in text.split("\n\n")]


NETWORK_TITLE = "Envoy Warns That Neighbor May Lose The Trust Of A Whole Nation"
NETWORK_TEASER = "The visiting diplomat spoke to journalists by telephone after a tour of four capitals."
NETWORK_ARTICLE = paragraphs_in("""
VILNIUS -- A senior envoy has said that the large neighbor to the east may lose the trust of a whole nation if it goes
on standing by Alyaksandr Rudzenka, who has ruled the country between them for a quarter of a century.

“People there have never thought ill of their neighbors, and we respect that,” the envoy told journalists by telephone
on October 2. “What we do not understand is why anybody would spend that trust on one man.”

Rudzenka has faced marches in every larger town since the vote of late summer. His police answered them with arrests,
and doctors have spoken of broken arms and of people who could not stand when they were let go.

He is to fly to Sochi next week to ask for a loan. Officials there said that the talks would last a day and that
nothing was to be signed.

The envoy added that a list of new sanctions lay ready, and that the trust of a nation was not for sale.
""")
AGENCY_TITLE = "Washington and Brussels prepare joint answer to disputed vote"
AGENCY_TEASER = "Officials on both sides of the ocean want to act on the same day, a diplomat said on Friday."
AGENCY_ARTICLE = paragraphs_in("""
Washington and Brussels will answer the disputed vote together and on the same day, a diplomat said on Friday, in
order to bring about a new one under the eyes of observers.

"We are going through the names one by one, and nobody who gave an order to beat people should feel safe," the
diplomat told reporters. The earlier sanctions against Alexander Rudenko and eleven of his ministers were lifted four
years ago, after six prisoners had been let go.

This time, too, there are prisoners. Rudenko had two rivals arrested before the campaign began, and the wife of one of
them ran in his place; she left the country the morning after the count.

A consultant with a foreign passport, Vitaly Shklyarov, is held as well. His lawyers say that he has been ill for
weeks and that a doctor was refused to him twice. The diplomat called for his release.

"I would like to see him at home with his child," the diplomat said. "No talks are needed for that, only a key."
""")
WATCHES = ("sanctions", "Shklyarov", "Sochi", 'actor:"Alexander Rudenko"')


def write_config(folder: Path, site: Site, watches: Sequence[str], actor: tuple[str, str], *, channels: bool) -> Path:
    """Write a configuration of two feeds, these watches and one actor with an alias; where asked, with a channel for each watch."""
    lines = [f'[store]\nurl = "sqlite:///road.db"\n[fetch]\ninterval = "1s"\nallow_private = ["{site.origin}"]']
    lines.append('[reading]\nlanguages = ["en"]')
    lines += [f'[[feeds]]\nurl = "{site.url(path)}"\nname = "{path[1:]}"' for path in ("/network", "/agency")]
    lines.append(f'[[actors]]\nname = "{actor[0]}"\naliases = ["{actor[1]}"]')
    for number, query in enumerate(watches, start=1):
        lines.append(f"[[watches]]\nname = '{query}'\nquery = '{query}'\nchannel = {number if channels else 0}")
    path = folder / "config.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@asynccontextmanager
async def engine_on(config: Path, outlet: KeepingOutlet, *, baseline: bool = False) -> AsyncIterator[Engine]:
    async with open_engine(load_config(config), outlet, baseline=baseline) as engine:
        yield engine


def publish(site: Site, feed: str, title: str, teaser: str, paragraphs: Sequence[str]) -> None:
    site.page(f"/articles{feed}", title, *paragraphs)
    site.feed(feed, entry(title, site.url(f"/articles{feed}"), guid=feed, text=teaser), title=feed[1:])


def publish_both(site: Site) -> None:
    assert not any(map(WATCH_WORDS.search, (NETWORK_TITLE, NETWORK_TEASER, AGENCY_TITLE, AGENCY_TEASER)))
    publish(site, "/network", NETWORK_TITLE, NETWORK_TEASER, NETWORK_ARTICLE)
    publish(site, "/agency", AGENCY_TITLE, AGENCY_TEASER, AGENCY_ARTICLE)


def told(cards: Sequence[Card]) -> dict[str, set[str]]:
    """Return the watches by source; fail where a source was told of twice."""
    assert len({card.source for card in cards}) == len(cards)
    return {card.source: set(card.watches) for card in cards}


async def test_two_articles_behind_silent_teasers_raise_one_alert_each_that_names_the_right_watches(
    site: Site, tmp_path: Path
) -> None:
    publish_both(site)
    config = write_config(tmp_path, site, WATCHES, ("Alexander Rudenko", "Alyaksandr Rudzenka"), channels=False)
    outlet = KeepingOutlet()
    async with engine_on(config, outlet) as engine:
        await engine.scheduler.run_once()
    assert told(outlet.posted) == {
        "network": {"sanctions", "Sochi", WATCHES[3]},
        "agency": {"sanctions", "Shklyarov", WATCHES[3]},
    }
    assert {card.kind for card in outlet.posted} == {"full"}
    async with engine_on(config, outlet) as engine:
        await engine.scheduler.run_once()
    assert len(outlet.posted) == 2, "a restart tells nothing again"
    assert outlet.edited == []


async def test_an_alert_says_in_the_articles_own_words_why_it_came(site: Site, tmp_path: Path) -> None:
    publish_both(site)
    config = write_config(tmp_path, site, WATCHES, ("Alexander Rudenko", "Alyaksandr Rudzenka"), channels=False)
    outlet = KeepingOutlet()
    async with engine_on(config, outlet) as engine:
        await engine.scheduler.run_once()
    for card, article in (
        (card, NETWORK_ARTICLE if card.source == "network" else AGENCY_ARTICLE) for card in outlet.posted
    ):
        whole = "\n".join(article)
        assert card.brief
        for sentence in card.brief:
            assert sentence.text in whole
            assert all(WATCH_WORDS.search(sentence.text[span.start : span.end]) for span in sentence.bold)
        assert all(reason.words in whole for reason in card.reasons)
        (spelling,) = {reason.words for reason in card.reasons if reason.actor and " " in reason.words}
        assert spelling == ("Alyaksandr Rudzenka" if card.source == "network" else "Alexander Rudenko")
        assert {reason.actor for reason in card.reasons} == {None, "Alexander Rudenko"}


async def test_each_channel_is_told_of_its_own_watch_once_for_each_article(site: Site, tmp_path: Path) -> None:
    publish_both(site)
    config = write_config(tmp_path, site, WATCHES, ("Alexander Rudenko", "Alyaksandr Rudzenka"), channels=True)
    outlet = KeepingOutlet()
    async with engine_on(config, outlet) as engine:
        await engine.scheduler.run_once()
    query = "SELECT channel_id, COUNT(*) FROM alerts WHERE state = 'sent' GROUP BY channel_id"
    assert rows_in(tmp_path / "road.db", query) == [(1, 2), (2, 1), (3, 1), (4, 2)]
    assert sorted((card.source, *card.watches) for card in outlet.posted) == sorted(
        [
            ("network", "sanctions"),
            ("network", "Sochi"),
            ("network", WATCHES[3]),
            ("agency", "sanctions"),
            ("agency", "Shklyarov"),
            ("agency", WATCHES[3]),
        ]
    )


async def test_articles_that_appear_while_it_runs_are_told_and_what_was_there_before_is_not(
    site: Site, tmp_path: Path
) -> None:
    publish(site, "/network", NETWORK_TITLE, NETWORK_TEASER, NETWORK_ARTICLE)
    site.feed("/agency", title="agency")
    config = write_config(tmp_path, site, WATCHES, ("Alexander Rudenko", "Alyaksandr Rudzenka"), channels=False)
    outlet, stop = KeepingOutlet(), asyncio.Event()
    async with engine_on(config, outlet, baseline=True) as engine:
        going = asyncio.create_task(run_engine(engine, stop))
        await until(lambda: site.asked.count("/agency") > 0 and site.asked.count("/network") > 1)
        publish(site, "/agency", AGENCY_TITLE, AGENCY_TEASER, AGENCY_ARTICLE)
        await until(lambda: bool(outlet.posted))
        stop.set()
        await going
    assert told(outlet.posted) == {"agency": {"sanctions", "Shklyarov", WATCHES[3]}}


@pytest.mark.skipif(
    not SEEDS.is_dir(), reason="the two seed articles are not beside this repository (../shared/data/seeds)"
)
async def test_the_seed_articles_as_teasers_raise_one_alert_each(site: Site, tmp_path: Path) -> None:
    for feed, file in zip(("/network", "/agency"), sorted(SEEDS.glob("*.txt")), strict=True):
        text = file.read_text(encoding="utf-8")
        title, teaser = silent_sentences(text)[:2]
        publish(site, feed, " ".join(title.split()[:9]), teaser, [part for part in text.split("\n\n") if part.strip()])
    watches = (*WATCHES[:3], 'actor:"Alexander Lukashenko"')
    actor = ("Alexander Lukashenko", "Lukashenka")
    config = write_config(tmp_path, site, watches, actor, channels=False)
    outlet = KeepingOutlet()
    async with engine_on(config, outlet) as engine:
        await engine.scheduler.run_once()
    assert told(outlet.posted) == {
        "network": {"sanctions", "Sochi", watches[3]},
        "agency": {"sanctions", "Shklyarov", watches[3]},
    }
    assert {(card.kind, card.late) for card in outlet.posted} == {("full", "")}


def silent_sentences(text: str) -> list[str]:
    """Return sentences in which no watch would find anything."""
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(text.split()))
    return [sentence for sentence in sentences if not WATCH_WORDS.search(sentence)]
