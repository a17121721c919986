"""What sessions ask people, and the answers; providers that are parked, and their release."""

from __future__ import annotations

from typing import Any

from fleet.control.context import Context, Handlers
from fleet.core.errors import Conflict, NotFound
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.core.session import Park, Permission, PermissionState, SessionState
from fleet.store import journal, parks, runs, sessions
from fleet.store import permissions as rows
from fleet.store.db import Tx


def permission_dict(one: Permission) -> dict[str, Any]:
    """A question as doors print it. ``input`` is the tool's input as JSON, cut and without secrets."""
    return {
        "id": one.id,
        "agent": one.agent,
        "run": one.run_id,
        "session": one.session,
        "tool": one.tool,
        "input": one.input,
        "state": str(one.state),
        "asked_at": one.asked_at,
        "deadline": one.deadline,
        "answered_at": one.answered_at,
        "answered_by": one.answered_by,
        "reason": one.reason,
    }


def park_dict(one: Park, now: int) -> dict[str, Any]:
    """A provider that refused; ``parked`` is False once its time is over and starts are only spread out."""
    return {
        "provider": one.provider,
        "parked": one.until > now,
        "kind": one.kind,
        "reason": one.reason,
        "strikes": one.strikes,
        "parked_at": one.parked_at,
        "until": one.until,
    }


def permissions(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """What waits for a person; with ``all`` also what was answered."""
    found = ctx.db.read(rows.newest if args["all"] else rows.asked)
    return {"permissions": [permission_dict(one) for one in found]}


def allow(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """This tool, with this input, this once. Raises NotFound FLT-TRN-001, Conflict FLT-TRN-004."""
    return _answer(ctx, principal, args, PermissionState.ALLOWED)


def deny(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Not this; the reason is told to the model. Raises as ``allow``."""
    return _answer(ctx, principal, args, PermissionState.DENIED)


def _answer(ctx: Context, principal: Principal, args: dict[str, Any], state: PermissionState) -> dict[str, Any]:
    def transaction(tx: Tx) -> dict[str, Any]:
        asked = rows.get(tx, args["id"])
        if not rows.answer(tx, asked.id, state, by=str(principal), reason=args["reason"]):
            text = f"this question is {asked.state} already"
            raise Conflict("FLT-TRN-004", text, where=asked.id, hint="fleet permission list --all")
        sessions.hear(tx, asked.session, SessionState.WORKING)
        run = runs.get(tx, asked.run_id)
        journal.append(
            tx,
            Draft(
                Stream.DECISION,
                "permission.answered",
                str(principal),
                subject=f"run/{run.id}",
                work_item=run.work_item,
                agent=run.agent,
                run_id=run.id,
                cause_id=run.event_id,
                dedup_key=f"permission.answered:{asked.id}",
                summary=f"{asked.agent} {'may' if state is PermissionState.ALLOWED else 'may not'} use {asked.tool}",
                payload={"permission": asked.id, "tool": asked.tool, "input": asked.input, "answer": str(state),
                         "reason": args["reason"]},
            ),
        )  # fmt: skip
        return {"permission": permission_dict(rows.get(tx, asked.id))}

    return ctx.db.write(transaction)


def providers(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Providers that refused and did not answer since."""
    return ctx.db.read(lambda tx: {"providers": [park_dict(one, tx.now) for one in parks.all_(tx)]})


def release(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Let sessions start at a provider again now. Raises NotFound FLT-TRN-005."""

    def transaction(tx: Tx) -> dict[str, Any]:
        known = parks.get(tx, args["name"])
        if known is None:
            raise NotFound("FLT-TRN-005", "nothing is on record about this provider", where=args["name"])
        parks.clear(tx, known.provider)
        journal.append(
            tx,
            Draft(
                Stream.DECISION,
                "provider.released",
                str(principal),
                subject="fleet",
                summary=f"sessions start at {known.provider} again",
                payload={"provider": known.provider, "kind": known.kind, "reason": args["reason"]},
            ),
        )
        return {"provider": park_dict(known, tx.now)}

    return ctx.db.write(transaction)


HANDLERS: Handlers = {
    "permissions": permissions,
    "permission.allow": allow,
    "permission.deny": deny,
    "providers": providers,
    "provider.release": release,
}
