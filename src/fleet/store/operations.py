"""Operations: what a person asked that takes several steps. A row is open until its last step is on record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.store.db import Tx
from fleet.store.dialect import Row

_COLUMNS = "id, kind, subject, actor, reason, entry_id, plan, started_at, done_at"


@dataclass(frozen=True, slots=True)
class Operation:
    """One row. ``entry_id`` is the decision in the journal that began it, ``plan`` what its kind needs to know."""

    id: str
    kind: str
    subject: str
    actor: str
    reason: str
    entry_id: str
    plan: Mapping[str, Any]
    started_at: int
    done_at: int | None


def create(
    tx: Tx, *, kind: str, subject: str, actor: str, reason: str, entry_id: str, plan: Mapping[str, Any]
) -> Operation:
    """Write an open operation. Raises Conflict FLT-STO-003 when one of this kind is open for this subject."""
    operation = Operation(tx.new_id("o"), kind, subject, actor, reason, entry_id, plan, tx.now, None)
    tx.run(
        f"INSERT INTO operations ({_COLUMNS}) VALUES (:id, :kind, :subject, :actor, :reason, :entry_id, :plan,"
        " :now, NULL)",
        id=operation.id,
        kind=kind,
        subject=subject,
        actor=actor,
        reason=reason,
        entry_id=entry_id,
        plan=json.dumps(plan, sort_keys=True),
        now=tx.now,
    )
    return operation


def open_ones(tx: Tx) -> list[Operation]:
    """Operations that are not done, oldest first."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM operations WHERE done_at IS NULL ORDER BY started_at, id")
    return [_operation(row) for row in rows]


def finish(tx: Tx, operation_id: str) -> bool:
    """The last step is on record; False when it was before."""
    return (
        tx.run("UPDATE operations SET done_at = :now WHERE id = :id AND done_at IS NULL", id=operation_id, now=tx.now)
        == 1
    )


def _operation(row: Row) -> Operation:
    return Operation(*[*row[:6], json.loads(row[6]), *row[7:]])
