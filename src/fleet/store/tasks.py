"""Tasks: work offered on the Fabric. Every move is a compare-and-set on the state or on a claim's token."""

from __future__ import annotations

from fleet.core.board import Task, TaskState
from fleet.core.errors import NotFound
from fleet.store.db import Tx
from fleet.store.dialect import Row

KEPT = 1000  # ended tasks whose rows stay; the journal keeps them all

_COLUMNS = (
    "number, entry_id, title, body, subject, work_item, offered_by, state, holder, holder_run, claims, token_hash,"
    " lease_until, outcome, created_at, updated_at"
)

_LAPSED = (
    "state = 'claimed' AND (lease_until <= :now OR (holder_run <> ''"
    " AND EXISTS (SELECT 1 FROM runs r WHERE r.id = tasks.holder_run AND r.finished_at IS NOT NULL)))"
)


def next_number(tx: Tx) -> int:
    """The number of the next task; it is taken by ``create`` in the same transaction."""
    row = tx.one("SELECT max(number) FROM tasks")
    return (row[0] or 0) + 1 if row else 1


def create(
    tx: Tx, number: int, *, entry_id: str, title: str, body: str, subject: str, work_item: str, offered_by: str
) -> None:
    """Put an open task on the list, and let go of the oldest ended ones beyond ``KEPT``."""
    tx.run(
        "INSERT INTO tasks (number, entry_id, title, body, subject, work_item, offered_by, state, created_at,"
        " updated_at) VALUES (:number, :entry_id, :title, :body, :subject, :work_item, :offered_by, 'open', :now,"
        " :now)",
        number=number,
        entry_id=entry_id,
        title=title,
        body=body,
        subject=subject,
        work_item=work_item,
        offered_by=offered_by,
        now=tx.now,
    )
    tx.run(
        "DELETE FROM tasks WHERE state IN ('done', 'withdrawn') AND number <= (SELECT number FROM tasks"
        " WHERE state IN ('done', 'withdrawn') ORDER BY number DESC LIMIT 1 OFFSET :kept)",
        kept=KEPT,
    )


def get(tx: Tx, number: int) -> Task:
    """One task. Raises NotFound FLT-FAB-100."""
    row = tx.one(f"SELECT {_COLUMNS} FROM tasks WHERE number = :number", number=number)
    if row is None:
        raise NotFound("FLT-FAB-100", "no such task", where=f"task/{number}", hint="fleet fabric tasks lists them")
    return _task(row)


def select(tx: Tx, *, state: TaskState | None = None, holder: str = "", limit: int = 100) -> list[Task]:
    """Tasks in one state, by default open and claimed ones, lowest number first; ``holder`` narrows."""
    states = "state IN ('open', 'claimed')" if state is None else "state = :state"
    mine = " AND holder = :holder" if holder else ""
    values = {"limit": limit, **({"state": str(state)} if state else {}), **({"holder": holder} if holder else {})}
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM (SELECT * FROM tasks WHERE {states}{mine} ORDER BY number DESC LIMIT :limit) t"
        " ORDER BY number",
        **values,
    )
    return [_task(row) for row in rows]


def count_live(tx: Tx, *, offered_by: str = "") -> int:
    """How many tasks are open or claimed; ``offered_by`` narrows."""
    row = tx.one(
        "SELECT count(*) FROM tasks WHERE state IN ('open', 'claimed') AND (:who = '' OR offered_by = :who)",
        who=offered_by,
    )
    return int(row[0]) if row else 0


def claim(tx: Tx, number: int, *, holder: str, run_id: str, token_hash: str, until: int) -> bool:
    """Take an open task; False when it is not open any more."""
    return _changed(
        tx,
        "state = 'claimed', holder = :holder, holder_run = :run_id, token_hash = :token_hash, lease_until = :until,"
        " claims = claims + 1",
        "state = 'open'",
        number=number,
        holder=holder,
        run_id=run_id,
        token_hash=token_hash,
        until=until,
    )


def renew(tx: Tx, number: int, *, token_hash: str, until: int) -> bool:
    """Move the end of a lease that has not run out; False when the token is not that of the claim."""
    return _changed(
        tx,
        "lease_until = :until",
        "state = 'claimed' AND token_hash = :token_hash AND lease_until > :now",
        number=number,
        token_hash=token_hash,
        until=until,
    )


def give_back(tx: Tx, number: int, *, token_hash: str) -> bool:
    """End the claim of this token without its work done; False when it is over already."""
    return _changed(
        tx,
        "state = 'open', holder = '', holder_run = '', token_hash = '', lease_until = 0",
        "state = 'claimed' AND token_hash = :token_hash",
        number=number,
        token_hash=token_hash,
    )


def complete(tx: Tx, number: int, *, token_hash: str, outcome: str) -> bool:
    """The claimed work is done; False when the claim is lost. The holder stays on the row."""
    return _changed(
        tx,
        "state = 'done', outcome = :outcome, token_hash = '', lease_until = 0",
        "state = 'claimed' AND token_hash = :token_hash AND lease_until > :now",
        number=number,
        token_hash=token_hash,
        outcome=outcome,
    )


def withdraw(tx: Tx, number: int, *, outcome: str) -> bool:
    """Take a task off the list, claimed or not; False when it has ended."""
    return _changed(
        tx,
        "state = 'withdrawn', outcome = :outcome, token_hash = '', lease_until = 0",
        "state IN ('open', 'claimed')",
        number=number,
        outcome=outcome,
    )


def lapsed(tx: Tx, *, limit: int = 100) -> list[Task]:
    """Claims whose lease has run out, or whose run has ended."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM tasks WHERE {_LAPSED} ORDER BY number LIMIT :limit", now=tx.now, limit=limit)
    return [_task(row) for row in rows]


def is_lapsed(tx: Tx, number: int) -> bool:
    """Whether the claim on a task counts no more, although nobody has given it back yet."""
    return tx.one(f"SELECT 1 FROM tasks WHERE number = :number AND {_LAPSED}", now=tx.now, number=number) is not None


def forget_text(tx: Tx, entry_id: str) -> None:
    """Blank what an entry's payload said, because that payload was erased."""
    tx.run("UPDATE tasks SET body = '' WHERE entry_id = :entry_id", entry_id=entry_id)


def _changed(tx: Tx, sets: str, when: str, **values: object) -> bool:
    sql = f"UPDATE tasks SET {sets}, updated_at = :now WHERE number = :number AND {when}"
    return tx.run(sql, now=tx.now, **values) == 1


def _task(row: Row) -> Task:
    return Task(*[*row[:7], TaskState(row[7]), *row[8:]])
