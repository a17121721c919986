"""``fleet agent``: list, start, stop, pause and watch agents."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from fleet.cli.amounts import DOLLARS, TOKENS
from fleet.cli.commands import agentcrew, agentguard, agentlogs, mail
from fleet.cli.door import Door
from fleet.cli.members import agent_text, budgets_text, ceiling
from fleet.cli.output import Style, duration, result_line, table, visible
from fleet.cli.remote import Call, Local, Remote, Result, ask, wants_json
from fleet.cli.words import PR, TICKET, given, pass_door
from fleet.core.errors import UsageError


@click.group()
def agent() -> None:
    """List, start, stop, pause, watch and write to agents."""


agent.add_command(mail.send)
agent.add_command(mail.messages)


def agents_text(agents: list[Result], style: Style) -> str:
    """The members as a table."""
    rows = [
        (
            item["name"],
            item["role"],
            item["state"] if item["enabled"] or item["state"] != "active" else "disabled",
            len(item["live"]),
            item["runs"],
            duration(item["used_seconds"]),
            duration(ceiling(item)) if item["budget_seconds"] else "none",
            ", ".join(item["subscribes_to"]) or "-",
        )
        for item in agents
    ]
    headings = ("AGENT", "ROLE", "STATE", "LIVE", "RUNS", "USED", "BUDGET", "SUBSCRIBES TO")
    return table(headings, rows, style) if rows else "no agents\n"


def _list(result: Result, style: Style) -> str:
    return agents_text(result["agents"], style)


@agent.command("list", cls=Remote, show=_list, examples=("fleet agent list",))
def list_() -> Call:
    """List the agents with their state, runs and budget."""
    return Call("agents", {})


@agent.command(cls=Remote, show=agent_text, examples=("fleet agent show developer",))
@click.argument("name")
def show(name: str) -> Call:
    """Show one agent: state, configuration, budget, last runs, what waits and why it is idle."""
    return Call("agent.show", {"name": name})


def who_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """NAME, --team or --all: whom a command is about; ``who`` makes arguments of them."""
    function = click.option("--all", "everybody", is_flag=True, help="All agents.")(function)
    function = click.option("--team", metavar="TEAM", default="", help="The members of a team.")(function)
    return click.argument("name", default="")(function)


def who(name: str, team: str, everybody: bool) -> dict[str, object]:
    """The arguments that say whom."""
    return given(name=name, team=team, **({"all": True} if everybody else {}))


def _started(result: Result, style: Style) -> str:
    names = ", ".join(visible(one["agent"]) for one in result["asked"])
    asked = f"asked for {names} on {visible(result['subject'])} (entry {result['asked'][-1]['seq']})"
    return f"{asked}; policy decides, see: fleet why {visible(result['subject'])}\n"


@agent.command(
    cls=Remote,
    show=_started,
    examples=(
        "fleet agent start developer --ticket 7",
        "fleet agent start --team reviewers --pr 8",
    ),
)
@who_options
@click.option("--subject", metavar="SUBJECT", default="", help="What to work on, such as ticket/7 or pr/8.")
@click.option("--ticket", type=TICKET, help="The same, as a ticket's number.")
@click.option("--pr", type=PR, help="The same, as a pull request's number.")
def start(name: str, team: str, everybody: bool, subject: str, ticket: int | None, pr: int | None) -> Call:
    """Ask for a run of an agent; policy decides as for any other event.

    With --all every enabled agent is asked. All of them are asked, or none.
    """
    named = [subject, f"ticket/{ticket}" if ticket else "", f"pr/{pr}" if pr else ""]
    given_ones = [one for one in named if one]
    if len(given_ones) != 1:
        hint = "To hand over work that has no ticket yet: fleet task assign."
        raise UsageError("FLT-CLI-016", "exactly one of --ticket, --pr and --subject is needed", hint=hint)
    return Call("agent.start", {**who(name, team, everybody), "subject": given_ones[0]})


def _stopped(result: Result, style: Style) -> str:
    found = ", ".join(map(visible, result["stopping"]))
    names = ", ".join(map(visible, result["agents"]))
    return f"stopping {found}\n" if found else f"no live run of {names or 'anybody'}\n"


@agent.command(
    cls=Remote,
    show=_stopped,
    examples=(
        'fleet agent stop developer --reason "the ticket was wrong"',
        "fleet agent stop --all",
    ),
)
@who_options
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
@click.option("--even-unsaved", is_flag=True, help="End also what stands frozen because its work cannot be saved.")
def stop(name: str, team: str, everybody: bool, reason: str, even_unsaved: bool) -> Call:
    """Stop the runs of an agent. Their work is saved and not offered again.

    With --even-unsaved runs that stand frozen end too; their clones stay where they are.
    """
    more: dict[str, object] = {"even_unsaved": True} if even_unsaved else {}
    return Call("agent.stop", {**who(name, team, everybody), **given(reason=reason), **more})


def _state_changed(result: Result, style: Style) -> str:
    words = {"paused": "paused", "active": "resumed"}
    text = f"{words[result['state']]} {', '.join(map(visible, result['agents']))}\n"
    for left in result["unchanged"]:
        text += f"  {visible(left['agent'])} is {visible(left['state'])} and stays so\n"
    if result["stopping"]:
        text += f"  stopping {', '.join(map(visible, result['stopping']))}; that work waits as well\n"
    return text


@agent.command(
    cls=Remote,
    show=_state_changed,
    examples=(
        'fleet agent pause developer --reason "release week"',
        'fleet agent pause --all --stop --reason "the machine is needed"',
    ),
)
@who_options
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record and on what waits.")
@click.option("--stop", is_flag=True, help="End its live runs as well; their work is saved and waits.")
def pause(name: str, team: str, everybody: bool, reason: str, stop: bool) -> Call:
    """Let an agent start nothing new. What comes for it waits until somebody resumes it."""
    return Call("agent.pause", {**who(name, team, everybody), "reason": reason, **({"stop": True} if stop else {})})


@agent.command(
    cls=Remote,
    show=_state_changed,
    examples=(
        "fleet agent resume developer",
        'fleet agent resume --team reviewers --reason "the release is out"',
    ),
)
@who_options
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def resume(name: str, team: str, everybody: bool, reason: str) -> Call:
    """Let a paused agent start again. What waited for it is judged at once."""
    return Call("agent.resume", {**who(name, team, everybody), **given(reason=reason)})


def _budget(result: Result, style: Style) -> str:
    return budgets_text(result["agents"], style)


@agent.command(
    cls=Remote,
    show=_budget,
    examples=(
        "fleet agent budget",
        'fleet agent budget developer --set 10h --reason "a long migration"',
        "fleet agent budget developer --set none",
        "fleet agent budget developer --set-tokens 2M",
        "fleet agent budget developer --set-usd 25",
    ),
)
@click.argument("name", default="")
@click.option("--set", "seconds", type=agentcrew.SECONDS, help="Another ceiling: 7200, 15m, 10h or none. People only.")
@click.option("--set-tokens", "tokens", type=TOKENS, help="Another ceiling in tokens: 250k, 2M or none.")
@click.option("--set-usd", "micros", type=DOLLARS, help="Another ceiling in US dollars: 25, 12.5 or none.")
@click.option("--reason", metavar="TEXT", default="", help="Why, for the journal.")
def budget(name: str, seconds: int | None, tokens: int | None, micros: int | None, reason: str) -> Call:
    """Print what agents have used of their budgets, or change a ceiling in the configuration.

    All of it is that of the budget's window. More for once, with the ceiling as it is: fleet budget grant.
    """
    changes = {"seconds": seconds, "tokens": tokens, "micros": micros}
    chosen = {unit: number for unit, number in changes.items() if number is not None}
    if not chosen:
        if reason:
            raise UsageError("FLT-CLI-016", "--reason belongs to --set")
        return Call("agent.budget", given(name=name))
    if not name:
        raise UsageError("FLT-CLI-016", "--set needs an agent's name")
    if len(chosen) > 1:
        raise UsageError("FLT-CLI-016", "one of --set, --set-tokens and --set-usd at a time")
    return Call("agent.set_budget", {"name": name, **chosen, **given(reason=reason)})


def _output(result: Result, style: Style) -> str:
    return visible(result["output"], lines=True).rstrip("\n") + "\n"


@agent.command(
    cls=Remote,
    show=_output,
    examples=(
        "fleet agent output developer",
        "fleet agent output developer --lines 20",
    ),
)
@click.argument("name")
@click.option("--lines", type=click.IntRange(1, 10000), default=200, show_default=True, help="The last so many.")
def output(name: str, lines: int) -> Call:
    """Print what the terminal of an agent's newest run shows, or showed at its end."""
    return Call("agent.output", {"name": name, "lines": lines})


@agent.command(cls=Local, examples=("fleet agent attach developer",))
@click.argument("name")
@click.pass_context
@pass_door
def attach(door: Door, ctx: click.Context, name: str) -> None:
    """Look into an agent's terminal while it works. Leave with the tmux keys: Ctrl-b d.

    With --json the command that attaches is printed instead.
    """
    found = ask(door, Call("agent.attach", {"name": name}))
    if wants_json(ctx):
        sys.stdout.write(result_line(found))
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "FLT-CLI-018", "attaching needs a terminal", hint=f"Read instead: fleet agent output {visible(name)}"
        )
    argv = [str(word) for word in found["argv"]]
    sys.stdout.flush()
    # tmux refuses to start inside tmux; this is another server, so that is harmless here.
    os.execvpe(argv[0], argv, {key: value for key, value in door.env.items() if key not in ("TMUX", "TMUX_PANE")})


for _command in (
    agentlogs.logs,
    agentcrew.create,
    agentcrew.revisions,
    agentcrew.rollback,
    agentguard.quarantine,
    agentguard.release,
):
    agent.add_command(_command)
