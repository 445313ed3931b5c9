"""The headers that an operator gives a feed of his own: an API key, a cookie. They are secrets, so no text here ever repeats one. Pure."""

from __future__ import annotations

import re

Headers = tuple[tuple[str, str], ...]

LIMIT_BYTES = 8_192
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2, token
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
_OURS = frozenset(
    {
        "a-im",
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "if-modified-since",
        "if-none-match",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)


def headers_in(text: str) -> Headers:
    """Return the headers of a header file: one "Name: value" a line; blank lines and those that begin with "#" say nothing.

    Raises:
        ValueError: what is wrong in which line, in words that hold nothing of the file.
    """
    if len(text.encode("utf-8", "surrogatepass")) > LIMIT_BYTES:
        raise ValueError(f"the file is longer than {LIMIT_BYTES:,} bytes; it holds a few headers at most")
    headers: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, value = (part.strip(" \t\r") for part in line.partition(":"))
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f'line {number} is no header: write "Name: value" in plain ASCII, one a line')
        if name.lower() in _OURS:
            raise ValueError(f"line {number} sets a header that the bot sets itself; remove the line")
        if name.lower() in headers:
            raise ValueError(f"line {number} gives the same header a second time; remove one of the two")
        headers[name.lower()] = name, value
    if not headers:
        raise ValueError('the file holds no header: write "Name: value", one a line')
    return tuple(headers.values())
