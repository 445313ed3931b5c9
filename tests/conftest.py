"""Fixtures that more than one file of tests uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.store import Store
from tests.store_fakes import NOW, OTHER_URL, URL, declared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store that knows two feeds."""
    store = await Store.open(tmp_path / "a.db", now=NOW)
    await declared(store, URL, OTHER_URL)
    yield store
    await store.close()
