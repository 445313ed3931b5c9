"""The stand-in's REST door: records each request, checks what Discord checks first, lets faults strike, and answers.

Knows no route's meaning: messages.py, places.py and interactions.py do.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.standin import interactions, messages, places
from tests.standin.faults import Fault, refusal_429
from tests.standin.journal import Request
from tests.standin.wire import Answer, Call, Refusal, close_connection, reset_connection

if TYPE_CHECKING:
    from tests.standin.server import StandIn
    from tests.standin.wire import Route

JSON = dict[str, Any]
_OPEN = ("/interactions/", "/webhooks/", "/gateway")
_ROUTES = messages.ROUTES | places.ROUTES | interactions.ROUTES


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + "$")


_TABLE = sorted(
    ((method, _pattern(template), template, route) for (method, template), route in _ROUTES.items()),
    key=lambda row: row[2].count("{"),
)


@dataclass
class Rest:
    """All of /api/v10."""

    stand: StandIn
    faults: list[Fault] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or fail to, as the script says."""
        record, body = await self._record(request)
        if (refused := self._check(record, request)) is not None:
            return self._send(record, refused)
        route, ids = _route_for(record)
        key = _bucket(record, ids)
        if (limited := self._limited(record, key)) is not None:
            return limited
        fault = next((each for each in self.faults if each.strikes(record.method, record.path)), None)
        if fault is not None and (struck := await self._strike_first(fault, record, request, key)) is not None:
            return struck
        answer = self._answer(route, Call(ids, record.query, body, record.files), record)
        if fault is not None and (struck := await self._strike_after(fault, record, request, key, answer)) is not None:
            return struck
        return self._send(record, answer, key)

    async def _record(self, request: web.Request) -> tuple[Request, Any]:
        path = request.path.removeprefix("/api/v10")
        headers = {name.lower(): value.replace(self.stand.token, "***") for name, value in request.headers.items()}
        record = Request(time.monotonic(), request.method, path, dict(request.query), headers)
        record.content_type = request.content_type if request.can_read_body else ""
        self.stand.journal.requests.append(record)
        if record.content_type == "multipart/form-data":
            record.body, record.files = await _parts(request)
        elif request.can_read_body:
            text = await request.text()
            if self.stand.token in text:
                self.stand.journal.breach("token", f"{record.method} {path}: the token stands in the body")
            record.body = _parsed(text.replace(self.stand.token, "***"))
            if record.content_type != "application/json":
                self.stand.journal.breach("type", f"{record.method} {path}: a body of type {record.content_type}")
        return record, record.body if record.body is not None else {}

    def _check(self, record: Request, request: web.Request) -> Answer | None:
        if self.stand.token in str(request.rel_url):
            record.path = record.path.replace(self.stand.token, "***")
            self.stand.journal.breach("token", f"{record.method} {record.path}: the token stands in the address")
        webhook = record.path.startswith("/webhooks/") and "authorization" not in record.headers
        if not webhook and not re.match(r"DiscordBot \(\S+,? ?\S+\)", record.headers.get("user-agent", "")):
            self.stand.journal.breach("agent", f"{record.method} {record.path}: {record.headers.get('user-agent')!r}")
        if record.path.startswith(_OPEN):
            return None
        if request.headers.get("Authorization") != f"Bot {self.stand.token}" or self.stand.token_revoked:
            return Answer(401, {"message": "401: Unauthorized", "code": 0})
        return None

    def _limited(self, record: Request, key: str) -> web.Response | None:
        limiter = self.stand.limiter
        blocked = limiter.blocked(key, record.path)
        if blocked is not None:
            block, early = blocked
            left_s = block.until_s - time.monotonic()
            if early:
                self.stand.journal.breach(
                    "early", f"{record.method} {record.path}: {left_s:.2f} s before Retry-After was over"
                )
            return self._send_429(record, key, block.form, max(left_s, 0.001))
        over = limiter.take(key, record.method, record.path)
        if over is None:
            return None
        form, retry_after_s = over
        limiter.block(key, form, retry_after_s)
        return self._send_429(record, key, form, retry_after_s)

    async def _strike_first(
        self, fault: Fault, record: Request, request: web.Request, key: str
    ) -> web.StreamResponse | None:
        """Do what strikes before anything is accepted; None: go on."""
        record.fault = fault.kind
        if fault.kind == "delay":
            await self.stand.pause(fault.seconds)
        return None if fault.accepts else await self._break(fault, record, request, key)

    async def _strike_after(
        self, fault: Fault, record: Request, request: web.Request, key: str, answer: Answer
    ) -> web.StreamResponse | None:
        """Do what strikes after the request took effect; None: answer it."""
        match fault.kind:
            case "wrong_type":
                record.status = answer.status
                return web.Response(text=json.dumps(answer.body), status=answer.status, content_type="text/html")
            case "cut_body":
                return await self._send_half(request, answer, key, record)
            case "delay":
                return None
            case _:
                return await self._break(fault, record, request, key)

    async def _break(self, fault: Fault, record: Request, request: web.Request, key: str) -> web.StreamResponse:
        match fault.kind:
            case "429":
                self.stand.limiter.block(key, fault.form, fault.retry_after_s)
                return self._send_429(record, key, fault.form, fault.retry_after_s)
            case "status":
                return self._send_status(record, fault, key)
            case "cut":
                return reset_connection(request)
            case "hang":
                await self.stand.pause(fault.seconds)
        return close_connection(request)

    def _answer(self, route: Route | None, call: Call, record: Request) -> Answer:
        if route is None:
            self.stand.journal.breach("route", f"{record.method} {record.path}: no such route")
            return Answer(404, {"message": "404: Not Found", "code": 0})
        try:
            return route(self.stand, call)
        except Refusal as refusal:
            return Answer(refusal.status, refusal.body())

    def _send(self, record: Request, answer: Answer, key: str = "") -> web.Response:
        record.status, record.answer = answer.status, answer.body
        headers = self.stand.limiter.headers(key, record.method, record.path) if key else {"Via": "1.1 stand-in"}
        if answer.body is None:
            return web.Response(status=answer.status, headers=headers)
        body = json.dumps(answer.body).encode()
        return web.Response(body=body, status=answer.status, headers=headers | {"Content-Type": "application/json"})

    def _send_status(self, record: Request, fault: Fault, key: str) -> web.Response:
        if fault.code:
            return self._send(
                record, Answer(fault.status, {"message": fault.message or "scripted", "code": fault.code}), key
            )
        record.status = fault.status
        return web.Response(text=f"upstream error {fault.status}", status=fault.status, content_type="text/html")

    def _send_429(self, record: Request, key: str, form: str, retry_after_s: float) -> web.Response:
        body, headers = refusal_429(form, retry_after_s)  # type: ignore[arg-type] # a Form that came through a Block
        record.status, record.answer = 429, body
        self.stand.journal.shared_limits += form == "shared"
        if isinstance(body, str):
            return web.Response(text=body, status=429, headers=headers, content_type="text/plain")
        rates = self.stand.limiter.headers(key, record.method, record.path) | {
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset-After": f"{retry_after_s:.3f}",
            "Content-Type": "application/json",
        }
        rates.pop("Via")
        return web.Response(body=json.dumps(body).encode(), status=429, headers=rates | headers)

    async def _send_half(self, request: web.Request, answer: Answer, key: str, record: Request) -> web.StreamResponse:
        body = json.dumps(answer.body).encode()
        headers = self.stand.limiter.headers(key, record.method, record.path) | {"Content-Type": "application/json"}
        response = web.StreamResponse(status=answer.status, headers=headers | {"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        await asyncio.sleep(0.02)
        close_connection(request)
        return response


def _route_for(record: Request) -> tuple[Route | None, dict[str, str]]:
    for method, pattern, template, route in _TABLE:
        if method == record.method and (found := pattern.match(record.path)):
            record.template = template
            return route, found.groupdict()
    return None, {}


def _bucket(record: Request, ids: dict[str, str]) -> str:
    major = ids.get("channel_id") or ids.get("guild_id") or ids.get("webhook_token") or ids.get("token") or ""
    return f"{record.method} {record.template or '/'} {major}"


async def _parts(request: web.Request) -> tuple[Any, list[str]]:
    body: Any = None
    files: list[str] = []
    async for part in await request.multipart():
        name = getattr(part, "name", None)
        if name == "payload_json":
            body = _parsed((await part.read()).decode())  # type: ignore[union-attr] # payload_json is never a nested multipart
        else:
            files.append(getattr(part, "filename", None) or str(name))
            await part.read()  # type: ignore[union-attr] # nor is a file
    return body, files


def _parsed(text: str) -> Any:  # noqa: ANN401 - whatever JSON there is
    try:
        return json.loads(text)
    except ValueError:
        return text
