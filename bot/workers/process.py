"""One child process that does one job at a time and can be killed in the middle of it.

The only place that starts, kills and replaces processes. A child is the loop's own child, with pipes for its two ends: no server
between them, no threads, no shared locks that a killed process could hold. What comes back is read by messages.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from bot.errors import ParseError
from bot.workers.messages import receive_answer, send_message

_CHILD = Path(__file__).with_name("child.py")
_START_TIMEOUT_S = 60.0
_BUFFER_BYTES = 1 << 20
# A child reads what strangers wrote: it is told nothing of the environment (a token!) but what Python needs to run.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TZ", "TMPDIR", "PYTHONHOME", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")


class WorkerProcess:
    """A process that is started on the first job, killed with a job that hangs or is cancelled, and renewed after `max_tasks`.

    imports: modules to load before the first job, so that their loading is not counted as its time. memory_mb: address space.
    The event loop must run in a thread that lives as long as the program: the kernel takes that thread for the child's parent.
    """

    def __init__(self, *, imports: tuple[str, ...] = (), timeout_s: float, memory_mb: int, max_tasks: int) -> None:
        self._imports = imports
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._max_tasks = max_tasks
        self._turn = asyncio.Lock()
        self._child: Process | None = None
        self._tasks = 0
        self._closed = False
        self.waiting = 0
        """How many jobs it has, the one under way included."""
        self.starts = 0
        """How many processes it has had."""

    @property
    def pid(self) -> int | None:
        """The process that runs now, None where there is none."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def call(self, function: str, /, *args: object, **named: object) -> object:
        """Return what the function ("package.module:name") returns for these arguments over there.

        Raises:
            ParseError: it took too long, too much memory, or its process died; or the ParseError that it raised itself.
        """
        self.waiting += 1
        try:
            return await self._call_in_turn(function, args, named)
        finally:
            self.waiting -= 1

    async def _call_in_turn(self, function: str, args: tuple[object, ...], named: dict[str, object]) -> object:
        async with self._turn:
            message = pickle.dumps((function, args, named))
            used_before = self.pid is not None
            try:
                return await self._do(message)
            except (EOFError, OSError, pickle.UnpicklingError):
                if not used_before:
                    raise _died() from None
            try:  # it may have been dead before, for a reason that has nothing to do with this document
                return await self._do(message)
            except (EOFError, OSError, pickle.UnpicklingError):
                raise _died() from None

    async def close(self) -> None:
        """Kill the process; a job in it ends with a ParseError, and none begins any more."""
        self._closed = True
        if self._child is not None:
            _kill(self._child)
        async with self._turn:  # the job that had it tidies up first
            await self._stop()

    async def _do(self, message: bytes) -> object:
        keep = False
        try:
            child = self._child if self.pid is not None and self._child is not None else await self._start()
            try:
                async with asyncio.timeout(self._timeout_s):
                    await send_message(child, message)
                    answer = await receive_answer(child)
            except TimeoutError:
                raise ParseError(
                    f"This took longer than {self._timeout_s:g} s to read and was given up.", reason="timeout"
                ) from None
            self._tasks += 1
            keep = self._tasks < self._max_tasks and answer[0] != "memory"
        finally:
            if not keep:
                await self._stop()
        return _value_of(answer)

    async def _start(self) -> Process:
        self._refuse_when_closed()
        await self._stop()
        options = (str(os.getpid()), str(self._memory_mb), *self._imports)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(_CHILD), *options),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=_BUFFER_BYTES,
            env=_environment(),
            process_group=0,  # Ctrl-C is meant for the parent
        )
        self._child, self._tasks = child, 0
        self.starts += 1
        self._refuse_when_closed()
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await receive_answer(child)
        except TimeoutError:
            raise EOFError from None
        return child

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise ParseError("The bot is shutting down; this was not read.", reason="worker")

    async def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        _kill(child)
        if child.stdin is not None:
            child.stdin.close()
        if child.stdout is not None:
            await child.stdout.read()  # to its end: only then does the loop let go of the pipe
        await child.wait()


def _environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return passed_on | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path), "PYTHONUTF8": "1"}


def _kill(child: Process) -> None:
    if child.returncode is None:  # not by child.kill(): that may reap it behind the loop's back, which then complains
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)


def _value_of(answer: tuple[str, object]) -> object:
    kind, value = answer
    if kind == "value":
        return value
    if isinstance(value, Exception):
        raise value
    if kind == "large":
        raise ParseError("This holds more than can be read and was given up.", reason="too_large")
    if kind == "memory":
        raise ParseError("This takes more memory to read than it may have and was given up.", reason="memory")
    raise ParseError(f"This could not be read: {value}", reason="worker")


def _died() -> ParseError:
    return ParseError("The process that read this died of it; nothing of it could be used.", reason="worker")
