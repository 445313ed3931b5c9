"""The judges of what goes to Discord (the lint, and Discord's own description), and the stand-in as a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.discord_lint import doubts_in, faults_in, faults_in_callback, faults_in_commands, faults_in_modal
from tests.discord_spec import MISSING, Spec, description
from tests.standin import Fault, StandIn
from tests.standin.shapes import token_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

JSON = dict[str, Any]
V2 = 1 << 15
AGENT = "DiscordBot (https://example.org, 1.0)"
SEND = "/channels/1/messages"
ROOT = Path(__file__).resolve().parents[1]


def button(custom_id: str = "a", **more: Any) -> JSON:  # noqa: ANN401 - parts of a component
    return {"type": 2, "style": 1, "label": "Go", "custom_id": custom_id, **more}


def row(*parts: JSON) -> JSON:
    return {"type": 1, "components": list(parts)}


def says(text: str) -> JSON:
    return {"type": 10, "content": text}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "content"),
        ({"content": "  \n "}, "content"),
        ({"content": "x" * 2001}, "content"),
        ({"embeds": [{}]}, "embeds[0]"),
        ({"embeds": [{"title": "x" * 257}]}, "embeds[0].title"),
        ({"embeds": [{"description": "x" * 3500}, {"description": "x" * 2501}]}, "embeds"),
        ({"embeds": [{"title": "x", "url": "javascript:alert(1)"}]}, "embeds[0].url"),
        ({"embeds": [{"title": "x", "url": "https://a.example/" + "x" * 2048}]}, "embeds[0].url"),
        ({"embeds": [{"title": "x", "fields": [{"name": "", "value": "x"}]}]}, "embeds[0].fields[0].name"),
        ({"content": "x", "enforce_nonce": True}, "enforce_nonce"),
        ({"content": "x", "nonce": "x" * 26}, "nonce"),
        ({"content": "x", "allowed_mentions": {"parse": ["roles"], "roles": ["1"]}}, "allowed_mentions.roles"),
        ({"content": "x", "components": [row(button(), button())]}, "components"),
        ({"content": "x", "components": [row(button(str(index))) for index in range(6)]}, "components"),
        ({"content": "x", "components": [row(button(label="x" * 81))]}, "components[0].components[0].label"),
        (
            {"content": "x", "components": [row({"type": 2, "style": 5, "label": "x", "url": "ftp://a"})]},
            "components[0].components[0].url",
        ),
        ({"components": [says("x")]}, "components[0]"),
        ({"flags": V2, "content": "x", "components": [says("x")]}, "content"),
        ({"flags": V2, "components": [says("x" * 2500), says("x" * 1501)]}, "components"),
        ({"flags": V2, "components": [{"type": 17, "components": [says("x")] * 40}]}, "components"),
    ],
)
def test_the_lint_sees_what_discord_would_refuse_and_says_where(body: JSON, path: str) -> None:
    faults = faults_in(body)
    assert [fault.split(": ")[0] for fault in faults] == [path]


def test_the_lint_lets_a_full_but_legal_message_pass() -> None:
    embed = {"title": "x" * 256, "description": "x" * 4096, "url": "https://a.example/ü", "footer": {"text": "x" * 100}}
    rows = [row(*(button(f"{line}-{place}") for place in range(5))) for line in range(5)]
    mentions = {"parse": [], "roles": ["1"]}
    body = {
        "content": "x" * 2000,
        "embeds": [embed],
        "components": rows,
        "nonce": "x" * 25,
        "allowed_mentions": mentions,
    }
    assert faults_in(body | {"enforce_nonce": True}) == []
    assert faults_in({"components": []}, edit=True) == []
    assert faults_in({"flags": V2, "components": [{"type": 17, "components": [says("x" * 100)] * 39}]}) == []


def test_the_lint_doubts_two_embeds_with_one_address() -> None:
    embeds = [{"title": "a", "url": "https://a.example"}, {"title": "b", "url": "https://a.example"}]
    assert doubts_in({"embeds": embeds}) == ["embeds: 2 with one url, of which one is shown"]


def test_the_lint_sees_faults_in_commands() -> None:
    good: JSON = {"name": "watch", "description": "Watches", "options": []}
    option: JSON = {"type": 3, "name": "name", "description": "its name"}
    assert faults_in_commands([good | {"options": [option | {"required": True}]}]) == []
    assert faults_in_commands([good | {"name": "Watch"}]) == ["[0].name: 'Watch' is no command name"]
    assert faults_in_commands([good | {"name_localizations": {"be": "x"}}]) == [
        "[0].name_localizations: unknown locale 'be'"
    ]
    assert faults_in_commands([good | {"options": [option, option]}]) == ["[0].options: 'name' twice"]
    late = [option, option | {"name": "other", "required": True}]
    assert faults_in_commands([good | {"options": late}]) == ["[0].options[1]: required, after one that is not"]
    choices = [{"name": f"{index:0100}", "value": f"{index:0100}"} for index in range(25)]
    many = [option | {"name": f"o{index}", "choices": choices} for index in range(2)]
    assert [fault.split(":")[0] for fault in faults_in_commands([good | {"options": many}])] == ["[0]"]
    assert faults_in_commands([good, good]) == [": '1 watch' twice"]


def test_the_lint_sees_faults_in_modals_and_callbacks() -> None:
    field: JSON = {"type": 4, "custom_id": "a", "label": "A", "style": 1}
    modal: JSON = {"title": "Ask", "custom_id": "ask", "components": [row(field)]}
    assert faults_in_modal(modal) == []
    six = [row(field | {"custom_id": str(index)}) for index in range(6)]
    assert faults_in_callback({"type": 9, "data": modal | {"components": six}}) == ["components: 6 rows, 1 to 5"]
    choices = [{"name": str(index), "value": str(index)} for index in range(26)]
    assert faults_in_callback({"type": 8, "data": {"choices": choices}}) == ["choices: 26, at most 25"]
    assert faults_in_callback({"type": 5}) == []


@pytest.fixture
def spec() -> Spec:
    found = description()
    if found is None:
        pytest.skip(MISSING)
    return found


@pytest.mark.parametrize(
    ("method", "path", "body", "fault"),
    [
        ("POST", SEND, {"content": "x", "colour": 1}, "$.colour"),
        ("POST", SEND, {"content": 7}, "$.content"),
        ("POST", SEND, {"embeds": [{"title": "x", "titel": "x"}]}, "$.embeds[0].titel"),
        ("POST", SEND, {"embeds": [{"title": "x" * 257}]}, "$.embeds[0].title"),
        ("POST", SEND, {"components": [row(button(labell="x"))]}, "$.components[0].components[0].labell"),
        ("POST", SEND, {"nonce": "x" * 26}, "$.nonce"),
        ("POST", SEND, {"message_reference": {"message_id": "1", "chan": 1}}, "$.message_reference.chan"),
        ("POST", SEND, {"content": "x", "nsfw": False}, "$.nsfw"),
        ("POST", "/interactions/1/abc/callback", {"type": 4, "data": {"content": "x", "extra": 1}}, "$.data.extra"),
        ("POST", "/channels/1/threads", {"name": "x", "message": {"content": "x", "extra": 1}}, "$.message.extra"),
        ("PUT", "/applications/1/commands", [{"name": "x" * 33, "description": "x"}], "$[0].name"),
        ("PUT", "/applications/1/commands", [{"name": "x", "description": "x", "option": []}], "$[0].option"),
    ],
)
def test_the_description_is_held_to_the_letter(spec: Spec, method: str, path: str, body: object, fault: str) -> None:
    faults = spec.faults_in_request(method, path, body=body)
    assert len(faults) == 1
    assert f" {fault}: " in faults[0]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", SEND, {"content": "x", "allowed_mentions": {"parse": [], "roles": [1], "users": [2]}}),
        ("POST", SEND, {"content": "x", "message_reference": {"message_id": 1, "channel_id": 2}}),
        ("PATCH", "/channels/1/messages/2", {"content": "x", "tts": False}),
        ("POST", SEND, {"embeds": [{"title": "x", "flags": 0}]}),
        ("PUT", "/applications/1/commands", [{"name": "x", "description": "x", "nsfw": False}]),
        (
            "POST",
            "/interactions/1/abc/callback",
            {"type": 7, "data": {"content": "x", "tts": False, "attachments": [{"id": 0}]}},
        ),
    ],
)
def test_the_known_deviations_of_discord_py_are_forgiven(spec: Spec, method: str, path: str, body: object) -> None:
    assert spec.faults_in_request(method, path, body=body) == []


def test_the_description_knows_no_other_routes_queries_or_bodies(spec: Spec) -> None:
    assert spec.faults_in_request("POST", "/nowhere", body={}) == ["POST /nowhere: no such route"]
    assert spec.faults_in_request("GET", SEND, ["limit", "till"]) == [
        "GET /channels/{channel_id}/messages: no query 'till'"
    ]
    assert spec.faults_in_request("POST", SEND, body={}, content_type="text/plain")[0].endswith(
        "a body of type 'text/plain'"
    )
    assert spec.faults_in_request("DELETE", "/channels/1/messages/2", body={"a": 1})[0].endswith(
        "a body where none belongs"
    )


async def post(stand: StandIn, body: JSON, **headers: str) -> tuple[int, JSON]:
    sent = {"Authorization": f"Bot {stand.token}", "User-Agent": AGENT} | headers
    url = f"{stand.api}/channels/{stand.alerts.id}/messages"
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=sent) as answer:
        return answer.status, await answer.json()


async def test_a_message_over_a_limit_is_refused_with_the_place_of_the_fault() -> None:
    async with StandIn() as stand:
        status, body = await post(stand, {"embeds": [{"title": "x" * 257}]})
        assert (status, body["code"]) == (400, 50035)
        assert body["errors"]["embeds"]["0"]["title"]["_errors"][0]["message"] == "257 characters, at most 256"


async def test_a_request_too_early_a_token_in_the_open_and_a_strange_agent_are_violations() -> None:
    async with StandIn() as stand:
        stand.fail(Fault("429", "POST", "/channels/*", retry_after_s=5))
        assert (await post(stand, {"content": "x"}))[0] == 429
        await asyncio.sleep(0.08)
        status, body = await post(stand, {"content": stand.token})
        assert status == 429
        assert 4 < body["retry_after"] < 5
        await post(stand, {"content": "x"}, **{"User-Agent": "curl"})
        kinds = [each.split(":")[0] for each in stand.violations]
        assert kinds == ["token", "early", "agent", "early"]
        assert stand.token not in str(stand.journal)


async def test_more_than_fifty_requests_in_a_second_meet_the_global_limit() -> None:
    async with StandIn() as stand:
        answers = await asyncio.gather(*(post(stand, {"content": "x"}) for _ in range(55)))
        assert [status for status, _ in answers].count(429) == 5
        assert all(body["global"] for status, body in answers if status == 429)


@asynccontextmanager
async def as_process(layout: Path) -> AsyncIterator[JSON]:
    command = [sys.executable, "-m", "tests.standin", "--port", "0", "--state", str(layout)]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    try:
        yield json.loads(await child.stdout.readline())
    finally:
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0
        await child.stdout.read()


async def test_it_runs_as_a_process_and_is_driven_from_another(tmp_path: Path) -> None:
    layout = tmp_path / "layout.json"
    channels = [{"id": 30, "name": "general"}, {"id": 31, "name": "alerts"}]
    layout.write_text(json.dumps({"bot": 10, "guilds": [{"id": 20, "name": "Desk", "channels": channels}]}))
    async with as_process(layout) as at, aiohttp.ClientSession() as session:

        async def control(name: str, expected: int = 200, **given: Any) -> Any:  # noqa: ANN401 - JSON
            async with session.post(f"{at['control']}/{name}", json=given) as answer:
                body = await answer.json()
                assert answer.status == expected, body
                return body

        headers = {"Authorization": f"Bot {token_for(10)}", "User-Agent": AGENT}

        async def send(nonce: str = "d1") -> JSON:
            body = {"content": "hello", "nonce": nonce, "enforce_nonce": True}
            async with session.post(f"{at['api']}/channels/31/messages", json=body, headers=headers) as answer:
                return {"status": answer.status, **await answer.json()}

        first, again = await send(), await send()
        assert first["id"] == again["id"]
        await control("wipe_nonces")
        assert (await send())["id"] != first["id"]
        assert len(await control("messages", channel=31)) == 2
        await control("permissions", channel=31, deny=["SEND_MESSAGES"])
        assert (await send("d2"))["code"] == 50013
        await control("fault", kind="status", path="/channels/*", status=500, code=1)
        assert (await send("d2"))["status"] == 500
        await control("remove_channel", channel=31)
        assert (await send("d2"))["code"] == 10003
        assert "LookupError" in (await control("slash", 400, line="nothing"))["error"]
        await control("nonsense", 404)
        assert (await control("summary"))["statuses"] == {"200": 3, "403": 1, "404": 1, "500": 1}
        assert token_for(10) not in json.dumps(await control("requests"))
