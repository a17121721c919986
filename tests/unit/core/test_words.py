"""The shared words keep their promises: identifiers sort, seals differ, the strictest verdict wins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.core.decision import Decision, Reason, Verdict, strictest
from fleet.core.event import BUILTIN, is_event_name, subject_kind, subject_number
from fleet.core.ids import make_id
from fleet.core.journal import GENESIS, entry_seal
from fleet.core.work import DELIVERY_MOVES, LIVE_RUNS, RUN_MOVES, DeliveryState, RunState


def test_identifiers_sort_by_time_and_fit_everywhere() -> None:
    ids = [make_id("r", now * 1000, b"\xff" * 5) for now in (0, 1, 2**20, 2**47)]
    assert ids == sorted(ids)
    assert all(len(text) == 19 and text.isalnum() and text == text.lower() for text in ids)
    assert len({make_id("r", 5, bytes([n, 0, 0, 0, 0])) for n in range(256)}) == 256


@given(st.lists(st.one_of(st.none(), st.integers(), st.text()), max_size=6), st.data())
def test_moving_a_boundary_between_columns_changes_the_seal(
    columns: list[str | int | None], data: st.DataObject
) -> None:
    other = data.draw(st.lists(st.one_of(st.none(), st.integers(), st.text()), max_size=6))
    same = [None if c is None else str(c) for c in columns] == [None if c is None else str(c) for c in other]
    assert (entry_seal(GENESIS, tuple(columns)) == entry_seal(GENESIS, tuple(other))) == same


verdicts = st.lists(st.sampled_from(list(Verdict)), max_size=6)


@given(verdicts, st.randoms())
def test_the_order_of_checks_cannot_matter(found: list[Verdict], random: object) -> None:
    reasons = [Reason(f"c{n}", verdict, "FLT-POL-000", "", {}) for n, verdict in enumerate(found)]
    decision = strictest(reasons)
    assert decision.verdict == strictest(reversed(reasons)).verdict
    if Verdict.DENY in found or not found:
        assert decision.verdict is Verdict.DENY
    elif Verdict.HOLD in found:
        assert decision.verdict is Verdict.HOLD
    else:
        assert decision.verdict is Verdict.ALLOW


def test_nothing_checked_is_a_no() -> None:
    decision: Decision = strictest(())
    assert decision.verdict is Verdict.DENY


def test_finished_runs_and_settled_deliveries_never_move() -> None:
    assert set(RUN_MOVES) == set(RunState)
    assert set(DELIVERY_MOVES) == set(DeliveryState)
    assert all((not moves) == (state not in LIVE_RUNS) for state, moves in RUN_MOVES.items())


def test_event_names_are_plain() -> None:
    assert is_event_name("qa_passed")
    for name in ("", "QA", "qa-passed", "qa__passed", "_qa", "qa_", "x" * 65, "qа_passed", "run.started"):
        assert not is_event_name(name)


def test_every_registered_type_says_something() -> None:
    for item in BUILTIN.values():
        assert item.says.endswith(".")
        assert item.producers
        assert (("." in item.name) is False) == (item.stream == "event")


def test_subjects_are_split_without_surprises() -> None:
    assert (subject_kind("pr/8"), subject_number("pr/8")) == ("pr", 8)
    assert subject_number("agent/dev") == 0
    assert subject_number("pr/٣") == 0
    assert subject_number("") == 0
