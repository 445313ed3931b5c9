"""From an HTML page to the article's own paragraphs. Runs in a worker process, because hostile pages cost seconds.

It alone knows trafilatura (and imports it with this module, so nobody but a worker may import this one). It never fetches, and
never raises for broken or hostile HTML but `ParseError(reason="too_large")`: a page without an article has an empty text.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any, Final

import trafilatura
from charset_normalizer import from_bytes
from lxml import etree
from lxml import html as lxml_html

from bot.errors import ParseError
from bot.model import PageText
from bot.reading.language import language_of
from bot.reading.marks import with_few_marks
from bot.reading.pagemeta import PageMeta, page_meta
from bot.reading.tail import trim_furniture

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_BYTES: Final = 3_000_000
LIMIT_TAGS: Final = 40_000
LIMIT_TEXT_CHARS: Final = 200_001  # one more than is read of an article, which is how it is known that there was more
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the other's
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META_CHARSET: Final = re.compile(
    rb"<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE
)
_META_WITHIN: Final = 4096
_NOT_FOR_PAGES: Final = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined"})
_WESTERN: Final = frozenset({"cp1252", "iso8859-15", "mac-roman"})
_ACCENTS: Final = re.compile(r"(?<![A-Za-z])[À-ÿ]{4,}")
_CYRILLIC: Final = ("cp1251", "koi8-r", "iso8859-5", "cp866")
_CYRILLIC_WORD: Final = re.compile(r"[А-ЯЁІЎЄЇҐа-яёіўєїґ][а-яёіўєїґ]+")
_CYRILLIC_SHARE: Final = 0.6
_BORDER: Final = "\ue000"
_ANY_TAG: Final = re.compile(r"<[A-Za-z!?]")
_NOT_TEXT: Final = re.compile(r"[\ue000\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]")
_INLINE: Final = frozenset({"hi", "ref", "del", "lb", "code", "span", "graphic", "cell"})
_FOLDED: Final = re.compile(r"[\W_]+")
_HEADLINE_WORDS: Final = 3


def page_text(html: bytes | str, *, url: str = "", charset: str | None = None) -> PageText:
    """Return the article that a page holds; a page without one has the text "".

    charset: what the HTTP header declares. Paragraphs are separated by one blank line; `<br>` is a space, two in a row a border.

    Raises:
        ParseError: reason "too_large": over 3 MB, or over 40,000 times "<".
    """
    source = html if isinstance(html, str) else _decoded(html, charset)
    if len(html) > LIMIT_BYTES or len(source) > LIMIT_BYTES or source.count("<") > LIMIT_TAGS:
        raise ParseError("the page is too large to be read", reason="too_large")
    tree = _tree(_NOT_TEXT.sub("", source)) if _ANY_TAG.search(source) else None
    if tree is None:
        return PageText()
    meta = page_meta(tree)
    _mark_borders(tree)
    trimmed = trim_furniture(_without_headline(list(_paragraphs(_body(tree, url))), meta))
    text = with_few_marks("\n\n".join(trimmed.paragraphs)[:LIMIT_TEXT_CHARS])
    return PageText(
        title=with_few_marks(meta.title),
        author=with_few_marks(meta.author),
        published_at=meta.published_at,
        lang=language_of(text or meta.title, meta.lang),
        text=text,
        words_said=meta.words_said,
        wall=trimmed.wall,
    )


def _decoded(html: bytes, charset: str | None) -> str:
    """Return the page as text: by its byte order mark, as UTF-8 where that fits, as declared, or as its letters suggest."""
    for mark, encoding in _BOMS:
        if html.startswith(mark):
            return html[len(mark) :].decode(encoding, errors="replace")
    meta = _META_CHARSET.search(html, 0, _META_WITHIN)
    declared = (charset, meta.group(1).decode("ascii", errors="replace") if meta else None)
    for name in ("utf-8", *declared):
        text = _decoded_as(html, name) if name else None
        if text is not None:
            return text
    return _guessed(html)


def _decoded_as(html: bytes, encoding: str) -> str | None:
    """Return the page in this encoding, None where it does not fit: bytes without meaning, or Cyrillic declared as Western."""
    try:
        name = codecs.lookup(encoding.strip().strip("\"'")).name
        if name in _NOT_FOR_PAGES:
            return None
        name = "cp1252" if name in {"iso8859-1", "ascii"} else name  # as browsers read it (WHATWG Encoding, 4.2)
        text = html.decode(name, errors="replace")
    except (LookupError, ValueError):
        return None
    others = [char for char in text if char > "\x7f"]
    # A Western page has an accent here and there; where most words are nothing but accents, the declaration is a lie.
    if name in _WESTERN and len(_ACCENTS.findall(text)) * 8 > len(others):
        return None
    return None if others.count("\ufffd") * 4 > len(others) else text


def _guessed(html: bytes) -> str:
    """Return the page in the encoding in which most of it reads as lower-case Cyrillic, or as charset-normalizer thinks."""
    texts = {name: html.decode(name, errors="replace") for name in _CYRILLIC}
    lengths = {name: sum(map(len, _CYRILLIC_WORD.findall(text))) for name, text in texts.items()}
    best = max(lengths, key=lambda name: lengths[name])
    if lengths[best] >= _CYRILLIC_SHARE * sum(byte > 0x7F for byte in html):  # noqa: PLR2004  the end of ASCII
        return texts[best]
    guess = from_bytes(re.sub(rb"<[^<>]*>", b" ", html)[:50_000]).best()
    return html.decode(guess.encoding if guess else "cp1252", errors="replace")


def _tree(source: str) -> Any:  # noqa: ANN401  lxml ships no types
    """Return the parsed page, None where there is nothing to parse."""
    parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, collect_ids=False)
    try:
        return lxml_html.document_fromstring(source.encode(), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None


def _mark_borders(tree: Any) -> None:  # noqa: ANN401  lxml ships no types
    """Mark the second of two line breaks in a row: it is a paragraph's border, and trafilatura drops it."""
    for node in tree.iter("br"):
        before = node.getprevious()
        if before is not None and before.tag == "br" and not (before.tail or "").strip():
            node.tail = _BORDER + (node.tail or "")


