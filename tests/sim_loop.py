"""An event loop whose time is virtual: it jumps to the next timer, and nothing ever sleeps. No test itself.

What would go to a thread is run at once, and answered a moment later. Tasks are ordered by when they were made, not by where they lie in
memory, so that the same seed gives the same steps.
"""

from __future__ import annotations

import asyncio
import itertools
import selectors
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

T = TypeVar("T")
Given = TypeVarTuple("Given")

MOST_TURNS_AT_ONCE = 20_000
THREAD_S = 0.002


class StoodStillError(Exception):
    """Nothing is ready and no timer is set, or nothing but work without end is done at one moment."""


class VirtualSelector(selectors.SelectSelector):
    """Lets time pass instead of waiting."""

    def __init__(self, now_s: float) -> None:
        super().__init__()
        self.now_s = now_s
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Pass the time; nothing outside is ever waited for."""
        if timeout is None:
            raise StoodStillError("nothing is ready, and no timer is set")
        self._turns += 1
        if timeout > 0:
            self.now_s, self._turns = self.now_s + timeout, 0
        elif self._turns > MOST_TURNS_AT_ONCE:
            raise StoodStillError(f"{MOST_TURNS_AT_ONCE} turns at one moment")
        return []


class OrderedTask(asyncio.Task[Any]):
    """A task whose place in a set depends on its number alone."""

    numbers = itertools.count()

    def __init__(self, coro: Coroutine[Any, Any, Any], **named: Any) -> None:  # noqa: ANN401 - as the loop calls it
        self.number = next(OrderedTask.numbers)
        super().__init__(coro, **named)

    def __hash__(self) -> int:
        return self.number

    __eq__ = asyncio.Task.__eq__


def answer(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    """Answer whoever still waits."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. It begins at `now_s`."""

    def __init__(self, now_s: float) -> None:
        self.clock_of = VirtualSelector(now_s)
        super().__init__(self.clock_of)
        self._clock_resolution = 1e-6
        self.set_task_factory(lambda loop, coro, **named: OrderedTask(coro, loop=loop, **named))
        self.set_exception_handler(lambda _, __: None)

    def time(self) -> float:
        """Return the virtual time."""
        return self.clock_of.now_s

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 - as asyncio's own
        func: Callable[[*Given], T],
        *args: *Given,
    ) -> asyncio.Future[T]:
        """Run it now, and answer a moment later."""
        future = self.create_future()
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001 - whatever it raised is the answer
            self.call_later(THREAD_S, answer, future, None, error)
        else:
            self.call_later(THREAD_S, answer, future, result, None)
        return future

    def wind_up(self) -> None:
        """Cancel all that is left, see it end, and close."""
        for _ in range(20):
            if not (left := asyncio.all_tasks(self)):
                break
            for task in sorted(left, key=hash):
                task.cancel()
            self.run_until_complete(asyncio.wait(left, timeout=60))
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()
