"""What every forge must do; the same body for each backend."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from fleet.forge.local import LocalForge
from fleet.store.open import open_for_daemon
from fleet.testing.forge_contract import ForgeWorld
from fleet.testing.forge_merge_contract import CASES
from fleet.testing.repos import make_checkout, make_clone


@pytest.fixture(params=["local"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ForgeWorld]:
    """A forge with nothing in it but the base branch."""
    assert request.param == "local"
    checkout = make_checkout(tmp_path / "checkout")
    bare = tmp_path / "state" / "repo.git"
    db = open_for_daemon(tmp_path / "state" / "fleet.db")
    numbers = count(1)
    forge = LocalForge(db, bare, checkout, "main")
    yield ForgeWorld(forge, checkout, lambda: make_clone(bare, tmp_path / f"clone{next(numbers)}"))
    db.close()


@pytest.mark.parametrize("name", CASES)
def test_a_forge(world: ForgeWorld, name: str) -> None:
    CASES[name](world)
