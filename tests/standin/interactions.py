"""How the stand-in's Discord takes a bot's answers to interactions: callbacks, and the webhook behind each token."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.discord_lint import EPHEMERAL_FLAG, faults_in_callback
from tests.standin import wire
from tests.standin.messages import change_message, check_body, make_message
from tests.standin.shapes import message_json
from tests.standin.wire import Answer, Call, Refusal

if TYPE_CHECKING:
    from tests.standin.answers import Interaction
    from tests.standin.server import StandIn
    from tests.standin.state import Message
    from tests.standin.wire import Route

JSON = dict[str, Any]
COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5
_ALLOWED = {COMMAND: {4, 5, 9}, COMPONENT: {4, 5, 6, 7, 9}, AUTOCOMPLETE: {8}, MODAL: {4, 5, 6, 7}}
_TOKEN_S = 15 * 60


def callback(stand: StandIn, call: Call) -> Answer:
    """POST the first response."""
    found = stand.interactions.get(call.ids["token"])
    if found is None or str(found.id) != call.ids["interaction_id"]:
        raise Refusal(*wire.UNKNOWN_INTERACTION)
    if found.answered:
        stand.journal.breach("twice", f"{found.name}: answered twice")
        raise Refusal(*wire.ANSWERED_ALREADY)
    if time.monotonic() - found.created_s > stand.interaction_deadline_s:
        raise Refusal(*wire.UNKNOWN_INTERACTION)
    _check(stand, found, call.body)
    _take(stand, found, call.body, call.files)
    found.answer(call.body)
    if found.callback and found.callback["type"] not in {5, 6}:
        found.done.set()
    if call.query.get("with_response", "").lower() not in {"1", "true"}:
        return Answer(204)
    return Answer(200, _callback_json(stand, found))


def _check(stand: StandIn, found: Interaction, body: JSON) -> None:
    faults = faults_in_callback(body)
    kind = body.get("type")
    if kind not in _ALLOWED[found.kind] or (kind in {6, 7} and found.source is None):
        faults.append(f"type: {kind} does not answer this kind of interaction")
    if not faults:
        return
    for fault in faults:
        stand.journal.breach("lint", f"{found.name}: {fault}")
    raise Refusal(*wire.INVALID_BODY, [f"data.{fault}" for fault in faults])


def _take(stand: StandIn, found: Interaction, body: JSON, files: list[str]) -> None:
    data: JSON = body.get("data") or {}
    private = bool(int(data.get("flags") or 0) & EPHEMERAL_FLAG)
    match body["type"]:
        case 4 | 5:
            found.deferred = body["type"] == 5
            found.shown = _say(stand, found, data, files, private=private)
            found.shown.loading = found.deferred
        case 6:
            found.deferred, found.shown = True, found.source
        case 7 if found.source is not None:
            found.shown = found.source
            change_message(stand, found.source, data, files)
            found.edits.append(data)


def _say(stand: StandIn, found: Interaction, data: JSON, files: list[str], *, private: bool) -> Message:
    message = make_message(stand, found.channel.id, data, files, interaction_id=found.id, ephemeral=private)
    if private:
        message.flags |= EPHEMERAL_FLAG
    return message


def _callback_json(stand: StandIn, found: Interaction) -> JSON:
    kind = (found.callback or {})["type"]
    shape: JSON = {
        "interaction": {
            "id": str(found.id),
            "type": found.kind,
            "activity_instance_id": None,
            "channel_id": str(found.channel.id),
            "guild_id": str(found.channel.guild_id),
            "response_message_loading": kind == 5,
            "response_message_ephemeral": found.ephemeral,
        },
    }
    if found.shown is not None:
        shape["interaction"]["response_message_id"] = str(found.shown.id)
        if kind in {4, 7}:
            shape["resource"] = {"type": kind, "message": message_json(found.shown, stand.world)}
    return shape


def _found(stand: StandIn, call: Call) -> Interaction:
    found = stand.interactions.get(call.ids["webhook_token"])
    if found is None or call.id("webhook_id") != stand.world.application_id:
        raise Refusal(*wire.UNKNOWN_WEBHOOK)
    if not found.answered:
        raise Refusal(*wire.UNKNOWN_WEBHOOK)
    if time.monotonic() - found.created_s + stand.clock.ahead_s - stand.ahead_at[found.id] > _TOKEN_S:
        raise Refusal(*wire.BAD_WEBHOOK_TOKEN)
    return found


def follow_up(stand: StandIn, call: Call) -> Answer:
    """POST a follow-up; the first one after a defer takes the place of the waiting answer, privacy and all."""
    found = _found(stand, call)
    check_body(stand, call.body | ({"attachments": [{}] * len(call.files)} if call.files else {}))
    if found.shown is not None and found.shown.loading:
        message = found.shown
        change_message(stand, message, call.body, call.files)
    else:
        private = bool(int(call.body.get("flags") or 0) & EPHEMERAL_FLAG)
        message = _say(stand, found, call.body, call.files, private=private)
        found.followups.append(message)
    found.done.set()
    if call.query.get("wait", "").lower() not in {"1", "true"}:
        return Answer(204)
    return Answer(200, message_json(message, stand.world))


def _message(found: Interaction, call: Call) -> Message:
    wanted = call.ids.get("message_id", "@original")
    own = [found.shown, *found.followups]
    hit = (
        found.shown if wanted == "@original" else next((each for each in own if each and str(each.id) == wanted), None)
    )
    if hit is None or hit.deleted:
        raise Refusal(*wire.UNKNOWN_MESSAGE)
    return hit


def get_answer(stand: StandIn, call: Call) -> Answer:
    """GET the answer or a follow-up."""
    return Answer(200, message_json(_message(_found(stand, call), call), stand.world))


def edit_answer(stand: StandIn, call: Call) -> Answer:
    """PATCH the answer or a follow-up."""
    found = _found(stand, call)
    message = _message(found, call)
    change_message(stand, message, call.body, call.files)
    found.edits.append(call.body)
    found.done.set()
    return Answer(200, message_json(message, stand.world))


def delete_answer(stand: StandIn, call: Call) -> Answer:
    """DELETE the answer or a follow-up."""
    found = _found(stand, call)
    stand.delete_message(_message(found, call))
    found.done.set()
    return Answer(204)


_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/interactions/{interaction_id}/{token}/callback"): callback,
    ("POST", _WEBHOOK): follow_up,
    ("GET", f"{_WEBHOOK}/messages/@original"): get_answer,
    ("PATCH", f"{_WEBHOOK}/messages/@original"): edit_answer,
    ("DELETE", f"{_WEBHOOK}/messages/@original"): delete_answer,
    ("GET", f"{_WEBHOOK}/messages/{{message_id}}"): get_answer,
    ("PATCH", f"{_WEBHOOK}/messages/{{message_id}}"): edit_answer,
    ("DELETE", f"{_WEBHOOK}/messages/{{message_id}}"): delete_answer,
}
