"""Draws the HTML pages of the sample newsroom: an article with everything that stands around one, and an outlet's front page.

Pure but for the template, which lies beside this file. Whatever goes into a page is escaped here and nowhere else.
"""

from __future__ import annotations

import json
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from bot.newsroom.feeds import MEDIA_TYPES, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.newsroom.library import Outlet

_PAGE = Template((resources.files(__package__) / "page.html").read_text(encoding="utf-8"))


def article_page(outlet: Outlet, entry: Entry, *, related: Iterable[Entry], home_url: str) -> bytes:
    """Return an article's page in its outlet's encoding; `related` are linked to beside it."""
    article = entry.article
    plain = {
        "language": outlet.language,
        "encoding": outlet.encoding,
        "title": article.title,
        "outlet": outlet.name,
        "teaser": article.teaser,
        "author": article.author,
        "published": entry.published_at.isoformat(),
        "published_text": f"{entry.published_at:%Y-%m-%d %H:%M} UTC",
        "url": entry.url,
        "feed_type": MEDIA_TYPES[outlet.form],
        "feed_url": home_url + outlet.feed_path,
        "home_url": home_url,
        "strapline": outlet.strapline,
        "cookie_note": outlet.cookie_note,
        "photo_note": outlet.photo_note,
        "related_title": outlet.related_title,
        "advert": outlet.advert,
        "sample_note": outlet.sample_note,
    }
    drawn = {
        "metadata": _metadata(outlet, entry),
        "navigation": _lines(f'<a href="{escape(home_url)}">{escape(word)}</a>' for word in outlet.navigation),
        "text": _lines(f"<p>{escape(paragraph)}</p>" for paragraph in article.paragraphs),
        "tail": _lines(f"<p>{escape(line)}</p>" for line in article.tail),
        "related": _headlines(related),
    }
    page = _PAGE.substitute({key: escape(value) for key, value in plain.items()} | drawn)
    return page.encode(outlet.encoding, "xmlcharrefreplace")


def front_page(outlet: Outlet, entries: Iterable[Entry], *, home_url: str) -> bytes:
    """Return an outlet's front page: its headlines, and a link that leads programs to its feed."""
    page = (
        f'<!DOCTYPE html>\n<html lang="{outlet.language}">\n<head>\n<meta charset="{outlet.encoding}">\n'
        f"<title>{escape(outlet.name)}</title>\n"
        f'<link rel="alternate" type="{MEDIA_TYPES[outlet.form]}" href="{escape(home_url + outlet.feed_path)}">\n'
        f"</head>\n<body>\n<h1>{escape(outlet.name)}</h1>\n<ul>\n{_headlines(entries)}\n</ul>\n"
        f"<footer><p>{escape(outlet.sample_note)}</p></footer>\n</body>\n</html>\n"
    )
    return page.encode(outlet.encoding, "xmlcharrefreplace")


def _metadata(outlet: Outlet, entry: Entry) -> str:
    article = entry.article
    facts = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": article.title,
        "datePublished": entry.published_at.isoformat(),
        "author": {"@type": "Person", "name": article.author},
        "publisher": {"@type": "Organization", "name": outlet.name},
        "inLanguage": outlet.language,
        "wordCount": sum(len(paragraph.split()) for paragraph in article.paragraphs),
        "mainEntityOfPage": entry.url,
    }
    # ASCII only: character references mean nothing inside a script. And "</script>" must not end it early.
    return json.dumps(facts).replace("<", r"\u003c")


def _headlines(entries: Iterable[Entry]) -> str:
    return _lines(f'<li><a href="{escape(entry.url)}">{escape(entry.article.title)}</a></li>' for entry in entries)


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)
