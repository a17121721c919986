"""Runs: one execution of one agent. Moves carry the epoch, so a stale runner changes nothing."""

from __future__ import annotations

from fleet.core.errors import NotFound
from fleet.core.work import Run, RunState
from fleet.store.db import Tx
from fleet.store.dialect import Row

_COLUMNS = (
    "id, delivery_id, event_id, event_type, agent, role, subject, generation, work_item, attempt, parent_run, state,"
    " epoch, host, allowance_seconds, allowance_kind, used_seconds, cancel_reason, exit_code, outcome, escrow_ref,"
    " escrow_sha, config_hash, queued_at, started_at, finished_at, limit_of, hops,"
    " restarts, restart_streak, restart_at, restart_why, resumed_at, used_tokens, used_micros, unpriced"
)
_LIVE = "('queued', 'starting', 'running')"


def create(
    tx: Tx,
    *,
    delivery_id: str,
    event_id: str,
    event_type: str,
    agent: str,
    role: str,
    subject: str,
    generation: str,
    work_item: str,
    attempt: int,
    parent_run: str,
    allowance_seconds: float,
    allowance_kind: str,
    config_hash: str,
    limit_of: str = "",
    hops: int = 0,
) -> str:
    """Queue a run and return its id. Raises Conflict FLT-STO-003 when one is live for this agent and item."""
    run_id = tx.new_id("r")
    tx.run(
        "INSERT INTO runs (id, delivery_id, event_id, event_type, agent, role, subject, generation, work_item, attempt,"
        " parent_run, state, allowance_seconds, allowance_kind, limit_of, hops, config_hash, queued_at) VALUES (:id,"
        " :delivery_id, :event_id, :event_type, :agent, :role, :subject, :generation, :work_item, :attempt,"
        " :parent_run, 'queued', :allowance_seconds, :allowance_kind, :limit_of, :hops, :config_hash, :now)",
        id=run_id,
        delivery_id=delivery_id,
        event_id=event_id,
        event_type=event_type,
        agent=agent,
        role=role,
        subject=subject,
        generation=generation,
        work_item=work_item,
        attempt=attempt,
        parent_run=parent_run,
        allowance_seconds=float(allowance_seconds),
        allowance_kind=allowance_kind,
        limit_of=limit_of,
        hops=hops,
        config_hash=config_hash,
        now=tx.now,
    )
    return run_id


def get(tx: Tx, run_id: str) -> Run:
    """One run. Raises NotFound FLT-RUN-001."""
    row = tx.one(f"SELECT {_COLUMNS} FROM runs WHERE id = :id", id=run_id)
    if row is None:
        raise NotFound("FLT-RUN-001", "no such run", where=run_id, hint="fleet ps --all lists them")
    return _run(row)


def find(tx: Tx, run_id: str) -> Run | None:
    """One run; None for an unknown id."""
    row = tx.one(f"SELECT {_COLUMNS} FROM runs WHERE id = :id", id=run_id)
    return _run(row) if row else None


def live(tx: Tx) -> list[Run]:
    """Queued, starting and running runs, oldest first."""
    return [_run(row) for row in tx.all(f"SELECT {_COLUMNS} FROM runs WHERE state IN {_LIVE} ORDER BY queued_at, id")]


def for_work_item(tx: Tx, work_item: str) -> list[Run]:
    """Every run on a ticket or lone pull request, oldest first."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM runs WHERE work_item = :item ORDER BY queued_at, id", item=work_item)
    return [_run(row) for row in rows]


def recent(tx: Tx, *, agent: str = "", limit: int = 100) -> list[Run]:
    """The newest runs, newest first, of one agent or of all."""
    clause = "WHERE agent = :agent" if agent else ""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM runs {clause} ORDER BY queued_at DESC, id DESC LIMIT :limit",
        **({"agent": agent} if agent else {}),
        limit=limit,
    )
    return [_run(row) for row in rows]


def since(tx: Tx, at: int, *, limit: int = 10_000) -> list[Run]:
    """Live runs and those that ended from ``at`` on, the newest ``limit``, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM runs WHERE finished_at >= :at OR state IN {_LIVE}"
        " ORDER BY queued_at DESC, id DESC LIMIT :limit",
        at=at,
        limit=limit,
    )
    return [_run(row) for row in rows][::-1]


def finished_without_result(tx: Tx, *, limit: int = 200) -> list[Run]:
    """Unsuccessful runs nobody has dealt with yet, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM runs WHERE followed_up = 0"
        " AND state IN ('failed', 'timed_out', 'over_budget', 'cancelled', 'lost')"
        " ORDER BY finished_at LIMIT :limit",
        limit=limit,
    )
    return [_run(row) for row in rows]


def follow_up(tx: Tx, run_id: str) -> None:
    """What becomes of an unsuccessful run's work is on record, in this very transaction."""
    tx.run("UPDATE runs SET followed_up = 1 WHERE id = :id", id=run_id)


