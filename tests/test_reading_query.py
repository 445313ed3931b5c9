"""The query language: what reads, how it prints, and how each fault is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import QueryError
from bot.reading.query import (
    ActorTerm,
    And,
    Filter,
    Near,
    Node,
    Not,
    Or,
    Query,
    Scoped,
    Term,
    actors_in,
    keywords_in,
    parse_query,
)


def fault(query: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        parse_query(query)
    return caught.value


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("rain", Term("rain")),
        ("rain snow", And((Term("rain"), Term("snow")))),
        ("rain AND snow OR hail", Or((And((Term("rain"), Term("snow"))), Term("hail")))),
        ("rain -snow", And((Term("rain"), Not(Term("snow"))))),
        ("rain NOT snow NEAR/3 ice", And((Term("rain"), Not(Near(Term("snow"), Term("ice"), 3))))),
        ("aa NEAR/2 bb NEAR/3 cc", Near(Near(Term("aa"), Term("bb"), 2), Term("cc"), 3)),
        ('="heavy rain" =us', And((Term("heavy rain", "exact"), Term("us", "exact")))),
        ("“heavy  rain”", Term("heavy rain")),
        ("«сильный дождь»", Term("сильный дождь")),
        ("thund*", Term("thund", "prefix")),
        (
            "title:(rain OR snow) text:hail",
            And((Scoped("title", Or((Term("rain"), Term("snow")))), Scoped("text", Term("hail")))),
        ),
        ("actor:Ann", ActorTerm("Ann")),
        ('actor:("Ann Lee" OR Bo)', Or((ActorTerm("Ann Lee"), ActorTerm("Bo")))),
        ("source:example.org", Filter("source", ("example.org",))),
        ("rain lang:(ru OR be-tarask)", And((Term("rain"), Filter("lang", ("ru", "be-tarask"))))),
        ("rain or snow", And((Term("rain"), Term("or"), Term("snow")))),
        ("प्रतिबंध ภาษี می\u200cرود", And((Term("प्रतिबंध"), Term("ภาษี"), Term("می\u200cرود")))),
        ("rain\u00a0snow", And((Term("rain"), Term("snow")))),
        ("G7/G20 AT&T U.S. storm-led", And((Term("G7/G20"), Term("AT&T"), Term("U.S."), Term("storm-led")))),
    ],
)
def test_a_query_reads_as_this_tree(query: str, tree: Node) -> None:
    assert parse_query(query).root == tree


STAR = "A star may only end a word."
OPERATORS = "Write OR, AND or NEAR/5; regular expressions are not supported (they can hang the bot)."
NOTHING = "This would match every item without a word: name something that must occur."
OPEN = "One side of OR has no word that must occur, so nearly everything would match."
NEAR_JOINS = "NEAR joins words, phrases and actors, not AND, NOT or filters."
NEAR_NUMBER = "NEAR needs a number from 1 to 50: `a NEAR/5 b`."
EXCLAIMED = "`!` means nothing in a query."
PARTNER = "This bracket has no partner."


@pytest.mark.parametrize(
    ("query", "what", "place", "instead"),
    [
        ("thun*der", STAR, "*", "thun*"),
        ("*storm", STAR, "*", "storm"),
        ("ra*", "A star needs three letters before it: `ra*` would match thousands of words.", "ra*", "ra"),
        ('rain "open', "This quotation mark is never closed.", '"', 'rain "open"'),
        ("(rain", PARTNER, "(", "(rain)"),
        ("rain)", PARTNER, ")", "rain"),
        ("rain OR", "OR needs something on both sides.", "OR", "rain"),
        ("AND snow", "AND needs something on both sides.", "AND", "snow"),
        ("rain OR OR snow", "OR needs something on both sides.", "OR", "rain OR snow"),
        ("rain NEAR snow", NEAR_NUMBER, "NEAR", "rain NEAR/5 snow"),
        ("rain NEAR/0 snow", NEAR_NUMBER, "NEAR/0", "rain NEAR/5 snow"),
        ("rain NEAR/500 snow", NEAR_NUMBER, "NEAR/500", "rain NEAR/50 snow"),
        ("(aa AND bb) NEAR/5 cc", NEAR_JOINS, "(aa AND bb)", "aa NEAR/5 cc bb NEAR/5 cc"),
        ("aa NEAR/5 -bb", NEAR_JOINS, "-", "aa -bb"),
        ("aa NEAR/5 lang:ru", NEAR_JOINS, "lang:ru", "aa lang:ru"),
        ("-rain", NOTHING, "-rain", "sanctions -rain"),
        ("lang:ru", NOTHING, "lang:ru", "sanctions lang:ru"),
        ("NOT (aa OR bb)", NOTHING, "NOT (aa OR bb)", "sanctions -(aa OR bb)"),
        ("aa OR NOT bb", OPEN, "NOT bb", "aa"),
        ("aa OR lang:ru", OPEN, "lang:ru", "aa"),
        ("x:y", "Unknown field `x:`.", "x:", '"x:y"'),
        ("https://example.org/a", "Unknown field `https:`.", "https:", '"https://example.org/a"'),
        ("aa || bb", OPERATORS, "||", "aa OR bb"),
        ("aa & bb", OPERATORS, "&", "aa bb"),
        ('"aa bb"~5', OPERATORS, "~5", "aa NEAR/5 bb"),
        ('rain "aa  bb cc"~500 snow', OPERATORS, "~500", "rain aa NEAR/50 bb NEAR/50 cc snow"),
        ("aa~2", OPERATORS, "~2", "aa"),
        ("rain !sport", EXCLAIMED, "!", "rain -sport"),
        ("!sport", EXCLAIMED, "!", "sanctions -sport"),
        ("rain !", EXCLAIMED, "!", "rain"),
        ("rain NOT", "NOT needs something after it.", "NOT", "rain"),
        ('= "aa bb"', '= must touch the word or phrase it makes exact: `="a b"`.', "=", '="aa bb"'),
        ("=rain*", "= takes a word or a phrase.", "=rain*", "rain*"),
        ("/re/", OPERATORS, "/re/", "re"),
        ("/r.e+/", OPERATORS, "/r.e+/", "r.e+"),
        ("/sanc(tion|ed)/", OPERATORS, "/sanc(tion|ed)/", ""),
        ("rain?", OPERATORS, "?", "rain"),
        ("- rain", "Put the minus directly before the word: `-a`.", "-", "sanctions -rain"),
        ("rain –snow", "This is a dash, not a minus.", "–", "rain -snow"),
        ("", "There is nothing to look for.", "", "sanctions"),
        ("rain ()", "There is nothing between these brackets.", "()", "rain"),
        ("C++", "Only `c` is left of this word.", "C++", ""),
        ("(a", PARTNER, "(", ""),
        ("a)", PARTNER, ")", ""),
        ("a OR", "OR needs something on both sides.", "OR", ""),
        ("a AND OR b", "AND needs something on both sides.", "AND", ""),
        ("(a AND b) NEAR/5 c", NEAR_JOINS, "(a AND b)", ""),
        ("a NEAR/5 -b", NEAR_JOINS, "-", ""),
        ("-a", NOTHING, "-a", ""),
        ("NOT (a OR b)", NOTHING, "NOT (a OR b)", ""),
        ("a OR NOT b", OPEN, "NOT b", ""),
        ("aa*bb", STAR, "*", "aa"),
        ("aa**", STAR, "*", "aa"),
        ("rain NOT NOT snow", "Two negations cancel each other.", "NOT NOT", "rain snow"),
        ("--rain", "Two negations cancel each other.", "--", "rain"),
        ("title:(aa OR -bb)", OPEN, "-bb", "title:aa"),
        ("aa&&bb", OPERATORS, "&&", "aa bb"),
        ("aa|bb", OPERATORS, "|", "aa OR bb"),
        ("NEAR/5*", NEAR_NUMBER, "NEAR/5*", ""),
    ],
)
def test_a_fault_says_what_where_and_what_instead(query: str, what: str, place: str, instead: str) -> None:
    error = fault(query)
    assert (error.what, query[error.start : error.end], error.instead) == (what, place, instead)


def test_limits_are_told_with_the_count() -> None:
    assert fault("x" * 1001).what == "A query may have 1000 characters; this one has 1001."
    assert fault(" ".join(f"w{n}" for n in range(65))).what == "A query may have 64 terms; this one has 65."
    deep = fault("(" * 11 + 'rain "(("' + ")" * 11)
    assert deep.what == "Brackets may be nested 8 deep; here they are 11 deep."
    assert fault("(" * 1000).what


def test_a_long_query_is_shown_around_the_place_alone() -> None:
    query = "sanctions OR " * 70 + "ra* OR " + "rain OR " * 9 + "rain"
    said = str(QueryError("What.", query=query, start=910, end=913))
    assert said.startswith("What. (…")
    assert "⟪ra*⟫" in said
    assert len(said) < 120
    assert str(QueryError("What.", query="rain", start=0, end=4)) == "What. (⟪rain⟫)"
    whole = str(QueryError("What.", query="x" * 3000, start=0, end=3000))
    assert whole.endswith("…⟫)")
    assert len(whole) < 200


def test_a_source_alone_is_allowed() -> None:
    assert str(parse_query("source:example.org")) == "source:example.org"


def test_keywords_are_words_that_take_other_forms() -> None:
    query = parse_query('sanctions "two words" =exact pre* NATO U.S. G7 actor:Ann -football title:rain')
    assert keywords_in(query) == ("sanctions", "football", "rain")
    assert actors_in(query) == ("Ann",)


words = st.sampled_from(["rain", "снег", "G7/G20", "two words", "OR", "a:b", "don't", "U.S."])
terms = st.builds(Term, words, st.sampled_from(["word", "exact"])) | st.builds(
    Term, st.sampled_from(["rain", "снеж"]), st.just("prefix")
)
leaves = (
    terms
    | st.builds(ActorTerm, words)
    | st.builds(Filter, st.just("source"), st.lists(words, min_size=1, max_size=2).map(tuple))
)


def tried(query: str) -> Query | QueryError:
    try:
        return parse_query(query)
    except QueryError as error:
        return error


def joined(kind: type[And | Or], nodes: list[Node]) -> Node:
    flat = [inner for node in nodes for inner in (node.nodes if isinstance(node, kind) else (node,))]
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map(lambda nodes: joined(And, nodes))
        | st.lists(inner, min_size=2, max_size=3).map(lambda nodes: joined(Or, nodes))
        | st.builds(Not, inner)
        | st.builds(Near, terms, terms, st.integers(1, 50))
        | st.builds(Scoped, st.sampled_from(["title", "text"]), terms)
    ),
    max_leaves=6,
)


@settings(max_examples=200)
@given(trees)
def test_a_query_prints_as_text_that_reads_back_the_same(tree: Node) -> None:
    query = Query(And((Term("rain"), *(tree.nodes if isinstance(tree, And) else (tree,)))))
    assert parse_query(str(query)) == query


@settings(max_examples=300)
@given(st.text(alphabet='ab*"()-=:/ ~|ORNEAT5', max_size=25) | st.text(max_size=20))
def test_any_text_reads_or_is_refused_at_a_place_inside_it(text: str) -> None:
    read = tried(text)
    if isinstance(read, QueryError):
        assert 0 <= read.start <= read.end <= len(text)
        assert read.what
    else:
        assert parse_query(str(read)) == read
