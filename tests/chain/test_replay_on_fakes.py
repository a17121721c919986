"""Recorded decisions made again: the same under the same settings, and told where a candidate decides otherwise.

The histories come from the chain itself: real router, dispatcher, reconciler; reviews, merges and time by the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.unit.control.test_gates import rest
from tests.unit.control.test_merges import approved_pull

from fleet.config.catalogue import load_roles
from fleet.config.loader import parse_config
from fleet.core.errors import ConfigError, FleetError, Refused
from fleet.core.principal import Principal
from fleet.core.work import RunState
from fleet.policy.record import read_record
from fleet.policy.replay import decide
from fleet.store import journal, runs
from fleet.testing.desk import ANN, Desk

CONFIG = """version: 1
allow_shared_uid_merge: true
shared_uid_merge_reason: a test
agents:
  - {name: developer, role: developer, subscribes_to: [ticket_ready, pr_changes_requested, pr_conflict]}
  - {name: qa-engineer, role: qa-engineer, subscribes_to: pr_needs_review}
  - {name: tech-lead, role: tech-lead, subscribes_to: pr_needs_review}
  - name: release-manager
    role: release-manager
    subscribes_to: pr_approved
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The usual members, as CONFIG has them, and one pull request that was approved and merged."""
    config = parse_config(CONFIG.encode(), name="c", roles=load_roles()).config
    made = Desk(tmp_path, config.agents)
    ticket, pull, head = approved_pull(made)
    rest(made)
    made.ask("pr.review", _run(made, "qa-engineer", ticket, pull, head), number=pull, verdict="approve")
    rest(made)
    made.ask("pr.merge", _run(made, "release-manager", ticket, pull, head), number=pull)
    rest(made)
    yield made
    made.close()


def _run(desk: Desk, agent: str, ticket: int, pull: int, head: str) -> Principal:
    """A run of an agent on the pull request, whatever lives of it already ended."""
    end(desk, agent)
    return desk.run(agent, f"pr/{pull}", event="agent_start_requested", item=f"ticket/{ticket}", head=head)


def end(desk: Desk, agent: str) -> None:
    """Its live runs end well, after 40 seconds."""
    for run in desk.db.read(runs.live):
        if run.agent == agent:
            ended: dict[str, Any] = {"state": RunState.SUCCEEDED, "used_seconds": 40.0, "exit_code": 0, "outcome": ""}
            desk.db.write(partial(runs.finish, run_id=run.id, epoch=run.epoch, **ended))


def replay(desk: Desk, text: str, **args: int) -> dict[str, Any]:
    """The report about a candidate."""
    return desk.ask("policy.replay", ANN, text=text, name="candidate.yaml", **args)


def test_the_same_configuration_decides_the_same(desk: Desk) -> None:
    height = desk.db.read(journal.head)
    found = replay(desk, CONFIG)
    assert found["decisions"] > 5
    assert (found["differs"], found["program_differs"], found["not_replayable"]) == ([], [], [])
    assert desk.db.read(journal.head) == height, "a replay records nothing"


def test_every_recorded_verdict_is_reproduced_from_its_facts(desk: Desk) -> None:
    kinds = ("delivery.dispatched", "delivery.held", "delivery.denied", "merge.allowed")
    seen = [entry for kind in kinds for entry in desk.entries(kind)]
    assert len(seen) > 4
    for entry in seen:
        payload = entry.payload or {}
        again = decide(read_record(payload["facts"])).decision
        assert again.as_dict() == payload["decision"]


def test_a_candidate_with_a_gate_says_which_start_would_have_waited_and_for_what(desk: Desk) -> None:
    found = replay(desk, CONFIG + "    subscription_gate: {all_of: [{label: go}, {approvals: 2}]}\n")
    assert found["counts"].keys() == {"holds"}
    row = found["differs"][0]
    assert (row["agent"], row["was"], row["now"], row["codes"]) == ("release-manager", "allow", "hold", ["FLT-POL-112"])
    assert "label go: pr/2 does not carry it" in row["why"]
    assert row["because"] == [row["why"]]


def test_why_names_the_checks_that_make_the_difference(desk: Desk) -> None:
    gated = CONFIG + "    subscription_gate: {label: go}\n"
    desk.context.config.replace(parse_config(gated.encode(), name="c", roles=load_roles()))
    end(desk, "release-manager")
    ticket, _, _ = approved_pull(desk)
    rest(desk)
    (row,) = [one for one in replay(desk, CONFIG)["differs"] if one["effect"] == "starts"]
    assert (row["subject"], row["why"]) == (f"pr/{ticket + 1}", "no condition stands before its starts")


def test_a_candidate_that_does_not_let_agents_merge_differs_at_the_start_and_at_the_merge(desk: Desk) -> None:
    found = replay(desk, CONFIG.replace("allow_shared_uid_merge: true", "allow_shared_uid_merge: false"))
    assert found["counts"] == {"holds": 1, "merge waits": 1}
    assert {code for row in found["differs"] for code in row["codes"]} == {"FLT-POL-074"}


def test_a_candidate_with_another_reviewer_waits_for_it_and_the_event_reaches_it(desk: Desk) -> None:
    more = "  - {name: second, role: tech-lead, subscribes_to: pr_created}\n"
    found = replay(desk, CONFIG + more)
    reached = [row for row in found["differs"] if row["effect"] == "reaches"]
    assert {(row["agent"], row["type"], row["was"], row["now"]) for row in reached} == {
        ("second", "event.routed", "not reached", "reached")
    }
    third = "  - {name: third, role: tech-lead, subscribes_to: pr_needs_review}\n"
    assert replay(desk, CONFIG + third)["counts"]["merge waits"] == 1


def test_a_candidate_without_an_agent_says_what_it_would_not_have_reached(desk: Desk) -> None:
    without = "\n".join(line for line in CONFIG.splitlines() if "name: tech-lead" not in line) + "\n"
    found = replay(desk, without)
    assert found["counts"]["no longer reaches"] >= 1
    assert any("is not in the candidate" in row["why"] for row in found["differs"])


def test_a_candidate_with_a_smaller_budget_says_which_runs_it_would_have_stopped(desk: Desk) -> None:
    def stops(seconds: int) -> list[str]:
        limit = f"    timeout_seconds: {seconds}\n"
        return [row["why"] for row in replay(desk, CONFIG + limit)["differs"] if row["effect"] == "stops"]

    assert stops(30) == ["it ran for 40.0 s and would be stopped after 30.0 s (its time limit)"]
    assert stops(60) == []


def test_what_was_not_recorded_is_said_and_not_guessed(desk: Desk) -> None:
    gated = CONFIG.replace(
        "role: developer, ", "role: developer, subscription_gate: {any_of: [{approvals: 1}, {label: ready}]}, "
    )
    for entry in desk.entries("delivery.dispatched")[:1]:
        desk.ask("audit.erase", entry=entry.id, reason="a secret")
    found = replay(desk, gated)
    assert {row["why"] for row in found["not_replayable"]} >= {"its payload was erased"}
    assert sum(row["count"] for row in found["not_replayable"]) >= 1


def test_only_what_was_decided_since_is_looked_at_and_the_rest_is_counted(desk: Desk) -> None:
    desk.clock.advance(10)
    assert replay(desk, CONFIG, since=desk.clock.now())["decisions"] == 0
    changed = CONFIG.replace("allow_shared_uid_merge: true", "allow_shared_uid_merge: false")
    found = replay(desk, changed, limit=1)
    assert (len(found["differs"]), found["more"]) == (1, 1)


def test_a_faulty_candidate_is_refused_with_line_and_column(desk: Desk) -> None:
    with pytest.raises(ConfigError) as caught:
        replay(desk, CONFIG + "    subscription_gate: {approvals: 0}\n")
    assert caught.value.problems[0].startswith("candidate.yaml:11:36: ")


def test_an_agent_does_not_replay(desk: Desk) -> None:
    run = desk.run("developer", "ticket/1")
    with pytest.raises((Refused, FleetError)) as caught:
        desk.ask("policy.replay", run, text=CONFIG)
    assert isinstance(caught.value, Refused)
