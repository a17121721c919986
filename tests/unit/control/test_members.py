"""Pausing and resuming agents, and how they are shown."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fleet.config.budgets import BudgetConfig
from fleet.core.agent import AgentState
from fleet.core.errors import BudgetRefused, Conflict, NotFound, Refused
from fleet.core.work import RunState
from fleet.store import agents, runs
from fleet.testing.desk import ANN, Desk
from fleet.testing.scene import usual_members

REVIEWERS = ({"name": "reviewers", "agents": ("tech-lead", "qa-engineer")},)


def states(desk: Desk) -> dict[str, str]:
    """Every agent's state."""
    return {row.name: str(row.state) for row in desk.db.read(agents.every)}


def test_a_paused_agent_is_active_again_after_resume_and_both_are_on_record(desk: Desk) -> None:
    answer = desk.ask("agent.pause", name="developer", reason="release week")
    assert answer == {"agents": ["developer"], "state": "paused", "unchanged": [], "stopping": []}
    assert states(desk)["developer"] == "paused"
    desk.ask("agent.resume", name="developer")
    assert states(desk)["developer"] == "active"
    said = [(entry.actor, entry.agent, entry.summary) for entry in desk.entries("agent.state_changed")]
    assert said == [
        ("human:ann", "developer", "developer was paused by human:ann: release week"),
        ("human:ann", "developer", "developer was resumed by human:ann"),
    ]


def test_of_two_operators_one_wins_and_the_other_is_told(desk: Desk) -> None:
    desk.ask("agent.pause", name="developer", reason="mine")
    with pytest.raises(Conflict) as caught:
        desk.ask("agent.pause", name="developer", reason="no, mine")
    assert (caught.value.code, caught.value.exit_code) == ("FLT-AGT-101", 8)
    assert "mine" in caught.value.hint
    desk.ask("agent.resume", name="developer")
    with pytest.raises(Conflict):
        desk.ask("agent.resume", name="developer")
    assert len(desk.entries("agent.state_changed")) == 2


def test_live_runs_go_on_unless_they_are_stopped_too_and_queued_ones_have_not_begun(desk: Desk) -> None:
    live = desk.run("developer", "ticket/1")
    queued = desk.run("developer", "ticket/2", state=RunState.QUEUED)
    assert desk.ask("agent.pause", name="developer", reason="x")["stopping"] == [queued.run_id]
    desk.ask("agent.resume", name="developer")
    assert desk.ask("agent.pause", name="developer", reason="y", stop=True)["stopping"] == [live.run_id]
    reasons = {run.id: run.cancel_reason for run in desk.db.read(runs.live)}
    assert reasons == {
        live.run_id: "agent paused by human:ann: y",
        queued.run_id: "agent paused by human:ann: x",
    }


def test_a_team_or_everybody_is_paused_and_who_was_paused_before_is_named(tmp_path: Path) -> None:
    desk = Desk(tmp_path, usual_members(), teams=REVIEWERS)
    assert desk.ask("agent.pause", team="reviewers", reason="x")["agents"] == ["qa-engineer", "tech-lead"]
    answer = desk.ask("agent.pause", all=True, reason="y")
    assert answer["agents"] == ["developer", "release-manager"]
    assert [one["agent"] for one in answer["unchanged"]] == ["qa-engineer", "tech-lead"]
    with pytest.raises(Conflict) as caught:
        desk.ask("agent.pause", all=True, reason="z")
    assert caught.value.code == "FLT-AGT-101"
    desk.ask("agent.resume", all=True)
    assert set(states(desk).values()) == {"active"}
    with pytest.raises(NotFound) as unknown:
        desk.ask("agent.pause", team="reviewer", reason="x")
    assert (unknown.value.code, unknown.value.hint) == ("FLT-AGT-103", "Did you mean `reviewers`?")
    desk.close()


