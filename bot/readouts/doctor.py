"""`doctor`: what is wrong with this installation. Looks at everything, changes nothing, and never shows a secret.

Exit status: 0 nothing is wrong (warnings may be); 1 something is, one line each; 78 the configuration is faulty.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bot.config import config_path, load_config, warnings_for
from bot.errors import ConfigError, WireError, printable
from bot.jsonl import write_record
from bot.readouts.doctor_discord import look_at_discord
from bot.readouts.doctor_machine import look_at_machine
from bot.readouts.doctor_store import look_at_configuration, look_at_store
from bot.readouts.findings import Finding, unwise, wrong
from bot.store.checkup import holder_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bot.config import Config

DONE, FAILED, CONFIG = 0, 1, 78
MARKS = {"ok": "ok", "warning": "could be better", "wrong": "WRONG", "skipped": "not looked at"}
ALIVE_LIMIT_S = 5.0


async def examine(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Say what is wrong with this installation."""
    if args.running:
        return await _is_alive(load_config(config_path(args.config, environ)))
    found = await look_at_machine()
    configured, is_faulty = await look_at_configured(config_path(args.config, environ), environ, offline=args.offline)
    found += configured
    status = CONFIG if is_faulty else FAILED if any(one.state == "wrong" for one in found) else DONE
    _show(found, as_json=args.json, status=status)
    return status


async def look_at_configured(
    path: Path, environ: Mapping[str, str], *, offline: bool = False
) -> tuple[list[Finding], bool]:
    """Return what is found of everything that a configuration names, and whether the configuration itself is faulty."""
    found: list[Finding] = []
    try:
        config = load_config(path)
        found += look_at_configuration(config)
        found += [unwise("configuration", said, "") for said in warnings_for(config)]
        stored, channels = await look_at_store(config)
        found += stored
        found += await look_at_discord(config, environ, channels=channels, offline=offline)
    except ConfigError as error:
        return [*found, *(wrong("configuration", str(fault), "") for fault in error.faults)], True
    return found, False


def _show(found: Sequence[Finding], *, as_json: bool, status: int) -> None:
    bad = [one for one in found if one.state == "wrong"]
    if as_json:
        rows = [{"topic": one.topic, "state": one.state, "said": one.said, "advice": one.advice} for one in found]
        write_record({"ok": status == DONE, "findings": rows})
    else:
        from bot.terminal import console_for_people, print_table  # noqa: PLC0415 - rich is slow to load

        rows_for_people = [(MARKS[one.state], one.topic, one.said, one.advice) for one in found]
        print_table(console_for_people(), ("", "what", "how it is", "what to do"), rows_for_people)
    sys.stdout.flush()
    for one in bad:
        sys.stderr.write(f"{printable(' '.join(one.line.split()))}\n")
    if not bad:
        sys.stderr.write("nothing is wrong with this installation\n")


async def _is_alive(config: Config) -> int:
    """Say whether the bot runs and, where it shows its numbers, whether it is well: for the health check of a container."""
    holder = holder_of(config.store_path)
    if not holder:
        raise WireError(f"no bot runs on {config.store_path}: start it with wirewatch run")
    if config.operating.metrics is None:
        sys.stderr.write(f"process {holder} runs; how it is, is known only with [operating] metrics\n")
        return DONE
    import aiohttp  # noqa: PLC0415 - not needed above

    from bot.operating import shown_place  # noqa: PLC0415 - as above

    url = f"http://{shown_place(config.operating.metrics)}/healthz"
    try:
        timeout = aiohttp.ClientTimeout(total=ALIVE_LIMIT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            line, well = (await response.text()).strip(), response.status == 200  # noqa: PLR2004 - HTTP
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise WireError(f"process {holder} runs and does not answer at {url} ({type(error).__name__})") from None
    if not well:
        raise WireError(line)
    sys.stderr.write(f"process {holder} runs: {line}\n")
    return DONE
