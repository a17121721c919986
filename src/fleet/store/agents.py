"""Agents: who is a member and in which state. Rows come from the config; states from people (and the assessor)."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.core.agent import AgentState
from fleet.core.errors import NotFound
from fleet.store.db import Tx
from fleet.store.dialect import Row

_COLUMNS = "name, role, state, reason, updated_at, account"


@dataclass(frozen=True, slots=True)
class AgentRow:
    """A member as the store knows it."""

    name: str
    role: str
    state: AgentState
    reason: str
    updated_at: int
    account: str = ""  # whose budget it uses: its own name, or that of the agent whose place it took


def every(tx: Tx) -> list[AgentRow]:
    """All agents by name, retired ones included."""
    return [_agent(row) for row in tx.all(f"SELECT {_COLUMNS} FROM agents ORDER BY name")]


def get(tx: Tx, name: str) -> AgentRow:
    """One agent. Raises NotFound FLT-AGT-001."""
    row = tx.one(f"SELECT {_COLUMNS} FROM agents WHERE name = :name", name=name)
    if row is None:
        raise NotFound("FLT-AGT-001", "no such agent", where=name, hint="fleet agent list shows the names")
    return _agent(row)


def put(tx: Tx, name: str, role: str, state: AgentState, reason: str = "", *, account: str = "") -> None:
    """Make an agent known, or change its role and state. ``account`` counts for a new one; "" is its own name."""
    tx.run(
        "INSERT INTO agents (name, role, state, reason, updated_at, account)"
        " VALUES (:name, :role, :state, :reason, :now, :account)"
        " ON CONFLICT (name) DO UPDATE SET role = excluded.role, state = excluded.state, reason = excluded.reason,"
        " updated_at = excluded.updated_at",
        name=name,
        role=role,
        state=str(state),
        reason=reason,
        now=tx.now,
        account=account or name,
    )


def move(tx: Tx, name: str, *, expected: AgentState, state: AgentState, reason: str) -> bool:
    """Compare-and-set of the state; False when it was not as expected."""
    return (
        tx.run(
            "UPDATE agents SET state = :state, reason = :reason, updated_at = :now WHERE name = :name AND state = :old",
            name=name,
            old=str(expected),
            state=str(state),
            reason=reason,
            now=tx.now,
        )
        == 1
    )


def _agent(row: Row) -> AgentRow:
    return AgentRow(row[0], row[1], AgentState(row[2]), row[3], row[4], row[5])
