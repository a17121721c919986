"""``fleet permission`` and ``fleet provider``: what sessions ask people, and where their models are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from fleet.cli.output import Style, moment, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.words import given

Row = Mapping[str, Any]
_EXITS = {6: "refused: an agent asked", 8: "it is answered already, or its session does not wait any more"}


@click.group()
def permission() -> None:
    """List and answer what sessions may not do without a person's word."""


def _listed(result: Result, style: Style) -> str:
    """A line for each question, and below it the very input of the tool."""
    rows = result["permissions"]
    if not rows:
        return "no session asks for anything\n"
    headings = ("PERMISSION", "STATE", "AGENT", "TOOL", "ASKED", "DEADLINE")
    lines = [
        (row["id"], row["state"], row["agent"], row["tool"], moment(row["asked_at"]), moment(row["deadline"]))
        for row in rows
    ]
    return table(headings, lines, style) + "".join(_input(row, style) for row in rows)


def _input(row: Row, style: Style) -> str:
    text = f"\n{style.paint(visible(row['id']), 'bold')} {visible(row['tool'])} {visible(row['input'])}\n"
    if row["answered_by"]:
        why = f": {visible(row['reason'])}" if row["reason"] else ""
        return text + f"  {visible(row['state'])} by {visible(row['answered_by'])}{why}\n"
    if row["state"] != "asked":
        return text
    return text + f"  fleet permission allow {visible(row['id'])}, or deny; no answer means no\n"


@permission.command(
    "list", cls=Remote, show=_listed, examples=("fleet permission list", "fleet permission list --all --json")
)
@click.option("--all", "all_", is_flag=True, help="Also those that are answered or over.")
def list_(all_: bool) -> Call:
    """List what sessions ask, with the exact input of each tool."""
    return Call("permissions", {"all": all_})


def _answered(result: Result, style: Style) -> str:
    row = result["permission"]
    word = "may" if row["state"] == "allowed" else "may not"
    return f"{visible(row['agent'])} {word} use {visible(row['tool'])} this once\n"


@permission.command(cls=Remote, show=_answered, exits=_EXITS, examples=("fleet permission allow p01m8brkddbnva553a3",))
@click.argument("id_", metavar="ID")
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def allow(id_: str, reason: str) -> Call:
    """Let a session use this tool with this input, this once. People only."""
    return Call("permission.allow", {"id": id_, **given(reason=reason)})


@permission.command(
    cls=Remote,
    show=_answered,
    exits=_EXITS,
    examples=('fleet permission deny p01m8brkddbnva553a3 --reason "use the test script"',),
)
@click.argument("id_", metavar="ID")
@click.option("--reason", metavar="TEXT", default="", help="Why; the model reads it.")
def deny(id_: str, reason: str) -> Call:
    """Refuse; the model reads the reason and goes on without. People only."""
    return Call("permission.deny", {"id": id_, **given(reason=reason)})


@click.group()
def provider() -> None:
    """List the model providers that refused, and let sessions start there again."""


def _providers(result: Result, style: Style) -> str:
    rows = result["providers"]
    if not rows:
        return "no provider refuses\n"
    headings = ("PROVIDER", "STATE", "KIND", "UNTIL", "WHY")
    lines = [
        (
            row["provider"],
            "parked" if row["parked"] else "spread out",
            row["kind"],
            moment(row["until"]),
            row["reason"][:80],
        )
        for row in rows
    ]
    return table(headings, lines, style)


@provider.command("list", cls=Remote, show=_providers, examples=("fleet provider list", "fleet provider list --json"))
def providers() -> Call:
    """List providers that answered with a limit or an outage; nothing starts there before the time shown."""
    return Call("providers", {})


def _released(result: Result, style: Style) -> str:
    return f"sessions start at {visible(result['provider']['provider'])} again\n"


@provider.command(
    cls=Remote, show=_released, examples=('fleet provider release anthropic --reason "the account is topped up"',)
)
@click.argument("name", metavar="PROVIDER")
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def release(name: str, reason: str) -> Call:
    """Let sessions start at a provider again now. People only."""
    return Call("provider.release", {"name": name, **given(reason=reason)})
