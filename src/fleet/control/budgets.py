"""Budgets as people see them: what is used, promised and left of each, and more of it where a person says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleet.config.model import FleetConfig
from fleet.config.prices import version
from fleet.config.validate import nearest
from fleet.control.context import Context, Handlers
from fleet.core.errors import BudgetRefused, Conflict, NotFound, UsageError
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.core.work import Delivery, DeliveryState
from fleet.dispatch.budgets import agent_limit, fleet_limit, ticket_limit
from fleet.policy.budget import SMALLEST_ALLOWANCE, amount, exhausted, label, unknown, used_up
from fleet.policy.ceilings import METERED, UNITS, ceiling_of
from fleet.policy.facts import Limit
from fleet.store import agents as agent_rows
from fleet.store import budgets, journal, usage
from fleet.store.budgets import Use
from fleet.store.db import Tx

_TICKETS_SHOWN = 20
_GRANTS_SHOWN = 20
KEYS = (
    "runs", "used_seconds", "reserved_seconds", "budget_seconds", "granted_seconds", "window", "until", "left_seconds",
    "used_percent", "counts_with", "tokens", "usd_micros", "unpriced_answers",
)  # fmt: skip
_PAYLOAD = {"seconds": "seconds", "tokens": "tokens", "usd": "micros"}  # a unit's name in calls and entries
_NO_BUDGET = "Nothing holds it back. fleet budget list shows the budgets there are."


def agent_budget(tx: Tx, name: str, config: FleetConfig) -> dict[str, Any]:
    """What an agent used in the window of each budget; without one, ever. ``counts_with``: whose place it took."""
    names = budgets.account_names(tx, name)
    limit = _limit_of(tx, config, "agent", name)
    use = budgets.of_agents(tx, names, limit.since if limit is not None else 0)
    metered = {unit: _limit_of(tx, config, "agent", name, unit) for unit in METERED}
    used = {unit: budgets.of_agents(tx, names, one.since if one is not None else 0) for unit, one in metered.items()}
    return {
        **_facts(limit, use),
        "counts_with": [other for other in names if other != name],
        **_metered_facts(metered, used),
    }


def _metered_facts(limits: Mapping[str, Limit | None], used: Mapping[str, Use]) -> dict[str, Any]:
    """Tokens, and money in millionths of a dollar. What has no price is counted apart: it is unknown, not nothing."""
    found: dict[str, Any] = {}
    for unit, limit in limits.items():
        total = limit.total if limit is not None else None
        spent = used[unit].of(unit)
        found["tokens" if unit == "tokens" else "usd_micros"] = {
            "used": spent,
            "budget": round(limit.ceiling or 0) if limit is not None else None,
            "granted": round(limit.granted) if limit is not None else 0,
            "left": round(limit.left) if limit is not None else None,
            "used_percent": round(100 * spent / total, 1) if total else None,
            "window": limit.window if limit is not None else "lifetime",
            "until": limit.until if limit is not None else "",
        }
    return {**found, "unpriced_answers": used["usd"].unpriced}


def _facts(limit: Limit | None, use: Use) -> dict[str, Any]:
    """What is known of a budget of seconds; ceiling, left and percent are None where there is none."""
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
    config, found = ctx.loaded.config, []
    member = config.agent(agent)
    for unit in UNITS if member is None or not member.unmetered else UNITS[:1]:
        found.append(_limit_of(tx, config, "agent", agent, unit))
        found += [ticket_limit(tx, work_item, config, unit), fleet_limit(tx, config, unit)]
    return [limit for limit in found if limit is not None]


def budget_line(limit: Limit) -> str:
    """A budget in one sentence."""
    granted = f" and {amount(limit.granted, limit.unit)} granted" if limit.granted else ""
    window = "" if limit.window == "lifetime" else f" each {limit.window}, until {limit.until}"
    title = f"The budget of {limit.title} is {amount(limit.ceiling or 0, limit.unit)}{granted}{window}"
    if limit.unit != "seconds":
        lacks = f"; {limit.unpriced} answers more have no price, so what is left is unknown" if unknown(limit) else ""
        return f"{title}: {amount(limit.spent, limit.unit)} used, {amount(limit.left, limit.unit)} left{lacks}."
    return f"{title}: {limit.spent:.0f} s used, {limit.reserved:.0f} s promised to live runs, {limit.left:.0f} s left."


def holding(ctx: Context, work: Iterable[Delivery]) -> list[str]:
    """The budgets, in one sentence each, that hold some of these deliveries back."""

    def read(tx: Tx) -> list[str]:
        found = [
            limit
            for one in work
            if one.state is DeliveryState.HELD
            for limit in limits_around(tx, ctx, one.agent, one.work_item)
            if used_up(limit) or (limit.unit == "seconds" and limit.left < SMALLEST_ALLOWANCE)
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
        shared = [_row(tx, config, "fleet", "")] if _is_bounded(config, "fleet") else []
        if _is_bounded(config, "ticket"):
            items = budgets.tickets_with_runs(tx, limit=_TICKETS_SHOWN)
            shared += [_row(tx, config, "ticket", item) for item in items]
        own = [{"budget": f"agent/{row.name}", **agent_budget(tx, row.name, config)} for row in agent_rows.every(tx)]
        grants = [
            {
                "budget": _label(one.scope, one.name),
                "unit": one.unit,
                "amount": one.amount,
                "by": one.actor,
                "reason": one.reason,
                "at": one.at,
            }
            for one in budgets.grants(tx, limit=_GRANTS_SHOWN)
        ]
        lacking = [{"backend": backend, "model": model} for backend, model in usage.unpriced(tx)]
        return {
            "budgets": [*shared, *own],
            "grants": grants,
            "warn_percent": config.budgets.warn_percent,
            "unpriced": lacking,
            "price_table": version(),
        }

    return ctx.db.read(read)


def _is_bounded(config: FleetConfig, scope: str) -> bool:
    return any(ceiling_of(config, "", scope, unit) is not None for unit in UNITS)


def _row(tx: Tx, config: FleetConfig, scope: str, name: str) -> dict[str, Any]:
    """A budget that several agents share."""

    def use(limit: Limit | None) -> Use:
        since = limit.since if limit is not None else 0
        return budgets.of_fleet(tx, since) if scope == "fleet" else budgets.of_work_item(tx, name, 0)

    limits = {unit: _limit_of(tx, config, scope, name, unit) for unit in UNITS}
    timed = limits.pop("seconds")
    return {
        "budget": _label(scope, name),
        **_facts(timed, use(timed)),
        "counts_with": [],
        **_metered_facts(limits, {unit: use(limit) for unit, limit in limits.items()}),
    }


def _label(scope: str, name: str) -> str:
    return f"agent/{name}" if scope == "agent" else name or "fleet"


def grant(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Give seconds, tokens or millionths of a dollar on top of a budget, in its present window.

    A live run keeps the seconds it was given; tokens and money it may use at once. Raises UsageError FLT-BUD-004 unless
    exactly one amount is given, NotFound FLT-BUD-002 for a target that is not there, Conflict FLT-BUD-003 for one
    without such a budget.
    """
    target, reason = args["target"], args["reason"]
    unit, number = _given(args)

    def transaction(tx: Tx) -> dict[str, Any]:
        config = ctx.loaded.config
        scope, name = _target(tx, ctx, target)
        limit = _limit_of(tx, config, scope, name, unit)
        if limit is None:
            what = {"seconds": "budget", "usd": "budget in dollars"}.get(unit, f"budget in {unit}")
            raise Conflict("FLT-BUD-003", f"there is no such {what}", where=_label(scope, name), hint=_NO_BUDGET)
        budgets.grant(tx, scope, name, number, actor=str(principal), reason=reason, unit=unit)
        whose = _label(scope, name)
        draft = Draft(
            Stream.DECISION,
            "budget.granted",
            str(principal),
            subject=whose if "/" in whose else "",
            work_item=name if scope == "ticket" else "",
            agent=name if scope == "agent" else "",
            summary=f"{principal} granted {amount(number, unit)} to the budget of {limit.title}: {reason}",
            payload={"budget": whose, _PAYLOAD[unit]: number, "reason": reason, "window": limit.window},
        )
        journal.append(tx, draft)
        row = _row_of_agent(tx, config, name) if scope == "agent" else _row(tx, config, scope, name)
        return {**row, "granted": {"unit": unit, "amount": number}, "reason": reason}

    return ctx.db.write(transaction)


def _given(args: Mapping[str, Any]) -> tuple[str, int]:
    """Unit and amount of a grant. Raises UsageError FLT-BUD-004."""
    found = [(unit, int(args[key])) for unit, key in _PAYLOAD.items() if args[key]]
    if len(found) != 1:
        raise UsageError("FLT-BUD-004", "a grant is of seconds, tokens or dollars: exactly one of them")
    return found[0]


def _row_of_agent(tx: Tx, config: FleetConfig, name: str) -> dict[str, Any]:
    return {"budget": f"agent/{name}", **agent_budget(tx, name, config)}


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


def _limit_of(tx: Tx, config: FleetConfig, scope: str, name: str, unit: str = "seconds") -> Limit | None:
    if scope == "fleet":
        return fleet_limit(tx, config, unit)
    if scope == "ticket":
        return ticket_limit(tx, name, config, unit)
    member = config.agent(name)
    return agent_limit(tx, member, config, unit) if member is not None else None


HANDLERS: Handlers = {
    "budgets": listed,
    "budget.grant": grant,
}
