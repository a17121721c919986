"""The real daemon, killed with signal 9 at every named point of the chain, comes back and ends it properly.

After each kill: the ticket is shipped, no run's agent was started twice, one merge, the journal verifies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tests.crash.test_config_kill import CONFIG_PLACES

from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError, Unreachable
from fleet.core.probe import POINTS
from fleet.daemon.rpc import Rpc
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.repos import git
from fleet.testing.waiting import PATIENCE, wait_until

# A point and its visit: the second time something is published, the third event routed, and so on, so that
# the kill falls into the middle of the chain and not only on its first step.
PLACES = [
    "publish.before_commit@1",
    "publish.after_commit@1",
    "route.before_commit@1",
    "route.before_commit@4",
    "route.after_commit@2",
    "dispatch.claimed@1",
    "dispatch.claimed@3",
    "dispatch.after_commit@1",
    "dispatch.after_commit@2",
    "start.claimed@1",
    "start.claimed@2",
    "start.prepared@1",
    "start.launched@1",
    "start.launched@3",
    "finish.observed@1",
    "finish.after_commit@1",
    "finish.after_commit@2",
    "artifact.stored@1",
    "artifact.stored@2",
    "push.acted@1",
    "merge.intended@1",
    "merge.acted@1",
    "merge.recorded@1",
]


def test_every_named_point_is_visited_by_this_ring() -> None:
    """Or by another file of this folder, for what a person does now and then."""
    text = "".join(path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("test_*.py")))
    assert {point for point in POINTS if f'"{point}@' not in text} == set()
    assert {place.partition("@")[0] for place in (*PLACES, *CONFIG_PLACES)} <= set(POINTS)


@dataclass(frozen=True)
class Ring:
    """A fleet under test: where it is, and the file in which every started agent process leaves a line."""

    paths: FleetPaths
    starts: Path


def count_starts(paths: FleetPaths, starts: Path) -> None:
    """Let every agent's playbook begin with a line in a file outside: which session, which process."""
    note = "import os, sys; open(sys.argv[1], 'a').write(os.environ['FLEET_RUN'] + '\\n')"
    yaml = YAML()
    for playbook in sorted((paths.checkout / ".fleet" / "playbooks").glob("*.yaml")):
        data = yaml.load(playbook)
        for rule in data["rules"]:
            rule["do"].insert(0, {"run": {"argv": [sys.executable, "-c", note, str(starts)]}})
            rule["do"].insert(1, {"publish": {"event": "note", "summary": "I am at work"}})
            rule["do"].insert(2, {"artifact": {"path": "README.md"}})
        yaml.dump(data, playbook)


def leave_out(paths: FleetPaths, agent: str) -> None:
    """Take one agent out of the fleet."""
    yaml, file = YAML(), paths.checkout / ".fleet" / "config.yaml"
    data = yaml.load(file)
    data["agents"] = [member for member in data["agents"] if member["name"] != agent]
    yaml.dump(data, file)


@contextmanager
def dying_fleet(place: str, prepare: Callable[[FleetPaths], None] = lambda _: None) -> Iterator[tuple[Ring, Path]]:
    """A supervised fleet whose first daemon dies at ``place``; ``prepare`` changes it before it comes up."""
    with fleet_in() as paths:
        prepare(paths)
        folder = paths.checkout.parent
        ring, note = Ring(paths, folder / "starts"), folder / "died"
        count_starts(paths, ring.starts)
        git(paths.checkout, "add", ".fleet")
        git(paths.checkout, "commit", "--quiet", "-m", "fleet")
        program = (sys.executable, "-m", "fleet.testing.crash", place, str(note))
        try:
            start_detached(paths, supervised=True, program=program)
        except FleetError:
            assert note.exists(), "it did not come up"  # it died as planned, before it was ready: once more
            start_detached(paths, supervised=True, program=program)
        try:
            yield ring, note
        finally:
            stop(paths)


def checkout_follows(paths: FleetPaths) -> None:
    """The person's clean checkout comes to show the merge."""
    wait_until(
        lambda: git(paths.checkout, "rev-parse", "main") == git(paths.bare, "rev-parse", "main"),
        what="the person's clean checkout to follow the merge",
    )


@pytest.mark.crash
@pytest.mark.timeout(180)
@pytest.mark.sampled(12)
@pytest.mark.parametrize("place", PLACES)
def test_the_chain_survives_a_kill_at(place: str) -> None:
    with dying_fleet(place) as (ring, note):
        made = ask(ring.paths, "ticket.create", {"title": "Greet the user", "labels": ["ready"]})
        assert made["ticket"]["number"] == 1

        def shipped() -> bool:
            said = ask(ring.paths, "log", {"type": "ticket_shipped"}, patience=PATIENCE)["entries"]
            return bool(said) and not ask(ring.paths, "ps", patience=PATIENCE)["runs"]

        wait_until(shipped, what=f"the ticket to be shipped after a kill at {place}")
        assert note.exists(), "the daemon never came to this point"

        entries = ask(ring.paths, "log", {"limit": 1000})["entries"]
        types = [entry["type"] for entry in entries]
        assert types.count("pr_merged") == 1
        assert types.count("ticket_shipped") == 1
        assert types.count("daemon.started") == 2
        merges = git(ring.paths.bare, "log", "--merges", "--format=%H", "main").split()
        assert len(merges) == 1
        checkout_follows(ring.paths)
        sessions = ring.starts.read_text().split()
        assert len(sessions) == len(set(sessions)), "a session's agent was started twice"
        runs = [session.partition("-e")[0] for session in sessions]
        assert len(runs) == len(set(runs)), "a run's agent was started twice"
        assert ask(ring.paths, "audit.verify")["ok"]
        kept = ask(ring.paths, "artifact.list")["artifacts"]
        assert len(kept) == len(runs), "every start kept its artifact, once"
        for artifact in kept:
            assert ask(ring.paths, "artifact.read", {"artifact": str(artifact["number"])})["data"]


@pytest.mark.long
@pytest.mark.crash
def test_a_merge_by_a_person_that_died_half_way_is_completed_without_them() -> None:
    with dying_fleet("merge.acted@1", lambda paths: leave_out(paths, "release-manager")) as (ring, note):
        ask(ring.paths, "ticket.create", {"title": "Greet the user", "labels": ["ready"]})
        wait_until(
            lambda: len(ask(ring.paths, "log", {"type": "pr_approved"})["entries"]) == 2,
            what="both reviews",
        )
        with pytest.raises(Unreachable), Rpc(ring.paths.socket, timeout=PATIENCE) as line:
            line.call("pr.merge", {"number": 2})
        assert note.exists()
        wait_until(
            lambda: ask(ring.paths, "log", {"type": "ticket_shipped"}, patience=PATIENCE)["entries"],
            what="the ticket to be shipped",
        )
        assert len(ask(ring.paths, "log", {"type": "pr_merged"})["entries"]) == 1
        checkout_follows(ring.paths)
