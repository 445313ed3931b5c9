"""The stand-in as a process of its own: prints its addresses as one line of JSON, then serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from tests.standin.server import StandIn

JSON = dict[str, Any]


async def serve(port: int, layout: JSON | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    async with StandIn(layout, port=port) as stand:
        control = f"http://127.0.0.1:{stand.port}/_control"
        addresses = {"api": stand.api, "gateway": stand.gateway_url, "control": control, "bot": str(stand.world.bot.id)}
        sys.stdout.write(json.dumps(addresses) + "\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--state", type=Path, help="a layout in JSON; tests/standin/world.py says its shape")
    given = parser.parse_args()
    asyncio.run(serve(given.port, json.loads(given.state.read_text(encoding="utf-8")) if given.state else None))


if __name__ == "__main__":
    main()
