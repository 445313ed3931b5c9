"""What people do with actors: persons, organisations and places under one name, with the spellings that stand for them."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.desk_ledger import in_turn
from bot.desk_names import clean_name
from bot.desk_queries import doubts_about_actor
from bot.desk_sight import need_manager
from bot.errors import QueryError, UserError
from bot.model import Actor, Alias
from bot.reading.matcher import Matcher
from bot.reading.query import actors_in, parse_query
from bot.reading.spellings import spellings_of_actor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.desk_ledger import Ledger
    from bot.desk_sight import Asker, Sight
    from bot.model import Rule, Watch

MOST_ALIASES = 50
MOST_ACTORS = 1_000
LEAST_LETTERS = 2
_BETWEEN = re.compile(r"[,;\n]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorView:
    """An actor as it is shown. doubts: sentences. spellings: what counts, with the rule. watches: those that name it, by name."""

    actor: Actor
    doubts: tuple[str, ...] = ()
    spellings: tuple[tuple[str, Rule], ...] = ()
    watches: tuple[str, ...] = ()


class ActorDesk:
    """The actors of a server."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def list(self, asker: Asker) -> tuple[Actor, ...]:
        """Return the actors that this server knows, by name."""
        return (await self.ledger.sight(asker)).actors

    async def show(self, asker: Asker, name: str) -> ActorView:
        """Return an actor with its spellings and the watches that name it.

        Raises:
            UserError: there is none of that name.
        """
        sight = await self.ledger.sight(asker)
        return _view(sight, sight.actor(name))

    @in_turn
    async def add(self, asker: Asker, name: str, *, aliases: str = "") -> ActorView:
        """Keep an actor. aliases: by commas.

        Raises:
            UserError: what is wrong with it.
        """
        need_manager(asker)
        sight = await self.ledger.sight(asker)
        name = clean_name(name, "actor")
        if name.casefold() in {one.name.casefold() for one in sight.actors}:
            raise UserError(f'There is an actor "{name}" already: /actor alias add gives it another spelling.')
        bearers = [one.name for one in sight.actors if name.casefold() in sight.spellings_of(one)]
        if bearers:
            raise UserError(
                f'"{name}" is an alias of {" and of ".join(bearers)} already, and counts as such. '
                "For somebody else take the full name, or remove that alias first."
            )
        if len(sight.actors) >= MOST_ACTORS:
            raise UserError(f"A server may have {MOST_ACTORS} actors: remove one first.")
        given = list(dict.fromkeys(_alias(part) for part in _BETWEEN.split(aliases) if part.strip()))
        if len(given) > MOST_ALIASES:
            raise UserError(f"An actor may have {MOST_ALIASES} aliases; these are {len(given)}.")
        actor = Actor(
            guild_id=asker.guild_id, name=name, aliases=tuple(Alias(text=text) for text in given), origin="chat"
        )
        await self._refuse_breaking(sight, [*sight.actors, actor])
        await self.ledger.store.chat.add_actor(actor, by=asker.user_id, now=self.ledger.clock())
        return await self._after(asker, name)

    @in_turn
    async def edit(self, asker: Asker, name: str, *, new_name: str) -> ActorView:
        """Give an actor another name; the old one stays as an alias, so that watches go on.

        Raises:
            UserError: it is declared, not here, or the name cannot be.
        """
        sight, actor = await self._own(asker, name)
        if not new_name.strip():
            raise UserError("Say what to change: name. Aliases change with /actor alias add and remove.")
        new_name = clean_name(new_name, "actor")
        others = {one.name.casefold() for one in sight.actors if one.id != actor.id}
        if new_name.casefold() in others:
            raise UserError(f'There is an actor "{new_name}" already: take another name.')
        aliases = [one for one in actor.aliases if one.text.casefold() != new_name.casefold()]
        if actor.name.casefold() != new_name.casefold():
            aliases.append(Alias(text=actor.name))
        return await self._keep(sight, replace(actor, name=new_name, aliases=tuple(aliases)))

    @in_turn
    async def add_alias(self, asker: Asker, name: str, alias: str) -> ActorView:
        """Give an actor another spelling.

        Raises:
            UserError: the actor is declared or not here, or the spelling cannot be.
        """
        sight, actor = await self._own(asker, name)
        text = _alias(alias)
        known = {actor.name.casefold(), *(one.text.casefold() for one in actor.aliases)}
        if text.casefold() in known:
            raise UserError(f'{actor.name} has the spelling "{text}" already: nothing to add.')
        if len(actor.aliases) >= MOST_ALIASES:
            raise UserError(f"An actor may have {MOST_ALIASES} aliases: remove one first.")
        return await self._keep(sight, replace(actor, aliases=(*actor.aliases, Alias(text=text))))

    @in_turn
    async def remove_alias(self, asker: Asker, name: str, alias: str) -> ActorView:
        """Take a spelling from an actor.

        Raises:
            UserError: the actor is declared or not here, has no such spelling, or a watch names it so.
        """
        sight, actor = await self._own(asker, name)
        gone = _existing(actor, alias).casefold()
        left = tuple(one for one in actor.aliases if one.text.casefold() != gone)
        return await self._keep(sight, replace(actor, aliases=left))

    async def one_with_alias(self, asker: Asker, name: str, alias: str) -> Actor:
        """Return an actor that may be changed here and has this alias: what a confirmation shows.

        Raises:
            UserError: it is declared or not here, or has no such spelling.
        """
        _, actor = await self._own(asker, name)
        _existing(actor, alias)
        return actor

    async def one_to_change(self, asker: Asker, name: str) -> Actor:
        """Return an actor that may be removed here: what a confirmation shows.

        Raises:
            UserError: it is declared, not here, or a watch names it.
        """
        sight, actor = await self._own(asker, name)
        if users := sight.shown(watches_naming(sight.all_watches, actor)):
            raise UserError(
                f"{actor.name} is named by {', '.join(users[:5])}: change the query with /watch edit first, or remove the watch."
            )
        return actor

    @in_turn
    async def remove(self, asker: Asker, actor: Actor) -> None:
        """Remove an actor as it was shown.

        Raises:
            UserError: the asker may not, a watch names it by now, or it was changed or removed since.
        """
        if await self.one_to_change(asker, actor.name) != actor:
            raise UserError(f"{actor.name} was changed meanwhile: look at it with /actor show, then ask again.")
        await self.ledger.store.chat.remove_actor(asker.guild_id, actor.id)
        await self.ledger.changed()

    async def _own(self, asker: Asker, name: str) -> tuple[Sight, Actor]:
        need_manager(asker)
        sight = await self.ledger.sight(asker)
        actor = sight.actor(name)
        if actor.origin == "config":
            raise UserError(
                f"{actor.name} is declared in the configuration file: change its [[actors]] entry there and reload."
            )
        return sight, actor

    async def _keep(self, sight: Sight, actor: Actor) -> ActorView:
        await self._refuse_breaking(sight, [actor if one.id == actor.id else one for one in sight.actors])
        await self.ledger.store.chat.edit_actor(actor)
        return await self._after(sight.asker, actor.name)

    async def _after(self, asker: Asker, name: str) -> ActorView:
        await self.ledger.changed()
        sight = await self.ledger.glance(asker)
        return _view(sight, sight.actor(name))

    async def _refuse_breaking(self, sight: Sight, actors: Sequence[Actor]) -> None:
        """Refuse what would leave a watch of this server without a reading of its query."""
        naming = [one for one in sight.all_watches if one.enabled and _names(one)]
        before = await asyncio.to_thread(_faults, naming, sight.actors)
        after = await asyncio.to_thread(_faults, naming, actors)
        for watch_id, error in after.items():
            if watch_id not in before:
                watch = next(one for one in naming if one.id == watch_id)
                known = (
                    f'The watch "{watch.name}"'
                    if watch in sight.watches
                    else "A watch in a channel that you cannot see"
                )
                raise UserError(f"{known} could not be read any more: {error.what} {error.why}".strip())


