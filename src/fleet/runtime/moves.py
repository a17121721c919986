"""The transactions that move a run: take, answered, finish. Each with its journal entry; each a compare-and-set.

Every function takes a ``Tx`` and does all of its move or nothing. A run that another epoch owns by now is left
as it is, and the answer says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from fleet.core.clock import SECOND
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal, system
from fleet.core.work import Run, RunState, budget_title
from fleet.runtime.handbook import Handbook, Part
from fleet.runtime.outcome import Outcome
from fleet.runtime.port import Death, Observation
from fleet.runtime.restarts import Again
from fleet.store import capabilities, inbox, journal, permissions, risk, runs, sessions
from fleet.store.db import Tx

ACTOR = str(system("runner"))


def take(
    tx: Tx, run: Run, *, host: str, holder: Principal, token_hash: str, margin_seconds: float, model: str = ""
) -> Run | None:
    """Take a queued run, or one whose start was given up, as its next epoch; None when somebody was first.

    The capability of an earlier epoch ends; the new one is issued to ``holder`` for the run's allowance and
    ``margin_seconds``. ``model`` is what the vendor is to use ("" = its own choice), for the record.
    """
    epoch = runs.take(tx, run.id, epoch=run.epoch, host=host)
    if epoch is None:
        return None
    capabilities.revoke_run(tx, run.id)
    expires_at = tx.now + round((run.allowance_seconds + margin_seconds) * SECOND)
    capabilities.issue(tx, replace(holder, epoch=epoch), token_hash=token_hash, expires_at=expires_at)
    taken = runs.get(tx, run.id)
    again = f", epoch {epoch}" if epoch > 1 else ""
    note(
        tx,
        taken,
        "run.starting",
        f"{run.agent} starts on {run.subject or run.event_type}{again}",
        {
            "session": taken.session,
            "epoch": epoch,
            "host": host,
            "role": run.role,
            "model": model,
            "event_type": run.event_type,
            "attempt": run.attempt,
            "allowance_seconds": run.allowance_seconds,
            "allowance_kind": run.allowance_kind,
            "config_hash": run.config_hash,
        },
        dedup_key=f"run.starting:{taken.session}",
    )
    return taken


def instructed(tx: Tx, run: Run, handbook: Handbook, added: Sequence[Part], told: Mapping[str, object]) -> None:
    """Which handbook this session reads, by its hash, where each part of it comes from, and what its vendor adds.

    ``told``: what its brief holds of other people's words, so that what comes after can be told from it.
    """
    payload: dict[str, object] = {
        "session": run.session,
        "sha256": handbook.digest,
        "bytes": len(handbook.text.encode("utf-8")),
        "parts": handbook.provenance(),
        "added": [{"title": part.title, "sha256": part.digest} for part in added],
        "told": dict(told),
    }
    text = f"{run.agent} reads handbook {handbook.digest[:12]} as {handbook.role}"
    words = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    note(tx, run, "handbook.compiled", text, payload, f"handbook.compiled:{run.session}:{handbook.digest}:{words}")


def answered(tx: Tx, run: Run, seen: Observation) -> bool:
    """The session is alive; False when it was known, or belongs to an older epoch."""
    if not runs.mark_running(tx, run.id, epoch=run.epoch):
        return False
    payload: dict[str, object] = {"session": run.session, "epoch": run.epoch, "shim_pid": seen.shim_pid}
    note(tx, run, "run.started", f"{run.agent} runs in session {run.session}", payload, f"run.started:{run.session}")
    return True


def left_alone(tx: Tx, run: Run, seen: Observation) -> int:
    """The session belongs to a shim of a newer program: it runs, and that is all that is known; said once."""
    answered(tx, run, seen)
    payload: dict[str, object] = {"session": run.session, "shim_pid": seen.shim_pid}
    text = f"session {run.session} was started by a newer version of Fleet and is left alone; it ends by itself"
    note(tx, run, "run.left_alone", text, payload, f"run.left_alone:{run.session}")
    return 1


def restarting(tx: Tx, run: Run, death: Death, again: Again) -> bool:
    """The run's agent died and is to be resumed: the intent. False when that death was answered before."""
    at = tx.now + round(again.delay * SECOND)
    if not runs.restart_decided(
        tx, run.id, epoch=run.epoch, count=death.count, streak=again.streak, at=at, why=again.why
    ):
        return False
    sessions.reopen(tx, run.session)
    permissions.drop(tx, run.session)
    payload: dict[str, object] = {"session": run.session, "restart": death.count, "in_a_row": again.streak}
    payload |= {"exit_code": death.code, "died_at": death.at, "why": again.why, "at": at}
    text = f"{run.agent} {again.why} and is resumed in {again.delay:.1f} s (restart {death.count})"
    note(tx, run, "run.restarting", text, payload, f"run.restarting:{run.session}:{death.count}")
    return True


