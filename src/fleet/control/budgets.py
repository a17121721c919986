"""Budgets as people see them: what is used, promised and left of each, and more of it where a person says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleet.config.model import FleetConfig
from fleet.config.validate import nearest
from fleet.control.context import Context, Handlers
from fleet.core.errors import BudgetRefused, Conflict, NotFound
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.core.work import Delivery, DeliveryState
from fleet.dispatch.budgets import agent_limit, fleet_limit, ticket_limit
from fleet.policy.budget import SMALLEST_ALLOWANCE, exhausted, label, used_up
from fleet.policy.facts import Limit
from fleet.store import agents as agent_rows
from fleet.store import budgets, journal
from fleet.store.budgets import Use
from fleet.store.db import Tx

_TICKETS_SHOWN = 20
_GRANTS_SHOWN = 20
KEYS = (
    "runs", "used_seconds", "reserved_seconds", "budget_seconds", "granted_seconds", "window", "until", "left_seconds",
    "used_percent", "counts_with",
)  # fmt: skip


def agent_budget(tx: Tx, name: str, config: FleetConfig) -> dict[str, Any]:
    """The run time of an agent in its window; without a budget, ever. ``counts_with``: whose place it took."""
    names = budgets.account_names(tx, name)
    limit = _limit_of(tx, config, "agent", name)
    use = budgets.of_agents(tx, names, limit.since if limit is not None else 0)
    return {**_facts(limit, use), "counts_with": [other for other in names if other != name]}


def _facts(limit: Limit | None, use: Use) -> dict[str, Any]:
    """What is known of a budget; ceiling, left and percent are None where there is none."""
    return {
        "runs": use.runs,
        "used_seconds": round(use.spent, 3),
        "reserved_seconds": round(use.reserved, 3),
        "budget_seconds": round(limit.ceiling or 0) if limit is not None else None,
        "granted_seconds": round(limit.granted) if limit is not None else 0,
        "window": limit.window if limit is not None else "lifetime",
        "until": limit.until if limit is not None else "",
        "left_seconds": round(limit.left, 3) if limit is not None else None,
        "used_percent": round(100 * use.spent / limit.total, 1) if limit is not None else None,
    }


def limits_around(tx: Tx, ctx: Context, agent: str, work_item: str) -> list[Limit]:
    """Every budget that a start of this agent on this work has to fit into; "" leaves one out."""
    config = ctx.loaded.config
    own = _limit_of(tx, config, "agent", agent)
    found = (own, ticket_limit(tx, work_item, config), fleet_limit(tx, config))
    return [limit for limit in found if limit is not None]


def budget_line(limit: Limit) -> str:
    """A budget in one sentence."""
    granted = f" and {limit.granted:g} s granted" if limit.granted else ""
    window = "" if limit.window == "lifetime" else f" each {limit.window}, until {limit.until}"
    title = f"The budget of {limit.title} is {limit.ceiling:g} s{granted}{window}"
    return f"{title}: {limit.spent:.0f} s used, {limit.reserved:.0f} s promised to live runs, {limit.left:.0f} s left."


def holding(ctx: Context, work: Iterable[Delivery]) -> list[str]:
    """The budgets, in one sentence each, that hold some of these deliveries back."""

    def read(tx: Tx) -> list[str]:
        found = [
            limit
            for one in work
            if one.state is DeliveryState.HELD
            for limit in limits_around(tx, ctx, one.agent, one.work_item)
            if used_up(limit) or limit.left < SMALLEST_ALLOWANCE
        ]
        return list(dict.fromkeys(map(budget_line, found)))

    return ctx.db.read(read)


def require_seconds(tx: Tx, ctx: Context, agent: str, work_item: str) -> None:
    """Refuse to ask for a start that would only wait. Raises BudgetRefused FLT-BUD-001."""
    for limit in limits_around(tx, ctx, agent, work_item):
        if used_up(limit):
            raise BudgetRefused("FLT-BUD-001", exhausted(limit), where=label(limit))


# -- verbs -----------------------------------------------------------------------------------------


def listed(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Every budget: the fleet's, each agent's, each ticket's that something ran on lately; and the newest grants."""
    config = ctx.loaded.config

    def read(tx: Tx) -> dict[str, Any]:
        found: list[tuple[Limit | None, Use]] = [(fleet_limit(tx, config), budgets.NOTHING)]
        if config.budgets.ticket_seconds is not None:
            items = budgets.tickets_with_runs(tx, limit=_TICKETS_SHOWN)
            found += [(ticket_limit(tx, item, config), budgets.NOTHING) for item in items]
        shared = [_row(tx, limit) for limit, _ in found if limit is not None]
        own = [{"budget": f"agent/{row.name}", **agent_budget(tx, row.name, config)} for row in agent_rows.every(tx)]
        grants = [
            {
                "budget": _label(one.scope, one.name),
                "seconds": one.seconds,
                "by": one.actor,
                "reason": one.reason,
                "at": one.at,
            }
            for one in budgets.grants(tx, limit=_GRANTS_SHOWN)
        ]
        return {"budgets": [*shared, *own], "grants": grants, "warn_percent": config.budgets.warn_percent}

    return ctx.db.read(read)


