"""The terminal: an outlet that prints cards, and the views that people see there. Draws; decides nothing.

Feed text is hostile here too: it is printed as text, never as rich markup, and control characters (terminal escapes) are gone
before it gets here or are stripped by `plain`. Into a pipe nothing is wrapped or coloured: one line is one fact, a link stays whole.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bot.errors import DeliveryError
from bot.plurals import counted
from bot.wording import changes_at, gone_lines, rule_said, why_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from bot.model import BriefSentence, Card, Delivery, Match, Matches, PageText, ParsedFeed

KIND = {"full": "read in full", "feed": "text from the feed", "partly": "partly read", "teaser": "teaser only"}
WIDTH = 100
REMEMBERED_CARDS = 1000
SENTENCE_CHARS = 1000


class PeoplesConsole(Console):
    """A console that leaves it to the command what happens when nobody reads its output any more."""

    def on_broken_pipe(self) -> None:
        """Raise what was raised; rich itself would end the program here."""
        self.quiet = True
        raise BrokenPipeError


def console_for_people() -> Console:
    """Return the console of standard output: coloured and at most 100 columns wide on a terminal, plain and unwrapped elsewhere."""
    console = PeoplesConsole(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.width = min(console.width, WIDTH)
    return console


def plain(text: str) -> str:
    """Return text on one line without control characters, so that it cannot move the cursor or break a card."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def shown_time(at: datetime | None) -> str:
    """Return a time as "14 Sep 2020 09:30 UTC", or that there is none."""
    return f"{at.day} {at:%b %Y %H:%M} UTC" if at else "no date"


class TerminalOutlet:
    """Prints what is owed. There are no receipts: an edit prints the better card again and says so.

    An edit that only names another source is one line, for as long as the card is among the last thousand printed here.
    on_gone: called once, when nobody reads the output any more; what could not be printed stays owed.
    """

    def __init__(self, console: Console, on_gone: Callable[[], None] = lambda: None) -> None:
        self._console = console
        self._on_gone = on_gone
        self._printed: dict[int, Card] = {}

    async def post(self, delivery: Delivery) -> int | None:
        """Print a card; flushed before this returns."""
        with self._printing(delivery):
            print_card(self._console, delivery.card)
        return None

    async def edit(self, delivery: Delivery) -> None:
        """Print what replaces an earlier card, or only the source that it names besides."""
        card, before = delivery.card, self._printed.get(delivery.alert_id)
        with self._printing(delivery):
            if before is not None and card == replace(before, also=card.also):
                print_also(self._console, card, [source for source in card.also if source not in before.also])
            else:
                print_card(self._console, card, "UPDATE")

    @contextmanager
    def _printing(self, delivery: Delivery) -> Iterator[None]:
        try:
            yield
            self._console.file.flush()
        except BrokenPipeError:
            on_gone, self._on_gone = self._on_gone, lambda: None
            on_gone()
            raise DeliveryError("nobody reads this terminal any more", again=True) from None
        self._printed.pop(delivery.alert_id, None)
        self._printed[delivery.alert_id] = delivery.card
        if len(self._printed) > REMEMBERED_CARDS:
            del self._printed[next(iter(self._printed))]


def print_card(console: Console, card: Card, word: str = "ALERT") -> None:
    """Print one card: who asked, headline, where and when, the link, the brief with the matched words, why."""
    head = Text(f"{word} · {', '.join(map(plain, card.watches))}")
    if console.is_terminal:
        head.stylize("bold yellow")
        console.print(Rule(head, align="left", style="yellow"))
    else:
        _line(console, head)
    _line(console, Text(plain(card.headline), style="bold"))
    facts = [plain(card.source), shown_time(card.published_at or card.seen_at), KIND[card.kind]]
    if card.also:
        facts.append("also: " + ", ".join(map(plain, card.also)))
    _line(console, Text(" · ".join(fact for fact in facts if fact), style="dim"))
    if card.link:
        console.print(Text(plain(card.link), style="blue"), soft_wrap=True)
    for text in (card.note, card.late, card.found):
        if text:
            _line(console, Text(plain(text), style="magenta"))
    _print_said(console, card)
    for line in why_lines(card.reasons, said):
        _line(console, Text("why: ", style="dim") + Text(line), indent=2)
    console.print()


def _print_said(console: Console, card: Card) -> None:
    """Print the brief, after what of an earlier one no longer holds and what changed."""
    for line in gone_lines(card.gone, said):
        _line(console, Text(f"no longer there: {line}", style="bold red"))
    for sentence in card.before if card.gone else ():
        _line(console, Text("it said: ", style="dim") + sentence_text(sentence), indent=2)
    for at, line in changes_at(card.changes, said):
        _line(console, Text(f"edited {shown_time(at)}: {line}", style="magenta"))
    for sentence in card.brief:
        before = Text("… " if sentence.is_apart and sentence is not card.brief[0] else "")
        _line(console, before + sentence_text(sentence), indent=2)


