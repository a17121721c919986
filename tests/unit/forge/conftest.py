"""One local forge over real repositories for every test of this folder that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.testing.forge_home import ForgeHome


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ForgeHome]:
    """A fleet's repository with one commit on its base."""
    made = ForgeHome.make(tmp_path / "home")
    yield made
    made.db.close()
