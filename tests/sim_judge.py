"""What is to be said of a simulated bot: what each channel saw against what was due, by the world's own account. No test itself."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.sim_plan import WATCHES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sim_plan import Story
    from tests.sim_world import World

ALERTS = """SELECT i.title, a.channel_id, a.thread_id, a.told, a.state, a.edit_state, a.nonce, a.last_error
    FROM alerts a JOIN items i ON i.id = a.item_id ORDER BY a.id"""
SETTLED_S = 60.0
ITEMS = """SELECT i.title, f.url, i.state, i.fired_before <> '[]', i.page_next_at FROM items i JOIN feeds f ON f.id = i.feed_id"""


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a database answers."""
    with closing(sqlite3.connect(database)) as sql:
        return sql.execute(query).fetchall()


def gone(world: World) -> set[int]:
    """Return the channels and threads that are gone for good."""
    return {int(name.split()[1]) for name, _, _ in world.plan.troubles if name.startswith("gone")}


def is_quiet(world: World, database: Path) -> bool:
    """Whether everything that was published is read, told and settled, and each feed was asked since all trouble is over."""
    last = {feed: at_s for _, feed, at_s in world.polls if at_s < world.now_s - SETTLED_S}
    if any(last.get(feed, 0.0) <= world.plan.length_s for feed in range(world.plan.feeds)):
        return False
    items = rows(database, ITEMS)
    if any(state == "to_read" or page_next_at for _, _, state, _, page_next_at in items):
        return False
    if len(items) < sum(len(story.feeds) for story in world.plan.stories):
        return False
    if any((one.edited_s or 0.0) > last[feed] for one in world.plan.stories for feed in one.feeds):
        return False
    unsettled = {
        thread or channel
        for _, channel, thread, _, state, edit, _, _ in rows(database, ALERTS)
        if state != "sent" or edit
    }
    return not unsettled - gone(world)


def unexplained(world: World, database: Path) -> list[str]:
    """Return what an orderly end left on its way though nobody ever asked Discord to take it, or Discord answered."""
    if world.disk_trouble(world.now_s):
        return []
    on_their_way = rows(database, "SELECT nonce FROM alerts WHERE state = 'sending'")
    return [
        f"{nonce} is left on its way for no reason" for (nonce,) in on_their_way if nonce not in world.discord.asked
    ]


def faults_of(world: World, database: Path) -> list[str]:
    """Return all that is wrong in the end, one line each."""
    faults = [f"integrity: {said}" for (said,) in rows(database, "PRAGMA integrity_check") if said != "ok"]
    items, alerts = rows(database, ITEMS), rows(database, ALERTS)
    faults += [f"never read: {title} of {url} ({state})" for title, url, state, *_ in items if state == "to_read"]
    for story in world.plan.stories:
        faults += _faults_of_story(world, story, items, alerts)
    faults += [
        f"not settled: {title} in {channel}/{thread}: {state} {edit} {error}"
        for title, channel, thread, _, state, edit, _, error in alerts
        if (state != "sent" or edit) and (thread or channel) not in gone(world)
    ]
    return faults + _faults_in_channels(world, alerts) + _faults_of_polls(world)


def _faults_of_story(
    world: World, story: Story, items: list[tuple[Any, ...]], alerts: list[tuple[Any, ...]]
) -> list[str]:
    faults, kinds = [], set()
    for feed in story.feeds:
        states = [
            (state, fired) for title, url, state, fired, _ in items if (title, url) == (story.title, world.url(feed))
        ]
        if len(states) != 1:
            faults.append(f"{story.title} stands {len(states)} times in the store, of feed {feed}")
            continue
        heard = story.at_s >= world.heard_s.get(feed, math.inf)
        if states[0][0] == "baseline" and heard:
            faults.append(f"{story.title} of feed {feed} is taken for old")
        is_old = states[0][0] == "baseline" or (
            states[0][1] and not heard
        )  # of an edit afterwards, what is new is told
        kinds.add("old" if is_old else "due")
    said = story.words | story.late_words
    must = said if "due" in kinds else frozenset()
    if "due" in kinds and not world.plan.jumps:  # a clock set forward a day gives pages up
        must |= story.page_words
    return faults + _faults_of_told(story, alerts, must, said | story.page_words if kinds else frozenset())


def _faults_of_told(
    story: Story, alerts: list[tuple[Any, ...]], must: frozenset[str], may: frozenset[str]
) -> list[str]:
    """Return what is wrong with what is owed of a story, of which these words must and those may be told."""
    faults = []
    ids = {f"watch:{number}": name for number, name in enumerate(WATCHES, start=1)}
    told: dict[tuple[int, int], list[set[str]]] = defaultdict(list)
    for title, channel, thread, keys, *_ in alerts:
        if title == story.title:
            told[channel, thread].append({ids[key] for key in json.loads(keys)})
    for name, (words, place) in WATCHES.items():
        times = sum(name in one for one in told[place])
        if words & must and not times:
            faults.append(f"LOST: {story.title} is not owed to {place} for {name}")
        if times and not words & may:
            faults.append(f"{story.title} is owed to {place} for {name}, which it does not hold")
        if times > 1 and story.twin is None:
            faults.append(f"OWED TWICE: {story.title} to {place} for {name}")
    for place, those in told.items():
        if len(those) > len(set().union(*those)):
            faults.append(f"OWED TWICE: {story.title} to {place}: {those}")
    return faults


def _faults_in_channels(world: World, alerts: list[tuple[Any, ...]]) -> list[str]:
    faults = []
    due = Counter((thread or channel, title) for title, channel, thread, _, state, *_ in alerts if state == "sent")
    seen: Counter[tuple[int, str]] = Counter()
    excused: Counter[tuple[int, str]] = Counter()
    for message in world.discord.messages:
        for embed in message.embeds:
            seen[message.place, embed.title or ""] += 1
            excused[message.place, embed.title or ""] += message.said_repeat or message.deleted_s is not None
    for key in due.keys() | seen.keys():
        if seen[key] < due[key]:
            faults.append(f"LOST: {key} was said {seen[key]} times, not {due[key]}")
        unsure = excused[key] or world.plan.jumps or key[0] in gone(world)
        if seen[key] > due[key] and not unsure:
            faults.append(f"TWICE: {key} was said {seen[key]} times, not {due[key]}")
    return sorted(faults)


def _faults_of_polls(world: World) -> list[str]:
    faults, last = [], dict[tuple[int, int], float]()
    for life, feed, at_s in world.polls:
        before_s = last.get((life, feed))
        if before_s is not None and at_s - before_s < 0.9 * world.plan.interval_s and not world.plan.jumps:
            faults.append(f"life {life}: feed {feed} was asked at {before_s:.1f} and again at {at_s:.1f}")
        last[life, feed] = at_s
    return faults[:3]
