"""Every promise of the guarantees page names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_guarantee_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "explanation" / "guarantees.md").read_text("utf-8")
    named = re.findall(r"^\| G\d+ \|.*`(tests/[^`]+)` \|$", page, re.MULTILINE)
    assert len(named) == len(re.findall(r"^\| G\d+", page, re.MULTILINE)) > 0
    assert [path for path in named if not (ROOT / path).exists()] == []
