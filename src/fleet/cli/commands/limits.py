"""``fleet limits``: what is held as a loop or a storm, and a person's word that lets it go on."""

from __future__ import annotations

import click

from fleet.cli.output import Style, counted, table, visible
from fleet.cli.remote import Call, Remote, Result


@click.group()
def limits() -> None:
    """Show limits on loops and storms, and let go on what they hold."""


def _list(result: Result, style: Style) -> str:
    text = "".join(f"  {name:<16} {value}\n" for name, value in result["limits"].items())
    text += f"  {counted(result['starts_last_hour'], 'run')} started within the last hour\n"
    rows = [(one["agent"], one["subject"] or one["work_item"], one["reason"]) for one in result["held"]]
    return text + ("\n" + table(("HELD", "SUBJECT", "REASON"), rows, style) if rows else "  nothing is held\n")


@limits.command("list", cls=Remote, show=_list, examples=("fleet limits list",))
def list_() -> Call:
    """List the limits of the configuration, and what they hold now.

    Each counts since a person last let the same thing go on: starts that follow from each other (hops), heads of a
    pull request that were sent back (review_rounds), runs of one agent in a row that ended in the same failure
    (same_failures). starts_per_hour is of the whole fleet and needs nobody.
    """
    return Call("limits", {})


def _released(result: Result, style: Style) -> str:
    waiting = counted(len(result["deliveries"]), "delivery", "deliveries")
    return f"{visible(result['released'])} goes on; {waiting} will be judged again\n"


@limits.command(
    cls=Remote,
    show=_released,
    examples=(
        'fleet limits release pr/8 --reason "one more round"',
        'fleet limits release agent/developer --reason "the login is renewed"',
    ),
    exits={8: "nothing of it is held by a limit"},
)
@click.argument("subject")
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record.")
def release(subject: str, reason: str) -> Call:
    """Let go on what a limit holds: a ticket, a pull request or an agent. People only; it is counted anew."""
    return Call("limit.release", {"target": subject, "reason": reason})
