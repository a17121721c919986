"""The base branch of a fleet at GitHub: brought here at the start, followed afterwards, refusals waited out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.errors import TemporaryError
from fleet.forge.github.connect import connect
from fleet.forge.github.forge import GitHubForge
from fleet.testing.clock import ManualClock
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import Place, a_github
from fleet.testing.repos import commit, git, make_checkout


class Desk:
    """A fleet whose checkout is behind GitHub by one commit when it starts."""

    def __init__(self, folder: Path, place: Place) -> None:
        """Push from another clone, then connect."""
        self.place, self.checkout, self.bare = place, folder / "checkout", folder / "state" / "repo.git"
        self.behind = git(self.checkout, "rev-parse", "main")
        self.elsewhere = folder / "elsewhere"
        git(folder, "clone", "--quiet", str(place.hub.bare), str(self.elsewhere))
        self.ahead = self.push({"more.txt": "1\n"})
        before = len(place.server.log)
        self.forge: GitHubForge = connect(
            REPO, self.bare, self.checkout, "main", env=place.env(), clock=ManualClock(), transport="httpx2"
        )
        assert len(place.server.log) == before, "a start needs no network"

    def push(self, files: dict[str, str]) -> str:
        """Somebody pushes to the base; the commit."""
        sha = commit(self.elsewhere, files, "more")
        self.place.push(self.elsewhere, "+HEAD:main")
        return sha

    def base(self) -> str:
        """Where the fleet's base is."""
        return git(self.bare, "rev-parse", "main")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open it."""
    with a_github(make_checkout(tmp_path / "checkout")) as place:
        made = Desk(tmp_path, place)
        yield made
        made.forge.close()


def test_a_fleet_whose_checkout_is_behind_starts_there_and_is_brought_to_githubs_base(desk: Desk) -> None:
    assert desk.base() == desk.behind
    told: list[tuple[str, str, str]] = []
    report = desk.forge.refresh(lambda old, new: told.append((old, new, desk.base())))
    assert (report.kind, report.old, report.new) == ("fetched", desk.behind, desk.ahead)
    assert told == [(desk.behind, desk.ahead, desk.behind)], "it is announced before the branch moves"
    assert desk.base() == desk.ahead
    assert git(desk.checkout, "rev-parse", "main") == desk.behind, "the person's checkout is the person's"
    assert desk.forge.publish_base().kind == "unchanged"
    assert desk.forge.refresh(lambda old, new: told.append((old, new, ""))).kind == "unchanged"
    assert len(told) == 1


def test_a_base_that_was_rewritten_there_is_followed_and_announced_to_nobody(desk: Desk) -> None:
    desk.forge.refresh()
    git(desk.elsewhere, "reset", "--quiet", "--hard", desk.behind)
    other = desk.push({"other.txt": "1\n"})
    told: list[str] = []
    report = desk.forge.refresh(lambda old, new: told.append(new))
    assert (report.kind, report.old, report.new, told) == ("rewritten", desk.ahead, other, [])
    assert desk.base() == other


def test_a_base_that_is_gone_there_is_told_by_its_name_and_moves_nothing(desk: Desk) -> None:
    git(desk.place.hub.bare, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(TemporaryError) as caught:
        desk.forge.refresh()
    assert (caught.value.code, REPO in str(caught.value)) == ("FLT-FRG-017", True)
    assert desk.base() == desk.behind


def test_a_repository_that_git_may_not_fetch_from_is_asked_again(desk: Desk) -> None:
    away = desk.place.hub.bare.with_name("away.git")
    head = desk.forge.branch_head("main")
    desk.place.hub.look_at_heads = lambda: None  # type: ignore[method-assign]
    desk.place.hub.branch = lambda name: head  # type: ignore[method-assign]
    desk.place.hub.bare.rename(away)
    with pytest.raises(TemporaryError) as caught:
        desk.forge.refresh()
    assert (caught.value.code, caught.value.retry_after) == ("FLT-GHB-013", 15)
    assert desk.base() == desk.behind
    away.rename(desk.place.hub.bare)
    assert desk.forge.refresh().kind == "fetched"
