"""What the end of a session means for its run: the final state, in words that a person understands. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fleet.core.clock import SECOND
from fleet.core.work import OVER_BUDGET, Run, RunState, budget_title
from fleet.runtime.port import ExitRecord
from fleet.runtime.records import SETUP_FAILED

_LIMITS = {"timeout": RunState.TIMED_OUT, "budget": RunState.OVER_BUDGET}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. ``reason`` is a stable word, ``text`` the sentence; the escrow is "" when there is none."""

    state: RunState
    reason: str
    text: str
    used_seconds: float = 0.0
    exit_code: int | None = None
    escrow_ref: str = ""
    escrow_sha: str = ""
    escrow_error: str = ""
    survivors: tuple[int, ...] = ()
    events: tuple[str, ...] = field(default=())
    freeze_seconds: float | None = None  # from when its end was due until its tree stood still

    @property
    def over_budget(self) -> bool:
        """True when the agent's budget ended the run, whatever else was asked."""
        return self.reason == "budget"


def of_exit(
    run: Run,
    record: ExitRecord,
    *,
    expected: Sequence[str],
    found: Sequence[str],
    any_code: bool = False,
    setup: str = "",
    ending: str = "",
    failure: str = "",
) -> Outcome:
    """Judge an exit record.

    ``expected`` are the events of which one proves the work, ``found`` those of them that the run emitted. A
    run succeeds only by its own exit and one of them on record; with 0, unless ``any_code``: its program's exit
    code says nothing about the work. ``setup`` says why its setup did not come to its end, so that the agent never
    began; "" when it did. ``ending`` is what a session that reports had settled before it was ended: ``done``, or
    ``failed`` for the reason ``failure``.
    """
    state, text = _judge(run, record, expected, found, any_code=any_code, settled=ending == "done")
    if failure and state in (RunState.FAILED, RunState.LOST):
        state, text = RunState.FAILED, failure
    notes = [f"its setup was not done: {setup}"] if setup else []
    if state is not RunState.SUCCEEDED and run.restart_why.startswith("not restarted"):
        notes.append(run.restart_why)
    if setup and record.reason == "exited" and record.code == SETUP_FAILED and state is RunState.FAILED:
        text, notes = f"its setup failed after {record.used_seconds:.1f} s: {setup}", []
    if record.escrow_error:
        notes.append(f"its work could not be saved ({record.escrow_error}) and stays in clones/{run.session}")
    if record.survivors:
        notes.append(f"processes {', '.join(map(str, record.survivors))} would not end")
    return Outcome(
        state=state,
        reason=record.reason,
        text="; ".join([text, *notes]),
        used_seconds=record.used_seconds,
        exit_code=record.code,
        escrow_ref=record.escrow_ref,
        escrow_sha=record.escrow_sha,
        escrow_error=record.escrow_error,
        survivors=record.survivors,
        events=tuple(found),
        freeze_seconds=record.freeze_seconds,
    )


def of_loss(
    run: Run, now: int, *, survivors: Sequence[int] = (), ref: str = "", sha: str = "", error: str = ""
) -> Outcome:
    """Judge a session that vanished without a record.

    It is charged with the time since its start, at most its allowance: nobody knows better. ``ref``, ``sha``
    and ``error`` say what became of its work.
    """
    since = (now - run.started_at) / SECOND if run.started_at is not None else 0.0
    state, text = RunState.LOST, "its processes vanished without a record"
    if run.cancel_reason.startswith(OVER_BUDGET):
        state, text = RunState.OVER_BUDGET, f"{text} after it was asked to stop: {run.cancel_reason}"
    elif run.cancel_reason:
        state, text = RunState.CANCELLED, f"{text} after it was asked to stop: {run.cancel_reason}"
    if error:
        text += f"; its work could not be saved ({error}) and stays in clones/{run.session}"
    return Outcome(
        state=state,
        reason="vanished",
        text=text,
        used_seconds=max(0.0, min(since, run.allowance_seconds)),
        escrow_ref=ref,
        escrow_sha=sha,
        escrow_error=error,
        survivors=tuple(survivors),
    )


def not_started(run: Run, why: str) -> Outcome:
    """Judge a run that never had a session: cancelled in time, or impossible to start."""
    if run.cancel_reason:
        state = RunState.OVER_BUDGET if run.cancel_reason.startswith(OVER_BUDGET) else RunState.CANCELLED
        return Outcome(state, "cancelled", f"stopped before it began: {run.cancel_reason}")
    return Outcome(RunState.FAILED, "not_started", f"could not be started: {why}")


def _judge(
    run: Run, record: ExitRecord, expected: Sequence[str], found: Sequence[str], *, any_code: bool, settled: bool
) -> tuple[RunState, str]:
    by_itself = record.reason == "exited" and (any_code or record.code == 0)
    if found and (by_itself or (settled and record.reason == "stopped" and not run.cancel_reason)):
        odd = f" (its program ended with exit code {record.code})" if record.code and not settled else ""
        return RunState.SUCCEEDED, f"{', '.join(found)} is on record{odd}"
    state, text = _failure(run, record, expected)
    if run.cancel_reason.startswith(OVER_BUDGET) and state is not RunState.OVER_BUDGET:
        return RunState.OVER_BUDGET, f"{run.cancel_reason.removeprefix(OVER_BUDGET).lstrip(': ')}; it {text}"
    if run.cancel_reason and state is not RunState.OVER_BUDGET:
        return RunState.CANCELLED, f"stopped on request ({run.cancel_reason}): {text}"
    return state, text


def _failure(run: Run, record: ExitRecord, expected: Sequence[str]) -> tuple[RunState, str]:
    """State and sentence of every end that is no success, whoever asked for it."""
    used = f"after {record.used_seconds:.1f} s"
    if record.reason in _LIMITS:
        whose = budget_title(run.limit_of or f"agent/{run.agent}")
        limit = "its time limit" if record.reason == "timeout" else f"what was left of the budget of {whose}"
        return _LIMITS[record.reason], f"reached {limit} ({run.allowance_seconds:g} s) and was stopped {used}"
    if record.reason == "hangup":
        return RunState.LOST, f"its terminal went away {used}"
    if record.reason == "stopped":
        return RunState.FAILED, f"was told to end {used}"
    if record.code > 128:
        return RunState.FAILED, f"ended by signal {record.code - 128} {used}"
    if record.code != 0:
        return RunState.FAILED, f"ended with exit code {record.code} {used}"
    return RunState.FAILED, f"ended without {' or '.join(expected) or 'any event that it could have emitted'}"
