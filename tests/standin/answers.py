"""What became of one interaction: when the bot answered first, what it showed, edited and followed up with."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.discord_lint import texts_in

if TYPE_CHECKING:
    from tests.standin.state import Channel, Member, Message

JSON = dict[str, Any]
EPHEMERAL = 1 << 6


@dataclass
class Interaction:
    """One slash command, autocomplete, click or modal of a member.

    answered_after_s: from its making to the first response; None: none came.
    lost: the connection that had brought it ended before the bot answered (a killed bot is not a late one).
    shown: the message that was answered with, or that was edited; None for choices and modals.
    """

    id: int
    token: str
    kind: int
    name: str
    channel: Channel
    member: Member
    created_s: float
    source: Message | None = None
    delivered_s: float | None = None
    answered_after_s: float | None = None
    lost: bool = False
    callback: JSON | None = None
    shown: Message | None = None
    followups: list[Message] = field(default_factory=list)
    edits: list[JSON] = field(default_factory=list)
    deferred: bool = False
    first: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    @property
    def answered(self) -> bool:
        """Whether the bot answered or deferred."""
        return self.callback is not None

    @property
    def ephemeral(self) -> bool:
        """Whether only the asking member sees the answer."""
        return bool(self.shown and self.shown.ephemeral)

    @property
    def choices(self) -> list[JSON]:
        """What an autocomplete was answered with."""
        return list(((self.callback or {}).get("data") or {}).get("choices") or [])

    @property
    def modal(self) -> JSON | None:
        """The modal that was opened, if any."""
        return (self.callback or {}).get("data") if (self.callback or {}).get("type") == 9 else None

    @property
    def text(self) -> str:
        """All text that the answer and its follow-ups show, one line each: content, embeds, text displays."""
        shown = [each for each in (self.shown, *self.followups) if each is not None and not each.deleted]
        return "\n".join(line for message in shown for line in _lines(message))

    async def wait(self, timeout_s: float = 40.0) -> Interaction:
        """Return this once it has more than a defer.

        Raises:
            TimeoutError: it never got more.
        """
        await asyncio.wait_for(self.done.wait(), timeout_s)
        return self

    def answer(self, callback: JSON) -> None:
        """Keep the first response."""
        self.callback = callback
        self.answered_after_s = time.monotonic() - self.created_s
        if self.timer is not None:
            self.timer.cancel()
        self.first.set()

    def record(self) -> JSON:
        """Return it as plain JSON, for a script in another process."""
        return {
            "id": str(self.id),
            "name": self.name,
            "answered_after_s": self.answered_after_s,
            "lost": self.lost,
            "delivered": self.delivered_s is not None,
            "callback": self.callback,
            "deferred": self.deferred,
            "ephemeral": self.ephemeral,
            "text": self.text,
            "shown": self.shown.body if self.shown else None,
            "message_id": str(self.shown.id) if self.shown else None,
            "edits": self.edits,
            "followups": [each.body for each in self.followups],
            "choices": self.choices,
        }


def _lines(message: Message) -> list[str]:
    lines: list[str | None] = [message.content]
    for embed in message.embeds:
        lines += [(embed.get("author") or {}).get("name"), embed.get("title"), embed.get("description")]
        lines += [text for part in embed.get("fields") or [] for text in (part.get("name"), part.get("value"))]
        lines.append((embed.get("footer") or {}).get("text"))
    return [line for line in [*lines, *texts_in(message.components)] if line]
