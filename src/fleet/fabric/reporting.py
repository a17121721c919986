"""Whom does somebody report to? Pure: a configuration and a name in, an inbox out."""

from __future__ import annotations

from fleet.config.model import FleetConfig
from fleet.core.board import PEOPLE


def responsible(config: FleetConfig, principal: str) -> str:
    """The inbox that hears of what stops ``principal``: that of the agent it reports to, else that of people.

    A disabled agent starts no run that could read it, so its own superior is told instead.
    """
    seen: set[str] = set()
    name = principal.removeprefix("agent:") if principal.startswith("agent:") else ""
    while name and name not in seen:
        seen.add(name)
        member = config.agent(name)
        superior = config.agent(member.reports_to) if member is not None and member.reports_to else None
        if superior is None:
            return PEOPLE
        if superior.enabled:
            return f"agent:{superior.name}"
        name = superior.name
    return PEOPLE
