"""What runs in a worker process: limits first, then one job after another, from its standard input to its standard output.

Run as a script by process.py, with the parent's process id, the memory limit in MB and the modules to load at once. It imports
nothing of the program by itself, never outlives its parent, and writes nowhere but to the pipe.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import pickle
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import BinaryIO

_LENGTH = struct.Struct("!Q")
_PR_SET_PDEATHSIG = 1
_OOM_FIRST = "500"
_LIMIT_ANSWER_BYTES = 24 << 20  # as in messages.py, which this process must not load


def main(parent_pid: int, memory_mb: int, modules: list[str]) -> None:
    """Answer jobs until the parent closes its end."""
    _die_with(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs, answers = _private_pipes()
    _limit(memory_mb)
    for module in modules:
        with contextlib.suppress(ImportError):  # the job that needs it says so
            importlib.import_module(module)
    _write(answers, ("ready", None))
    while header := jobs.read(_LENGTH.size):
        (length,) = _LENGTH.unpack(header)
        _write(answers, _answer_to(jobs.read(length)))


def _die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, also while C code holds the interpreter. Source: prctl(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it was dead before the kernel was asked
        os._exit(1)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the two pipes to ourselves: a library that prints must not break the answers."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return jobs, answers


def _limit(memory_mb: int) -> None:
    size = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_FIRST, encoding="ascii")  # sooner this process than the bot


def _answer_to(message: bytes) -> tuple[str, object]:
    try:
        function, args, named = pickle.loads(message)  # noqa: S301 - from our own parent
        module, _, name = function.partition(":")
        value = getattr(importlib.import_module(module), name)(*args, **named)
        return "value", value
    except MemoryError:
        return "memory", None
    except Exception as error:  # noqa: BLE001 - the boundary of a job: the parent is told, the next job runs
        ours = type(error).__module__ == "bot.errors"
        return "error", error if ours else f"{type(error).__name__}: {error}"[:500]


def _write(answers: BinaryIO, answer: tuple[str, object]) -> None:
    try:
        message = pickle.dumps(answer)
    except MemoryError:
        message = pickle.dumps(("memory", None))
    except Exception as error:  # noqa: BLE001 - a value that cannot be sent is this job's failure, not the process's
        message = pickle.dumps(("error", f"{type(error).__name__}: {error}"[:500]))
    if len(message) > _LIMIT_ANSWER_BYTES:
        message = pickle.dumps(("large", None))
    answers.write(_LENGTH.pack(len(message)))
    answers.write(message)
    answers.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
