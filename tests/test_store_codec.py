"""What the store writes down comes back exactly: cards, hints, matches, times, bodies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import StoreError
from bot.model import BriefSentence, Card, FeedHints, Match, Reason, Span
from bot.store.codec import (
    PAYLOAD_VERSION,
    card_in,
    host_for,
    json_for,
    ms_for,
    pack,
    text_for,
    time_in,
    unpack,
    value_in,
)

ANY_TEXT = st.text(st.characters(), max_size=12)  # lone surrogates too: feeds send them
TIMES = st.datetimes(timezones=st.just(UTC))
WHOLE = st.integers(0, 2**63 - 1)
RULES = st.sampled_from(["user", "exact", "lemma", "prefix"])
FIELDS = st.sampled_from(["title", "text"])

REASONS = st.builds(
    Reason,
    watch=ANY_TEXT,
    actor=st.none() | ANY_TEXT,
    words=ANY_TEXT,
    alias=ANY_TEXT,
    rule=RULES,
    field=FIELDS,
    times=WHOLE,
)
SENTENCES = st.builds(
    BriefSentence, text=ANY_TEXT, bold=st.tuples() | st.tuples(st.builds(Span, start=WHOLE, end=WHOLE))
)
CARDS = st.builds(
    Card,
    headline=ANY_TEXT,
    link=ANY_TEXT,
    source=ANY_TEXT,
    published_at=st.none() | TIMES,
    seen_at=TIMES,
    watches=st.lists(ANY_TEXT, max_size=3).map(tuple),
    reasons=st.lists(REASONS, max_size=2).map(tuple),
    brief=st.lists(SENTENCES, max_size=2).map(tuple),
    kind=st.sampled_from(["full", "feed", "teaser", "partly"]),
    note=ANY_TEXT,
    late=ANY_TEXT,
    also=st.lists(ANY_TEXT, max_size=2).map(tuple),
    mentions=st.lists(WHOLE, max_size=3).map(tuple),
    lang=st.none() | ANY_TEXT,
)


@settings(max_examples=60, deadline=None)
@given(CARDS)
def test_a_card_comes_back_exactly_as_it_was_written(card: Card) -> None:
    assert card_in(json_for(card), PAYLOAD_VERSION) == card


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        FeedHints,
        ttl_s=st.floats(0, 1e9),
        skip_hours=st.frozensets(st.integers(0, 23)),
        skip_days=st.frozensets(st.integers(0, 6)),
        hub=ANY_TEXT,
    )
)
def test_what_a_feed_asked_for_comes_back_exactly(hints: FeedHints) -> None:
    assert value_in(FeedHints, json_for(hints)) == hints


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            Match,
            watch_id=WHOLE,
            watch=st.none() | ANY_TEXT,
            actor=st.none() | ANY_TEXT,
            field=FIELDS,
            start=WHOLE,
            end=WHOLE,
            text=ANY_TEXT,
            alias=ANY_TEXT,
            rule=RULES,
            score=st.floats(0, 1),
        ),
        max_size=3,
    ).map(tuple)
)
def test_matches_come_back_exactly(matches: tuple[Match, ...]) -> None:
    assert value_in(tuple[Match, ...], json_for(matches)) == matches


@settings(max_examples=100, deadline=None)
@given(TIMES)
def test_a_stored_time_is_never_later_than_the_time_and_less_than_a_millisecond_earlier(moment: datetime) -> None:
    assert timedelta() <= moment - time_in(ms_for(moment)) < timedelta(milliseconds=1)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_a_packed_text_comes_back_exactly_even_with_lone_surrogates(text: str) -> None:
    assert unpack(pack(text)) == text


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=50))
def test_a_column_text_keeps_its_length_and_can_be_encoded(text: str) -> None:
    kept = text_for(text)
    assert len(kept) == len(text)
    assert kept.encode("utf-8").decode("utf-8") == kept


def test_a_purged_body_is_an_empty_text() -> None:
    assert unpack(None) == ""


def test_a_card_from_an_older_program_takes_defaults_and_unknown_fields_are_left_out() -> None:
    seen_at = datetime(2026, 1, 2, tzinfo=UTC)
    card = Card(headline="h", link="", source="s", published_at=None, seen_at=seen_at, watches=(), reasons=())
    raw = json.loads(json_for(card))
    del raw["late"]
    raw["sparkle"] = 1
    assert card_in(json.dumps(raw), PAYLOAD_VERSION) == card


def test_a_card_from_a_newer_program_is_refused_in_words() -> None:
    with pytest.raises(StoreError, match="newer wirewatch"):
        card_in("{}", PAYLOAD_VERSION + 1)


@pytest.mark.parametrize(
    ("named", "host"),
    [
        ("https://user:pw@News.Example:8443/feed", "news.example:8443"),
        ("https://News.Example:443/feed", "news.example"),
        ("http://News.Example:443/feed", "news.example:443"),
        ("News.Example", "news.example"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:80/", "::1"),
        ("http://[::1]:81/", "[::1]:81"),
        ("http://[broken", ""),
        ("http://host:99999/", ""),
    ],
)
def test_a_host_is_named_the_same_by_an_address_and_by_itself(named: str, host: str) -> None:
    assert host_for(named) == host
