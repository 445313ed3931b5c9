"""What each channel is told of an article, and how often: the rules of bot/alerts.py, one test for each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.alerts import alerts_for
from bot.model import Alert, AlertEdit, Article, Item, Match, Matches, Story, ToldAlert, Watch

SEEN_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
READ_AT = datetime(2026, 3, 1, 14, 2, tzinfo=UTC)
TEXT = "The council met on Monday. New sanctions were agreed in Sochi, where Anna Lee spoke. Nobody objected."
SANCTIONS = Watch(id=1, name="Sanctions", query="sanctions", channel_id=10, mention=77)
SOCHI = Watch(id=2, name="Sochi", query="Sochi", channel_id=10, mention=78)
ELSEWHERE = Watch(id=3, name="Elsewhere", query="Sochi", channel_id=20)


def item(item_id: int = 1, *, source: str = "Wire", readings: int = 0) -> Item:
    return Item(
        id=item_id,
        feed_id=item_id,
        feed_name=source,
        key=bytes([item_id]) * 16,
        link_hash=b"l" * 16,
        url="http://example.org/a",
        title="Council meets",
        first_seen_at=SEEN_AT,
        readings=readings,
    )


def article(source: str = "Wire", text: str = TEXT) -> Article:
    return Article(title="Council meets", text=text, url="http://example.org/a", source=source, kind="full")


def match(watch: Watch, word: str, *, actor: str | None = None, text: str = TEXT) -> Match:
    start = text.index(word)
    return Match(
        watch_id=watch.id,
        watch=watch.name,
        actor=actor,
        field="text",
        start=start,
        end=start + len(word),
        text=word,
        alias=word,
        rule="exact",
    )


def found(*matches: Match) -> Matches:
    return Matches(matches=matches, fired=tuple(dict.fromkeys(one.watch_id for one in matches)))


def tell(
    matches: Matches,
    *,
    told: tuple[ToldAlert, ...] = (),
    of: Item | None = None,
    source: str = "Wire",
    found_by: str = "",
) -> tuple[tuple[Alert, ...], tuple[AlertEdit, ...]]:
    story = Story(id=None, key=b"s" * 16)
    watches = (SANCTIONS, SOCHI, ELSEWHERE)
    return alerts_for(
        item=of or item(),
        article=article(source),
        matches=matches,
        watches=watches,
        story=story,
        told=told,
        now=READ_AT,
        found=found_by,
    )


def as_told(alert: Alert, *, alert_id: int = 1, item_id: int = 1) -> ToldAlert:
    return ToldAlert(
        id=alert_id,
        item_id=item_id,
        channel_id=alert.channel_id,
        thread_id=alert.thread_id,
        number=alert.number,
        told=alert.told,
        card=alert.card,
    )


def test_several_watches_of_one_channel_share_one_alert_that_names_them_all() -> None:
    alerts, edits = tell(found(match(SANCTIONS, "sanctions"), match(SOCHI, "Sochi")))
    assert [alert.card.watches for alert in alerts] == [("Sanctions", "Sochi")]
    assert alerts[0].card.mentions == (77, 78)
    assert alerts[0].number == 0
    assert edits == ()


def test_each_channel_is_told_by_an_alert_of_its_own() -> None:
    alerts, _ = tell(found(match(SOCHI, "Sochi"), match(ELSEWHERE, "Sochi")))
    assert [(alert.channel_id, alert.card.watches) for alert in alerts] == [(10, ("Sochi",)), (20, ("Elsewhere",))]


def test_what_did_not_fire_is_not_told_even_where_it_had_a_hit() -> None:
    hits = Matches(matches=(match(SANCTIONS, "sanctions"),), fired=())
    assert tell(hits) == ((), ())


def test_the_same_reading_again_owes_nothing() -> None:
    matches = found(match(SANCTIONS, "sanctions"))
    (alert,), _ = tell(matches)
    assert tell(matches, told=(as_told(alert),)) == ((), ())


def test_a_watch_that_the_page_fires_after_the_teaser_alerts_late_as_a_reply_and_alone() -> None:
    (first,), _ = tell(found(match(SANCTIONS, "sanctions")))
    alerts, edits = tell(
        found(match(SANCTIONS, "sanctions"), match(SOCHI, "Sochi")),
        told=(as_told(first),),
        found_by="found in the page",
    )
    assert [(alert.number, alert.reply_to, alert.card.watches, alert.card.found) for alert in alerts] == [
        (1, 0, ("Sochi",), "found in the page")
    ]
    assert alerts[0].card.mentions == (78,)
    assert edits == ()


def test_a_better_text_of_the_same_article_edits_its_alert_and_keeps_what_was_told() -> None:
    (first,), _ = tell(found(match(SANCTIONS, "sanctions")))
    teaser = replace(first.card, kind="teaser", note="only the teaser was read", brief=())
    alerts, edits = tell(found(match(SANCTIONS, "sanctions")), told=(replace(as_told(first), card=teaser),))
    assert alerts == ()
    assert [(edit.alert_id, edit.card.kind, edit.card.note) for edit in edits] == [(1, "full", "")]


def test_a_page_that_fires_a_new_watch_also_mends_the_card_that_knew_the_teaser_only() -> None:
    (first,), _ = tell(found(match(SANCTIONS, "sanctions")))
    teaser = replace(first.card, kind="teaser", note="only the teaser was read", brief=())
    both = found(match(SANCTIONS, "sanctions"), match(SOCHI, "Sochi"))
    alerts, edits = tell(both, told=(replace(as_told(first), card=teaser),))
    assert [alert.card.watches for alert in alerts] == [("Sochi",)]
    assert [(edit.card.kind, edit.card.watches) for edit in edits] == [("full", ("Sanctions",))]


def test_an_actor_that_the_page_names_beside_a_known_watch_edits_and_does_not_repeat() -> None:
    (first,), _ = tell(found(match(SANCTIONS, "sanctions")))
    alerts, edits = tell(
        found(match(SANCTIONS, "sanctions"), match(SANCTIONS, "Anna Lee", actor="Anna Lee")), told=(as_told(first),)
    )
    assert alerts == ()
    assert [edit.told for edit in edits] == [frozenset({"watch:1", "actor:Anna Lee"})]


def test_another_report_of_the_story_is_named_on_the_first_alert_once() -> None:
    matches = found(match(SANCTIONS, "sanctions"))
    (first,), _ = tell(matches)
    told = as_told(first)
    alerts, edits = tell(matches, told=(told,), of=item(2, source="Gazette"), source="Gazette")
    assert alerts == ()
    assert [edit.card.also for edit in edits] == [("Gazette",)]
    again = tell(matches, told=(replace(told, card=edits[0].card),), of=item(3, source="Gazette"), source="Gazette")
    assert again == ((), ())


def test_the_same_source_under_another_address_says_nothing_at_all() -> None:
    matches = found(match(SANCTIONS, "sanctions"))
    (first,), _ = tell(matches)
    assert tell(matches, told=(as_told(first),), of=item(2)) == ((), ())


def test_another_report_that_names_a_further_actor_posts_anew_as_a_reply() -> None:
    (first,), _ = tell(found(match(SANCTIONS, "sanctions")))
    later = found(match(SANCTIONS, "sanctions"), match(SANCTIONS, "Anna Lee", actor="Anna Lee"))
    alerts, edits = tell(later, told=(as_told(first),), of=item(2, source="Gazette"), source="Gazette")
    assert [(alert.number, alert.reply_to, alert.card.source) for alert in alerts] == [(1, 0, "Gazette")]
    assert edits == ()


def test_a_card_shows_the_sentence_verbatim_with_the_matched_word_in_bold_and_counts_repeats() -> None:
    text = "First of all, sanctions. Then more sanctions."
    one = match(SANCTIONS, "sanctions", text=text)
    two = replace(one, start=text.rindex("sanctions"), end=text.rindex("sanctions") + 9)
    alerts, _ = alerts_for(
        item=item(),
        article=article(text=text),
        matches=found(one, two),
        watches=(SANCTIONS,),
        story=Story(id=None, key=b"s" * 16),
        told=(),
        now=READ_AT,
    )
    card = alerts[0].card
    assert [(reason.words, reason.times) for reason in card.reasons] == [("sanctions", 2)]
    for sentence in card.brief:
        assert sentence.text in text
        assert [sentence.text[span.start : span.end] for span in sentence.bold] == ["sanctions"]
