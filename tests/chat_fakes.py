"""A simulated Discord with our commands in it, a desk behind them, and a judge over everything that was sent."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
import simcord
from discord.ext import commands

from bot.desk import Desk
from bot.model import DeclaredFeed
from bot.pipeline import Habits, Pipeline, Watching
from bot.reading.matcher import Matcher
from bot.store import Store
from cogs import add_cogs
from tests.discord_lint import faults_in, faults_in_callback, faults_in_commands
from tests.discord_spec import description
from tests.fakes import Clock, web_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from bot.model import Actor, Watch
    from bot.workers import Workers
    from tests.fakes import Site


ESCAPED = re.compile(r"\\([\W_])")


class ChatBot(commands.Bot):
    """The cogs and nothing else: what runs the road is not the bot's."""

    def __init__(self, desk: Desk, manager_role: int) -> None:
        super().__init__(command_prefix="!", intents=discord.Intents(guilds=True), help_command=None)
        self._desk = desk
        self._manager_role = manager_role

    async def setup_hook(self) -> None:
        await add_cogs(self, self._desk, manager_role=self._manager_role)
        await self.tree.sync()


@dataclass(kw_only=True)
class Chat:
    """A server with a channel, a manager and a member; everything behind the commands is real."""

    env: simcord.Env
    site: Site
    store: Store
    pipeline: Pipeline
    desk: Desk
    clock: Clock
    guild: simcord.GuildHandle
    channel: simcord.ChannelHandle
    mod: simcord.MemberActor
    ann: simcord.MemberActor

    async def ask(
        self,
        command: str,
        *,
        by: simcord.MemberActor | None = None,
        at: simcord.ChannelHandle | None = None,
        **options: Any,  # noqa: ANN401  # as simcord takes them
    ) -> str:
        """Return what a command says privately: of the manager, in the server's channel, where nothing else is said."""
        result = await (by or self.mod).slash(at or self.channel, command, **options)
        assert result.ephemeral, f"/{command} answered for everybody"
        assert result.deferred or result.response is not None
        return said_in(result)

    async def confirm(self, command: str, label: str, **options: object) -> str:
        """Return what a command says once its button was pressed."""
        result = await self.mod.slash(self.channel, command, **options)
        assert result.response is not None, said_in(result)
        await self.mod.click(result.response, label=label)
        return said_in(result)

    async def names(
        self, command: str, option: str, typed: str = "", *, by: simcord.MemberActor | None = None, **given: object
    ) -> list[str]:
        """Return what is offered while somebody types."""
        choices = await (by or self.mod).autocomplete(self.channel, command, option, typed, **given)
        assert all(choice["name"] == choice["value"] for choice in choices)
        return [str(choice["name"]) for choice in choices]

    def demote(self) -> None:
        """Take the managers' role from the manager."""
        member = self.env.backend.guilds[self.guild.id].members[self.mod.id]
        member.role_ids.clear()

    async def read(self) -> None:
        """Poll every feed that is on and read what is new."""
        for feed in await self.store.due_feeds(self.clock.now, limit=100):
            await self.pipeline.poll_feed(feed)
        for item in await self.store.items_to_read(limit=100):
            await self.pipeline.read_item(item)

    async def poll_again(self) -> None:
        """Poll every feed anew, due or not, and read what is new."""
        await self.store.wake_feeds([feed.id for feed in await self.store.feeds()])
        await self.read()


def said_in(result: simcord.InteractionResult) -> str:
    """Return the text of an answer, content and embeds, as people read it."""
    response = result.response
    assert response is not None, "nothing was answered"
    parts = [response.content]
    for embed in response.embeds:
        parts += [embed.title or "", embed.description or "", embed.footer.text or ""]
    return ESCAPED.sub(r"\1", "\n".join(filter(None, parts))).replace("\u200b", "")


@asynccontextmanager
async def open_chat(
    folder: Path,
    site: Site,
    workers: Workers,
    *,
    feeds: Sequence[str] = (),
    watches: Sequence[Watch] = (),
    actors: Sequence[Actor] = (),
    role: bool = False,
) -> AsyncIterator[Chat]:
    """Open a simulated Discord; at the end everything that was sent is as Discord wants it, and nothing broke."""
    clock = Clock()
    store = await Store.open(folder / "chat.db", now=clock())
    try:
        await store.declare(feeds=[DeclaredFeed(url=url) for url in feeds], actors=actors, watches=watches, now=clock())
        async with web_to(site) as web:
            pipeline = Pipeline(
                store=store,
                web=web,
                workers=workers,
                watching=Watching(watches=(), matcher=Matcher.compile((), (), forms={})),
                habits=Habits(interval_s=1, full_text="never"),
                clock=clock,
            )

            async def refresh() -> None:
                on = await store.watches()
                matcher = Matcher.compile(on, await store.actors(), forms={})
                audiences, hearings = await store.chat.audiences(), await store.chat.hearings()
                pipeline.watching = Watching(watches=on, matcher=matcher, audiences=audiences, hearings=hearings)

            await refresh()
            desk = Desk(store, pipeline=pipeline, clock=clock, refresh=refresh)
            bot = ChatBot(desk, 0)
            async with simulated(bot) as env:
                guild = env.create_guild()
                channel = guild.create_text_channel("news")
                managers = guild.create_role("Desk", permissions=discord.Permissions(manage_guild=not role))
                if role:
                    for cog in bot.cogs.values():
                        cog.manager_role = managers.id  # type: ignore[attr-defined]  # every cog here is a DeskCog
                yield Chat(
                    env=env,
                    site=site,
                    store=store,
                    pipeline=pipeline,
                    desk=desk,
                    clock=clock,
                    guild=guild,
                    channel=channel,
                    mod=guild.add_member(env.create_user("mod"), roles=[managers]),
                    ann=guild.add_member(env.create_user("ann")),
                )
                assert faults_sent(env) == []
    finally:
        await store.close()


@asynccontextmanager
async def simulated(bot: discord.Client) -> AsyncIterator[simcord.Env]:
    """Run a bot in a simulated Discord; unlike simcord.run it may be entered in a fixture."""
    # Under the 15 s after which the HTTP client closes an idle connection: the simulation waits for any timer that is due within its limit.
    env = simcord.Env(bot, settle_timeout=14.0)
    await env.start()
    try:
        yield env
        env.raise_errors()
    finally:
        await env.shutdown()


def faults_sent(env: simcord.Env) -> list[str]:
    """Return what Discord would not have taken of all that the bot sent."""
    spec = description()
    faults: list[str] = []
    for request in env.http_requests:
        body: Any = request.json
        if request.path.endswith("/commands") and isinstance(body, list):
            faults += faults_in_commands(body)
        elif request.path.endswith("/callback"):
            faults += faults_in_callback(body)
        elif isinstance(body, dict) and ("/webhooks/" in request.path or request.path.endswith("/messages")):
            faults += faults_in(body, edit=request.method == "PATCH")
            allowed = body.get("allowed_mentions", {"parse": []})
            faults += [] if allowed.get("parse") == [] else [f"{request.path}: may mention {allowed}"]
        if spec is not None and request.method in {"POST", "PUT", "PATCH"}:
            faults += spec.faults_in_request(request.method, request.path, request.params or {}, body)
    return faults
