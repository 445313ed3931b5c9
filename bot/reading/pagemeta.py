"""What a page says about its article besides the text: title, author, time, language, length. Reads an lxml tree, never changes it.

Sources in order of trust: what publishers write for machines (meta, JSON-LD), then what stands on the page.
Source: schema.org NewsArticle; ogp.me.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TIMES: Final = (
    "article:published_time", "og:article:published_time", "datepublished", "og:published_time", "parsely-pub-date",
    "sailthru.date", "cxenseparse:recs:publishtime", "pubdate", "publishdate", "publish-date", "dc.date.issued",
    "dcterms.created", "dc.date", "date",
)  # fmt: skip
_AUTHORS: Final = (
    "author",
    "parsely-author",
    "sailthru.author",
    "dc.creator",
    "byl",
    "article:author",
    "og:article:author",
)
_ARTICLE_TYPE: Final = re.compile(r"Article|Posting|Report|Review|WebPage")
_NO_NAME: Final = re.compile(r"https?:|www\.|@|\.(?:com|org|net|ru|by|ua|de|pl|fr)\b", re.IGNORECASE)
_BY: Final = re.compile(r"^by:?\s+", re.IGNORECASE)
_LANG: Final = re.compile(r"^[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*$")
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_LONGEST_NAME: Final = 120
_MOST_WORDS: Final = 1_000_000
_MOST_NODES: Final = 20_000
_MOST_HEADLINES: Final = 10
_LONGEST_LINE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PageMeta:
    """What the page says. headlines: every text that may stand as a headline above the article. words_said: 0 where unsaid."""

    title: str = ""
    headlines: tuple[str, ...] = ()
    author: str = ""
    published_at: datetime | None = None
    lang: str | None = None
    words_said: int = 0


def page_meta(tree: Any) -> PageMeta:  # noqa: ANN401  lxml ships no types
    """Return what a page says about its article.

    published_at: a time without a zone is read as UTC, and only where no other place gives one with a zone. lang: as declared.
    """
    metas = _metas(tree)
    things = [thing for thing in _linked_data(tree) if _ARTICLE_TYPE.search(_text(thing.get("@type")))]
    site = _first(metas, ("og:site_name", "application-name"))
    shown = [_line("".join(node.itertext())) for node in islice(tree.iter("h1"), _MOST_HEADLINES)]
    page_titles = [_line("".join(node.itertext())) for node in islice(tree.iterfind(".//head/title"), 1)]
    said = [_first(metas, ("og:title", "twitter:title")), *(_line(_text(thing.get("headline"))) for thing in things)]
    titles = [title for title in (*said, *shown[:1], *page_titles) if title]
    return PageMeta(
        title=_without_site(titles[0], site) if titles else "",
        headlines=tuple(title for title in chain(said, shown, page_titles) if title),
        author=_author(tree, metas, things, site),
        published_at=_published_at(tree, metas, things),
        lang=_lang(tree, metas, things),
        words_said=max((_count(thing.get("wordCount")) for thing in things), default=0),
    )


def _metas(tree: Any) -> dict[str, list[str]]:  # noqa: ANN401  lxml ships no types
    metas: dict[str, list[str]] = {}
    for node in tree.iter("meta"):
        content = _line(node.get("content") or "")
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            if content and (name := node.get(attribute)):
                metas.setdefault(name.strip().lower(), []).append(content)
    return metas


def _first(metas: dict[str, list[str]], names: Iterable[str]) -> str:
    return next((value for name in names for value in metas.get(name, ())), "")


def _linked_data(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  lxml ships no types
    """Yield every object of the page's JSON-LD, outermost first; broken blocks yield nothing."""
    left = _MOST_NODES
    for node in tree.iterfind(".//script[@type='application/ld+json']"):
        try:
            todo: deque[Any] = deque([json.loads((node.text or "").strip().rstrip(";"), strict=False)])
        except (ValueError, RecursionError):
            continue
        while todo and left:
            left -= 1
            value = todo.popleft()
            if isinstance(value, dict):
                yield value
                todo.extend(value.values())
            elif isinstance(value, list):
                todo.extend(value)


