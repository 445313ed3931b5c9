"""Values as the database keeps them: frozen values as JSON, times as unix milliseconds, texts that SQLite can hold, packed bodies.

May read and write JSON. Never touches a database, and knows no table.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from bot.errors import StoreError
from bot.model import Card

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PAYLOAD_VERSION = 1
"""Which shape of a card the JSON holds; a program reads every version up to its own."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_PACK_LEVEL = 6
_DEFAULT_PORTS = {"http": 80, "https": 443}

T = TypeVar("T")


def ms_for(moment: datetime) -> int:
    """Return unix milliseconds, rounded down, so that what is stored is never later than what was meant."""
    return (moment - _EPOCH) // _MS


def opt_ms_for(moment: datetime | None) -> int | None:
    """Return unix milliseconds, or None for None."""
    return None if moment is None else ms_for(moment)


def time_in(ms: int) -> datetime:
    """Return the aware UTC time that `ms_for` stored."""
    return _EPOCH + ms * _MS


def opt_time_in(ms: int | None) -> datetime | None:
    """Return the aware UTC time, or None for None."""
    return None if ms is None else time_in(ms)


def text_for(text: str) -> str:
    """Return `text` as SQLite can hold it: a lone surrogate (hostile feeds send them) becomes "?", every offset stays."""
    return text.encode("utf-8", "replace").decode("utf-8")


def pack(text: str) -> bytes:
    """Return a body, compressed. It comes back exactly, lone surrogates included."""
    return zlib.compress(text.encode("utf-8", "surrogatepass"), _PACK_LEVEL)


def unpack(body: bytes | None) -> str:
    """Return the text that `pack` was given; "" where the body was purged."""
    return "" if body is None else zlib.decompress(body).decode("utf-8", "surrogatepass")


def host_for(url_or_host: str) -> str:
    """Return the host that a rest holds for, lower case, without credentials; takes an address or a bare host.

    A port that is not the scheme's own is part of it: behind each port of a machine stands a server of its own.
    """
    rest = url_or_host if "//" in url_or_host else f"//{url_or_host}"
    try:
        parts = urlsplit(rest)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # an address no one can ask has no host that could want a rest
        return ""
    if port is None or port == _DEFAULT_PORTS.get(parts.scheme):
        return text_for(host)
    return text_for(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def json_for(value: object) -> str:
    """Return a frozen value, or a tuple or set of them, as JSON. Everything in it comes back exactly through `value_in`."""
    return json.dumps(_plain(value), separators=(",", ":"))


def sparse_json_for(value: DataclassInstance) -> str:
    """Return a frozen value as JSON without the fields that are as they are by default; `value_in` gives it back."""
    kept = ((field.name, getattr(value, field.name), field.default) for field in dataclasses.fields(value))
    return json_for({name: one for name, one, default in kept if one != default})


def value_in(kind: type[T], payload: str) -> T:
    """Return the value of this kind that `json_for` wrote. A field the JSON lacks takes its default, an unknown one is left out."""
    return typing.cast("T", _shaped(kind, json.loads(payload)))


def card_in(payload: str, version: int) -> Card:
    """Return the card of a stored alert.

    Raises: StoreError where a newer program wrote it.
    """
    if version > PAYLOAD_VERSION:
        raise StoreError(
            f"an alert was written by a newer wirewatch (card version {version}, known: {PAYLOAD_VERSION}): upgrade"
        )
    return value_in(Card, payload)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, frozenset):
        return sorted(_plain(one) for one in value)  # type: ignore[type-var]  # sets here hold numbers or strings
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value


@cache
def _fields_of(kind: type) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _shaped(kind: Any, raw: Any) -> Any:  # noqa: ANN401  # what a JSON value becomes is decided by the field's declared type
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    shaped = raw
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _fields_of(kind)
        shaped = kind(**{name: _shaped(hints[name], one) for name, one in raw.items() if name in hints})
    elif kind is datetime:
        shaped = datetime.fromisoformat(raw)
    elif origin in (typing.Union, types.UnionType) and raw is not None:
        shaped = _shaped(next(part for part in parts if part is not types.NoneType), raw)
    elif origin in (tuple, frozenset):  # of one kind each
        shaped = origin(_shaped(parts[0], one) for one in raw)
    return shaped
