"""What would become of a list of feeds: which are new, which are known, which are refused, and why. Pure; nothing is stored here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.feeds.links import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bot.model import FeedList, ListedFeed

Verdict = Literal["new", "known", "refused"]
TWICE = "It stands in the list twice."
HEARD = "It is heard already."


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLine:
    """A feed of a list with what would become of it. why: a sentence, "" for what is new."""

    feed: ListedFeed
    verdict: Verdict
    why: str = ""

    @property
    def shown(self) -> str:
        """What it is called where its password must not stand: its name, and its address without it."""
        address = without_credentials(self.feed.url)
        return f"{self.feed.name} ({address})" if self.feed.name else address


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What would become of a whole list, in its order. problems: of the list itself."""

    lines: tuple[ImportLine, ...]
    problems: tuple[str, ...] = ()

    def those(self, verdict: Verdict) -> tuple[ImportLine, ...]:
        """Return the lines of this verdict."""
        return tuple(line for line in self.lines if line.verdict == verdict)

    @property
    def folders(self) -> int:
        """How many folders the list has; they are not kept."""
        return len({line.feed.folder for line in self.lines if line.feed.folder})


def plan_import(
    listed: FeedList, *, known: Collection[str], refusal: Callable[[str], str], room: int, full: str
) -> ImportPlan:
    """Return what would become of a list.

    known: addresses that are heard already. refusal: why an address would not be asked, "" where it may be. room: how many more
    feeds may be added; what goes beyond is refused with `full`.
    """
    lines, taken, left = [], set[str](), room
    for feed in listed.feeds:
        line = ImportLine(feed=feed, verdict="new")
        if feed.url in taken:
            line = ImportLine(feed=feed, verdict="known", why=TWICE)
        elif feed.url in known:
            line = ImportLine(feed=feed, verdict="known", why=HEARD)
        elif why := refusal(feed.url):
            line = ImportLine(feed=feed, verdict="refused", why=why)
        elif not left:
            line = ImportLine(feed=feed, verdict="refused", why=full)
        else:
            left -= 1
        taken.add(feed.url)
        lines.append(line)
    return ImportPlan(lines=tuple(lines), problems=listed.problems)
