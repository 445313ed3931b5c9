"""Messages and threads of the stand-in: what may be posted, which mention pings, what a nonce remembers, what a history shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.discord_lint import doubts_in, faults_in, texts_in
from tests.standin import wire
from tests.standin.journal import Ping
from tests.standin.shapes import channel_json, message_json
from tests.standin.state import PERMISSIONS, Channel, Message, bits
from tests.standin.wire import Answer, Call, Refusal

if TYPE_CHECKING:
    from tests.standin.server import StandIn
    from tests.standin.wire import Route

JSON = dict[str, Any]
_KEPT_FLAGS = (1 << 2) | (1 << 12) | (1 << 15)
_SILENT = 1 << 12


def channel_for(stand: StandIn, call: Call) -> Channel:
    """Return the channel of a call.

    Raises:
        Refusal: 10003 where there is none, 50001 where the bot may not see it.
    """
    channel = stand.world.channel(call.id("channel_id"))
    if channel is None:
        raise Refusal(*wire.UNKNOWN_CHANNEL)
    if not stand.world.bot_may(channel) & PERMISSIONS["VIEW_CHANNEL"]:
        raise Refusal(*wire.MISSING_ACCESS)
    return channel


def need(stand: StandIn, channel: Channel, *names: str) -> None:
    """Refuse with 50013 where the bot lacks one of these permissions.

    Raises:
        Refusal: 50013.
    """
    wanted = bits(*names)
    if stand.world.bot_may(channel) & wanted != wanted:
        raise Refusal(*wire.MISSING_PERMISSIONS)


def check_body(stand: StandIn, body: JSON, *, edit: bool = False) -> None:
    """Refuse what Discord refuses, and keep it as a violation.

    Raises:
        Refusal: 50006 for an empty message, 50035 for the rest.
    """
    faults = faults_in(body, edit=edit)
    for fault in [*faults, *doubts_in(body)]:
        stand.journal.breach("lint", fault)
    if not faults:
        return
    if faults == ["content: an empty message"]:
        raise Refusal(*wire.EMPTY_MESSAGE)
    raise Refusal(*wire.INVALID_BODY, faults)


def make_message(stand: StandIn, channel_id: int, body: JSON, files: list[str], **more: Any) -> Message:  # noqa: ANN401 - fields of Message
    """Return a new message of the bot, kept, its pings recorded."""
    message = Message(
        id=stand.clock.snowflake(),
        channel_id=channel_id,
        author=stand.world.bot,
        body=dict(body),
        created_at=stand.clock.iso(),
        files=list(files),
        flags=int(body.get("flags") or 0) & _KEPT_FLAGS,
        **more,
    )
    stand.world.messages[message.id] = message
    mark_pings(stand, message)
    return message


def mark_pings(stand: StandIn, message: Message) -> None:
    """Set on the message whom it mentions by Discord's rules, and record the ping if anybody is notified."""
    channel = stand.world.channel(message.channel_id)
    if channel is None:
        return
    guild, may = stand.world.guilds[channel.guild_id], stand.world.bot_may(channel)
    allowed = message.body.get("allowed_mentions")
    parse = {"users", "roles", "everyone"} if allowed is None else set(allowed.get("parse") or [])
    named = {kind: {int(each) for each in (allowed or {}).get(kind) or []} for kind in ("users", "roles")}
    text = "\n".join([message.content, *texts_in(message.components)])
    anyone = bool(may & PERMISSIONS["MENTION_EVERYONE"])
    roles = [int(each) for each in re.findall(r"<@&(\d+)>", text)]
    users = [int(each) for each in re.findall(r"<@!?(\d+)>", text)]
    message.roles_pinged = [
        each
        for each in dict.fromkeys(roles)
        if each in guild.roles
        and ("roles" in parse or each in named["roles"])
        and (anyone or guild.roles[each].mentionable)
    ]
    message.users_pinged = [
        each
        for each in dict.fromkeys(users)
        if each in stand.world.users and ("users" in parse or each in named["users"])
    ]
    message.everyone_pinged = bool(re.search(r"@(everyone|here)\b", text)) and anyone and "everyone" in parse
    if message.roles_pinged or message.users_pinged or message.everyone_pinged:
        silent = bool(message.flags & _SILENT) or message.ephemeral
        roles_, users_ = tuple(message.roles_pinged), tuple(message.users_pinged)
        stand.journal.pings.append(
            Ping(message.id, message.channel_id, roles_, users_, message.everyone_pinged, silent)
        )


