"""Discord's own OpenAPI description as a judge of what is sent to it, and of what the stand-in answers.

The description is not part of this repository: without it there is no judge, and tests say so and skip. Its authors call it a preview, so
it judges in tests only. What it misses, discord_lint.py knows.
"""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jsonschema.exceptions import ValidationError

    from tests.standin.journal import Request

    Forgiven = Callable[[str], bool]

JSON = dict[str, Any]
DESCRIPTION: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "discord" / "openapi.json"
MISSING: Final = "Discord's description (../shared/data/discord/openapi.json) is not here: conformance is not checked"
_URI: Final = "urn:discord"
_MAJOR = re.compile(r"\{[^}]+\}")

# discord.py's own deviations, by route and place in the body; nothing else is forgiven.
_COMMANDS: Final = r"PUT /applications/\{application_id\}(/guilds/\{guild_id\})?/commands"
_SEND: Final = (
    r"(POST|PATCH) /(channels/\{channel_id\}/(messages(/\{message_id\})?|threads)|webhooks/.*|interactions/.*)"
)
_IN_MESSAGE: Final = r"\$(\.data|\.message)?"
_ALLOWED: Final = [
    (re.compile(route), re.compile(f"^{place}$"))
    for route, place in (
        (_COMMANDS, r"\$\[\d+\]\.nsfw"),
        (_SEND, _IN_MESSAGE + r"\.embeds\[\d+\]\.flags"),
        (_SEND, _IN_MESSAGE + r"\.attachments\[\d+\]\.id"),
        (_SEND, _IN_MESSAGE + r"\.allowed_mentions\.(roles|users)\[\d+\]"),
        (_SEND, _IN_MESSAGE + r"\.message_reference\.(message_id|channel_id|guild_id)"),
        (_SEND, _IN_MESSAGE + r"(\.\w+\[\d+\])+\.default_values\[\d+\]\.id"),
        (r"POST /users/@me/channels", r"\$\.recipient_id"),
        (r"PATCH /.*", r"\$\.tts"),
        (r"POST /interactions/.*", r"\$\.data\.tts"),
        (r"POST /channels/\{channel_id\}/threads", r"\$\.(message\.tts|tts|type)"),
    )
]
_QUERY_ALLOWED: Final = {("POST", "/channels/{channel_id}/threads"): {"use_nested_fields"}}


@cache
def description() -> Spec | None:
    """Return the judge; None where the description is not there."""
    return Spec(json.loads(DESCRIPTION.read_text(encoding="utf-8"))) if DESCRIPTION.is_file() else None


