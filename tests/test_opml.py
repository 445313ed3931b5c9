"""OPML lists: what readers export is read, what is hostile is refused or bounded, and what we write comes back as it was."""

from __future__ import annotations

import string
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import ParseError
from bot.feeds.opml import LIMIT_BYTES, LIMIT_FEEDS, feeds_in_opml, opml_for
from bot.model import ListedFeed
from bot.workers import Workers

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def opml(*outlines: str, head: str = "<title>Mine</title>", declaration: str = '<?xml version="1.0"?>') -> str:
    return (
        f'{declaration}\n<opml version="2.0"><head>{head}</head>\n<body>\n' + "\n".join(outlines) + "\n</body></opml>"
    )


def outline(url: str, name: str = "Harbour wire") -> str:
    return f'<outline type="rss" text="{name}" xmlUrl="{url}"/>'


def test_a_list_is_read_with_names_folders_and_lines() -> None:
    listed = feeds_in_opml(
        opml(
            outline("https://one.example/rss", "One"),
            '<outline text="Abroad"><outline text="East">',
            '<outline title="Two &amp; a half" text="short" XMLURL=" https://two.example/?a=1&b=2 " htmlUrl="https://two.example"/>',
            "</outline></outline>",
            '<outline text="https://three.example/" xmlUrl="https://three.example/"/>',
            '<outline type="link" text="no feed" url="https://four.example/"/>',
        ).encode()
    )
    assert listed.title == "Mine"
    assert listed.problems == ()
    assert [(one.url, one.name, one.folder, one.line) for one in listed.feeds] == [
        ("https://one.example/rss", "One", "", 4),
        ("https://two.example/?a=1&b=2", "Two & a half", "Abroad / East", 6),
        ("https://three.example/", "", "", 8),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1251"])
@pytest.mark.parametrize("declared", ["", ' encoding="utf-8"', ' encoding="cp1251"', ' encoding="x-unheard-of"'])
def test_a_list_is_read_in_its_encoding_whatever_it_declares(encoding: str, declared: str) -> None:
    name = "Новости гавани и прочие известия о переговорах"
    text = opml(outline("https://one.example/rss", name), declaration=f'<?xml version="1.0"{declared}?>')
    assert [one.name for one in feeds_in_opml(text.encode(encoding)).feeds] == [name]


LAUGHS = '<!DOCTYPE opml [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "billion laughs": (opml(outline("https://x.example/", "&i;"), declaration=LAUGHS + "]>"), "entities"),
    "an outside file": (
        opml(
            outline("https://x.example/", "&x;"), declaration='<!DOCTYPE o [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        ),
        "entities",
    ),
    "an outside DTD": (opml(declaration='<!DOCTYPE opml SYSTEM "http://127.0.0.1/x.dtd">'), "entities"),
    "ten thousand folders deep": (opml('<outline text="a">' * 10_000), "too_deep"),
    "too large": ("<opml>" + " " * LIMIT_BYTES, "too_large"),
    "nothing": (" \n", "empty"),
    "a feed": ('<rss version="2.0"><channel/></rss>', "not_opml"),
    "a page": ("<!-- x --><html><body><p>One<br>two</p></body></html>", "not_opml"),
    "prose": ("Dear editor", "not_opml"),
    "zeros": ("\x00" * 1_000, "empty"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_list_or_hostile_is_refused(name: str) -> None:
    text, reason = HOSTILE[name]
    with pytest.raises(ParseError) as refused:
        feeds_in_opml(text.encode())
    assert refused.value.reason == reason
    assert "\n" not in str(refused.value)


def test_entities_that_nobody_declared_stay_as_they_are_written() -> None:
    (one,) = feeds_in_opml(opml(outline("https://x.example/?a=1&copy=2", "Caf&eacute; &#1071;")).encode()).feeds
    assert (one.url, one.name) == ("https://x.example/?a=1&copy=2", "Caf&eacute; Я")


def test_a_list_that_breaks_off_is_read_as_far_as_it_goes() -> None:
    whole = opml(outline("https://one.example/"), outline("https://two.example/"))
    listed = feeds_in_opml(whole[: whole.index("two") - 3].encode())
    assert [one.url for one in listed.feeds] == ["https://one.example/"]
    assert "not well-formed in line 5" in listed.problems[0]


async def test_two_hundred_thousand_outlines_are_read_up_to_a_limit_in_a_worker() -> None:
    body = opml(*["<outline xmlUrl='a'/>"] * 180_000).encode()
    async with Workers() as workers:
        listed = await workers.read_opml(body)
        assert len(listed.feeds) == LIMIT_FEEDS
        assert "175000 feeds more" in listed.problems[0]
        with pytest.raises(ParseError, match="document type"):
            await workers.read_opml(HOSTILE["billion laughs"][0].encode())


LINE = st.text(
    st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"], exclude_characters="\ufffe\uffff"), max_size=60
).map(lambda text: " ".join(text.split()))
ADDRESS = st.text(string.ascii_letters + string.digits + "/?&=;%#'\"<>.-_~é中", min_size=1, max_size=60)


@given(
    st.lists(
        st.builds(ListedFeed, url=ADDRESS.map("https://x.example/".__add__), name=LINE, folder=LINE),
        max_size=8,
        unique_by=lambda one: one.url,
    ),
    LINE,
)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back_as_it_was(feeds: list[ListedFeed], title: str) -> None:
    listed = feeds_in_opml(opml_for(feeds, title=title, at=AT).encode())
    assert listed.title == title
    assert listed.problems == ()
    assert {(one.url, one.name, one.folder) for one in listed.feeds} == {
        (one.url, "" if one.name == one.url else one.name, one.folder) for one in feeds
    }


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: opml(text).encode()))
@settings(max_examples=150, deadline=None)
def test_whatever_comes_is_a_list_or_a_refusal(body: bytes) -> None:
    try:
        listed = feeds_in_opml(body)
    except ParseError:
        return
    assert all(one.url and "\n" not in one.name for one in listed.feeds)
