"""A deciding fleet, and things that happen at named points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet.core import probe
from fleet.testing.scene import Scene, crashing


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """The usual members: developer, two reviewers, release manager."""
    made = Scene(tmp_path)
    yield made
    made.close()


@pytest.fixture
def at_point() -> Iterator[dict[str, Callable[[], None]]]:
    """What happens when a named point is passed."""
    actions: dict[str, Callable[[], None]] = {}

    def handler(name: str) -> None:
        if name in actions:
            actions[name]()

    probe.install(handler)
    yield actions
    probe.install(None)


@pytest.fixture
def crash_at() -> Iterator[list[str]]:
    """Names of points at which the next pass raises."""
    with crashing() as points:
        yield points
