"""Every promise of the guarantees page has its own number, a mode, a limit, and tests that pytest would collect."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "guarantees.md"
MODES = {"shared-uid", "isolated"}


def promises() -> list[list[str]]:
    """The rows of the table: number, promise, mode, limit, test."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| G")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def is_collected(named: str) -> bool:
    """Would pytest collect this ``tests/…/test_x.py::test_y`` (or ``::TestZ``)? Told from the file's text."""
    place, _, name = named.partition("::")
    path = ROOT / place
    if not (path.is_file() and path.name.startswith("test_")):
        return False
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.Assign):  # a property test whose steps hypothesis draws: TestClaims = Claims.TestCase
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return name.startswith(("test_", "Test")) and name in found


def test_every_promise_has_a_number_of_its_own_a_mode_a_limit_and_a_test() -> None:
    rows = promises()
    assert len(rows) > 30
    assert [row for row in rows if len(row) != 5 or not all(row)] == []
    assert [row[0] for row in rows if row[2] not in MODES] == []
    numbers = [row[0] for row in rows]
    assert sorted(set(numbers)) == sorted(numbers)


def test_every_promise_names_tests_that_are_collected() -> None:
    tests = [(row[0], name) for row in promises() for name in row[4].split(", ")]
    assert [one for one in tests if not is_collected(one[1].removeprefix("`").removesuffix("`"))] == []


def test_a_test_that_is_not_there_is_noticed() -> None:
    assert is_collected("tests/docs/test_guarantees.py::test_a_test_that_is_not_there_is_noticed")
    for wrong in ("tests/docs/test_guarantees.py::test_gone", "tests/docs/test_gone.py::test_x", "tests/docs"):
        assert not is_collected(wrong)
