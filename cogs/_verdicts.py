"""What Discord's answers mean to a delivery. Pure: asks nothing, remembers nothing.

An answer is one of four things beside a success. It was certainly refused, and says for how long, or for good. The channel is closed to
us. Or nobody knows: then the delivery is in doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import DeliveryError, WireError

if TYPE_CHECKING:
    import discord

NO_ACCESS, NO_PERMISSION, NO_MESSAGE, BAD_FORM, EMPTY, NO_REPLY = 50001, 50013, 10008, 50035, 50006, 160002
CLOSED = {
    NO_ACCESS: "the bot cannot see it",
    NO_PERMISSION: "the bot lacks a permission there (view, send, embed links, read history)",
    50083: "the thread is archived and locked",
    160005: "the thread is locked",
    10003: "it is gone",
    40058: "it is a forum; choose a text channel or a thread of it",
    50008: "it takes no messages; choose a text channel or a thread of one",
    50024: "it takes no messages of this kind; choose a text channel or a thread of one",
}
BUSY = {20028: 60.0, 30046: 3600.0, 40062: 60.0}
STRANGE = {
    0,
    40333,
}  # no JSON at all; Cloudflare, which stands in front of Discord and numbers its refusals as Discord does
MOST_STRANGE = 5
EDITS_REST_S = 600.0
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TIMED_OUT, TOO_EARLY = 401, 403, 404, 408, 425


def verdict_for(
    error: discord.HTTPException, *, is_edit: bool, unknown: bool, refused_before: int, standing: str
) -> DeliveryError:
    """Return what this answer means.

    is_edit: posts may go on though it is refused, so it closes its channel only for what is known to close one. unknown: an earlier try of
    the same call may have arrived. refused_before: how often in a row somebody between us and Discord refused this channel, or its edits.
    standing: how the channel looks now.
    """
    said = f"Discord answered {error.status} ({error.code}): {error.text[:200]}"
    if error.status >= 500:  # noqa: PLR2004 - HTTP
        return DeliveryError(said, again=True, unknown=True)
    if error.code in CLOSED:
        return DeliveryError(CLOSED[error.code], again=True, closed=True, standing=standing, unknown=unknown)
    if error.code in BUSY:
        return DeliveryError(said, again=True, unknown=unknown, after_s=BUSY[error.code])
    if is_strange(error):
        often = refused_before + 1 >= MOST_STRANGE
        closed, shown = often and not is_edit, standing if often and not is_edit else ""
        after_s = EDITS_REST_S if often and is_edit else None
        return DeliveryError(said, again=True, closed=closed, standing=shown, unknown=unknown, after_s=after_s)
    if error.status in {FORBIDDEN, NOT_FOUND} and error.code != NO_MESSAGE and not is_edit:
        # for a reason we do not know: people can see to it, and nothing is lost
        return DeliveryError(said, again=True, closed=True, standing=standing, unknown=unknown)
    return DeliveryError(said, again=False, unknown=unknown)


def is_strange(error: discord.HTTPException) -> bool:
    """Return whether it may be not Discord's own word, but that of a proxy, and may pass."""
    return error.status < 500 and (error.code in STRANGE or error.status in {TIMED_OUT, TOO_EARLY})  # noqa: PLR2004 - HTTP


def token_refused() -> WireError:
    """Return the line for a token that Discord does not know."""
    return WireError("Discord refuses the token: put a valid one into [discord] token_file, or into WIREWATCH_TOKEN")
