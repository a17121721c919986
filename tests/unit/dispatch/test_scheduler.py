"""Schedules on a hand-turned clock: each due time starts its agent once, whatever the clock and the daemon do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from fleet.config.model import AgentConfig
from fleet.core import probe
from fleet.core.agent import AgentState
from fleet.core.clock import SECOND
from fleet.core.journal import Entry
from fleet.dispatch.scheduler import Scheduler
from fleet.store import agents, schedules
from fleet.testing.scene import Scene, member

MONDAY = "2026-01-05T08:00:00+00:00"  # an hour before the schedule below


class Killed(Exception):
    """The daemon ends at a named point."""


def updater(**schedule: object) -> AgentConfig:
    """An agent that starts on Mondays at nine."""
    return member("updater", "developer", schedule={"cron": "0 9 * * 1", **schedule})


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """It is Monday, eight o'clock; the agent's schedule is known."""
    made = Scene(tmp_path, (updater(),))
    made.clock.advance(at(MONDAY) / SECOND - made.clock.now() / SECOND)
    set_state(made, AgentState.ACTIVE)
    made.tick(made.scheduler)
    yield made
    made.close()


def at(text: str) -> int:
    """An ISO instant in microseconds."""
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


def set_state(scene: Scene, state: AgentState) -> None:
    scene.db.write(lambda tx: agents.put(tx, "updater", "developer", state))


def look(scene: Scene) -> int:
    """Tick the scheduler until it rests; how much it did."""
    did = 0
    while found := scene.tick(scene.scheduler):
        did += found
    return did


def due(scene: Scene) -> list[Entry]:
    """The events so far."""
    return scene.entries("schedule_due")


def test_a_due_time_becomes_one_event_and_one_run(scene: Scene) -> None:
    scene.clock.advance(3599)
    assert look(scene) == 0
    scene.clock.advance(1)
    assert look(scene) == 1
    (event,) = due(scene)
    assert (event.subject, event.agent, event.actor) == ("agent/updater", "updater", "system:scheduler")
    assert event.payload is not None
    assert event.payload["due"] == "2026-01-05T09:00:00+00:00"
    scene.rest()
    run = scene.live()["updater"]
    assert (run.event_type, run.subject, run.work_item) == ("schedule_due", "agent/updater", "agent/updater")
    assert look(scene) == 0


def test_a_tick_says_when_it_wants_to_be_called_and_notices_a_clock_that_jumps(scene: Scene) -> None:
    soon = scene.scheduler.tick(scene.clock.now())
    assert soon.next_at == scene.clock.now() + 30 * SECOND
    scene.clock.advance(3590)
    assert scene.scheduler.tick(scene.clock.now()).next_at == scene.clock.now() + 10 * SECOND


def test_two_daemons_fire_a_due_time_once(scene: Scene) -> None:
    other = Scheduler(scene.db, lambda: scene.loaded)
    scene.clock.advance(3600)
    both = scene.scheduler.tick(scene.clock.now()).did + other.tick(scene.clock.now()).did
    assert (both, len(due(scene))) == (1, 1)


def test_of_two_that_saw_the_same_due_time_one_claims_it(scene: Scene) -> None:
    row = scene.db.read(schedules.every)["updater"]
    later = row.due_at + 7 * 86_400 * SECOND
    assert scene.db.write(lambda tx: schedules.claim(tx, row, due_at=later))
    assert not scene.db.write(lambda tx: schedules.claim(tx, row, due_at=later))


@pytest.mark.parametrize("point", ["schedule.before_commit", "schedule.after_commit"])
def test_a_kill_between_claim_and_record_fires_once(scene: Scene, point: str) -> None:
    def die(name: str) -> None:
        if name == point:
            raise Killed(name)

    scene.clock.advance(3600)
    probe.install(die)
    try:
        with pytest.raises(Killed):
            scene.tick(scene.scheduler)
    finally:
        probe.install(None)
    scene.configure((updater(),))
    look(scene)
    assert len(due(scene)) == 1


def test_a_restart_within_a_minute_makes_no_start_late(scene: Scene) -> None:
    scene.clock.advance(3600 + 59)
    scene.configure((updater(),))
    look(scene)
    assert len(due(scene)) == 1


def test_missed_times_are_left_out_and_that_is_on_record_once(scene: Scene) -> None:
    scene.clock.advance(3600 + 15 * 86_400)
    assert look(scene) == 1
    assert due(scene) == []
    (skipped,) = scene.entries("schedule.skipped")
    assert skipped.payload is not None
    assert (skipped.payload["times"], skipped.payload["due"]) == (3, "2026-01-19T09:00:00+00:00")
    assert look(scene) == 0


def test_missed_times_are_made_up_for_with_one_start(scene: Scene) -> None:
    scene.configure((updater(missed="catch_up_once"),))
    scene.clock.advance(3600 + 15 * 86_400)
    look(scene)
    (event,) = due(scene)
    assert event.payload is not None
    assert (event.payload["times"], event.payload["due"]) == (3, "2026-01-19T09:00:00+00:00")
    scene.rest()
    assert len(scene.entries("delivery.dispatched")) == 1


@pytest.mark.parametrize("state", [AgentState.PAUSED, AgentState.QUARANTINED])
def test_an_agent_that_may_not_start_lets_its_times_pass(scene: Scene, state: AgentState) -> None:
    set_state(scene, state)
    scene.clock.advance(3600)
    assert look(scene) == 0
    set_state(scene, AgentState.ACTIVE)
    scene.clock.advance(3600)
    look(scene)
    assert due(scene) == []
    assert len(scene.entries("schedule.skipped")) == 1


def test_a_disabled_agent_is_not_started(scene: Scene) -> None:
    scene.configure((member("updater", "developer", enabled=False, schedule="0 9 * * 1"), member("b", "developer")))
    scene.clock.advance(3600)
    assert look(scene) == 0


def test_due_times_that_come_while_it_is_at_work_are_one_more_start(scene: Scene) -> None:
    scene.configure((member("updater", "developer", schedule="* * * * *"),))
    look(scene)
    for _ in range(4):
        scene.clock.advance(60)
        look(scene)
        scene.rest()
    assert len(due(scene)) == 4
    scene.end(scene.start(scene.live()["updater"]))
    scene.rest()
    assert len(scene.entries("delivery.dispatched")) == 2
    assert scene.live()["updater"].state == "queued"


def test_a_clock_set_back_by_hours_starts_nothing_twice(scene: Scene) -> None:
    scene.configure((member("updater", "developer", schedule="0 * * * *"),))
    look(scene)
    scene.clock.advance(3600)
    look(scene)
    scene.clock.jump(-3 * 3600)
    for _ in range(3):
        look(scene)
        scene.clock.advance(3600)
    assert [entry.payload["due"] for entry in due(scene) if entry.payload] == [
        "2026-01-05T09:00:00+00:00",
        "2026-01-05T07:00:00+00:00",
        "2026-01-05T08:00:00+00:00",
    ]
    look(scene)
    assert len(due(scene)) == 3, "nine o'clock came a second time"
    scene.clock.advance(3600)
    look(scene)
    assert len(due(scene)) == 4


def test_a_clock_that_was_years_ahead_does_not_silence_a_schedule(scene: Scene) -> None:
    scene.clock.jump(5 * 365 * 86_400)
    look(scene)
    scene.clock.jump(-5 * 365 * 86_400)
    look(scene)
    scene.clock.advance(3600)
    look(scene)
    assert [entry.payload["due"] for entry in due(scene) if entry.payload] == ["2026-01-05T09:00:00+00:00"]


def test_another_cron_text_is_due_by_itself_and_a_removed_one_never(scene: Scene) -> None:
    scene.configure((updater(cron="30 8 * * *"),))
    look(scene)
    assert scene.db.read(schedules.every)["updater"].due_at == at("2026-01-05T08:30:00+00:00")
    scene.configure((member("updater", "developer"),))
    assert look(scene) == 1
    assert scene.db.read(schedules.every) == {}
    assert scene.scheduler.tick(scene.clock.now()).next_at is None
