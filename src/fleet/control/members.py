"""Who is meant by a call about agents, and the verbs that hold one back, let it go on, and show how it stands."""

from __future__ import annotations

from typing import Any

from fleet.config.model import AgentConfig
from fleet.config.validate import nearest
from fleet.control import shapes
from fleet.control.budgets import KEYS
from fleet.control.context import Context, Handlers
from fleet.control.queries import agent_dicts
from fleet.core.agent import AgentState
from fleet.core.errors import BudgetRefused, Conflict, NotFound, UsageError
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.core.work import DeliveryState, Run, RunState
from fleet.dispatch.plan import AGENT_PAUSED
from fleet.store import agents as agent_rows
from fleet.store import deliveries, journal, runs
from fleet.store.agents import AgentRow
from fleet.store.db import Tx

_LAST_RUNS = 10
_OPEN = frozenset({DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.HELD})


def chosen(ctx: Context, tx: Tx, args: dict[str, Any]) -> list[str]:
    """The agents a call is about, by name: the named one, a team's, or all that are not retired.

    Raises UsageError FLT-AGT-102 unless exactly one way is used, NotFound FLT-AGT-001 with the nearest name,
    FLT-AGT-103 for an unknown team.
    """
    ways = [bool(args["name"]), bool(args["team"]), args["all"]]
    if sum(ways) != 1:
        raise UsageError("FLT-AGT-102", "exactly one of an agent's name, --team and --all is needed")
    rows = agent_rows.every(tx)
    if args["name"]:
        return [known(rows, args["name"]).name]
    if args["team"]:
        return team_members(ctx, args["team"])
    return [row.name for row in rows if row.state is not AgentState.RETIRED]


def known(rows: list[AgentRow], name: str) -> AgentRow:
    """The row of this name. Raises NotFound FLT-AGT-001, with the nearest name."""
    for row in rows:
        if row.name == name:
            return row
    hint = nearest(name, [row.name for row in rows]) or "fleet agent list shows the names"
    raise NotFound("FLT-AGT-001", "no such agent", where=name, hint=hint)


def team_members(ctx: Context, name: str) -> list[str]:
    """The agents of a team, by name. Raises NotFound FLT-AGT-103."""
    teams = ctx.loaded.config.teams
    team = next((team for team in teams if team.name == name), None)
    if team is None:
        hint = nearest(name, [team.name for team in teams]) or "fleet team list shows the names"
        raise NotFound("FLT-AGT-103", "no such team", where=name, hint=hint)
    return sorted(team.agents)


# -- pause and resume ------------------------------------------------------------------------------


