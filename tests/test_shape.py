"""The shape of the program: no room is overfull, no function does too much."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MOST_LINES = 400
MOST_FUNCTION_LINES = 40
FILES = sorted(str(path.relative_to(ROOT)) for room in ("bot", "cogs") for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("name", FILES)
def test_a_room_is_small_and_its_functions_are(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.count("\n") < MOST_LINES
    functions = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [one.name for one in functions if length_of(one) >= MOST_FUNCTION_LINES] == []


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function has, its docstring not counted."""
    docstring = ast.get_docstring(function, clean=False)
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - (docstring.count("\n") + 1 if docstring is not None else 0)