def change_message(stand: StandIn, message: Message, body: JSON, files: list[str]) -> None:
    """Apply a PATCH; an edit pings nobody."""
    check_body(stand, body, edit=True)
    message.edits.append(dict(body))
    message.body |= {
        key: value for key, value in body.items() if key in {"content", "embeds", "components", "allowed_mentions"}
    }
    if "attachments" in body or files:
        kept = {str(each.get("id")) for each in body.get("attachments") or []}
        message.files = [
            name for index, name in enumerate(message.files) if str(message.id + index + 1) in kept
        ] + files
    if "flags" in body:
        message.flags = (int(body["flags"] or 0) & _KEPT_FLAGS) | (message.flags & (1 << 15))
    message.loading = False
    message.edited_at = stand.clock.iso()


def post(stand: StandIn, call: Call) -> Answer:
    """POST a message: rights, body, nonce, in Discord's order."""
    channel = channel_for(stand, call)
    _check_place(channel)
    need(stand, channel, "SEND_MESSAGES_IN_THREADS" if channel.is_thread else "SEND_MESSAGES")
    if channel.archived:
        if channel.locked and not stand.world.bot_may(channel) & PERMISSIONS["MANAGE_THREADS"]:
            raise Refusal(*wire.ARCHIVED_THREAD)
        stand.unarchive(channel)
    message, _ = _accept(stand, channel, call.body, call.files)
    return Answer(200, message_json(message, stand.world, nonce=True))


def _check_place(channel: Channel) -> None:
    if channel.kind == 15:
        raise Refusal(*wire.FORUM_NEEDS_THREAD)
    if channel.kind == 4:
        raise Refusal(*wire.NO_TEXT_CHANNEL)


def _accept(stand: StandIn, channel: Channel, body: JSON, files: list[str]) -> tuple[Message, bool]:
    """Return the message of this body, and whether it is new: a remembered nonce gives the first one."""
    check_body(stand, body | ({"attachments": [{}] * len(files)} if files else {}))
    if body.get("embeds"):
        need(stand, channel, "EMBED_LINKS")
    if files:
        need(stand, channel, "ATTACH_FILES")
    _check_reference(stand, channel, body.get("message_reference") or {})
    nonce = body.get("nonce")
    if body.get("enforce_nonce") and nonce is not None:
        first = stand.world.remembered(stand.world.bot.id, nonce)
        if first is not None and first.deleted:
            raise Refusal(*wire.UNKNOWN_MESSAGE)
        if first is not None:
            return first, False
    message = make_message(stand, channel.id, body, files, nonce=nonce)
    stand.world.remember(message)
    stand.announce_message("MESSAGE_CREATE", message)
    return message, True


def _check_reference(stand: StandIn, channel: Channel, reference: JSON) -> None:
    if not reference:
        return
    if not stand.world.bot_may(channel) & PERMISSIONS["READ_MESSAGE_HISTORY"]:
        raise Refusal(403, 160002, "Cannot reply without permission to read message history")
    target = stand.world.messages.get(int(reference.get("message_id") or 0))
    if (target is None or target.deleted) and reference.get("fail_if_not_exists", True):
        raise Refusal(*wire.INVALID_BODY, ["message_reference: Unknown message"])


def message_for(stand: StandIn, call: Call, channel: Channel) -> Message:
    """Return the message of a call.

    Raises:
        Refusal: 10008 where it is not (or no longer) in that channel.
    """
    message = stand.world.messages.get(call.id("message_id"))
    if message is None or message.deleted or message.ephemeral or message.channel_id != channel.id:
        raise Refusal(*wire.UNKNOWN_MESSAGE)
    return message


def get(stand: StandIn, call: Call) -> Answer:
    """GET one message."""
    channel = channel_for(stand, call)
    if not stand.world.bot_may(channel) & PERMISSIONS["READ_MESSAGE_HISTORY"]:
        raise Refusal(*wire.MISSING_ACCESS)
    return Answer(200, message_json(message_for(stand, call, channel), stand.world))


