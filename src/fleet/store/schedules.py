"""When each schedule is due next. A due time is claimed by compare-and-set, so that two daemons never fire it twice."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.store.db import Tx


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One agent's schedule. Instants in microseconds; ``fired_at`` is the due time that last became an event."""

    agent: str
    spec: str
    due_at: int
    fired_at: int | None
    event_id: str


def every(tx: Tx) -> dict[str, ScheduleRow]:
    """All rows by agent."""
    rows = tx.all("SELECT agent, spec, due_at, fired_at, event_id FROM schedules ORDER BY agent")
    return {row[0]: ScheduleRow(*row) for row in rows}


def put(tx: Tx, agent: str, spec: str, due_at: int) -> None:
    """Make a schedule known, or give it another due time; what was fired stays on record."""
    tx.run(
        "INSERT INTO schedules (agent, spec, due_at, updated_at) VALUES (:agent, :spec, :due_at, :now)"
        " ON CONFLICT (agent) DO UPDATE SET spec = excluded.spec, due_at = excluded.due_at,"
        " updated_at = excluded.updated_at",
        agent=agent,
        spec=spec,
        due_at=due_at,
        now=tx.now,
    )


def claim(tx: Tx, row: ScheduleRow, *, due_at: int) -> bool:
    """Move on to the next due time; False when somebody else did so before."""
    return (
        tx.run(
            "UPDATE schedules SET due_at = :due_at, updated_at = :now"
            " WHERE agent = :agent AND spec = :spec AND due_at = :expected",
            agent=row.agent,
            spec=row.spec,
            expected=row.due_at,
            due_at=due_at,
            now=tx.now,
        )
        == 1
    )


def fired(tx: Tx, agent: str, *, fired_at: int, event_id: str) -> None:
    """Remember which due time became which event."""
    tx.run(
        "UPDATE schedules SET fired_at = :fired_at, event_id = :event_id WHERE agent = :agent",
        agent=agent,
        fired_at=fired_at,
        event_id=event_id,
    )


def remove(tx: Tx, agent: str) -> bool:
    """Forget the schedule of an agent that has none any more."""
    return tx.run("DELETE FROM schedules WHERE agent = :agent", agent=agent) == 1
