"""Whatever bytes come, what reads them keeps its promises: the fuzz targets, on bytes near their seeds. `make fuzz` goes further."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz_targets import TARGETS

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def near(seeds: tuple[bytes, ...]) -> SearchStrategy[bytes]:
    """Return bytes: pieces of the seeds, put together anew with pieces of noise and of other seeds."""
    pieces = st.sampled_from(seeds).flatmap(
        lambda seed: st.tuples(st.integers(0, len(seed)), st.integers(0, len(seed))).map(
            lambda ends: seed[min(ends) : max(ends)]
        )
    )
    noise = st.binary(max_size=12) | st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass"))
    return st.binary(max_size=80) | st.lists(pieces | noise | st.sampled_from(seeds), max_size=8).map(b"".join)


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_break_a_promise(name: str) -> None:
    target, seeds = TARGETS[name]
    for seed in seeds:
        target(seed)
    few = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    few(given(near(seeds))(target))()
