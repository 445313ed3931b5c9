"""Which feeds a web page names.

Runs in a worker process (bot/workers/): a page is a stranger's. Fetches nothing; whether what it names may be asked says the guard.
Source: RSS Autodiscovery (rssboard.org), the WHATWG HTML standard on rel=alternate.
"""

from __future__ import annotations

from selectolax.lexbor import LexborHTMLParser

from bot.feeds.encoding import decode_document
from bot.feeds.links import absolute_link
from bot.feeds.plaintext import line_in
from bot.model import FeedLink

LIMIT_CHARS = 2_000_000
LIMIT_LINKS = 20
LIMIT_TAGS = 1_000
TITLE_CHARS = 200
FEED_TYPES = frozenset(
    {
        "application/rss+xml",
        "application/atom+xml",
        "application/rdf+xml",
        "application/feed+json",
        "application/json",
        "application/xml",
        "text/xml",
    }
)
_TELLING = frozenset(
    {"application/json", "application/xml", "text/xml"}
)  # of much else too: only where the title says so
_COMMENTS = ("comment", "kommentar", "комментари", "commentaire", "comentario")
_NAMES_FEED = ("rss", "atom", "feed")


def feed_links_in(body: bytes, content_type: str | None = None, base_url: str = "") -> tuple[FeedLink, ...]:
    """Return the feeds that a page names, each address once, at most 20; feeds of comments come last.

    content_type: the HTTP header as received. base_url: where the page came from; a `<base>` of its own goes before it.
    """
    text, _ = decode_document(body, content_type)
    page = LexborHTMLParser(text[:LIMIT_CHARS])
    base = page.css_first("base[href]")
    base_url = (absolute_link(base.attributes.get("href") or "", base_url) if base else "") or base_url
    found: dict[str, FeedLink] = {}
    for tag in page.css("link[href]")[:LIMIT_TAGS]:
        given = {name.lower(): value or "" for name, value in tag.attributes.items()}
        title = line_in(given.get("title", ""))[:TITLE_CHARS]
        url = absolute_link(given["href"], base_url) if _is_feed(given, title) else ""
        if url and url != base_url:
            found.setdefault(url, FeedLink(url=url, title=title))
    links = sorted(found.values(), key=_is_of_comments)
    return tuple(links[:LIMIT_LINKS])


def _is_feed(given: dict[str, str], title: str) -> bool:
    rel = given.get("rel", "").lower().split()
    kind = given.get("type", "").partition(";")[0].strip().lower()
    if "feed" in rel:
        return not kind or kind in FEED_TYPES
    if "alternate" not in rel or "stylesheet" in rel or kind not in FEED_TYPES:
        return False
    named = f"{title} {given['href']}".lower()
    return kind not in _TELLING or any(word in named for word in _NAMES_FEED)


def _is_of_comments(link: FeedLink) -> bool:
    said = f"{link.title} {link.url}".lower()
    return any(word in said for word in _COMMENTS)
