"""The Fabric moves work: handoffs, returned tasks and resolved blockers start whoever subscribes.

Control, router, dispatcher and janitor are real, on a hand-turned clock; the test plays the runner and the agents.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.audit.verify import verify_journal
from fleet.core.principal import Principal
from fleet.core.work import Run, RunState
from fleet.daemon.janitor import Janitor
from fleet.dispatch.dispatcher import Dispatcher
from fleet.fabric.router import Router
from fleet.store import runs
from fleet.testing.desk import Desk
from fleet.testing.scene import member, usual_members


class Fabric:
    """A fleet that routes and dispatches; the test says what its agents do."""

    def __init__(self, folder: Path) -> None:
        rest = tuple(one for one in usual_members() if one.name not in ("developer", "tech-lead"))
        self.desk = Desk(
            folder,
            (
                member("developer", "developer", "ticket_ready", "blocker_resolved", reports_to="tech-lead"),
                member("tech-lead", "tech-lead", "pr_needs_review", "blocker"),
                member("scribe", "docs-writer", "handoff"),
                member("archivist", "docs-writer", "handoff"),
                member("helper", "docs-writer", "task", "task_returned"),
                *rest,
            ),
        )
        self.services = (
            Router(self.desk.db, lambda: self.desk.loaded),
            Dispatcher(self.desk.db, self.desk.live, lambda: self.desk.loaded),
            Janitor(self.desk.db),
        )

    def rest(self, seconds: float = 0.0) -> dict[str, Run]:
        """Let time pass, then let the services come to rest; the queued runs by agent."""
        self.desk.clock.advance(seconds)
        while sum(service.tick(self.desk.clock.now()).did for service in self.services):
            pass
        return {run.agent: run for run in self.desk.db.read(runs.live) if run.state is RunState.QUEUED}


@pytest.fixture
def fabric(tmp_path: Path) -> Iterator[Fabric]:
    """The fleet."""
    made = Fabric(tmp_path)
    yield made
    assert verify_journal(made.desk.db).ok
    made.desk.close()


def live(desk: Desk, queued: Run) -> Principal:
    """A queued run begins; who it is."""
    desk.db.write(lambda tx: runs.take(tx, queued.id, epoch=queued.epoch, host="here"))
    desk.db.write(lambda tx: runs.mark_running(tx, queued.id, epoch=queued.epoch + 1))
    member_ = desk.loaded.config.agent(queued.agent)
    assert member_ is not None
    role = desk.loaded.roles[member_.role]
    subjects = frozenset(name for name in (queued.subject, queued.work_item) if name)
    template = desk.run("developer", "ticket/77")
    desk.end(template)
    return Principal(
        template.kind, queued.agent, queued.id, queued.epoch + 1, role.name, role.verbs, role.emits, subjects
    )


def test_a_handoff_starts_its_agent_and_no_other_subscriber(fabric: Fabric) -> None:
    number = fabric.desk.ticket("Greet")
    who = fabric.desk.run("developer", f"ticket/{number}")
    made = fabric.desk.ask("fabric.handoff", who, to="scribe", summary="The docs are yours")
    assert made["wakes"] is True
    queued = fabric.rest()
    assert sorted(queued) == ["scribe"]
    assert (queued["scribe"].event_type, queued["scribe"].subject) == ("handoff", f"ticket/{number}")
    fabric.desk.ask("fabric.handoff", who, to="qa-engineer", summary="Test it")
    assert sorted(fabric.rest()) == ["scribe"], "who does not subscribe to handoff is not started by one"
    assert len(fabric.desk.ask("inbox", agent="qa-engineer")["items"]) == 1


def test_a_task_whose_claimant_is_lost_is_offered_again(fabric: Fabric) -> None:
    fabric.desk.ask("fabric.publish", kind="task", summary="Write the guide")
    first = fabric.rest()["helper"]
    who = live(fabric.desk, first)
    assert fabric.desk.ask("fabric.claim", who, task=1, seconds=3600)["task"]["claim"] == 1
    fabric.desk.end(who, RunState.LOST)
    again = fabric.rest(10)["helper"]
    assert again.event_type == "task_returned"
    second = live(fabric.desk, again)
    won = fabric.desk.ask("fabric.claim", second, task=1)
    assert won["task"]["claim"] == 2
    done = fabric.desk.ask("fabric.complete", second, task=1, token=won["token"], summary="written")["task"]
    assert (done["state"], done["holder_run"]) == ("done", second.run_id)


def test_a_blocker_goes_to_the_superior_and_its_resolution_brings_the_work_back(fabric: Fabric) -> None:
    number = fabric.desk.ticket("Greet")
    who = fabric.desk.run("developer", f"ticket/{number}")
    fabric.desk.ask("fabric.publish", who, kind="blocker", summary="No credentials")
    lead = live(fabric.desk, fabric.rest()["tech-lead"])
    (told,) = fabric.desk.ask("inbox", lead)["items"]
    assert (told["kind"], told["text"]) == ("blocker", "No credentials")
    fabric.desk.end(who, RunState.FAILED)
    fabric.desk.ask("fabric.resolve", lead, blocker=told["about"], text="They are in the vault")
    back = fabric.rest()["developer"]
    assert (back.event_type, back.work_item) == ("blocker_resolved", f"ticket/{number}")
    items = fabric.desk.ask("inbox", live(fabric.desk, back))["items"]
    assert [(item["kind"], item["text"]) for item in items] == [("resolution", "They are in the vault")]
