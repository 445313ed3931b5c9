"""What the card of an alert says once its article was read again: what changed, and what it was posted for and is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.alerts import alerts_for
from bot.model import Article, Hearing, Item, Matches, Story, ToldAlert, Watch
from bot.reading.matcher import Matcher
from cogs._draw import embed_for

if TYPE_CHECKING:
    from bot.model import Alert, AlertEdit, Card, TextKind

AT = datetime(2026, 3, 1, 14, 2, tzinfo=UTC)
SANCTIONS = Watch(id=1, name="Sanctions", query="sanctions", channel_id=10, mention=77)
BOTH = Watch(id=2, name="Both", query='sanctions "forty officials"', channel_id=10)
OF_WIRE = Watch(id=3, name="All of Wire", query="source:Wire", channel_id=10)
AGREED = "The council met on Monday. New sanctions were agreed in March. Nobody objected."
NOTHING = "The council met on Monday. Contrary to an earlier report nothing was agreed. Nobody objected."


def reading(
    text: str,
    *told: ToldAlert,
    title: str = "Talks go on",
    kind: TextKind = "full",
    feed_text: str = "",
    watches: tuple[Watch, ...] = (SANCTIONS,),
    called: str = "",
) -> tuple[tuple[Alert, ...], tuple[AlertEdit, ...]]:
    """Return what is owed once the one article reads like this. called: the name that the server gave to the feed."""
    article = Article(title=title, text=text, url="http://example.org/a", source="Wire", kind=kind, lang="en")
    item = Item(
        id=1,
        feed_id=1,
        feed_name="Wire",
        key=b"k" * 16,
        link_hash=None,
        url=article.url,
        title=title,
        text=feed_text,
        first_seen_at=AT,
    )
    matches: Matches = Matcher.compile(watches, (), forms={}).match(article)
    story = Story(id=None, key=b"s" * 16)
    hearings = {(1, watch.home_id): Hearing(name=called) for watch in watches}
    return alerts_for(
        item=item,
        article=article,
        matches=matches,
        watches=watches,
        story=story,
        told=told,
        now=AT,
        hearings=hearings,
    )


def first_told(text: str = AGREED, *, kind: TextKind = "full", watches: tuple[Watch, ...] = (SANCTIONS,)) -> ToldAlert:
    ((alert,), _) = reading(text, kind=kind, watches=watches)
    return ToldAlert(id=5, item_id=1, channel_id=10, thread_id=0, number=0, told=alert.told, card=alert.card)


def shown(card: Card) -> str:
    return str(embed_for(card, "m", is_edit=True)["description"])


def test_what_an_alert_was_made_for_and_the_article_no_longer_says_is_said_on_its_card() -> None:
    told = first_told()
    alerts, (edit,) = reading(NOTHING, told, title="Correction: nothing agreed")
    assert alerts == ()
    assert edit.told == told.told
    assert edit.card.mentions == ()
    assert edit.card.headline == "Correction: nothing agreed"
    assert [(one.watch, one.words) for one in edit.card.gone] == [("Sanctions", "sanctions")]
    said = shown(edit.card).splitlines()
    assert said[0] == "⚠ **No longer in the article:** “sanctions” — Sanctions"
    assert said[1] == "> ~~New **sanctions** were agreed in March.~~"
    edited = f"-# edited <t:{int(AT.timestamp())}:t>: the headline was “Talks go on”; no longer there: “sanctions”"
    assert edited in said


def test_a_retraction_read_once_more_owes_nothing_and_a_further_headline_is_told() -> None:
    told = first_told()
    _, (edit,) = reading(NOTHING, told, title="Correction")
    told = replace(told, card=edit.card)
    assert reading(NOTHING, told, title="Correction") == ((), ())
    _, (again,) = reading(NOTHING, told, title="Second correction")
    assert again.card.gone == edit.card.gone
    assert again.card.changes[-1].words == ("Correction",)


def test_words_that_come_back_are_no_retraction_any_more() -> None:
    told = first_told()
    _, (edit,) = reading(NOTHING, told)
    alerts, (back,) = reading(AGREED, replace(told, card=edit.card))
    assert alerts == ()
    assert (back.card.gone, back.card.before) == ((), ())
    assert (back.card.changes[-1].kind, back.card.changes[-1].words) == ("new", ("sanctions",))


def test_a_page_that_could_not_be_read_this_time_proves_nothing() -> None:
    assert reading("The council met.", first_told(), kind="teaser") == ((), ())
    assert reading("The council met.", first_told(), kind="partly") == ((), ())


def test_words_that_the_feed_still_gives_are_not_gone_with_the_page() -> None:
    told = first_told("New sanctions were agreed.", kind="teaser")
    assert reading(NOTHING, told, feed_text="New sanctions were agreed.") == ((), ())


def test_a_teaser_that_says_something_else_retracts_as_a_teaser() -> None:
    told = first_told("New sanctions were agreed.", kind="teaser")
    _, (edit,) = reading("Nothing was agreed.", told, kind="teaser", feed_text="Nothing was agreed.")
    assert shown(edit.card).startswith("⚠ **No longer in the teaser:** “sanctions”")


def test_an_inner_part_of_a_word_is_not_the_word() -> None:
    _, (edit,) = reading("The council met. It unsanctionsed all.", first_told())
    assert [one.words for one in edit.card.gone] == ["sanctions"]


def test_of_two_watches_of_a_channel_the_one_that_fell_silent_is_named() -> None:
    text = "New sanctions hit forty officials."
    told = first_told(text, watches=(SANCTIONS, BOTH))
    alerts, (edit,) = reading("New sanctions hit nobody.", told, watches=(SANCTIONS, BOTH))
    assert alerts == ()
    assert [(one.watch, one.words) for one in edit.card.gone] == [("Both", "forty officials")]
    assert {one.watch for one in edit.card.reasons} == {"Sanctions"}
    assert edit.card.mentions == (77,), "it was told, and what was told stays"


def test_a_watch_that_was_removed_or_excludes_retracts_nothing_that_still_stands_there() -> None:
    assert reading(AGREED, first_told(), watches=()) == ((), ())


def test_a_watch_of_a_source_retracts_nothing_for_a_headline_that_only_stood_for_the_item() -> None:
    ((alert,), _) = reading(AGREED, watches=(OF_WIRE,))
    told = replace(first_told(), told=alert.told, card=alert.card)
    assert reading(AGREED, told, watches=(), title="Talks end") == ((), ())
    ((both,), _) = reading(AGREED, watches=(SANCTIONS, OF_WIRE))
    _, (edit,) = reading(AGREED, replace(told, told=both.told, card=both.card), title="Talks end")
    assert edit.card.gone == ()
    assert [(one.kind, one.words) for one in edit.card.changes] == [("headline", ("Talks go on",))]


def test_a_retraction_names_the_feed_as_the_server_named_it() -> None:
    ((alert,), _) = reading(AGREED, called="Our wire")
    assert alert.card.source == "Our wire"
    _, (edit,) = reading(NOTHING, replace(first_told(), card=alert.card), called="Our wire")
    assert edit.card.gone
    assert edit.card.source == "Our wire"


def test_what_changed_is_said_and_a_page_after_the_teaser_is_no_change_of_the_text() -> None:
    told = first_told("New sanctions were agreed.", kind="teaser")
    _, (edit,) = reading(AGREED, told, title="Talks are over")
    assert [(one.kind, one.words) for one in edit.card.changes] == [("headline", ("Talks go on",)), ("read", ())]
    _, (more,) = reading(AGREED.replace("New", "Old"), replace(told, card=edit.card), title="Talks are over")
    assert more.card.changes[:2] == edit.card.changes
    assert [one.kind for one in more.card.changes[2:]] == ["text"]


def test_a_first_post_does_not_tell_of_edits_that_nobody_saw() -> None:
    _, (edit,) = reading(NOTHING, first_told())
    assert "edited" not in embed_for(edit.card, "m")["description"]
