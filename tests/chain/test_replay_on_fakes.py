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

from fleet.assess.assessor import Assessor
from fleet.config.catalogue import load_roles
from fleet.config.loader import parse_config
from fleet.control.replay import KINDS, NOT_AGAIN
from fleet.core.errors import ConfigError, FleetError, Refused
from fleet.core.event import BUILTIN
from fleet.core.journal import Stream
from fleet.core.principal import Principal
from fleet.core.work import RunState
from fleet.dispatch.budgetwatch import BudgetWatch
from fleet.dispatch.reconciler import Reconciler
from fleet.fabric.router import CURSOR
from fleet.policy.record import read_record
from fleet.policy.replay import decide
from fleet.runtime import moves
from fleet.runtime.outcome import Outcome
from fleet.store import cursors, journal, runs
from fleet.store.db import Tx
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
    """Its live runs end well, after 40 seconds; on record as far as the dispatcher started them."""
    ending = Outcome(RunState.SUCCEEDED, "exited", "", 40.0, exit_code=0)
    for run in desk.db.read(runs.live):
        if run.agent == agent and desk.entries("delivery.dispatched", run_id=run.id):
            desk.db.write(partial(moves.finish, run=run, outcome=ending))
        elif run.agent == agent:
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
        assert again is not None
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


# -- decisions that are no verdict on a start, a review or a merge ------------------------------------


def test_every_type_of_decision_is_made_again_or_it_is_said_why_not() -> None:
    """A type that is new in the journal has to be put into one of the lists."""
    decisions = {name for name, one in BUILTIN.items() if one.stream is Stream.DECISION}
    not_again = [name for names in NOT_AGAIN.values() for name in names]
    assert len(not_again) == len(set(not_again))
    assert set(not_again) & set(KINDS) == set()
    assert decisions - set(KINDS) == set(not_again)


def broken(desk: Desk, attempt: int = 1, state: RunState = RunState.FAILED) -> None:
    """A run of the developer on a ticket of its own ends without its result, and recovery deals with it."""
    who = desk.run("developer", f"ticket/{desk.ticket('Break', 'ready')}", event="ticket_ready")
    ending = Outcome(state, "exited", "it fell over", 40.0, exit_code=1)

    def end_it(tx: Tx) -> None:
        tx.run("UPDATE runs SET attempt = :n WHERE id = :id", n=attempt, id=who.run_id)
        assert moves.finish(tx, runs.get(tx, who.run_id), ending)

    desk.db.write(end_it)
    Reconciler(desk.db, desk.live, desk.live, desk.context.config).tick(desk.clock.now())


def differing(desk: Desk, text: str, kind: str) -> list[tuple[str, str, str]]:
    """Rows about entries of a type: what was, what would be, and how that is called."""
    rows = [row for row in replay(desk, text)["differs"] if row["type"] == kind]
    return [(row["was"], row["now"], row["effect"]) for row in rows]


def test_what_becomes_of_broken_work_is_decided_again(desk: Desk) -> None:
    broken(desk)
    broken(desk, attempt=3)
    (back,) = [one for one in desk.entries("work_returned") if (one.dedup_key or "").startswith("returned:")]
    (dead,) = desk.entries("delivery.dead_lettered")
    assert {row["seq"] for row in replay(desk, CONFIG)["differs"]} & {back.seq, dead.seq} == set()
    once = CONFIG + "retry: {attempts: 1}\n"
    assert differing(desk, once, "work_returned") == [("returned", "dead", "dead letter")]
    often = CONFIG + "retry: {attempts: 4}\n"
    assert differing(desk, often, "delivery.dead_lettered") == [("dead", "returned", "comes back")]
    label = CONFIG + "required_label: fleet\n"
    assert ("dead", "moot", "is dropped") in differing(desk, label, "delivery.dead_lettered")


def call_off(desk: Desk) -> None:
    """The label is taken off a ticket that the developer works on."""
    ticket = desk.ticket("Off", "ready", "fleet")
    desk.run("developer", f"ticket/{ticket}", event="ticket_ready")
    desk.ask("ticket.label", number=ticket, remove=["ready"])
    desk.publish("ticket_unready", f"ticket/{ticket}")
    reconciler = Reconciler(desk.db, desk.live, desk.live, desk.context.config)
    for _ in range(3):
        desk.clock.advance(5)
        reconciler.tick(desk.clock.now())


def test_a_run_that_was_called_off_is_decided_again(desk: Desk) -> None:
    call_off(desk)
    (stopped,) = desk.entries("run.stop_requested")
    assert stopped.seq not in {row["seq"] for row in replay(desk, CONFIG)["differs"]}
    reader = CONFIG.replace("{name: developer, role: developer,", "{name: developer, role: qa-engineer,")
    assert differing(desk, reader, "run.stop_requested") == [("stopped", "goes on", "goes on")]


