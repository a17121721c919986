"""``fleet skills``: the ways of working in Claude Code's own format."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fleet.cli.door import Door
from fleet.cli.output import result_line, table, visible
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.rolebook import roles_at
from fleet.cli.words import pass_door
from fleet.config.validate import nearest
from fleet.control import skillfiles
from fleet.core.errors import NotFound


@click.group()
def skills() -> None:
    """List the ways of working, and write them as skills for Claude Code."""


@skills.command("list", cls=Local, examples=("fleet skills list", "fleet skills list --json"))
@click.pass_context
def list_(ctx: click.Context) -> None:
    """List the skills, and when each is used."""
    found = [{"name": one.name, "folder": one.folder, "description": one.description} for one in skillfiles.skills()]
    if wants_json(ctx):
        sys.stdout.write(result_line({"skills": found}))
        return
    rows = [(one["folder"], one["description"]) for one in found]
    sys.stdout.write(table(("SKILL", "WHAT FOR, AND WHEN"), rows, style_of(ctx)))


@skills.command(
    cls=Local,
    examples=(
        "fleet skills install --target .claude/skills --dry-run",
        "fleet skills install --target /tmp/fleet-plugin --plugin --role backend-developer",
    ),
    exits={8: "a file that Fleet did not write is in the way"},
)
@click.option("--target", metavar="DIR", required=True, help="The folder to write into; nothing else is touched.")
@click.option("--role", "role_name", metavar="ROLE", default="", help="Only the skill of this role, for its runs.")
@click.option("--plugin", is_flag=True, help="As a plugin, for claude --plugin-dir.")
@click.option("--dry-run", is_flag=True, help="Only say what would be written.")
@click.pass_context
@pass_door
def install(door: Door, ctx: click.Context, target: str, role_name: str, plugin: bool, dry_run: bool) -> None:
    """Write the skills into a folder that you name, such as .claude/skills of a repository.

    Agents of a fleet do not need this: their handbook has the same steps. Run it again after an upgrade.
    """
    door.people_only("install skills")
    roles = roles_at(door) if role_name else {}
    if role_name and role_name not in roles:
        hint = nearest(role_name, list(roles)) or "fleet role list shows them all."
        raise NotFound("FLT-CFG-130", "no such role", where=role_name, hint=hint)
    folder = Path(door.folder) / Path(target).expanduser()
    role = roles[role_name] if role_name else None
    done = skillfiles.install(folder, role=role, as_plugin=plugin, dry_run=dry_run)
    if wants_json(ctx):
        facts = {"written": list(done.written), "unchanged": list(done.unchanged), "dry_run": dry_run}
        sys.stdout.write(result_line({"folder": str(done.folder), **facts}))
        return
    word = "would write" if dry_run else "wrote"
    text = "".join(f"{word} {visible(name)}\n" for name in done.written)
    same = "".join(f"unchanged {visible(name)}\n" for name in done.unchanged)
    sys.stdout.write(f"{text}{same}in {visible(done.folder)}\n")
