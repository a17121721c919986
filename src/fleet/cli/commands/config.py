"""``fleet config``: check the configuration, or print its schema. Works without a daemon."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from fleet.cli.door import Door
from fleet.cli.output import json_line, visible
from fleet.cli.remote import Local, wants_json
from fleet.cli.words import pass_door
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