def restarted(tx: Tx, run: Run) -> bool:
    """The resumed agent runs: the outcome. False when that is on record."""
    if not runs.restart_done(tx, run.id, epoch=run.epoch):
        return False
    payload: dict[str, object] = {"session": run.session, "restart": run.restarts}
    text = f"{run.agent} goes on in session {run.session} (restart {run.restarts})"
    note(tx, run, "run.restarted", text, payload, f"run.restarted:{run.session}:{run.restarts}")
    return True


def frozen(tx: Tx, run: Run, error: str) -> bool:
    """The session stands still, for its work could not be saved; False when that is on record, with this error."""
    if not risk.put_frozen(tx, run.id, epoch=run.epoch, error=error):
        return False
    payload: dict[str, object] = {"session": run.session, "epoch": run.epoch, "error": error}
    text = f"{run.agent} stands frozen in session {run.session}: its work could not be saved ({error})"
    seal = hashlib.sha256(error.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    note(tx, run, "run.frozen", text, payload, f"run.frozen:{run.session}:{seal}")
    return True


def shown(tx: Tx, run: Run, numbers: Sequence[int]) -> None:
    """The run's brief holds these messages of its agent's inbox; those that were queued are delivered."""
    fresh = inbox.deliver(tx, numbers, run.id)
    if fresh:
        text = f"{run.agent} finds {len(fresh)} message{'s' if len(fresh) > 1 else ''} in its brief"
        note(tx, run, "message.delivered", text, {"messages": fresh, "run": run.id}, f"message.delivered:{run.session}")


def emitted(tx: Tx, run_id: str, expected: Sequence[str]) -> tuple[str, ...]:
    """Those of the expected events that are on record as emitted by this run."""
    wanted = ((kind, journal.Filter(stream=str(Stream.EVENT), type=kind, run_id=run_id)) for kind in expected)
    return tuple(kind for kind, narrow in wanted if journal.select(tx, narrow, limit=1))


def finish(tx: Tx, run: Run, outcome: Outcome) -> Run | None:
    """End a run, revoke its capability and record both; the ended row, or None when it was not ours to end."""
    done = runs.finish(
        tx,
        run.id,
        epoch=run.epoch,
        state=outcome.state,
        used_seconds=outcome.used_seconds,
        exit_code=outcome.exit_code,
        outcome=outcome.text,
        escrow_ref=outcome.escrow_ref,
        escrow_sha=outcome.escrow_sha,
    )
    if not done:
        return None
    capabilities.revoke_run(tx, run.id)
    sessions.close(tx, run.session)
    permissions.drop(tx, run.session)
    risk.thawed(tx, run.id)
    ended = runs.get(tx, run.id)
    facts: dict[str, object] = {**asdict(outcome), "state": str(outcome.state), "session": run.session}
    if ended.used_tokens:
        facts |= {"used_tokens": ended.used_tokens, "used_micros": ended.used_micros, "unpriced": ended.unpriced}
    if outcome.over_budget:
        _note_budget(tx, ended, outcome)
    verb = "" if outcome.state is RunState.SUCCEEDED else f" {outcome.state.replace('_', ' ')}"
    summary = f"{run.agent}{verb} on {run.subject or run.event_type}: {outcome.text}"
    note(tx, ended, f"run.{outcome.state}", summary, facts, f"run.finished:{run.id}")
    return ended


def _note_budget(tx: Tx, run: Run, outcome: Outcome) -> None:
    """The decision that a budget is used up, with what the run and its agent spent."""
    spent = runs.spent_seconds(tx, run.agent)
    whose = run.limit_of or f"agent/{run.agent}"
    journal.append(
        tx,
        Draft(
            Stream.DECISION,
            "budget.exhausted",
            ACTOR,
            subject=whose if "/" in whose else "",
            summary=f"{run.agent} used up what was left of the budget of {budget_title(whose)}: run {run.id} was frozen"
            f" and stopped after {outcome.used_seconds:.1f} s{_stood_still(outcome)}",
            payload={
                "run": run.id,
                "budget": whose,
                "used_seconds": outcome.used_seconds,
                "allowance_seconds": run.allowance_seconds,
                "freeze_seconds": outcome.freeze_seconds,
                "spent_seconds": spent,
            },
            work_item=run.work_item,
            agent=run.agent,
            run_id=run.id,
            cause_id=run.event_id,
            dedup_key=f"budget.exhausted:{run.id}",
        ),
    )


def _stood_still(outcome: Outcome) -> str:
    """How soon nothing moved any more, where the shim could say so."""
    return (
        f"; it stood still {outcome.freeze_seconds:.2f} s after its end" if outcome.freeze_seconds is not None else ""
    )


def note(
    tx: Tx, run: Run, kind: str, summary: str, payload: dict[str, object], dedup_key: str, *, actor: str = ACTOR
) -> None:
    """An entry about a run, once for each ``dedup_key``."""
    journal.append(
        tx,
        Draft(
            Stream.ACTIVITY,
            kind,
            actor,
            subject=f"run/{run.id}",
            generation=run.generation,
            work_item=run.work_item,
            agent=run.agent,
            run_id=run.id,
            cause_id=run.event_id,
            dedup_key=dedup_key,
            summary=summary,
            payload=payload,
        ),
    )
