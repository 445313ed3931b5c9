"""What the pages for people promise is there: their links, their make targets, their commands' queries."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bot.cli import COMMANDS
from bot.newsroom.library import open_library
from bot.reading.query import parse_query

ROOT = Path(__file__).parent.parent
PAGES = tuple(
    sorted(
        str(path.relative_to(ROOT))
        for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md"))
    )
)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_to_something(name: str) -> None:
    folder = (ROOT / name).parent
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", page(name))
    assert [target for target in linked if not (folder / target).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_make_target_that_a_page_names_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z][^\s`]*)", page(name), re.MULTILINE)) <= targets


@pytest.mark.parametrize("name", PAGES)
def test_every_file_and_module_that_a_page_names_in_code_exists(name: str) -> None:
    said = re.findall(
        r"`((?:bot|cogs|tests|benchmarks|docs|deploy|\.ci)/[\w./-]+\.(?:py|md|toml|service))`", page(name)
    )
    modules = re.findall(r"python -m (benchmarks\.\w+)", page(name))
    named = [*said, *(f"{module.replace('.', '/')}.py" for module in modules)]
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_two_commands_stand_at_the_top_of_the_readme() -> None:
    first_block = page("README.md").split("```")[1]
    assert re.findall(r"^make [a-z]+", first_block, re.MULTILINE) == ["make try", "make test"]


def test_the_readme_lists_the_commands_that_there_are() -> None:
    assert set(re.findall(r"^\| `wirewatch ([a-z]+)", page("README.md"), re.MULTILINE)) == set(COMMANDS)


def test_the_queries_of_the_readme_can_be_read() -> None:
    table = page("README.md").partition("## What a watch can say")[2].partition("\n`AND`")[0]
    queries = [
        query for row in re.findall(r"^\| (`.+`) \|", table, re.MULTILINE) for query in re.findall("`([^`]+)`", row)
    ]
    assert len(queries) >= 6
    for query in queries:
        assert str(parse_query(query))


def test_the_queries_of_the_sample_newsroom_can_be_read() -> None:
    for _, query in open_library().watches:
        assert str(parse_query(query))


def test_the_python_that_the_readme_asks_for_is_the_one_that_is_declared() -> None:
    declared = tomllib.loads(page("pyproject.toml"))["project"]["requires-python"].removeprefix(">=")
    assert f"Python {declared} or newer" in page("README.md")
    assert f"Python {declared} or newer" in page("CONTRIBUTING.md")
