"""From the markup inside a feed to plain text. HTML is read by selectolax, never by hand. Pure.

Whatever comes out holds no control characters, no bidi marks and no markup that was meant as markup.
"""

from __future__ import annotations

import html
import re

from selectolax.lexbor import LexborHTMLParser

from bot.reading.marks import with_few_marks

LIMIT_CHARS = 65_536  # of markup, before it is read: hostile markup costs time by its length
TITLE_CHARS = 1_000
_TITLE_FROM_TEXT_CHARS = 90

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_MARKUP = re.compile(
    r"</?(?:a|abbr|article|aside|b|big|blockquote|br|center|cite|code|dd|del|div|dl|dt|em|embed|figcaption|figure|font|footer|form"
    r"|h[1-6]|header|hr|i|iframe|img|input|ins|li|main|nav|object|ol|p|picture|pre|q|s|script|section|small|source|span|strike"
    r"|strong|style|sub|sup|svg|table|tbody|td|tfoot|th|thead|time|tr|tt|u|ul|video|wbr)(?:\s[^<>]*)?/?>|<!--",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BLOCKS = (
    "address,article,aside,blockquote,center,dd,div,dl,dt,fieldset,figcaption,figure,footer,form,h1,h2,h3,h4,h5,h6,header,hr,li,"
    "main,nav,ol,p,pre,section,table,tr,ul"
)
_SILENT = ["script", "style", "noscript", "template", "iframe", "object", "svg", "math", "textarea", "select"]
# Control characters that no text holds any more when they are put in.
_PARAGRAPH = "\x1e"
_LINE = "\x1f"
_BLANKS = re.compile(r"[^\S\x1e\x1f]+")
_PARAGRAPH_END = re.compile(r" ?(?:\x1e[ \x1e\x1f]*|\x1f ?\x1f[ \x1e\x1f]*|\x1f ?\x1e[ \x1e\x1f]*)")


def text_in(value: str, *, plain: bool = False) -> str:
    """Return the text of a piece of HTML, or of what may be HTML: paragraphs separated by a blank line, `<br>` a line feed.

    plain: the feed declares it to be text; angle brackets are then part of it, and only entities are undone.
    """
    return with_few_marks(_text_of(value, plain=plain))


def _text_of(value: str, *, plain: bool) -> str:
    value = visible(value[:LIMIT_CHARS])
    for _ in range(2):  # some feeds escape twice, and mean the markup that appears then
        if plain or not _MARKUP.search(value):
            undone = _undo_entities(value)
            if plain or not _MARKUP.search(undone):
                return _paragraphs(undone)
            value = undone
        else:
            value = _html_text(value)
            if not _ENTITY.search(value) and not _MARKUP.search(value):
                return value
    return value if not _MARKUP.search(value) else _html_text(value)


def line_in(value: str, *, plain: bool = False) -> str:
    """Return the same as one line, at most 1,000 characters: titles and names."""
    return " ".join(text_in(value, plain=plain).split())[:TITLE_CHARS]


def title_from(text: str) -> str:
    """Return the first words of a text, for an entry that has no title."""
    first = text.split("\n", 1)[0]
    if len(first) <= _TITLE_FROM_TEXT_CHARS:
        return first
    return first[:_TITLE_FROM_TEXT_CHARS].rsplit(" ", 1)[0] + "…"


def visible(value: str) -> str:
    """Return the value without control characters, bidi marks and lone surrogates; tabs and line feeds stay."""
    return _INVISIBLE.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))


def _undo_entities(value: str) -> str:
    for _ in range(2):
        if not _ENTITY.search(value):
            break
        value = visible(html.unescape(value))
    return value


def _html_text(markup: str) -> str:
    tree = LexborHTMLParser(markup)
    tree.strip_tags(_SILENT)
    root = tree.body or tree.root
    if root is None:
        return ""
    for node in root.css(_BLOCKS):
        node.insert_before(_PARAGRAPH)
        node.insert_after(_PARAGRAPH)
    for node in root.css("br"):
        node.insert_before(_LINE)
    for node in root.css("td,th"):
        node.insert_after(" ")
    for node in root.css("sup"):
        node.insert_before(" ")  # a footnote's number is no part of the word before it
    text = root.text(deep=True, separator="")
    keep = _INVISIBLE.sub(lambda hit: hit[0] if hit[0] in (_PARAGRAPH, _LINE) else "", text)
    spaced = _PARAGRAPH_END.sub("\n\n", _BLANKS.sub(" ", keep))
    return re.sub(r" ?\x1f ?", "\n", spaced).strip()


def _paragraphs(text: str) -> str:
    """Return plain text with its own blank lines as the only paragraph borders."""
    parts = (" ".join(part.split()) for part in re.split(r"\n[^\S\n]*\n", text))
    return "\n\n".join(part for part in parts if part)
