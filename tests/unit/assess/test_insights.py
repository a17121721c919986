"""Insights: each kind is told when its facts are there, and not a moment before."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.assess.insights import KINDS, Collision, Facts, Insight, Member, OpenWork, find
from fleet.core.clock import SECOND
from fleet.core.work import Run, RunState

NOW = 1_000_000 * SECOND
HOUR = 3600 * SECOND


def run(number: int, state: RunState = RunState.SUCCEEDED, **more: Any) -> Run:
    """A run; live states have no end."""
    live = state in (RunState.QUEUED, RunState.STARTING, RunState.RUNNING)
    fields: dict[str, Any] = {
        "id": f"r{number}", "delivery_id": "d", "event_id": "e", "event_type": "ticket_ready", "agent": "dev",
        "role": "developer", "subject": "ticket/1", "generation": "", "work_item": "ticket/1", "attempt": 1,
        "parent_run": "", "state": state, "epoch": 1, "host": "local", "allowance_seconds": 3600.0,
        "allowance_kind": "timeout", "used_seconds": 10.0, "cancel_reason": "", "exit_code": None, "outcome": "",
        "escrow_ref": "", "escrow_sha": "", "config_hash": "", "queued_at": NOW - 5 * HOUR, "started_at": NOW,
        "finished_at": None if live else NOW,
    }  # fmt: skip
    return Run(**{**fields, **more})


def told(**facts: Any) -> list[Insight]:
    """What is found in these facts and nothing else."""
    nothing: dict[str, Any] = {
        "now": NOW, "runs": (), "heard": {}, "work": (), "sent_back": (), "members": (), "collisions": (),
    }  # fmt: skip
    return find(Facts(**{**nothing, **facts}))


def kinds(**facts: Any) -> list[str]:
    """The kinds that are told."""
    return [one.kind for one in told(**facts)]


def test_a_fleet_without_facts_has_no_findings() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["stuck"]),
        ({"wanted": False}, []),
        ({"waiting": 1}, []),
        ({"last_at": NOW - 60 * SECOND}, []),
    ],
)
def test_open_work_that_is_wanted_and_that_nobody_has_is_stuck(change: dict[str, Any], expected: list[str]) -> None:
    fields: dict[str, Any] = {"subject": "ticket/7", "wanted": True, "waiting": 0, "last_seq": 3, "last_at": NOW - HOUR}
    assert kinds(work=[OpenWork(**{**fields, **change})]) == expected


def test_work_that_somebody_has_is_not_stuck() -> None:
    work = [OpenWork("ticket/1", True, 0, 3, NOW - HOUR)]
    assert kinds(work=work, runs=[run(1, RunState.QUEUED)]) == []
    (finding,) = told(work=work, runs=[run(1)])
    assert (finding.evidence, finding.command) == ((3,), "fleet why ticket/1")


def test_a_run_that_the_journal_has_not_heard_of_is_stalled() -> None:
    live = [run(1, RunState.RUNNING)]
    assert kinds(runs=live, heard={"r1": (NOW - 1801 * SECOND, 9)}) == ["stalled"]
    assert kinds(runs=live, heard={"r1": (NOW - 1799 * SECOND, 9)}) == []
    short = [run(1, RunState.RUNNING, allowance_seconds=60.0)]
    assert kinds(runs=short, heard={"r1": (NOW - 599 * SECOND, 9)}) == []


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.TIMED_OUT, RunState.OVER_BUDGET, RunState.LOST])
def test_three_ends_without_a_result_on_one_piece_of_work_are_flapping(state: RunState) -> None:
    broken = [run(number, state) for number in range(3)]
    heard = {one.id: (NOW, 10 + number) for number, one in enumerate(broken)}
    (finding,) = told(runs=broken, heard=heard)
    assert (finding.kind, finding.about, finding.evidence) == ("flapping", "dev", (10, 11, 12))
    assert kinds(runs=broken[:2]) == []
    assert kinds(runs=[*broken[:2], run(3, state, work_item="ticket/2")]) == []
    assert kinds(runs=[run(number, RunState.CANCELLED) for number in range(5)]) == []


def test_a_pull_request_that_was_sent_back_three_times_is_over_reviewed() -> None:
    assert kinds(sent_back=[("pr/1", 1), ("pr/1", 2), ("pr/2", 3)]) == []
    (finding,) = told(sent_back=[("pr/1", 1), ("pr/1", 2), ("pr/1", 9)])
    assert (finding.kind, finding.evidence, finding.command) == ("over-reviewed", (1, 2, 9), "fleet pr show 1")


def agent(name: str, role: str = "developer", **more: Any) -> Member:
    """A member for two days that would start by itself."""
    fields: dict[str, Any] = {"starts_by_itself": True, "since": NOW - 48 * HOUR, "last_seq": 4}
    return Member(name, role, **{**fields, **more})


def test_an_agent_without_work_is_idle_only_while_others_work() -> None:
    members = [agent("dev"), agent("qa", "qa-engineer"), agent("by-hand", "docs", starts_by_itself=False)]
    assert kinds(members=members) == []
    (finding,) = told(members=members, runs=[run(1)])
    assert (finding.about, finding.evidence) == ("qa", (4,))


def test_an_agent_is_not_idle_on_its_first_day() -> None:
    assert kinds(members=[agent("qa", since=NOW - 23 * HOUR)], runs=[run(1)]) == []
    assert kinds(members=[agent("qa", since=NOW - 25 * HOUR)], runs=[run(1)]) == ["idle"]


def test_work_that_took_more_than_three_times_the_median_is_expensive() -> None:
    usual = [run(number, work_item=f"ticket/{number}", used_seconds=100.0) for number in range(1, 6)]
    dear = run(9, work_item="ticket/9", used_seconds=301.0)
    (finding,) = told(runs=[*usual, dear], heard={"r9": (NOW, 77)})
    assert (finding.about, finding.evidence, finding.command) == ("ticket/9", (77,), "fleet log --ticket 9")
    assert kinds(runs=[*usual, run(9, work_item="ticket/9", used_seconds=299.0)]) == []
    assert kinds(runs=[*usual[:3], dear]) == [], "a median of three says nothing"


def test_a_collision_names_both_and_where() -> None:
    one = Collision(("pr/2", "pr/5"), ("dev", "second"), tuple(f"f{number}.py" for number in range(7)), 40, NOW)
    (finding,) = told(collisions=[one])
    assert "pr/2 and pr/5" in finding.text
    assert "f4.py and 2 more; dev and second were told" in finding.text
    assert finding.evidence == (40,)


def test_every_kind_is_described_and_every_description_is_of_a_kind_that_can_be_told() -> None:
    work = [OpenWork("ticket/99", True, 0, 3, NOW - HOUR)]
    usual = [run(number, work_item=f"ticket/{number}", used_seconds=100.0) for number in range(1, 6)]
    broken = [run(number, RunState.FAILED, work_item="ticket/8", used_seconds=200.0) for number in range(20, 23)]
    found = told(
        work=work,
        runs=[*usual, *broken, run(30, RunState.RUNNING, agent="slow", work_item="ticket/30")],
        heard={**{one.id: (NOW, 50) for one in (*usual, *broken)}, "r30": (NOW - 5 * HOUR, 1)},
        sent_back=[("pr/1", 1), ("pr/1", 2), ("pr/1", 3)],
        members=[agent("qa", "qa-engineer")],
        collisions=[Collision(("pr/2", "pr/5"), (), ("a",), 40, NOW)],
    )
    assert [one.kind for one in found] == list(KINDS)
    assert [one.kind for one in found if not one.command.startswith("fleet ")] == []
    assert [one.kind for one in found if not one.evidence] == []
