"""The command line as its users and its enemies meet it: real processes, files and pipes, nothing but loopback."""

from __future__ import annotations

import http.server
import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import FILLER, entry, page, rss

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Run = subprocess.CompletedProcess[str]

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
EXACT = '="sanctions"'  # takes no other forms, so that no dictionary is loaded
LONG_TITLE = (
    "Harbour council agrees after a very long night on further sanctions against " + "very " * 20 + "slow ferries"
)
RSS_HEAD = (
    '<rss version="2.0"><channel><title>{title}</title><link>http://news.example/</link><description>d</description>'
)


class Wire:
    """A site on loopback that answers from a table while the test changes it."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, bytes]] = {}
        answers = self.answers

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content_type, body = answers.get(self.path.partition("?")[0], ("", b""))
                self.send_response(200 if content_type else 404)
                self.send_header("Content-Type", content_type or "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"127.0.0.1:{self.server.server_port}"

    def url(self, path: str) -> str:
        return f"http://{self.origin}{path}"

    def feed(self, path: str, *entries: str) -> str:
        self.answers[path] = ("application/rss+xml", rss("Sample wire", *entries).encode())
        return self.url(path)

    def page(self, path: str, title: str, *paragraphs: str) -> str:
        self.answers[path] = ("text/html; charset=utf-8", page(title, *paragraphs).encode())
        return self.url(path)


@pytest.fixture
def wire() -> Iterator[Wire]:
    site = Wire()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


def wirewatch(*args: object, cwd: Path, given: bytes | None = None, env: dict[str, str] | None = None) -> Run:
    """Run a command to its end; whatever it was given, it shows no traceback."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "bot", *map(str, args)],
        cwd=cwd,
        input=given if given is not None else b"",
        capture_output=True,
        env=environment() | (env or {}),
        timeout=60,
        check=False,
    )
    run = Run(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in run.stderr
    assert "something went wrong inside" not in run.stderr
    return run


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WIREWATCH")}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TERM": "xterm-256color"}


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def one_line(run: Run, status: int, *words: str) -> None:
    """Assert that a command failed with this status and one plain line that holds these words."""
    assert run.returncode == status, run.stderr
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert all(word in run.stderr for word in words), run.stderr


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


# --- check ---

WRONG_CONFIGS = {
    "syntax": ("[fetch\n", "config.toml: syntax"),
    "unknown key": ("[fetch]\nintervall = '5m'\n", "did you mean interval?"),
    "duration": ("[fetch]\ninterval = '5 parsecs'\n", "fetch.interval"),
    "query": ("[[watches]]\nname = 'w'\nquery = '((('\n", "watches[1].query"),
    "actor": ("[[watches]]\nname = 'w'\nquery = 'actor:Nobody'\n", "Nobody"),
    "feed": ("[[feeds]]\nurl = 'http://reader:hush@127.0.0.1:99/f'\n", "feeds[1].url"),
    "private": ("[fetch]\nallow_private = ['::::']\n", "fetch.allow_private"),
    "store": ("[store]\nurl = 'mysql://x'\n", "store.url"),
}


@pytest.mark.parametrize("name", WRONG_CONFIGS)
def test_a_fault_of_the_configuration_is_one_line_that_names_file_and_key(tmp_path: Path, name: str) -> None:
    text, words = WRONG_CONFIGS[name]
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    run = wirewatch("check", cwd=tmp_path)
    one_line(run, 78, "config.toml: ", words)
    assert "hush" not in run.stderr


def test_every_fault_is_told_at_once_and_by_every_command_that_reads_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "".join(text for text, _ in list(WRONG_CONFIGS.values())[3:6]), encoding="utf-8"
    )
    told = [wirewatch(*command, cwd=tmp_path) for command in (("check",), ("run", "--terminal"), ("run",), ("match",))]
    assert [run.returncode for run in told] == [78] * 4
    assert {run.stderr for run in told} == {told[0].stderr}
    assert told[0].stderr.count("\n") == 4  # the fourth: two watches have one name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml"]


@pytest.mark.parametrize("body", [b"\xff\xfe", None])
def test_a_configuration_that_is_no_utf_8_or_missing_says_so(tmp_path: Path, body: bytes | None) -> None:
    if body is not None:
        (tmp_path / "config.toml").write_bytes(body)
    one_line(wirewatch("check", cwd=tmp_path), 78, "UTF-8" if body else "copy config.example.toml")


