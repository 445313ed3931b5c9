"""The worker processes: what they answer, what kills them, and that nothing of them stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest

from bot.errors import ParseError
from bot.workers import Workers
from bot.workers.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FEED = b"<rss version='2.0'><channel><title>Harbour</title><item><guid>1</guid><title>Cranes stand still</title></item></channel></rss>"
ENDLESS = b"<rss>" + b"<a>" * 400_000  # takes the parser longer than it may
HOLDS_THE_INTERPRETER = ("re:match", "(a+)+$", "a" * 60 + "b")

PARENT = """
import asyncio, sys
from bot.workers import Workers
from bot.workers.process import WorkerProcess

async def main():
    busy = WorkerProcess(timeout_s=600, memory_mb=512, max_tasks=9)
    print(await busy.call("os:getpid"), flush=True)
    hanging = asyncio.create_task(busy.call("re:match", "(a+)+$", "a" * 60 + "b"))
    async with Workers() as workers:
        await workers.parse_feed(b"<rss><channel><item><title>x</title></item></channel></rss>", None, "")
        print(*workers.pids(), "ready", flush=True)
        await hanging

asyncio.run(main())
"""


@pytest.fixture
async def process() -> AsyncIterator[WorkerProcess]:
    worker = WorkerProcess(timeout_s=1.0, memory_mb=256, max_tasks=4)
    yield worker
    await worker.close()


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until_gone(pids: list[int]) -> None:
    async with asyncio.timeout(20):
        while not all(map(is_gone, pids)):  # noqa: ASYNC110 - another process's end raises no event here
            await asyncio.sleep(0.05)


async def test_a_feed_is_parsed_in_another_process_and_comes_back_as_plain_values() -> None:
    async with Workers() as workers:
        feed = await workers.parse_feed(FEED, "application/rss+xml", "https://example.org/feed")
        (pid,) = workers.pids()
    assert (feed.title, feed.items[0].title) == ("Harbour", "Cranes stand still")
    assert pid != os.getpid()
    assert is_gone(pid)


async def test_no_process_starts_before_it_is_needed() -> None:
    async with Workers() as workers:
        assert workers.pids() == ()


async def test_a_feed_that_hangs_its_reader_holds_up_no_other() -> None:
    async with Workers() as workers:
        hung = asyncio.create_task(workers.parse_feed(ENDLESS, "application/rss+xml", ""))
        await asyncio.sleep(0)
        calm = [workers.parse_feed(FEED, "application/rss+xml", "") for _ in range(3)]
        assert [feed.title for feed in await asyncio.gather(*calm)] == ["Harbour"] * 3
        assert not hung.done()
        assert len(workers.pids()) == 2
        hung.cancel()
        await asyncio.wait({hung})


async def test_what_the_job_raises_on_purpose_arrives_as_it_was_raised() -> None:
    async with Workers() as workers:
        with pytest.raises(ParseError, match="web page") as caught:
            await workers.parse_feed(b"<!doctype html><html><body>Hello</body></html>", "text/html", "")
    assert caught.value.reason == "html"


async def test_jobs_share_a_process_until_it_has_done_enough(process: WorkerProcess) -> None:
    pids = [await process.call("os:getpid") for _ in range(9)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [4, 4, 1]


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (("time:sleep", 600), "timeout"),
        (HOLDS_THE_INTERPRETER, "timeout"),
        (("builtins:bytearray", 1 << 30), "memory"),
        (("os:_exit", 1), "worker"),
        (("math:sqrt", -1), "worker"),
        (("no.such.module:thing",), "worker"),
        (("decimal:Decimal", "1"), "worker"),
    ],
)
async def test_a_job_that_fails_says_how_and_the_next_one_runs(
    process: WorkerProcess, job: tuple[str, object], reason: str
) -> None:
    with pytest.raises(ParseError) as caught:
        await process.call(*job)
    assert caught.value.reason == reason
    assert await process.call("builtins:len", "next") == 4


async def test_a_value_that_could_act_is_refused(process: WorkerProcess) -> None:
    with pytest.raises(ParseError) as caught:
        await process.call("functools:partial", os.getpid)
    assert caught.value.reason == "worker"


async def test_what_a_library_prints_does_not_disturb_the_answers(process: WorkerProcess) -> None:
    assert await process.call("builtins:print", "noise") is None
    assert await process.call("os:write", 1, b"more noise") == 10
    assert await process.call("builtins:len", "abc") == 3


async def test_large_documents_and_answers_pass(process: WorkerProcess) -> None:
    body = bytes(range(256)) * 40_000
    assert await process.call("builtins:bytes", body) == body


async def test_a_child_is_told_nothing_of_the_environment(
    process: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREWATCH_TOKEN", "secret")
    assert await process.call("os:getenv", "WIREWATCH_TOKEN") is None


async def test_cancelling_a_job_ends_its_process(process: WorkerProcess) -> None:
    pid = await process.call("os:getpid")
    assert isinstance(pid, int)
    job = asyncio.create_task(process.call("time:sleep", 600))
    await asyncio.sleep(0.1)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    await until_gone([pid])
    assert await process.call("os:getpid") != pid


async def test_a_waiting_job_can_be_cancelled_without_harm_to_the_running_one(process: WorkerProcess) -> None:
    running = asyncio.create_task(process.call("time:sleep", 0.3))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(process.call("os:getpid"))
    await asyncio.sleep(0.05)
    waiting.cancel()
    assert await running is None


async def test_a_process_killed_from_outside_between_jobs_costs_no_job(process: WorkerProcess) -> None:
    pid = await process.call("os:getpid")
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    assert await process.call("builtins:len", "abc") == 3


async def test_the_processes_take_no_notice_of_ctrl_c(process: WorkerProcess) -> None:
    pid = await process.call("os:getpid")
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGINT)
    assert await process.call("os:getpid") == pid
    assert os.getpgid(pid) != os.getpgid(0)


async def test_closing_ends_a_running_job_with_an_error_and_leaves_nothing() -> None:
    worker = WorkerProcess(timeout_s=60, memory_mb=256, max_tasks=9)
    pid = await worker.call("os:getpid")
    assert isinstance(pid, int)
    job = asyncio.create_task(worker.call("time:sleep", 600))
    await asyncio.sleep(0.1)
    await worker.close()
    with pytest.raises(ParseError):
        await job
    with pytest.raises(ParseError):
        await worker.call("os:getpid")
    assert is_gone(pid)
    assert psutil.Process().children() == []
    assert not [thread for thread in threading.enumerate() if "waitpid" in thread.name]


async def test_no_process_survives_a_parent_that_is_killed() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=subprocess.PIPE, env=environment)
    assert parent.stdout is not None
    lines = [await parent.stdout.readline(), await parent.stdout.readline()]
    pids = [int(word) for word in b" ".join(lines).split() if word != b"ready"]
    assert len(pids) == 2
    below = [child.pid for child in psutil.Process(parent.pid).children(recursive=True)]
    assert set(pids) == set(below)
    parent.kill()
    await parent.stdout.read()
    await parent.wait()
    await until_gone(below)


def test_the_heavy_libraries_stay_out_of_the_parent() -> None:
    code = "import sys, bot.workers; print(*(set(sys.modules) & {'feedparser', 'trafilatura', 'simplemma', 'lxml'}))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)  # noqa: S603 - our own interpreter
    assert done.stdout.strip() == ""
