"""The page about vendors says what the code says: which guarantees each keeps, and which words a command may hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from fleet.config.commands import PLACEHOLDERS
from fleet.config.model import AgentConfig
from fleet.runtime.vendors import VENDORS
from fleet.runtime.vendors.port import Guarantee

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "explanation" / "vendors.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """The rows of the table whose first column is called so."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("|---")]


def test_the_guarantees_of_every_vendor_are_as_the_code_has_them() -> None:
    head, *body = rows("guarantee")
    assert head[1:] == [f"`{name}`" for name in VENDORS]
    assert {row[0]: row[1:] for row in body} == {
        str(guarantee): ["yes" if guarantee in vendor.keeps else "no" for vendor in VENDORS.values()]
        for guarantee in Guarantee
    }


def test_the_words_of_a_command_are_as_the_code_has_them() -> None:
    _, *body = rows("word")
    assert {row[0]: row[1] for row in body} == {f"`{{{name}}}`": text for name, text in PLACEHOLDERS.items()}


def test_every_vendor_of_the_configuration_can_be_started() -> None:
    assert set(get_args(AgentConfig.model_fields["vendor"].annotation)) == set(VENDORS)


def test_the_tests_that_the_page_names_exist() -> None:
    named = re.findall(r"`(tests/[^`]+)`", PAGE)
    assert named
    assert [path for path in named if not (Path(__file__).resolve().parents[2] / path).exists()] == []
