"""Refusals are on record, and a caller that knocks all day does not fill the journal."""

from __future__ import annotations

from fleet.core.errors import Refused
from fleet.testing.desk import ANN, Desk


def refuse(desk: Desk, times: int, *, code: str = "FLT-AUT-002", pid: int = 7) -> None:
    """The same refusal again and again."""
    for _ in range(times):
        desk.control.refused(None, pid, "pr.merge", Refused(code, "no", where=f"pid {pid}"))
    desk.db.write(lambda tx: None)


def test_the_same_refusal_is_written_once_in_a_while_with_the_number_of_the_others(desk: Desk) -> None:
    refuse(desk, 50)
    assert len(desk.entries("request.refused")) == 1
    desk.clock.advance(11)
    refuse(desk, 1)
    entries = desk.entries("request.refused")
    assert [entry.payload["left_out_before"] for entry in entries if entry.payload] == [0, 49]
    assert {entry.actor for entry in entries} == {"system:door"}


def test_different_refusals_are_each_written(desk: Desk) -> None:
    refuse(desk, 2)
    refuse(desk, 2, code="FLT-AUT-003")
    refuse(desk, 2, pid=8)
    assert len(desk.entries("request.refused")) == 3


def test_a_flood_of_different_refusals_is_bounded_and_counted(desk: Desk) -> None:
    for pid in range(200):
        refuse(desk, 1, pid=pid)
    assert len(desk.entries("request.refused")) == 20
    desk.clock.advance(11)
    refuse(desk, 1)
    assert (desk.entries("request.refused")[-1].payload or {})["left_out_before"] == 180


def test_a_clock_set_back_does_not_silence_it(desk: Desk) -> None:
    refuse(desk, 1)
    desk.clock.jump(-3600)
    refuse(desk, 1, pid=8)
    assert len(desk.entries("request.refused")) == 2


def test_a_run_is_named_with_its_own_principal(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    desk.control.refused(who, 7, "pr.merge", Refused("FLT-AUT-012", "no"))
    desk.db.write(lambda tx: None)
    (entry,) = desk.entries("request.refused")
    assert (entry.actor, entry.run_id, entry.subject) == ("agent:developer", who.run_id, f"run/{who.run_id}")
    assert str(ANN) not in entry.summary