def test_a_good_configuration_is_described(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "[[feeds]]\nurl = 'https://reader:hush@news.example/f'\n[[watches]]\nname = 'Bans'\nquery = 'sanctions'\n",
        encoding="utf-8",
    )
    run = wirewatch("check", cwd=tmp_path)
    assert run.returncode == 0
    assert "news.example" in run.stdout
    assert "Bans" in run.stdout
    assert run.stderr == "config.toml is fine: 1 feed, 1 watch, 0 actors\n"
    assert "hush" not in run.stdout
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    empty = wirewatch("check", cwd=tmp_path)
    assert empty.returncode == 0
    assert [line.partition(":")[0] for line in empty.stderr.splitlines()][:2] == ["warning", "warning"]


def test_run_without_terminal_says_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    one_line(wirewatch("run", cwd=tmp_path), 1, "wirewatch run --terminal")


@pytest.mark.parametrize("args", [(), ("bogus",), ("feed",), ("extract", "--json", "--jsonl"), ("try", "--twice")])
def test_wrong_usage_is_status_2(tmp_path: Path, args: tuple[str, ...]) -> None:
    run = wirewatch(*args, cwd=tmp_path)
    assert run.returncode == 2
    assert "usage:" in run.stderr


# --- streams ---


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "f.xml").write_text(rss("W", *(entry(f"Number {n}", "") for n in range(9000))), encoding="utf-8")
    rows = b'{"text": "sanctions"}\n' * 5000
    (tmp_path / "rows.jsonl").write_bytes(rows)
    for command in (
        ("feed", "f.xml"),
        ("feed", "f.xml", "--json"),
        ("match", "rows.jsonl", "--jsonl", "--watch", EXACT),
    ):
        with subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "bot", *command],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        ) as process:
            assert process.stdout
            assert process.stderr
            process.stdout.read(1)
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(30) == 0


def test_closed_and_full_streams_bring_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "f.xml").write_text(rss("W", entry("One", "")), encoding="utf-8")
    status = {
        "<&-": ("feed -", 1),
        ">&-": ("feed f.xml", 0),
        ">/dev/full": ("feed f.xml --json", 1),
        "2>&-": ("feed nothing", 1),
    }
    for closing, (command, expected) in status.items():
        done = subprocess.run(  # noqa: S603 - our own program
            ["/bin/sh", "-c", f'exec "$0" -m bot {command} {closing}', sys.executable],
            cwd=tmp_path,
            capture_output=True,
            env=environment(),
            timeout=30,
            check=False,
        )
        assert done.returncode == expected, closing
        assert b"Traceback" not in done.stderr
        assert done.stderr.count(b"\n") <= 1


def test_a_terminal_that_knows_only_ascii_gets_question_marks_and_json_stays_whole(tmp_path: Path) -> None:
    body, env = rss("Новости", entry("Café", "")).encode(), {"PYTHONIOENCODING": "ascii"}
    shown = wirewatch("feed", "-", cwd=tmp_path, given=body, env=env)
    assert "Caf?" in shown.stdout.splitlines()
    told = wirewatch("feed", "-", "--json", cwd=tmp_path, given=body, env=env)
    assert json.loads(told.stdout)["feed"]["title"] == "Новости"


def test_an_escape_in_a_name_does_not_reach_the_terminal(tmp_path: Path) -> None:
    one_line(wirewatch("feed", "no\x1b[31m.xml", cwd=tmp_path), 1, "no\ufffd[31m.xml")


# --- try ---


def test_the_sample_newsroom_alerts_in_plain_lines_and_ends(tmp_path: Path) -> None:
    run = wirewatch("try", "--once", cwd=tmp_path)
    assert run.returncode == 0
    heads = [line.removeprefix("ALERT · ") for line in run.stdout.splitlines() if line.startswith("ALERT")]
    assert {"Sanctions", "Shklyarov", "Sochi", "Lukashenko"} <= {watch for head in heads for watch in head.split(", ")}
    assert "Alyaksandr Lukashenka" in run.stdout
    assert "\x1b" not in run.stdout
    assert [line for line in run.stdout.splitlines() if line.startswith("UPDATE · also: ")]
    assert run.stderr.splitlines()[-1] == f"4 feeds read, 18 articles, {len(heads)} alerts"