def _author(tree: Any, metas: dict[str, list[str]], things: list[dict[str, Any]], site: str) -> str:  # noqa: ANN401  lxml ships no types
    outlets = {site.casefold(), *(name.casefold() for thing in things for name in _names(thing.get("publisher")))}
    marked = tree.xpath(".//*[@rel='author' or @itemprop='author'][not(self::meta)]")
    sources: Iterable[Iterable[str]] = chain(
        (_names(thing.get("author")) for thing in things),
        (metas.get(name, ()) for name in _AUTHORS),
        [[" ".join(node.itertext()) for node in marked[:3]]],
    )
    for source in sources:
        names = [_BY.sub("", _line(name)) for name in source]
        good = [name for name in names if _is_name(name) and name.casefold() not in outlets]
        if good:
            return ", ".join(dict.fromkeys(good))
    return ""


def _names(value: Any) -> list[str]:  # noqa: ANN401  JSON-LD: a text, an object with a name, or a list of these
    if isinstance(value, list):
        return [name for each in value if not isinstance(each, list) for name in _names(each)]
    if isinstance(value, dict):
        return [name for name in _names(value.get("name")) if name] if not isinstance(value.get("name"), dict) else []
    return [value] if isinstance(value, str) else []


def _is_name(name: str) -> bool:
    return 1 < len(name) <= _LONGEST_NAME and not _NO_NAME.search(name) and any(char.isalpha() for char in name)


def _published_at(tree: Any, metas: dict[str, list[str]], things: list[dict[str, Any]]) -> datetime | None:  # noqa: ANN401  lxml ships no types
    paths = (".//article//time[@datetime]", ".//main//time[@datetime]", ".//time[@datetime]")
    mark = next((node for path in paths if (node := tree.find(path)) is not None), None)
    candidates = chain(
        metas.get(_TIMES[0], ()),
        (_text(thing.get("datePublished")) for thing in things),
        (value for name in _TIMES[1:] for value in metas.get(name, ())),
        () if mark is None else (mark.get("datetime"),),
    )
    times = [time for each in candidates if (time := _time(each)) is not None]
    aware = [time for time in times if time.tzinfo is not None]
    chosen = aware or [time.replace(tzinfo=UTC) for time in times]
    return next((time for time in map(_utc, chosen) if time is not None and time >= _EARLIEST), None)


def _time(value: str) -> datetime | None:
    value = value.strip()
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(value)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _utc(time: datetime) -> datetime | None:
    try:
        return time.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _lang(tree: Any, metas: dict[str, list[str]], things: list[dict[str, Any]]) -> str | None:  # noqa: ANN401  lxml ships no types
    roots = [tree.get("lang"), tree.get("{http://www.w3.org/XML/1998/namespace}lang"), tree.get("xml:lang")]
    said = _first(metas, ("og:locale", "content-language", "language", "dc.language"))
    candidates = (*roots, said, *(_text(thing.get("inLanguage")) for thing in things))
    langs = ((each or "").split(",")[0].strip() for each in candidates)
    return next((each.replace("_", "-") for each in langs if _LANG.match(each)), None)


def _without_site(title: str, site: str) -> str:
    """Return a title without the outlet's name at its end ("… | The Paper")."""
    cut = re.sub(rf"\s+[|–—:·-]\s+{re.escape(site)}$", "", title, flags=re.IGNORECASE) if site else title
    return cut or title


def _count(value: Any) -> int:  # noqa: ANN401  JSON-LD: a number, or a text that holds one
    digits = re.sub(r"[\s,.]", "", _text(value))
    return (
        min(int(digits), _MOST_WORDS)
        if digits.isascii() and digits.isdigit() and len(digits) < len("1000000000")
        else 0
    )


def _text(value: Any) -> str:  # noqa: ANN401  JSON-LD: anything
    if isinstance(value, list):
        return " ".join(each for each in value if isinstance(each, str))
    return str(value) if isinstance(value, str | int) else ""


def _line(value: str) -> str:
    return " ".join(value[: 2 * _LONGEST_LINE].split())[:_LONGEST_LINE]
