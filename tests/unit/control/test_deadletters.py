"""deadletters: listed until somebody deals with them, explained attempt by attempt, replayed or discarded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.core.errors import Conflict, FleetError, NotFound, Refused
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal, human
from fleet.core.work import RunState
from fleet.store import journal, runs
from fleet.store.db import Tx
from fleet.testing.desk import ANN, Desk

BOB = human("bob")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The usual members."""
    made = Desk(tmp_path)
    yield made
    made.close()


def give_up(desk: Desk, who: Principal) -> str:
    """The run of ``who`` was the last attempt: the entry that the reconciler makes; its id."""
    desk.end(who, RunState.FAILED)

    def bury(tx: Tx) -> str:
        run = runs.get(tx, who.run_id)
        payload: dict[str, object] = {
            "run": run.id, "of": run.event_id, "event_type": run.event_type, "attempt": 3, "reason": "three failed",
        }  # fmt: skip
        draft = Draft(
            Stream.DECISION,
            "delivery.dead_lettered",
            "system:reconciler",
            subject=run.subject,
            generation=run.generation,
            work_item=run.work_item,
            agent=run.agent,
            run_id=run.id,
            cause_id=run.event_id,
            dedup_key=f"returned:{run.id}",
            summary="given up",
            payload=payload,
        )
        return journal.append(tx, draft).id

    return desk.db.write(bury)


def dead(desk: Desk) -> tuple[int, str]:
    """A ready ticket whose developer failed for good: ticket, dead letter."""
    ticket = desk.ticket("Do it", "ready")
    who = desk.run("developer", f"ticket/{ticket}", event="ticket_ready")
    desk.screen(who, "Traceback\nboom\n")
    return ticket, give_up(desk, who)


def ids(desk: Desk, **args: Any) -> list[tuple[str, str]]:
    """Dead letters and their states."""
    return [(one["id"], one["state"]) for one in desk.ask("deadletters", **args)["dead_letters"]]


def refusal(desk: Desk, verb: str, who: Principal = ANN, **args: object) -> tuple[type[FleetError], str]:
    """How a call is refused."""
    with pytest.raises(FleetError) as caught:
        desk.ask(verb, who, **args)
    return type(caught.value), caught.value.code


def needs(desk: Desk) -> list[str]:
    """What the status tells people to type about dead letters."""
    return [one["command"] for one in desk.ask("status")["attention"] if one["kind"] == "dead_letter"]


def test_a_dead_letter_is_listed_and_explained_attempt_by_attempt(desk: Desk) -> None:
    ticket, name = dead(desk)
    assert ids(desk) == [(name, "open")]
    assert needs(desk) == [f"fleet deadletters explain {name}"]
    found = desk.ask("deadletter.explain", id=name)
    row = found["dead_letter"]
    assert (row["agent"], row["subject"], row["event_type"], row["attempts"], row["why"]) == (
        "developer", f"ticket/{ticket}", "ticket_ready", 3, "three failed",
    )  # fmt: skip
    (attempt,) = found["attempts"]
    assert (attempt["state"], attempt["output"]) == ("failed", "Traceback\nboom")
    assert (found["replayable"], found["why_not"]) == (True, "")
    commands = [one["command"] for one in found["commands"]]
    assert commands[:2] == [f"fleet deadletters replay {name}", f"fleet deadletters discard {name} --reason TEXT"]
    assert f"fleet agent logs developer --run {attempt['id']}" in commands


def test_a_run_sees_no_terminal_of_others(desk: Desk) -> None:
    _, name = dead(desk)
    lead = desk.run("tech-lead", "pr/9")
    assert desk.ask("deadletter.explain", lead, id=name)["attempts"][0]["output"] == ""


def test_a_replay_offers_the_same_work_to_its_agent_with_attempts_counted_anew(desk: Desk) -> None:
    ticket, name = dead(desk)
    made = desk.ask("deadletter.replay", id=name, reason="mended")
    (event,) = desk.entries("work_returned")
    assert event.id == made["event"]
    assert (event.agent, event.subject, event.actor) == ("developer", f"ticket/{ticket}", "human:ann")
    payload = event.payload or {}
    assert (payload["attempt"], payload["event_type"], payload["not_before"]) == (1, "ticket_ready", 0)
    assert journal_type(desk, str(payload["of"])) == "ticket_ready"
    assert (ids(desk), needs(desk)) == ([], [])
    (row,) = desk.ask("deadletters", all=True)["dead_letters"]
    assert (row["state"], row["resolved_by"], row["reason"]) == ("replayed", "human:ann", "mended")


