"""``fleet task``: work in words for named agents."""

from __future__ import annotations

import click

from fleet.cli.commands.agent import who, who_options
from fleet.cli.output import Style, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.words import TICKET, given


@click.group()
def task() -> None:
    """Hand work to agents by name."""


def _assigned(result: Result, style: Style) -> str:
    if result["dry_run"]:
        return f"would assign: {visible(result['title'])}\n" + _foreseen(result, style)
    text = ""
    for one in result["assigned"]:
        where = f"ticket/{one['ticket']}" if one["ticket"] else "a ticket that is being opened"
        text += f"{visible(one['agent'])} is asked to start on {where}: {visible(result['title'])}\n"
    last = result["assigned"][-1]["ticket"]
    return text + f"policy decides, see: {f'fleet why ticket/{last}' if last else 'fleet log -f'}\n"


def _foreseen(result: Result, style: Style) -> str:
    words = {"allow": "would start", "hold": "would wait", "deny": "would not start"}
    rows = [
        (
            one["agent"],
            f"ticket/{one['ticket']}" if one["ticket"] else "a new ticket",
            words[one["verdict"]],
            "; ".join(reason["text"] for reason in one["reasons"]) if one["verdict"] != "allow" else "-",
        )
        for one in result["assigned"]
    ]
    return table(("AGENT", "ON", "NOW", "BECAUSE"), rows, style)


@task.command(
    cls=Remote,
    show=_assigned,
    examples=(
        'fleet task assign developer "Leave punctuation out of slugs"',
        'fleet task assign --team reviewers "Read the error messages" --dry-run',
        "fleet task assign developer --ticket 7",
    ),
)
@who_options
@click.argument("text", default="")
@click.option("--department", metavar="NAME", default="", help="The enabled agents of a department.")
@click.option("--title", metavar="TEXT", default="", help="The ticket's title; the text's first line by default.")
@click.option("--ticket", type=TICKET, help="This ticket instead of a new one for each agent.")
@click.option("--dry-run", is_flag=True, help="Only say who would start, on what, and what policy says now.")
def assign(
    name: str,
    text: str,
    team: str,
    everybody: bool,
    department: str,
    title: str,
    ticket: int | None,
    dry_run: bool,
) -> Call:
    """Hand work to an agent: a ticket is made of the text, and the agent is asked to start on it.

    Nobody else starts, because the ticket does not get the label `ready`. With --team, --department or --all
    each agent gets a ticket of its own. All of them get their work, or none.
    """
    if (team or department or everybody) and name and not text:
        name, text = "", name  # without an agent's name the only word is the text
    return Call(
        "task.assign",
        {
            **who(name, team, everybody),
            **given(department=department, title=title, text=text, ticket=ticket),
            **({"dry_run": True} if dry_run else {}),
        },
    )
