"""What an entry is known by, and which entries of a document are new, edited, moved or seen. Pure.

Dates never decide anything here: feeds change them. A hash is 16 bytes of BLAKE2b everywhere.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from bot.model import EditedItem, FeedItem, ItemKeys, Known, KnownItem, NewItem, Sorted

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_EDITS = 3
_AHEAD = timedelta(minutes=10)
_OLDEST = datetime(1990, 1, 1, tzinfo=UTC)

_HEAD_BYTES = 65_536
_FIRST_ITEM = re.compile(rb"<(?:[\w.-]{1,40}:)?(?:item|entry)[\s>/]", re.IGNORECASE)
_TRACKING = re.compile(
    r"(?:utm_\w*|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|yclid|ysclid|twclid|ttclid|igshid|igsh|mc_cid|mc_eid|mkt_tok|_ga|_gl"
    r"|_hsenc|_hsmi|at_medium|at_campaign|at_custom\d|at_link_\w+|wt_z?mc|xtor|ocid|cmpid|s_cid|ncid|guccounter|vero_id|oly_\w+_id)\Z",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_COUNTER = re.compile(r"\s*[(\[]\s*\d+(?:\s+\w+)?\s*[)\]]\s*\Z")


def canonical_link(url: str) -> str:
    """Return the form of a link that stays the same across http and https, www., tracking and fragments; "" for "".

    For comparing only, never for display or fetching.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").removeprefix("www."), parts.port
    except ValueError:
        return url.strip()
    if parts.scheme.lower() not in _DEFAULT_PORTS or not host:
        return url.strip()
    query = "&".join(part for part in parts.query.split("&") if part and not _TRACKING.match(part.partition("=")[0]))
    named_port = f":{port}" if port and port not in _DEFAULT_PORTS.values() else ""
    return urlunsplit(("https", host + named_port, parts.path or "/", query, "")).strip()


def body_hash(body: bytes) -> bytes:
    """Return the hash of a whole document."""
    return hashlib.blake2b(body, digest_size=16).digest()


def items_hash(body: bytes) -> bytes:
    """Return the hash of a document from its first item on: half of all feeds put the time of the request before it.

    Looked for in its first 64 kB only: a search through ten megabytes of "<" holds up everything else.
    """
    first = _FIRST_ITEM.search(body, 0, _HEAD_BYTES)
    return body_hash(body[first.start() :] if first else body)


def keys_for(items: Sequence[FeedItem]) -> tuple[ItemKeys, ...]:
    """Return the keys of a document's items, in their order. Equal keys mean the same entry, listed twice.

    The identity is the raw guid, else the canonical link, else title and text. Where several different entries share it, the
    link tells them apart; where they share that too, the title.
    """
    traits = [_identities(item) for item in items]
    links_of: defaultdict[str, set[str]] = defaultdict(set)
    titles_of: defaultdict[str, set[str]] = defaultdict(set)
    for whole, with_link, with_title in traits:
        links_of[whole].add(with_link)
        titles_of[with_link].add(with_title)
    return tuple(
        _keys(item, with_title if len(titles_of[with_link]) > 1 else with_link if len(links_of[whole]) > 1 else whole)
        for item, (whole, with_link, with_title) in zip(items, traits, strict=True)
    )


def sort_entries(items: Sequence[FeedItem], keys: Sequence[ItemKeys], known: Known) -> Sorted:
    """Return which entries are new, edited or moved, each list in document order; an entry listed twice counts once.

    A new key is no new item where link and title both match a known one: the feed only changed the guid. Nor where title and text do, in
    a document of which most entries do so: the feed changed its host, in links and guids.
    """
    known = _by_most(keys, known)
    held = Counter(mark.item_id for key in {one.key for one in keys} if (mark := known.by_key.get(key)))
    new: list[NewItem] = []
    edited: list[EditedItem] = []
    moved: list[tuple[bytes, int]] = []
    seen: dict[bytes, None] = {}
    twins: set[tuple[bytes | None, bytes | None, bytes]] = set()
    put_off = False
    for entry, its in zip(items, keys, strict=True):
        if its.key in seen:
            continue
        mark = known.by_key.get(its.key)
        if mark is None and (mark := _moved_from(entry, its, known, held)) and mark.item_id is not None:
            moved.append((its.key, mark.item_id))
        twin = (its.link_hash, its.title_hash, its.content_hash)
        if mark is None and its.link_hash and its.title_hash and twin in twins:
            continue  # the same entry under a second guid: the next poll knows it by link and title
        twins.add(twin)
        seen[its.key] = None
        if mark is None:
            new.append(NewItem(entry=entry, keys=its))
        elif mark.item_id is not None and _is_edit(its, mark):
            if mark.edits < LIMIT_EDITS:
                edited.append(EditedItem(item_id=mark.item_id, entry=entry, keys=its))
            else:
                put_off = True
    return Sorted(new=tuple(new), edited=tuple(edited), moved=tuple(moved), seen=tuple(seen), put_off=put_off)


def _by_most(keys: Sequence[ItemKeys], known: Known) -> Known:
    """Return what is known, by content only where that knows at least half of the document, and more than one entry of it."""
    alike = sum(one.key not in known.by_key and one.content_hash in known.by_content for one in keys)
    return known if alike > 1 and 2 * alike >= len(keys) else replace(known, by_content={})


def believable(at: datetime | None, now: datetime) -> datetime | None:
    """Return the time, or None where it lies more than ten minutes ahead or before 1990."""
    return at if at is not None and _OLDEST <= at <= now + _AHEAD else None


def folded_title(title: str) -> str:
    """Return the title for comparing: without case, spacing and a counter at its end ("… (12 comments)")."""
    folded = " ".join(unicodedata.normalize("NFKC", title).casefold().split())
    return _COUNTER.sub("", folded) or folded


def _identities(item: FeedItem) -> tuple[str, str, str]:
    """Return what identifies an item alone, together with its link, and together with link and title."""
    link = canonical_link(item.link)
    whole = item.guid or link or f"{folded_title(item.title)}\n{_folded(item.text)}"
    with_link = f"{whole}|{link}"
    return whole, with_link, f"{with_link}|{folded_title(item.title)}"


def _keys(item: FeedItem, identity: str) -> ItemKeys:
    link, title = canonical_link(item.link), folded_title(item.title)
    return ItemKeys(
        key=_hash(identity),
        link_hash=_hash(link) if link else None,
        title_hash=_hash(title) if title else None,
        content_hash=_hash(f"{title}\n{_folded(item.text)}"),
    )


def _moved_from(entry: FeedItem, its: ItemKeys, known: Known, held: Counter[int | None]) -> KnownItem | None:
    """Return the known item that this entry is under a new key, None where it is a new one."""
    if its.title_hash is None:
        return None
    for identity in _identities(entry):  # a guid that was unique once and is shared now, or the other way round
        mark = known.by_key.get(_hash(identity))
        if mark is not None and mark.title_hash == its.title_hash:
            return mark
    mark = known.by_link.get(its.link_hash) if its.link_hash else None
    if mark is None or mark.title_hash != its.title_hash:
        mark = known.by_content.get(its.content_hash)
    if mark is None:
        return None
    # Where the document still lists the known one beside it, the feed means two, unless they say the same.
    is_another = held[mark.item_id] and mark.item_id is not None and mark.content_hash != its.content_hash
    return None if is_another else mark


def _is_edit(its: ItemKeys, mark: KnownItem) -> bool:
    return mark.content_hash is not None and mark.content_hash != its.content_hash


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _hash(value: str) -> bytes:
    return body_hash(value.encode("utf-8", "surrogatepass"))
