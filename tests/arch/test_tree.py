"""The tree drawn in ARCHITECTURE.md and the folders on disk are the same tree."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
PACKAGE = ROOT / "src" / "fleet"


class Line(NamedTuple):
    """One line of the drawing: a path, a folder's ending in ``/``, and whether it is only planned."""

    path: str
    later: bool


@pytest.fixture(scope="module")
def drawing() -> list[Line]:
    """The lines between ```` ```tree ```` and the closing fence."""
    assert ARCHITECTURE.is_file(), "ARCHITECTURE.md is missing; it holds the tree that this test reads"
    text = ARCHITECTURE.read_text(encoding="utf-8")
    _, opened, rest = text.partition("\n```tree\n")
    block, closed, _ = rest.partition("\n```")
    assert opened, "ARCHITECTURE.md has no block that starts with ```tree"
    assert closed, "the ```tree block of ARCHITECTURE.md is not closed"
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    return [Line(line.split()[0], line.endswith("(later)")) for line in lines]


def on_disk() -> set[str]:
    """Every folder that holds a file, and every module at the top, as the drawing spells them."""
    found = {f"src/fleet/{file.name}" for file in PACKAGE.glob("*.py") if file.name != "__init__.py"}
    for file in PACKAGE.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            folder = file.parent
            while folder != PACKAGE:
                found.add(f"{folder.relative_to(ROOT).as_posix()}/")
                folder = folder.parent
    return found


def test_every_folder_and_top_module_is_drawn(drawing: list[Line]) -> None:
    drawn = {line.path for line in drawing}
    assert sorted(on_disk() - drawn) == [], "add them to the tree in ARCHITECTURE.md"


def test_every_drawn_path_exists(drawing: list[Line]) -> None:
    missing = [line.path for line in drawing if not line.later and not exists(line.path)]
    assert missing == [], "build them, or mark their lines (later) in ARCHITECTURE.md"


def test_nothing_that_exists_is_marked_later(drawing: list[Line]) -> None:
    built = [line.path for line in drawing if line.later and exists(line.path)]
    assert built == [], "take the mark (later) off their lines in ARCHITECTURE.md"


def test_no_path_is_drawn_twice(drawing: list[Line]) -> None:
    paths = [line.path for line in drawing]
    assert sorted({path for path in paths if paths.count(path) > 1}) == []


def exists(path: str) -> bool:
    """Whether the path is there and is what its spelling says: a folder, or a file."""
    place = ROOT / path
    return place.is_dir() if path.endswith("/") else place.is_file()
