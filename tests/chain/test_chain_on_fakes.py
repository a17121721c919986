"""The chain from a ready ticket to a shipped one, on a real store, a forge in memory and a hand-turned clock.

Router, dispatcher, reconciler and janitor are real; the test plays watcher, runner, control and the agents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.audit.verify import verify_journal
from fleet.core import probe
from fleet.core.work import DeliveryState, Run, RunState
from fleet.daemon.janitor import Janitor
from fleet.store import deliveries, journal, runs
from fleet.store.journal import Filter
from fleet.testing.folders import short_folder
from fleet.testing.rings import examples
from fleet.testing.scene import Scene, usual_members

REVIEWERS = ("qa-engineer", "tech-lead")
# accidents come in rows here, and none of them is a loop
PATIENT: dict[str, Any] = {"retry": {"attempts": 10}, "limits": {"same_failures": 100}}
BROKEN = (RunState.LOST, RunState.FAILED, RunState.TIMED_OUT)


class Crash(Exception):
    """A daemon that ends at a named point."""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """The usual members."""
    made = Scene(tmp_path)
    yield made
    made.close()


def test_the_chain_from_ready_to_shipped(scene: Scene) -> None:
    """Two review rounds, one merge at exactly the approved head, and nothing left over."""
    scene.ready()
    scene.rest()
    first = scene.start(scene.live()["developer"])
    scene.push(first, "h1")
    scene.end(first)
    scene.rest()
    for name in REVIEWERS:
        reviewer = scene.start(scene.live()[name])
        scene.review(reviewer, approve=name == "tech-lead")
        scene.end(reviewer)
    scene.rest()
    second = scene.start(scene.live()["developer"])
    assert (second.subject, second.event_type) == ("pr/2", "pr_changes_requested")
    scene.push(second, "h2")
    scene.end(second)
    scene.rest()
    for name in REVIEWERS:
        reviewer = scene.start(scene.live()[name])
        assert reviewer.generation == "h2"
        scene.review(reviewer)
        scene.end(reviewer)
    scene.rest()
    release = scene.start(scene.live()["release-manager"])
    pull = scene.merge(release)
    scene.end(release)
    scene.later(3)
    scene.later(3)
    assert (pull.merged_head, scene.live()) == ("h2", {})
    ticket = scene.forge.ticket(1)
    assert ticket is not None
    assert (ticket.state, sorted(ticket.labels)) == ("closed", ["shipped"])
    assert scene.db.read(deliveries.open_ones) == []
    started = [entry.agent for entry in scene.entries("delivery.dispatched")]
    assert Counter(started) == {"developer": 2, "qa-engineer": 2, "tech-lead": 2, "release-manager": 1}
    assert verify_journal(scene.db).ok


# -- the same with everything going wrong -----------------------------------------------------------


class World:
    """Plays everybody around the deciding services, with accidents as they are drawn."""

    def __init__(self, scene: Scene, draw: st.DataObject) -> None:
        """Accidents are drawn as the story unfolds, so that a failure shrinks to few of them."""
        self.scene = scene
        self.draw = draw
        self.accidents = 0
        self.heads = 0
        self.janitor = Janitor(scene.db)

    def accident(self, label: str) -> bool:
        """Does something go wrong here? At most eight times a story: attempts are bounded too."""
        if self.accidents >= 8 or not self.draw.draw(st.booleans(), label=label):
            return False
        self.accidents += 1
        return True

    def services(self) -> None:
        """Let the services come to rest; the daemon may die at a point and start again."""

        def handler(name: str) -> None:
            if name in ("route.after_commit", "dispatch.claimed", "dispatch.after_commit") and self.accident(name):
                raise Crash(name)

        while True:
            probe.install(handler)
            try:
                self.scene.rest()
                return
            except Crash:
                self.scene.configure(usual_members(), **PATIENT)
            finally:
                probe.install(None)

    def pass_time(self) -> None:
        """Pauses and leases run out."""
        self.scene.clock.advance(60)
        self.scene.tick(self.janitor)
        self.services()

    def play(self, run: Run) -> None:
        """One run, from its session to its end."""
        scene = self.scene
        run = scene.start(run)
        if self.accident(f"{run.agent} breaks before it did anything"):
            scene.end(run, self.draw.draw(st.sampled_from(BROKEN)))
            return
        self.act(run)
        broken = self.accident(f"{run.agent} breaks after it did its work")
        scene.end(run, RunState.LOST if broken else RunState.SUCCEEDED)

    def act(self, run: Run) -> None:
        """What the agent is there for."""
        if run.agent == "developer":
            self.heads += 1
            self.scene.push(run, f"h{self.heads}")
        elif run.agent == "release-manager":
            if not self.scene.entries("pr_merged"):
                self.scene.merge(run)
        else:
            self.scene.review(run, approve=not self.accident(f"{run.agent} wants changes"))


def check_invariants(scene: Scene) -> None:
    """What holds at every moment."""
    live = scene.db.read(runs.live)
    assert len({(run.agent, run.work_item) for run in live}) == len(live), "two live runs on one piece of work"
    merged = scene.entries("pr_merged")
    assert len(merged) <= 1
    for entry in merged:
        latest: dict[str, str] = {}
        for said in scene.db.read(lambda tx: journal.select(tx, Filter(stream="event", subject=entry.subject))):
            if said.type in ("pr_approved", "pr_changes_requested") and said.generation == entry.generation:
                latest[said.actor] = said.type
        assert latest == {f"agent:{name}": "pr_approved" for name in REVIEWERS}


@settings(max_examples=examples(15, 40), deadline=None)
@given(st.data())
def test_whatever_breaks_the_ticket_is_shipped_once(data: st.DataObject) -> None:
    """Lost runs, crashes of the daemon, requested changes: the work comes back, and nothing happens twice."""
    with short_folder() as folder:
        scene = Scene(folder, **PATIENT)
        world = World(scene, data)
        scene.ready()
        for _ in range(60):
            world.services()
            check_invariants(scene)
            queued = sorted(scene.live().values(), key=lambda run: run.agent)
            if queued:
                world.play(data.draw(st.sampled_from(queued), label="who is next"))
                continue
            world.pass_time()
            ticket = scene.forge.ticket(1)
            if ticket is not None and ticket.state == "closed" and not scene.live():
                break
        check_invariants(scene)
        assert len(scene.entries("pr_merged")) == 1
        left = scene.db.read(lambda tx: deliveries.in_state(tx, DeliveryState.CLAIMED))
        assert (left, scene.db.read(deliveries.open_ones)) == ([], [])
        routed = {entry.cause_id for entry in scene.entries("event.routed")}
        events = scene.db.read(lambda tx: journal.select(tx, Filter(stream="event")))
        assert {entry.id for entry in events} == routed
        assert len(scene.entries("event.routed")) == len(events)
        assert verify_journal(scene.db).ok
        scene.close()
