"""How large each budget is by a configuration, and what time it is for: scope and unit in, amount out. Pure.

Units are ``seconds``, ``tokens`` and ``usd``; money is in whole millionths of a dollar.
"""

from __future__ import annotations

from fleet.config.budgets import BudgetConfig, TokensConfig, UsdConfig
from fleet.config.model import FleetConfig
from fleet.core.money import micros_of

UNITS = ("seconds", "tokens", "usd")
METERED = ("tokens", "usd")  # what only is known once it is measured

Windowed = BudgetConfig | TokensConfig | UsdConfig


def windowed(config: FleetConfig, agent: str, scope: str, unit: str) -> Windowed | None:
    """The budget of an agent or of the fleet, which have a window; None where there is none."""
    found: dict[str, Windowed | None] = {}
    if scope == "agent":
        member = config.agent(agent)
        if member is not None:
            found = {"seconds": member.budget_seconds, "tokens": member.budget_tokens, "usd": member.budget_usd}
    elif scope == "fleet":
        own = config.budgets
        found = {"seconds": own.fleet_seconds, "tokens": own.fleet_tokens, "usd": own.fleet_usd}
    return found.get(unit)


def ceiling_of(config: FleetConfig, agent: str, scope: str, unit: str) -> float | None:
    """The ceiling of one budget; None = unlimited. Whole, but for seconds.

    With ``agent`` "" it is that of a ticket or the fleet for whoever is metered.
    """
    member = config.agent(agent)
    if member is not None and member.unmetered and unit in METERED:
        return None
    budget = windowed(config, agent, scope, unit)
    if budget is not None:
        return float(budget.amount) if unit == "seconds" else budget.amount
    if scope == "ticket":
        return _plain(unit, config.budgets.ticket_seconds, config.budgets.ticket_tokens, config.budgets.ticket_usd)
    if scope == "run" and member is not None:
        return _plain(unit, None, member.run_tokens, member.run_usd)
    return None


def window_named(config: FleetConfig, agent: str, scope: str, unit: str) -> str:
    """The window of a budget; "" where there is none."""
    if ceiling_of(config, agent, scope, unit) is None:
        return ""
    budget = windowed(config, agent, scope, unit)
    return budget.window if budget is not None else "lifetime"


def meters(config: FleetConfig, agent: str) -> bool:
    """Whether a budget in tokens or dollars bounds the runs of an agent."""
    scopes = ("agent", "run", "ticket", "fleet")
    return any(ceiling_of(config, agent, scope, unit) is not None for scope in scopes for unit in METERED)


def _plain(unit: str, seconds: int | None, tokens: int | None, usd: float | None) -> float | None:
    if unit == "seconds":
        return float(seconds) if seconds is not None else None
    if unit == "tokens":
        return tokens
    return micros_of(usd) if usd is not None else None
