"""``fleet status``: the fleet on one screen, what needs a person first."""

from __future__ import annotations

import sys

import click

from fleet.cli import statusview
from fleet.cli.output import Style, result_line, terminal_size
from fleet.cli.remote import Call, Remote, Result, wants_json


class Screen(Remote):
    """A remote command whose text fits the terminal that it is printed on."""

    def text(self, ctx: click.Context, result: Result, style: Style) -> str:
        """Standard output for a result; as large as the terminal, or as it takes with --all and where nobody looks."""
        if wants_json(ctx):
            return result_line(result)
        size = None if ctx.params["all_"] else terminal_size(sys.stdout)
        width, height = size or (statusview.UNFOLDED, statusview.UNFOLDED)
        return statusview.screen(result, style, width=width, height=height)


@click.command(
    cls=Screen,
    show=statusview.screen,
    examples=(
        "fleet status",
        "fleet status --all    # nothing folded, nothing cut",
        "fleet status --json",
    ),
)
@click.option("--all", "all_", is_flag=True, help="Show everything, however long; else it is folded to fit a terminal.")
def status(all_: bool) -> Call:
    """Say how the fleet is doing: who works, what waits, what needs a person.

    In this order: what needs you, with the command to type; what waits and why; who works, for how long and how
    much of its time is used; who is idle; forge, disk and journal. Also works while no daemon runs.
    """
    return Call("status", {})
