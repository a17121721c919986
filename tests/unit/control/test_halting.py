"""Halt and resume at the door: who may, what is on record, and a halt that was made without the daemon."""

from __future__ import annotations

import pytest

from fleet.control.halting import in_force, take_up
from fleet.core.errors import Conflict, Refused, UsageError
from fleet.core.work import RunState
from fleet.dispatch.plan import FLEET_HALTED
from fleet.runtime import halting, records
from fleet.store import runs
from fleet.testing.desk import ANN, Desk


def reason_of(desk: Desk, run_id: str) -> str:
    return desk.db.read(lambda tx: runs.get(tx, run_id)).cancel_reason


def test_a_halt_asks_every_run_to_end_and_closes_the_door(desk: Desk) -> None:
    first, second = desk.run("developer", "ticket/1"), desk.run("tech-lead", "pr/2", state=RunState.QUEUED)
    done = desk.ask("fleet.halt", reason="wrong files")
    assert sorted(done["stopping"]) == sorted([first.run_id, second.run_id])
    assert desk.context.switch.closed
    for who in (first, second):
        assert reason_of(desk, who.run_id).startswith(FLEET_HALTED)
    (entry,) = desk.entries("fleet.halted")
    assert (entry.actor, "wrong files" in entry.summary) == (str(ANN), True)
    status = desk.ask("status")
    assert (status["halt"]["by"], status["attention"][0]["kind"]) == (str(ANN), "halt")
    assert status["attention"][0]["command"] == "fleet resume"


def test_halting_twice_is_one_halt_and_resuming_ends_it(desk: Desk) -> None:
    desk.ask("fleet.halt", reason="one")
    late = desk.run("developer", "ticket/1")
    again = desk.ask("fleet.halt", reason="two")
    assert (again["again"], again["halt"]["reason"]) == (True, "one")
    assert late.run_id
    assert len(desk.entries("fleet.halted")) == 1
    done = desk.ask("fleet.resume", reason="mended")
    assert done["halt"]["reason"] == "one"
    assert not desk.context.switch.closed
    assert not (desk.paths.state / records.HALT).exists()
    with pytest.raises(Conflict) as refused:
        desk.ask("fleet.resume")
    assert refused.value.code == "FLT-CTL-120"
    assert len(desk.entries("fleet.resumed")) == 1


@pytest.mark.parametrize(("verb", "args"), [("fleet.halt", {"reason": "stop"}), ("fleet.resume", {})])
def test_no_agent_halts_or_resumes(desk: Desk, verb: str, args: dict[str, str]) -> None:
    who = desk.run("developer", "ticket/1")
    desk.ask("fleet.halt", reason="enough") if verb == "fleet.resume" else None
    with pytest.raises(Refused) as refused:
        desk.ask(verb, who, **args)
    assert refused.value.code == "FLT-AUT-011"
    assert (desk.db.read(in_force) is not None) is (verb == "fleet.resume")


@pytest.mark.parametrize("reason", ["", "two\nlines"])
def test_a_halt_needs_a_reason_on_one_line(desk: Desk, reason: str) -> None:
    with pytest.raises(UsageError):
        desk.ask("fleet.halt", reason=reason)


def test_a_halt_written_without_the_daemon_is_taken_up_once(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    halting.write_halt(desk.paths.state, "abc", "human:bob", "at night", 7)
    for _ in range(3):
        take_up(desk.db, desk.paths.state, desk.context.switch)
    (entry,) = desk.entries("fleet.halted")
    assert (entry.actor, (entry.payload or {})["runs"]) == ("human:bob", [who.run_id])
    assert desk.context.switch.closed


def test_a_file_that_names_nobody_a_person_could_be_halts_in_the_daemons_name(desk: Desk) -> None:
    halting.write_halt(desk.paths.state, "abc", "agent:developer", "hm", 7)
    take_up(desk.db, desk.paths.state, desk.context.switch)
    (entry,) = desk.entries("fleet.halted")
    assert entry.actor == "system:daemon"


def test_the_store_halts_although_somebody_took_the_file_away(desk: Desk) -> None:
    """An agent that deletes it gains nothing."""
    desk.ask("fleet.halt", reason="enough")
    (desk.paths.state / records.HALT).unlink()
    take_up(desk.db, desk.paths.state, desk.context.switch)
    assert desk.context.switch.closed


def test_a_resume_that_was_cut_off_before_the_file_went_is_completed(desk: Desk) -> None:
    desk.ask("fleet.halt", reason="enough")
    kept = (desk.paths.state / records.HALT).read_bytes()
    desk.ask("fleet.resume")
    (desk.paths.state / records.HALT).write_bytes(kept)
    take_up(desk.db, desk.paths.state, desk.context.switch)
    assert not desk.context.switch.closed
    assert not (desk.paths.state / records.HALT).exists()
    assert len(desk.entries("fleet.halted")) == 1