def edit(stand: StandIn, call: Call) -> Answer:
    """PATCH a message of the bot's own."""
    channel = channel_for(stand, call)
    message = message_for(stand, call, channel)
    if message.author.id != stand.world.bot.id:
        raise Refusal(*wire.FOREIGN_MESSAGE)
    if call.body.get("embeds"):
        need(stand, channel, "EMBED_LINKS")
    change_message(stand, message, call.body, call.files)
    stand.announce_message("MESSAGE_UPDATE", message)
    return Answer(200, message_json(message, stand.world))


def delete(stand: StandIn, call: Call) -> Answer:
    """DELETE a message."""
    channel = channel_for(stand, call)
    message = message_for(stand, call, channel)
    if message.author.id != stand.world.bot.id:
        need(stand, channel, "MANAGE_MESSAGES")
    stand.delete_message(message)
    return Answer(204)


def history(stand: StandIn, call: Call) -> Answer:
    """GET a page of the channel, newest first; empty, not refused, without READ_MESSAGE_HISTORY."""
    channel = channel_for(stand, call)
    if not stand.world.bot_may(channel) & PERMISSIONS["READ_MESSAGE_HISTORY"]:
        return Answer(200, [])
    limit = int(call.query.get("limit") or 50)
    if not 1 <= limit <= 100:
        raise Refusal(*wire.INVALID_BODY, ["limit: int value should be between 1 and 100."])
    page = _page(stand.world.in_channel(channel.id), call.query, limit)
    return Answer(200, [message_json(each, stand.world) for each in sorted(page, key=lambda each: -each.id)])


def _page(messages: list[Message], query: dict[str, str], limit: int) -> list[Message]:
    if "around" in query:
        around = int(query["around"])
        before = [each for each in messages if each.id < around][-(limit // 2) :] if limit > 1 else []
        rest = [each for each in messages if each.id >= around]
        return before + rest[: limit - len(before)]
    if "before" in query:
        return [each for each in messages if each.id < int(query["before"])][-limit:]
    if "after" in query:
        return [each for each in messages if each.id > int(query["after"])][:limit]
    return messages[-limit:]


def publish(stand: StandIn, call: Call) -> Answer:
    """POST crosspost of a message in an announcement channel."""
    channel = channel_for(stand, call)
    message = message_for(stand, call, channel)
    if channel.kind != 5:
        raise Refusal(400, 50024, "Cannot execute action on this channel type")
    message.published, message.flags = True, message.flags | 1
    return Answer(200, message_json(message, stand.world))


def start_thread(stand: StandIn, call: Call) -> Answer:
    """POST a thread: on a message, in a text channel, or as a forum post with its starter message."""
    parent = channel_for(stand, call)
    need(stand, parent, "SEND_MESSAGES" if parent.kind == 15 else "CREATE_PUBLIC_THREADS")
    name = str(call.body.get("name") or "")
    if not 1 <= len(name) <= 100:
        raise Refusal(*wire.INVALID_BODY, ["name: Must be between 1 and 100 in length."])
    tags = [str(each) for each in call.body.get("applied_tags") or []]
    if parent.kind == 15 and parent.tag_required and not tags:
        raise Refusal(*wire.TAG_REQUIRED)
    kind = 11 if parent.kind == 15 or "message_id" in call.ids else int(call.body.get("type") or 12)
    if "message_id" in call.ids:
        message_for(stand, call, parent)
    first = dict(call.body.get("message") or {})
    if parent.kind == 15:
        check_body(stand, first | ({"attachments": [{}] * len(call.files)} if call.files else {}))
    thread_id = call.id("message_id") if "message_id" in call.ids else stand.clock.snowflake()
    thread = stand.add_thread(parent, name, kind=kind, thread_id=thread_id, tags=tags)
    shape = channel_json(thread, stand.world.guilds[thread.guild_id])
    if parent.kind == 15:
        message, _ = _accept(stand, thread, first, call.files)
        shape["message"] = message_json(message, stand.world)
    return Answer(201, shape)


ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/channels/{channel_id}/messages"): post,
    ("GET", "/channels/{channel_id}/messages"): history,
    ("GET", "/channels/{channel_id}/messages/{message_id}"): get,
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): edit,
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"): delete,
    ("POST", "/channels/{channel_id}/messages/{message_id}/crosspost"): publish,
    ("POST", "/channels/{channel_id}/threads"): start_thread,
    ("POST", "/channels/{channel_id}/messages/{message_id}/threads"): start_thread,
}
