"""alerts_for: matches and stories → what each channel is told, once. Pure: reads no clock and no store.

The rules, in order, for each channel that a fired watch belongs to:
1. A channel that knows nothing of the story gets an alert; several watches share it.
2. What the channel has been told of is a set of keys: the watches that fired and the watched actors that were named.
3. The same article read again (its page came, it was edited): a watch that is new to the channel alerts anew, as a reply; and
   the article's own alerts are edited where their cards would now say something else. Where the words that an alert was made for
   stand there no longer, its card says so (bot/retraction.py); what the channel was told stays told, and nobody is pinged.
4. Another report of the story: a watch or actor that is new to the channel alerts anew, as a reply; otherwise the first alert
   is edited to name the further source.
5. Nothing old: a watch that the channel was not told of stays silent about an item that was there before the watch, or its
   server's subscription, came into force, and about one that any earlier wording had fired it with.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from bot.cards import card_for
from bot.model import Alert, AlertEdit, Hearing, Matches
from bot.retraction import Rereading

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from bot.model import Article, Card, Item, Match, Story, ToldAlert, Watch

Place = tuple[int, int]

NOT_ASKED_FOR = Hearing()
NONE_HEARD: Mapping[tuple[int, int], Hearing] = MappingProxyType({})


def alerts_for(
    *,
    item: Item,
    article: Article,
    matches: Matches,
    watches: Sequence[Watch],
    story: Story,
    told: Sequence[ToldAlert],
    now: datetime,
    found: str = "",
    fired_before: Collection[int] = (),
    hearings: Mapping[tuple[int, int], Hearing] = NONE_HEARD,
) -> tuple[tuple[Alert, ...], tuple[AlertEdit, ...]]:
    """Return the alerts and edits that are owed because of this reading.

    watches: all that could fire, of any channel. told: every alert of this story so far, in any channel. found: said on what is new.
    fired_before: watches that an earlier wording of the item fired. hearings: how servers hear what they asked for, by feed and server.
    """
    alerts: list[Alert] = []
    edits: list[AlertEdit] = []
    ids = set(matches.fired)
    knowing = {(alert.channel_id, alert.thread_id, key) for alert in told for key in alert.told}
    fired = [
        watch
        for watch in watches
        if watch.id in ids
        and (_is_told(watch, knowing) or not (watch.id in fired_before or is_old_for(watch, item, hearings, now=now)))
    ]
    rereading = Rereading(item=item, article=article, now=now)
    told_of_it = [(alert.channel_id, alert.thread_id) for alert in told if alert.item_id == item.id]
    for place in dict.fromkeys([*((watch.channel_id, watch.thread_id) for watch in fired), *told_of_it]):
        here = [watch for watch in fired if (watch.channel_id, watch.thread_id) == place]
        before = [alert for alert in told if (alert.channel_id, alert.thread_id) == place]
        named = as_called(article, item, here, hearings)
        telling = Telling(item=item, article=named, matches=matches.matches, watches=here, found=found)
        fresh = telling.fresh(before)
        mine = [alert for alert in before if alert.item_id == item.id]
        if here and (not before or fresh):
            alerts.append(telling.alert(place, story, before, fresh))
        if mine:
            edits += telling.edits_of_own(mine, rereading)
        elif before and not fresh:
            edits += telling.edits_of_first(before[0])
    return tuple(alerts), tuple(edits)


def _is_told(watch: Watch, knowing: Collection[tuple[int, int, str]]) -> bool:
    """Return whether the watch's place was told of the story on account of this watch."""
    return (watch.channel_id, watch.thread_id, f"watch:{watch.id}") in knowing


def as_called(
    article: Article, item: Item, watches: Sequence[Watch], hearings: Mapping[tuple[int, int], Hearing]
) -> Article:
    """Return an article with its source under the name that the server of these watches gave to the feed."""
    given = [hearings[key].name for watch in watches if (key := (item.feed_id, watch.home_id)) in hearings]
    return replace(article, source=given[0]) if given and given[0] else article


def is_old_for(watch: Watch, item: Item, hearings: Mapping[tuple[int, int], Hearing], *, now: datetime) -> bool:
    """Return whether an item was there, as it is, before a watch or its server's subscription came into force.

    What came into force later than now did so before the clock was set back: it is in force.
    """
    hearing = hearings.get((item.feed_id, watch.home_id), NOT_ASKED_FOR)
    starts = [at for at in (watch.since_at, hearing.since_at) if at is not None and at <= now]
    return bool(starts) and max(item.first_seen_at, item.edited_at or item.first_seen_at) < max(starts)


