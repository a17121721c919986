"""What agents' terminals show: the newest one, several in a row, and the way in. Other people's text, as it is."""

from __future__ import annotations

from typing import Any

from fleet.control import shapes
from fleet.control.context import Context, Handlers
from fleet.control.members import known
from fleet.core.errors import NotFound
from fleet.core.principal import Principal
from fleet.core.work import Run
from fleet.store import agents as agent_rows
from fleet.store import runs
from fleet.store.db import Tx

_MOST_RUNS = 20


def output(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """What the terminal of an agent's newest run shows, or showed at its end. Raises NotFound FLT-CTL-010."""
    run = _newest_run(ctx, args["name"])
    text = ctx.runtime.output(ctx.session_ref(run), lines=args["lines"])
    return {"agent": args["name"], "run": run.id, "state": str(run.state), "output": text}


def attach(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The command that attaches to an agent's session. Raises NotFound FLT-CTL-010 or FLT-RTM-002."""
    run = _newest_run(ctx, args["name"])
    return {"agent": args["name"], "run": run.id, "argv": list(ctx.runtime.attach_argv(ctx.session_ref(run)))}


def logs(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The last lines of an agent's runs, oldest first: at most 20 runs and so many lines in all.

    ``more`` says that a run has lines, or the agent runs, before these. Raises NotFound FLT-AGT-001, and
    FLT-AGT-105 for a run that is not this agent's.
    """
    name, wanted, left = args["name"], args["run"], args["lines"]

    def read(tx: Tx) -> tuple[list[Run], int]:
        known(agent_rows.every(tx), name)
        return [_run_of(tx, name, wanted)] if wanted else runs.recent(tx, agent=name, limit=_MOST_RUNS), tx.now

    newest, now = ctx.db.read(read)
    found: list[dict[str, Any]] = []
    for run in newest:
        if left <= 0 and found:
            break
        lines = _lines(ctx, run, left + 1)
        found.append({**shapes.run_dict(run, now), "lines": lines[-left:], "more": len(lines) > left})
        left -= len(found[-1]["lines"])
    return {"agent": name, "runs": found[::-1], "more": len(found) < len(newest)}


def _run_of(tx: Tx, name: str, run_id: str) -> Run:
    try:
        run = runs.get(tx, run_id)
    except NotFound:
        run = None
    if run is None or run.agent != name:
        raise NotFound("FLT-AGT-105", f"{name} has no such run", where=run_id, hint="fleet ps --all lists them")
    return run


def _lines(ctx: Context, run: Run, most: int) -> list[str]:
    """The last lines of one run's terminal, without the empty rest of its screen."""
    if not run.epoch:
        return []
    shown = ctx.runtime.output(ctx.session_ref(run), lines=most).rstrip("\n")
    return shown.split("\n") if shown else []


def _newest_run(ctx: Context, name: str) -> Run:
    """The live run of an agent, else its last one."""

    def find(tx: Tx) -> Run | None:
        known(agent_rows.every(tx), name)
        live = [run for run in runs.live(tx) if run.agent == name and run.epoch]
        return live[-1] if live else next(iter(runs.recent(tx, agent=name, limit=1)), None)

    run = ctx.db.read(find)
    if run is None or not run.epoch:
        raise NotFound("FLT-CTL-010", f"{name} has not run yet", where=name)
    return run


HANDLERS: Handlers = {
    "agent.output": output,
    "agent.attach": attach,
    "agent.logs": logs,
}
