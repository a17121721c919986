"""``fleet explain``: what a code means, what usually causes it, and what to type."""

from __future__ import annotations

import sys

import click

from fleet.cli import explaining
from fleet.cli.output import json_line
from fleet.cli.remote import Local, style_of, wants_json
from fleet.core.catalogue import CATALOGUE
from fleet.core.errors import UsageError


@click.command(
    cls=Local,
    examples=(
        "fleet explain FLT-CLI-001",
        "fleet explain pol-064  # the prefix may be left out",
        "fleet explain sto      # every code of one area",
        "fleet explain --list",
    ),
)
@click.argument("code", nargs=-1)
@click.option("--list", "list_", is_flag=True, help="List every code with its meaning.")
@click.pass_context
def explain(ctx: click.Context, code: tuple[str, ...], list_: bool) -> None:
    """Explain a code: what it means, what usually causes it, what to type.

    CODE is the one in brackets at the end of an error line, or of a reason that policy gave. A whole error
    line may be pasted.
    """
    wanted = " ".join(code)
    if bool(wanted.strip()) == list_:
        raise UsageError("FLT-DOC-002", "name one code, or ask for --list", hint="Example: fleet explain FLT-CLI-001")
    found = None if list_ else explaining.find(wanted)
    codes = [found] if found else sorted(CATALOGUE) if list_ else explaining.in_area(wanted)
    if not codes:
        raise explaining.unknown(wanted)
    if wants_json(ctx):
        facts = explaining.facts_of(found) if found else {"codes": [explaining.facts_of(one) for one in codes]}
        sys.stdout.write(json_line({"ok": True, **facts}))
        return
    style = style_of(ctx)
    sys.stdout.write(explaining.text_of(found, style) if found else explaining.list_text(codes, style))
