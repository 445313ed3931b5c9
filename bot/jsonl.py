"""Records in, records out: JSON lines as the contract fixes them. One object a line, same order; a bad line gives an error record."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import BinaryIO

AHEAD = 4  # so many records are under way at once: the worker is never idle, and order is kept
DEEP = "nested too deeply"
JSON_NAMES = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}

Record = dict[str, object]


def read_input(name: str) -> bytes:
    """Return the bytes of a file, or of standard input for "-".

    Raises:
        WireError: it cannot be read, one line.
    """
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise WireError(
            f"{name}: {error.strerror or error}: name a file that can be read, or - for standard input"
        ) from None


def decode_text(data: bytes) -> str:
    """Return UTF-8 text (a BOM is dropped); what is no UTF-8 is replaced, never an error."""
    return data.decode("utf-8-sig", "replace")


def object_in(text: str) -> Record:
    """Return the JSON object that a text is.

    Raises:
        WireError: it is none; one line.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise WireError(f"this is not JSON: {error.msg} (character {error.pos + 1})") from None
    except ValueError:  # NaN, Infinity, 1e999, thousands of digits: nobody could read them back
        raise WireError("this is not JSON: it holds a number that JSON cannot carry") from None
    except RecursionError:
        raise WireError(f"this is not JSON that can be read: {DEEP}") from None
    if not isinstance(value, dict):
        raise WireError(f"a record is a JSON object, this is {JSON_NAMES[type(value)]}")
    return value


def _refuse_number(word: str) -> float:
    raise ValueError(word)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse_number(digits)


def write_record(record: Record) -> None:
    """Print one record on one line of standard output."""
    try:
        line = json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate in the input is given back as it came
        line = json.dumps(record).encode()
    sys.stdout.buffer.write(line + b"\n")


async def answer_lines(name: str, answer: Callable[[Record], Awaitable[Record]]) -> None:
    """Answer each line of a file or of standard input with one line, in order; a bad one with `{"line", "error"}`.

    answer: gives one record for one record, or raises WireError.

    Raises:
        WireError: the input cannot be opened.
    """
    waiting: deque[asyncio.Task[Record]] = deque()
    with _opened(name) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            waiting.append(asyncio.create_task(_answer_line(number, line, answer)))
            if len(waiting) >= AHEAD:
                write_record(await waiting.popleft())
    while waiting:
        write_record(await waiting.popleft())
    sys.stdout.buffer.flush()


async def _answer_line(number: int, line: bytes, answer: Callable[[Record], Awaitable[Record]]) -> Record:
    try:
        return await answer(object_in(line.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        return {"line": number, "error": f"this is not UTF-8 (byte {error.start + 1} of the line)"}
    except WireError as error:
        return {"line": number, "error": str(error)}


class _opened:  # noqa: N801 - used like a function
    """The lines of a file or of standard input, as bytes; a file is closed at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._file: BinaryIO | None = None

    def __enter__(self) -> Iterator[bytes]:
        if self._name == "-":
            return iter(sys.stdin.buffer)
        try:
            self._file = Path(self._name).open("rb")
        except OSError as error:
            raise WireError(
                f"{self._name}: {error.strerror}: name a file that can be read, or - for standard input"
            ) from None
        return iter(self._file)

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
