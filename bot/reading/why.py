"""Puts into words why a watch that had a hit did not fire: the smallest reason, in the query's own words. It decides nothing."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from bot.reading.evaluate import Group, View, evaluate
from bot.reading.query_tree import ActorTerm, And, FieldScope, Filter, Near, Node, Not, Or, Scoped, Term

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_word = re.compile(rb"[^ ]+")


def reason_for(node: Node, view: View, scope: FieldScope | None = None) -> str:
    """Return why a tree does not hold, one sentence without a full stop."""
    reason = _reason(node, view, scope)
    if view.article.kind == "teaser" and "lacks" in reason:
        reason += f"; only the teaser was read ({len(view.article.text)} characters)"
    return reason


def _reason(node: Node, view: View, scope: FieldScope | None) -> str:  # noqa: PLR0911  # one return for each kind of node
    match node:
        case Term() | ActorTerm():
            return _leaf_reason(node, view, scope)
        case Filter():
            return _filter_reason(node, view)
        case Scoped():
            return _reason(node.node, view, node.scope)
        case Not():
            groups = evaluate(node.node, view, scope)
            return f"excluded by `{node}`{' at ' + _span(groups[0]) if groups else ''}"
        case Near():
            return _near_reason(node, view, scope)
        case And():
            return _and_reason(node, view, scope)
        case Or():
            reasons = [_reason(child, view, scope) for child in node.nodes]
            return next((reason for reason in reasons if not reason.startswith("lacks")), f"lacks `{node}`")


def _leaf_reason(leaf: Term | ActorTerm, view: View, scope: FieldScope | None) -> str:
    target = view.targets[leaf]
    misses = [miss.reason for miss in view.found.misses.get(target, ()) if scope in (None, miss.field)]
    if misses:
        return misses[0]
    if elsewhere := view.groups_for(leaf, None):
        return f"`{scope}:{leaf}`, but it stands at {_span(elsewhere[0])}"
    return f"lacks `{leaf}`"


def _filter_reason(node: Filter, view: View) -> str:
    if node.name == "lang":
        return (
            f"`{node}`, item is {view.article.lang}"
            if view.article.lang
            else f"`{node}`, the item's language is unknown"
        )
    return f"`{node}`, item is from {view.article.host or view.article.source or 'an unknown source'}"


def _near_reason(node: Near, view: View, scope: FieldScope | None) -> str:
    left, right = evaluate(node.left, view, scope), evaluate(node.right, view, scope)
    if not left or not right:
        return _needs([node.left, node.right], view, scope)
    distance = _nearest(left, right, view)
    if distance is not None:
        return f"distance {distance} words, NEAR/{node.distance}"
    fields = {group.field for group in right}
    if same := next((group for group in left if group.field in fields), None):
        return f"`{node}`, but both stand only in the same words, at {_span(same)}"
    return f"`{node}`, but never in the same field"


def _nearest(left: Sequence[Group], right: Sequence[Group], view: View) -> int | None:
    """Return the least number of words between a group of each side that do not overlap; None where there is no such pair.

    Words are counted out once for each field and looked up for each group, so that many groups in a long text cost no more than the text.
    """
    distances: list[int] = []
    for field, folded in view.found.folded.items():
        ones = [group for group in left if group.field == field]
        others = [group for group in right if group.field == field]
        if ones and others:
            starts = [word.start() for word in _word.finditer(folded.data)]
            distances += [*_distances(ones, others, starts), *_distances(others, ones, starts)]
    return min(distances, default=None)


def _distances(before: Sequence[Group], after: Sequence[Group], starts: Sequence[int]) -> Iterator[int]:
    """Yield for each group how many words stand between it and the next of the others behind it."""
    begins = sorted(group.at for group in after)
    for group in before:
        following = bisect_left(begins, group.stop)
        if following < len(begins):
            yield bisect_left(starts, begins[following]) - bisect_left(starts, group.stop)


def _and_reason(node: And, view: View, scope: FieldScope | None) -> str:
    failed = [child for child in node.nodes if evaluate(child, view, scope) is None]
    wanted = [child for child in node.nodes if not isinstance(child, Filter | Not)]
    if any(child in wanted for child in failed):
        return _needs(wanted, view, scope)
    return _reason(failed[0], view, scope)


def _needs(wanted: Sequence[Node], view: View, scope: FieldScope | None) -> str:
    """Return which of the nodes that must all occur does, where, and which does not."""
    held = [(child, groups[0]) for child in wanted if (groups := evaluate(child, view, scope))]
    failed = [child for child in wanted if not evaluate(child, view, scope)]
    special = next((reason for child in failed if not (reason := _reason(child, view, scope)).startswith("lacks")), "")
    if special or not held:
        return special or _reason(failed[0], view, scope)
    has = ", ".join(f"`{child}` ({_span(group)})" for child, group in held)
    lacks = ", ".join(f"`{child}`" for child in failed)
    return f"needs {'both' if len(wanted) == 2 else 'all'}: has {has}, lacks {lacks}"  # noqa: PLR2004  # both is two


def _span(group: Group) -> str:
    start, end = min(hit.start for hit in group.hits), max(hit.end for hit in group.hits)
    return f"{start}–{end}{' in the title' if group.field == 'title' else ''}"
