"""What the hooks of an agent's client mean: its session's state, its permissions, its end.

The door has found out which run reports; everything in the body is that run's own word and used as such: nothing in
it names another run, a path or a program. A tool is judged by ``control.toolgate``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from fleet.control.context import Context
from fleet.control.metered import LOOKS, Look, Meter
from fleet.control.toolgate import ToolUse, objection
from fleet.control.toolguard import ToolGuard
from fleet.core.clock import SECOND
from fleet.core.errors import NotFound
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.core.redact import shapes
from fleet.core.session import PermissionState, Session, SessionState
from fleet.core.work import LIVE_RUNS, OVER_BUDGET, Run
from fleet.dispatch.metering import stop_if_over
from fleet.policy.guard import Objection
from fleet.runtime import turns
from fleet.runtime.telemetry import answers_in
from fleet.store import agents, journal, permissions, runs, sessions, usage
from fleet.store.db import Tx

_INPUT_LIMIT = 2000  # characters of a tool's input that are kept
_TOOL_LIMIT = 200  # characters of a tool's name
_OVER = Objection("FLT-TRN-014", "a budget of this run is used up; it is being stopped and its work saved")


@dataclass(frozen=True, slots=True)
class Reported:
    """One report that is being taken in. ``said`` is what the guard said of a tool, ``look`` what is to be measured."""

    principal: Principal
    event: str
    body: Mapping[str, Any]
    said: tuple[Objection | None, bool]
    look: Look | None


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What a client gets; with ``ticket`` the answer is waited for.

    With ``late`` the session has still to write down what a tool is asked by: settle that after ``PAUSE_SECONDS``.
    """

    body: dict[str, Any] = field(default_factory=dict)
    ticket: str = ""
    late: Reported | None = None


@dataclass(frozen=True, slots=True)
class _Report:
    """One report inside its transaction."""

    ctx: Context
    tx: Tx
    run: Run
    session: Session
    body: Mapping[str, Any]
    guarded: tuple[Objection | None, bool] = (None, False)  # for PreToolUse: what the guard of tools said
    blind: int = 0  # uses of tools beyond those that may go unmeasured

    def text(self, name: str, limit: int = 500) -> str:
        """A text field of the body, cut to a bound."""
        value = self.body.get(name)
        return value[:limit] if isinstance(value, str) else ""

    @property
    def tool(self) -> str:
        """The tool that it is about."""
        return self.text("tool_name", _TOOL_LIMIT)

    def hear(self, state: SessionState, *, tool: str = "", turns_: int = 0) -> None:
        """Note the state that follows from the report."""
        sessions.hear(self.tx, self.session.session, state, tool=tool, turns=turns_)


