"""Fixtures that more than one file of tests uses. A file may have its own of the same name, which then holds there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from bot.store import Store
from bot.workers import Workers
from tests.delivery_fakes import open_room
from tests.fakes import Site
from tests.store_fakes import NOW, OTHER_URL, URL, declared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.chat_fakes import Chat
    from tests.delivery_fakes import Room
    from tests.wire_fakes import Desk

# How long an example takes says nothing on a machine that does something else besides.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store that knows two feeds."""
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, URL, OTHER_URL)
    yield store
    await store.close()


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """A deliverer, its store and an outlet that does what the test says."""
    async with open_room(tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers() -> AsyncIterator[Workers]:
    """The processes that parse, shared by the tests of a file; for tests on the module's loop. They start when first needed."""
    async with Workers() as opened:
        yield opened


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A site on loopback that answers what the test says."""
    async with Site() as opened:
        yield opened


@pytest.fixture
async def chat(tmp_path: Path, site: Site) -> AsyncIterator[Chat]:
    """A simulated Discord with our commands in it, and a site whose feeds nobody hears yet (`chat.site`)."""
    from tests.chat_fakes import open_chat  # noqa: PLC0415 - the simulated Discord is slow to load, and most files need none

    async with Workers() as own, open_chat(tmp_path, site, own) as opened:
        yield opened


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """The bot as a process, not yet started, with a Discord and a site of its own."""
    from tests.wire_fakes import desk_in  # noqa: PLC0415 - as above

    async with desk_in(tmp_path) as opened:
        yield opened
