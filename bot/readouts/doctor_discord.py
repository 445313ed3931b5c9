"""What `doctor` says of the connection to Discord: the token's file and shape, and, where it may ask, what Discord says."""

from __future__ import annotations

import base64
import binascii
import stat
from typing import TYPE_CHECKING

from bot.config import addresses_for, token_for, token_place
from bot.readouts.findings import Finding, fine, skipped, unwise, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bot.config import Config
    from cogs._checkup import Answer, Place

PARTS = 3
SHORTEST_CHARS = 50
SKEW_S, LARGE_SKEW_S = 5.0, 60.0
MOST_CHANNELS = 50


async def look_at_discord(
    config: Config, environ: Mapping[str, str], *, channels: Sequence[int], offline: bool
) -> list[Finding]:
    """Return what is found. channels: those that alerts go to, besides the declared ones.

    Raises:
        ConfigError: a token is declared and cannot be had, or an address is not on loopback.
    """
    place = token_place(config, environ)
    if place is None and not environ.get("WIREWATCH_TOKEN", "").strip():
        return [skipped("token", "there is none: `wirewatch run --terminal` works, alerts in Discord do not")]
    token, (api, _) = token_for(config, environ), addresses_for(environ)
    found = [*_file(place), _shape(token)]
    if offline:
        return [*found, skipped("discord", "not asked: --offline")]
    from cogs._checkup import ask_discord  # noqa: PLC0415 - discord.py is slow to load, and only who has a token needs it

    declared = [watch.thread_id or watch.channel_id for watch in config.watches]
    wanted = [one for one in dict.fromkeys((config.log_channel, *declared, *channels)) if one]
    answer = await ask_discord(token, api=api, channels=wanted[:MOST_CHANNELS])
    found += _said(answer)
    if not config.log_channel:
        advice = "set [discord] log_channel to a channel that only operators see"
        found.append(unwise("log channel", "there is none: broken feeds and lost permissions are told nobody", advice))
    if len(wanted) > MOST_CHANNELS:
        found.append(skipped("channels", f"{len(wanted) - MOST_CHANNELS} more were not asked for"))
    return found


def _file(place: Path | None) -> Iterator[Finding]:
    if place is None:
        yield fine("token", "in the variable WIREWATCH_TOKEN, not shown")
        return
    mode = place.stat().st_mode
    if mode & stat.S_IROTH:
        yield wrong("token file", f"{place} can be read by everybody on this machine", f"chmod 600 {place}")
    elif mode & stat.S_IRGRP:
        yield unwise("token file", f"{place} can be read by its group", f"chmod 600 {place}, unless that is meant")
    else:
        yield fine("token file", f"{place}, for its owner alone; not shown")


def _shape(token: str) -> Finding:
    parts = token.split(".")
    advice = "copy it again under Bot, Reset Token, on the developer portal"
    if len(parts) != PARTS or len(token) < SHORTEST_CHARS:
        return unwise(
            "token", f"has not the shape of a bot's token ({len(parts)} parts, {len(token)} characters)", advice
        )
    try:
        owner = base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        owner = ""
    if not owner.isdigit():
        return unwise("token", "has not the shape of a bot's token (its first part is no id)", advice)
    return fine("token", f"has the shape of a bot's token, of the bot {owner}")


def _said(answer: Answer) -> Iterator[Finding]:
    if answer.refused:
        yield wrong("discord", answer.fault, "put a valid token into [discord] token_file, or into WIREWATCH_TOKEN")
    elif answer.fault:
        yield wrong("discord", answer.fault, "look at this machine's network and name server, then try again")
    else:
        yield fine(
            "discord", f"knows the token: it is {answer.bot}; of the intents only guilds is used, none is privileged"
        )
    if answer.skew_s is not None:
        yield _clock(answer.skew_s)
    yield from map(_channel, answer.places)


def _clock(skew_s: float) -> Finding:
    which = "behind" if skew_s > 0 else "ahead of"
    said = f"this machine's clock is {abs(skew_s):.0f} s {which} Discord's"
    advice = "let it be set by NTP (timedatectl set-ntp true)"
    if abs(skew_s) > LARGE_SKEW_S:
        return wrong("clock", said, advice)
    return unwise("clock", said, advice) if abs(skew_s) > SKEW_S else fine("clock", "agrees with Discord's within 5 s")


def _channel(place: Place) -> Finding:
    topic = f"channel {place.channel_id}"
    name = f"#{place.name}" if place.name else "it"
    if place.fault:
        return wrong(topic, place.fault, "invite the bot there, or name another channel in [[watches]] or log_channel")
    if place.missing:
        return wrong(
            topic, f"the bot may not do in {name}: {', '.join(place.missing)}", "allow it in the channel's settings"
        )
    return fine(topic, f"{name}: the bot may post there and look back")
