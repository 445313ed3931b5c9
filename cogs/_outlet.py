"""Discord as an outlet: cards out by REST. Needs no gateway; never decides what is said or owed.

What Discord answers, `_verdicts` reads; when it may be asked, `_pace` says. Where nobody knows whether a message arrived, it stays in
doubt, and is looked for in the channel before it goes out once more under the same nonce.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import aiohttp
import discord

from bot.errors import DeliveryError, WireError
from cogs import _verdicts as verdicts
from cogs._call import Call, trace_for
from cogs._draw import marker_for, message_for, operators_message, plain_message
from cogs._pace import Pace, Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from bot.model import Delivery
    from cogs._pace import Invalid

log = logging.getLogger(__name__)

T = TypeVar("T")
JSON = dict[str, Any]
Rights = discord.Permissions

NONCE_SURE_S = 60.0
CLOCK_MARGIN = timedelta(seconds=60)
HISTORY_MESSAGES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the outlet waits for what.

    answer_s: for the network, in each request. limit_s: the longest 429 that is slept out inside a call. ban_s: after a ban of the address
    that does not say how long it lasts. gateway_s: for what the bot may do in a channel. history_s: for a history that cannot be had.
    """

    answer_s: float = 30.0
    limit_s: float = 30.0
    ban_s: float = 180.0
    gateway_s: float = 60.0
    history_s: float = 600.0


class Look(NamedTuple):
    """What a channel shows of a post in doubt.

    found: the message's id. repeat: whether one that is posted now may be a repeat. again: the look could not be had; should that post be
    refused, it is looked for again.
    """

    found: int | None = None
    repeat: bool = False
    again: bool = False


