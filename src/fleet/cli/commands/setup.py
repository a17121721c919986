"""``fleet init``: the first ``.fleet/`` of a repository."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from fleet.cli import account
from fleet.cli.door import Door
from fleet.cli.output import json_line, table, visible
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.words import pass_door
from fleet.config.catalogue import load_roles
from fleet.config.loader import load_config
from fleet.config.paths import ORG_FILE, org_home
from fleet.config.presets import DEFAULT, TEAMS, Preset, preset_for
from fleet.config.scaffold import VENDORS, Scaffolded, scaffold
from fleet.config.signals import kinds_of
from fleet.daemon.orgsetup import make_org
from fleet.health.client import client, client_checks

_QUESTION = """\
All agents will run as you (shared-uid mode). That protects against mistakes and self-declared names, not against a
hostile process of yours. May agents merge approved pull requests in this repository? Otherwise a merge waits for you.\
"""


@click.command(
    cls=Local,
    examples=(
        "fleet init --vendor scripted",
        'fleet init --vendor scripted --allow-shared-uid-merge --reason "trying it out"',
        "fleet init --template go-service",
        "fleet init --vendor claude-code --key-command 'env HOME=/home/me pass show anthropic/key'",
        "fleet init --forge local    # tickets and pull requests stay on this machine",
        "fleet init --list-templates",
        "fleet init --org acme --checkout ~/src/shop --checkout ~/src/api",
    ),
)
@click.option(
    "--vendor",
    type=click.Choice(VENDORS),
    help="Who plays: playbooks (scripted, the default), or Claude Code. Asked on a terminal where that is found.",
)
@account.options
@click.option("--force", is_flag=True, help="Replace what is there; the old files go to .fleet/.backup/.")
@click.option(
    "--allow-shared-uid-merge/--no-allow-shared-uid-merge",
    "allow",
    default=None,
    help="Whether agents may merge although all of them run as you. Asked on a terminal; otherwise no.",
)
@click.option("--reason", metavar="TEXT", default="", help="Why that is acceptable here; stays in the configuration.")
@click.option(
    "--forge",
    type=click.Choice(["local", "github"]),
    help="Where tickets and pull requests live; by default GitHub where origin is there.",
)
@click.option("--org", metavar="NAME", default=None, help="Make the folder of an org instead.")
@click.option(
    "--checkout", "checkouts", metavar="FOLDER", multiple=True, help="With --org: a repository of it; repeatable."
)
@click.option("--template", type=click.Choice(list(TEAMS)), help="The team; by default what the files here speak for.")
@click.option("--list-templates", "listing", is_flag=True, help="Only list the teams, and which one fits here.")
@click.pass_context
@pass_door
def init(
    door: Door,
    ctx: click.Context,
    vendor: str | None,
    key_command: str,
    login: str,
    force: bool,
    allow: bool | None,
    reason: str,
    org: str | None,
    checkouts: tuple[str, ...],
    template: str | None,
    listing: bool,
    forge: str | None,
) -> None:
    """Write .fleet/: a configuration, prompts and playbooks.

    The agents are a developer, reviewers and a release manager, with roles that fit what the repository is: names of
    files at its top decide, or --template. Run it at the top of a git repository. Overwrites nothing without --force.

    With --vendor claude-code real sessions play them. They need the client and something to prove themselves with, and
    cost what their tokens cost; what is still missing is said, and fleet doctor looks again: docs/howto/claude-code.md

    With --org it makes $XDG_CONFIG_HOME/fleet/orgs/NAME: org.yaml with the repositories, and a fleet whose agents hear
    what happens in all of them.
    """
    fitting, sign = preset_for(kinds_of(Path(door.folder)))
    if listing:
        _list_templates(ctx, fitting, sign)
        return
    door.people_only("set up a fleet")
    if org is not None or checkouts:
        _init_org(door, ctx, org, checkouts, force or allow is not None or bool(reason))
        return
    team = TEAMS[template] if template else fitting
    auth = account.auth_of(key_command, login, door.folder)
    player, auth = _player(ctx, vendor, auth)
    allowed, why = _decide(ctx, allow, reason)
    made = scaffold(
        Path(door.folder),
        now=door.clock.now(),
        vendor=player,
        auth=auth,
        force=force,
        allow_shared_uid_merge=allowed,
        reason=why,
        template=team.name,
        forge=forge or "",
    )
    sign = "" if template else sign
    needs = _needs(made) if player == "claude-code" else []
    if wants_json(ctx):
        facts = {"folder": str(made.folder), "written": list(made.written), "backup": made.backup or None}
        chosen = {"template": team.name, "because": sign or None}
        played = {"vendor": player, "needs": needs}
        sys.stdout.write(json_line({"ok": True, **facts, **chosen, **played, "agents_may_merge": allowed}))
        return
    offer = _offer() if vendor is None and player == "scripted" and not _on_terminal(ctx) else ""
    sys.stdout.write(_team_text(team, sign) + _text(made, allowed, offer, needs))


def _player(ctx: click.Context, vendor: str | None, auth: account.Auth | None) -> tuple[str, account.Auth | None]:
    """Who plays, and with what it proves itself: from the options, else asked on a terminal, else playbooks."""
    if vendor is not None or auth is not None:
        return vendor or "claude-code", auth
    if not _on_terminal(ctx) or (found := client()).fault:
        return "scripted", None
    click.echo(
        f"Claude Code {found.version} is here. Its sessions cost what their tokens cost; playbooks cost nothing.",
        err=True,
    )
    if not click.confirm("Let it play the agents?", default=False, err=True):
        return "scripted", None
    words = click.prompt("A program that prints the API key, and its arguments", err=True)
    return "claude-code", account.auth_of(words, "", "")


def _offer() -> str:
    """A line for whoever could have Claude Code play; "" where it is not found."""
    found = client()
    if found.fault:
        return ""
    return (
        f"Claude Code {found.version} is here and could play them instead of playbooks:\n"
        f"  fleet init --force --vendor claude-code {account.OPTIONS}\n"
    )


def _needs(made: Scaffolded) -> list[str]:
    """What agents of Claude Code still lack, one line each."""
    config = load_config(made.folder / "config.yaml", roles=load_roles()).config
    return [f"{check.found}: {check.fix}" for check in client_checks(config) if check.state == "fail"]


def _on_terminal(ctx: click.Context) -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty() and not wants_json(ctx)


def _list_templates(ctx: click.Context, fitting: Preset, sign: str) -> None:
    rows = [
        {
            "name": team.name,
            "says": team.says,
            "roles": [seat.role for seat in team.seats],
            "fits": team is fitting,
            "because": sign if team is fitting else "",
        }
        for team in TEAMS.values()
    ]
    if wants_json(ctx):
        sys.stdout.write(json_line({"ok": True, "templates": rows}))
        return
    cells = [(row["name"], row["says"], ", ".join(seat.role for seat in TEAMS[str(row["name"])].seats)) for row in rows]
    because = f", as {sign} shows" if sign else ""
    text = table(("TEMPLATE", "FOR", "ROLES"), cells, style_of(ctx))
    sys.stdout.write(f"{text}for this folder: {fitting.name}{because}\n")


def _team_text(team: Preset, sign: str) -> str:
    """Which team it is; nothing of the one that fits everywhere."""
    if team.name == DEFAULT:
        return ""
    because = f", as {sign} shows" if sign else ""
    return f"team {team.name}{because}: {', '.join(seat.role for seat in team.seats)}\n"


def _init_org(door: Door, ctx: click.Context, org: str | None, checkouts: tuple[str, ...], more: bool) -> None:
    if org is None or more:
        raise click.UsageError("--checkout goes with --org NAME, and --org with nothing else but --checkout")
    home = org_home(org, door.env)
    written = make_org(home, [Path(door.folder, checkout).resolve() for checkout in checkouts])
    if wants_json(ctx):
        sys.stdout.write(json_line({"ok": True, "org": org, "folder": str(home), "written": list(written)}))
        return
    text = "".join(f"wrote {visible(home / name)}\n" for name in written)
    what = "" if checkouts else f"add its repositories to {visible(home / ORG_FILE)}, then "
    sys.stdout.write(f"{text}next: {what}fleet up --org {org}\n")


def _decide(ctx: click.Context, allow: bool | None, reason: str) -> tuple[bool, str]:
    """Whether agents may merge, and why: from the options, else asked on a terminal, else no."""
    terminal = _on_terminal(ctx)
    if allow is None and terminal:
        click.echo(_QUESTION, err=True)
        allow = click.confirm("Allow it?", default=False, err=True)
    if allow and not reason and terminal:
        reason = click.prompt("Why is that acceptable here?", err=True)
    return bool(allow), reason


def _text(made: Scaffolded, allowed: bool, offer: str, needs: Sequence[str]) -> str:
    text = "".join(f"wrote {visible(name)}\n" for name in made.written)
    if made.backup:
        text += f"the old files are in {visible(made.backup)}\n"
    waits = "agents may not merge, a merge waits for you (--allow-shared-uid-merge changes that)"
    merges = "agents may merge" if allowed else waits
    lacks = "".join(f"still needed: {visible(line)}\n" for line in needs)
    return f"{text}{merges}\n{offer}{lacks}next: commit .fleet, then {'fleet doctor, then ' if lacks else ''}fleet up\n"