class Spec:
    """The description, tightened: a request may have no property that it does not name."""

    def __init__(self, document: JSON) -> None:
        self.document = copy.deepcopy(document)
        for name, schema in self.document["components"]["schemas"].items():
            if (
                ("Request" in name or name.startswith("RichEmbed"))
                and schema.get("type") == "object"
                and "properties" in schema
            ):
                schema.setdefault("additionalProperties", False)
        self._registry: Registry[Any] = Registry().with_resource(
            _URI, Resource.from_contents(self.document, default_specification=DRAFT202012)
        )
        self._validators: dict[str, Draft202012Validator] = {}
        paths = sorted(self.document["paths"], key=lambda path: (path.count("{"), -len(path)))
        self._paths = [(path, re.compile("^" + _MAJOR.sub("[^/]+", path) + "$")) for path in paths]

    def faults_in(self, request: Request) -> list[str]:
        """Return what a recorded request has that Discord does not describe."""
        return self.faults_in_request(request.method, request.path, request.query, request.body, request.content_type)

    def faults_in_request(
        self,
        method: str,
        path: str,
        query: Iterable[str] = (),
        body: object = None,
        content_type: str = "application/json",
    ) -> list[str]:
        """Return the same for its parts; path is below /api/v10; of multipart the body is the payload_json part."""
        template = self._template(method, path)
        if template is None:
            return [f"{method} {path}: no such route"]
        where, operation = f"{method} {template}", self.document["paths"][template][method.lower()]
        named = {self._resolved(each)["name"] for each in operation.get("parameters", [])}
        unknown = set(query) - named - _QUERY_ALLOWED.get((method, template), set())
        faults = [f"{where}: no query {name!r}" for name in sorted(unknown)]
        media = (operation.get("requestBody") or {}).get("content", {})
        if body is None or not media:
            return faults + ([f"{where}: a body where none belongs"] if body else [])
        if content_type not in media:
            return [*faults, f"{where}: a body of type {content_type!r}"]
        pointer = _pointer("paths", template, method.lower(), "requestBody", "content", content_type, "schema")
        return faults + [f"{where} {place}: {text}" for place, text in self._faults(pointer, body, _forgiven_in(where))]

    def faults_in_answer(self, request: Request) -> list[str]:
        """Return what the stand-in answered otherwise than Discord describes; nothing for what a scripted fault spoiled."""
        template = self._template(request.method, request.path)
        if template is None or request.status is None or request.fault or isinstance(request.answer, str):
            return []
        responses = self.document["paths"][template][request.method.lower()]["responses"]
        status = str(request.status)
        key = next((each for each in (status, f"{status[0]}XX") if each in responses), None)
        where = f"{request.method} {template} → {status}"
        if key is None:
            return [f"{where}: no such status"]
        pointer = _pointer("paths", template, request.method.lower(), "responses", key)
        if "$ref" in responses[key]:
            pointer = responses[key]["$ref"]
        schema = (self._at(pointer).get("content") or {}).get("application/json")
        if schema is None:
            return [f"{where}: content where none belongs"] if request.answer is not None else []
        pointer += "/content/application~1json/schema"
        return [
            f"{where} {place}: {text}" for place, text in self._faults(pointer, request.answer, _forgiven_in_answer)
        ]

    def _template(self, method: str, path: str) -> str | None:
        hits = (template for template, pattern in self._paths if pattern.match(path))
        return next((each for each in hits if method.lower() in self.document["paths"][each]), None)

    def _resolved(self, part: JSON) -> JSON:
        return self._at(part["$ref"]) if "$ref" in part else part

    def _at(self, pointer: str) -> JSON:
        node: Any = self.document
        for step in pointer.removeprefix("#/").split("/"):
            node = node[step.replace("~1", "/").replace("~0", "~")]
        return dict(node)

    def _faults(self, pointer: str, body: Any, forgiven: Forgiven) -> list[tuple[str, str]]:  # noqa: ANN401 - JSON
        if pointer not in self._validators:
            self._validators[pointer] = Draft202012Validator({"$ref": _URI + pointer}, registry=self._registry)
        errors = self._validators[pointer].iter_errors(body)
        return [fault for error in errors for fault in _leaves(error, forgiven)]


def _leaves(error: ValidationError, forgiven: Forgiven) -> list[tuple[str, str]]:
    """Return what is wrong at the deepest places (where, what) and not forgiven; of a union, along the branch that fits best."""
    if error.validator in {"oneOf", "anyOf"} and error.context:
        branches: dict[int, list[ValidationError]] = {}
        for each in error.context:
            branches.setdefault(int(each.schema_path[0]), []).append(each)
        kind = [each for each in branches.values() if not _misses_kind(each)] or list(branches.values())
        return min(([leaf for each in branch for leaf in _leaves(each, forgiven)] for branch in kind), key=len)
    if (
        error.validator == "additionalProperties"
        and isinstance(error.instance, dict)
        and isinstance(error.schema, dict)
    ):
        unknown = sorted(set(error.instance) - set(error.schema.get("properties", {})))
        leaves = [(f"{error.json_path}.{key}", "is not described") for key in unknown]
    else:
        leaves = [(error.json_path, error.message[:300])]
    return [leaf for leaf in leaves if not forgiven(leaf[0])]


def _misses_kind(errors: list[ValidationError]) -> bool:
    """Return whether a branch of a union is meant for another kind of thing: a different `type` of component, or no object at all."""
    return any(
        (each.validator in {"enum", "const"} and list(each.path)[-1:] == ["type"] and len(each.relative_path) == 1)
        or (each.validator == "type" and not each.relative_path)
        for each in errors
    )


def _forgiven_in(where: str) -> Forgiven:
    spots = [spot for route, spot in _ALLOWED if route.fullmatch(where)]
    return lambda place: any(spot.match(place) for spot in spots)


def _forgiven_in_answer(place: str) -> bool:
    """Forgive the codes of single fields: the description calls them numbers, Discord sends names ("BASE_TYPE_MAX_LENGTH")."""
    return place.startswith("$.errors")


def _pointer(*steps: str) -> str:
    return "#/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
