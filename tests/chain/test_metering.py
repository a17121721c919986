"""Budgets in tokens and dollars, on a real store and a hand-turned clock: one promise a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.loader import LoadedConfig
from fleet.core.session import Answer
from fleet.core.work import OVER_BUDGET, Run, RunState
from fleet.dispatch.budgetwatch import BudgetWatch
from fleet.dispatch.metering import Metering
from fleet.policy.record import NotReplayable, read_record
from fleet.policy.replay import decide_under
from fleet.store import budgets, runs, sessions, usage
from fleet.store.db import Tx
from fleet.store.open import open_for_daemon
from fleet.testing.scene import Scene, load, member

DAY = 86_400.0
AUTH = {"kind": "key_helper", "command": ("echo", "key")}
MODEL = "claude-opus-5-5"  # 4 dollars for a million tokens that are sent


class Metered(Scene):
    """One developer played by a client that reports what it used."""

    def __init__(self, folder: Path, /, config: dict[str, object] | None = None, **more: object) -> None:
        self.config = {"auth": AUTH, **(config or {})}
        crew = (member("dev", "developer", "ticket_ready", vendor="claude-code", **more),)
        super().__init__(folder, crew, **self.config)
        self.metering = Metering(self.db, lambda: self.loaded)
        self.answers = 0

    def begin(self) -> Run:
        """A ticket is worked on; the session is on record."""
        self.ready()
        self.rest()
        run = self.start(self.live()["dev"])

        def known(tx: Tx) -> None:
            sessions.open_(
                tx, run.session, run_id=run.id, epoch=run.epoch, agent="dev", provider="anthropic",
                conversation="c", meter_hash=run.session, backend="anthropic",
            )  # fmt: skip

        self.db.write(known)
        return run

    def use(self, run: Run, tokens: int, model: str = MODEL) -> Run:
        """One answer of its model, and what the service makes of it; the run as it is then."""
        self.answers += 1
        one = Answer(f"req_{self.answers}", model, tokens, 0, 0, 0)

        def count(tx: Tx) -> None:
            session = sessions.get(tx, run.session)
            assert session is not None
            usage.count(tx, session, [one], "telemetry", self.loaded.prices)

        self.db.write(count)
        self.meter()
        return self.db.read(lambda tx: runs.get(tx, run.id))

    def meter(self) -> None:
        """The service, until it has nothing to do."""
        while self.tick(self.metering):
            pass

    def over(self, run: Run) -> bool:
        """Whether a run was asked to end because of a budget."""
        return self.db.read(lambda tx: runs.get(tx, run.id)).cancel_reason.startswith(OVER_BUDGET)

    def held(self) -> str:
        """The next ticket does not start; why."""
        self.ready()
        self.rest()
        assert self.live() == {}
        return self.deliveries("dev")[-1].reason


def stopped(scene: Metered, run: Run) -> None:
    """What the runner does with a run that was asked to end."""
    scene.end(run, RunState.OVER_BUDGET)
    scene.forge.close_ticket(int(run.work_item.partition("/")[2]))


@pytest.mark.parametrize(
    ("key", "value", "code"), [("budget_tokens", 1000, "FLT-POL-026"), ("budget_usd", 0.004, "FLT-POL-027")]
)
def test_the_answer_that_crosses_the_line_is_the_last_one(tmp_path: Path, key: str, value: float, code: str) -> None:
    scene = Metered(tmp_path, None, **{key: value})
    run = scene.begin()
    assert not scene.use(run, 999).cancel_reason
    over = scene.use(run, 500)
    assert over.cancel_reason.startswith(f"{OVER_BUDGET}: the budget of dev is used up")
    (entry,) = scene.entries("budget.exhausted")
    payload = entry.payload or {}
    assert payload["over"] in (499, 1996)
    assert payload["run_tokens"] == 1499
    stopped(scene, run)
    reason = scene.held()
    assert "fleet budget grant dev --" in reason
    held = scene.entries("delivery.held")[-1].payload or {}
    assert code in str(held["decision"])
    scene.close()


@pytest.mark.parametrize("unit", ["tokens", "usd"])
def test_a_metered_budget_is_there_again_with_its_next_window(tmp_path: Path, unit: str) -> None:
    value = {"tokens": 1000, "usd": 0.004}[unit]
    scene = Metered(tmp_path, None, **{f"budget_{unit}": {unit: value, "window": "day"}})
    run = scene.begin()
    scene.use(run, 1000)
    assert scene.over(run)
    stopped(scene, run)
    assert "of this day are used; it goes on at 20" in scene.held()
    scene.later(DAY)
    assert "dev" in scene.live()
    scene.close()


def test_one_run_has_a_bound_of_its_own_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    scene = Metered(tmp_path, run_tokens=1000)
    run = scene.begin()
    assert "one run of dev" in scene.use(run, 1200).cancel_reason
    stopped(scene, run)
    assert not scene.use(scene.begin(), 900).cancel_reason
    scene.close()


def test_all_runs_of_a_shared_budget_are_stopped_at_once(tmp_path: Path) -> None:
    config: dict[str, object] = {"budgets": {"fleet_tokens": 1000}}
    scene = Metered(tmp_path, config, max_concurrent=3)
    first, second = scene.begin(), scene.begin()
    scene.use(first, 400)
    assert not scene.over(first)
    scene.use(second, 700)
    assert scene.over(first), "what others used counts as well"
    assert scene.over(second)
    assert {entry.run_id for entry in scene.entries("budget.exhausted")} == {first.id, second.id}
    scene.close()


def test_a_ticket_has_its_own_tokens(tmp_path: Path) -> None:
    scene = Metered(tmp_path, {"budgets": {"ticket_tokens": 1000}}, max_concurrent=2)
    first, second = scene.begin(), scene.begin()
    scene.use(first, 1100)
    assert scene.over(first)
    assert not scene.over(second)
    scene.close()


def test_a_model_without_a_price_stops_where_dollars_are_bounded_and_nowhere_else(tmp_path: Path) -> None:
    scene = Metered(tmp_path, budget_usd=100)
    run = scene.begin()
    over = scene.use(run, 10, "mystery-1")
    assert "is unknown, for an answer of its model has no price" in over.cancel_reason
    stopped(scene, run)
    assert "answers have no price, so nothing goes on" in scene.held()
    assert "FLT-POL-025" in str((scene.entries("delivery.held")[-1].payload or {})["decision"])
    scene.close()


def test_a_price_that_is_given_later_lets_it_go_on(tmp_path: Path) -> None:
    scene = Metered(tmp_path, budget_usd=100)
    run = scene.begin()
    scene.use(run, 10, "mystery-1")
    stopped(scene, run)
    scene.held()
    rates = {"input": 2, "output": 1, "cache_write_5m": 1, "cache_write_1h": 1, "cache_read": 1}
    price = {"backend": "anthropic", "model": "mystery-1", **rates}
    scene.configure(scene.loaded.config.agents, **scene.config, prices=(price,))
    scene.meter()
    assert scene.db.read(lambda tx: runs.get(tx, run.id)).used_micros == 20
    scene.rest()
    assert "dev" in scene.live()
    scene.close()


def test_tokens_go_on_being_counted_without_a_price(tmp_path: Path) -> None:
    scene = Metered(tmp_path, budget_tokens=1000)
    run = scene.begin()
    assert not scene.use(run, 900, "mystery-1").cancel_reason
    assert "used up" in scene.use(run, 200, "mystery-1").cancel_reason
    scene.close()


def test_a_grant_lets_a_live_run_and_the_next_start_go_on(tmp_path: Path) -> None:
    scene = Metered(tmp_path, budget_tokens=1000)
    run = scene.begin()
    scene.use(run, 900)
    grant = {"actor": "human:ann", "reason": "once more", "unit": "tokens"}
    scene.db.write(lambda tx: budgets.grant(tx, "agent", "dev", 500, **grant))
    assert not scene.use(run, 200).cancel_reason
    assert scene.use(run, 400).cancel_reason
    scene.close()


@pytest.mark.parametrize("key", ["budget_tokens", "budget_usd"])
def test_people_are_told_at_eighty_per_cent_once(tmp_path: Path, key: str) -> None:
    scene = Metered(tmp_path, None, **{key: {"budget_tokens": 1000, "budget_usd": 0.004}[key]})
    watch = BudgetWatch(scene.db, lambda: scene.loaded)
    run = scene.begin()
    scene.use(run, 799)
    scene.tick(watch)
    assert scene.entries("budget.warned") == []
    scene.use(run, 1)
    for _ in range(3):
        scene.tick(watch)
    (warned,) = scene.entries("budget.warned")
    assert {"budget_tokens": "800 tokens of 1,000 tokens", "budget_usd": "$0.0032 of $0.004"}[key] in warned.summary
    scene.close()


def test_a_restart_and_a_clock_that_jumps_give_no_tokens_anew(tmp_path: Path) -> None:
    scene = Metered(tmp_path, budget_tokens={"tokens": 1000, "window": "day"})
    run = scene.begin()
    scene.use(run, 1000)
    stopped(scene, run)
    scene.db.close()
    scene.db = open_for_daemon(tmp_path / "fleet.db", clock=scene.clock)
    scene.configure(scene.loaded.config.agents, **scene.config)
    for seconds in (-400 * DAY, 3600.0):
        scene.clock.jump(seconds)
        assert "is exhausted" in scene.held()
    scene.close()


def test_a_run_that_has_done_its_work_is_not_cut_off_for_its_last_words(tmp_path: Path) -> None:
    """It ends by itself; what it used too much holds the next start."""
    scene = Metered(tmp_path, budget_tokens=1000)
    run = scene.begin()
    assert scene.db.write(lambda tx: sessions.settle(tx, run.session, "done"))
    assert not scene.use(run, 2000).cancel_reason
    scene.end(run)
    scene.forge.close_ticket(1)
    assert "is exhausted" in scene.held()
    scene.close()


def test_a_ceiling_that_people_lower_holds_for_runs_that_live(tmp_path: Path) -> None:
    scene = Metered(tmp_path, budget_tokens=5000)
    run = scene.begin()
    assert not scene.use(run, 2000).cancel_reason
    crew = (member("dev", "developer", "ticket_ready", vendor="claude-code", budget_tokens=1500),)
    scene.configure(crew, **scene.config)
    scene.meter()
    assert scene.over(run)
    scene.close()


def test_another_policy_is_replayed_on_the_tokens_that_were_seen(tmp_path: Path) -> None:
    scene = Metered(tmp_path, budget_tokens=1000)
    run = scene.begin()
    scene.use(run, 600)
    scene.end(run)
    scene.begin()
    record = (scene.entries("delivery.dispatched")[-1].payload or {})["facts"]

    def under(**more: object) -> LoadedConfig:
        crew = (member("dev", "developer", "ticket_ready", vendor="claude-code", **more),)
        return load(crew, scene.roles, auth=AUTH)

    facts = read_record(record)
    assert decide_under(facts, under(budget_tokens=601).config, scene.roles).word == "allow"
    assert decide_under(facts, under(budget_tokens=600).config, scene.roles).word == "hold"
    with pytest.raises(NotReplayable):
        decide_under(facts, under(budget_tokens={"tokens": 5, "window": "day"}).config, scene.roles)
    scene.close()
