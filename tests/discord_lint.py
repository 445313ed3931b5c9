"""What Discord refuses in a payload, read off its documentation: the limits, and above all what its OpenAPI description misses.

Pure: takes the JSON that would go out, returns sentences. The stand-in answers 400 with them; tests call it on any body.
Each sentence starts with the path of what is wrong ("embeds[0].title: ..."). No fault: an empty list.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

JSON = dict[str, Any]

V2_FLAG = 1 << 15
SILENT_FLAG = 1 << 12
EPHEMERAL_FLAG = 1 << 6
LOCALES = frozenset(
    {"id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl", "pt-BR"}
    | {"ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja", "zh-TW", "ko"}
)
_ROW, _BUTTON, _TEXT_DISPLAY = 1, 2, 10
_LEGACY_TYPES = frozenset({1, 2, 3, 4, 5, 6, 7, 8})
_NAME = re.compile(r"^[-_'\w]{1,32}$")
_EMBED_LIMITS = (("title", 256), ("description", 4096), ("author.name", 256), ("footer.text", 2048))


def faults_in(body: JSON, *, edit: bool = False) -> list[str]:
    """Return what Discord would refuse in the body of a message; an edit may leave anything out."""
    return [
        *_faults_in_content(body, edit=edit),
        *_faults_in_embeds(body.get("embeds") or []),
        *faults_in_components(body.get("components") or [], v2=_is_v2(body), edit=edit),
        *_faults_in_mix(body),
        *_faults_in_mentions(body.get("allowed_mentions") or {}),
        *_faults_in_nonce(body),
    ]


def doubts_in(body: JSON) -> list[str]:
    """Return what Discord takes, but shows otherwise than meant: of embeds with one url only the first."""
    links = Counter(embed["url"] for embed in body.get("embeds") or [] if embed.get("url"))
    return [f"embeds: {count} with one url, of which one is shown" for count in links.values() if count > 1]


def faults_in_callback(body: JSON) -> list[str]:
    """Return what Discord would refuse in the first response to an interaction."""
    data: JSON = body.get("data") or {}
    match body.get("type"):
        case 4:
            return faults_in(data)
        case 7:
            return faults_in(data, edit=True)
        case 8:
            choices = data.get("choices") or []
            return [*_too_many("choices", choices, 25), *_faults_in_choices("choices", choices)]
        case 9:
            return faults_in_modal(data)
        case _:
            return []


def faults_in_modal(data: JSON) -> list[str]:
    """Return what Discord would refuse in the data of a modal."""
    rows = data.get("components") or []
    faults = [*_too_long("title", data.get("title"), 45), *_too_long("custom_id", data.get("custom_id"), 100)]
    faults += [f"{name}: is missing" for name in ("title", "custom_id") if not data.get(name)]
    if not 1 <= len(rows) <= 5:
        faults.append(f"components: {len(rows)} rows, 1 to 5")
    for path, part in _walk(rows, "components"):
        faults += _too_long(f"{path}.label", part.get("label"), 45)
    return faults + _twice("components", (part.get("custom_id") for _, part in _walk(rows, "")))


def faults_in_commands(commands: list[JSON]) -> list[str]:
    """Return what Discord would refuse in a bulk PUT of application commands."""
    faults: list[str] = []
    for index, command in enumerate(commands):
        path = f"[{index}]"
        faults += _faults_in_command(path, command, chat=command.get("type", 1) == 1)
        if (length := _command_length(command)) > 8000:
            faults.append(f"{path}: {length} characters in all names, descriptions and values, at most 8000")
    return faults + _twice("", (f"{each.get('type', 1)} {each.get('name')}" for each in commands))


def texts_in(components: Iterable[JSON]) -> list[str]:
    """Return what the text displays of components V2 say, in order."""
    return [str(part.get("content", "")) for _, part in _walk(components, "") if part.get("type") == _TEXT_DISPLAY]


def custom_ids_in(components: Iterable[JSON]) -> list[str]:
    """Return the custom ids of all components, in order."""
    return [str(part["custom_id"]) for _, part in _walk(components, "") if part.get("custom_id")]


def faults_in_components(components: list[JSON], *, v2: bool, edit: bool = False) -> list[str]:
    """Return what Discord would refuse in the components of a message."""
    parts = list(_walk(components, "components"))
    faults = _twice("components", (part.get("custom_id") for _, part in parts))
    for path, part in parts:
        faults += _too_long(f"{path}.custom_id", part.get("custom_id"), 100)
        faults += _too_many(f"{path}.options", part.get("options") or [], 25)
        if part.get("type") == _BUTTON:
            faults += _faults_in_button(path, part)
        if part.get("type") == _ROW and not 1 <= len(part.get("components") or []) <= 5:
            faults.append(f"{path}.components: 1 to 5 in a row")
    if v2:
        faults += _too_many("components", parts, 40)
        if (length := sum(map(len, texts_in(components)))) > 4000:
            faults.append(f"components: {length} characters of text, at most 4000")
    else:
        faults += _too_many("components", components, 5)
        if not edit:
            faults += [
                f"{path}: needs the components V2 flag" for path, part in parts if part["type"] not in _LEGACY_TYPES
            ]
    return faults


def _faults_in_content(body: JSON, *, edit: bool) -> list[str]:
    faults = _too_long("content", (body.get("content") or "").strip(), 2000)
    parts = ("embeds", "components", "sticker_ids", "attachments", "poll", "message_reference")
    forward = (body.get("message_reference") or {}).get("type") == 1
    if (
        not edit
        and not (body.get("content") or "").strip()
        and not any(body.get(part) for part in parts[:-1])
        and not forward
    ):
        faults.append("content: an empty message")
    return faults


def _faults_in_mix(body: JSON) -> list[str]:
    if not _is_v2(body):
        return []
    clash = [part for part in ("content", "embeds", "sticker_ids", "poll") if body.get(part)]
    return [f"{part}: not together with components V2" for part in clash]


def _faults_in_embeds(embeds: list[JSON]) -> list[str]:
    faults = _too_many("embeds", embeds, 10)
    total = 0
    for index, embed in enumerate(embeds):
        path = f"embeds[{index}]"
        texts = [*_embed_texts(path, embed)]
        total += sum(len(text) for _, text, _ in texts)
        for where, text, limit in texts:
            faults += _too_long(where, text, limit)
        faults += _too_many(f"{path}.fields", embed.get("fields") or [], 25)
        faults += [
            f"{where}: {url!r} is no http or https link"
            for where, url in _embed_links(path, embed)
            if not _is_link(url)
        ]
        faults += [f"{where}: longer than 2048" for where, url in _embed_links(path, embed) if len(url) > 2048]
        if not texts and not any(embed.get(part) for part in ("image", "thumbnail", "video")):
            faults.append(f"{path}: an empty embed")
        faults += [f"{where}: is empty" for where, text, _ in texts if ".fields[" in where and not text]
    if total > 6000:
        faults.append(f"embeds: {total} characters in all, at most 6000")
    return faults


def _embed_texts(path: str, embed: JSON) -> Iterator[tuple[str, str, int]]:
    for name, limit in _EMBED_LIMITS:
        outer, _, inner = name.partition(".")
        text = (embed.get(outer) or {}).get(inner) if inner else embed.get(outer)
        if text:
            yield f"{path}.{name}", str(text).strip(), limit
    for index, part in enumerate(embed.get("fields") or []):
        yield f"{path}.fields[{index}].name", str(part.get("name") or "").strip(), 256
        yield f"{path}.fields[{index}].value", str(part.get("value") or "").strip(), 1024


def _embed_links(path: str, embed: JSON) -> Iterator[tuple[str, str]]:
    for outer, inner in (
        ("url", ""),
        ("author", "url"),
        ("image", "url"),
        ("thumbnail", "url"),
        ("footer", "icon_url"),
    ):
        link = (embed.get(outer) or {}).get(inner) if inner else embed.get(outer)
        if link and not (inner and str(link).startswith("attachment://")):
            yield f"{path}.{outer}" + (f".{inner}" if inner else ""), str(link)


def _is_link(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"\s", url)


def _faults_in_button(path: str, button: JSON) -> list[str]:
    faults = _too_long(f"{path}.label", button.get("label"), 80)
    if not button.get("label") and not button.get("emoji"):
        faults.append(f"{path}: a button with neither label nor emoji")
    url = button.get("url")
    if button.get("style") == 5:
        faults += _too_long(f"{path}.url", url, 512)
        if not url or not _is_link(url):
            faults.append(f"{path}.url: {url!r} is no http or https link")
        if button.get("custom_id"):
            faults.append(f"{path}.custom_id: not on a link button")
    elif not button.get("custom_id"):
        faults.append(f"{path}.custom_id: is missing")
    return faults


def _faults_in_mentions(allowed: JSON) -> list[str]:
    parse = allowed.get("parse") or []
    faults = [
        f"allowed_mentions.{kind}: also in parse" for kind in ("users", "roles") if kind in parse and allowed.get(kind)
    ]
    for kind in ("users", "roles"):
        faults += _too_many(f"allowed_mentions.{kind}", allowed.get(kind) or [], 100)
    return faults


def _faults_in_nonce(body: JSON) -> list[str]:
    if body.get("enforce_nonce") and body.get("nonce") in {None, ""}:
        return ["enforce_nonce: without a nonce"]
    return _too_long("nonce", str(body.get("nonce") or ""), 25)


def _faults_in_command(path: str, command: JSON, *, chat: bool) -> list[str]:
    name, options = str(command.get("name") or ""), command.get("options") or []
    faults = _too_long(f"{path}.name", name, 32) + _too_long(f"{path}.description", command.get("description"), 100)
    faults += _too_many(f"{path}.options", options, 25)
    for key in ("name_localizations", "description_localizations"):
        faults += [
            f"{path}.{key}: unknown locale {locale!r}" for locale in command.get(key) or {} if locale not in LOCALES
        ]
    if chat:
        names = [name, *(command.get("name_localizations") or {}).values()]
        faults += [
            f"{path}.name: {each!r} is no command name"
            for each in names
            if not _NAME.match(each) or each != each.lower()
        ]
        if not command.get("description"):
            faults.append(f"{path}.description: is missing")
    faults += _twice(f"{path}.options", (option.get("name") for option in options))
    faults += _faults_in_choices(f"{path}.choices", command.get("choices") or []) if "choices" in command else []
    faults += _too_many(f"{path}.choices", command.get("choices") or [], 25)
    optional = False
    for index, option in enumerate(options):
        if option.get("required") and optional:
            faults.append(f"{path}.options[{index}]: required, after one that is not")
        optional = optional or (option.get("type") not in {1, 2} and not option.get("required"))
        faults += _faults_in_command(f"{path}.options[{index}]", option, chat=True)
    return faults


def _faults_in_choices(path: str, choices: list[JSON]) -> list[str]:
    faults = _twice(path, (choice.get("name") for choice in choices))
    for index, choice in enumerate(choices):
        name, value = str(choice.get("name") or ""), choice.get("value")
        faults += _too_long(f"{path}[{index}].name", name, 100) + ([] if name else [f"{path}[{index}].name: is empty"])
        if isinstance(value, str):
            faults += _too_long(f"{path}[{index}].value", value, 100) + (
                [] if value else [f"{path}[{index}].value: is empty"]
            )
    return faults


def _command_length(command: JSON) -> int:
    """Return the characters that count towards the 8,000: of each text its longest localisation."""
    total = 0
    for key in ("name", "description"):
        total += max(map(len, [str(command.get(key) or ""), *(command.get(f"{key}_localizations") or {}).values()]))
    total += sum(
        len(str(choice.get("name", ""))) + len(str(choice.get("value", ""))) for choice in command.get("choices") or []
    )
    return total + sum(_command_length(option) for option in command.get("options") or [])


def _walk(components: Iterable[JSON], path: str) -> Iterator[tuple[str, JSON]]:
    for index, part in enumerate(components):
        where = f"{path}[{index}]"
        yield where, part
        yield from _walk(part.get("components") or [], f"{where}.components")
        for key in ("accessory", "component"):
            if isinstance(part.get(key), dict):
                yield f"{where}.{key}", part[key]


def _is_v2(body: JSON) -> bool:
    return bool((body.get("flags") or 0) & V2_FLAG)


def _too_long(path: str, text: str | None, limit: int) -> list[str]:
    return [f"{path}: {len(text)} characters, at most {limit}"] if text and len(text) > limit else []


def _too_many(path: str, parts: list[Any], limit: int) -> list[str]:
    return [f"{path}: {len(parts)}, at most {limit}"] if len(parts) > limit else []


def _twice(path: str, names: Iterable[object]) -> list[str]:
    return [f"{path}: {name!r} twice" for name, count in Counter(filter(None, names)).items() if count > 1]
