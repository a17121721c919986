"""A paused agent starts nothing; what comes for it waits with the reason and goes on when it is resumed."""

from __future__ import annotations

from pathlib import Path

from fleet.core.agent import AgentState
from fleet.core.work import DeliveryState, RunState
from fleet.dispatch.plan import AGENT_PAUSED
from fleet.store import agents
from fleet.testing.scene import Scene, member


def pause(scene: Scene, name: str, why: str) -> None:
    """As control does it."""
    scene.db.write(lambda tx: agents.put(tx, name, name, AgentState.PAUSED, why))


def resume(scene: Scene, name: str) -> None:
    """As control does it."""
    moved = scene.db.write(
        lambda tx: agents.move(tx, name, expected=AgentState.PAUSED, state=AgentState.ACTIVE, reason="")
    )
    assert moved


def test_what_comes_for_a_paused_agent_waits_with_the_reason_and_starts_after_resume(scene: Scene) -> None:
    pause(scene, "developer", "developer was paused by human:ann: release week")
    scene.ready()
    scene.rest()
    (waiting,) = scene.deliveries("developer")
    assert waiting.state is DeliveryState.HELD
    assert "human:ann: release week" in waiting.reason
    assert scene.live() == {}
    scene.later(3600)
    assert len(scene.entries("delivery.held")) == 1, "waiting is journaled once"
    resume(scene, "developer")
    scene.rest()
    assert scene.live()["developer"].attempt == 1


def test_the_work_of_a_run_that_a_pause_ended_waits_and_comes_back_as_the_same_attempt(scene: Scene) -> None:
    scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    pause(scene, "developer", "x")
    scene.cancel(run, f"{AGENT_PAUSED} by human:ann: x")
    scene.later(60)
    assert scene.live() == {}
    assert scene.deliveries("developer")[-1].state is DeliveryState.HELD
    resume(scene, "developer")
    scene.rest()
    assert scene.live()["developer"].attempt == 1


def test_an_event_that_an_agent_declares_proves_its_work_as_one_of_its_role_does(tmp_path: Path) -> None:
    scene = Scene(tmp_path, (member("developer", "developer", "ticket_ready", publishes=("smoke_done",)),))
    ticket = scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    scene.emit("smoke_done", f"ticket/{ticket.number}", actor="agent:developer", run_id=run.id)
    scene.end(run, RunState.LOST)
    scene.later(60)
    assert scene.live() == {}
    assert scene.entries("work_returned") == []
    assert "its result is on record: smoke_done" in scene.entries("delivery.denied")[0].summary
    scene.close()
