"""``fleet team``: the teams of the configuration."""

from __future__ import annotations

import click

from fleet.cli.commands.agent import agents_text
from fleet.cli.output import Style, table, visible
from fleet.cli.remote import Call, Remote, Result


@click.group()
def team() -> None:
    """List and show teams of agents."""


def _list(result: Result, style: Style) -> str:
    rows = [(item["name"], len(item["agents"]), ", ".join(item["agents"]) or "-") for item in result["teams"]]
    text = table(("TEAM", "SIZE", "AGENTS"), rows, style) if rows else "no teams\n"
    alone = ", ".join(map(visible, result["unassigned"]))
    return text + (f"in no team: {alone}\n" if alone else "")


@team.command("list", cls=Remote, show=_list, examples=("fleet team list",))
def list_() -> Call:
    """List the teams with their members, and the agents that are in none."""
    return Call("teams", {})


def _show(result: Result, style: Style) -> str:
    return f"{style.paint(visible(result['team']), 'bold')}\n{agents_text(result['agents'], style)}"


@team.command(cls=Remote, show=_show, examples=("fleet team show reviewers",))
@click.argument("name")
def show(name: str) -> Call:
    """Show the members of a team with their state, runs and budget."""
    return Call("team.show", {"name": name})
