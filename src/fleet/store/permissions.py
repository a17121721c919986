"""What sessions ask people: may this tool be used now? Each is answered once, or expires."""

from __future__ import annotations

from typing import Any

from fleet.core.errors import NotFound
from fleet.core.session import Permission, PermissionState
from fleet.store.db import Tx
from fleet.store.dialect import Row

_COLUMNS = "id, session, run_id, agent, tool, input, state, asked_at, deadline, answered_at, answered_by, reason"


def ask(tx: Tx, *, session: str, run_id: str, agent: str, tool: str, input_: str, deadline: int) -> str:
    """Put a question on the list; its id."""
    permission = tx.new_id("p")
    tx.run(
        "INSERT INTO permissions (id, session, run_id, agent, tool, input, state, asked_at, deadline)"
        " VALUES (:id, :session, :run_id, :agent, :tool, :input, 'asked', :now, :deadline)",
        id=permission,
        session=session,
        run_id=run_id,
        agent=agent,
        tool=tool,
        input=input_,
        deadline=deadline,
        now=tx.now,
    )
    return permission


def get(tx: Tx, permission: str) -> Permission:
    """One question. Raises NotFound FLT-TRN-001."""
    row = tx.one(f"SELECT {_COLUMNS} FROM permissions WHERE id = :id", id=permission)
    if row is None:
        raise NotFound("FLT-TRN-001", "no such question", where=permission, hint="fleet permission list --all")
    return _permission(row)


def asked(tx: Tx, *, limit: int = 100) -> list[Permission]:
    """What waits for an answer, oldest first."""
    sql = f"SELECT {_COLUMNS} FROM permissions WHERE state = 'asked' ORDER BY deadline, id LIMIT :limit"
    return [_permission(row) for row in tx.all(sql, limit=limit)]


def newest(tx: Tx, *, limit: int = 100) -> list[Permission]:
    """The newest questions, answered ones too, oldest first."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM permissions ORDER BY id DESC LIMIT :limit", limit=limit)
    return [_permission(row) for row in rows][::-1]


def answer(tx: Tx, permission: str, state: PermissionState, *, by: str = "", reason: str = "") -> bool:
    """Settle a question; False when it is settled already."""
    return (
        tx.run(
            "UPDATE permissions SET state = :state, answered_at = :now, answered_by = :by, reason = :reason"
            " WHERE id = :id AND state = 'asked'",
            id=permission,
            state=str(state),
            by=by,
            reason=reason,
            now=tx.now,
        )
        == 1
    )


def due(tx: Tx) -> list[Permission]:
    """What nobody answered until its deadline."""
    sql = f"SELECT {_COLUMNS} FROM permissions WHERE state = 'asked' AND deadline <= :now ORDER BY id"
    return [_permission(row) for row in tx.all(sql, now=tx.now)]


def drop(tx: Tx, session: str) -> int:
    """A session waits for nothing any more; how many questions that was."""
    return tx.run(
        "UPDATE permissions SET state = 'gone', answered_at = :now WHERE session = :session AND state = 'asked'",
        session=session,
        now=tx.now,
    )


def _permission(row: Row) -> Permission:
    values: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Permission(**{**values, "state": PermissionState(values["state"])})
