"""`feed`, `extract` and `match` as their users and their enemies meet them: real processes, files and pipes, nothing but loopback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli_fakes import EXACT, LONG_TITLE, RSS_HEAD, Wire, lines_of, one_line, wire, wirewatch
from tests.fakes import FILLER, entry, page, rss

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["wire"]  # a fixture is found by its name in this module


# --- feed ---


def test_a_feed_has_the_same_shape_from_a_file_from_a_pipe_and_from_the_web(tmp_path: Path, wire: Wire) -> None:
    url = wire.feed(
        "/f", entry("First", "http://news.example/1", guid="g1", text="One.", date="Mon, 14 Sep 2020 09:30:00 +0300")
    )
    body = wire.answers["/f"][1]
    (tmp_path / "feed.xml").write_bytes(body)
    told = json.loads(wirewatch("feed", "feed.xml", "--json", cwd=tmp_path).stdout)
    assert told == {
        "feed": {"title": "Sample wire", "link": "http://127.0.0.1/", "language": None, "updated": None},
        "items": [
            {
                "guid": "g1",
                "link": "http://news.example/1",
                "title": "First",
                "author": "",
                "published": "2020-09-14T06:30:00Z",
                "updated": None,
                "text": "One.",
            }
        ],
        "problems": [],
    }
    assert json.loads(wirewatch("feed", "-", "--json", cwd=tmp_path, given=body).stdout) == told
    fetched = wirewatch("feed", url, "--json", "--allow-private", wire.origin, cwd=tmp_path)
    assert json.loads(fetched.stdout) == told


def test_a_feed_for_people_is_plain_lines(tmp_path: Path) -> None:
    link = "http://news.example/" + "a" * 200
    shown = wirewatch("feed", "-", cwd=tmp_path, given=rss("W", entry(LONG_TITLE, link)).encode())
    assert LONG_TITLE in shown.stdout.splitlines()
    assert link in shown.stdout.splitlines()
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize("encoding", ["cp1251", "utf-16", "koi8-r"])
def test_a_feed_in_an_undeclared_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    story = "Министр рассказал в среду, что переговоры о новых мерах продолжатся завтра утром в столице."
    title = "Новости гавани" if encoding != "koi8-r" else "News"
    declared = ' encoding="koi8-r"' if encoding == "koi8-r" else ""
    text = f'<?xml version="1.0"{declared}?>' + RSS_HEAD.format(title=title)
    text += f"<item><title>Санкции введены</title><description>{story}</description></item></channel></rss>"
    told = json.loads(wirewatch("feed", "-", "--json", cwd=tmp_path, given=text.encode(encoding)).stdout)
    assert [(item["title"], item["text"]) for item in told["items"]] == [("Санкции введены", story)]


NO_FEEDS = {
    "nothing": (b"", "empty"),
    "prose": (b"Dear editor, nothing here.", "not a feed"),
    "noise": (bytes(range(256)) * 400, "not a feed"),
    "a page": (
        b"<!doctype html><html><head><title>x</title></head><body><p>x</p></body></html>",
        "web page, not a feed",
    ),
    "a page that names its feed": (
        b'<html><head><link rel="alternate" type="application/rss+xml" href="https://news.example/rss.xml"></html>',
        "https://news.example/rss.xml",
    ),
    "other JSON": (b'{"version": 1}', "JSON"),
}


@pytest.mark.parametrize("name", NO_FEEDS)
def test_what_is_no_feed_is_said_in_one_line(tmp_path: Path, name: str) -> None:
    body, words = NO_FEEDS[name]
    one_line(wirewatch("feed", "-", cwd=tmp_path, given=body), 1, words)


def test_an_answer_of_eleven_megabytes_is_not_read(tmp_path: Path, wire: Wire) -> None:
    wire.answers["/big"] = ("application/rss+xml", b"<rss>" + b" " * 11_000_000)
    run = wirewatch("feed", wire.url("/big"), "--allow-private", wire.origin, cwd=tmp_path)
    one_line(run, 1, "larger than")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("feed",), "missing.xml"),
        (("feed",), "folder"),
        (("extract",), "missing.html"),
        (("match", "--watch", EXACT), "missing.txt"),
        (("match", "--watch", EXACT, "--jsonl"), "folder"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_in_one_line(tmp_path: Path, command: tuple[str, ...], name: str) -> None:
    (tmp_path / "folder").mkdir()
    one_line(wirewatch(*command, name, cwd=tmp_path), 1, name, "name a file that can be read")


def test_a_private_feed_is_refused_with_the_option_that_allows_it(tmp_path: Path, wire: Wire) -> None:
    url = f"http://reader:hush@{wire.origin}/f"
    one_line(wirewatch("feed", url, cwd=tmp_path), 1, "--allow-private HOST:PORT")
    one_line(wirewatch("feed", "http://127.0.0.1:8080/f", cwd=tmp_path), 1, "--allow-private HOST:PORT")
    tried = wirewatch("try", "--once", url, cwd=tmp_path)
    one_line(tried, 2, "--allow-private HOST:PORT")
    assert "hush" not in tried.stderr
    one_line(wirewatch("feed", url, "--allow-private", "::::", cwd=tmp_path), 2, "--allow-private", "::::")


# --- extract ---


def test_an_article_comes_out_of_a_page_in_the_contracts_shape(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page("A quiet week", *FILLER), encoding="utf-8")
    told = json.loads(
        wirewatch("extract", "page.html", "--json", "--url", "http://news.example/1", cwd=tmp_path).stdout
    )
    assert list(told) == ["id", "title", "author", "published", "lang", "text"]
    assert told == {
        "id": "http://news.example/1",
        "title": "A quiet week",
        "author": None,
        "published": None,
        "lang": "en",
        "text": "\n\n".join(FILLER),
    }
    shown = wirewatch("extract", "-", cwd=tmp_path, given=(tmp_path / "page.html").read_bytes()).stdout
    assert shown.splitlines()[0] == "A quiet week"
    assert all(paragraph in shown.splitlines() for paragraph in FILLER)


def test_each_page_of_a_file_is_answered_in_order_and_a_bad_one_stops_nothing(tmp_path: Path) -> None:
    good = page("A quiet week", *FILLER)
    rows = [
        json.dumps({"id": "a", "html": good, "url": "http://news.example/1"}).encode(),
        b'{"id": 2}',
        b"",
        b"{",
        b"\xff\xfe",
        json.dumps({"id": "huge", "html": "a" * 3_100_000}).encode(),
        json.dumps({"id": "empty", "html": ""}).encode(),
        json.dumps({"id": "lone", "html": "<p>\ud800\x00</p>"}).encode(),
        json.dumps({"id": "b", "html": good, "url": None}).encode(),
    ]
    told = lines_of(wirewatch("extract", "--jsonl", cwd=tmp_path, given=b"\n".join(rows)).stdout)
    assert [row.get("id", row.get("line")) for row in told] == ["a", 2, 4, 5, 6, "empty", "lone", "b"]
    assert [row["line"] for row in told if set(row) == {"line", "error"}] == [2, 4, 5, 6]
    assert told[0]["text"] == told[-1]["text"] == "\n\n".join(FILLER)
    assert told[5] == {"id": "empty", "title": None, "author": None, "published": None, "lang": None, "text": ""}


def test_a_page_over_three_megabytes_is_said_in_one_line(tmp_path: Path) -> None:
    one_line(wirewatch("extract", "-", cwd=tmp_path, given=b"<p>" + b"a" * 3_100_000), 1, "-: ", "too large")


# --- match ---


def test_matches_stand_in_order_and_quote_the_text_as_given(tmp_path: Path) -> None:
    article = {
        "id": {"any": 1},
        "title": "Sochi talks",
        "text": "“Café” \U0001f30a sanctions;\nVitali Shklyarov spoke. US sanctions and us.",
        "url": "https://www.news.example/1",
    }
    (tmp_path / "a.json").write_text(json.dumps(article), encoding="utf-8")
    asked = ["--watch", '="Sochi"', "--watch", EXACT, "--watch", "US", "--actor", "Vitali Shklyarov"]
    told = json.loads(wirewatch("match", "a.json", "--json", *asked, cwd=tmp_path).stdout)
    assert list(told) == ["id", "matches", "why_not"]
    assert told["id"] == {"any": 1}
    for found in told["matches"]:
        assert list(found) == ["watch", "actor", "field", "start", "end", "text", "alias", "rule", "score"]
        assert article[found["field"]][found["start"] : found["end"]] == found["text"]  # type: ignore[index]  # a record of strings
    assert [(found["watch"], found["actor"], found["field"], found["text"]) for found in told["matches"]] == [
        ('="Sochi"', None, "title", "Sochi"),
        (EXACT, None, "text", "sanctions"),
        (None, "Vitali Shklyarov", "text", "Vitali Shklyarov"),
        ("US", None, "text", "US"),
        (EXACT, None, "text", "sanctions"),
    ]


def test_why_a_watch_did_not_match_is_told(tmp_path: Path) -> None:
    asked = ["--watch", '="sanctions" ="Minsk"', "--actor", "Alexander Lukashenko"]
    told = json.loads(wirewatch("match", "-", "--json", *asked, cwd=tmp_path, given=b"Lukashenko on sanctions").stdout)
    assert told["matches"] == []
    assert [(why["watch"], why["actor"]) for why in told["why_not"]] == [
        ('="sanctions" ="Minsk"', None),
        (None, "Alexander Lukashenko"),
    ]
    assert all(isinstance(why["reason"], str) and why["reason"] for why in told["why_not"])


def test_the_watches_of_a_configuration_match_with_their_actors_spellings(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        '[[actors]]\nname = "Alexander Lukashenko"\naliases = ["Lukashenka"]\n'
        '[[watches]]\nname = "The president"\nquery = \'actor:"Alexander Lukashenko"\'\n',
        encoding="utf-8",
    )
    for run in (
        wirewatch("match", "--json", "--config", "c.toml", cwd=tmp_path, given=b"Lukashenka spoke."),
        wirewatch("match", "--json", cwd=tmp_path, given=b"Lukashenka spoke.", env={"WIREWATCH_CONFIG": "c.toml"}),
    ):
        (found,) = json.loads(run.stdout)["matches"]
        assert (found["watch"], found["actor"], found["alias"], found["rule"]) == (
            "The president",
            "Alexander Lukashenko",
            "Lukashenka",
            "user",
        )


HOSTILE_ROWS = [
    b'{"id": "good", "text": "New sanctions."}',
    b"   ",
    b"{bad",
    b'\xff{"id": 4}',
    b"[" * 100_000,
    b'{"id": 6, "text": 5}',
    b'{"id": 7, "text": "x", "title": 5}',
    b"[1]",
    b"null",
    b'{"id": NaN, "text": "x"}',
    b'{"id": 1e999, "text": "x"}',
    b'{"id": ' + b"9" * 5000 + b', "text": "x"}',
    b'{"id": "lone", "text": "\\ud800 sanctions"}',
    b'{"id": "nul", "text": "\\u0000 sanctions \\u0000"}',
    b'{"id": "blank", "text": " \\n\\n\\n "}',
    b'{"id": "odd", "text": "sanctions", "url": "http://[::1", "lang": "zz-!!", "published": 5, "about": 5}',
    b'{"id": "long", "text": "' + b"word " * 200_000 + b'sanctions"}',
    b'{"text": "sanctions"}',
]


def test_a_bad_line_gets_an_error_record_and_the_rest_go_on(tmp_path: Path) -> None:
    run = wirewatch("match", "--jsonl", "--watch", EXACT, cwd=tmp_path, given=b"\n".join(HOSTILE_ROWS))
    told = lines_of(run.stdout)
    assert run.returncode == 0
    assert [row["line"] for row in told if "error" in row] == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert all(set(row) == {"line", "error"} and "\n" not in row["error"] for row in told if "error" in row)
    starts = {row["id"]: [found["start"] for found in row["matches"]] for row in told if "error" not in row}
    assert starts == {"good": [4], "lone": [2], "nul": [2], "blank": [], "odd": [0], "long": [1_000_000], None: [0]}


BAD_QUERIES = ["(((", "", '="sanctions', "actor:Nobody", "a" * 5000]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_query_that_cannot_be_read_is_wrong_usage(tmp_path: Path, query: str) -> None:
    one_line(wirewatch("match", "--watch", query, cwd=tmp_path, given=b"text"), 2)


def test_a_bad_query_of_try_is_wrong_usage_too(tmp_path: Path) -> None:
    one_line(wirewatch("try", "--once", "--watch", '="sanctions', cwd=tmp_path), 2)


@pytest.mark.parametrize("name", ["", "x", "  "])
def test_an_actor_without_a_name_is_wrong_usage(tmp_path: Path, name: str) -> None:
    one_line(wirewatch("match", "--actor", name, cwd=tmp_path, given=b"text"), 2, "--actor")


def test_noise_is_matched_without_complaint(tmp_path: Path) -> None:
    run = wirewatch(
        "match", "-", "--watch", EXACT, "--json", cwd=tmp_path, given=bytes(range(256)) * 40 + b" sanctions "
    )
    assert [found["text"] for found in json.loads(run.stdout)["matches"]] == ["sanctions"]