def pause(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Let agents start nothing new; with ``stop`` their live runs end too, and that work waits for them.

    A run that is still queued has not started, so it waits as well. Raises what ``chosen`` raises, Conflict
    FLT-AGT-101 when nobody was active.
    """
    why = args["reason"]

    def transaction(tx: Tx) -> dict[str, Any]:
        changed, left = _move(tx, principal, chosen(ctx, tx, args), AgentState.ACTIVE, AgentState.PAUSED, why)
        stopping = []
        for run in runs.live(tx):
            if run.agent in changed and (args["stop"] or run.state is RunState.QUEUED):
                reason = f"{AGENT_PAUSED} by {principal}: {why}"
                stopping += [run.id] if runs.ask_cancel(tx, run.id, reason) else []
        return {"agents": changed, "state": str(AgentState.PAUSED), "unchanged": left, "stopping": stopping}

    return ctx.db.write(transaction)


def resume(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Let paused agents start again; what waited for them is judged at once.

    Raises what ``chosen`` raises, Conflict FLT-AGT-101 when nobody was paused, BudgetRefused FLT-AGT-104 for
    one agent that is quarantined.
    """

    def transaction(tx: Tx) -> dict[str, Any]:
        names = chosen(ctx, tx, args)
        changed, left = _move(tx, principal, names, AgentState.PAUSED, AgentState.ACTIVE, args["reason"])
        return {"agents": changed, "state": str(AgentState.ACTIVE), "unchanged": left, "stopping": []}

    return ctx.db.write(transaction)


def _move(
    tx: Tx, principal: Principal, names: list[str], old: AgentState, new: AgentState, why: str
) -> tuple[list[str], list[dict[str, str]]]:
    """Compare-and-set each agent's state, with its entry; the changed ones, and the others as they are."""
    changed: list[str] = []
    left: list[dict[str, str]] = []
    word = "paused" if new is AgentState.PAUSED else "resumed"
    for name in names:
        summary = f"{name} was {word} by {principal}" + (f": {why}" if why else "")
        reason = summary if new is AgentState.PAUSED else ""
        if not agent_rows.move(tx, name, expected=old, state=new, reason=reason):
            row = agent_rows.get(tx, name)
            left.append({"agent": name, "state": str(row.state), "reason": row.reason})
            continue
        changed.append(name)
        draft = Draft(
            Stream.DECISION,
            "agent.state_changed",
            str(principal),
            subject=f"agent/{name}",
            agent=name,
            summary=summary,
            payload={"agent": name, "state": str(new), "before": str(old), "reason": why},
        )
        journal.append(tx, draft)
    if not changed:
        raise _nobody(left, old)
    return changed, left


def _nobody(left: list[dict[str, str]], wanted: AgentState) -> Conflict | BudgetRefused:
    """Why no agent changed its state."""
    if len(left) != 1:
        return Conflict(
            "FLT-AGT-101", f"none of these agents is {wanted}", where=", ".join(one["agent"] for one in left)
        )
    name, state, reason = left[0]["agent"], left[0]["state"], left[0]["reason"]
    if state == AgentState.QUARANTINED and wanted is AgentState.PAUSED:
        return BudgetRefused("FLT-AGT-104", f"{name} is quarantined, not paused", where=name, hint=reason)
    return Conflict("FLT-AGT-101", f"{name} is {state}, not {wanted}", where=name, hint=reason)


# -- looking ---------------------------------------------------------------------------------------


def show(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """One agent: how it is configured, what it has used, its last runs, what waits, and why it is idle.

    Raises NotFound FLT-AGT-001.
    """
    name = args["name"]

    def read(tx: Tx) -> dict[str, Any]:
        row = known(agent_rows.every(tx), name)
        facts = next(one for one in agent_dicts(ctx, tx) if one["name"] == name)
        member = ctx.loaded.config.agent(name)
        waiting = [one for one in deliveries.for_agent(tx, name, limit=200) if one.state in _OPEN]
        live = [run for run in runs.live(tx) if run.agent == name]
        return {
            "agent": {**facts, **_configured(ctx, member)},
            "budget": budget_dict(facts),
            "runs": [shapes.run_dict(run, tx.now) for run in runs.recent(tx, agent=name, limit=_LAST_RUNS)],
            "waiting": [shapes.delivery_dict(one) for one in waiting],
            "idle": _idle(ctx, row, member, budget_dict(facts), live, [one.reason for one in waiting]),
        }

    return ctx.db.read(read)


def _configured(ctx: Context, member: AgentConfig | None) -> dict[str, Any]:
    """What the configuration says about a member, beside what every list shows."""
    if member is None:
        return {}
    choice = ctx.loaded.model_of(member)
    return {
        "department": department_of(ctx, member),
        "reports_to": member.reports_to,
        "model": member.model,
        "model_used": {"model": choice.model, "asked": choice.asked, "because": list(choice.because)},
        "timeout_seconds": member.timeout_seconds,
        "publishes": list(member.publishes),
        "may_start": list(member.may_start),
        "teams": [team.name for team in ctx.loaded.config.teams if member.name in team.agents],
    }


def department_of(ctx: Context, member: AgentConfig) -> str:
    """Where a member stands: as its configuration says, else as its role does."""
    role = ctx.loaded.roles.get(member.role)
    return member.department or (role.department if role is not None else "")


def _idle(
    ctx: Context,
    row: AgentRow,
    member: AgentConfig | None,
    budget: dict[str, Any],
    live: list[Run],
    waiting: list[str],
) -> list[str]:
    """Why an agent does nothing right now; empty while it is at work."""
    if live:
        return []
    if member is None:
        return ["it is not in .fleet/config.yaml"]
    found = [] if member.enabled else ["it is switched off in .fleet/config.yaml (enabled: false)"]
    if row.state is not AgentState.ACTIVE:
        found.append(row.reason or f"it is {row.state}")
    if budget["left_seconds"] is not None and budget["left_seconds"] < 1:
        again = f"; it goes on at {budget['until']}" if budget["until"] else ""
        found.append(f"its budget is exhausted{again} (fleet budget grant {row.name} SECONDS --reason TEXT)")
    if ctx.switch.halted:
        found.append("the fleet is halted; a person resumes it: fleet resume")
    if ctx.switch.paused:
        found.append("the fleet is going down")
    if not member.subscribes_to:
        found.append("it subscribes to nothing: it is started by hand only")
    own = row.reason if row.state is not AgentState.ACTIVE else ""
    found += [f"waits: {one}" for one in dict.fromkeys(waiting) if one and not (own and own in one)]
    return found or ["nothing waits for it"]


def budget(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Run time of one agent or of all: runs, seconds used and promised, ceiling, what is left.

    Raises NotFound FLT-AGT-001.
    """

    def read(tx: Tx) -> list[dict[str, Any]]:
        if args["name"]:
            known(agent_rows.every(tx), args["name"])
        return [budget_dict(one) for one in agent_dicts(ctx, tx) if args["name"] in ("", one["name"])]

    return {"agents": ctx.db.read(read)}


def budget_dict(facts: dict[str, Any]) -> dict[str, Any]:
    """The part of an agent's record that is about its run time; ``left_seconds`` is None without a ceiling."""
    return {key: facts[key] for key in ("name", *KEYS)}


HANDLERS: Handlers = {
    "agent.pause": pause,
    "agent.resume": resume,
    "agent.show": show,
    "agent.budget": budget,
}