def test_a_feed_with_its_page_alerts_once_with_whole_lines(tmp_path: Path, wire: Wire) -> None:
    link = wire.page("/story-" + "x" * 120, LONG_TITLE, *FILLER, LONG_TITLE, "The council spoke of sanctions.", *FILLER)
    url = wire.feed("/f", entry(LONG_TITLE, link, text="The council met."))
    twin = wire.feed("/g", entry(LONG_TITLE, link + "?utm_source=g", text="The council met."))
    run = wirewatch("try", "--once", url, twin, "--watch", EXACT, "--allow-private", wire.origin, cwd=tmp_path)
    assert run.returncode == 0
    shown = run.stdout.splitlines()
    assert shown.count(f"ALERT · {EXACT}") == 1
    assert LONG_TITLE in shown
    assert {link, link + "?utm_source=g"} & set(shown)
    assert "  The council spoke of sanctions." in shown


def test_a_failing_feed_does_not_stop_a_good_one(tmp_path: Path, wire: Wire) -> None:
    good = wire.feed("/good", entry("New sanctions", wire.url("/none"), text="x"))
    wire.answers["/page"] = ("text/html", page("Home", *FILLER).encode())
    asked = ("--watch", EXACT, "--allow-private", wire.origin)
    run = wirewatch("try", "--once", good, wire.url("/gone"), wire.url("/page"), *asked, cwd=tmp_path)
    assert run.returncode == 0
    assert run.stdout.count("ALERT · ") == 1
    assert "HTTP 404" in run.stderr
    assert "web page, not a feed" in run.stderr
    assert "1 feed read, 1 article, 1 alert" in run.stderr
    failed = wirewatch("try", "--once", wire.url("/gone"), *asked, cwd=tmp_path)
    assert failed.returncode == 1
    assert "HTTP 404" in failed.stderr
    assert "later" not in failed.stderr


def test_a_hostile_title_moves_no_cursor_and_stays_text(tmp_path: Path, wire: Wire) -> None:
    title = "\x1b[2J\x1b]0;owned\x07 [bold red]sanctions[/] \u202egnp.exe\x9b31m :smile: \x00 end"
    item = {
        "id": "1",
        "url": "http://127.0.0.1/\x1b[31m",
        "title": title,
        "content_text": title + " sanctions. " + title,
    }
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": title, "items": [item]}
    wire.answers["/f"] = ("application/feed+json", json.dumps(feed).encode())
    args = (wire.url("/f"), "--allow-private", wire.origin)
    for run in (
        wirewatch("try", "--once", "--watch", EXACT, *args, cwd=tmp_path),
        wirewatch("feed", *args, cwd=tmp_path),
    ):
        assert run.returncode == 0
        assert "[bold red]sanctions[/]" in run.stdout
        assert not [char for char in run.stdout + run.stderr if not char.isprintable() and char != "\n"]


def test_on_a_terminal_of_80_columns_cards_fit_and_only_colours_are_sent(tmp_path: Path, wire: Wire) -> None:
    text = " ".join(
        (*FILLER, "The council of the harbour town spoke of sanctions, Санкции, 制裁制裁制裁 and of ferries.")
    )
    url = wire.feed("/f", entry(LONG_TITLE, wire.url("/1"), text=text))
    args = ("try", "--once", url, "--watch", EXACT, "--allow-private", wire.origin)
    shown = on_a_terminal(*args, cwd=tmp_path)
    assert "ALERT" in shown
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "\x1b" not in bare
    assert [line for line in bare.splitlines() if len(line) > 80] == []
    assert wire.url("/1") in bare


def on_a_terminal(*args: object, cwd: Path, columns: int = 80) -> str:
    """Run a command whose output goes to a terminal of this width, and return what it sent there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "bot", *map(str, args)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment() | {"COLUMNS": str(columns)},
    ) as process:
        os.close(theirs)
        seen = b""
        while process.poll() is None or select.select([ours], [], [], 0)[0]:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    seen += os.read(ours, 65536)
                except OSError:  # Linux says so when the other side is closed
                    break
        assert process.wait(30) == 0
    os.close(ours)
    return seen.decode().replace("\r\n", "\n")
