"""``fleet handbook``: what an agent reads about itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, result_line, table, visible
from fleet.cli.remote import Call, Local, ask, style_of, wants_json
from fleet.cli.words import pass_door
from fleet.config.catalogue import load_roles
from fleet.config.loader import load_config
from fleet.config.paths import CONFIG_RELATIVE, find_checkout
from fleet.control.handbooks import handbook_by
from fleet.core.errors import Unreachable


@click.group()
def handbook() -> None:
    """Show what an agent reads about itself, and where each part comes from."""


@handbook.command(
    cls=Local,
    examples=(
        "fleet handbook show developer",
        "fleet handbook show developer --sources",
        "fleet handbook show developer --json",
    ),
)
@click.argument("agent")
@click.option("--sources", is_flag=True, help="Only where each part comes from, with its lines.")
@click.pass_context
@pass_door
def show(door: Door, ctx: click.Context, agent: str, sources: bool) -> None:
    """Print the handbook of an agent, exactly as its next run reads it.

    It is made by the configuration in force; where this fleet was never up, by the file. A run keeps its own copy, and
    the hash of that is in the journal: fleet log --type handbook.compiled. What a vendor adds comes last, with RUN for
    the run's folder; skills, which an agent reads when it uses them, are listed by --sources and printed by --json.
    """
    found = _found(door, agent)
    if wants_json(ctx):
        sys.stdout.write(result_line(found))
    elif sources:
        sys.stdout.write(_sources(found, style_of(ctx)))
    else:
        sys.stdout.write(visible("".join((found["text"], *_last_part(found))), lines=True))


def _found(door: Door, agent: str) -> dict[str, Any]:
    try:
        return ask(door, Call("handbook", {"name": agent}))
    except Unreachable:
        if door.is_agent or door.env.get("FLEET_SOCKET"):
            raise
        path = find_checkout(Path(door.folder)) / CONFIG_RELATIVE
        loaded = load_config(path, roles=load_roles(), name=str(CONFIG_RELATIVE))
        return handbook_by(loaded, path.parent, agent)


def _last_part(found: dict[str, Any]) -> list[str]:
    """What stands in the same text after the handbook: the parts that begin with a heading of their own."""
    return [part["text"] for part in found["added"] if part["text"].lstrip().startswith("## ")]


def _sources(found: dict[str, Any], style: Style) -> str:
    rows = [
        (f"{part['first_line']}-{part['last_line']}", part["title"], _one(part["sources"][0]))
        if not number
        else ("", "", _one(source))
        for part in found["parts"]
        for number, source in enumerate(part["sources"])
    ]
    head = f"handbook of {visible(found['agent'])}, {found['sha256'][:12]}\n"
    rows += [
        ("added" if not number else "", part["title"] if not number else "", _one(source))
        for part in found["added"]
        for number, source in enumerate(part["sources"])
    ]
    return head + table(("LINES", "PART", "FROM"), rows, style)


def _one(source: dict[str, str]) -> str:
    return f"{source['name']} ({source['sha256'][:12]})" if source["sha256"] else source["name"]