def _row(tx: Tx, limit: Limit) -> dict[str, Any]:
    """A budget that several agents share."""
    use = budgets.of_fleet(tx, limit.since) if limit.scope == "fleet" else budgets.of_work_item(tx, limit.name, 0)
    return {"budget": label(limit), **_facts(limit, use), "counts_with": []}


def _label(scope: str, name: str) -> str:
    return f"agent/{name}" if scope == "agent" else name or "fleet"


def grant(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Give seconds on top of a budget, in its present window. A live run keeps what it was given.

    Raises NotFound FLT-BUD-002 for a target that is not there, Conflict FLT-BUD-003 for one without a budget.
    """
    target, seconds, reason = args["target"], args["seconds"], args["reason"]

    def transaction(tx: Tx) -> dict[str, Any]:
        scope, name = _target(tx, ctx, target)
        limit = _limit_of(tx, ctx.loaded.config, scope, name)
        if limit is None:
            hint = "Nothing holds it back. fleet budget list shows the budgets there are."
            raise Conflict("FLT-BUD-003", f"{_label(scope, name)} has no budget", where=target, hint=hint)
        budgets.grant(tx, scope, name, seconds, actor=str(principal), reason=reason)
        whose = _label(scope, name)
        draft = Draft(
            Stream.DECISION,
            "budget.granted",
            str(principal),
            subject=whose if "/" in whose else "",
            work_item=name if scope == "ticket" else "",
            agent=name if scope == "agent" else "",
            summary=f"{principal} granted {seconds} s to the budget of {limit.title}: {reason}",
            payload={"budget": whose, "seconds": seconds, "reason": reason, "window": limit.window},
        )
        journal.append(tx, draft)
        after = _limit_of(tx, ctx.loaded.config, scope, name)
        assert after is not None
        return {"granted_seconds": seconds, "reason": reason, **_row_of(tx, after)}

    return ctx.db.write(transaction)


def _row_of(tx: Tx, limit: Limit) -> dict[str, Any]:
    if limit.scope != "agent":
        return _row(tx, limit)
    use = budgets.of_agents(tx, budgets.account_names(tx, limit.name), limit.since)
    return {"budget": label(limit), **_facts(limit, use), "counts_with": []}


def _target(tx: Tx, ctx: Context, target: str) -> tuple[str, str]:
    """Scope and name of what a person typed. An agent may be called fleet: agent/fleet is meant then."""
    if target == "fleet":
        return "fleet", ""
    if target.startswith("ticket/"):
        ctx.forge.ticket(int(target.removeprefix("ticket/")))
        return "ticket", target
    name = target.removeprefix("agent/")
    names = [row.name for row in agent_rows.every(tx)]
    if name not in names:
        hint = nearest(name, names) or "An agent's name, ticket/N, or fleet."
        raise NotFound("FLT-BUD-002", "no agent, ticket or fleet of this name", where=target, hint=hint)
    return "agent", name


def _limit_of(tx: Tx, config: FleetConfig, scope: str, name: str) -> Limit | None:
    if scope == "fleet":
        return fleet_limit(tx, config)
    if scope == "ticket":
        return ticket_limit(tx, name, config)
    member = config.agent(name)
    return agent_limit(tx, member, config) if member is not None else None


HANDLERS: Handlers = {
    "budgets": listed,
    "budget.grant": grant,
}
