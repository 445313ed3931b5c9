"""The sample newsroom's texts, read from the package's own files: desk.toml and articles/OUTLET/SLUG.toml.

The only place that knows where those files lie. It opens no other file, and knows nothing of HTTP or of today's date.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

from bot.model import Actor, Alias

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

FeedForm = Literal["rss", "atom", "json"]
PageState = Literal["open", "closed", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """An invented publication: its one feed, and what stands around each of its pages.

    full_text: its feed carries whole articles, so that no page need be fetched.
    """

    key: str
    name: str
    strapline: str
    form: FeedForm
    feed_path: str
    language: str
    encoding: str
    sample_note: str
    cookie_note: str
    advert: str
    photo_note: str
    related_title: str
    navigation: tuple[str, ...]
    full_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleArticle:
    """An article as its file has it; desk.toml explains each field. outlet: the key of the one whose page it is."""

    outlet: str
    slug: str
    title: str
    author: str
    hours_ago: float
    teaser: str
    paragraphs: tuple[str, ...]
    expects: frozenset[str]
    tail: tuple[str, ...] = ()
    page: PageState = "open"
    also_in: str = ""

    @property
    def path(self) -> str:
        """Where its page stands on the server."""
        shelf = "subscribers/" if self.page == "closed" else ""
        return f"/{self.outlet}/{shelf}{self.slug}"

    def stands_in(self, outlet: Outlet) -> bool:
        """Whether that outlet's feed carries it."""
        return outlet.key in {self.outlet, self.also_in}


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Everything the newsroom has to tell; articles are in order, newest first. watches: (name, query)."""

    outlets: tuple[Outlet, ...]
    articles: tuple[SampleArticle, ...]
    watches: tuple[tuple[str, str], ...]
    actors: tuple[Actor, ...]


def open_library() -> Library:
    """Return the bundled texts."""
    home = resources.files(__package__)
    desk = _toml(home / "desk.toml")
    outlets = tuple(Outlet(**{**entry, "navigation": tuple(entry["navigation"])}) for entry in desk["outlets"])
    shelves = [(outlet.key, home / "articles" / outlet.key) for outlet in outlets]
    articles = [
        _article(key, file) for key, shelf in shelves for file in shelf.iterdir() if file.name.endswith(".toml")
    ]
    return Library(
        outlets=outlets,
        articles=tuple(sorted(articles, key=lambda article: (article.hours_ago, article.slug))),
        watches=tuple((entry["name"], entry["query"]) for entry in desk["watches"]),
        actors=tuple(_actor(entry) for entry in desk["actors"]),
    )


def _toml(file: Traversable) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _actor(entry: dict[str, Any]) -> Actor:
    return Actor(name=entry["name"], aliases=tuple(Alias(text=text) for text in entry["aliases"]))


def _article(outlet: str, file: Traversable) -> SampleArticle:
    entry = _toml(file)
    text: str = entry.pop("text")
    return SampleArticle(
        outlet=outlet,
        slug=file.name.removesuffix(".toml"),
        paragraphs=tuple(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")),
        expects=frozenset(entry.pop("expects")),
        tail=tuple(entry.pop("tail", ())),
        **entry,
    )
