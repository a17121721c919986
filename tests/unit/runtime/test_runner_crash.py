"""The runner killed at every named point of start and finish: one session, one end, nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.work import RunState
from fleet.runtime.runner import MAX_EPOCH
from fleet.store import capabilities
from fleet.testing.repos import git
from fleet.testing.workshop import HandExecutor, InlineExecutor, Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop whose agents hang until the test ends them."""
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.close()


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
