"""What the stand-in's Discord holds: users, guilds, roles, channels, permissions, messages; its clock and its snowflakes.

Pure state without any I/O: it neither announces nor records what is done to it (server.py does).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

JSON = dict[str, Any]

EPOCH_MS: Final = 1_420_070_400_000
PERMISSIONS: Final[dict[str, int]] = {
    "ADMINISTRATOR": 1 << 3,
    "MANAGE_CHANNELS": 1 << 4,
    "MANAGE_GUILD": 1 << 5,
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "MANAGE_MESSAGES": 1 << 13,
    "EMBED_LINKS": 1 << 14,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "MENTION_EVERYONE": 1 << 17,
    "USE_APPLICATION_COMMANDS": 1 << 31,
    "MANAGE_THREADS": 1 << 34,
    "CREATE_PUBLIC_THREADS": 1 << 35,
    "CREATE_PRIVATE_THREADS": 1 << 36,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
}
ALL_PERMISSIONS: Final = (1 << 53) - 1
INVITED: Final = 274_877_991_936  # what the invite link in the README asks for
EVERYONE: Final = INVITED | PERMISSIONS["USE_APPLICATION_COMMANDS"]
KINDS: Final = {
    "text": 0,
    "voice": 2,
    "category": 4,
    "announcement": 5,
    "thread": 11,
    "private_thread": 12,
    "forum": 15,
}
THREAD_KINDS: Final = frozenset({10, 11, 12})


def bits(*names: str) -> int:
    """Return the permissions of these names as Discord's number."""
    total = 0
    for name in names:
        total |= PERMISSIONS[name.upper()]
    return total


@dataclass
class Clock:
    """Wall time that tests can put forward; never backwards."""

    ahead_s: float = 0.0
    count: int = 0

    def now_s(self) -> float:
        return time.time() + self.ahead_s

    def advance(self, seconds: float) -> None:
        self.ahead_s += max(0.0, seconds)

    def iso(self) -> str:
        return datetime.fromtimestamp(self.now_s(), UTC).isoformat()

    def snowflake(self) -> int:
        """Return a new id; ids rise in the order of their making."""
        self.count += 1
        millis = int(self.now_s() * 1000) - EPOCH_MS
        return (millis << 22) + (self.count & 0x3FFFFF)


@dataclass
class User:
    """Somebody on Discord."""

    id: int
    name: str
    bot: bool = False


@dataclass
class Role:
    """A role of one guild; the guild's own id is that of @everyone."""

    id: int
    name: str
    permissions: int = 0
    position: int = 1
    mentionable: bool = False
    managed: bool = False


@dataclass
class Member:
    """A user in a guild."""

    user: User
    guild_id: int
    roles: list[int] = field(default_factory=list)
    joined_at: str = ""

    @property
    def id(self) -> int:
        return self.user.id


@dataclass
class Channel:
    """A channel or a thread; overwrites: role or member id → (allowed, denied)."""

    id: int
    guild_id: int
    name: str
    kind: int = 0
    parent_id: int | None = None
    position: int = 0
    overwrites: dict[int, tuple[int, int]] = field(default_factory=dict)
    owner_id: int = 0
    archived: bool = False
    locked: bool = False
    tags: list[JSON] = field(default_factory=list)
    tag_required: bool = False
    applied_tags: list[str] = field(default_factory=list)
    created_at: str = ""

    @property
    def is_thread(self) -> bool:
        return self.kind in THREAD_KINDS


@dataclass
class Message:
    """A message as it was accepted; deleted ones stay here, marked. edits: each PATCH body that was accepted, in order."""

    id: int
    channel_id: int
    author: User
    body: JSON
    created_at: str
    nonce: str | int | None = None
    files: list[str] = field(default_factory=list)
    flags: int = 0
    edited_at: str | None = None
    deleted: bool = False
    ephemeral: bool = False
    loading: bool = False
    roles_pinged: list[int] = field(default_factory=list)
    users_pinged: list[int] = field(default_factory=list)
    everyone_pinged: bool = False
    edits: list[JSON] = field(default_factory=list)
    interaction_id: int | None = None
    published: bool = False

    @property
    def content(self) -> str:
        return str(self.body.get("content") or "")

    @property
    def embeds(self) -> list[JSON]:
        return list(self.body.get("embeds") or [])

    @property
    def components(self) -> list[JSON]:
        return list(self.body.get("components") or [])


