"""``schedules``: which agents start by the clock, when last, when next, and what keeps them from it."""

from __future__ import annotations

from typing import Any

from fleet.config.model import AgentConfig, ScheduleConfig
from fleet.config.timetable import Timetable, timetable
from fleet.control.context import Context, Handlers
from fleet.core.agent import AgentState
from fleet.core.principal import Principal
from fleet.store import agents as agent_rows
from fleet.store import schedules as rows
from fleet.store.db import Tx

_NEXT = 5


def schedules(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Every agent that has a schedule, by name."""
    members = [(agent, agent.schedule) for agent in ctx.loaded.config.agents if agent.schedule is not None]

    def read(tx: Tx) -> list[dict[str, Any]]:
        states = {row.name: (row.state, row.reason) for row in agent_rows.every(tx)}
        known = rows.every(tx)
        return [
            _schedule(agent, schedule, *states.get(agent.name, (AgentState.ACTIVE, "")), known.get(agent.name), tx.now)
            for agent, schedule in sorted(members, key=lambda member: member[0].name)
        ]

    return {"schedules": ctx.db.read(read)}


def _schedule(
    agent: AgentConfig,
    schedule: ScheduleConfig,
    state: AgentState,
    reason: str,
    row: rows.ScheduleRow | None,
    now: int,
) -> dict[str, Any]:
    """One schedule with its next times; those of an agent that cannot start are when it would."""
    times = timetable(schedule.cron, schedule.timezone)
    fired = row.fired_at if row is not None else None
    word = str(state) if agent.enabled or state is AgentState.RETIRED else "disabled"
    return {
        "agent": agent.name,
        "role": agent.role,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "missed": schedule.missed,
        "state": word,
        "reason": reason,
        "starts": word == AgentState.ACTIVE,
        "last": _moment(times, fired) if fired is not None else None,
        "last_event": row.event_id if row is not None else "",
        "next": [_moment(times, due) for due in times.upcoming(now, _NEXT)],
    }


def _moment(times: Timetable, due: int) -> dict[str, Any]:
    """An instant as microseconds, and as the schedule's own zone writes it."""
    return {"at": due, "local": times.local(due)}


HANDLERS: Handlers = {
    "schedules": schedules,
}
