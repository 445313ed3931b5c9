"""What goes between the parent and a worker process, in pieces small enough that the event loop goes on between them.

The only place that reads what a worker sent: as plain values of the model, nothing that could act, and no more than a limit.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Iterable, Iterator

LIMIT_ANSWER_BYTES = 24 << 20  # the largest document that is read, in the encoding that makes most of it, twice over
PIECE_BYTES = 64 << 10  # as large as a pipe
_LENGTH = struct.Struct("!Q")
_VALUE_TYPES = {
    ("datetime", "datetime"),
    ("datetime", "timezone"),
    ("datetime", "timedelta"),
    ("builtins", "frozenset"),
}


async def send_message(child: Process, message: bytes) -> None:
    """Write a job into the child's standard input, as fast as it takes it.

    Raises:
        EOFError: there is no input to write into.
        OSError: it was closed.
    """
    if child.stdin is None:
        raise EOFError
    child.stdin.write(_LENGTH.pack(len(message)))
    view = memoryview(message)
    for start in range(0, len(view), PIECE_BYTES):
        child.stdin.write(view[start : start + PIECE_BYTES])
        await child.stdin.drain()


async def receive_answer(child: Process) -> tuple[str, object]:
    """Return the kind of the child's next answer and its value.

    Raises:
        EOFError: it ended before that, or sent more than it may.
        pickle.UnpicklingError: it sent what is no plain value.
    """
    if child.stdout is None:
        raise EOFError
    (length,) = _LENGTH.unpack(await child.stdout.readexactly(_LENGTH.size))
    if length > LIMIT_ANSWER_BYTES:
        raise EOFError
    pieces = []
    for start in range(0, length, PIECE_BYTES):
        pieces.append(await child.stdout.readexactly(min(PIECE_BYTES, length - start)))
        await asyncio.sleep(0)
    if len(pieces) < 2:  # noqa: PLR2004  a small answer is read sooner than a thread is woken
        return _answer_in(pieces)
    return await asyncio.to_thread(_answer_in, pieces)


def _answer_in(pieces: Iterable[bytes]) -> tuple[str, object]:
    kind, value = _PlainValues(_Reader(pieces)).load()
    return str(kind), value


class _PlainValues(pickle.Unpickler):
    """Reads the values of the model and nothing that could act: the sender reads hostile documents."""

    def find_class(self, module: str, name: str) -> object:
        """Return the class of that name, if it is one of the model's or the error tree's."""
        ours = module == "bot.errors" or module.startswith("bot.model.")
        if "." not in name and (ours or (module, name) in _VALUE_TYPES):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


class _Reader:
    """The pieces as one stream. Written in Python on purpose: between two reads the interpreter lets the event loop's thread go on."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer only at the end."""
        taken = bytearray()
        while len(taken) < size and self._filled():
            part = self._rest[: size - len(taken)]
            taken += part
            self._rest = self._rest[len(part) :]
        return bytes(taken)

    def readinto(self, buffer: bytearray) -> int:
        """Fill the buffer; return how much of it."""
        read = self.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)

    def readline(self) -> bytes:
        """Return the rest of a line. Only the old text forms of a pickle are read so, and we never write them.

        Raises:
            pickle.UnpicklingError: always.
        """
        raise pickle.UnpicklingError("not a message of ours")

    def _filled(self) -> bool:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        return bool(self._rest)
