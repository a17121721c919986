"""Blockers: what stands in the way, open until somebody says what resolved it."""

from __future__ import annotations

from fleet.core.board import Blocker, BlockerState
from fleet.core.errors import NotFound
from fleet.store.db import Tx
from fleet.store.dialect import Row

KEPT = 1000  # resolved blockers whose rows stay; the journal keeps them all

_COLUMNS = (
    "number, entry_id, opened_by, run_id, subject, work_item, body, told, state, resolved_by, resolution, opened_at,"
    " resolved_at"
)


def next_number(tx: Tx) -> int:
    """The number of the next blocker; it is taken by ``create`` in the same transaction."""
    row = tx.one("SELECT max(number) FROM blockers")
    return (row[0] or 0) + 1 if row else 1


def create(
    tx: Tx,
    number: int,
    *,
    entry_id: str,
    opened_by: str,
    run_id: str,
    subject: str,
    work_item: str,
    body: str,
    told: str,
) -> None:
    """Open a blocker, and let go of the oldest resolved ones beyond ``KEPT``."""
    tx.run(
        "INSERT INTO blockers (number, entry_id, opened_by, run_id, subject, work_item, body, told, state, opened_at)"
        " VALUES (:number, :entry_id, :opened_by, :run_id, :subject, :work_item, :body, :told, 'open', :now)",
        number=number,
        entry_id=entry_id,
        opened_by=opened_by,
        run_id=run_id,
        subject=subject,
        work_item=work_item,
        body=body,
        told=told,
        now=tx.now,
    )
    tx.run(
        "DELETE FROM blockers WHERE state = 'resolved' AND number <= (SELECT number FROM blockers"
        " WHERE state = 'resolved' ORDER BY number DESC LIMIT 1 OFFSET :kept)",
        kept=KEPT,
    )


def get(tx: Tx, number: int) -> Blocker:
    """One blocker. Raises NotFound FLT-FAB-120."""
    row = tx.one(f"SELECT {_COLUMNS} FROM blockers WHERE number = :number", number=number)
    if row is None:
        raise NotFound("FLT-FAB-120", "no such blocker", where=f"blocker/{number}", hint="fleet fabric blockers --all")
    return _blocker(row)


def open_ones(tx: Tx, *, opened_by: str = "", limit: int = 100) -> list[Blocker]:
    """Open blockers, oldest first; ``opened_by`` narrows."""
    mine = " AND opened_by = :opened_by" if opened_by else ""
    values = {"limit": limit, **({"opened_by": opened_by} if opened_by else {})}
    rows = tx.all(f"SELECT {_COLUMNS} FROM blockers WHERE state = 'open'{mine} ORDER BY number LIMIT :limit", **values)
    return [_blocker(row) for row in rows]


def newest(tx: Tx, *, limit: int = 100) -> list[Blocker]:
    """The newest blockers, resolved ones too, oldest first."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM blockers ORDER BY number DESC LIMIT :limit", limit=limit)
    return [_blocker(row) for row in rows][::-1]


def resolve(tx: Tx, number: int, *, by: str, text: str) -> bool:
    """Close an open blocker; False when it is closed already."""
    return (
        tx.run(
            "UPDATE blockers SET state = 'resolved', resolved_by = :by, resolution = :text, resolved_at = :now"
            " WHERE number = :number AND state = 'open'",
            number=number,
            by=by,
            text=text,
            now=tx.now,
        )
        == 1
    )


def _blocker(row: Row) -> Blocker:
    return Blocker(*[*row[:8], BlockerState(row[8]), *row[9:]])
