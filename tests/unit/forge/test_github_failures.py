"""What goes wrong at GitHub and is told in one line: a new name, a gh that hangs with its children."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.core.errors import TemporaryError
from fleet.forge.github.connect import connect
from fleet.forge.github.forge import GitHubForge
from fleet.runtime import proctree
from fleet.testing.clock import ManualClock
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import Place, a_github
from fleet.testing.repos import make_checkout
from fleet.testing.waiting import wait_until

NEW = "acme-labs/store"


def forge_for(place: Place, folder: Path, repo: str, clock: ManualClock, transport: str) -> GitHubForge:
    """The forge of a fleet that is configured for a name."""
    bare = folder / f"{repo.replace('/', '-')}.git"
    return connect(repo, bare, folder / "checkout", "main", env=place.env(), clock=clock, transport=transport)


@pytest.mark.parametrize("transport", ["gh", pytest.param("httpx2", marks=pytest.mark.long)])
def test_a_renamed_repository_is_noticed_behind_the_redirect_and_told_by_its_new_name(
    tmp_path: Path, transport: str
) -> None:
    clock = ManualClock()
    with a_github(make_checkout(tmp_path / "checkout")) as place:
        old = forge_for(place, tmp_path, REPO, clock, transport)
        number = old.create_ticket("T", "", author="human:ann").number
        place.rename(NEW)
        for _ in range(2):
            clock.advance(60)
            with pytest.raises(TemporaryError) as caught:
                old.snapshot()
            assert (caught.value.code, caught.value.where) == ("FLT-GHB-014", REPO)
            assert f"is called {NEW} now" in caught.value.message
            assert f"fleet config set repo {NEW}" in caught.value.hint
        new = forge_for(place, tmp_path, NEW, clock, transport)
        assert [ticket.number for ticket in new.snapshot().tickets] == [number]
        again = forge_for(place, tmp_path, REPO, clock, transport)
        with pytest.raises(TemporaryError, match="it is called"):
            again.snapshot()  # also where the fleet starts only now
        for one in (old, new, again):
            one.close()


@pytest.mark.long
def test_the_case_of_a_name_is_no_other_name(tmp_path: Path) -> None:
    with a_github(make_checkout(tmp_path / "checkout")) as place:
        clock = ManualClock()
        forges = [forge_for(place, tmp_path, name, clock, "httpx2") for name in (REPO, "Acme/Shop")]
        forges[0].create_ticket("T", "", author="human:ann")
        assert len(forges[1].snapshot().tickets) == 1
        for one in forges:
            one.close()


@pytest.mark.long
def test_a_gh_that_hangs_is_ended_with_everything_that_it_started(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    gh = programs / "gh"
    gh.write_text(
        f"#!/bin/sh\nsleep 300 &\necho $! $$ > {tmp_path}/pids.new\nmv {tmp_path}/pids.new {tmp_path}/pids\nwait\n"
    )
    gh.chmod(0o755)
    env = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}
    checkout = make_checkout(tmp_path / "checkout")
    for seconds in (1.0, 8.0, 30.0):  # on a machine under load it may need more of them to begin
        forge = connect(
            REPO, tmp_path / "repo.git", checkout, "main", env=env, clock=ManualClock(), call_seconds=seconds
        )
        with pytest.raises(TemporaryError) as caught:
            forge.snapshot()
        assert caught.value.code == "FLT-GHB-010"
        assert "ended" in caught.value.message
        if (tmp_path / "pids").exists():
            break
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    wait_until(
        lambda: not [pid for pid in pids if proctree.is_alive(pid, proctree.start_time(pid))],
        what="gh and its child to be gone",
    )