def take(tx: Tx, run_id: str, *, epoch: int, host: str) -> int | None:
    """Take a queued (or abandoned starting) run at ``epoch``; the new epoch, or None.

    None: somebody was first, or asked it to end.
    """
    changed = tx.run(
        "UPDATE runs SET state = 'starting', epoch = epoch + 1, host = :host"
        " WHERE id = :id AND epoch = :epoch AND state IN ('queued', 'starting') AND cancel_reason = ''",
        id=run_id,
        epoch=epoch,
        host=host,
    )
    return epoch + 1 if changed else None


def mark_running(tx: Tx, run_id: str, *, epoch: int) -> bool:
    """The session answered."""
    return (
        tx.run(
            "UPDATE runs SET state = 'running', started_at = :now"
            " WHERE id = :id AND epoch = :epoch AND state = 'starting'",
            id=run_id,
            epoch=epoch,
            now=tx.now,
        )
        == 1
    )


def finish(
    tx: Tx,
    run_id: str,
    *,
    epoch: int,
    state: RunState,
    used_seconds: float,
    exit_code: int | None,
    outcome: str,
    escrow_ref: str = "",
    escrow_sha: str = "",
) -> bool:
    """End a live run; False when it already ended or another epoch owns it."""
    return (
        tx.run(
            "UPDATE runs SET state = :state, used_seconds = :used, exit_code = :exit_code, outcome = :outcome,"
            " escrow_ref = :escrow_ref, escrow_sha = :escrow_sha, finished_at = :now"
            f" WHERE id = :id AND epoch = :epoch AND state IN {_LIVE}",
            id=run_id,
            epoch=epoch,
            state=str(state),
            used=float(used_seconds),
            exit_code=exit_code,
            outcome=outcome,
            escrow_ref=escrow_ref,
            escrow_sha=escrow_sha,
            now=tx.now,
        )
        == 1
    )


def ask_cancel(tx: Tx, run_id: str, reason: str) -> bool:
    """Ask the runner to end a live run; False when it is not live or was asked before."""
    return (
        tx.run(
            f"UPDATE runs SET cancel_reason = :reason WHERE id = :id AND cancel_reason = '' AND state IN {_LIVE}",
            id=run_id,
            reason=reason,
        )
        == 1
    )


def restart_decided(tx: Tx, run_id: str, *, epoch: int, count: int, streak: int, at: int, why: str) -> bool:
    """The ``count``-th death of a run's agent is answered by a restart at ``at``; False when it was answered before."""
    return (
        tx.run(
            "UPDATE runs SET restarts = :count, restart_streak = :streak, restart_at = :at, restart_why = :why"
            f" WHERE id = :id AND epoch = :epoch AND restarts = :before AND cancel_reason = '' AND state IN {_LIVE}",
            id=run_id,
            epoch=epoch,
            count=count,
            before=count - 1,
            streak=streak,
            at=at,
            why=why,
        )
        == 1
    )


def restart_refused(tx: Tx, run_id: str, *, epoch: int, why: str) -> None:
    """A run's agent died and is not resumed; the words for its outcome."""
    tx.run("UPDATE runs SET restart_why = :why WHERE id = :id AND epoch = :epoch", id=run_id, epoch=epoch, why=why)


def restart_done(tx: Tx, run_id: str, *, epoch: int) -> bool:
    """The resumed agent was seen alive; False when that is known."""
    sql = "UPDATE runs SET restart_at = NULL, resumed_at = :now WHERE id = :id AND epoch = :epoch"
    return tx.run(f"{sql} AND restart_at IS NOT NULL", id=run_id, epoch=epoch, now=tx.now) == 1


def started_between(tx: Tx, since: int, until: int) -> int:
    """How many runs were queued after ``since`` and up to ``until``."""
    row = tx.one("SELECT count(*) FROM runs WHERE queued_at > :since AND queued_at <= :until", since=since, until=until)
    return int(row[0]) if row else 0


def spent_seconds(tx: Tx, agent: str) -> float:
    """Seconds used by an agent's finished runs, ever."""
    row = tx.one("SELECT coalesce(sum(used_seconds), 0.0) FROM runs WHERE agent = :agent", agent=agent)
    return float(row[0]) if row else 0.0


def _run(row: Row) -> Run:
    return Run(*[*row[:11], RunState(row[11]), *row[12:]])


def ended_without_entry(tx: Tx) -> tuple[int, list[str]]:
    """How many runs ended since the last archive was made, and those of them whose end no entry tells."""
    since = tx.one("SELECT coalesce(max(at), 0) FROM archives")
    bound = since[0] if since else 0
    rows = tx.all(
        "SELECT r.id, EXISTS (SELECT 1 FROM journal j WHERE j.run_id = r.id AND j.run_id <> ''"
        " AND j.type = 'run.' || r.state) FROM runs r WHERE r.finished_at > :bound",
        bound=bound,
    )
    return len(rows), [run for run, told in rows if not told]