def watches_naming(watches: Sequence[Watch], actor: Actor) -> tuple[Watch, ...]:
    """Return the watches whose queries name an actor or one of its aliases."""
    names = {actor.name.casefold(), *(alias.text.casefold() for alias in actor.aliases)}
    return tuple(watch for watch in watches if names & _names(watch))


def _names(watch: Watch) -> set[str]:
    try:
        return {name.casefold() for name in actors_in(parse_query(watch.query))}
    except QueryError:
        return set()


def _faults(watches: Sequence[Watch], actors: Sequence[Actor]) -> dict[int, QueryError]:
    return {watch.id: error for watch, error in Matcher.compile(watches, actors, forms={}).faults}


def _view(sight: Sight, actor: Actor) -> ActorView:
    spellings = dict.fromkeys((one.alias, one.rule) for one in spellings_of_actor(0, actor))
    return ActorView(
        actor=actor,
        doubts=tuple(doubts_about_actor(actor)),
        spellings=tuple(spellings),
        watches=tuple(watch.name for watch in watches_naming(sight.watches, actor)),
    )


def _existing(actor: Actor, typed: str) -> str:
    """Return an alias of an actor as it is kept."""
    wanted = " ".join(typed.split()).casefold()
    for alias in actor.aliases:
        if alias.text.casefold() == wanted:
            return alias.text
    known = ", ".join(alias.text for alias in actor.aliases[:10]) or "none"
    raise UserError(f'{actor.name} has no alias "{typed.strip()[:100]}". Its aliases: {known}.')


def _alias(typed: str) -> str:
    text = clean_name(typed, "spelling")
    if sum(map(str.isalnum, text)) < LEAST_LETTERS:
        raise UserError(f'"{text}" is too short: a spelling has at least {LEAST_LETTERS} letters.')
    return text