class Hooks:
    """The hook desk of the HTTP door."""

    def __init__(self, context: Context, *, looks: int = LOOKS) -> None:
        """Take the rooms to speak to; ``looks`` as ``control.metered`` says."""
        self._ctx = context
        self._guard = ToolGuard(context)
        self._meter = Meter(context, looks=looks)

    def report(self, principal: Principal, event: str, body: Mapping[str, Any]) -> Reported:
        """Begin to take in one report: what the disk tells about it. Raises NotFound FLT-TRN-002 for an unknown event.

        The role and its paths are looked at here, before the transaction; whether the run may go on at all, inside it.
        """
        if event not in _HANDLERS:
            raise NotFound("FLT-TRN-002", "no such hook", where=event[:100])
        said = self._guarded(principal, body) if event == "PreToolUse" else (None, False)
        return Reported(principal, event, body, said, self._meter.begin(principal, event, body))

    def settle(self, reported: Reported) -> Future[HookAnswer]:
        """Take it in and answer it, in one transaction; the future resolves once that is durable, or is late."""
        measured = self._meter.look(reported.look)
        if measured is None:
            late: Future[HookAnswer] = Future()
            late.set_result(HookAnswer(late=reported))
            return late
        principal, event = reported.principal, reported.event

        def transaction(tx: Tx) -> HookAnswer:
            run = runs.get(tx, principal.run_id)
            session = sessions.get(tx, f"{principal.run_id}-e{principal.epoch}")
            if session is None:
                raise NotFound("FLT-TRN-003", "this session does not report by hooks", where=principal.run_id)
            run, blind = self._meter.settle(tx, run, session, measured)
            answer = _HANDLERS[event](_Report(self._ctx, tx, run, session, reported.body, reported.said, blind))
            over = event == "PreToolUse" and _is_over(run)
            return HookAnswer(ticket=self._meter.ticket(run)) if over else answer

        return self._ctx.db.submit(transaction)

    def _guarded(self, principal: Principal, body: Mapping[str, Any]) -> tuple[Objection | None, bool]:
        """What the role and its paths say about a tool; whatever is not of its form is taken as missing."""
        tool, given, cwd = body.get("tool_name"), body.get("tool_input"), body.get("cwd")
        return self._guard.guarded(
            principal,
            tool if isinstance(tool, str) else "",
            given if isinstance(given, dict) else {},
            cwd if isinstance(cwd, str) else "",
        )

    def waited(self, ticket: str) -> dict[str, Any] | None:
        """The answer to a question whether a tool may be used; None while nobody gave one.

        A run that is over gets its no when it has ended: until then its client does not go on.
        """
        if self._meter.is_ours(ticket):
            return _denial(_OVER) if self._meter.over(ticket) else None
        found = self._ctx.db.read(lambda tx: permissions.get(tx, ticket))
        if found.state is PermissionState.ASKED:
            return None
        return permission_body(found.state, found.answered_by, found.reason)

    def given_up(self, ticket: str) -> None:
        """The session does not wait any more, or cannot be answered by this daemon: a no."""
        if self._meter.is_ours(ticket):
            self._meter.give_up(ticket)
            return

        def transaction(tx: Tx) -> None:
            found = permissions.get(tx, ticket)
            if permissions.answer(tx, ticket, PermissionState.GONE, reason="nobody could answer; ask again"):
                sessions.hear(tx, found.session, SessionState.WORKING)

        self._ctx.db.write(transaction)

    def telemetry(self, session: str, kind: str, body: Mapping[str, Any]) -> None:
        """Count what a client measured; only logs say which answer it was, so only they are counted."""
        found = answers_in(body) if kind == "logs" else []
        if not found:
            return

        def transaction(tx: Tx) -> None:
            row = sessions.get(tx, session)
            if row is not None:
                usage.count(tx, row, found, "telemetry", self._ctx.loaded.prices)
                turns.answered(tx, row.provider)
                stop_if_over(tx, runs.get(tx, row.run_id), self._ctx.loaded)

        self._ctx.db.write(transaction)


def permission_body(state: PermissionState, by: str = "", reason: str = "") -> dict[str, Any]:
    """How a client is told what became of its question."""
    decision: dict[str, Any] = {"behavior": "allow"}
    if state is not PermissionState.ALLOWED:
        words = {
            PermissionState.DENIED: f"{by or 'a person'} said no",
            PermissionState.EXPIRED: "nobody answered in time, which means no",
        }.get(state, "nobody can answer now, which means no")
        decision = {"behavior": "deny", "message": f"{words}{f': {reason}' if reason else ''}"}
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}


def _begun(report: _Report) -> HookAnswer:
    report.hear(SessionState.WORKING, turns_=1)
    return HookAnswer()


def _before_tool(report: _Report) -> HookAnswer:
    """Judge; only an objection is put on record, uses that are allowed are counted."""
    given = report.body.get("tool_input")
    state = agents.get(report.tx, report.run.agent).state
    use = ToolUse(
        report.tool, given if isinstance(given, dict) else {}, report.run, report.session, state, report.blind
    )
    said, answers_for_it = report.guarded
    found = objection(use) or said
    if found is None:
        sessions.works(report.tx, report.session.session, tool=report.tool, tools=1)
        return HookAnswer(_allowed(report) if answers_for_it else {})
    _record_objection(report, found)
    return HookAnswer(_denial(found))


def _denial(found: Objection) -> dict[str, Any]:
    """How a client is told no, with the reason that its model reads."""
    decision = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": f"{found.text} [{found.code}]",
    }
    return {"hookSpecificOutput": decision}


