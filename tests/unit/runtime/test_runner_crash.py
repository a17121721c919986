"""The runner killed at every named point of start and finish: one session, one end, nothing lost, nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.core.errors import PermanentError
from fleet.core.work import Run, RunState
from fleet.runtime.brief import WorkFacts
from fleet.runtime.runner import ANSWER_SECONDS, MAX_EPOCH
from fleet.store import capabilities, risk
from fleet.testing.repos import git
from fleet.testing.workshop import HandExecutor, InlineExecutor, Workshop


def alive(shop: Workshop) -> list[str]:
    """Sessions that live."""
    return [name for name, session in shop.runtime.sessions.items() if session.live]


def test_a_run_taken_but_not_prepared_is_started_once(shop: Workshop) -> None:
    run_id = shop.queue()
    with shop.crash_at("start.claimed"):
        shop.tick()
    assert shop.runtime.sessions == {}
    shop.rest()
    assert alive(shop) == [f"{run_id}-e2"]
    assert shop.state(run_id) is RunState.RUNNING
    assert shop.db.write(lambda tx: capabilities.revoke_run(tx, run_id)) == 1  # the first epoch's ended before


def test_a_run_that_is_asked_to_end_while_its_clone_is_made_is_never_launched(shop: Workshop) -> None:
    run_id = shop.queue()
    with shop.crash_at("start.claimed"):
        shop.tick()
    facts = shop.facts

    def asked_meanwhile(run: Run) -> WorkFacts:
        shop.ask_cancel(run_id, "agent quarantined by system:assessor: risk 91%")
        return facts(run)

    shop.facts = asked_meanwhile
    shop.rest()
    assert shop.runtime.sessions == {}
    ended = shop.run(run_id)
    assert (ended.state, ended.cancel_reason[:17]) == (RunState.CANCELLED, "agent quarantined")
    with pytest.raises(PermanentError) as told:
        shop.runner._starter._still_wanted(ended)
    assert told.value.code == "FLT-RUN-013"


def test_a_session_that_never_answers_is_not_started_anew_once_it_was_asked_to_end(shop: Workshop) -> None:
    run_id = shop.queue()
    shop.settle()
    shop.ask_cancel(run_id)
    shop.clock.advance(ANSWER_SECONDS + 1)
    shop.settle()
    assert shop.state(run_id) is RunState.CANCELLED
    assert list(shop.runtime.sessions) == [f"{run_id}-e1"]


QUARANTINED = "agent quarantined by system:assessor: risk 91%"


def frozen(shop: Workshop) -> str:
    """A run of a quarantined agent whose work cannot be saved."""
    run_id = shop.queue()
    shop.rest()
    inside = shop.paths.clones / f"{run_id}-e1" / ".git"
    inside.rename(inside.with_name("hidden"))
    shop.ask_cancel(run_id, QUARANTINED)
    return run_id


@pytest.mark.parametrize("point", ["stop.passed_on", "frozen.listed"])
def test_a_session_that_stands_frozen_stays_so_and_is_listed_once_whoever_dies(shop: Workshop, point: str) -> None:
    run_id = frozen(shop)
    with shop.crash_at(point):
        shop.rest()
    shop.rest()
    assert [one.run_id for one in shop.db.read(risk.frozen)] == [run_id]
    assert shop.state(run_id) is RunState.RUNNING
    assert shop.story(run_id).count("run.frozen") == 1
    inside = shop.paths.clones / f"{run_id}-e1" / ".git"
    inside.with_name("hidden").rename(inside)
    shop.rest()
    assert shop.db.read(risk.frozen) == []
    assert shop.state(run_id) is RunState.CANCELLED
    assert shop.escrows() == [f"{run_id}-e1"]


def test_a_person_may_let_go_of_what_stands_frozen_and_its_clone_stays(shop: Workshop) -> None:
    run_id = frozen(shop)
    shop.rest()
    assert shop.db.write(lambda tx: risk.let_go(tx, run_id, "human:ann"))
    with shop.crash_at("finish.observed"):
        shop.rest()
    shop.rest()
    ended = shop.run(run_id)
    assert ended.state is RunState.CANCELLED
    assert f"stays in clones/{run_id}-e1" in ended.outcome
    assert shop.clones() == [f"{run_id}-e1"]
    assert shop.db.read(risk.frozen) == []


def test_a_run_that_was_stopped_for_another_reason_does_not_stay_frozen(shop: Workshop) -> None:
    run_id = frozen(shop)
    other = shop.queue(work_item="ticket/8", subject="ticket/8")
    shop.rest()
    inside = shop.paths.clones / f"{other}-e1" / ".git"
    inside.rename(inside.with_name("hidden"))
    shop.ask_cancel(other, "stopped by human:ann")
    shop.rest()
    assert shop.state(other) is RunState.CANCELLED
    assert [one.run_id for one in shop.db.read(risk.frozen)] == [run_id]


def test_a_clone_made_but_not_used_is_replaced(shop: Workshop) -> None:
    run_id = shop.queue()
    with shop.crash_at("start.prepared"):
        shop.tick()
    assert shop.clones() == [f"{run_id}-e1"]
    shop.rest()
    assert alive(shop) == [f"{run_id}-e2"]
    assert shop.clones() == [f"{run_id}-e2"]


def test_what_somebody_put_into_an_unused_clone_is_saved_before_it_goes(shop: Workshop) -> None:
    run_id = shop.queue()
    with shop.crash_at("start.prepared"):
        shop.tick()
    (shop.paths.clones / f"{run_id}-e1" / "found.txt").write_text("a trace")
    shop.rest()
    assert shop.clones() == [f"{run_id}-e2"]
    assert git(shop.paths.bare, "show", f"refs/fleet/escrow/{run_id}-e1:found.txt") == "a trace"


def test_a_session_that_exists_is_adopted(shop: Workshop) -> None:
    run_id = shop.queue()
    with shop.crash_at("start.launched"):
        shop.tick()
    assert alive(shop) == [f"{run_id}-e1"]
    shop.rest()
    assert list(shop.runtime.sessions) == [f"{run_id}-e1"]
    assert shop.state(run_id) is RunState.RUNNING
    assert shop.session(run_id).watched
    assert shop.story(run_id) == ["run.starting", "handbook.compiled", "run.started"]


def test_an_adopted_session_that_ended_meanwhile_is_judged_once(shop: Workshop) -> None:
    run_id = shop.queue()
    with shop.crash_at("start.launched"):
        shop.tick()
    shop.emit(run_id, "pr_created")
    shop.runtime.exit(f"{run_id}-e1", 0)
    shop.rest()
    assert shop.state(run_id) is RunState.SUCCEEDED
    assert shop.story(run_id) == ["run.starting", "handbook.compiled", "pr_created", "run.started", "run.succeeded"]


@pytest.mark.parametrize("point", ["finish.observed", "finish.after_commit"])
def test_an_exit_is_recorded_once(shop: Workshop, point: str) -> None:
    run_id = shop.queue()
    shop.rest()
    shop.emit(run_id, "pr_created")
    shop.runtime.exit(f"{run_id}-e1", 0)
    with shop.crash_at(point):
        shop.rest()
    shop.rest()
    assert shop.state(run_id) is RunState.SUCCEEDED
    assert shop.story(run_id).count("run.succeeded") == 1
    assert shop.clones() == []
    assert shop.escrows() == [f"{run_id}-e1"]


def test_a_running_session_outlives_the_daemon(shop: Workshop) -> None:
    run_id = shop.queue()
    shop.rest()
    shop.restart()
    shop.rest()
    assert list(shop.runtime.sessions) == [f"{run_id}-e1"]
    assert shop.state(run_id) is RunState.RUNNING


def test_a_session_that_vanished_while_nobody_looked_is_lost_once(shop: Workshop) -> None:
    run_id = shop.queue()
    shop.rest()
    shop.runtime.vanish(f"{run_id}-e1")
    with shop.crash_at("finish.after_commit"):
        shop.rest()
    shop.rest()
    assert shop.state(run_id) is RunState.LOST
    assert shop.story(run_id) == ["run.starting", "handbook.compiled", "run.started", "run.lost"]
    assert shop.clones() == []


def test_a_request_to_stop_survives_the_daemon(shop: Workshop) -> None:
    run_id = shop.queue()
    with shop.crash_at("start.launched"):
        shop.tick()
    shop.ask_cancel(run_id)
    shop.rest()
    assert shop.state(run_id) is RunState.CANCELLED
    assert alive(shop) == []


def test_a_cancelled_run_that_was_never_launched_is_not_taken_over(shop: Workshop) -> None:
    run_id = shop.queue()
    with shop.crash_at("start.prepared"):
        shop.tick()
    shop.ask_cancel(run_id)
    shop.rest()
    assert shop.state(run_id) is RunState.CANCELLED
    assert shop.runtime.sessions == {}
    assert shop.clones() == []


def test_takeovers_are_bounded_and_then_the_run_fails_in_words(shop: Workshop) -> None:
    run_id = shop.queue()
    for _ in range(MAX_EPOCH):
        with shop.crash_at("start.prepared"):
            shop.settle()
    shop.rest()
    run = shop.run(run_id)
    assert run.state is RunState.FAILED
    assert run.epoch == MAX_EPOCH
    assert "4 times its session did not come up" in run.outcome
    assert shop.runtime.sessions == {}
    assert shop.clones() == []


def test_two_runners_never_start_one_run_twice(shop: Workshop) -> None:
    run_id = shop.queue()
    first = shop.runner
    shop.restart()
    shop.tick()
    first.tick(shop.clock.now())
    shop.rest()
    assert alive(shop) == [f"{run_id}-e1"]
    assert shop.story(run_id) == ["run.starting", "handbook.compiled", "run.started"]


def test_a_late_worker_of_an_older_epoch_ends_nothing(tmp_path: Path) -> None:
    hand = HandExecutor()
    shop = Workshop(tmp_path, executor=hand)
    run_id = shop.queue()
    late = shop.runner
    shop.tick()
    shop.executor = InlineExecutor()
    shop.restart()
    shop.rest()
    assert alive(shop) == [f"{run_id}-e2"]
    hand.work()
    assert late.tick(shop.clock.now()).did == 0
    assert shop.state(run_id) is RunState.RUNNING
    assert alive(shop) == [f"{run_id}-e2"]
    shop.close()