@dataclass
class Guild:
    """A server. available: False while Discord says that it has an outage; removed bots keep the object, out of the world."""

    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    @property
    def everyone(self) -> Role:
        return self.roles[self.id]

    def permissions_of(self, member: Member, channel: Channel | None = None) -> int:
        """Return what a member may do, in a channel or in the guild as a whole; a thread has its parent's overwrites.

        Source: docs topics/permissions.mdx, "Permission Overwrites" and "Implicit Permissions".
        """
        if member.id == self.owner_id:
            return ALL_PERMISSIONS
        base = self.everyone.permissions
        for role_id in member.roles:
            base |= self.roles[role_id].permissions if role_id in self.roles else 0
        if base & PERMISSIONS["ADMINISTRATOR"]:
            return ALL_PERMISSIONS
        if channel is None:
            return base
        place = self.channels.get(channel.parent_id or 0, channel) if channel.is_thread else channel
        base = _overwritten(base, place.overwrites.get(self.id))
        several = [place.overwrites[each] for each in member.roles if each in place.overwrites]
        base &= ~_union(denied for _, denied in several)
        base |= _union(allowed for allowed, _ in several)
        base = _overwritten(base, place.overwrites.get(member.id))
        return base if base & PERMISSIONS["VIEW_CHANNEL"] else 0


def _overwritten(base: int, overwrite: tuple[int, int] | None) -> int:
    allowed, denied = overwrite or (0, 0)
    return (base & ~denied) | allowed


def _union(masks: Any) -> int:  # noqa: ANN401 - any iterable of numbers, also a generator of tuple parts
    total = 0
    for mask in masks:
        total |= mask
    return total


@dataclass
class World:
    """All of it. nonces: (author, nonce) → (message, when), the memory that Discord keeps for a few minutes."""

    clock: Clock = field(default_factory=Clock)
    guilds: dict[int, Guild] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    commands: dict[int, list[JSON]] = field(default_factory=dict)
    nonces: dict[tuple[int, str], tuple[int, float]] = field(default_factory=dict)
    nonce_window_s: float = 300.0
    bot: User = field(init=False)
    application_id: int = 0

    def __post_init__(self) -> None:
        self.bot = self.user("wirewatch", bot=True)
        self.application_id = self.application_id or self.bot.id

    def user(self, name: str, *, bot: bool = False, user_id: int = 0) -> User:
        made = User(user_id or self.clock.snowflake(), name, bot)
        self.users[made.id] = made
        return made

    def channel(self, channel_id: int) -> Channel | None:
        """Return a channel or thread that the bot's guilds have, else None."""
        for guild in self.guilds.values():
            if channel_id in guild.channels:
                return guild.channels[channel_id]
        return None

    def bot_may(self, channel: Channel) -> int:
        """Return the bot's permissions in a channel."""
        guild = self.guilds[channel.guild_id]
        return guild.permissions_of(guild.members[self.bot.id], channel)

    def remembered(self, author_id: int, nonce: str | int) -> Message | None:
        """Return the message that this nonce made within the window, also a deleted one."""
        found = self.nonces.get((author_id, str(nonce)))
        if found is None or self.clock.now_s() - found[1] > self.nonce_window_s:
            return None
        return self.messages[found[0]]

    def remember(self, message: Message) -> None:
        """Keep the nonce of a message."""
        if message.nonce is not None:
            self.nonces[message.author.id, str(message.nonce)] = (message.id, self.clock.now_s())

    def in_channel(self, channel_id: int) -> list[Message]:
        """Return what a channel shows, oldest first: no deleted, no ephemeral, no loading message."""
        return [
            each
            for _, each in sorted(self.messages.items())
            if each.channel_id == channel_id and not (each.deleted or each.ephemeral or each.loading)
        ]
