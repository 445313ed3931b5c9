"""`wirewatch run` under a service manager of our own: what it hears from start to end, with the heartbeat and the numbers on."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.cli_fakes import Wire, environment, wire, wirewatch
from tests.fakes import entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["wire"]  # a fixture is found by its name in this module

PATIENCE_S = 30.0


class Manager:
    """Stands for systemd: a socket that hears what a service tells, message by message."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._heard: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while message := self._socket.recv(4096):
            self._heard.put(message.decode())

    def until(self, words: str) -> str:
        """Wait for a message that holds these words, and return it."""
        while words not in (message := self._heard.get(timeout=PATIENCE_S)):
            pass
        return message

    def close(self) -> None:
        """Hear no more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self.path))
        self._socket.close()


@contextmanager
def service(folder: Path, manager: Manager) -> Iterator[subprocess.Popen[str]]:
    """Run the bot as systemd would."""
    env = environment() | {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "2000000"}
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "run", "--terminal"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=env,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            manager.close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_service_manager_hears_it_start_live_reload_and_stop(tmp_path: Path, wire: Wire) -> None:
    port = free_port()
    wire.feed("/f", entry("An old item", "http://news.example/1", guid="1"))
    beat = wire.page("/beat/hush-hush", "ok")
    config = (
        f"[fetch]\ninterval = '1s'\nfull_text = 'never'\nallow_private = ['{wire.origin}']\n"
        f"[operating]\nheartbeat = '{beat}'\nmetrics = '127.0.0.1:{port}'\n[[feeds]]\nurl = '{wire.url('/f')}'\n"
    )
    file = tmp_path / "config.toml"
    file.write_text(config, encoding="utf-8")
    manager = Manager(tmp_path)
    with service(tmp_path, manager) as process:
        assert manager.until("READY=1").endswith("STATUS=running: 1 feed, 0 watches, 0 actors")
        assert manager.until("WATCHDOG=1") == "WATCHDOG=1\nSTATUS=all is well"
        for _ in range(600):
            if "/beat/hush-hush" in wire.asked:
                break
            threading.Event().wait(0.05)
        assert wire.asked.index("/f") < wire.asked.index("/beat/hush-hush"), "a heartbeat follows a good round"

        well = wirewatch("doctor", "--running", cwd=tmp_path)
        assert (well.returncode, well.stderr) == (0, f"process {process.pid} runs: all is well\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert 'wirewatch_polls_total{outcome="changed"} 1.0' in text
        assert "wirewatch_items_total 1.0" in text
        assert "hush-hush" not in text

        file.write_text("[fetch]\nbogus = 1\n", encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in manager.until("RELOADING=1")
        manager.until("READY=1")
        file.write_text(config.replace(f"'127.0.0.1:{port}'", "''"), encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        manager.until("RELOADING=1")
        manager.until("READY=1")

        process.send_signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert process.wait(10) == 0
        assert process.stderr
        said = process.stderr.read()
    assert f"the metrics stay 127.0.0.1:{port} until the next start" in said
    assert "not reloaded" in said
    assert "Traceback" not in said
    assert "hush-hush" not in said


def test_a_token_that_systemd_hands_over_is_used(tmp_path: Path) -> None:
    passed = tmp_path / "credentials"
    passed.mkdir()
    (passed / "token").write_text("not a token\n", encoding="utf-8")
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    run = wirewatch("run", cwd=tmp_path, env={"CREDENTIALS_DIRECTORY": os.fspath(passed)})
    assert run.returncode == 78
    assert f"{passed / 'token'}: one token, without blanks" in run.stderr
