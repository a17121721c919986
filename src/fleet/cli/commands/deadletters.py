"""``fleet deadletters``: work that was given up, and what a person does about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from fleet.cli.output import Style, duration, moment, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.rows import quoted
from fleet.cli.words import given

Row = Mapping[str, Any]


@click.group()
def deadletters() -> None:
    """List, explain, replay and discard work that was given up."""


def _list(result: Result, style: Style) -> str:
    rows = [
        (row["id"], row["state"], row["agent"] or "-", row["subject"] or "-", row["event_type"] or "-",
         row["attempts"] or "-", moment(row["at"]))
        for row in result["dead_letters"]
    ]  # fmt: skip
    headings = ("DEAD LETTER", "STATE", "AGENT", "SUBJECT", "EVENT", "TRIES", "GIVEN UP")
    return table(headings, rows, style) if rows else "no dead letters\n"


@deadletters.command(
    "list", cls=Remote, show=_list, examples=("fleet deadletters list", "fleet deadletters list --all --json")
)
@click.option("--all", "all_", is_flag=True, help="Also those that were settled, replayed or discarded.")
def list_(all_: bool) -> Call:
    """List what was given up and waits for a person."""
    return Call("deadletters", {"all": all_})


def _explained(result: Result, style: Style) -> str:
    """What happened, attempt by attempt, then what to type."""
    row = result["dead_letter"]
    about = f"{visible(row['agent']) or 'nobody'} on {visible(row['subject']) or 'nothing'}"
    text = f"{style.paint(about, 'bold')} for {visible(row['event_type']) or 'an event'}: {visible(row['state'])}\n"
    text += f"  given up {moment(row['at'])}: {visible(row['why'])}\n"
    if row["resolved_by"]:
        why = f": {visible(row['reason'])}" if row["reason"] else ""
        text += f"  {visible(row['state'])} by {visible(row['resolved_by'])}, {moment(row['resolved_at'])}{why}\n"
    text += "".join(_attempt(run, style) for run in result["attempts"]) or "\nno run of it is on record\n"
    if result["why_not"]:
        text += f"\nit cannot be replayed: {visible(result['why_not'])}\n"
    return text + "\n" + "".join(f"{visible(one['command'])}\n    {one['does']}\n" for one in result["commands"])


def _attempt(run: Row, style: Style) -> str:
    """One run: how it ended, what it left, the end of its terminal."""
    text = (
        f"\nattempt {run['attempt']}  {visible(run['id'])}  {style.state(run['state'])} after"
        f" {duration(run['seconds'])}, {moment(run['finished_at'])}\n"
    )
    text += f"  {visible(run['outcome'])}\n" if run["outcome"] else ""
    text += (
        f"  saved work: {visible(run['escrow_ref'])} ({visible(run['escrow_sha'])[:10]})\n" if run["escrow_sha"] else ""
    )
    return text + quoted(run["output"])


@deadletters.command(cls=Remote, show=_explained, examples=("fleet deadletters explain e01m8brkddbnva553a3",))
@click.argument("id_", metavar="ID")
def explain(id_: str) -> Call:
    """Tell what happened in each attempt, what is saved of it, and what to type.

    ID stands in fleet deadletters list.
    """
    return Call("deadletter.explain", {"id": id_})


def _replayed(result: Result, style: Style) -> str:
    row = result["dead_letter"]
    return (
        f"offered {visible(row['agent'])} the work on {visible(row['subject']) or visible(row['event_type'])} again\n"
    )


@deadletters.command(
    cls=Remote,
    show=_replayed,
    examples=('fleet deadletters replay e01m8brkddbnva553a3 --reason "the playbook is mended"',),
    exits={6: "refused: the work is moot, or an agent asked", 8: "it was replayed or discarded before"},
)
@click.argument("id_", metavar="ID")
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def replay(id_: str, reason: str) -> Call:
    """Offer given-up work to its agent once more, attempts counted anew. People only.

    Policy judges it like any other start, on the live state. What a merge, a new head or a closed ticket has
    overtaken is refused, with the reason.
    """
    return Call("deadletter.replay", {"id": id_, **given(reason=reason)})


def _discarded(result: Result, style: Style) -> str:
    row = result["dead_letter"]
    return f"discarded the work of {visible(row['agent']) or 'nobody'} on {visible(row['subject']) or 'an event'}\n"


@deadletters.command(
    cls=Remote,
    show=_discarded,
    examples=('fleet deadletters discard e01m8brkddbnva553a3 --reason "done by hand"',),
    exits={8: "it was replayed or discarded before"},
)
@click.argument("id_", metavar="ID")
@click.option("--reason", metavar="TEXT", required=True, help="Why nobody needs it; stays on record.")
def discard(id_: str, reason: str) -> Call:
    """Say on record that nobody needs given-up work any more. People only."""
    return Call("deadletter.discard", {"id": id_, "reason": reason})