def print_also(console: Console, card: Card, sources: Sequence[str]) -> None:
    """Print on one line that further sources tell what a card told."""
    _line(console, Text(f"UPDATE · also: {', '.join(map(plain, sources))} · {plain(card.headline)}", style="yellow"))
    console.print()


def sentence_text(sentence: BriefSentence) -> Text:
    """Return a verbatim sentence on one line with the matched words in bold; of an endless one what stands around the first of them."""
    text = Text(flat(sentence.text))
    for span in sentence.bold:
        text.stylize("bold reverse", span.start, span.end)
    if len(text) <= SENTENCE_CHARS:
        return text
    start = max(0, sentence.bold[0].start - SENTENCE_CHARS // 2) if sentence.bold else 0
    end = start + SENTENCE_CHARS
    return Text("…" if start else "") + text[start:end] + Text("…" if end < len(text) else "")


def said(text: str, limit_chars: int) -> str:
    """Return a piece of others' text as it stands in a line of ours."""
    line = plain(text)
    return line if len(line) <= limit_chars else line[: limit_chars - 1] + "…"


def print_feed(console: Console, feed: ParsedFeed, *, source: str, facts: Sequence[str] = ()) -> None:
    """Print a feed as the bot reads it: its head with what else is known of it (facts), its items, its problems."""
    _line(console, Text(plain(feed.title) or "(no title)", style="bold"))
    known = [
        plain(feed.link or source),
        f"language {feed.language}" if feed.language else "",
        counted(len(feed.items), "item"),
        *facts,
    ]
    _line(console, Text(" · ".join(fact for fact in known if fact), style="dim"))
    for item in feed.items:
        console.print()
        _line(console, Text(plain(item.title) or "(no headline)", style="bold"))
        _line(
            console,
            Text(
                shown_time(item.published_at or item.updated_at) + f" · {len(item.text)} characters of text",
                style="dim",
            ),
        )
        if item.link:
            console.print(Text(plain(item.link), style="blue"), soft_wrap=True)
    for problem in feed.problems:
        _line(console, Text(f"problem: {plain(problem)}", style="magenta"))


def print_page(console: Console, page: PageText) -> None:
    """Print the article of a page: headline, what is known of it, its paragraphs."""
    _line(console, Text(plain(page.title) or "(no headline)", style="bold"))
    at = shown_time(page.published_at) if page.published_at else ""
    _line(console, Text(" · ".join(fact for fact in (plain(page.author), at, page.lang) if fact), style="dim"))
    for paragraph in page.text.split("\n\n"):
        console.print()
        _line(console, Text(flat(paragraph)))


def print_matches(console: Console, found: Matches, texts: dict[str, str]) -> None:
    """Print where an article matches and why, and what was near; `texts` gives the title and the text."""
    if not found.matches:
        _line(console, Text("no match", style="dim"))
    for match in found.matches:
        before, after = _around(match, texts[match.field])
        who = match.watch or match.actor or ""
        line = (
            Text(f"{plain(who)}: ", style="bold")
            + Text(before)
            + Text(flat(match.text), style="bold reverse")
            + Text(after)
        )
        _line(console, line)
        detail = f"  {match.field} {match.start}–{match.end} · {plain(rule_said(match.rule, match.alias, match.text))}"
        _line(console, Text(detail, style="dim"))
    for reason in found.why_not:
        _line(
            console, Text(f"not {plain(reason.watch or reason.actor or '')}: {plain(reason.reason)}", style="magenta")
        )


def _around(match: Match, text: str, chars: int = 40) -> tuple[str, str]:
    before = text[max(0, match.start - chars) : match.start]
    after = text[match.end : match.end + chars]
    return ("…" if match.start > chars else "") + flat(before), flat(after) + (
        "…" if match.end + chars < len(text) else ""
    )


def flat(text: str) -> str:
    """Return text of the same length without line breaks or control characters."""
    return "".join(char if char.isprintable() else " " for char in text)


def print_table(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a head, nothing where there are none; tab-separated into a pipe."""
    if not rows:
        return
    if not console.is_terminal:
        for row in rows:
            _line(console, Text("\t".join(map(plain, row))))
        return
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*map(plain, row))
    console.print(table)
    console.print()


def _line(console: Console, text: Text, indent: int = 0) -> None:
    # Into a pipe a line is never broken: whoever greps for a headline or a link finds it whole.
    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, indent), expand=False))
    else:
        console.print(Text(" " * indent) + text, soft_wrap=True)
