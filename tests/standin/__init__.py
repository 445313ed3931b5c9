"""A Discord of the tests' own, over real sockets on loopback: REST, gateway, people, faults, and a journal of everything.

    async with StandIn() as discord:
        ...start a bot with discord.environment...
        await discord.connected()
        answer = await discord.slash("status")

Imports nothing of the bot. `python -m tests.standin` runs it as a process of its own.
"""

from tests.standin.answers import Interaction
from tests.standin.control import duplicates
from tests.standin.faults import Fault
from tests.standin.journal import Journal, Ping, Request, Violation
from tests.standin.server import StandIn
from tests.standin.state import Channel, Guild, Member, Message, Role

__all__ = [
    "Channel",
    "Fault",
    "Guild",
    "Interaction",
    "Journal",
    "Member",
    "Message",
    "Ping",
    "Request",
    "Role",
    "StandIn",
    "Violation",
    "duplicates",
]
