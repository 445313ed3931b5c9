"""How late the event loop comes round, felt four times a second. A standstill is logged once it is over. Cures nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.vitals import Vitals

log = logging.getLogger(__name__)

FELT_EVERY_S = 0.25
STOOD_S = 1.0


async def feel_lag(vitals: Vitals) -> None:
    """Count how late the loop is, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + FELT_EVERY_S
        await asyncio.sleep(FELT_EVERY_S)
        late_s = loop.time() - due_s
        vitals.loop_lag.add(late_s)
        if late_s > STOOD_S:
            log.warning("event=loop_stood seconds=%.1f", late_s)
