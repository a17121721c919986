"""``fleet ps`` and ``fleet why``: what runs, and why."""

from __future__ import annotations

import click

from fleet.cli.output import Style, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.rows import runs_text


def _ps(result: Result, style: Style) -> str:
    return runs_text(result["runs"], style)


@click.command(
    cls=Remote,
    show=_ps,
    examples=(
        "fleet ps",
        "fleet ps --all --json",
    ),
)
@click.option("--all", "all_", is_flag=True, help="Ended runs too.")
def ps(all_: bool) -> Call:
    """List runs.

    Live ones, oldest first; with --all also the newest 200 that ended. Times are seconds, minutes or hours of run time.
    """
    return Call("ps", {"all": all_})


def _why(result: Result, style: Style) -> str:
    lines = "".join(f"  {visible(line)}\n" for line in result["lines"]) or "  nothing is on record\n"
    return f"{style.paint(visible(result['title']), 'bold')}\n{lines}"


@click.command(
    cls=Remote,
    show=_why,
    examples=(
        "fleet why ticket/7",
        "fleet why pr/8",
        "fleet why developer",
    ),
)
@click.argument("ref")
def why(ref: str) -> Call:
    """Tell why something started, waited or was refused.

    REF is a run's id, ticket/7, pr/8 (or 8), or an agent's name.
    """
    return Call("why", {"ref": ref})
