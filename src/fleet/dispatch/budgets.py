"""How much is left of every budget that a start has to fit into, gathered from one snapshot of the store.

Units are ``seconds``, ``tokens`` and ``usd`` (in millionths of a dollar). A run counts in the window in which it was
queued, in every unit.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.config.budgets import Windowed
from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.windows import ALL_TIME, Window, window_of
from fleet.core.work import Run
from fleet.policy.ceilings import METERED, ceiling_of, meters, windowed
from fleet.policy.facts import BudgetFacts, Limit
from fleet.policy.under import budget_under, limit_under
from fleet.store import budgets, runs
from fleet.store.budgets import Use
from fleet.store.db import Tx


def budget_facts(tx: Tx, agent: str, work_item: str, config: FleetConfig) -> BudgetFacts:
    """What bounds a start of this agent on this work. A budget that is not set is seen as well, but for the fleet's."""
    member = config.agent(agent)
    seen = []
    for unit in _units(config, member):
        seen.append(_of_agent(tx, agent, unit, config))
        if work_item:
            seen.append(_of_ticket(tx, work_item, unit))
        if windowed(config, "", "fleet", unit) is not None:
            seen.append(_of_fleet(tx, unit, config))
    return budget_under(BudgetFacts(1.0, tuple(seen)), agent, _live(tx, agent), config)


def _units(config: FleetConfig, member: AgentConfig | None) -> tuple[str, ...]:
    """The units in which somebody may be bounded: those that are measured where his program reports them."""
    measured = member is not None and (member.vendor == "claude-code" or meters(config, member.name))
    return ("seconds", *METERED) if measured else ("seconds",)


def agent_limit(tx: Tx, member: AgentConfig, config: FleetConfig, unit: str = "seconds") -> Limit | None:
    """What an agent may use, those whose place it took included; None without a budget."""
    if ceiling_of(config, member.name, "agent", unit) is None:
        return None
    seen = _of_agent(tx, member.name, unit, config)
    return limit_under(seen, member.name, _live(tx, member.name), config)


def ticket_limit(tx: Tx, work_item: str, config: FleetConfig, unit: str = "seconds") -> Limit | None:
    """What all agents together may use on a piece of work; None without a budget."""
    if ceiling_of(config, "", "ticket", unit) is None or not work_item:
        return None
    return limit_under(_of_ticket(tx, work_item, unit), "", 0, config)


def fleet_limit(tx: Tx, config: FleetConfig, unit: str = "seconds") -> Limit | None:
    """What the whole fleet may use; None without a budget."""
    if windowed(config, "", "fleet", unit) is None:
        return None
    return limit_under(_of_fleet(tx, unit, config), "", 0, config)


def limits_on_run(tx: Tx, run: Run, config: FleetConfig) -> list[Limit]:
    """What a live run has to keep to in tokens and money: its own bound, its agent's, its ticket's, the fleet's."""
    found = []
    for unit in METERED:
        for seen in _around(tx, run, unit, config):
            limit = limit_under(seen, run.agent, 0, config)
            if limit.ceiling is not None:
                found.append(limit)
    return found


def _around(tx: Tx, run: Run, unit: str, config: FleetConfig) -> list[Limit]:
    """What bounds a run in one unit, before the configuration says how large it is."""
    scopes = {
        one for one in ("run", "agent", "ticket", "fleet") if ceiling_of(config, run.agent, one, unit) is not None
    }
    found = []
    if "run" in scopes:
        use = Use(1, 0.0, 0.0, run.used_tokens, run.used_micros, run.unpriced)
        found.append(_seen(tx, "run", run.agent, (), use, ALL_TIME, unit, "lifetime"))
    if "agent" in scopes:
        found.append(_of_agent(tx, run.agent, unit, config))
    if "ticket" in scopes and run.work_item:
        found.append(_of_ticket(tx, run.work_item, unit))
    if "fleet" in scopes:
        found.append(_of_fleet(tx, unit, config))
    return found


def _live(tx: Tx, agent: str) -> int:
    return sum(run.agent == agent for run in runs.live(tx))


def _of_agent(tx: Tx, name: str, unit: str, config: FleetConfig) -> Limit:
    budget = windowed(config, name, "agent", unit)
    window = _window(budget, tx.now)
    names = budgets.account_names(tx, name)
    use = budgets.of_agents(tx, names, window.start)
    return _seen(tx, "agent", name, names, use, window, unit, _named(budget))


def _of_ticket(tx: Tx, work_item: str, unit: str) -> Limit:
    use = budgets.of_work_item(tx, work_item, 0)
    return _seen(tx, "ticket", work_item, (work_item,), use, ALL_TIME, unit, "lifetime")


def _of_fleet(tx: Tx, unit: str, config: FleetConfig) -> Limit:
    budget = windowed(config, "", "fleet", unit)
    window = _window(budget, tx.now)
    return _seen(tx, "fleet", "", ("",), budgets.of_fleet(tx, window.start), window, unit, _named(budget))


def _window(budget: Windowed | None, now: int) -> Window:
    return window_of(budget, now) if budget is not None else ALL_TIME


def _named(budget: Windowed | None) -> str:
    return budget.window if budget is not None else "lifetime"


def _seen(
    tx: Tx, scope: str, name: str, names: Sequence[str], use: Use, window: Window, unit: str, named: str
) -> Limit:
    """A budget before the configuration says how large it is."""
    granted = budgets.granted(tx, scope, names, window.start, unit)
    return Limit(
        scope=scope,
        name=name,
        ceiling=None,
        granted=float(granted) if unit == "seconds" else granted,
        spent=use.of(unit),
        reserved=use.reserved if unit == "seconds" else 0,
        window=named,
        until=window.until,
        since=window.start,
        unit=unit,
        unpriced=use.unpriced if unit == "usd" else 0,
    )
