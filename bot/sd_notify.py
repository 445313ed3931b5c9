"""What systemd is told of this process: that it is ready, reloads, lives, stops. Silent where nobody asked to be told.

Source: sd_notify(3), systemd.service(5). Ten lines of datagrams, so no library.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ServiceManager:
    """Where `$NOTIFY_SOCKET` leads. watchdog_s: how often it wants to hear that we live, None: never."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        asked = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environ.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(usec) / 1e6 if asked and usec.isdigit() and int(usec) > 0 else None

    def ready(self, status: str = "") -> None:
        """Tell that it is up, or that a reload is over."""
        self._tell("READY=1", *([f"STATUS={status}"] if status else []))

    def reloading(self) -> None:
        """Tell that the configuration is being read again."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self, status: str) -> None:
        """Tell that the engine moves, and how it is."""
        self._tell("WATCHDOG=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """Tell how it is, and nothing about living."""
        self._tell(f"STATUS={status}")

    def stopping(self) -> None:
        """Tell that it ends in order."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        text = "\n".join(" ".join(line.split()) for line in lines)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)  # a full queue loses a line, never our time
            sock.connect(self._address)
            sock.send(text.encode())
