"""Verbs about teams: who is in which."""

from __future__ import annotations

from typing import Any

from fleet.control.context import Context, Handlers
from fleet.control.members import team_members
from fleet.control.queries import agent_dicts
from fleet.core.principal import Principal


def teams(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Every team with its members, and the agents that are in none."""
    config = ctx.loaded.config
    placed = {name for team in config.teams for name in team.agents}
    return {
        "teams": [{"name": team.name, "agents": sorted(team.agents)} for team in config.teams],
        "unassigned": sorted(agent.name for agent in config.agents if agent.name not in placed),
    }


def show(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The members of a team as ``agents`` lists them. Raises NotFound FLT-AGT-103."""
    names = team_members(ctx, args["name"])
    found = ctx.db.read(lambda tx: agent_dicts(ctx, tx))
    return {"team": args["name"], "agents": [one for one in found if one["name"] in names]}


HANDLERS: Handlers = {
    "teams": teams,
    "team.show": show,
}
