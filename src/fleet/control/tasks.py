"""Verbs about tasks: the list, claims under a lease, and how they end."""

from __future__ import annotations

from typing import Any

from fleet.control import shapes
from fleet.control.context import Context, Handlers, still_alive
from fleet.control.publish import may_publish
from fleet.core.board import TaskState
from fleet.core.principal import Principal
from fleet.fabric import claims
from fleet.store import tasks
from fleet.store.db import Tx


def listed(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Open and claimed tasks, or those in one state; with ``mine`` only what the caller holds or did."""
    state = TaskState(args["state"]) if args["state"] else None
    holder = str(principal) if args["mine"] else ""

    def read(tx: Tx) -> list[dict[str, Any]]:
        found = tasks.select(tx, state=state, holder=holder, limit=args["limit"])
        return [shapes.task_dict(task, tx.now) for task in found]

    return {"tasks": ctx.db.read(read)}


def claim(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Take a task; the token is in this answer and nowhere else.

    Raises NotFound FLT-FAB-100, Conflict FLT-FAB-102 or FLT-FAB-103, Refused FLT-AUT-015 for a role that does
    not claim.
    """
    may_publish(ctx, principal, "claim")

    def take(tx: Tx) -> dict[str, Any]:
        still_alive(tx, principal)
        won = claims.claim(tx, args["task"], principal, seconds=_lease(ctx, args))
        return {"task": shapes.task_dict(won.task, tx.now), "token": won.token}

    return ctx.db.write(take)


def renew(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Hold a task longer. Raises NotFound FLT-FAB-100, Conflict FLT-FAB-104 for a lost claim."""

    def longer(tx: Tx) -> dict[str, Any]:
        still_alive(tx, principal)
        seconds = _lease(ctx, args)
        return {
            "task": shapes.task_dict(claims.renew(tx, args["task"], principal, args["token"], seconds=seconds), tx.now)
        }

    return ctx.db.write(longer)


def release(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Give a task back. Raises NotFound FLT-FAB-100, Conflict FLT-FAB-104 for a lost claim."""

    def give_back(tx: Tx) -> dict[str, Any]:
        still_alive(tx, principal)
        task = claims.release(tx, args["task"], principal, args["token"], reason=args["reason"])
        return {"task": shapes.task_dict(task, tx.now)}

    return ctx.db.write(give_back)


def complete(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """A claimed task is done. Raises NotFound FLT-FAB-100, Conflict FLT-FAB-104 for a lost claim."""

    def done(tx: Tx) -> dict[str, Any]:
        still_alive(tx, principal)
        task = claims.complete(tx, args["task"], principal, args["token"], outcome=args["summary"])
        return {"task": shapes.task_dict(task, tx.now)}

    return ctx.db.write(done)


def withdraw(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Take a task off the list. Raises NotFound FLT-FAB-100, Conflict FLT-FAB-103, Refused FLT-FAB-105."""

    def off(tx: Tx) -> dict[str, Any]:
        still_alive(tx, principal)
        return {"task": shapes.task_dict(claims.withdraw(tx, args["task"], principal, reason=args["reason"]), tx.now)}

    return ctx.db.write(off)


def _lease(ctx: Context, args: dict[str, Any]) -> int:
    """Seconds of the lease: what was asked for, else what the configuration says."""
    return int(args["seconds"] or ctx.loaded.config.fabric.lease_seconds)


HANDLERS: Handlers = {
    "fabric.tasks": listed,
    "fabric.claim": claim,
    "fabric.renew": renew,
    "fabric.release": release,
    "fabric.complete": complete,
    "fabric.withdraw": withdraw,
}
