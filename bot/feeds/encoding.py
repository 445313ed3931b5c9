"""From bytes to text when what is declared may be a lie.

The only place that decides a feed's encoding: a byte order mark, else valid UTF-8, else the most believable of what is
declared, guessed and usual. Never fails: in the worst case bytes become U+FFFD. Pure.
"""

from __future__ import annotations

import codecs
import re

# What browsers read under these labels (WHATWG Encoding Standard, 4.2), and labels that Python spells otherwise.
_READ_AS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "latin-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
}
_LABELS = {
    "x-mac-cyrillic": "mac_cyrillic",
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "x-x-big5": "big5hkscs",
    "x-cp1251": "cp1251",
}
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_USUAL = ("cp1251", "koi8-u", "cp866", "iso8859-5", "mac_cyrillic", "cp1252", "cp1250")
_SEVEN_BIT = {"iso2022_jp", "hz"}
_SAMPLE_BYTES = 60_000
_BELIEVABLE = 0.05  # share of strange letters up to which a declaration is believed

_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']\s*([\w.:-]{1,40})""")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
# Signs of a wrong encoding: replacement and control characters, box drawing and private letters; a small letter followed by a
# capital; Latin glued to Cyrillic; signs inside words.
_STRANGE = re.compile(
    "[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2500-\u259f\ue000-\uf8ff]"
    "|[а-яё][А-ЯЁ]|[A-Za-z][а-яёА-ЯЁ]|[а-яёА-ЯЁ][A-Za-z]|[à-ÿ][À-Þ]"
    "|(?<=[^\\W\\d_])[¤¦§¨©¬®°±¶·¸†‡‰€№‹™›µ¿¡£¥¢¼½¾÷×∞≤≥∆√≈¯](?=[^\\W\\d_])"
)
_CYRILLIC = re.compile("[\u0400-\u045f]")
_FREQUENT = re.compile("[оеаинтіОЕАИНТІ]")  # half of what any Slavic language writes
_FREQUENT_SHARE = 0.28
_ENOUGH_LETTERS = 20
_WORD = re.compile(r"[^\W\d_]+")


def decode_document(body: bytes, content_type: str | None = None) -> tuple[str, str]:
    """Return the text and the name of the encoding it was read in; line feeds and the declaration stay as they are.

    content_type: the HTTP header as received. Source: RFC 7303 section 3 for the order, bent where documents lie.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace"), name
    if wide := _wide_encoding(body[:64]):
        return body.decode(wide, "replace"), wide
    declared = _declared_encodings(body, content_type)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        best = _best_encoding(body, declared)
        return body.decode(best, "replace"), best
    seven_bit = next((name for name in declared if name in _SEVEN_BIT), None)
    if seven_bit and text.isascii():
        return body.decode(seven_bit, "replace"), seven_bit
    return text, "utf-8"


def _wide_encoding(head: bytes) -> str | None:
    """Name UTF-16 or UTF-32 without a mark: the first character of a document is ASCII, the rest of its unit is zero."""
    if len(head) < 4:  # noqa: PLR2004 - one UTF-32 unit
        return None
    zeros = "".join("0" if byte == 0 else "x" for byte in head[:4])
    return {"000x": "utf-32-be", "x000": "utf-32-le", "0x0x": "utf-16-be", "x0x0": "utf-16-le"}.get(zeros)


def _declared_encodings(body: bytes, content_type: str | None) -> tuple[str, ...]:
    in_header = _CHARSET.search(content_type or "")
    in_document = _DECLARED.search(body[:1024])
    labels = (in_header[1] if in_header else "", in_document[1].decode("ascii", "replace") if in_document else "")
    names = [name for name in map(_python_name, labels) if name]
    if names and names[0] == "cp1252":
        names.reverse()  # many servers say Latin-1 of everything, whatever the document knows better
    return tuple(dict.fromkeys(names))


def _python_name(label: str) -> str | None:
    label = label.strip().lower()
    try:
        name = codecs.lookup(_LABELS.get(label, label)).name
        "".encode(name)  # some names are known that turn no text into bytes (base64, rot13)
    except (LookupError, ValueError, TypeError):
        return None
    return _READ_AS.get(name, name)


def _best_encoding(body: bytes, declared: tuple[str, ...]) -> str:
    """Return the first declared encoding that reads well, else the one of all candidates that reads best."""
    sample = _telling_part(body)
    for name in declared:
        if strangeness(_decode_sample(sample, name)) <= _BELIEVABLE:
            return name
    candidates = dict.fromkeys((*declared, "utf-8", *_guesses(sample), *_USUAL))
    return min(candidates, key=lambda name: strangeness(_decode_sample(sample, name)))


def _telling_part(body: bytes) -> bytes:
    """Return a piece of the body around its first bytes that are not ASCII: they alone can tell encodings apart."""
    first = re.search(rb"[\x80-\xff]", body)
    start = max(0, first.start() - 200) if first else 0
    return body[start : start + _SAMPLE_BYTES]


def _decode_sample(sample: bytes, name: str) -> str:
    # The sample may begin or end inside a character: up to three bytes at each end prove nothing.
    return sample.decode(name, "replace").strip("\ufffd")


def _guesses(sample: bytes) -> tuple[str, ...]:
    import chardet  # noqa: PLC0415 - needed for one document in a hundred, and slow to import
    from charset_normalizer import from_bytes  # noqa: PLC0415 - the same

    second = from_bytes(sample[:20_000]).best()
    labels = (chardet.detect(sample).get("encoding") or "", second.encoding if second else "")
    return tuple(name for name in map(_python_name, labels) if name)


def strangeness(text: str) -> float:
    """Return how many of the letters outside ASCII stand as no language writes them, as a share (0 good, 1 and more bad)."""
    foreign = len(_NON_ASCII.findall(text))
    if not foreign:
        return 0.0
    strange = len(_STRANGE.findall(text)) / foreign
    accented = sum(len(word) for word in _WORD.findall(text) if _is_mostly_accents(word))
    if accented > foreign * 0.3:  # another alphabet read as Latin
        strange += 1.0
    cyrillic = len(_CYRILLIC.findall(text))
    if cyrillic > _ENOUGH_LETTERS and len(_FREQUENT.findall(text)) < cyrillic * _FREQUENT_SHARE:
        strange += 0.3
    return strange


def _is_mostly_accents(word: str) -> bool:
    return len(word) > 3 and sum("\x80" <= letter < "\u0250" for letter in word) > len(word) * 0.7  # noqa: PLR2004 - "été" is a word
