"""`wirewatch run` as an operator meets it: signals, reloads, second instances, unusable databases and full disks."""

from __future__ import annotations

import os
import queue
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import psutil
import pytest

from tests.cli_fakes import EXACT, Wire, environment, one_line, wire, wirewatch
from tests.fakes import entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["wire"]  # a fixture is found by its name in this module

PATIENCE_S = 30.0


class Bot:
    """A running `wirewatch run --terminal`; both of its outputs are read line by line as they come."""

    def __init__(self, folder: Path, *, stdout: int = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot", "run", "--terminal"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.seen: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self.process.stdout, self.process.stderr)
            if stream
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Iterator[str]) -> None:
        for line in stream:
            self._lines.put(line.rstrip("\n"))

    def until(self, words: str) -> str:
        """Wait for a line that holds these words, and return it."""
        while True:
            line = self._lines.get(timeout=PATIENCE_S)
            self.seen.append(line)
            if words in line:
                return line

    def stop(self) -> int:
        """Ask for the end, and return the exit status; no process is left and no traceback was shown."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGTERM)  # timeout(1) sends it to the process and to its group
        status = self.process.wait(10)
        gone, alive = psutil.wait_procs(family, timeout=2)
        assert not alive, gone
        self.rest()
        return status

    def rest(self) -> None:
        """Read what is left of the output."""
        for reader in self._readers:
            reader.join(5)
        while not self._lines.empty():
            self.seen.append(self._lines.get())
        assert not [line for line in self.seen if "Traceback" in line]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


def configure(folder: Path, wire: Wire, *queries: str) -> None:
    watches = "".join(f"[[watches]]\nname = 'Watch {n}'\nquery = '{query}'\n" for n, query in enumerate(queries))
    (folder / "config.toml").write_text(
        f"[fetch]\ninterval = '1s'\nfull_text = 'never'\nallow_private = ['{wire.origin}']\n"
        f"[[feeds]]\nurl = '{wire.url('/f')}'\n{watches}",
        encoding="utf-8",
    )


@contextmanager
def baseline_read(folder: Path) -> Iterator[Bot]:
    """Start a bot and wait until it has taken in what the feed holds at first."""
    with Bot(folder) as bot:
        bot.until("running: ")
        for _ in range(600):
            if stored(folder, "SELECT count(*) FROM feeds WHERE subscribed_at IS NOT NULL"):
                break
            threading.Event().wait(0.05)
        yield bot


def stored(folder: Path, sql: str) -> int:
    connection = sqlite3.connect(folder / "wirewatch.db", timeout=10)
    try:
        return int(connection.execute(sql).fetchone()[0])
    finally:
        connection.close()


def test_it_tells_what_is_new_reloads_on_sighup_and_ends_on_sigterm(tmp_path: Path, wire: Wire) -> None:
    old = entry("Old sanctions", "http://news.example/1", guid="1")
    first = entry("New sanctions", "http://news.example/2", guid="2")
    second = entry("Talks in Minsk", "http://news.example/3", guid="3")
    wire.feed("/f", old)
    configure(tmp_path, wire, EXACT)
    with baseline_read(tmp_path) as bot:
        wire.feed("/f", old, first)
        bot.until("ALERT · Watch 0")
        bot.until("New sanctions")

        (tmp_path / "config.toml").write_text("[fetch]\nbogus = 1\n", encoding="utf-8")
        bot.process.send_signal(signal.SIGHUP)
        assert "config.toml: fetch.bogus" in bot.until("not reloaded, the old configuration stays in force")

        configure(tmp_path, wire, EXACT, '="Minsk"')
        bot.process.send_signal(signal.SIGHUP)
        assert bot.until("reloaded: ") == "reloaded: 1 feed, 2 watches, 0 actors"
        wire.feed("/f", old, first, second)
        bot.until("ALERT · Watch 1")

        one_line(wirewatch("run", "--terminal", cwd=tmp_path), 1, f"process {bot.process.pid}")
        assert bot.stop() == 0
        assert bot.seen[-1] == "stopped"
        assert not [line for line in bot.seen if "Old sanctions" in line]


def test_when_nobody_reads_the_terminal_it_ends_and_the_next_start_tells(tmp_path: Path, wire: Wire) -> None:
    wire.feed("/f")
    configure(tmp_path, wire, EXACT)
    reading, writing = os.pipe()
    with Bot(tmp_path, stdout=writing) as bot:
        os.close(writing)
        os.close(reading)
        bot.until("running: ")
        for _ in range(600):
            if stored(tmp_path, "SELECT count(*) FROM feeds WHERE subscribed_at IS NOT NULL"):
                break
            threading.Event().wait(0.05)
        wire.feed("/f", entry("New sanctions", "http://news.example/2", guid="2"))
        assert bot.process.wait(PATIENCE_S) == 0
        bot.rest()
    with Bot(tmp_path) as bot:
        bot.until("New sanctions")
        assert bot.stop() == 0


def test_a_full_disk_is_said_once_and_loses_nothing(tmp_path: Path, wire: Wire) -> None:
    """A limit on the size of files stands for the full disk: every write beyond it fails, whoever runs the tests."""
    wire.feed("/f")
    configure(tmp_path, wire, EXACT)
    with baseline_read(tmp_path) as bot:
        resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        wire.feed("/f", entry("New sanctions", "http://news.example/2", guid="2", text="word " * 4000))
        bot.until("nothing that was stored is lost")
        resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        bot.until("New sanctions")
        assert bot.stop() == 0
    assert len([line for line in bot.seen if "nothing that was stored is lost" in line]) == 1
    assert bot.seen.count("ALERT · Watch 0") == 1


def test_it_ends_on_sigterm_while_it_still_looks_up_word_forms(tmp_path: Path, wire: Wire) -> None:
    configure(tmp_path, wire, "санкции")
    with Bot(tmp_path) as bot:
        process = psutil.Process(bot.process.pid)
        while not process.children():
            threading.Event().wait(0.02)
        assert bot.stop() == 0
        assert bot.seen == ["stopped"]


def sound_database(folder: Path) -> bytes:
    """Return the bytes of a database that a bot left behind, with more in it than one page."""
    with Bot(folder) as bot:
        bot.until("running: ")
        assert bot.stop() == 0
    return (folder / "wirewatch.db").read_bytes()


UNUSABLE = ["truncated", "noise", "of another program", "newer", "a folder", "in no folder"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("sound")
    (folder / "config.toml").write_text("", encoding="utf-8")
    return sound_database(folder)


@pytest.mark.parametrize("how", UNUSABLE)
def test_a_database_that_cannot_be_used_is_said_in_one_line_and_left_alone(
    tmp_path: Path, sound: bytes, how: str
) -> None:
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    database = tmp_path / "wirewatch.db"
    spoil(database, sound, how)
    before = database.read_bytes() if database.is_file() else None
    one_line(
        wirewatch("run", "--terminal", cwd=tmp_path), 1, "wirewatch.db" if how != "in no folder" else "does not exist"
    )
    assert (database.read_bytes() if database.is_file() else None) == before


def spoil(database: Path, sound: bytes, how: str) -> None:
    if how == "truncated":
        database.write_bytes(sound[: len(sound) // 2])
    elif how == "noise":
        database.write_bytes(bytes(range(256)) * 64)
    elif how == "a folder":
        database.mkdir()
    elif how == "in no folder":
        (database.parent / "config.toml").write_text("[store]\nurl = 'sqlite:///nowhere/w.db'\n", encoding="utf-8")
    else:
        if how == "newer":
            database.write_bytes(sound)
        connection = sqlite3.connect(database)
        connection.execute("PRAGMA user_version = 9999")
        if how == "of another program":
            connection.execute("CREATE TABLE theirs (x)")
        connection.commit()
        connection.close()


def test_try_ends_at_ctrl_c_and_leaves_nothing(tmp_path: Path, wire: Wire) -> None:
    wire.feed("/f", entry("New sanctions", wire.url("/none"), guid="2", text="x"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "bot", "try", wire.url("/f"), "--watch", EXACT, "--allow-private", wire.origin],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment() | {"TMPDIR": str(scratch)},
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == f"ALERT · {EXACT}\n"
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert not psutil.wait_procs(family, timeout=2)[1]
        said = process.stderr.read().splitlines()
        assert "watching your feeds: 1 feed, 1 watch" in said[0]
        assert said[-1].startswith("stopped after 1 article")
    assert list(scratch.iterdir()) == []