def journal_type(desk: Desk, entry: str) -> str:
    return desk.db.read(lambda tx: journal.get(tx, entry)).type


def test_a_discarded_one_needs_nobody_any_more(desk: Desk) -> None:
    _, name = dead(desk)
    desk.ask("deadletter.discard", id=name, reason="done by hand")
    assert (ids(desk), needs(desk), ids(desk, all=True)) == ([], [], [(name, "discarded")])
    (entry,) = desk.entries("dead_letter.discarded")
    assert (entry.actor, (entry.payload or {})["reason"]) == ("human:ann", "done by hand")
    assert desk.ask("deadletter.explain", id=name)["replayable"] is False


@pytest.mark.parametrize("first", ["replay", "discard"])
def test_it_is_dealt_with_once_and_the_second_learns_by_whom(desk: Desk, first: str) -> None:
    _, name = dead(desk)
    desk.ask(f"deadletter.{first}", id=name, reason="r")
    for verb in ("deadletter.replay", "deadletter.discard"):
        with pytest.raises(Conflict) as caught:
            desk.ask(verb, BOB, id=name, reason="r")
        assert (caught.value.code, caught.value.exit_code) == ("FLT-DLQ-002", 8)
        assert "human:ann" in caught.value.message
    assert len(desk.entries("work_returned")) == (first == "replay")


def test_what_the_live_state_has_overtaken_is_not_replayed(desk: Desk) -> None:
    ticket, name = dead(desk)
    desk.forge.close_ticket(ticket)
    with pytest.raises(Refused) as caught:
        desk.ask("deadletter.replay", id=name)
    assert (caught.value.code, caught.value.exit_code) == ("FLT-DLQ-003", 6)
    assert "is closed" in caught.value.message
    assert desk.entries("dead_letter.replayed") == desk.entries("work_returned") == []
    found = desk.ask("deadletter.explain", id=name)
    assert (found["replayable"], "is closed" in found["why_not"]) == (False, True)
    desk.ask("deadletter.discard", id=name, reason="closed")


def test_work_of_an_older_head_is_not_replayed(desk: Desk) -> None:
    ticket = desk.ticket("Do it", "ready")
    _, pull, head = desk.pushed("developer", ticket)
    name = give_up(desk, desk.reviewer("tech-lead", pull, ticket, head))
    assert desk.ask("deadletter.explain", id=name)["replayable"] is True
    desk.pushed("developer", ticket, {"new.py": "print(2)\n"})
    assert refusal(desk, "deadletter.replay", id=name) == (Refused, "FLT-DLQ-003")


def test_an_agent_replays_and_discards_nothing(desk: Desk) -> None:
    _, name = dead(desk)
    who = desk.run("tech-lead", "pr/9")
    assert refusal(desk, "deadletter.replay", who, id=name) == (Refused, "FLT-AUT-011")
    assert refusal(desk, "deadletter.discard", who, id=name, reason="x") == (Refused, "FLT-AUT-011")


def test_an_event_that_says_nothing_any_more_can_only_be_discarded(desk: Desk) -> None:
    """As the router records returned work whose payload was erased."""
    draft = Draft(
        Stream.DECISION, "delivery.dead_lettered", "system:router", payload={"event": "e1", "reason": "erased"}
    )
    name = desk.db.write(lambda tx: journal.append(tx, draft)).id
    found = desk.ask("deadletter.explain", id=name)
    assert (found["attempts"], found["replayable"]) == ([], False)
    assert refusal(desk, "deadletter.replay", id=name) == (Refused, "FLT-DLQ-003")
    desk.ask("deadletter.discard", id=name, reason="nobody knows")


def test_only_a_dead_letter_can_be_named(desk: Desk) -> None:
    other = desk.publish("ticket_ready", "ticket/1").id
    for name in ("e000000000000000000", "x", other):
        assert refusal(desk, "deadletter.explain", id=name) == (NotFound, "FLT-DLQ-001")
        assert refusal(desk, "deadletter.replay", id=name) == (NotFound, "FLT-DLQ-001")
        assert refusal(desk, "deadletter.discard", id=name, reason="x") == (NotFound, "FLT-DLQ-001")
