"""After a person cancelled a ticket, nothing that was asked before starts; what is asked later does."""

from __future__ import annotations

from fleet.core.journal import Draft, Stream
from fleet.core.work import DeliveryState, RunState
from fleet.dispatch.plan import FLEET_DOWN
from fleet.store import journal, operations
from fleet.store.db import Tx
from fleet.testing.scene import Scene


def cancel(scene: Scene, number: int, *, closing: bool = False) -> None:
    """The decision as control records it; with ``closing`` also the operation that is left to do."""
    subject = f"ticket/{number}"

    def decide(tx: Tx) -> None:
        words = f"{subject} was cancelled by human:ann: superseded"
        draft = Draft(
            Stream.DECISION, "ticket.cancel_requested", "human:ann", subject=subject, work_item=subject, summary=words
        )
        made = journal.append(tx, draft)
        if closing:
            plan = {"work_item": subject, "runs": []}
            operations.create(
                tx, kind="ticket.cancel", subject=subject, actor="human:ann", reason="x", entry_id=made.id, plan=plan
            )

    scene.db.write(decide)


def test_an_event_that_was_not_routed_yet_starts_nobody(scene: Scene) -> None:
    ticket = scene.ready()
    cancel(scene, ticket.number)
    scene.rest()
    (delivery,) = scene.deliveries("developer")
    assert delivery.state is DeliveryState.DENIED
    assert "cancelled by human:ann: superseded" in delivery.reason


def test_a_start_by_hand_is_denied_as_well_and_one_after_the_cancellation_is_not(scene: Scene) -> None:
    ticket = scene.forge.add_ticket()
    subject = f"ticket/{ticket.number}"
    scene.emit("agent_start_requested", subject, actor="human:ann", work_item=subject, agent="developer")
    cancel(scene, ticket.number)
    scene.rest()
    assert scene.live() == {}
    scene.emit("agent_start_requested", subject, actor="human:ann", work_item=subject, agent="developer")
    scene.rest()
    assert set(scene.live()) == {"developer"}


def test_a_run_that_the_fleet_took_down_does_not_come_back_to_a_cancelled_ticket(scene: Scene) -> None:
    ticket = scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    cancel(scene, ticket.number)
    scene.cancel(run, FLEET_DOWN)
    scene.later(60)
    assert scene.live() == {}
    assert scene.entries("work_returned") == []
    assert "was cancelled" in scene.entries("delivery.denied")[0].summary


def test_reviews_of_its_pull_request_are_denied_too(scene: Scene) -> None:
    ticket = scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    scene.push(run, "h1")
    scene.end(run)
    cancel(scene, ticket.number)
    scene.rest()
    assert scene.live() == {}
    assert {one.state for name in ("qa-engineer", "tech-lead") for one in scene.deliveries(name)} == {
        DeliveryState.DENIED
    }


def test_the_reconciler_finishes_what_a_crash_left_open(scene: Scene) -> None:
    ticket = scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    pull = scene.push(run, "h1")
    scene.end(run)
    cancel(scene, ticket.number, closing=True)
    scene.later(10)
    scene.later(10)
    found, closed = scene.forge.ticket(ticket.number), scene.forge.pull(pull.number)
    assert found is not None
    assert closed is not None
    assert (found.state, closed.state) == ("closed", "closed")
    assert len(scene.entries("ticket.cancelled")) == 1
    height = scene.height()
    scene.later(60)
    assert scene.height() == height


def test_an_outage_puts_it_off_and_a_refusal_is_on_record(scene: Scene) -> None:
    ticket = scene.forge.add_ticket()
    cancel(scene, ticket.number, closing=True)
    cancel(scene, 99, closing=True)  # a ticket that the forge does not know
    scene.later(10)
    scene.later(10)
    assert len(scene.entries("ticket.cancelled")) == 1
    assert scene.db.read(operations.open_ones) == []
    assert len(scene.entries("operation.given_up")) == 1


def test_a_retry_is_routed_to_its_agent_only_and_counts_from_one(scene: Scene) -> None:
    ticket = scene.ready()
    scene.rest()
    for _ in range(3):
        scene.end(scene.start(scene.live()["developer"]), RunState.FAILED)
        scene.rest()
        scene.later(60)
    assert len(scene.entries("delivery.dead_lettered")) == 1
    subject = f"ticket/{ticket.number}"
    payload = {"run": "", "event_type": "ticket_ready", "attempt": 1, "not_before": 0, "reason": "retried"}
    scene.emit("work_returned", subject, actor="human:ann", work_item=subject, agent="developer", payload=payload)
    scene.rest()
    run = scene.live()["developer"]
    assert (run.event_type, run.attempt) == ("ticket_ready", 1)
