"""The keys of `[operating]`: whom to tell that all is well, and where the numbers are shown. Plain values; opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.errors import FetchError
from bot.feeds.links import host_of
from bot.web.guard import check_url

if TYPE_CHECKING:
    from bot.toml_table import Table
    from bot.web.guard import AllowList


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """heartbeat: an address to ask after each good round, "" for none. metrics: host and port on loopback, None: not shown."""

    heartbeat: str = ""
    metrics: tuple[str, int] | None = None


def operating_in(table: Table, allow: AllowList) -> Operating:
    """Return what the table says. Faults never show more of a heartbeat address than its host: the rest is a secret."""
    heartbeat, metrics = table.text("heartbeat", ""), table.text("metrics", "")
    if heartbeat:
        try:
            check_url(heartbeat, allow)
        except FetchError as error:
            table.fault("heartbeat", f"…{host_of(heartbeat)}…", str(error))
    place = loopback_in(metrics)
    if metrics and place is None:
        table.fault("metrics", metrics, 'a port on this machine alone, such as "127.0.0.1:9464", or "" for none')
    table.close()
    return Operating(heartbeat=heartbeat, metrics=place)


def loopback_in(text: str) -> tuple[str, int] | None:
    """Return host and port of "127.0.0.1:9464", "[::1]:9464" or "localhost:9464", None for anything else."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
        if not port or parts.netloc != text or "@" in text:
            return None
        return (host, port) if host == "localhost" or ip_address(host).is_loopback else None
    except ValueError:
        return None


def shown_place(place: tuple[str, int]) -> str:
    """Return a place as it is written in the configuration."""
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
