"""What every forge must do; the same body for each backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from fleet.core.clock import SystemClock
from fleet.forge.github.connect import connect
from fleet.forge.local import LocalForge
from fleet.store.open import open_for_daemon
from fleet.testing.forge_contract import ForgeWorld
from fleet.testing.forge_merge_contract import CASES
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import BOT, a_github
from fleet.testing.repos import make_checkout, make_clone


@pytest.fixture(params=["local", "github"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ForgeWorld]:
    """A forge with nothing in it but the base branch."""
    checkout = make_checkout(tmp_path / "checkout")
    maker = local_world if request.param == "local" else github_world
    with maker(tmp_path, checkout) as made:
        yield made


@contextmanager
def github_world(tmp_path: Path, checkout: Path) -> Iterator[ForgeWorld]:
    """The real gh and git against a GitHub on this machine; nothing shown is older than the question."""
    numbers = count(1)
    bare = tmp_path / "state" / "repo.git"
    with a_github(checkout) as place:
        forge = connect(REPO, bare, checkout, "main", env=place.env(), clock=SystemClock(), fresh_seconds=0)

        def new_clone() -> Path:
            forge.refresh()  # as before every run
            return make_clone(bare, tmp_path / f"clone{next(numbers)}")

        yield ForgeWorld(
            forge,
            checkout,
            new_clone,
            share=lambda: place.push(checkout),
            one_identity=f"human:{BOT}",
            shown=lambda text: re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", _caret, text),
        )


def _caret(found: re.Match[str]) -> str:
    """How gh prints a control character of an answer."""
    return f"^{chr(ord(found[0]) + 64)}"


@contextmanager
def local_world(tmp_path: Path, checkout: Path) -> Iterator[ForgeWorld]:
    """The forge without a server."""
    bare = tmp_path / "state" / "repo.git"
    db = open_for_daemon(tmp_path / "state" / "fleet.db")
    numbers = count(1)
    forge = LocalForge(db, bare, checkout, "main")
    yield ForgeWorld(forge, checkout, lambda: make_clone(bare, tmp_path / f"clone{next(numbers)}"))
    db.close()


@pytest.mark.parametrize("name", CASES)
def test_a_forge(world: ForgeWorld, name: str) -> None:
    CASES[name](world)