def _allowed(report: _Report) -> dict[str, Any]:
    """What the role lists needs nobody's word: no dialog appears."""
    words = f"{report.run.role} may do this"
    decision = {"hookEventName": "PreToolUse", "permissionDecision": "allow", "permissionDecisionReason": words}
    return {"hookSpecificOutput": decision}


def _record_objection(report: _Report, found: Objection) -> None:
    run = report.run
    journal.append(
        report.tx,
        Draft(
            Stream.DECISION,
            "tool.refused",
            turns.ACTOR,
            subject=f"run/{run.id}",
            work_item=run.work_item,
            agent=run.agent,
            run_id=run.id,
            cause_id=run.event_id,
            summary=f"{run.agent} may not use {report.tool}: {found.text}",
            payload={"tool": report.tool, "input": _input_text(report), "code": found.code, "session": run.session},
        ),
    )


def _after_tool(report: _Report) -> HookAnswer:
    sessions.works(report.tx, report.session.session)
    return HookAnswer()


def _permission(report: _Report) -> HookAnswer:
    """A person is asked. A run that is about to end gets its no at once."""
    run, tx = report.run, report.tx
    if run.state not in LIVE_RUNS or run.cancel_reason or report.session.ending:
        return HookAnswer(permission_body(PermissionState.GONE, reason="the run is being ended"))
    seconds = report.ctx.loaded.config.claude.permission_seconds
    deadline = tx.now + seconds * SECOND
    shown = _input_text(report)
    permission = permissions.ask(
        tx,
        session=run.session,
        run_id=run.id,
        agent=run.agent,
        tool=report.tool,
        input_=shown,
        deadline=deadline,
    )
    report.hear(SessionState.PERMISSION, tool=report.tool)
    turns.note(
        tx,
        run,
        "permission.asked",
        f"{run.agent} asks whether it may use {report.tool}; no answer within {seconds} s means no",
        {"permission": permission, "tool": report.tool, "input": shown},
        f"permission.asked:{permission}",
    )
    return HookAnswer(ticket=permission)


def _notified(report: _Report) -> HookAnswer:
    """``idle_prompt``: the client waits for words, although no stop was heard (a person interrupted it)."""
    if report.text("notification_type") == "idle_prompt" and report.session.state is SessionState.WORKING:
        report.hear(SessionState.STOPPED)
    return HookAnswer()


def _stopped(report: _Report) -> HookAnswer:
    if report.body.get("background_tasks"):
        report.hear(SessionState.WORKING)  # its end starts another turn, and that one stops again
        return HookAnswer()
    if _is_over(report.run):
        report.hear(SessionState.STOPPED)  # nothing more is asked of it, nor of its model
        return HookAnswer()
    words = turns.stopped(report.tx, report.ctx.config.at(report.run.config_hash), report.run, report.session)
    return HookAnswer({"decision": "block", "reason": words} if words else {})


def _failed(report: _Report) -> HookAnswer:
    loaded = report.ctx.config.at(report.run.config_hash)
    said = shapes(report.text("last_assistant_message"))
    turns.refused(report.tx, loaded, report.run, report.session, report.text("error", 60) or "unknown", said)
    return HookAnswer()


def _ended(report: _Report) -> HookAnswer:
    """The client ends its conversation; its process is watched elsewhere."""
    report.hear(SessionState.STOPPED)
    return HookAnswer()


def _is_over(run: Run) -> bool:
    """Whether a run was asked to end because a budget in tokens or dollars is used up."""
    return run.cancel_reason.startswith(OVER_BUDGET)


def _input_text(report: _Report) -> str:
    """A tool's input as text, without what looks like a secret."""
    return shapes(json.dumps(report.body.get("tool_input"), ensure_ascii=False)[:_INPUT_LIMIT])


_HANDLERS: Mapping[str, Callable[[_Report], HookAnswer]] = {
    "UserPromptSubmit": _begun,
    "PreToolUse": _before_tool,
    "PostToolUse": _after_tool,
    "PostToolUseFailure": _after_tool,
    "PermissionRequest": _permission,
    "Notification": _notified,
    "Stop": _stopped,
    "StopFailure": _failed,
    "SessionEnd": _ended,
}
