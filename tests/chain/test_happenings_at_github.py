"""Watcher and reconciler at a GitHub, in steps: what happens past the fleet is told once, also by ones just started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.config.inforce import InForce
from fleet.control.checkout import follow_base
from fleet.daemon.live import ForgeLive
from fleet.dispatch.reconciler import Reconciler
from fleet.forge.github.connect import connect
from fleet.forge.github.forge import GitHubForge
from fleet.forge.watcher import Watcher
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import Place, a_github
from fleet.testing.repos import commit, git, make_checkout, make_clone
from fleet.testing.scene import Scene

FORCED, CONFLICTED, FAILED, DELETED, MERGED = range(1, 6)


@dataclass
class Desk:
    """A GitHub with a pull request for each of some branches, and a store that knows of them."""

    place: Place
    scene: Scene
    checkout: Path
    bare: Path
    pulls: dict[int, str]  # ticket -> pull request, as a subject

    def forge(self) -> GitHubForge:
        """One that knows nothing yet."""
        clock, env = self.scene.clock, self.place.env()
        return connect(REPO, self.bare, self.checkout, "main", env=env, clock=clock, transport="httpx2")

    def looks(self, count: int) -> None:
        """A watcher and a reconciler are started, look so often, and are gone."""
        forge = self.forge()
        live, loaded = ForgeLive(forge), InForce(self.scene.loaded)
        watcher = Watcher(self.scene.db, forge)
        follow = follow_base(self.scene.db, forge, loaded)
        reconciler = Reconciler(self.scene.db, live, live, loaded, before_look=follow)
        for _ in range(count):
            self.scene.clock.advance(40)
            watcher.tick(self.scene.clock.now())
            reconciler.tick(self.scene.clock.now())
        forge.close()

    def told(self, kind: str) -> list[str]:
        """The subjects that an event was told of."""
        return [entry.subject for entry in self.scene.entries(kind)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Five pull requests, opened through the fleet and looked at."""
    checkout, scene = make_checkout(tmp_path / "checkout"), Scene(tmp_path)
    with a_github(checkout) as place:
        made = Desk(place, scene, checkout, tmp_path / "state" / "repo.git", {})
        forge = made.forge()
        clone = make_clone(made.bare, tmp_path / "clone")
        for number in range(1, 6):
            forge.create_ticket(f"Wish {number}", "", author="human:ann")
        for number in range(1, 6):
            git(clone, "checkout", "--quiet", "-B", "work", "origin/main")
            sha = commit(clone, {f"work-{number}.md": "work\n"})
            forge.push(clone, sha, f"fleet/{number}", expected_old="")
            pull = forge.open_pull(
                branch=f"fleet/{number}", title="Work", body="", author="agent:developer", ticket=number
            )
            made.pulls[number] = f"pr/{pull.number}"
            scene.emit("pr_created", f"pr/{pull.number}", generation=sha, work_item=f"ticket/{number}")
        forge.close()
        made.looks(2)
        yield made
    scene.close()


def happen(desk: Desk) -> None:
    """Everything at once, past the fleet."""
    checkout, hub = desk.checkout, desk.place.hub
    git(checkout, "fetch", "--quiet", str(hub.bare), "+refs/heads/*:refs/remotes/there/*")
    git(checkout, "checkout", "--quiet", "--detach", "main")
    commit(checkout, {f"work-{FORCED}.md": "by hand\n"})
    desk.place.push(checkout, f"+HEAD:refs/heads/fleet/{FORCED}")
    git(checkout, "checkout", "--quiet", "main")
    git(checkout, "merge", "--quiet", "--no-edit", f"there/fleet/{MERGED}")
    commit(checkout, {f"work-{CONFLICTED}.md": "somebody else's\n"})
    desk.place.push(checkout)
    desk.place.push(checkout, f":refs/heads/fleet/{DELETED}")
    with hub.lock:
        hub.look_at_heads()
        failed = next(item for item in hub.items.values() if item.head == f"fleet/{FAILED}")
        hub.check(failed.head_sha, "build", "failure", title="2 tests failed", summary="test_a")


def test_each_happening_is_told_once_also_by_whoever_was_just_started(desk: Desk) -> None:
    happen(desk)
    expected = {
        "pr_head_moved": [desk.pulls[FORCED]],
        "pr_conflict": [desk.pulls[CONFLICTED]],
        "ci_fail": [desk.pulls[FAILED]],
        "pr_branch_deleted": [desk.pulls[DELETED]],
        "pr_closed": [desk.pulls[DELETED]],
        "pr_merged": [desk.pulls[MERGED]],
    }
    desk.looks(1)
    for _ in range(2):
        desk.looks(3)
        assert {kind: desk.told(kind) for kind in expected} == expected
    assert len(desk.told("base.fetched")) == 1
    (failed,) = desk.scene.entries("ci_fail")
    assert (failed.agent, failed.generation) == ("developer", desk.place.hub.branch(f"fleet/{FAILED}"))
