"""How much is left of every budget that a start has to fit into, gathered from one snapshot of the store."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.config.model import AgentConfig, BudgetConfig, FleetConfig
from fleet.config.windows import ALL_TIME, Window, window_of
from fleet.policy.facts import BudgetFacts, Limit
from fleet.policy.under import budget_under, limit_under
from fleet.store import budgets, runs
from fleet.store.budgets import Use
from fleet.store.db import Tx


def budget_facts(tx: Tx, agent: str, work_item: str, config: FleetConfig) -> BudgetFacts:
    """What bounds a start of this agent on this work. A budget that is not set is seen as well, but for the fleet's."""
    member = config.agent(agent)
    seen = [_of_agent(tx, agent, member.budget_seconds if member is not None else None)]
    if work_item:
        seen.append(_of_ticket(tx, work_item))
    if config.budgets.fleet_seconds is not None:
        seen.append(_of_fleet(tx, config.budgets.fleet_seconds))
    return budget_under(BudgetFacts(1.0, tuple(seen)), agent, _live(tx, agent), config)


def agent_limit(tx: Tx, member: AgentConfig, config: FleetConfig) -> Limit | None:
    """The seconds of an agent, those of the agents whose place it took included; None without a budget."""
    if member.budget_seconds is None:
        return None
    seen = _of_agent(tx, member.name, member.budget_seconds)
    return limit_under(seen, member.name, _live(tx, member.name), config)


def ticket_limit(tx: Tx, work_item: str, config: FleetConfig) -> Limit | None:
    """The seconds of all agents together on a piece of work; None without a budget."""
    if config.budgets.ticket_seconds is None or not work_item:
        return None
    return limit_under(_of_ticket(tx, work_item), "", 0, config)


def fleet_limit(tx: Tx, config: FleetConfig) -> Limit | None:
    """The seconds of the whole fleet; None without a budget."""
    budget = config.budgets.fleet_seconds
    return limit_under(_of_fleet(tx, budget), "", 0, config) if budget is not None else None


def _live(tx: Tx, agent: str) -> int:
    return sum(run.agent == agent for run in runs.live(tx))


def _of_agent(tx: Tx, name: str, budget: BudgetConfig | None) -> Limit:
    window = window_of(budget, tx.now) if budget is not None else ALL_TIME
    names = budgets.account_names(tx, name)
    return _seen(tx, "agent", name, names, budgets.of_agents(tx, names, window.start), window, budget)


def _of_ticket(tx: Tx, work_item: str) -> Limit:
    return _seen(tx, "ticket", work_item, (work_item,), budgets.of_work_item(tx, work_item, 0), ALL_TIME, None)


def _of_fleet(tx: Tx, budget: BudgetConfig) -> Limit:
    window = window_of(budget, tx.now)
    return _seen(tx, "fleet", "", ("",), budgets.of_fleet(tx, window.start), window, budget)


def _seen(
    tx: Tx, scope: str, name: str, names: Sequence[str], use: Use, window: Window, budget: BudgetConfig | None
) -> Limit:
    """A budget before the configuration says how large it is."""
    return Limit(
        scope=scope,
        name=name,
        ceiling=None,
        granted=float(budgets.granted(tx, scope, names, window.start)),
        spent=use.spent,
        reserved=use.reserved,
        window=budget.window if budget is not None else "lifetime",
        until=window.until,
        since=window.start,
    )
