"""What the tests of the command line share: real processes of our own, and a site on loopback for them to read."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import page, rss

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Run = subprocess.CompletedProcess[str]

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
        self.asked: list[str] = []
        answers, asked = self.answers, self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
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
