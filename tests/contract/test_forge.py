"""What every forge must do; the same body for each backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from fleet.core.clock import SystemClock
from fleet.forge.github.connect import connect
from fleet.forge.local import LocalForge
from fleet.store.open import open_for_daemon
from fleet.testing.forge_contract import ForgeWorld
from fleet.testing.forge_merge_contract import CASES
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import BOT, a_github
from fleet.testing.repos import make_checkout, make_clone

# One of each kind: text, labels, pushes, pull requests, merges, conflicts.
ALWAYS_OVER_KEPT_CONNECTIONS = {
    "hostile_text_is_kept_as_it_is",
    "a_label_keeps_its_mark_until_it_is_taken_off",
    "labels_that_a_repository_keeps_are_made_once_and_changed_in_place",
    "names_that_mean_something_to_git_are_refused",
    "a_comment_with_a_marker_is_written_once",
    "a_pull_request_is_opened_once_for_a_branch",
    "a_merge_lands_exactly_the_head_that_was_asked_for",
    "a_repeated_merge_finds_the_first_one",
    "a_head_that_moved_is_not_merged",
    "a_conflict_names_the_paths_and_changes_nothing",
    "a_closed_pull_request_keeps_its_branch_and_is_not_merged",
}
# Each request is a process of gh, a tenth of a second of the processor.
ALWAYS_BY_GH = {
    "hostile_text_is_kept_as_it_is",
    "a_merge_lands_exactly_the_head_that_was_asked_for",
    "a_head_that_moved_is_not_merged",
}


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ForgeWorld]:
    """A forge with nothing in it but the base branch."""
    checkout = make_checkout(tmp_path / "checkout")
    maker = (
        local_world(tmp_path, checkout)
        if request.param == "local"
        else github_world(tmp_path, checkout, transport=request.param)
    )
    with maker as made:
        yield made


@contextmanager
def github_world(tmp_path: Path, checkout: Path, *, transport: str) -> Iterator[ForgeWorld]:
    """A GitHub on this machine, reached by the real gh and git; nothing shown is older than the question."""
    numbers = count(1)
    bare = tmp_path / "state" / "repo.git"
    with a_github(checkout) as place:
        forge = connect(
            REPO, bare, checkout, "main", env=place.env(), clock=SystemClock(), transport=transport, poll_seconds=0
        )

        def new_clone() -> Path:
            forge.refresh()  # as before every run
            return make_clone(bare, tmp_path / f"clone{next(numbers)}")

        yield ForgeWorld(
            forge,
            checkout,
            new_clone,
            share=lambda: place.push(checkout),
            one_identity=f"human:{BOT}",
            shown=_as_gh_shows if transport == "gh" else lambda text: text,
        )
        forge.close()


def _as_gh_shows(text: str) -> str:
    """How gh prints the control characters of an answer."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", lambda found: f"^{chr(ord(found[0]) + 64)}", text)


@contextmanager
def local_world(tmp_path: Path, checkout: Path) -> Iterator[ForgeWorld]:
    """The forge without a server."""
    bare = tmp_path / "state" / "repo.git"
    db = open_for_daemon(tmp_path / "state" / "fleet.db")
    numbers = count(1)
    forge = LocalForge(db, bare, checkout, "main")
    yield ForgeWorld(forge, checkout, lambda: make_clone(bare, tmp_path / f"clone{next(numbers)}"))
    db.close()


def cases() -> list[ParameterSet]:
    """Every case on both forges and both ways to GitHub; most of those on GitHub wait for the long ring.

    What differs between the two ways is held by test_github_transport.py.
    """
    found = [pytest.param("local", name, id=f"local-{name}") for name in CASES]
    for transport, always in (("gh", ALWAYS_BY_GH), ("httpx2", ALWAYS_OVER_KEPT_CONNECTIONS)):
        for name in CASES:
            marks = [] if name in always else [pytest.mark.long]
            found.append(pytest.param(transport, name, id=f"{transport}-{name}", marks=marks))
    return found


@pytest.mark.parametrize(("world", "name"), cases(), indirect=["world"])
def test_a_forge(world: ForgeWorld, name: str) -> None:
    CASES[name](world)


def test_the_short_ring_names_cases_that_exist() -> None:
    assert set(CASES) >= ALWAYS_OVER_KEPT_CONNECTIONS >= ALWAYS_BY_GH
