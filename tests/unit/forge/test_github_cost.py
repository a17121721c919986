"""What an hour of looking costs, by the log of the GitHub on this machine: watcher and reconciler included."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.daemon.live import ForgeLive
from fleet.dispatch.reconciler import Reconciler
from fleet.forge.github.connect import connect
from fleet.forge.github.gh import login_mark
from fleet.forge.watcher import Watcher
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import BOT, Place, a_github
from fleet.testing.repos import git, make_checkout
from fleet.testing.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A store, a configuration and a clock that is turned by hand."""
    return Scene(tmp_path / "scene")


def open_pulls(place: Place, count: int) -> None:
    """Open pull requests that wait for their review."""
    bare = place.hub.bare
    tree = git(bare, "rev-parse", "main^{tree}")
    for number in range(count):
        commit = git(bare, "commit-tree", tree, "-p", "main", "-m", f"commit {number}")
        git(bare, "update-ref", f"refs/heads/fleet/{number}", commit)
        with place.hub.lock:
            item = place.hub.open_pull(BOT, f"Pull {number}", "", f"fleet/{number}", "main")
            place.hub.replace_labels(BOT, item, ["needs-review"])


@pytest.mark.parametrize(
    ("seconds", "pulls"),
    [(60, 6), pytest.param(3600, 50, marks=[pytest.mark.long, pytest.mark.timeout(900)])],
    ids=["minutes", "hour"],
)
def test_an_hour_without_news_costs_nothing(tmp_path: Path, scene: Scene, seconds: int, pulls: int) -> None:
    (tmp_path / "scene").mkdir(exist_ok=True)
    checkout = make_checkout(tmp_path / "checkout")
    with a_github(checkout) as place:
        open_pulls(place, pulls)
        bare = tmp_path / "state" / "repo.git"
        forge = connect(REPO, bare, checkout, "main", env=place.env(), clock=scene.clock, transport="httpx2")
        live = ForgeLive(forge)
        watcher = Watcher(scene.db, forge)
        reconciler = Reconciler(scene.db, live, live, lambda: scene.loaded)
        assert watcher.tick(scene.clock.now()).did == pulls
        reconciler.tick(scene.clock.now())
        before, asked, until = len(place.server.counted()), len(place.server.log), scene.clock.now() + seconds * 10**6
        while scene.clock.now() < until:
            scene.clock.advance(max(1, seconds // 720))  # an hour in steps of the shortest pause between two looks
            now = scene.clock.now()
            assert watcher.tick(now).did + reconciler.tick(now).did == 0
        assert place.server.counted()[before:] == []
        assert len(place.server.log) > asked + seconds // 15
        assert forge.condition().next_look_at > scene.clock.now()
        forge.close()
    scene.close()


@pytest.mark.parametrize("transport", [pytest.param("gh", marks=pytest.mark.long), "httpx2"])
def test_another_login_is_noticed_and_knows_nothing_of_the_first_one(tmp_path: Path, transport: str) -> None:
    checkout, scene = make_checkout(tmp_path / "checkout"), Scene(tmp_path)
    with a_github(checkout) as place:
        place.hub.person("bob", "write")
        env = {name: value for name, value in place.env().items() if name != "GH_TOKEN"}
        hosts = Path(env["GH_CONFIG_DIR"]) / "hosts.yml"

        def log_in(login: str) -> None:
            hosts.write_text(
                f"github.com:\n    user: {login}\n    oauth_token: gho_dummy_{login}\n    git_protocol: https\n"
            )

        log_in(BOT)
        bare = tmp_path / "state" / "repo.git"
        forge = connect(REPO, bare, checkout, "main", env=env, clock=scene.clock, transport=transport)
        made = forge.create_ticket("T", "text", author="agent:qa-engineer")
        assert made.author == "agent:qa-engineer"
        first = login_mark(env)
        log_in("bob")
        assert login_mark(env) != first
        scene.clock.advance(20)
        before = len(place.server.log)
        # The mark was left by another login than ours is now: it speaks for nobody any more.
        assert forge.ticket(made.number).author == f"human:{BOT}"
        assert {asked.login for asked in place.server.log[before:]} == {"bob"}
        assert 304 not in {asked.status for asked in place.server.log[before:]}
        forge.close()
    scene.close()
