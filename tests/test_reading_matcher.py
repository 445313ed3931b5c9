"""Matching: which watches an article fires, where, by which spelling, and why the others stay silent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Actor, Alias, Article, Match, Matches, Watch, WordForm
from bot.reading.matcher import Matcher

FORMS = {
    "sanctions": tuple(WordForm(text=text, lang="en") for text in ("sanction", "sanctioned", "sanctioning")),
    "gift": (WordForm(text="Gifte", lang="de"),),
}
IHAR = Actor(name="Ihar Kastrel")
VERA = Actor(name="Vera Kastrelova")
OLEG = Actor(name="Oleg Kastrel")


def matched(
    query: str,
    text: str,
    *actors: Actor,
    title: str = "",
    lang: str | None = "en",
    source: str = "",
    host: str = "",
    kind: str = "full",
) -> Matches:
    matcher = Matcher.compile([Watch(id=7, name="w", query=query)], actors, forms=FORMS)
    assert matcher.faults == ()
    article = Article(
        title=title, text=text, lang=lang, source=source, host=host, kind="teaser" if kind == "teaser" else "full"
    )
    return matcher.match(article)


def spans(matches: Matches) -> list[str]:
    return [match.text for match in matches.matches]


def reason(matches: Matches) -> str:
    assert matches.fired == ()
    return matches.why_not[0].reason if matches.why_not else ""


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text", "there"),
    [
        ("Sochi", "A talk in Sochi, then in SOCHI; Mosochino and Sochi’s port.", ["Sochi", "SOCHI", "Sochi"]),
        ("sanctions", "Sanctions! They sanctioned it; unsanctioned.", ["Sanctions", "sanctioned"]),
        ("=sanctions", "Sanctions! They sanctioned it.", ["Sanctions"]),
        ("protest", "A Protestant protest.", ["protest"]),
        ("sanct*", "Sanctuary of sanctions, unsanctioned", ["Sanctuary", "sanctions"]),
        (
            '"asset freeze"',
            "An asset freeze. An asset\nfreeze, asset.freeze",
            ["asset freeze", "asset\nfreeze", "asset.freeze"],
        ),
        ("storm-led", "a storm-led and a storm led", ["storm-led", "storm led"]),
        ("Łukaszenka", "Lukaszenka i Łukaszenka", ["Lukaszenka", "Łukaszenka"]),
        ("Müller", "Mueller und Müller und Muller", ["Mueller", "Müller", "Muller"]),
        ("Αθήνα", "στην ΑΘΉΝΑ, στην Βθήνα", ["ΑΘΉΝΑ"]),
        ("NATO", "A senator said Tirana would stay; NATO, nato.", ["NATO"]),
    ],
)
def test_a_term_is_found_as_a_whole_word_with_its_original_span(query: str, text: str, there: list[str]) -> None:
    assert spans(matched(query, text)) == there


def test_an_original_is_found_in_a_text_full_of_oddities() -> None:
    text = "\ufeffThe  sanc\u00adtions on “ＳＯＣＨＩ”\u200b"
    assert spans(matched("sanctions Sochi", text)) == ["sanc\u00adtions", "ＳＯＣＨＩ"]


@pytest.mark.parametrize(
    ("query", "text", "there"),
    [
        ("US", "Tell us: the US, the U.S. and the U. S. agree.", ["US", "U.S.", "U. S."]),
        ("U.S.", "us, US, U.S. list", ["US", "U.S."]),
        ("MP", "Three MPs and an MP's aide, mps", ["MPs", "MP"]),
        ("UN", "the U.N. said; the un-named", ["U.N."]),
        ("США", "США и сша", ["США"]),
        ("us", "Tell us: the US", ["us", "US"]),
        ("IRAN", "Iran and Tirana", ["Iran"]),
        ("RAIN SNOWFALL", "rain and snowfall", ["rain", "snowfall"]),
    ],
)
def test_acronyms_go_by_case(query: str, text: str, there: list[str]) -> None:
    assert spans(matched(query, text)) == there


def test_a_line_of_capitals_proves_no_acronym_that_is_also_a_word() -> None:
    shouted = matched("US", "THEY TOLD US ALL ABOUT IT\nand left")
    assert reason(shouted) == "'US' at 10 stands in a line of capitals, where it may be the word"
    assert spans(matched("US", "THEY TOLD U.S. ENVOYS ALL ABOUT IT")) == ["U.S."]
    assert spans(matched("NATO", "THEY TOLD NATO ALL ABOUT IT")) == ["NATO"]


def test_lower_case_is_the_reason_an_acronym_did_not_count() -> None:
    assert reason(matched("US", "he told us")) == "'us' at 8 is not in capitals"


def test_forms_count_only_in_articles_of_their_language_or_of_none() -> None:
    assert spans(matched("gift", "Die Gifte", lang="de-AT")) == ["Gifte"]
    assert spans(matched("gift", "Die Gifte", lang=None)) == ["Gifte"]
    assert reason(matched("gift", "The Gifte")) == "'Gifte' at 4 counts only in de, item is en"


def test_the_rule_and_the_spelling_are_told() -> None:
    first, second = matched("sanctions OR sanctu*", "sanctioned sanctuaries").matches
    assert (first.alias, first.rule, second.alias, second.rule) == ("sanctioned", "lemma", "sanctu*", "prefix")


def test_the_title_is_a_field_of_its_own_and_comes_first() -> None:
    both = matched("Sochi", "in Sochi", title="To Sochi").matches
    assert [(one.field, one.start, one.end) for one in both] == [("title", 3, 8), ("text", 3, 8)]


# --- operators --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text", "title", "fires"),
    [
        ("rain snow", "rain, then snow", "", True),
        ("rain snow", "snow", "rain", True),
        ("rain snow", "rain", "", False),
        ("rain OR snow", "snow", "", True),
        ("rain -snow", "rain", "", True),
        ("rain -snow", "rain and snow", "", False),
        ("rain NEAR/2 snow", "snow one two rain", "", True),
        ("rain NEAR/2 snow", "rain one two three snow", "", False),
        ("rain NEAR/5 snow", "rain", "snow", False),
        ("(rain OR hail) NEAR/1 snow", "rain a b c hail snow", "", True),
        ("rain NEAR/1 snow NEAR/1 hail", "rain a snow b hail", "", True),
        ("title:rain", "rain", "snow", False),
        ("title:rain", "snow", "rain", True),
        ("text:(rain -snow)", "rain", "snow", True),
        ("rain lang:en", "rain", "", True),
        ("rain lang:ru", "rain", "", False),
        ("rain source:example.org", "rain", "", True),
        ('rain source:"The Example"', "rain", "", True),
        ("rain -source:example.org", "rain", "", False),
        ("rain source:ample.org", "rain", "", False),
        ("source:(other.org OR example.org)", "anything", "", True),
    ],
)
def test_operators_and_filters(query: str, text: str, title: str, *, fires: bool) -> None:
    found = matched(query, text, title=title, source="the example", host="news.example.org")
    assert found.fired == ((7,) if fires else ())


def test_only_words_that_take_part_in_a_near_are_reported() -> None:
    found = matched("rain NEAR/1 snow", "rain a b c rain snow")
    assert [(one.start, one.text) for one in found.matches] == [(11, "rain"), (16, "snow")]


def test_a_watch_on_a_source_shows_the_headline() -> None:
    (only,) = matched("source:example.org", "anything", title="Calm day", host="example.org").matches
    assert (only.field, only.text, only.alias) == ("title", "Calm day", "source:example.org")


@pytest.mark.parametrize(
    ("query", "text", "why"),
    [
        ("rain snow", "the rain", "needs both: has `rain` (4–8), lacks `snow`"),
        ("rain -snow", "rain snow", "excluded by `-snow` at 5–9"),
        ("rain lang:ru", "rain", "`lang:ru`, item is en"),
        ("rain source:a.org", "rain", "`source:a.org`, item is from an unknown source"),
        ("rain NEAR/1 snow", "rain a b c snow", "distance 3 words, NEAR/1"),
        ("title:rain", "rain", "`title:rain`, but it stands at 0–4"),
        ("rain NEAR/2 rain", "rain", "`rain NEAR/2 rain`, but both stand only in the same words, at 0–4"),
        ("rain snow hail", "snow", "needs all: has `snow` (0–4), lacks `rain`, `hail`"),
    ],
)
def test_why_not_gives_the_smallest_reason_in_the_querys_words(query: str, text: str, why: str) -> None:
    assert reason(matched(query, text)) == why


def test_why_not_says_that_only_the_teaser_was_read() -> None:
    assert reason(matched("rain snow", "rain", kind="teaser")).endswith(
        "lacks `snow`; only the teaser was read (4 characters)"
    )


def test_a_watch_without_a_hit_has_no_why_not() -> None:
    assert matched("rain snow", "calm").why_not == ()
    assert matched("rain -calm", "calm").why_not == ()


# --- actors -----------------------------------------------------------------------------------------------------------


def by_actor(text: str, *actors: Actor, title: str = "", lang: str | None = None) -> Matches:
    matcher = Matcher.compile([], actors, forms={}, report_actors=True)
    return matcher.match(Article(title=title, text=text, lang=lang))


def test_a_full_name_anchors_and_the_surname_then_links() -> None:
    found = by_actor("Ihar Kastrel came. Kastrel’s car; a kastrel sang.", IHAR).matches
    assert [(one.text, one.rule, one.score) for one in found] == [
        ("Ihar Kastrel", "exact", 1.0),
        ("Kastrel", "name", 0.7),
    ]
    assert found[0].watch is None
    assert found[0].actor == "Ihar Kastrel"


def test_a_surname_alone_stays_silent_and_says_so() -> None:
    found = by_actor("Then Kastrel left.", IHAR)
    assert found.matches == ()
    assert found.why_not[0].reason == "surname only: 'Kastrel' at 5; no full name in this item"


def test_an_anchor_in_the_title_is_enough() -> None:
    assert spans(by_actor("Kastrel left.", IHAR, title="Ihar Kastrel is gone")) == ["Ihar Kastrel", "Kastrel"]


def test_what_a_person_typed_anchors_even_as_a_bare_surname() -> None:
    typed = Actor(name="Ihar Kastrel", aliases=(Alias(text="Kastrelka"),))
    assert [(one.alias, one.rule) for one in by_actor("Kastrelka left. Kastrel!", typed).matches] == [
        ("Kastrelka", "user"),
        ("Kastrel", "name"),
    ]
    assert spans(by_actor("Kastrel left.", Actor(name="Kastrel"))) == ["Kastrel"]


def test_two_bearers_of_a_surname_make_it_ambiguous_and_full_names_stay_apart() -> None:
    found = by_actor("Ihar Kastrel met Oleg Kastrel. Kastrel smiled.", IHAR, OLEG)
    assert [(one.actor, one.text) for one in found.matches] == [
        ("Ihar Kastrel", "Ihar Kastrel"),
        ("Oleg Kastrel", "Oleg Kastrel"),
    ]
    assert {(one.actor, one.reason) for one in found.why_not} == {
        ("Ihar Kastrel", "surname ambiguous: 'Kastrel' at 31 may also be Oleg Kastrel"),
        ("Oleg Kastrel", "surname ambiguous: 'Kastrel' at 31 may also be Ihar Kastrel"),
    }


def test_the_other_persons_full_name_is_no_link() -> None:
    assert by_actor("Oleg Kastrel slept.", IHAR, OLEG).why_not == ()
    assert [one.actor for one in by_actor("Vera Kastrelova and Ihar Kastrel", IHAR, VERA).matches] == [
        "Vera Kastrelova",
        "Ihar Kastrel",
    ]


def test_organisations_have_no_surname() -> None:
    union = Actor(name="Northern Union")
    assert spans(by_actor("Northern Union. The Union said.", union)) == ["Northern Union"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Jo O'Dell", ["Jo O’Dell", "Jo ODell", "O’Dell, Jo", "Dell"]),
        ("Ali al-Kastr", ["Ali Al Kastr", "Ali al-Kastr"]),
        ("Jan W. Kastr", ["Jan W. Kastr", "Jan W Kastr", "Kastr, Jan W.", "Kastr Jan W"]),
        ("Jürg Groß", ["Jürg Groß", "Juerg Gross", "JURG GROß"]),
    ],
)
def test_variants_of_a_name_are_found(name: str, written: list[str]) -> None:
    for text in written[: 3 if "Dell" in written else None]:
        assert text.rstrip(".") in spans(by_actor(f"Then {text} came.", Actor(name=name)))


def test_a_struck_alias_never_hits_and_says_so() -> None:
    struck = Actor(
        name="Ihar Kastrel", aliases=(Alias(text="Kastrelka", struck=True), Alias(text="Kastrel", struck=True))
    )
    found = by_actor("Ihar Kastrel, Kastrelka, Kastrel", struck)
    assert spans(found) == ["Ihar Kastrel"]
    assert by_actor("Kastrelka", struck).why_not[0].reason == "alias 'Kastrelka' was struck"


def test_an_alias_of_one_language_counts_only_there() -> None:
    actor = Actor(name="Ihar Kastrel", aliases=(Alias(text="Вецярок", lang="be"),))
    assert spans(by_actor("Вецярок", actor, lang="be")) == ["Вецярок"]
    assert spans(by_actor("Вецярок", actor, lang="ru")) == []


def test_an_actor_in_a_query_may_be_named_by_alias_or_by_its_only_surname() -> None:
    typed = Actor(name="Ihar Kastrel", aliases=(Alias(text="Kastrelka"),))
    for query in ("actor:Kastrel", "actor:kastrelka", 'actor:"ihar kastrel"'):
        assert matched(query, "Kastrelka came", typed).fired == (7,)


def test_a_faulty_watch_stops_no_other() -> None:
    watches = [
        Watch(id=1, name="a", query="rain OR"),
        Watch(id=2, name="b", query="actor:Kastrul"),
        Watch(id=3, name="c", query="rain"),
    ]
    watches.append(Watch(id=4, name="d", query="rain", enabled=False))
    matcher = Matcher.compile(watches, [IHAR], forms={})
    assert [watch.id for watch, _ in matcher.faults] == [1, 2]
    assert matcher.faults[1][1].what == 'There is no actor "Kastrul".'
    assert matcher.match(Article(title="", text="rain")).fired == (3,)


def test_an_unknown_actor_is_answered_with_the_closest() -> None:
    matcher = Matcher.compile([Watch(name="w", query='rain actor:"Ihar Kastrul"')], [IHAR, VERA], forms={})
    error = matcher.faults[0][1]
    assert error.why.startswith("Closest: Ihar Kastrel")
    assert error.instead == 'rain actor:"Ihar Kastrel"'


def test_a_surname_of_two_actors_in_a_query_is_answered_with_both() -> None:
    matcher = Matcher.compile([Watch(name="w", query="actor:Kastrel")], [IHAR, OLEG], forms={})
    error = matcher.faults[0][1]
    assert error.what == '2 actors bear the name "Kastrel".'
    assert error.why == 'Say which: "Ihar Kastrel", "Oleg Kastrel".'


def test_no_server_matches_by_another_servers_actor() -> None:
    theirs = Actor(guild_id=2, name="Ihar Kastrel")
    assert Matcher.compile([Watch(guild_id=1, name="w", query="actor:Kastrel")], [theirs], forms={}).faults
    everyones = Actor(guild_id=0, name="Ihar Kastrel")
    assert not Matcher.compile([Watch(guild_id=1, name="w", query="actor:Kastrel")], [everyones], forms={}).faults


def test_nothing_to_look_for_finds_nothing() -> None:
    assert Matcher.compile([], [], forms={}).match(Article(title="rain", text="rain")) == Matches()


# --- properties -------------------------------------------------------------------------------------------------------

WATCHES = [
    "rain",
    "sanctions OR Sochi",
    "rain NEAR/3 snow",
    'actor:"Ihar Kastrel" -hail',
    "US",
    "sno*",
    '"rain snow"',
    "title:rain",
]
TOKENS = "rain snow hail Sochi sanctioned US us U.S. Ihar Kastrel Oleg , . \n \n\n \u00ad \u200b \u0301 Ʒ 中 SNOW’S й и\u0306"
tokens = st.sampled_from(TOKENS.split(" "))
texts = st.lists(tokens | st.characters(), max_size=25).map(" ".join) | st.lists(tokens, max_size=25).map("".join)


@settings(max_examples=200)
@given(texts, texts)
def test_every_match_quotes_the_text_in_order_and_each_place_once(title: str, text: str) -> None:
    watches = [Watch(id=at, name=query, query=query) for at, query in enumerate(WATCHES)]
    matcher = Matcher.compile(watches, [IHAR, OLEG], forms=FORMS, report_actors=True)
    found = matcher.match(Article(title=title, text=text, lang="en"))
    for one in found.matches:
        assert (title if one.field == "title" else text)[one.start : one.end] == one.text != ""
    order = [(one.field == "text", one.start, -one.end) for one in found.matches]
    assert order == sorted(order)
    places = [key_of(one) for one in found.matches]
    assert len(places) == len(set(places))
    assert not set(found.fired) & {one.watch_id for one in found.why_not if one.watch and "ambiguous" not in one.reason}


def key_of(one: Match) -> tuple[object, ...]:
    return one.watch, one.actor or one.alias, one.field, one.start, one.end


# --- writings without blanks between words ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text", "there"),
    [
        ("制裁", "中国宣布新的制裁措施。制裁！", ["制裁", "制裁"]),
        ("台風", "大型の台風が近づく", ["台風"]),
        ("がいこう", "かいこうとがいこう", ["がいこう"]),
        ("バス", "ハスとﾊｽ、バスで", ["バス"]),
        ("ガソリン", "軽油とガソリンの価格", ["ガソリン"]),
        ("ภาษี", "รัฐบาลขึ้นภาษีนำเข้า", ["ภาษี"]),
        ("ພາສີ", "ລັດຖະບານຂຶ້ນພາສີໃໝ່", ["ພາສີ"]),
        ("ពន្ធ", "រដ្ឋាភិបាលដំឡើងពន្ធថ្មី", ["ពន្ធ"]),
        ("အခွန်", "အစိုးရကအခွန်တိုးသည်", ["အခွန်"]),
        ('"贸易 谈判"', "新的贸易 谈判开始", ["贸易 谈判"]),
        ("iPhone手机", "他买了iPhone手机壳，不是miPhone手机", ["iPhone手机"]),
        ("NATO", "北约NATO宣布，NATOx没有", ["NATO"]),
        ("sanctions", "新的sanctions措施", ["sanctions"]),
        ("制裁法案*", "这项制裁法案将生效", ["制裁法案"]),
        ("제재", "자주 오는 제재", ["제재"]),
    ],
)
def test_where_words_stand_without_blanks_they_are_found_inside(query: str, text: str, there: list[str]) -> None:
    assert spans(matched(query, text, lang=None)) == there


def test_other_letters_that_share_a_byte_are_not_the_word() -> None:
    other = "".join(chr(ord(char) + 16) for char in "制裁")
    assert spans(matched("制裁", f"{other}{other} 制 裁", lang=None)) == []


def test_inside_an_uneven_text_the_place_is_right() -> None:
    text = "\ufeff新的  制\u200b裁  措施，é\u0301制裁"
    assert spans(matched("制裁", text, lang=None)) == ["制\u200b裁", "制裁"]


def test_an_actor_written_without_blanks_is_found_by_name_and_alias() -> None:
    found = by_actor("国家主席习近平说，習近平說", Actor(name="习近平", aliases=(Alias(text="習近平"),)))
    assert [(one.text, one.rule) for one in found.matches] == [("习近平", "exact"), ("習近平", "user")]


han = st.text(st.sampled_from("中国宣布新的制裁措施 。aの"), max_size=30)


@given(han, han)
def test_a_planted_word_without_blanks_around_it_is_found_where_it_stands(before: str, after: str) -> None:
    found = matched("贸易战", f"{before}贸易战{after}", lang=None).matches
    assert [(one.start, one.end) for one in found] == [(len(before), len(before) + 3)]
