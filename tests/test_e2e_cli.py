"""The command line as its users and its enemies meet it: `check`, `try`, streams and terminals; real processes, nothing but loopback."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli_fakes import EXACT, LONG_TITLE, Wire, environment, one_line, wire, wirewatch
from tests.fakes import FILLER, entry, page, rss

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["wire"]  # a fixture is found by its name in this module


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


def test_a_slip_in_a_query_is_said_beside_the_answer_not_in_it(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "[[feeds]]\nurl = 'https://news.example/f'\nname = 'Harbour Post'\n"
        "[[watches]]\nname = 'Bans'\nquery = 'tariff or quota'\n[[watches]]\nname = 'Port'\nquery = 'source:Harbour'\n",
        encoding="utf-8",
    )
    checked = wirewatch("check", cwd=tmp_path)
    assert 'warning: watch "Bans": "or" in small letters' in checked.stderr
    assert 'Closest: source:"Harbour Post"' in checked.stderr
    matched = wirewatch("match", "-", "--json", "--watch", "tariff or quota", cwd=tmp_path, given=b"A tariff.")
    assert "tariff OR quota" in matched.stderr
    assert "OR" not in matched.stdout


def test_run_without_a_token_says_where_it_goes_and_what_goes_without_one(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    one_line(wirewatch("run", cwd=tmp_path), 78, "discord.token_file", "WIREWATCH_TOKEN", "run --terminal")


@pytest.mark.parametrize("args", [(), ("bogus",), ("feed",), ("extract", "--json", "--jsonl"), ("try", "--twice")])
def test_wrong_usage_is_status_2(tmp_path: Path, args: tuple[str, ...]) -> None:
    run = wirewatch(*args, cwd=tmp_path)
    assert run.returncode == 2
    assert "usage:" in run.stderr
    assert ("error:" in run.stderr) is bool(args), "without any it is the help"


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
    # Named in the first card where the second outlet was read before that was printed, else in a line of its own.
    assert re.search(r" · also: (Harbour Post|The Lantern Wire)\b", run.stdout)
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
