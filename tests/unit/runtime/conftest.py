"""What most tests of this room need: a workshop of runs, and a clone whose work is to be saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.runtime.clone import make_clone
from fleet.testing.runtime_contract import IDENTITY, World
from fleet.testing.workshop import Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop whose agents hang until the test ends them."""
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A bare repository, and places for clones and run folders."""
    return World(tmp_path / "world")


@pytest.fixture
def clone(world: World) -> Path:
    """The clone of session r1-e1, at work on ticket 1."""
    target = world.clones / "r1-e1"
    make_clone(world.bare, target, "fleet/1", "main", IDENTITY)
    return target
