"""``fleet budget``: what is left of every budget, and more of one where a person says so."""

from __future__ import annotations

import click

from fleet.cli.amounts import DOLLARS, TOKENS
from fleet.cli.commands.agentcrew import SECONDS
from fleet.cli.members import budgets_text, ceiling
from fleet.cli.output import Style, duration, moment, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.core.errors import UsageError
from fleet.core.money import dollars


@click.group()
def budget() -> None:
    """Show budgets of run time, tokens and dollars, and grant more."""


def _list(result: Result, style: Style) -> str:
    text = budgets_text(result["budgets"], style)
    for one in result["grants"]:
        text += (
            f"  {moment(one['at'])}  {visible(one['by'])} granted {amount(one['unit'], one['amount'])} to"
            f" {visible(one['budget'])}: {visible(one['reason'])}\n"
        )
    for one in result["unpriced"]:
        text += (
            f"  no price is known for {visible(one['model'])} at {visible(one['backend'] or 'an unknown backend')}:"
            " what it cost is not in these sums; prices: in .fleet/config.yaml takes one\n"
        )
    return text


def amount(unit: str, number: int) -> str:
    """So much of a unit, for people; money is in millionths of a dollar."""
    if unit == "usd":
        return dollars(number)
    return duration(number) if unit == "seconds" else f"{number:,} tokens"


@budget.command("list", cls=Remote, show=_list, examples=("fleet budget list", "fleet budget list --json"))
def list_() -> Call:
    """List every budget: the fleet's, each ticket's, each agent's; then what people granted.

    Below the run time are tokens, and dollars by the table of prices; what has no price is unknown and said so. What a
    live run was given is promised to it until it ends, and counts as left no more. Waiting, for a review or for
    anything else, uses nothing.
    """
    return Call("budgets", {})


def _granted(result: Result, style: Style) -> str:
    unit, number = result["granted"]["unit"], result["granted"]["amount"]
    whose = f"granted {amount(unit, number)} to {visible(result['budget'])}"
    if unit == "seconds":
        return f"{whose}: {duration(result['left_seconds'])} of {duration(ceiling(result))} left\n"
    found = result["tokens" if unit == "tokens" else "usd_micros"]
    return f"{whose}: {amount(unit, found['left'])} of {amount(unit, found['budget'] + found['granted'])} left\n"


@budget.command(
    cls=Remote,
    show=_granted,
    examples=(
        'fleet budget grant developer 2h --reason "a long migration"',
        'fleet budget grant ticket/7 --tokens 500k --reason "one more round"',
        'fleet budget grant fleet --usd 20 --reason "the release is tonight"',
    ),
)
@click.argument("target")
@click.argument("seconds", type=SECONDS, default="none")
@click.option("--tokens", type=TOKENS, help="Tokens in place of run time: 250000, 250k or 2M.")
@click.option("--usd", type=DOLLARS, help="US dollars in place of run time: 5 or 12.5.")
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record.")
def grant(target: str, seconds: int, tokens: int | None, usd: int | None, reason: str) -> Call:
    """Give run time, tokens or dollars on top of a budget. People only.

    TARGET is an agent, ticket/N or fleet; SECONDS may be written 7200, 15m or 2h. It counts in the present window
    only. What waits for the budget is judged at once; a run that lives keeps the seconds it was given, and may use the
    tokens and dollars.
    """
    given = {"seconds": seconds, "tokens": tokens or 0, "micros": usd or 0}
    if sum(map(bool, given.values())) != 1:
        raise UsageError("FLT-CLI-016", "a grant needs a time such as 7200, 15m or 2h, or --tokens, or --usd")
    return Call("budget.grant", {"target": target, **given, "reason": reason})
