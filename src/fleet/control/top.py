"""``top``: what a live view needs, in one cheap read. The processes themselves are looked at by whoever asks."""

from __future__ import annotations

from typing import Any

from fleet.control import shapes
from fleet.control.context import Context, Handlers
from fleet.core.principal import Principal
from fleet.core.work import Run
from fleet.store import deliveries, journal, runs
from fleet.store.db import Tx


def top(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Live runs with the process that holds each, what waits, how far the journal and how busy the writer is."""

    def read(tx: Tx) -> tuple[list[tuple[Run, dict[str, Any]]], dict[str, Any]]:
        live = [(run, {**shapes.run_dict(run, tx.now), "last_entry_at": _last_entry(tx, run)}) for run in runs.live(tx)]
        head, _ = journal.head(tx)
        return live, {"deliveries": deliveries.counts(tx), "journal": {"entries": head}, "now": tx.now}

    live, facts = ctx.db.read(read)
    queue, seconds = ctx.db.load()
    failing = (
        [str(one["name"]) for one in ctx.host.services() if one["failures"] or not one["alive"]] if ctx.host else []
    )
    return {
        "fleet": ctx.paths.fleet_id,
        "runs": [{**found, "pid": _pid(ctx, run)} for run, found in live],
        "writer": {"queue": queue, "commit_ms": round(seconds * 1000, 3)},
        "daemon": {"pid": ctx.host.pid if ctx.host else None, "failing": failing},
        **facts,
    }


def _last_entry(tx: Tx, run: Run) -> int | None:
    """When the journal last heard of a run."""
    found = journal.select(tx, journal.Filter(run_id=run.id), limit=1, newest=True)
    return found[0].at if found else None


def _pid(ctx: Context, run: Run) -> int | None:
    """The shim of a run: the top of its process tree; None before it has answered."""
    return (ctx.runtime.observe(ctx.session_ref(run)).shim_pid or None) if run.epoch else None


HANDLERS: Handlers = {"top": top}
