"""Commands of ``fleet agent`` that change the configuration: create, revisions, rollback."""

from __future__ import annotations

import re

import click

from fleet.cli.commands.config import changed_text
from fleet.cli.output import Style, moment, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.words import given
from fleet.core.errors import UsageError

_EXITS = {
    3: "the configuration would have faults; each is printed with line and column, and nothing has changed",
    8: "somebody else changed the configuration in between, or the name is taken",
}
_TIME = re.compile(r"([0-9]{1,9})([smh]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class SecondsType(click.ParamType[int]):
    """A time written 7200, 90s, 15m or 2h; ``none`` is 0."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds."""
        if isinstance(value, int) or value == "none":
            return value if isinstance(value, int) else 0
        found = _TIME.fullmatch(str(value))
        if found is None or int(found[1]) == 0:
            self.fail(f"{value!r} is not a time such as 7200, 15m, 2h or none", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


SECONDS = SecondsType()


def _created(result: Result, style: Style) -> str:
    files = "".join(f"  wrote .fleet/{visible(name)}\n" for name in result["files"])
    return f"{visible(result['agent'])} is a member in the role {visible(result['role'])}\n{files}" + changed_text(
        result, style
    )


@click.command(
    cls=Remote,
    show=_created,
    examples=(
        "fleet agent create pay --template payments-developer",
        "fleet agent create scribe --role docs-writer --subscribes-to ticket_shipped",
        "fleet agent create second --role developer --subscribes-to ticket_ready --budget 2h --at-once 2",
        'fleet agent create outside --role developer --vendor command -- /opt/agents/mine "{brief}"',
    ),
    exits=_EXITS,
)
@click.argument("name")
@click.option("--role", metavar="ROLE", default="", help="What it is (fleet role list), and nothing else of that.")
@click.option("--template", metavar="ROLE", default="", help="The same, with the role's usual events and budget.")
@click.option(
    "--vendor",
    type=click.Choice(["scripted", "command", "claude-code"]),
    default="scripted",
    help="Which program plays it.",
)
@click.option("--stdin", type=click.Choice(["terminal", "brief"]), default="terminal", help="What a command reads.")
@click.option("--model", metavar="NAME", default="", help="Model name for the vendor.")
@click.option("--subscribes-to", metavar="EVENT", multiple=True, help="Starts on this event; may be repeated.")
@click.option("--publishes", metavar="EVENT", multiple=True, help="Declares this event of its own; may be repeated.")
@click.option("--may-start", metavar="AGENT", multiple=True, help="May start this agent; may be repeated.")
@click.option("--department", metavar="NAME", default="", help="Where it stands; its role's by default.")
@click.option("--reports-to", metavar="NAME", default="", help="The agent or owner it reports to.")
@click.option("--budget", type=SECONDS, default="none", help="Run time in all, such as 10h; none is unlimited.")
@click.option("--timeout", type=SECONDS, default="none", help="Limit of one run, such as 15m.")
@click.option("--at-once", type=click.IntRange(1, 100), help="How many runs of it may live at once.")
@click.option("--disabled", is_flag=True, help="Known, but never started yet.")
@click.option("--reason", metavar="TEXT", default="", help="Why, for the journal.")
@click.argument("command", nargs=-1)
def create(
    name: str,
    role: str,
    template: str,
    vendor: str,
    stdin: str,
    model: str,
    subscribes_to: tuple[str, ...],
    publishes: tuple[str, ...],
    may_start: tuple[str, ...],
    department: str,
    reports_to: str,
    budget: int,
    timeout: int,
    at_once: int | None,
    disabled: bool,
    reason: str,
    command: tuple[str, ...],
) -> Call:
    """Add an agent to .fleet/config.yaml, with a prompt and, when it is scripted, a playbook.

    The program of --vendor command comes after --. Files that are there are kept.
    """
    if bool(role) == bool(template):
        raise UsageError("FLT-CLI-016", "exactly one of --role and --template is needed", hint="fleet role list")
    if bool(command) != (vendor == "command"):
        raise UsageError("FLT-CLI-016", "--vendor command and a command after -- belong together")
    words = given(
        command=command,
        model=model,
        subscribes_to=subscribes_to,
        publishes=publishes,
        may_start=may_start,
        department=department,
        reports_to=reports_to,
        max_concurrent=at_once,
        reason=reason,
    )
    times = {key: value for key, value in (("budget_seconds", budget), ("timeout_seconds", timeout)) if value}
    flags = {**({"disabled": True} if disabled else {}), **({"template": True} if template else {})}
    return Call(
        "agent.create",
        {"name": name, "role": role or template, "vendor": vendor, "stdin": stdin, **words, **times, **flags},
    )


def _revisions(result: Result, style: Style) -> str:
    rows = [
        (one["revision"], moment(one["at"]), one["actor"], _block(one["block"]), one["reason"] or "-")
        for one in result["revisions"]
    ]
    return table(("REVISION", "SINCE", "BY", "BLOCK", "REASON"), rows, style)


def _block(block: object) -> str:
    """An agent's block on one line."""
    if not isinstance(block, dict):
        return "not in the file"
    return ", ".join(f"{key}: {_value(value)}" for key, value in block.items() if key != "name")


def _value(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, (list, tuple)) else str(value)


@click.command(cls=Remote, show=_revisions, examples=("fleet agent revisions developer",))
@click.argument("name")
def revisions(name: str) -> Call:
    """List the configurations in which this agent's block changed, newest first."""
    return Call("agent.revisions", {"name": name})


def _rolled_back(result: Result, style: Style) -> str:
    return f"{visible(result['agent'])} is as in revision {result['from_revision']}\n" + changed_text(result, style)


@click.command(
    cls=Remote,
    show=_rolled_back,
    examples=(
        "fleet agent rollback developer",
        'fleet agent rollback developer --revision 3 --reason "it was quicker then"',
    ),
    exits=_EXITS,
)
@click.argument("name")
@click.option("--revision", type=click.IntRange(1), help="Which; by default the one before its last change.")
@click.option("--reason", metavar="TEXT", default="", help="Why, for the journal.")
def rollback(name: str, revision: int | None, reason: str) -> Call:
    """Bring an agent's block of the configuration back as it was; everything else stays as it is."""
    return Call("agent.rollback", {"name": name, **given(revision=revision, reason=reason)})
