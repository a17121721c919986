"""Verbs about what lies on the disk: what may go and why the rest stays, and clearing it away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleet.control.context import Context, Handlers
from fleet.core.principal import Principal
from fleet.keeping.choose import Choice
from fleet.keeping.collect import collect, plan

_MOST = 500  # things in one call
_SECONDS = 60.0  # of one call, about


def gc_plan(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Everything that could go one day, with what becomes of it now. Changes nothing."""
    return _plan(plan(ctx.db, ctx.paths, ctx.loaded.config))


def gc_run(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Remove what may go, for about a minute; ``left`` is how many things wait for the next call."""
    found = collect(
        ctx.db, ctx.paths, ctx.loaded.config, actor=str(principal), most=_MOST, seconds=_SECONDS,
        stop=lambda: ctx.switch.paused,
    )  # fmt: skip
    kept = [one.choice.as_dict() | {"goes": False, "why": one.why} for one in found.done if not one.removed]
    removed = [one.choice.as_dict() for one in found.done if one.removed]
    stays = [choice.as_dict() for choice in found.choices if not choice.goes]
    return {"removed": removed, "kept": [*kept, *stays], "bytes": found.freed, "left": found.left}


def _plan(choices: Iterable[Choice]) -> dict[str, Any]:
    goes = [choice.as_dict() for choice in choices if choice.goes]
    kept = [choice.as_dict() for choice in choices if not choice.goes]
    return {"goes": goes, "kept": kept, "bytes": sum(choice.thing.size for choice in choices if choice.goes)}


HANDLERS: Handlers = {
    "gc.plan": gc_plan,
    "gc.run": gc_run,
}
