"""Budgets of run time, on a real store and a hand-turned clock: one promise a test."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fleet.core.agent import AgentState
from fleet.core.work import Run, RunState
from fleet.dispatch.budgetwatch import BudgetWatch
from fleet.dispatch.dispatcher import Dispatcher
from fleet.store import agents, budgets, runs
from fleet.store.open import open_for_daemon
from fleet.testing.scene import Scene, member, usual_members

DAY = 86_400.0


def fleet_of(folder: Path, *, budget: object = None, config: dict[str, object] | None = None, **more: object) -> Scene:
    """One developer with a budget; ``config`` are top-level keys."""
    if budget is not None:
        more["budget_seconds"] = budget
    crew = (member("dev", "developer", "ticket_ready", "pr_changes_requested", **more),)
    return Scene(folder, crew, **(config or {}))


def work(scene: Scene, used: float) -> Run:
    """A ticket is worked on for so many seconds, and its pull request opened."""
    scene.ready()
    scene.rest()
    run = scene.start(scene.live()["dev"])
    scene.clock.advance(used)
    scene.push(run, f"head-{run.id}")
    return scene.end(run, used=used)


def held(scene: Scene) -> str:
    """Why the newest delivery of the developer waits."""
    return scene.deliveries("dev")[-1].reason


def refused(scene: Scene) -> str:
    """The next ticket does not start; why."""
    scene.ready()
    scene.rest()
    assert scene.live() == {}
    return held(scene)


# -- windows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("window", "days"), [("day", 1), ("week", 7), ("month", 31)])
def test_a_budget_is_there_again_with_its_next_window(tmp_path: Path, window: str, days: int) -> None:
    scene = fleet_of(tmp_path, budget={"seconds": 100, "window": window})
    assert work(scene, 100.0).allowance_seconds == 100.0
    assert f"of this {window} are used; it goes on at 20" in refused(scene)
    scene.later(days * DAY)
    run = scene.live()["dev"]
    assert (run.allowance_seconds, run.allowance_kind, run.limit_of) == (100.0, "budget", "agent/dev")
    scene.close()


def test_a_lifetime_budget_never_comes_back_by_itself(tmp_path: Path) -> None:
    scene = fleet_of(tmp_path, budget=100)
    work(scene, 100.0)
    refused(scene)
    scene.later(400 * DAY)
    assert scene.live() == {}
    scene.close()


def test_a_run_counts_in_the_window_in_which_it_began(tmp_path: Path) -> None:
    """Nothing is counted twice, and a window never gives more than its seconds."""
    scene = fleet_of(tmp_path, budget={"seconds": 100, "window": "day"}, max_concurrent=2)
    scene.ready()
    scene.rest()
    first = scene.start(scene.live()["dev"])
    assert first.allowance_seconds == 50.0
    scene.later(DAY)
    scene.ready()
    scene.rest()
    second = max(scene.db.read(runs.live), key=lambda run: run.queued_at)
    assert second.allowance_seconds == 100.0, "yesterday's live run holds nothing of today"
    scene.close()


# -- shared budgets ----------------------------------------------------------------------------------


def test_all_agents_on_a_ticket_share_its_budget(tmp_path: Path) -> None:
    scene = Scene(tmp_path, usual_members(), budgets={"ticket_seconds": 100})
    scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    assert (run.allowance_seconds, run.limit_of) == (100.0, "ticket/1")
    scene.push(run, "h1")
    scene.end(run, used=99.5)
    scene.rest()
    assert scene.live() == {}
    for name in ("qa-engineer", "tech-lead"):
        assert "the budget of ticket/1 is exhausted" in scene.deliveries(name)[-1].reason
    scene.ready()
    scene.rest()
    assert scene.live()["developer"].work_item == "ticket/3", "another ticket has its own"
    scene.close()


def test_the_whole_fleet_shares_one_budget(tmp_path: Path) -> None:
    scene = Scene(tmp_path, usual_members(), budgets={"fleet_seconds": {"seconds": 100, "window": "day"}})
    scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    assert (run.allowance_seconds, run.limit_of) == (100.0, "fleet")
    scene.push(run, "h1")
    scene.rest()
    assert "live runs hold the rest of the budget of the fleet" in scene.deliveries("tech-lead")[-1].reason
    scene.end(run, used=40.0)
    scene.rest()
    assert sorted(one.allowance_seconds for one in scene.db.read(runs.live)) == [60.0], "one of two, with all the rest"
    scene.close()


# -- reservation -------------------------------------------------------------------------------------


def test_two_dispatchers_never_give_the_same_last_seconds_twice(tmp_path: Path) -> None:
    """Several judge at the same time; what one gives is promised before another decides."""
    scene = fleet_of(tmp_path, budget=100, max_concurrent=8, timeout_seconds=60)
    for _ in range(8):
        scene.ready()
    scene.tick(scene.router)
    barrier = threading.Barrier(4)

    def judge() -> None:
        mine = Dispatcher(scene.db, scene.forge, lambda: scene.loaded)
        barrier.wait(60)
        for _ in range(10):
            mine.tick(scene.clock.now())

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    live = scene.db.read(runs.live)
    assert sum(run.allowance_seconds for run in live) <= 100.0 + 1e-6
    assert len(live) == 8
    scene.close()


# -- what does not get around it ---------------------------------------------------------------------


def test_waiting_for_review_costs_nothing(tmp_path: Path) -> None:
    scene = fleet_of(tmp_path, budget=100)
    work(scene, 10.0)
    scene.later(30 * DAY)
    (name,) = scene.db.read(lambda tx: budgets.account_names(tx, "dev"))
    assert scene.db.read(lambda tx: budgets.of_agents(tx, [name], 0)).spent == 10.0
    scene.close()


def test_a_restart_gives_nothing_anew(tmp_path: Path) -> None:
    scene = fleet_of(tmp_path, budget=100)
    work(scene, 99.5)
    scene.db.close()
    scene.db = open_for_daemon(tmp_path / "fleet.db", clock=scene.clock)
    scene.configure(scene.loaded.config.agents)
    assert "is exhausted" in refused(scene)
    scene.close()


@pytest.mark.parametrize("seconds", [-400 * DAY, -DAY, -3600.0, 3600.0])
def test_a_clock_that_jumps_gives_nothing_anew(tmp_path: Path, seconds: float) -> None:
    """Set back, everything since the window's beginning counts; forward within the day as well."""
    scene = fleet_of(tmp_path, budget={"seconds": 100, "window": "day"})
    work(scene, 100.0)
    scene.clock.jump(seconds)
    assert "is exhausted" in refused(scene)
    scene.close()


