"""A pull request that GitHub names and git cannot fetch waits alone, with real git; and goes on when it is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.inforce import InForce
from fleet.core.errors import Unreadable
from fleet.daemon.live import ForgeLive
from fleet.dispatch.reconciler import Reconciler
from fleet.dispatch.unreadable import unreadable_now
from fleet.forge.github.connect import connect
from fleet.forge.watcher import Watcher
from fleet.testing.github.hub import REPO, Hub
from fleet.testing.github.place import a_github
from fleet.testing.github.server import Fault
from fleet.testing.repos import commit, git, make_checkout
from fleet.testing.scene import Scene


def lose(hub: Hub, name: str) -> tuple[Path, bytes]:
    """Take an object out of GitHub's repository; where it was, and what it held."""
    git(hub.bare, "unpack-objects", "-q", must=False)
    place = hub.bare / "objects" / name[:2] / name[2:]
    held = place.read_bytes()
    place.unlink()
    return place, held


@pytest.mark.parametrize("lost", ["the commit", pytest.param("a file of it", marks=pytest.mark.long)])
def test_a_head_that_cannot_be_fetched_waits_alone_and_goes_on_when_it_can(tmp_path: Path, lost: str) -> None:
    checkout, scene = make_checkout(tmp_path / "checkout"), Scene(tmp_path)
    with a_github(checkout) as place:
        hub = place.hub
        for number in (1, 2):
            git(checkout, "checkout", "--quiet", "-B", "work", "main")
            commit(checkout, {f"work-{number}.md": f"{number}\n"})
            place.push(checkout, f"work:fleet/{number}")
        git(checkout, "checkout", "--quiet", "main")
        bad, good = (hub.open_pull("ann", "Work", "", f"fleet/{number}", "main") for number in (1, 2))
        file = git(hub.bare, "rev-parse", f"{bad.head_sha}:work-1.md")
        where, held = lose(hub, bad.head_sha if lost == "the commit" else file)
        with hub.lock:
            hub.check(good.head_sha, "build", "failure", title="failed")
        unknown = Fault(422, f'{{"message": "No commit found for SHA: {bad.head_sha}"}}')
        place.server.faults = lambda number, method, target: unknown if bad.head_sha in target else None
        forge = connect(
            REPO, tmp_path / "repo.git", checkout, "main", env=place.env(), clock=scene.clock, transport="httpx2"
        )
        live, loaded = ForgeLive(forge), InForce(scene.loaded)
        watcher, reconciler = Watcher(scene.db, forge), Reconciler(scene.db, live, live, loaded)

        def looks(count: int) -> None:
            for _ in range(count):
                scene.clock.advance(40)
                watcher.tick(scene.clock.now())
                reconciler.tick(scene.clock.now())

        looks(4)
        (told,) = scene.entries("pull.read_failed")
        assert (told.subject, told.generation) == (f"pr/{bad.number}", bad.head_sha)
        assert "asked for again by itself" in told.summary
        assert [entry.subject for entry in scene.entries("ci_fail")] == [f"pr/{good.number}"]
        with pytest.raises(Unreadable, match="FLT-GHB-015"):
            forge.changed_paths(bad.number)
        where.write_bytes(held)
        with hub.lock:
            hub.check(bad.head_sha, "build", "failure", title="failed")
        place.server.faults = lambda number, method, target: None
        scene.clock.advance(600)
        looks(4)
        assert scene.db.read(unreadable_now) == ()
        assert {entry.subject for entry in scene.entries("ci_fail")} == {f"pr/{good.number}", f"pr/{bad.number}"}
        assert len(scene.entries("pull.read_failed")) == len(scene.entries("pull.read_recovered")) == 1
        forge.close()
    scene.close()