def test_a_quarantine_is_judged_again_on_the_same_signals(desk: Desk) -> None:
    for _ in range(5):
        broken(desk, state=RunState.TIMED_OUT)
        desk.db.write(lambda tx: tx.run("UPDATE runs SET followed_up = 1"))
    assessor = Assessor(desk.db, desk.context.doorway)
    assessor.tick(desk.clock.now())
    (entry,) = desk.entries("agent.quarantined")
    found = replay(desk, CONFIG)
    (by_hand,) = found["not_replayable"]  # runs that a test began, and no dispatcher
    assert (by_hand["count"], "a run began with" in by_hand["why"], found["program_differs"]) == (5, True, [])
    assert entry.seq not in {row["seq"] for row in found["differs"]}
    without = "\n".join(line for line in CONFIG.splitlines() if "name: developer" not in line) + "\n"
    assert differing(desk, without, "agent.quarantined") == [("critical", "not judged", "no quarantine")]
    desk.ask("agent.release", name="developer", reason="a test")
    desk.ask("agent.quarantine", name="developer", reason="by hand")
    assert replay(desk, CONFIG)["decisions"] == found["decisions"], "what a person does is taken as said"


def test_a_review_that_counted_is_decided_again(desk: Desk) -> None:
    allowed = desk.entries("review.allowed")
    assert {one.actor for one in allowed} == {"agent:tech-lead", "agent:qa-engineer"}
    writer = CONFIG.replace("{name: tech-lead, role: tech-lead,", "{name: tech-lead, role: developer,")
    assert {row for row in differing(desk, writer, "review.allowed")} == {("allow", "deny", "review refused")}


def test_a_warning_is_decided_again(desk: Desk) -> None:
    limited = CONFIG + "budgets: {fleet_seconds: 100, warn_percent: 30}\n"
    desk.context.config.replace(parse_config(limited.encode(), name="c", roles=load_roles()))
    BudgetWatch(desk.db, desk.context.config).tick(desk.clock.now())
    (entry,) = desk.entries("budget.warned")
    assert entry.seq not in {row["seq"] for row in replay(desk, limited)["differs"]}
    later = limited.replace("warn_percent: 30", "warn_percent: 99")
    assert differing(desk, later, "budget.warned") == [("warned", "not warned", "does not warn")]


def test_decisions_that_left_for_an_archive_are_made_again_too(desk: Desk, tmp_path: Path) -> None:
    """Until its file is somewhere else, or another one: that is said, and nothing is guessed."""
    end(desk, "release-manager")
    broken(desk, attempt=3)
    changed = CONFIG.replace("allow_shared_uid_merge: true", "allow_shared_uid_merge: false")
    before = replay(desk, changed)
    settled(desk)
    desk.clock.advance(40 * 86_400)
    file = tmp_path / "one.jsonl"
    starts = len(desk.entries("delivery.dispatched"))
    made = desk.ask("audit.archive", file=str(file), keep=1)
    assert len(desk.entries("delivery.dispatched")) < starts
    assert len(desk.entries("review.allowed")) == 0
    after = replay(desk, changed)
    assert (after["decisions"], after["counts"]) == (before["decisions"], before["counts"])
    assert after["not_replayable"] == before["not_replayable"]
    recent = replay(desk, changed, since=desk.clock.now())
    assert recent["decisions"] == 0, "an archive that is older than what is asked for is not read"
    file.write_bytes(file.read_bytes().replace(b"pr_approved", b"pr_approveD", 1))
    (row,) = unread(desk, changed)
    assert "is not the file that was sealed" in row["why"]
    file.unlink()
    (row,) = unread(desk, changed)
    assert ("cannot be read: No such file" in row["why"], row["count"]) == (True, made["entries"])


def unread(desk: Desk, text: str) -> list[dict[str, Any]]:
    """What is said about archives."""
    return [row for row in replay(desk, text)["not_replayable"] if row["why"].startswith("archive 1 ")]


def settled(desk: Desk) -> None:
    """Nothing is open and everything is routed: a desk leaves both."""

    def close(tx: Tx) -> None:
        tx.run("UPDATE deliveries SET state = 'dispatched', lease_token = ''")
        tx.run("UPDATE runs SET state = 'succeeded', finished_at = 1 WHERE finished_at IS NULL")
        cursors.advance(tx, CURSOR, journal.head(tx)[0])

    desk.db.write(close)