def _body(tree: Any, url: str) -> Any:  # noqa: ANN401  lxml ships no types
    """Return trafilatura's tree of the article, None where it finds none."""
    try:
        document = trafilatura.bare_extraction(
            tree,
            url=url or None,
            favor_precision=True,
            include_comments=False,
            include_images=False,
            include_links=False,
            include_tables=True,
            deduplicate=False,
            with_metadata=False,  # our own, from the page: its date search costs a third of the whole
        )
    except MemoryError:
        raise  # the worker's limit, not the page's content
    except Exception:  # noqa: BLE001  what a hostile page makes a parser raise is not foreseeable; it means "no text"
        return None
    return None if document is None else getattr(document, "body", None)


def _paragraphs(body: Any) -> Iterator[str]:  # noqa: ANN401  lxml ships no types
    """Yield the paragraphs of trafilatura's tree: p, head, item, quote; a table row is one, its cells parted by a bar."""
    if body is None:
        return
    pieces: list[str] = []
    rows = 0
    for event, node in etree.iterwalk(body, events=("start", "end")):
        if not isinstance(node.tag, str):
            pieces.append(node.tail or "" if event == "end" else "")
            continue
        if node.tag not in _INLINE and not (rows and node.tag != "row"):
            yield from _split(pieces)
            pieces.clear()
        if event == "start":
            rows += node.tag == "row"
            pieces.append(
                " " if node.tag == "lb" else " | " if node.tag == "cell" and node.getprevious() is not None else ""
            )
            pieces.append((" " if rows else "") + (node.text or ""))
        else:
            rows -= node.tag == "row"
            pieces.append(node.tail or "")
    yield from _split(pieces)


def _split(pieces: list[str]) -> Iterator[str]:
    for part in "".join(pieces).split(_BORDER):
        paragraph = " ".join(part.split())
        if any(char.isalnum() for char in paragraph):
            yield paragraph


def _without_headline(paragraphs: list[str], meta: PageMeta) -> list[str]:
    """Return the paragraphs without a first one that only repeats the headline."""
    if not paragraphs:
        return paragraphs
    first = _FOLDED.sub(" ", paragraphs[0].casefold()).strip()
    known = [_FOLDED.sub(" ", headline.casefold()).strip() for headline in meta.headlines]
    begins = first.count(" ") + 1 >= _HEADLINE_WORDS and any(headline.startswith(f"{first} ") for headline in known)
    return paragraphs[1:] if first in known or begins else paragraphs
