"""Links out of feeds: made absolute, or nothing. Says nothing about whether one may be fetched (web/guard.py). Pure."""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin, urlsplit

LIMIT_CHARS = 2_048

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BLANKS = re.compile(r"[\t\r\n\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def absolute_link(written: str, base_url: str) -> str:
    """Return an http(s) link with a host, resolved against the base where it is relative, else "". Blanks inside become %20.

    User name and password are cut: in "https://www.bbc.co.uk@evil.example/" they only disguise where the link leads.
    """
    link = _BLANKS.sub("", written).strip()
    if "&amp;" in link:
        link = html.unescape(link)
    if not link or len(link) > LIMIT_CHARS:
        return ""
    try:
        if not _SCHEME.match(link):
            link = urljoin(base_url, link)
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not host:
        return ""
    authority = parts.netloc
    return link.replace(authority, authority.rpartition("@")[2], 1).replace(" ", "%20")


def without_credentials(url: str) -> str:
    """Return the address as it may be shown: without user name and password."""
    scheme, separator, rest = url.partition("//")
    if not separator:  # somebody left out the scheme
        scheme, rest = "", url
    end = next((at for at, char in enumerate(rest) if char in "/?#"), len(rest))
    return f"{scheme}{separator}{rest[:end].rpartition('@')[2]}{rest[end:]}"


def host_of(url: str) -> str:
    """Return the host of a URL, without www. and without credentials; "" where it has none."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