def test_a_quarantined_agent_is_not_resumed_like_a_paused_one(desk: Desk) -> None:
    def quarantine(state: AgentState) -> None:
        desk.db.write(lambda tx: agents.put(tx, "developer", "developer", state, "errors"))

    quarantine(AgentState.QUARANTINED)
    with pytest.raises(BudgetRefused) as caught:
        desk.ask("agent.resume", name="developer")
    assert (caught.value.code, caught.value.exit_code) == ("FLT-AGT-104", 7)
    with pytest.raises(Conflict):
        desk.ask("agent.pause", name="developer", reason="x")
    assert states(desk)["developer"] == "quarantined"


def test_agents_pause_nobody(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    for verb in ("agent.pause", "agent.resume", "agent.logs"):
        with pytest.raises(Refused) as caught:
            desk.ask(verb, who, name="tech-lead", **({"reason": "x"} if verb == "agent.pause" else {}))
        assert caught.value.code == "FLT-AUT-011"


def test_an_agent_is_shown_with_what_bounds_it_and_why_it_is_idle(desk: Desk) -> None:
    shown = desk.ask("agent.show", name="developer")
    assert shown["idle"] == ["nothing waits for it"]
    assert shown["agent"]["publishes"] == ["smoke_done"]
    assert shown["agent"]["department"] == "engineering"
    assert shown["budget"]["left_seconds"] is None
    desk.ask("agent.pause", name="developer", reason="lunch")
    assert desk.ask("agent.show", name="developer")["idle"] == ["developer was paused by human:ann: lunch"]
    assert desk.ask("agent.show", name="scribe")["idle"] == [
        "it subscribes to nothing: it is started by hand only",
    ]
    desk.run("developer", "ticket/1")
    assert desk.ask("agent.show", name="developer")["idle"] == []
    with pytest.raises(NotFound) as caught:
        desk.ask("agent.show", name="develoepr")
    assert (caught.value.code, caught.value.hint) == ("FLT-AGT-001", "Did you mean `developer`?")


def test_the_budget_table_counts_ended_and_live_runs(tmp_path: Path) -> None:
    members = tuple(
        one.model_copy(update={"budget_seconds": BudgetConfig(seconds=100)}) if one.name == "developer" else one
        for one in usual_members()
    )
    desk = Desk(tmp_path, members)
    desk.end(desk.run("developer", "ticket/1"))
    desk.run("developer", "ticket/2")
    (found,) = desk.ask("agent.budget", name="developer")["agents"]
    nothing = {"used": 0, "budget": None, "granted": 0, "left": None, "used_percent": None, "window": "lifetime"}
    assert found == {
        "name": "developer",
        "runs": 2,
        "used_seconds": 1.0,
        "reserved_seconds": 60.0,
        "budget_seconds": 100,
        "granted_seconds": 0,
        "window": "lifetime",
        "until": "",
        "left_seconds": 39.0,
        "used_percent": 1.0,
        "counts_with": [],
        "tokens": {**nothing, "until": ""},
        "usd_micros": {**nothing, "until": ""},
        "unpriced_answers": 0,
    }
    assert len(desk.ask("agent.budget")["agents"]) == 4
    with pytest.raises(NotFound):
        desk.ask("agent.budget", name="nobody")
    desk.close()


def test_teams_are_listed_with_those_in_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path, usual_members(), teams=REVIEWERS)
    assert desk.ask("teams") == {
        "teams": [{"name": "reviewers", "agents": ["qa-engineer", "tech-lead"]}],
        "unassigned": ["developer", "release-manager"],
    }
    assert [one["name"] for one in desk.ask("team.show", name="reviewers")["agents"]] == ["qa-engineer", "tech-lead"]
    with pytest.raises(NotFound) as caught:
        desk.ask("team.show", name="ghosts")
    assert caught.value.code == "FLT-AGT-103"
    desk.close()


def test_of_many_operators_at_the_same_moment_exactly_one_wins(desk: Desk) -> None:
    barrier = threading.Barrier(8)
    codes: list[str] = []

    def pause() -> None:
        barrier.wait()
        try:
            desk.control.handle(ANN, "agent.pause", {"name": "developer", "reason": "x"})
            codes.append("")
        except Conflict as error:
            codes.append(error.code)

    threads = [threading.Thread(target=pause) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["", *["FLT-AGT-101"] * 7]
    assert len(desk.entries("agent.state_changed")) == 1
