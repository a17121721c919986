"""Service: publishes ``schedule_due`` for each agent whose schedule says so. The event starts it like any other.

The move of the due time, the event and its record are one transaction, and the event carries the due time as
its dedup key: a killed daemon, a second one, or a clock that is set back never starts an agent twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleet.config.loader import LoadedConfig
from fleet.config.model import AgentConfig, ScheduleConfig
from fleet.config.timetable import Timetable, timetable
from fleet.core.agent import AgentState
from fleet.core.clock import SECOND
from fleet.core.journal import Draft, Stream
from fleet.core.principal import system
from fleet.core.probe import probe
from fleet.core.service import Tick, earliest
from fleet.dispatch.due import Move, move
from fleet.store import agents, journal, schedules
from fleet.store.db import Database, Tx
from fleet.store.schedules import ScheduleRow

LOOK_EVERY = 30 * SECOND  # a clock that jumps is noticed within this time


@dataclass(frozen=True, slots=True)
class _Plan:
    """One agent's schedule as configured."""

    agent: AgentConfig
    schedule: ScheduleConfig
    times: Timetable

    @property
    def spec(self) -> str:
        """What due times are computed from."""
        return f"{self.schedule.cron} {self.schedule.timezone}"


class Scheduler:
    """Time -> events. Any number may run: a due time is claimed by compare-and-set."""

    name = "scheduler"

    def __init__(self, db: Database, config: Callable[[], LoadedConfig]) -> None:
        """Take the store, and who knows the configuration in force."""
        self._db = db
        self._config = config
        self._actor = str(system(self.name))

    def tick(self, now: int) -> Tick:
        """Deal with every schedule that is due; ``did`` counts those that moved."""
        plans = _plans(self._config())
        rows, active = self._db.read(_known)
        did = sum(self._db.write(lambda tx: schedules.remove(tx, name)) for name in rows.keys() - plans.keys())
        for name, plan in plans.items():
            did += self._look(plan, rows.get(name), now, can_start=plan.agent.enabled and name in active)
        waiting = [row.due_at for name, row in rows.items() if name in plans and row.due_at > now]
        return Tick(did, earliest(now + LOOK_EVERY, *waiting) if plans else None)

    def _look(self, plan: _Plan, row: ScheduleRow | None, now: int, *, can_start: bool) -> int:
        """One schedule; 1 when its row moved."""
        due = row.due_at if row is not None and row.spec == plan.spec else None
        found = move(plan.times, now, due, can_start=can_start, catch_up=plan.schedule.missed == "catch_up_once")
        if found is None:
            return 0
        if found.kind == "set" or row is None:
            self._db.write(lambda tx: schedules.put(tx, plan.agent.name, plan.spec, found.next_due))
            return 1
        did = self._db.write(lambda tx: self._pass(tx, plan, row, found))
        probe("schedule.after_commit")
        return int(did)

    def _pass(self, tx: Tx, plan: _Plan, row: ScheduleRow, found: Move) -> bool:
        """The transaction that passes one due time (and those missed before it); False when somebody else did."""
        if not schedules.claim(tx, row, due_at=found.next_due):
            return False
        name, when = plan.agent.name, plan.times.local(found.due)
        fires = found.kind == "fire"
        if fires:
            more = f", which makes up for {found.count} missed times" if found.count > 1 else ""
            text = f"the schedule of {name} is due: {when}{more}"
        else:
            text = (
                f"{name} was not started by its schedule {found.count} time(s), the last: {when}; nothing could start"
            )
        made = journal.append(
            tx,
            Draft(
                Stream.EVENT if fires else Stream.DECISION,
                "schedule_due" if fires else "schedule.skipped",
                self._actor,
                kind="task" if fires else "",
                subject=f"agent/{name}",
                work_item=f"agent/{name}",
                agent=name,
                dedup_key=f"schedule:{name}:{found.due}",
                summary=text,
                payload={
                    "agent": name,
                    "cron": plan.schedule.cron,
                    "timezone": plan.schedule.timezone,
                    "due": when,
                    "due_at": found.due,
                    "times": found.count,
                },
            ),
        )
        if fires and made.fresh:
            schedules.fired(tx, name, fired_at=found.due, event_id=made.id)
        probe("schedule.before_commit")
        return True


def _plans(loaded: LoadedConfig) -> dict[str, _Plan]:
    """Every schedule of a configuration by its agent."""
    return {
        agent.name: _Plan(agent, agent.schedule, timetable(agent.schedule.cron, agent.schedule.timezone))
        for agent in loaded.config.agents
        if agent.schedule is not None
    }


def _known(tx: Tx) -> tuple[dict[str, ScheduleRow], frozenset[str]]:
    """Every stored schedule, and the agents that nothing keeps from starting."""
    return schedules.every(tx), frozenset(row.name for row in agents.every(tx) if row.state is AgentState.ACTIVE)
