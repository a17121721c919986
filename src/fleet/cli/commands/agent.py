"""``fleet agent``: list, start, stop and watch agents."""

from __future__ import annotations

import os
import sys

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, duration, result_line, table, visible
from fleet.cli.remote import Call, Local, Remote, Result, ask, wants_json
from fleet.cli.words import given, pass_door
from fleet.core.errors import UsageError


@click.group()
def agent() -> None:
    """List, start, stop and watch agents."""


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
            duration(item["budget_seconds"]) if item["budget_seconds"] else "none",
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


def _started(result: Result, style: Style) -> str:
    asked = f"asked for {visible(result['agent'])} on {visible(result['subject'])} (entry {result['seq']})"
    return f"{asked}; policy decides, see: fleet why {visible(result['subject'])}\n"


@agent.command(cls=Remote, show=_started, examples=("fleet agent start developer --subject ticket/7",))
@click.argument("name")
@click.option("--subject", metavar="SUBJECT", required=True, help="What to work on, such as ticket/7 or pr/8.")
def start(name: str, subject: str) -> Call:
    """Ask for a run of an agent; policy decides as for any other event."""
    return Call("agent.start", {"name": name, "subject": subject})


def _stopped(result: Result, style: Style) -> str:
    found = ", ".join(map(visible, result["stopping"]))
    return f"stopping {found}\n" if found else f"{visible(result['agent'])} has no live run\n"


@agent.command(cls=Remote, show=_stopped, examples=('fleet agent stop developer --reason "the ticket was wrong"',))
@click.argument("name")
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def stop(name: str, reason: str) -> Call:
    """Stop the runs of an agent. Their work is saved and not offered again."""
    return Call("agent.stop", {"name": name, **given(reason=reason)})


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
