"""``fleet config``: check the configuration, or print its schema. Works without a daemon."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, json_line, visible
from fleet.cli.remote import Call, Local, Remote, Result, wants_json
from fleet.cli.words import given, pass_door
from fleet.config.loader import load_config
from fleet.config.paths import CONFIG_RELATIVE, find_checkout
from fleet.config.roles import load_roles
from fleet.config.schema import config_schema


@click.group()
def config() -> None:
    """Check the configuration, or print its schema."""


@config.command(
    cls=Local,
    examples=(
        "fleet config validate",
        "fleet config validate draft.yaml --json",
    ),
    exits={3: "the file has faults; each is named with line and column"},
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_context
@pass_door
def validate(door: Door, ctx: click.Context, file: Path | None) -> None:
    """Check .fleet/config.yaml, or FILE, and print every fault with its line and column.

    Exit 3 when it is invalid. Warnings do not change the exit code.
    """
    folder = Path(door.folder)
    path = folder / file if file else find_checkout(folder) / CONFIG_RELATIVE
    name = str(file or CONFIG_RELATIVE)
    loaded = load_config(path, roles=load_roles(), name=name)
    if wants_json(ctx):
        facts = {"file": str(path), "digest": loaded.digest, "agents": len(loaded.config.agents)}
        sys.stdout.write(json_line({"ok": True, **facts, "warnings": list(loaded.warnings)}))
        return
    sys.stderr.write("".join(f"warning: {visible(warning)}\n" for warning in loaded.warnings))
    sys.stdout.write(f"{visible(name)} is valid: {len(loaded.config.agents)} agents, hash {loaded.digest[:12]}\n")


@config.command(cls=Local, examples=("fleet config schema > fleet.schema.json  # for the editor",))
@click.pass_context
def schema(ctx: click.Context) -> None:
    """Print the JSON schema of the configuration file, for editors."""
    found = config_schema()
    sys.stdout.write(
        json_line({"ok": True, "schema": found}) if wants_json(ctx) else json.dumps(found, indent=2) + "\n"
    )


def changed_text(result: Result, style: Style) -> str:
    """What came into force, one change a line, and the warnings about it."""
    if not result["changed"]:
        return f"nothing has changed: {result['hash'][:12]} is in force\n"
    head = style.paint(f"{result['hash'][:12]} is in force", "green")
    lines = result["changes"]["lines"] or ["only comments or the order have changed"]
    text = f"{head} (revision {result['revision']})\n" + "".join(f"  {visible(line)}\n" for line in lines)
    return text + "".join(f"warning: {visible(warning)}\n" for warning in result["warnings"])


@click.command(
    cls=Remote,
    show=changed_text,
    examples=(
        "fleet reload",
        'fleet reload --reason "one more reviewer"',
    ),
    exits={3: "the file has faults; each is printed with line and column, and nothing has changed"},
)
@click.option("--reason", metavar="TEXT", help="Why, for the journal.")
def reload(reason: str | None) -> Call:
    """Take the changed configuration into force, whole or not at all.

    Reads .fleet/config.yaml of the working tree. Runs that live go on under the configuration they started with;
    an agent that left the file is not started again. SIGHUP to the daemon or its supervisor does the same.
    """
    return Call("config.reload", given(reason=reason))
