"""How a run ends: what its exit means, what is on record, and what becomes of its clone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.core.work import RunState
from fleet.testing.fake_runtime import FakeSession, hang
from fleet.testing.repos import commit, git
from fleet.testing.workshop import Workshop


@pytest.mark.parametrize(
    ("agent", "event", "code", "emitted", "state", "words"),
    [
        ("developer", "ticket_ready", 0, "pr_updated", RunState.SUCCEEDED, "pr_updated is on record"),
        ("developer", "ticket_ready", 0, "note", RunState.FAILED, "ended without pr_created or pr_updated"),
        ("developer", "ticket_ready", 1, "pr_created", RunState.FAILED, "ended with exit code 1 after 0.0 s"),
        ("developer", "ticket_ready", 137, "note", RunState.FAILED, "ended by signal 9 after 0.0 s"),
        ("tech-lead", "pr_needs_review", 0, "pr_approved", RunState.SUCCEEDED, "pr_approved is on record"),
        ("tech-lead", "pr_needs_review", 0, "note", RunState.FAILED, "without pr_approved or pr_changes_requested"),
        ("release-manager", "pr_approved", 0, "pr_conflict", RunState.SUCCEEDED, "pr_conflict is on record"),
        ("outsider", "ticket_ready", 7, "pr_created", RunState.SUCCEEDED, "its program ended with exit code 7"),
        ("outsider", "ticket_ready", 0, "pr_created", RunState.SUCCEEDED, "pr_created is on record"),
        ("outsider", "ticket_ready", 7, "note", RunState.FAILED, "ended with exit code 7 after 0.0 s"),
        ("outsider", "ticket_ready", 0, "note", RunState.FAILED, "ended without pr_created or pr_updated"),
    ],
)
def test_an_exit_is_judged_by_its_code_and_by_what_is_on_record(
    shop: Workshop, agent: str, event: str, code: int, emitted: str, state: RunState, words: str
) -> None:
    run_id = shop.running(agent=agent, event=event)
    shop.emit(run_id, emitted)
    shop.runtime.exit(f"{run_id}-e1", code)
    shop.rest()
    assert shop.state(run_id) is state
    assert words in shop.run(run_id).outcome
    assert words in shop.entries(run_id)[-1].summary


def test_an_event_of_another_run_does_not_count(shop: Workshop) -> None:
    first, second = shop.running(), shop.running(work_item="ticket/9", subject="ticket/9")
    shop.emit(second, "pr_created")
    shop.runtime.exit(f"{first}-e1", 0)
    shop.rest()
    assert shop.state(first) is RunState.FAILED


def test_a_session_that_ends_before_anybody_saw_it_alive_is_recorded_as_started_and_ended(shop: Workshop) -> None:
    run_id = shop.queue()
    shop.settle()
    shop.emit(run_id, "pr_created")
    shop.runtime.exit(f"{run_id}-e1", 0)
    shop.settle()
    assert shop.state(run_id) is RunState.SUCCEEDED
    assert shop.story(run_id) == ["run.starting", "handbook.compiled", "pr_created", "run.started", "run.succeeded"]
    assert shop.run(run_id).started_at is not None


def test_the_time_limit_ends_a_run_as_timed_out(shop: Workshop) -> None:
    run_id = shop.running(allowance=30)
    shop.clock.advance(30)
    shop.rest()
    assert shop.state(run_id) is RunState.TIMED_OUT
    assert shop.run(run_id).outcome == "reached its time limit (30 s) and was stopped after 30.0 s"


def test_the_budget_ends_a_run_and_the_decision_is_on_record(shop: Workshop) -> None:
    run_id = shop.running(allowance=5, kind="budget")
    shop.clock.advance(6)
    shop.rest()
    assert shop.state(run_id) is RunState.OVER_BUDGET
    assert shop.story(run_id)[-2:] == ["budget.exhausted", "run.over_budget"]
    decision = shop.entries(run_id)[-2]
    assert (decision.stream, decision.subject, decision.agent) == ("decision", "agent/developer", "developer")
    assert decision.payload is not None
    assert decision.payload["spent_seconds"] == pytest.approx(6)


def test_a_used_up_budget_stays_one_although_a_stop_was_asked(shop: Workshop) -> None:
    run_id = shop.running(allowance=5, kind="budget")
    shop.clock.advance(6)
    shop.runtime.step()
    shop.ask_cancel(run_id)
    shop.rest()
    assert shop.state(run_id) is RunState.OVER_BUDGET


def test_a_request_to_stop_is_passed_on_once_and_ends_in_cancelled(shop: Workshop) -> None:
    run_id = shop.running()
    shop.ask_cancel(run_id)
    shop.rest()
    assert shop.state(run_id) is RunState.CANCELLED
    assert "stopped on request (a person said so)" in shop.run(run_id).outcome
    assert shop.session(run_id).stop_reason == "a person said so"


def test_a_run_that_is_cancelled_before_its_start_never_starts(shop: Workshop) -> None:
    run_id = shop.queue()
    shop.ask_cancel(run_id)
    shop.rest()
    assert shop.state(run_id) is RunState.CANCELLED
    assert shop.run(run_id).outcome == "stopped before it began: a person said so"
    assert shop.runtime.sessions == {}
    assert shop.story(run_id) == ["run.cancelled"]


def test_work_that_was_finished_counts_although_a_stop_was_asked(shop: Workshop) -> None:
    run_id = shop.running()
    shop.emit(run_id, "pr_created")
    shop.runtime.exit(f"{run_id}-e1", 0)
    shop.ask_cancel(run_id)
    shop.rest()
    assert shop.state(run_id) is RunState.SUCCEEDED


def test_a_vanished_session_is_swept_its_work_saved_and_the_run_lost(shop: Workshop) -> None:
    run_id = shop.running(allowance=100)
    (shop.paths.clones / f"{run_id}-e1" / "draft.txt").write_text("half done")
    shop.clock.advance(40)
    shop.runtime.vanish(f"{run_id}-e1", left_over=(4711,))
    shop.rest()
    run = shop.run(run_id)
    assert run.state is RunState.LOST
    assert run.used_seconds == pytest.approx(40)
    assert run.escrow_ref == f"refs/fleet/escrow/{run_id}-e1"
    assert git(shop.paths.bare, "show", f"{run.escrow_ref}:draft.txt") == "half done"
    assert shop.session(run_id).left_over == ()
    assert shop.clones() == []


def test_a_vanished_session_that_was_asked_to_stop_is_cancelled(shop: Workshop) -> None:
    run_id = shop.running()
    shop.runtime.vanish(f"{run_id}-e1")
    shop.ask_cancel(run_id)
    shop.rest()
    assert shop.state(run_id) is RunState.CANCELLED


def test_a_clone_is_removed_once_its_work_is_saved(shop: Workshop) -> None:
    run_id = shop.running()
    (shop.paths.clones / f"{run_id}-e1" / "left.txt").write_text("not committed")
    shop.runtime.exit(f"{run_id}-e1", 1)
    shop.rest()
    assert shop.clones() == []
    assert git(shop.paths.bare, "show", f"{shop.run(run_id).escrow_ref}:left.txt") == "not committed"


def test_a_clone_whose_work_could_not_be_saved_stays_and_is_named(shop: Workshop) -> None:
    run_id = shop.running()
    nested = shop.paths.clones / f"{run_id}-e1" / "nested"
    nested.mkdir()
    git(nested, "init", "--quiet")
    commit(nested, {"x": "y"})
    shop.runtime.exit(f"{run_id}-e1", 1)
    shop.rest()
    assert shop.clones() == [f"{run_id}-e1"]
    assert f"stays in clones/{run_id}-e1" in shop.run(run_id).outcome
    shop.restart()
    shop.rest()
    assert shop.clones() == [f"{run_id}-e1"]


def test_a_finished_run_stays_finished(shop: Workshop) -> None:
    run_id = shop.running()
    shop.runtime.exit(f"{run_id}-e1", 1)
    shop.rest()
    before = shop.story(run_id)
    shop.restart()
    shop.rest()
    assert shop.story(run_id) == before


def test_an_agent_that_acts_by_itself_is_seen_through_to_the_end(tmp_path: Path) -> None:
    found: list[Workshop] = []

    def push(session: FakeSession) -> int | None:
        found[0].emit(session.launch.run_id, "pr_created")
        return 0

    shop = Workshop(tmp_path, agent=push)
    found.append(shop)
    run_id = shop.queue()
    shop.rest()
    assert shop.story(run_id) == ["run.starting", "handbook.compiled", "run.started", "pr_created", "run.succeeded"]
    assert shop.clones() == []
    shop.close()


def test_agents_hang_by_default(shop: Workshop) -> None:
    act: Callable[[FakeSession], int | None] = hang
    run_id = shop.running()
    assert act(shop.session(run_id)) is None
