"""``fleet team``: the teams of the configuration."""

from __future__ import annotations

import click

from fleet.cli.commands.agent import agents_text
from fleet.cli.commands.config import changed_text
from fleet.cli.output import Style, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.words import given


@click.group()
def team() -> None:
    """List, show and change teams of agents."""


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


def _changed(result: Result, style: Style) -> str:
    members = ", ".join(map(visible, result["agents"]))
    said = f": {members}" if members else " is no longer a team"
    return f"{visible(result['team'])}{said}\n" + changed_text(result, style)


@team.command(
    cls=Remote,
    show=_changed,
    examples=("fleet team add reviewers tech-lead qa-engineer",),
    exits={3: "an agent is not in the configuration", 8: "it is a member already, or somebody changed the file"},
)
@click.argument("team_name", metavar="TEAM")
@click.argument("agents", nargs=-1)
@click.option("--reason", metavar="TEXT", default="", help="Why, for the journal.")
def add(team_name: str, agents: tuple[str, ...], reason: str) -> Call:
    """Put agents into a team; the team is made where there is none."""
    return Call("team.add", {"team": team_name, "agents": agents, **given(reason=reason)})


@team.command(
    cls=Remote,
    show=_changed,
    examples=(
        "fleet team remove reviewers qa-engineer",
        "fleet team remove reviewers",
    ),
    exits={8: "it is no member, or somebody changed the file"},
)
@click.argument("team_name", metavar="TEAM")
@click.argument("agents", nargs=-1)
@click.option("--reason", metavar="TEXT", default="", help="Why, for the journal.")
def remove(team_name: str, agents: tuple[str, ...], reason: str) -> Call:
    """Take agents out of a team; without any, remove the team."""
    return Call("team.remove", {"team": team_name, **given(agents=agents, reason=reason)})