def heard_in(
    matches: Matches, watches: Sequence[Watch], feed_id: int, audiences: Mapping[int, frozenset[int]]
) -> Matches:
    """Return what an article of this feed fires, without the watches that do not hear the feed.

    audiences: the servers that hear a feed, by feed, for those that not all hear.
    """
    guilds = audiences.get(feed_id)
    deaf = {
        watch.id
        for watch in watches
        if (watch.feeds and feed_id not in watch.feeds) or (guilds is not None and watch.home_id not in guilds)
    }
    if not deaf:
        return matches
    return Matches(
        matches=tuple(match for match in matches.matches if match.watch_id not in deaf),
        why_not=tuple(reason for reason in matches.why_not if reason.watch_id not in deaf),
        fired=tuple(watch_id for watch_id in matches.fired if watch_id not in deaf),
    )


def told_keys(watches: Sequence[Watch], matches: Sequence[Match]) -> frozenset[str]:
    """Return what a channel knows once it has been told of these watches with these matches."""
    ids = {watch.id for watch in watches}
    actors = {f"actor:{match.actor}" for match in matches if match.actor and match.watch_id in ids}
    return frozenset({f"watch:{watch_id}" for watch_id in ids} | actors)


class Telling:
    """One article and the watches of one channel that fired on it: what is new there, and how it is said."""

    def __init__(
        self, *, item: Item, article: Article, matches: Sequence[Match], watches: Sequence[Watch], found: str
    ) -> None:
        self._item = item
        self._article = article
        self._matches = matches
        self._watches = watches
        self._found = found

    def fresh(self, before: Sequence[ToldAlert]) -> frozenset[str]:
        """Return the keys that the channel has not been told of; for the same article actors alone are no news (rule 3)."""
        known = frozenset[str]().union(*(alert.told for alert in before))
        new = told_keys(self._watches, self._matches) - known
        if any(alert.item_id == self._item.id for alert in before):
            return frozenset(key for key in new if key.startswith("watch:"))
        return new

    def alert(self, place: Place, story: Story, before: Sequence[ToldAlert], fresh: frozenset[str]) -> Alert:
        """Return the alert that tells this channel of the article, as a reply where it knows the story already."""
        watches = self._watches
        if any(alert.item_id == self._item.id for alert in before):
            watches = [watch for watch in self._watches if f"watch:{watch.id}" in fresh]
        matches = self._of(watches)
        return Alert(
            channel_id=place[0],
            thread_id=place[1],
            story_key=story.key,
            number=max((alert.number for alert in before), default=-1) + 1,
            card=card_for(item=self._item, article=self._article, matches=matches, watches=watches, found=self._found),
            told=told_keys(watches, matches),
            reply_to=min((alert.number for alert in before), default=None),
        )

    def edits_of_own(self, mine: Sequence[ToldAlert], rereading: Rereading) -> list[AlertEdit]:
        """Return a better card for each alert of this very article whose card would now say something else."""
        edits = []
        for alert in mine:
            watches = [watch for watch in self._watches if f"watch:{watch.id}" in alert.told]
            card = rereading.told(alert.card, self._better(alert.card, watches) if watches else None)
            if card != alert.card:
                edits.append(
                    AlertEdit(alert_id=alert.id, card=card, told=alert.told | told_keys(watches, self._of(watches)))
                )
        return edits

    def _better(self, card: Card, watches: Sequence[Watch]) -> Card:
        """Return the card that would be made now, with what stays of the one that is there."""
        matches = self._of(watches)
        better = card_for(item=self._item, article=self._article, matches=matches, watches=watches, found=card.found)
        return replace(
            better,
            watches=card.watches,
            mentions=card.mentions,
            seen_at=card.seen_at,
            late=card.late,
            also=card.also,
        )

    def edits_of_first(self, first: ToldAlert) -> list[AlertEdit]:
        """Return the first alert with this article's source named beside its own, nothing where it is named already."""
        source = self._article.source
        if not source or source == first.card.source or source in first.card.also:
            return []
        card = replace(first.card, also=(*first.card.also, source))
        return [AlertEdit(alert_id=first.id, card=card, told=first.told | told_keys(self._watches, self._matches))]

    def _of(self, watches: Sequence[Watch]) -> list[Match]:
        ids = {watch.id for watch in watches}
        return [match for match in self._matches if match.watch_id in ids]