class DiscordOutlet:
    """Posts and edits through a REST client of its own, which logs in when it is first needed, and again where that failed.

    rights: what the bot may do in a channel as the gateway last said, None where it said nothing yet. standing: how a channel looks, so
    that a change can be told. on_refused: told once when the token is refused. say: tells the operator at the terminal one line.
    """

    def __init__(
        self,
        token: str,
        *,
        clock: Callable[[], datetime],
        log_channel: int = 0,
        rights: Callable[[int], Rights | None] = lambda _: None,
        standing: Callable[[int], str] = lambda _: "",
        on_refused: Callable[[WireError], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
        patience: Patience = Patience(),
    ) -> None:
        self._token = token
        self._clock = clock
        self.log_channel = log_channel
        self.rights = rights
        self._standing = standing
        self._on_refused = on_refused
        self._patience = patience
        self._pace = Pace(say, longest_s=patience.limit_s)
        self._client: discord.Client | None = None
        self._entering: asyncio.Task[discord.Client] | None = None
        self._began_s = time.monotonic()
        self._unread_since_s: dict[int, float] = {}
        self._refused_in_a_row: Counter[Route] = Counter()

    @property
    def invalid(self) -> Invalid:
        """What Discord counts towards the ban of the address."""
        return self._pace.invalid

    async def close(self) -> None:
        """End the client."""
        if self._entering is not None:
            self._entering.cancel()
            await asyncio.wait({self._entering})
        if self._client is not None:
            await self._client.close()

    # --- the outlet ---

    async def post(self, delivery: Delivery) -> int | None:
        """Post what is owed, exactly once; return the message's id, None where it was posted and then deleted by somebody."""
        look = await self._look_back(delivery) if delivery.in_doubt else Look()
        if look.found is not None:
            return look.found
        try:
            return await self._ask(
                ("POST", place_id_of(delivery)), lambda client: self._posted(client, delivery, repeat=look.repeat)
            )
        except DeliveryError as error:
            error.unknown = error.unknown or look.again
            raise

    async def edit(self, delivery: Delivery) -> None:
        """Show a better card; where the message is gone there is nothing to better."""
        message_id = delivery.message_id
        if message_id is None:
            return

        async def edited(client: discord.Client) -> None:
            message = client.get_partial_messageable(place_id_of(delivery)).get_partial_message(message_id)
            body = message_for(delivery)
            while True:
                try:
                    await message.edit(content=body.get("content"), embeds=embeds_in(body), allowed_mentions=NOBODY)
                except discord.HTTPException as error:
                    if error.code != verdicts.NO_MESSAGE:
                        body = _plainer(error, delivery, body)
                        continue
                    log.info("event=deleted_meanwhile alert=%s", delivery.alert_id)
                return

        await self._ask(("PATCH", place_id_of(delivery)), edited)

    async def tell_operators(self, text: str, *, nonce: str) -> None:
        """Write a line into the log channel, where there is one; once under one nonce.

        Raises:
            DeliveryError: it is not there, or nobody knows.
        """
        content = operators_message(text)["content"]

        async def told(client: discord.Client) -> None:
            await client.get_partial_messageable(self.log_channel).send(content, nonce=nonce, allowed_mentions=NOBODY)

        if self.log_channel:
            await self._ask(("POST", self.log_channel), told)

    async def _posted(self, client: discord.Client, delivery: Delivery, *, repeat: bool) -> int | None:
        """Post a card; the short form, where Discord refuses that; without the reply, where it may not be one."""
        body = message_for(delivery, repeat=repeat)
        while True:
            try:
                return (await self._send(client, delivery, body)).id
            except discord.HTTPException as error:
                if error.code == verdicts.NO_MESSAGE:
                    log.info("event=deleted_meanwhile alert=%s", delivery.alert_id)
                    return None
                if error.code == verdicts.NO_REPLY and delivery.reply_to_message_id:
                    delivery = replace(delivery, reply_to_message_id=None)
                else:
                    body = _plainer(error, delivery, body)

    async def _send(self, client: discord.Client, delivery: Delivery, body: JSON) -> discord.Message:
        place = client.get_partial_messageable(place_id_of(delivery))
        reply = delivery.reply_to_message_id
        reference = (
            discord.MessageReference(message_id=reply, channel_id=place.id, fail_if_not_exists=False) if reply else None
        )
        roles = [discord.Object(role) for role in body["allowed_mentions"]["roles"]]
        return await place.send(
            body.get("content"),
            embeds=embeds_in(body),
            nonce=delivery.nonce,
            allowed_mentions=discord.AllowedMentions(everyone=False, users=False, roles=roles, replied_user=False),
            reference=reference,  # type: ignore[arg-type] # None is its default
        )

    # --- in doubt ---

    async def _look_back(self, delivery: Delivery) -> Look:
        """Return whether it is there already. What refuses the look says nothing of the post: that stays in doubt."""
        place_id, began_at = place_id_of(delivery), delivery.first_sent_at or delivery.owed_at
        young = self._clock() - began_at < timedelta(seconds=NONCE_SURE_S)
        try:
            found, readable = await self._ask(
                ("GET", place_id), lambda client: self._found(client, place_id, marker_for(delivery), began_at)
            )
        except DeliveryError as error:
            if error.closed:  # the next try may be a day away, and is no part of this wait
                self._unread_since_s.pop(place_id, None)
            if error.closed or not (young or self._waited_long_for(place_id)):
                error.again = error.unknown = True
                raise
            return Look(repeat=not young, again=young)  # the nonce alone keeps a young one from coming twice
        self._unread_since_s.pop(place_id, None)
        if found is not None or readable or young:
            return Look(found, again=not readable)
        rights = self.rights(place_id)
        if rights is None and time.monotonic() - self._began_s < self._patience.gateway_s:
            raise DeliveryError("it is not known yet whether the history may be read", again=True, unknown=True)
        return Look(repeat=rights is None or not rights.read_message_history)

    async def _found(
        self, client: discord.Client, place_id: int, marker: str, began_at: datetime
    ) -> tuple[int | None, bool]:
        """Return the id of the message with this marker, else None; and whether the history may be read, for what it shows.

        Where more was said since than is read, the end is read, too: what is in doubt may have been sent again long after the first try.
        """
        place, seen = client.get_partial_messageable(place_id), 0
        after = discord.Object(discord.utils.time_snowflake(began_at - CLOCK_MARGIN))
        me = client.user.id if client.user else 0
        try:
            async for message in place.history(limit=HISTORY_MESSAGES, after=after, oldest_first=True):
                seen += 1
                if message.author.id == me and marker in _said(message):
                    return message.id, True
            if 0 < seen < HISTORY_MESSAGES:
                return None, True
            await self._pace.turn(("GET", place_id))
            async for message in place.history(limit=HISTORY_MESSAGES if seen else 1):
                seen += 1
                if message.author.id == me and marker in _said(message):
                    return message.id, True
        except discord.Forbidden as error:
            if error.code not in {verdicts.NO_ACCESS, verdicts.NO_PERMISSION}:
                raise
        return None, seen > 0

    def _waited_long_for(self, place_id: int) -> bool:
        """Whether a history could not be had for so long that the message goes out without a look; then the wait begins anew."""
        now_s = time.monotonic()
        since_s = self._unread_since_s.setdefault(place_id, now_s)
        if now_s - since_s < self._patience.history_s:
            return False
        del self._unread_since_s[place_id]
        return True

    # --- asking, and what an answer means ---

    async def _ask(self, route: Route, work: Callable[[discord.Client], Awaitable[T]]) -> T:
        """Return what the work returned, done in its turn, by a client that is logged in.

        Raises:
            DeliveryError: what went wrong, and what it means to a delivery.
        """
        client = await self._entered()
        await self._pace.turn(route)
        call = Call(self._patience.answer_s)
        try:
            async with call.watched():
                done = await work(client)
        except DeliveryError as error:  # a repeat of discord.py's that was held back: says nothing of the try before it
            error.unknown = error.unknown or call.may_have_arrived
            raise
        except Exception as error:  # noqa: BLE001 - one delivery never stops another
            raise self._meaning(error, call, route) from None
        self._refused_in_a_row.pop(_row_of(route), None)
        return done

    def _meaning(self, error: Exception, call: Call, route: Route) -> DeliveryError:
        if isinstance(error, discord.RateLimited) or (call.refused and isinstance(error, discord.HTTPException)):
            after_s = self._limited(error, call, route)
            return DeliveryError(
                f"Discord asks for {after_s:.0f} s of pause", again=True, unknown=call.may_have_arrived, after_s=after_s
            )
        if isinstance(error, discord.HTTPException):
            return self._verdict(error, call, _row_of(route))
        if isinstance(error, aiohttp.ClientError | OSError):  # TimeoutError is one
            return DeliveryError(f"no answer ({type(error).__name__})", again=True, unknown=True)
        log.warning("event=send_broke kind=%s reason=%r", type(error).__name__, str(error))
        return DeliveryError(f"a surprise ({type(error).__name__})", again=True, unknown=True)

    def _verdict(self, error: discord.HTTPException, call: Call, row: Route) -> DeliveryError:
        if error.status == verdicts.UNAUTHORIZED:
            return self._token_refused(unknown=call.may_have_arrived)
        verdict = verdicts.verdict_for(
            error,
            is_edit=row[0] == "PATCH",
            unknown=call.may_have_arrived,
            refused_before=self._refused_in_a_row[row],
            standing=self._standing(row[1]),
        )
        if verdicts.is_strange(error) and not verdict.closed:
            self._refused_in_a_row[row] += 1
        else:
            self._refused_in_a_row.pop(row, None)
        return verdict

    def _limited(self, error: Exception, call: Call, route: Route | None) -> float:
        """Note for how long Discord wants to be left alone, and return it: there, everywhere, or by the whole address."""
        heard = call.refused
        if heard is None:  # discord.py knew beforehand
            after_s = error.retry_after if isinstance(error, discord.RateLimited) else 0.0
        else:
            after_s = heard.retry_after_s or (1.0 if heard.is_discords else self._patience.ban_s)
        if heard is not None and not heard.is_discords:
            self._pace.rest(after_s, "Discord has shut this address out for a while")
        elif (heard is not None and heard.everywhere) or route is None:
            self._pace.rest(after_s)
        else:
            self._pace.rest_route(route, after_s)
        return after_s

    def _token_refused(self, *, unknown: bool = False) -> DeliveryError:
        refused = verdicts.token_refused()
        self._on_refused(refused)
        return DeliveryError(str(refused), again=True, unknown=unknown)

    # --- the client ---

    async def _entered(self) -> discord.Client:
        """Return the client, logged in; all who wait for it share one login, and its failure."""
        while self._client is None:
            if self._entering is None or self._entering.done():
                self._entering = asyncio.create_task(self._logged_in())
                self._entering.add_done_callback(
                    lambda task: task.cancelled() or task.exception()
                )  # whoever waits or not
            self._client = await asyncio.shield(self._entering)
        return self._client

    async def _logged_in(self) -> discord.Client:
        await self._pace.all_clear()
        client = discord.Client(
            intents=discord.Intents(guilds=True),
            allowed_mentions=NOBODY,
            max_ratelimit_timeout=self._patience.limit_s,
            http_trace=trace_for(self._pace),
            max_messages=None,
        )
        client.http.max_ratelimit_timeout = self._patience.limit_s  # which discord.py takes for 30 s at the least
        call = Call(self._patience.answer_s)
        try:
            async with call.watched():
                await client.login(self._token)
        except BaseException as error:
            await client.close()
            if isinstance(error, discord.LoginFailure):
                raise self._token_refused() from None
            if isinstance(error, discord.RateLimited) or (call.refused and isinstance(error, discord.HTTPException)):
                after_s = self._limited(error, call, None)
                raise DeliveryError("no login: Discord asks for a pause", again=True, after_s=after_s) from None
            if isinstance(error, discord.HTTPException | aiohttp.ClientError | OSError):
                status = f" {error.status}" if isinstance(error, discord.HTTPException) else ""
                raise DeliveryError(f"no login ({type(error).__name__}{status})", again=True) from None
            raise
        return client


NOBODY = discord.AllowedMentions.none()
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody here wants to speak aloud


def place_id_of(delivery: Delivery) -> int:
    """Return where a delivery goes: a thread, or a channel."""
    return delivery.thread_id or delivery.channel_id


def _plainer(error: discord.HTTPException, delivery: Delivery, body: JSON) -> JSON:
    """Return the short form, where Discord refuses the form of a card; else raise what it said."""
    if error.code not in {verdicts.BAD_FORM, verdicts.EMPTY} or not body.get("embeds"):
        raise error
    log.error("event=card_refused alert=%s reason=%r", delivery.alert_id, error.text)
    return plain_message(delivery)


def _row_of(route: Route) -> Route:
    """Return with which routes a route shares how often in a row it was refused: edits are apart, as posts may go on without them."""
    return route if route[0] == "PATCH" else ("POST", route[1])


def embeds_in(body: JSON) -> list[discord.Embed]:
    """Return a message's embeds as discord.py takes them."""
    return [discord.Embed.from_dict(embed) for embed in body.get("embeds", ())]


def _said(message: discord.Message) -> str:
    return " ".join([message.content, *(embed.footer.text or "" for embed in message.embeds)])
