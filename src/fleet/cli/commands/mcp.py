"""``fleet mcp``: the fleet as tools for clients of the Model Context Protocol."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, json_line, table
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.words import pass_door
from fleet.control.verbs import VERBS
from fleet.core.principal import Principal, PrincipalKind, human
from fleet.mcp.tools import offered


@click.group()
def mcp() -> None:
    """Offer the fleet as tools to clients of the Model Context Protocol, such as Claude Code."""


def _caller(door: Door) -> Principal:
    """Whose tools are listed. What a call may do is judged by the daemon, from the process that calls."""
    if door.is_agent:
        return Principal(PrincipalKind.AGENT, "agent", verbs=frozenset(VERBS))
    return human("you")


@mcp.command(cls=Local, examples=("fleet mcp serve",))
@pass_door
def serve(door: Door) -> None:
    """Serve the tools over standard input and output until the client hangs up.

    A client starts this by itself, in the folder of the repository: claude mcp add fleet -- fleet mcp serve. It needs a
    fleet that is up (fleet up). Every call is judged like one typed here. Tools that cannot be taken back are marked,
    so that a client asks first.
    """
    stdio = importlib.import_module("fleet.mcp.stdio")  # the SDK costs most of a second: not for --help
    client = door.client()
    try:
        stdio.serve(_caller(door), client.call, door.clock.now)
    finally:
        client.close()


@mcp.command(cls=Local, examples=("fleet mcp tools", "fleet mcp tools --json"))
@click.pass_context
@pass_door
def tools(door: Door, ctx: click.Context) -> None:
    """List the tools with what each does; those marked ! cannot be taken back."""
    found: list[dict[str, Any]] = [
        {"name": tool.name, "says": tool.says, "verb": tool.verb, "reads_only": tool.reads_only, "harm": tool.harm}
        for tool in offered(_caller(door))
    ]
    if wants_json(ctx):
        sys.stdout.write(json_line({"ok": True, "tools": found}))
        return
    sys.stdout.write(_tools(found, style_of(ctx)))


def _tools(found: list[dict[str, Any]], style: Style) -> str:
    rows = [("!" if one["harm"] else "", one["name"], one["says"]) for one in found]
    return table(("", "TOOL", "WHAT IT DOES"), rows, style)
