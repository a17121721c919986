"""The router on a real store: one tick, one transaction, every event once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.agent import AgentState
from fleet.core.work import DeliveryState
from fleet.store import agents, cursors, deliveries, journal
from fleet.store.db import Tx
from fleet.testing.scene import Crash, Scene, crashing, usual_members


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """The usual members."""
    made = Scene(tmp_path)
    yield made
    made.close()


@pytest.fixture
def crash_at() -> Iterator[list[str]]:
    """Names of points at which the next pass raises."""
    with crashing() as points:
        yield points


def set_cursor_back(tx: Tx) -> None:
    """What a restored backup of the cursor alone would do."""
    tx.run("UPDATE cursors SET position = 0 WHERE name = 'router'")


def test_an_idle_tick_writes_nothing(scene: Scene) -> None:
    """Nothing to route: nothing done, nothing written."""
    assert scene.tick(scene.router) == 0
    assert scene.height() == 0


def test_an_event_becomes_deliveries_and_one_record(scene: Scene) -> None:
    """Every subscriber gets one delivery; the record names them, and why not the others."""
    scene.emit("pr_needs_review", "pr/8", generation="h1", work_item="ticket/7")
    assert scene.tick(scene.router) == 1
    assert scene.tick(scene.router) == 0
    opened = scene.db.read(deliveries.open_ones)
    assert [(one.agent, one.generation, one.work_item, one.attempt) for one in opened] == [
        ("qa-engineer", "h1", "ticket/7", 1),
        ("tech-lead", "h1", "ticket/7", 1),
    ]
    (routed,) = scene.entries("event.routed")
    assert routed.payload is not None
    assert routed.payload["to"] == {
        "qa-engineer": "subscribes to pr_needs_review",
        "tech-lead": "subscribes to pr_needs_review",
    }
    assert routed.payload["not"] == {
        "developer": "does not subscribe to pr_needs_review",
        "release-manager": "does not subscribe to pr_needs_review",
    }


def test_a_replay_makes_no_second_delivery(scene: Scene) -> None:
    """Even with the cursor set back, (event, agent) stays unique and nothing is recorded twice."""
    scene.say_ready(7)
    scene.say_ready(7)
    scene.tick(scene.router)
    before = scene.db.read(deliveries.open_ones), scene.height()
    scene.db.write(set_cursor_back)
    assert scene.tick(scene.router) == 2
    assert (scene.db.read(deliveries.open_ones), scene.height()) == before


def test_an_addressed_event_reaches_only_its_agent(scene: Scene) -> None:
    """Whatever it subscribes to, and although others subscribe."""
    scene.emit("pr_conflict", "pr/8", agent="tech-lead", generation="h1", work_item="ticket/7", actor="system:control")
    scene.tick(scene.router)
    assert [one.agent for one in scene.db.read(deliveries.open_ones)] == ["tech-lead"]


def test_returned_work_keeps_its_type_attempt_and_pause(scene: Scene) -> None:
    """The agent sees the original trigger, later and with the next attempt."""
    payload = {"attempt": 2, "of": "e1", "event_type": "ticket_ready", "run": "r1", "reason": "lost", "not_before": 99}
    scene.emit(
        "work_returned", "ticket/7", work_item="ticket/7", agent="developer", actor="system:reconciler", payload=payload
    )
    scene.tick(scene.router)
    (one,) = scene.db.read(deliveries.open_ones)
    assert (one.event_type, one.attempt, one.not_before) == ("ticket_ready", 2, 99)


def test_returned_work_without_its_payload_is_a_dead_letter(scene: Scene) -> None:
    """An erased payload stops nobody and is not forgotten."""
    entry = scene.emit(
        "work_returned", "ticket/7", agent="developer", actor="system:reconciler", payload={"attempt": 2}
    )
    scene.db.write(lambda tx: journal.erase_payload(tx, entry.id, "human:ann", "a secret"))
    assert scene.tick(scene.router) == 1
    assert scene.db.read(deliveries.open_ones) == []
    (dead,) = scene.entries("delivery.dead_lettered")
    assert dead.cause_id == entry.id
    assert dead.payload is not None
    assert dead.payload["code"] == "FLT-FAB-010"


def test_retired_agents_hear_nothing(scene: Scene) -> None:
    """The store knows who left."""
    scene.db.write(lambda tx: agents.put(tx, "qa-engineer", "qa-engineer", AgentState.RETIRED))
    scene.emit("pr_needs_review", "pr/8", generation="h1", work_item="ticket/7")
    scene.tick(scene.router)
    assert [one.agent for one in scene.db.read(deliveries.open_ones)] == ["tech-lead"]


def test_remarks_about_nothing_are_separate_pieces_of_work(scene: Scene) -> None:
    """Two notes without a subject do not wait for each other."""
    developer, *rest = usual_members()
    scene.configure((developer.model_copy(update={"subscribes_to": ("note",)}), *rest))
    for _ in range(2):
        scene.emit("note", "", actor="human:ann")
    scene.tick(scene.router)
    assert len({one.work_item for one in scene.db.read(deliveries.open_ones)}) == 2


@pytest.mark.parametrize("point", ["route.before_commit", "route.after_commit"])
def test_a_crash_while_routing_loses_and_doubles_nothing(scene: Scene, crash_at: list[str], point: str) -> None:
    """Before the commit nothing is kept; after it everything is."""
    scene.say_ready(7)
    crash_at.append(point)
    with pytest.raises(Crash):
        scene.tick(scene.router)
    kept = point == "route.after_commit"
    assert bool(scene.db.read(deliveries.open_ones)) is kept
    assert bool(scene.db.read(lambda tx: cursors.position(tx, "router"))) is kept
    crash_at.clear()
    scene.tick(scene.router)
    (one,) = scene.db.read(deliveries.open_ones)
    assert one.state is DeliveryState.PENDING
    assert len(scene.entries("event.routed")) == 1
