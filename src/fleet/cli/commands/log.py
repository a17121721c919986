"""``fleet log``: the journal, filtered, and followed as it grows."""

from __future__ import annotations

import sys
from typing import Any

import click

from fleet.cli.client import Client
from fleet.cli.door import Door
from fleet.cli.output import json_line
from fleet.cli.remote import Call, Local, ask, door_of, style_of, wants_json
from fleet.cli.rows import entries_text, entry_text
from fleet.cli.words import PR, TICKET, given, pass_door, since
from fleet.core.errors import Unreachable

_WAIT_SECONDS = 20.0
_SHORT = {"conversation": "conversation.said"}


@click.command(
    cls=Local,
    examples=(
        "fleet log --since 1h --agent developer",
        "fleet log --pr 8 --json",
        "fleet log --type conversation --agent developer",
        "fleet log -f",
    ),
)
@click.option("--since", "since_", metavar="WHEN", default="", help="Only after this: 30m, 1h, 7d or an ISO time.")
@click.option("--agent", metavar="NAME", default="", help="Only about this agent.")
@click.option("--type", "type_", metavar="TYPE", default="", help="Only this type, such as pr_approved or run.started.")
@click.option("--ticket", type=TICKET, help="Only what belongs to this ticket.")
@click.option("--pr", type=PR, help="Only about this pull request.")
@click.option("--limit", type=click.IntRange(1, 10000), default=200, show_default=True, help="The newest so many.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is recorded from now on.")
@click.pass_context
@pass_door
def log(
    door: Door,
    ctx: click.Context,
    since_: str,
    agent: str,
    type_: str,
    ticket: int | None,
    pr: int | None,
    limit: int,
    follow: bool,
) -> None:
    """Print the journal.

    Events are marked *, decisions =, activity a dot; oldest first. With --json one object holds all
    entries; with --follow each entry is one object on its own line.
    """
    wanted = given(
        since=since(since_, door.clock.now()), agent=agent, type=_SHORT.get(type_, type_), ticket=ticket, pr=pr
    )
    found = ask(door, Call("log", {**wanted, "limit": limit}))
    if found["archived_to"] and len(found["entries"]) < limit:
        sys.stderr.write(
            f"fleet: entries up to {found['archived_to']} may lie in an archive: fleet audit checkpoints\n"
        )
    if not follow:
        sys.stdout.write(
            json_line({"ok": True, **found}) if wants_json(ctx) else entries_text(found["entries"], style_of(ctx))
        )
        return
    _follow(ctx, wanted, found)


def _follow(ctx: click.Context, wanted: dict[str, object], found: dict[str, Any]) -> None:
    """Print what there is and what comes, until interrupted."""
    style = style_of(ctx)
    client = door_of(ctx).client()
    while True:
        for entry in found["entries"]:
            sys.stdout.write(json_line(entry) if wants_json(ctx) else entry_text(entry, style))
        sys.stdout.flush()
        after = max([found["head"], *(entry["seq"] for entry in found["entries"])])
        found = _next(client, {**wanted, "after": after, "wait_seconds": _WAIT_SECONDS})


def _next(client: Client, args: dict[str, object]) -> dict[str, Any]:
    """The next entries; a daemon that ends meanwhile is asked again once, for its supervisor starts another."""
    try:
        return client.call("log", args)
    except Unreachable as error:
        if error.code != "FLT-CLI-005":
            raise
        return client.call("log", args)
