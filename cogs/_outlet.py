"""Discord as an outlet: cards out by REST, and what its answers mean. Needs no gateway; never decides what is said or owed.

An answer is one of four things. It arrived. It was certainly refused, which says what to do. The channel is closed to us. Or nobody
knows: then the delivery stays in doubt, and is looked for in the channel before it goes out once more under the same nonce.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import aiohttp
import discord

from bot.errors import DeliveryError, WireError
from cogs._draw import marker_for, message_for, operators_message, plain_message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from bot.model import Delivery

log = logging.getLogger(__name__)

JSON = dict[str, Any]
Rights = discord.Permissions

SEND_LIMIT_S = 30.0
LONGEST_LIMIT_S = 30.0
NONCE_SURE_S = 60.0
CLOCK_MARGIN = timedelta(seconds=60)
HISTORY_MESSAGES = 500
GATEWAY_PATIENCE_S = 60.0
BAN_REST_S = 180.0
INVALID_WINDOW_S = 600.0
INVALID_MOST = 1000
PROXY_TRIES = 5
MOST_PER_S = 40  # of the 50 that Discord allows a token; its 429s would count towards the ban of the address

NO_ACCESS, NO_PERMISSION, ARCHIVED, NO_CHANNEL, NO_MESSAGE, BAD_FORM = 50001, 50013, 50083, 10003, 10008, 50035
EMPTY, FORUM = 50006, 40058
CLOSED = {
    NO_ACCESS: "the bot cannot see it",
    NO_PERMISSION: "the bot lacks a permission there (view, send, embed links, read history)",
    ARCHIVED: "the thread is archived and locked",
    NO_CHANNEL: "it is gone",
    FORUM: "it is a forum; choose a text channel or a thread of it",
}
BUSY = {20028: 60.0, 30046: 3600.0}

_answered: ContextVar[list[int] | None] = ContextVar("answered", default=None)


@dataclass(slots=True)
class Invalid:
    """Counts what Discord counts towards the ban of an address: 401, 403 and 429, but not those of scope shared."""

    at_s: deque[float] = field(default_factory=deque)
    by_status: Counter[str] = field(default_factory=Counter)

    def add(self, status: int, scope: str | None) -> None:
        """Count an answer."""
        if status in {401, 403, 429} and scope != "shared":
            self.at_s.append(time.monotonic())
            self.by_status[str(status)] += 1

    @property
    def count(self) -> int:
        """How many there were in the last ten minutes."""
        while self.at_s and self.at_s[0] < time.monotonic() - INVALID_WINDOW_S:
            self.at_s.popleft()
        return len(self.at_s)


class DiscordOutlet:
    """Posts and edits through a REST client of its own, which logs in when it is first needed, and again after a failure.

    rights: what the bot may do in a channel as the gateway last said, None where it said nothing yet. on_refused: told once when the token
    is refused. say: tells the operator at the terminal one line.
    """

    def __init__(
        self,
        token: str,
        *,
        clock: Callable[[], datetime],
        log_channel: int = 0,
        rights: Callable[[int], Rights | None] = lambda _: None,
        on_refused: Callable[[WireError], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._token = token
        self._clock = clock
        self.log_channel = log_channel
        self.rights = rights
        self._on_refused = on_refused
        self._say = say
        self._client: discord.Client | None = None
        self._entering = asyncio.Lock()
        self._began_s = time.monotonic()
        self._quiet_until_s = 0.0
        self._turn_at_s = 0.0
        self.invalid = Invalid()

    async def close(self) -> None:
        """End the client."""
        if self._client is not None:
            await self._client.close()

    # --- the outlet ---

    async def post(self, delivery: Delivery) -> int | None:
        """Post what is owed, exactly once; return the message's id, None where it was posted and then deleted by somebody."""
        async with self._sending(delivery) as client:
            place = client.get_partial_messageable(delivery.thread_id or delivery.channel_id)
            repeat = False
            if delivery.in_doubt:
                found, repeat = await self._look_back(place, delivery)
                if found is not None:
                    return found
            try:
                return (await self._send(place, delivery, message_for(delivery, repeat=repeat))).id
            except discord.HTTPException as error:
                if error.code == NO_MESSAGE:
                    log.info("event=deleted_meanwhile alert=%s", delivery.alert_id)
                    return None
                if error.code not in {BAD_FORM, EMPTY} or error.status != 400:  # noqa: PLR2004 - HTTP
                    raise
                log.error("event=card_refused alert=%s reason=%r", delivery.alert_id, error.text)  # noqa: TRY400 - our fault, not a surprise
            return (await self._send(place, delivery, plain_message(delivery))).id

    async def edit(self, delivery: Delivery) -> None:
        """Show a better card; where the message is gone there is nothing to better."""
        if delivery.message_id is None:
            return
        async with self._sending(delivery) as client:
            place = client.get_partial_messageable(delivery.thread_id or delivery.channel_id)
            body = message_for(delivery)
            message = place.get_partial_message(delivery.message_id)
            await message.edit(
                content=body.get("content"),
                embeds=[discord.Embed.from_dict(embed) for embed in body["embeds"]],
                allowed_mentions=discord.AllowedMentions.none(),
            )

    async def tell_operators(self, text: str, *, nonce: str) -> bool:
        """Write a line into the log channel, once under one nonce; return whether it is there, or there is no such channel."""
        if not self.log_channel:
            return True
        try:
            async with self._sending(None) as client:
                place = client.get_partial_messageable(self.log_channel)
                content = operators_message(text)["content"]
                await place.send(content, nonce=nonce, allowed_mentions=NOBODY)
        except DeliveryError as error:
            log.warning("event=operators_not_told reason=%r", str(error))
            return False
        return True

    async def _send(self, place: discord.PartialMessageable, delivery: Delivery, body: JSON) -> discord.Message:
        reply = delivery.reply_to_message_id
        reference = (
            discord.MessageReference(message_id=reply, channel_id=place.id, fail_if_not_exists=False) if reply else None
        )
        roles = [discord.Object(role) for role in body["allowed_mentions"]["roles"]]
        return await place.send(
            body.get("content"),
            embeds=[discord.Embed.from_dict(embed) for embed in body.get("embeds", ())],
            nonce=delivery.nonce,
            allowed_mentions=discord.AllowedMentions(everyone=False, users=False, roles=roles, replied_user=False),
            reference=reference,  # type: ignore[arg-type] # None is its default
        )

    # --- in doubt ---

    async def _look_back(self, place: discord.PartialMessageable, delivery: Delivery) -> tuple[int | None, bool]:
        """Return the id of the message that is there already, else None; and whether one that is posted now may be a repeat."""
        client, began_at = self._client, delivery.first_sent_at or delivery.owed_at
        me = client.user.id if client and client.user else 0
        after = discord.Object(discord.utils.time_snowflake(began_at - CLOCK_MARGIN))
        marker, seen = marker_for(delivery), 0
        await self._turn()
        try:
            async for message in place.history(limit=HISTORY_MESSAGES, after=after, oldest_first=True):
                seen += 1
                if message.author.id == me and marker in _said(message):
                    return message.id, False
            if not seen:
                await self._turn()
                seen = len([message async for message in place.history(limit=1)])
        except discord.Forbidden as error:
            if error.code not in {NO_ACCESS, NO_PERMISSION}:
                raise
        if seen:  # the history may be read, and it is not there
            return None, False
        young = self._clock() - began_at < timedelta(seconds=NONCE_SURE_S)
        if young:
            return None, False
        rights = self.rights(place.id)
        if rights is None and time.monotonic() - self._began_s < GATEWAY_PATIENCE_S:
            raise DeliveryError("it is not known yet whether the history may be read", again=True, unknown=True)
        return None, rights is None or not rights.read_message_history

    # --- what an answer means ---

    @asynccontextmanager
    async def _sending(self, delivery: Delivery | None) -> AsyncIterator[discord.Client]:
        """Lend the client for one delivery, and say of whatever goes wrong what it means for that."""
        doubt = delivery is not None and delivery.in_doubt
        client = await self._ready(unknown=doubt)
        await self._turn()
        statuses: list[int] = []
        token = _answered.set(statuses)
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                yield client
        except DeliveryError:
            raise
        except discord.RateLimited as error:
            raise DeliveryError(
                "Discord asks for a longer pause", again=True, unknown=doubt, after_s=error.retry_after
            ) from None
        except discord.HTTPException as error:
            before = [status for status in statuses[:-1] if status >= 500]  # noqa: PLR2004 - HTTP
            self._refuse(error, delivery, unknown=doubt or bool(before))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise DeliveryError(f"no answer ({type(error).__name__})", again=True, unknown=True) from None
        except Exception as error:  # noqa: BLE001 - one delivery never stops another
            log.warning("event=send_broke kind=%s reason=%r", type(error).__name__, str(error))
            raise DeliveryError(f"a surprise ({type(error).__name__})", again=True, unknown=True) from None
        finally:
            _answered.reset(token)

    def _refuse(self, error: discord.HTTPException, delivery: Delivery | None, *, unknown: bool) -> NoReturn:
        """Raise what this answer means; unknown: an earlier try may have arrived all the same."""
        said = f"Discord answered {error.status} ({error.code}): {error.text[:200]}"
        if error.status == 401:  # noqa: PLR2004 - HTTP
            refused = token_refused()
            self._on_refused(refused)
            raise DeliveryError(str(refused), again=True, unknown=unknown) from None
        if error.status == 429:  # noqa: PLR2004 - HTTP
            self._rest(max(BAN_REST_S, _retry_after_s(error)), "Discord has shut this address out for a while")
            raise DeliveryError(said, again=True, unknown=True, after_s=self._quiet_s) from None
        if error.status >= 500:  # noqa: PLR2004 - HTTP
            raise DeliveryError(said, again=True, unknown=True) from None
        if error.code in CLOSED:
            raise DeliveryError(CLOSED[error.code], again=True, closed=True, unknown=unknown) from None
        if error.code in BUSY:
            raise DeliveryError(said, again=True, unknown=unknown, after_s=BUSY[error.code]) from None
        if error.status in {403, 404} and error.code != NO_MESSAGE:  # not Discord's own words: a proxy's, perhaps
            closed = delivery is not None and delivery.attempts >= PROXY_TRIES
            raise DeliveryError(said, again=True, closed=closed, unknown=unknown) from None
        raise DeliveryError(said, again=False) from None

    # --- the client, and when it is to be quiet ---

    async def _ready(self, *, unknown: bool) -> discord.Client:
        if self.invalid.count >= INVALID_MOST:
            self._rest(INVALID_WINDOW_S / 2, f"Discord refused {INVALID_MOST} requests in ten minutes")
        if self._quiet_s > 0:
            raise DeliveryError("all sends rest", again=True, unknown=unknown, after_s=self._quiet_s)
        async with self._entering:
            if self._client is None:
                self._client = await self._logged_in(unknown=unknown)
        return self._client

    async def _turn(self) -> None:
        """Wait until one more request is within what Discord allows a second."""
        now_s = time.monotonic()
        at_s = max(now_s, self._turn_at_s)
        self._turn_at_s = at_s + 1 / MOST_PER_S
        await asyncio.sleep(at_s - now_s)

    async def _logged_in(self, *, unknown: bool) -> discord.Client:
        client = discord.Client(
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=LONGEST_LIMIT_S,
            http_trace=self._trace(),
            max_messages=None,
        )
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await client.login(self._token)
        except discord.LoginFailure:
            await client.close()
            refused = token_refused()
            self._on_refused(refused)
            raise DeliveryError(str(refused), again=True, unknown=unknown) from None
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            await client.close()
            status = getattr(error, "status", 0)
            if status == 429 and isinstance(error, discord.HTTPException):  # noqa: PLR2004 - HTTP
                self._rest(max(BAN_REST_S, _retry_after_s(error)), "Discord has shut this address out for a while")
            raise DeliveryError(
                f"no login ({type(error).__name__} {status or ''})".replace(" )", ")"), again=True, unknown=unknown
            ) from None
        except BaseException:
            await client.close()
            raise
        return client

    @property
    def _quiet_s(self) -> float:
        return max(0.0, self._quiet_until_s - time.monotonic())

    def _rest(self, seconds: float, why: str) -> None:
        """Send nothing for so long, and say so."""
        if not self._quiet_s:
            self._say(f"{why}: nothing is sent for {seconds / 60:.0f} minutes; what is owed waits")
        self._quiet_until_s = max(self._quiet_until_s, time.monotonic() + seconds)

    def _trace(self) -> aiohttp.TraceConfig:
        trace = aiohttp.TraceConfig()

        async def ended(_: object, __: object, end: aiohttp.TraceRequestEndParams) -> None:
            self.invalid.add(end.response.status, end.response.headers.get("X-RateLimit-Scope"))
            statuses = _answered.get()
            if statuses is not None:
                statuses.append(end.response.status)

        trace.on_request_end.append(ended)
        return trace


NOBODY = discord.AllowedMentions.none()
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody here wants to speak aloud


def token_refused() -> WireError:
    """Return the line for a token that Discord does not know."""
    return WireError("Discord refuses the token: put a valid one into [discord] token_file, or into WIREWATCH_TOKEN")


def _said(message: discord.Message) -> str:
    return " ".join([message.content, *(embed.footer.text or "" for embed in message.embeds)])


def _retry_after_s(error: discord.HTTPException) -> float:
    try:
        return float(error.response.headers.get("Retry-After", 0))
    except ValueError:
        return 0.0
