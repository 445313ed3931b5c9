"""An engine at work until it is told to stop: signals, reloads, an end in order.

Opens nothing by itself but the connection to Discord; what the engine is made of, `app` knows.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from bot.app import TO_TERMINAL, Engine, Voice, open_engine, utc_now
from bot.config import Config, addresses_for, load_config, size_of, token_for
from bot.errors import WireError
from bot.housekeeping import keep_house
from bot.operating import shown_place
from bot.sd_notify import ServiceManager
from bot.tending import tend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
    from pathlib import Path

    from bot.delivery import Outlet

log = logging.getLogger(__name__)

STOP_LIMIT_S = 8.0
SAME_WISH_S = 1.0
AT_ONCE = 64


async def run_engine(
    engine: Engine,
    stop: asyncio.Event,
    voice: Voice = TO_TERMINAL,
    *,
    beside: Sequence[Coroutine[None, None, None]] = (),
) -> None:
    """Keep the road moving until `stop` is set; whatever breaks the scheduler itself, or what serves beside it, is raised."""
    stopping = asyncio.create_task(stop.wait())
    working = [asyncio.create_task(engine.scheduler.run()), *map(asyncio.create_task, beside)]
    if voice.serve is not None:
        working.append(asyncio.create_task(_served(voice.serve, engine)))
    try:
        await asyncio.wait({*working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for work in working:
            if work.done():
                await work
    finally:
        for task in (*working, stopping):
            task.cancel()
        await asyncio.wait({*working, stopping}, timeout=STOP_LIMIT_S)


async def _served(serve: Callable[[Engine], Awaitable[None]], engine: Engine) -> None:
    await serve(engine)


@contextmanager
def signals_into(stop: asyncio.Event, reload: Callable[[], None] | None = None) -> Iterator[None]:
    """Let SIGTERM and SIGINT set `stop`, and SIGHUP call `reload`, inside the block.

    Who asks to stop again after a second means it: the process ends at once, which is safe. Sooner is the same wish delivered
    twice, to the process and to its group, as timeout(1) does.
    """
    loop = asyncio.get_running_loop()
    asked_at: list[float] = []

    def asked_to_stop() -> None:
        asked_at.append(loop.time())
        if asked_at[-1] - asked_at[0] > SAME_WISH_S:
            os._exit(1)  # what is committed is safe, and the workers die with their parent
        stop.set()

    handlers: dict[signal.Signals, Callable[[], None]] = {signal.SIGTERM: asked_to_stop, signal.SIGINT: asked_to_stop}
    if reload is not None:
        handlers[signal.SIGHUP] = reload
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


async def run_bot(
    path: Path,
    outlet: Outlet,
    *,
    say: Callable[[str], None],
    prepare: Callable[[Config], Config] = lambda config: config,
    voice: Voice = TO_TERMINAL,
) -> None:
    """Run until told to stop; on SIGHUP read the configuration again, and keep the old one where the new one has faults.

    say: tells people one line. prepare: what is changed in every configuration after it is read (where alerts go).
    voice: how the outlet is spoken through.

    Raises:
        WireError: what stopped the bot, one line; a ConfigError before anything was opened.
    """
    config, manager = prepare(load_config(path)), ServiceManager()
    stop, hangup = asyncio.Event(), asyncio.Event()
    with signals_into(stop, hangup.set):
        async with AsyncExitStack() as stack:
            engine = await _opened(stack, open_engine(config, outlet, say=voice.trouble or say, voice=voice), stop)
            if engine is None:
                say("stopped")
                return
            voice.obey(config)
            if voice.looks_back:
                await engine.store.end_leases(now=engine.pipeline.clock())
            else:
                await engine.store.release(now=engine.pipeline.clock())
            await engine.store.upkeep.note_outage(now=engine.pipeline.clock())
            keeping = keep_house(
                engine.store,
                keep=lambda: engine.keep,
                clock=engine.pipeline.clock,
                say=voice.trouble or say,
                is_told=voice.is_told or partial(_is_said, say),
            )
            reloading = _reload_on(hangup, engine, lambda: prepare(load_config(path)), say, voice.obey, config, manager)
            say(f"running: {size_of(config)}, store {config.store_path}")
            manager.ready(f"running: {size_of(config)}")
            try:
                await run_engine(engine, stop, voice, beside=[reloading, tend(engine, manager, say=say), keeping])
            finally:
                manager.stopping()
    say("stopped")


async def _is_said(say: Callable[[str], None], line: str) -> bool:
    say(line)
    return True


async def run_in_discord(path: Path, environ: Mapping[str, str], *, say: Callable[[str], None]) -> None:
    """Run in Discord until told to stop; as `run_bot`.

    Raises:
        WireError: what stopped the bot, one line; a ConfigError, also for a token or an address, before anything was opened.
    """
    from cogs._client import open_chat, voice_of  # noqa: PLC0415 - the other commands know nothing of Discord, and start quicker

    config = load_config(path)
    token, (api, gateway) = token_for(config, environ), addresses_for(environ)
    async with open_chat(token, api=api, gateway=gateway, clock=utc_now, say=say) as chat:
        chat.obey(log_channel=config.log_channel, manager_role=config.manager_role)

        async def serve(engine: Engine) -> None:
            async def wake() -> None:
                await engine.scheduler.deliverer.hurry()
                engine.scheduler.owed_changed.set()

            await chat.serve(engine.store, engine.desk(), changed=engine.refresh, wake=wake)

        voice = Voice(
            name=voice_of(token),
            at_once=AT_ONCE,
            digests=True,
            looks_back=True,
            on_paused=chat.operators.channel_paused,
            on_given_up=chat.operators.given_up,
            obey=lambda fresh: chat.obey(log_channel=fresh.log_channel, manager_role=fresh.manager_role),
            serve=serve,
            trouble=chat.operators.trouble,
            notice=chat.operators.notice,
            is_told=chat.operators.is_told,
            away_s=chat.away_s,
            refusals=lambda: chat.outlet.invalid.by_status,
        )
        await run_bot(path, chat.outlet, say=say, voice=voice)


async def _opened(
    stack: AsyncExitStack, opening: AbstractAsyncContextManager[Engine], stop: asyncio.Event
) -> Engine | None:
    """Return the open engine, None where the wish to stop came first: word forms of many languages take a while."""
    entering = asyncio.create_task(stack.enter_async_context(opening))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({entering, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if entering.done():
        return entering.result()
    entering.cancel()
    await asyncio.wait({entering})
    return None


async def _reload_on(
    hangup: asyncio.Event,
    engine: Engine,
    load: Callable[[], Config],
    say: Callable[[str], None],
    obey: Callable[[Config], None],
    began: Config,
    manager: ServiceManager,
) -> None:
    while True:
        await hangup.wait()
        hangup.clear()
        manager.reloading()
        try:
            fresh = await asyncio.to_thread(load)
            await engine.declare(fresh)
            obey(fresh)
        except WireError as error:
            say(f"not reloaded, the old configuration stays in force: {error}")
        except Exception as error:  # a reload that breaks must not be the last one
            log.exception("event=reload_broke")
            say(f"the reload broke ({type(error).__name__}): see the log, and send SIGHUP again")
        else:
            say(f"reloaded: {size_of(fresh)}")
            if fresh.store_path != began.store_path:
                say(f"the store stays {began.store_path} until the next start")
            if fresh.operating.metrics != began.operating.metrics:
                shown = shown_place(began.operating.metrics) if began.operating.metrics else "off"
                say(f"the metrics stay {shown} until the next start")
        manager.ready()
