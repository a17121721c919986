"""Approvals: asked once for each content, answered once. Every move is a compare-and-set on the state."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from fleet.core.approval import Approval, ApprovalState
from fleet.core.errors import NotFound
from fleet.store.db import Tx
from fleet.store.dialect import Row

_COLUMNS = (
    "id, asked, subject, generation, work_item, agent, cause_id, base, content, bound, reasons, state,"
    " requested_at, expires_at, decided_at, decided_by, reason"
)


def create(
    tx: Tx,
    *,
    asked: str,
    subject: str,
    generation: str,
    work_item: str,
    agent: str,
    cause_id: str,
    base: str,
    content: str,
    bound: Mapping[str, str],
    reasons: Iterable[Mapping[str, object]],
    expires_at: int,
) -> str | None:
    """Ask; None when the same is asked or answered already (an expired question may be asked again)."""
    approval_id = tx.new_id("a")
    made = tx.run(
        "INSERT INTO approvals (id, asked, subject, generation, work_item, agent, cause_id, base, content, bound,"
        " reasons, state, requested_at, expires_at) VALUES (:id, :asked, :subject, :generation, :work_item, :agent,"
        " :cause_id, :base, :content, :bound, :reasons, 'requested', :now, :expires_at)"
        " ON CONFLICT (subject, generation, asked, content) WHERE state <> 'expired' DO NOTHING",
        id=approval_id,
        asked=asked,
        subject=subject,
        generation=generation,
        work_item=work_item,
        agent=agent,
        cause_id=cause_id,
        base=base,
        content=content,
        bound=json.dumps(dict(bound), sort_keys=True),
        reasons=json.dumps(list(reasons), sort_keys=True),
        expires_at=expires_at,
        now=tx.now,
    )
    return approval_id if made else None


def get(tx: Tx, approval_id: str) -> Approval:
    """One approval. Raises NotFound FLT-APR-001."""
    row = tx.one(f"SELECT {_COLUMNS} FROM approvals WHERE id = :id", id=approval_id)
    if row is None:
        raise NotFound("FLT-APR-001", "no such approval", where=approval_id, hint="fleet approvals --all shows them")
    return _approval(row)


def recent(tx: Tx, *, limit: int = 200) -> list[Approval]:
    """The newest approvals of every state, oldest first."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM approvals ORDER BY requested_at DESC, id DESC LIMIT :limit", limit=limit)
    return [_approval(row) for row in rows][::-1]


def requested(tx: Tx, *, limit: int = 200) -> list[Approval]:
    """Questions without an answer, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM approvals WHERE state = 'requested' ORDER BY requested_at, id LIMIT :limit",
        limit=limit,
    )
    return [_approval(row) for row in rows]


def at_head(tx: Tx, subject: str, generation: str) -> list[Approval]:
    """What was asked about one head, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM approvals WHERE subject = :subject AND generation = :generation"
        " ORDER BY requested_at, id",
        subject=subject,
        generation=generation,
    )
    return [_approval(row) for row in rows]


def decide(tx: Tx, approval_id: str, *, state: ApprovalState, by: str, reason: str, expires_at: int) -> bool:
    """Answer a question; False when it is answered already (then nothing changed)."""
    return (
        tx.run(
            "UPDATE approvals SET state = :state, decided_at = :now, decided_by = :by, reason = :reason,"
            " expires_at = :expires_at WHERE id = :id AND state = 'requested'",
            id=approval_id,
            state=str(state),
            by=by,
            reason=reason,
            expires_at=expires_at,
            now=tx.now,
        )
        == 1
    )


def lapsed(tx: Tx) -> list[Approval]:
    """Questions and grants whose time is over, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM approvals WHERE state IN ('requested', 'granted') AND expires_at <= :now"
        " ORDER BY expires_at, id",
        now=tx.now,
    )
    return [_approval(row) for row in rows]


def expire(tx: Tx, approval: Approval) -> bool:
    """End a question or grant whose time is over; who had granted it stays on record."""
    return (
        tx.run(
            "UPDATE approvals SET state = 'expired', decided_at = :now"
            " WHERE id = :id AND state = :state AND expires_at <= :now",
            id=approval.id,
            state=str(approval.state),
            now=tx.now,
        )
        == 1
    )


def _approval(row: Row) -> Approval:
    bound, reasons = json.loads(row[9]), tuple(json.loads(row[10]))
    return Approval(*[*row[:9], bound, reasons, ApprovalState(row[11]), *row[12:]])
