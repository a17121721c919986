"""Commands of ``fleet agent`` that take one out of service and let it back."""

from __future__ import annotations

import click

from fleet.cli.output import Style, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.words import given


def _quarantined(result: Result, style: Style) -> str:
    text = f"{visible(result['agent'])} is quarantined (entry {visible(result['entry'])})\n"
    if result["stopping"]:
        runs = ", ".join(map(visible, result["stopping"]))
        text += f"  freezing, saving and ending {runs}; that work waits as well\n"
    if result["still_inside"]:
        text += f"  still under way when it was: {', '.join(map(visible, result['still_inside']))}\n"
    return text + f"  to let it back: fleet agent release {visible(result['agent'])} --reason …\n"


@click.command(
    cls=Remote,
    show=_quarantined,
    examples=('fleet agent quarantine developer --reason "it deletes tests"',),
    exits={8: "it is quarantined, or retired"},
)
@click.argument("name")
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record and on what waits.")
def quarantine(name: str, reason: str) -> Call:
    """Take an agent out of service at once. People only.

    Its capabilities end, its runs are frozen, saved and ended, and nothing of it starts until a person releases it.
    """
    return Call("agent.quarantine", {"name": name, "reason": reason})


def _released(result: Result, style: Style) -> str:
    text = f"{visible(result['agent'])} is {visible(result['state'])}, on probation until"
    text += f" {result['probation'].get('needed', 0)} of its runs in a row went well\n"
    return text + ("  your verdict is a label for fleet risk fit\n" if result["labelled"] else "")


@click.command(
    cls=Remote,
    show=_released,
    examples=(
        'fleet agent release developer --reason "the runner was out of disk" --verdict unjust',
        'fleet agent release developer --reason "its prompt is mended"',
    ),
    exits={8: "it is not quarantined, or a run of it stands frozen"},
)
@click.argument("name")
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record.")
@click.option(
    "--verdict", type=click.Choice(["confirmed", "unjust"]), help="Whether it was right; fleet risk fit learns of it."
)
def release(name: str, reason: str, verdict: str | None) -> Call:
    """Let a quarantined agent back, on probation. People only.

    On probation it does one thing at a time and goes back at a lower risk, until enough of its runs went well.
    What waited for it is judged at once.
    """
    return Call("agent.release", {"name": name, "reason": reason, **given(verdict=verdict)})
