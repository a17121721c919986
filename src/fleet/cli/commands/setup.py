"""``fleet init``: the first ``.fleet/`` of a repository."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fleet.cli.door import Door
from fleet.cli.output import json_line, visible
from fleet.cli.remote import Local, wants_json
from fleet.cli.words import pass_door
from fleet.config.scaffold import Scaffolded, scaffold

_QUESTION = """\
All agents will run as you (shared-uid mode). That protects against mistakes and self-declared names, not against a
hostile process of yours. May agents merge approved pull requests in this repository? Otherwise a merge waits for you.\
"""


@click.command(
    cls=Local,
    examples=(
        "fleet init --vendor scripted",
        'fleet init --vendor scripted --allow-shared-uid-merge --reason "trying it out"',
    ),
)
@click.option("--vendor", type=click.Choice(["scripted"]), default="scripted", show_default=True, help="Who plays.")
@click.option("--force", is_flag=True, help="Replace what is there; the old files go to .fleet/.backup/.")
@click.option(
    "--allow-shared-uid-merge/--no-allow-shared-uid-merge",
    "allow",
    default=None,
    help="Whether agents may merge although all of them run as you. Asked on a terminal; otherwise no.",
)
@click.option("--reason", metavar="TEXT", default="", help="Why that is acceptable here; stays in the configuration.")
@click.pass_context
@pass_door
def init(door: Door, ctx: click.Context, vendor: str, force: bool, allow: bool | None, reason: str) -> None:
    """Write .fleet/: a configuration, prompts and playbooks.

    The agents are a developer, two reviewers and a release manager. Run it at the top of a git repository.
    Overwrites nothing without --force.
    """
    door.people_only("set up a fleet")
    allowed, why = _decide(ctx, allow, reason)
    made = scaffold(
        Path(door.folder),
        now=door.clock.now(),
        vendor=vendor,
        force=force,
        allow_shared_uid_merge=allowed,
        reason=why,
    )
    if wants_json(ctx):
        facts = {"folder": str(made.folder), "written": list(made.written), "backup": made.backup or None}
        sys.stdout.write(json_line({"ok": True, **facts, "agents_may_merge": allowed}))
        return
    sys.stdout.write(_text(made, allowed))


def _decide(ctx: click.Context, allow: bool | None, reason: str) -> tuple[bool, str]:
    """Whether agents may merge, and why: from the options, else asked on a terminal, else no."""
    terminal = sys.stdin.isatty() and sys.stderr.isatty() and not wants_json(ctx)
    if allow is None and terminal:
        click.echo(_QUESTION, err=True)
        allow = click.confirm("Allow it?", default=False, err=True)
    if allow and not reason and terminal:
        reason = click.prompt("Why is that acceptable here?", err=True)
    return bool(allow), reason


def _text(made: Scaffolded, allowed: bool) -> str:
    text = "".join(f"wrote {visible(name)}\n" for name in made.written)
    if made.backup:
        text += f"the old files are in {visible(made.backup)}\n"
    waits = "agents may not merge, a merge waits for you (--allow-shared-uid-merge changes that)"
    merges = "agents may merge" if allowed else waits
    return f"{text}{merges}\nnext: commit .fleet, then fleet up\n"