def test_many_short_runs_use_up_what_one_long_run_would(tmp_path: Path) -> None:
    scene = fleet_of(tmp_path, budget=100)
    for _ in range(20):
        work(scene, 5.0)
    assert "is exhausted" in refused(scene)
    scene.close()


def test_a_lost_run_is_charged_with_what_it_may_have_used(tmp_path: Path) -> None:
    """Whoever kills its own witness gains nothing: see runtime.outcome for the seconds."""
    scene = fleet_of(tmp_path, budget=100, config={"retry": {"attempts": 10, "backoff_seconds": 0}})
    scene.ready()
    for _ in range(10):
        scene.later(60)
        live = scene.live()
        if not live:
            break
        scene.end(scene.start(live["dev"]), RunState.LOST, used=25.0)
    assert len(scene.db.read(lambda tx: runs.recent(tx))) == 4
    assert "is exhausted" in held(scene)
    scene.close()


def test_a_new_name_in_the_role_goes_on_with_the_budget_of_the_old_one(tmp_path: Path) -> None:
    scene = fleet_of(tmp_path, budget=100)
    scene.db.write(lambda tx: agents.put(tx, "dev", "developer", AgentState.ACTIVE))
    work(scene, 99.5)
    scene.db.write(lambda tx: agents.put(tx, "dev", "developer", AgentState.RETIRED))
    scene.db.write(lambda tx: agents.put(tx, "ved", "developer", AgentState.ACTIVE, account="dev"))
    scene.configure((member("ved", "developer", "ticket_ready", budget_seconds=100),))
    scene.ready()
    scene.rest()
    assert scene.live() == {}
    assert "the budget of ved is exhausted" in scene.deliveries("ved")[-1].reason
    scene.close()


# -- telling people ----------------------------------------------------------------------------------


def test_people_are_warned_once_in_each_window(tmp_path: Path) -> None:
    scene = fleet_of(tmp_path, budget={"seconds": 100, "window": "day"})
    watch = BudgetWatch(scene.db, lambda: scene.loaded)
    scene.ready()
    scene.rest()
    run = scene.start(scene.live()["dev"])
    first = watch.tick(scene.clock.now())
    assert first.did == 0
    assert first.next_at is not None
    assert first.next_at == pytest.approx(scene.clock.now() + 80_000_000, abs=10)
    scene.clock.advance(79.0)
    assert scene.tick(watch) == 0
    scene.clock.advance(1.5)
    assert scene.tick(watch) == 1
    assert scene.tick(watch) == 0
    (warning,) = scene.entries("budget.warned")
    assert (warning.subject, warning.agent) == ("agent/dev", "dev")
    assert "80 % of the budget of dev of this day" in warning.summary
    scene.end(run, used=95.0)
    assert scene.tick(watch) == 0
    scene.clock.advance(DAY)
    work(scene, 85.0)
    assert scene.tick(watch) == 1
    assert len(scene.entries("budget.warned")) == 2
    scene.close()


def test_a_grant_lets_what_waits_go_on_in_this_window_only(tmp_path: Path) -> None:
    scene = fleet_of(tmp_path, budget={"seconds": 100, "window": "day"})
    work(scene, 100.0)
    refused(scene)
    scene.db.write(lambda tx: budgets.grant(tx, "agent", "dev", 30, actor="human:ann", reason="once more"))
    scene.rest()
    run = scene.start(scene.live()["dev"])
    assert run.allowance_seconds == 30.0
    scene.push(run, "h-more")
    scene.end(run, used=30.0)
    refused(scene)
    scene.later(DAY)
    assert scene.live()["dev"].allowance_seconds == 100.0, "the grant is not there again tomorrow"
    scene.close()
