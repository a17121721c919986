"""``fleet budget``: what is left of every budget, and more of one where a person says so."""

from __future__ import annotations

import click

from fleet.cli.commands.agentcrew import SECONDS
from fleet.cli.members import budgets_text, ceiling
from fleet.cli.output import Style, duration, moment, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.core.errors import UsageError


@click.group()
def budget() -> None:
    """Show budgets of run time, and grant more."""


def _list(result: Result, style: Style) -> str:
    text = budgets_text(result["budgets"], style)
    for one in result["grants"]:
        text += (
            f"  {moment(one['at'])}  {visible(one['by'])} granted {duration(one['seconds'])} to"
            f" {visible(one['budget'])}: {visible(one['reason'])}\n"
        )
    return text


@budget.command("list", cls=Remote, show=_list, examples=("fleet budget list", "fleet budget list --json"))
def list_() -> Call:
    """List every budget: the fleet's, each ticket's, each agent's; then what people granted.

    What a live run was given is promised to it until it ends, and counts as left no more. Waiting, for a review or
    for anything else, uses nothing.
    """
    return Call("budgets", {})


def _granted(result: Result, style: Style) -> str:
    return (
        f"granted {duration(result['granted_seconds'])} to {visible(result['budget'])}:"
        f" {duration(result['left_seconds'])} of {duration(ceiling(result))} left\n"
    )


@budget.command(
    cls=Remote,
    show=_granted,
    examples=(
        'fleet budget grant developer 2h --reason "a long migration"',
        'fleet budget grant ticket/7 30m --reason "one more round"',
        'fleet budget grant fleet 3600 --reason "the release is tonight"',
    ),
)
@click.argument("target")
@click.argument("seconds", type=SECONDS)
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record.")
def grant(target: str, seconds: int, reason: str) -> Call:
    """Give run time on top of a budget. People only.

    TARGET is an agent, ticket/N or fleet; SECONDS may be written 7200, 15m or 2h. It counts in the present window
    only. What waits for the budget is judged at once; a run that lives keeps what it was given.
    """
    if not seconds:
        raise UsageError("FLT-CLI-016", "a grant needs a time such as 7200, 15m or 2h")
    return Call("budget.grant", {"target": target, "seconds": seconds, "reason": reason})
