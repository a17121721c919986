"""``fleet config`` and ``fleet reload``: look at the configuration, change it, take it into force.

What changes goes to the daemon; where none runs the file is changed here and comes into force with the next start.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from fleet.cli.commands.configlook import diff, explain, get, revisions, show
from fleet.cli.door import Door
from fleet.cli.output import Style, counted, json_line, result_line, visible
from fleet.cli.remote import Call, Local, Remote, Result, style_of, wants_json
from fleet.cli.words import given, pass_door
from fleet.config.catalogue import load_roles
from fleet.config.keys import key_named, parse_value
from fleet.config.loader import load_config
from fleet.config.org import org_schema
from fleet.config.ownroles import own_of, texts_of
from fleet.config.paths import CONFIG_RELATIVE, find_checkout
from fleet.config.schema import config_schema
from fleet.control import rolelook
from fleet.core.errors import Unreachable

_EXITS = {
    3: "the file would have faults; each is printed with line and column, and nothing has changed",
    8: "somebody else changed it in between, or is changing it now",
}


@click.group()
def config() -> None:
    """Look at the configuration, change it, check it.

    Keys are written with dots: max_concurrent, retry.attempts, agents.developer.budget_seconds. Changes edit
    .fleet/config.yaml and keep its comments; with a daemon they are in force at once.
    """


for command in (get, explain, show, diff, revisions):
    config.add_command(command)


@config.command(
    "set",
    cls=Local,
    context_settings={"ignore_unknown_options": True},
    examples=(
        "fleet config set max_concurrent 2",
        'fleet config set agents.developer.budget_seconds 7200 --reason "a long migration"',
        "fleet config set agents.qa-engineer.subscribes_to pr_needs_review,docs_written",
    ),
    exits=_EXITS,
)
@click.argument("key")
@click.argument("value")
@click.option("--reason", metavar="TEXT", help="Why, for the journal.")
@click.option("--if-hash", metavar="HASH", help="Only if the file still has this hash (fleet config show --json).")
@click.pass_context
@pass_door
def set_(door: Door, ctx: click.Context, key: str, value: str, reason: str | None, if_hash: str | None) -> None:
    """Give a key another value.

    VALUE is read as the type of the key: a number, true or false, text, none; a list as words with commas between
    them, or as JSON.
    """
    parsed = parse_value(key_named(key), value)
    _change(door, ctx, {"op": "set", "key": key, "value": parsed}, reason, if_hash)


@config.command(
    cls=Local,
    examples=("fleet config unset required_label", "fleet config unset agents.developer.budget_seconds"),
    exits=_EXITS,
)
@click.argument("key")
@click.option("--reason", metavar="TEXT", help="Why, for the journal.")
@click.option("--if-hash", metavar="HASH", help="Only if the file still has this hash (fleet config show --json).")
@click.pass_context
@pass_door
def unset(door: Door, ctx: click.Context, key: str, reason: str | None, if_hash: str | None) -> None:
    """Take a key out of the file, so that its default counts again."""
    _change(door, ctx, {"op": "unset", "key": key}, reason, if_hash)


@config.command(
    cls=Local, examples=("fleet config revisions", 'fleet config rollback 7 --reason "too slow"'), exits=_EXITS
)
@click.argument("revision", type=click.IntRange(1, 2**53))
@click.option("--reason", metavar="TEXT", help="Why, for the journal.")
@click.option("--if-hash", metavar="HASH", help="Only if the file still has this hash (fleet config show --json).")
@click.pass_context
@pass_door
def rollback(door: Door, ctx: click.Context, revision: int, reason: str | None, if_hash: str | None) -> None:
    """Bring the configuration of an earlier revision back, as a change of its own.

    That is .fleet/config.yaml and the files of the repository's own roles, .fleet/roles/NAME.yaml: all of them are
    as they were, or none. Role files that came later are removed. A role file that was never in force as it lies there
    is kept beside it, as NAME.yaml.replaced. Prompts, playbooks and all else stay as they are.
    """
    call = Call("config.rollback", given(revision=revision, reason=reason, if_hash=if_hash))
    _done(ctx, _do(door, call, lambda here, paths: here.rollback_without_daemon(paths, revision, if_hash or "")))


def _change(door: Door, ctx: click.Context, edit: dict[str, object], reason: str | None, if_hash: str | None) -> None:
    call = Call("config.change", given(edits=[edit], reason=reason, if_hash=if_hash))
    words = (str(edit["op"]), str(edit["key"]), edit.get("value"))
    _done(ctx, _do(door, call, lambda here, paths: here.edit_without_daemon(paths, [words], if_hash or "")))


def _do(door: Door, call: Call, alone: Any) -> dict[str, Any]:
    """The daemon's answer; where none runs, that of ``alone``, which does it here. Loads the store only then."""
    client = door.client()
    try:
        return client.call(call.verb, call.args)
    except Unreachable as error:
        if error.code != "FLT-CLI-001" or door.is_agent or door.env.get("FLEET_SOCKET"):
            raise
    finally:
        client.close()
    done: dict[str, Any] = alone(importlib.import_module("fleet.daemon.offline"), door.paths())
    return done


def _done(ctx: click.Context, result: Result) -> None:
    sys.stdout.write(result_line(result) if wants_json(ctx) else changed_text(result, style_of(ctx)))


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
    notes = [*loaded.warnings, *rolelook.warnings(own_of(loaded.roles), texts_of(loaded.roles))]
    if wants_json(ctx):
        facts = {"file": str(path), "digest": loaded.digest, "agents": len(loaded.config.agents)}
        sys.stdout.write(json_line({"ok": True, **facts, "warnings": notes}))
        return
    sys.stderr.write("".join(f"warning: {visible(warning)}\n" for warning in notes))
    sys.stdout.write(
        f"{visible(name)} is valid: {counted(len(loaded.config.agents), 'agent')}, hash {loaded.digest[:12]}\n"
    )


@config.command(
    cls=Local,
    examples=(
        "fleet config schema > fleet.schema.json  # for your editor",
        "fleet config schema --org > org.schema.json",
    ),
)
@click.option("--org", is_flag=True, help="That of an org's org.yaml instead.")
@click.pass_context
def schema(ctx: click.Context, org: bool) -> None:
    """Print the JSON schema of the configuration file, for editors."""
    found = org_schema() if org else config_schema()
    sys.stdout.write(
        json_line({"ok": True, "schema": found}) if wants_json(ctx) else json.dumps(found, indent=2) + "\n"
    )


def changed_text(result: Result, style: Style) -> str:
    """What came into force, one change a line, and the warnings about it."""
    short = visible(result["hash"][:12])
    if not result["changed"]:
        return f"nothing has changed: {short} is {'in force' if result['running'] else 'in the file'}\n"
    if result["running"]:
        head = style.paint(f"{short} is in force", "green") + f" (revision {result['revision']})\n"
    else:
        head = f"the file was changed; no daemon runs, so {short} comes into force with fleet up\n"
    files = result.get("files", [])  # of a rollback
    brings_roles = any(name.startswith("roles/") for name in files)
    lines = result["changes"]["lines"]
    if not lines and not brings_roles:
        lines = ["only comments or the order have changed"]
    text = head + "".join(f"  {visible(line)}\n" for line in lines)
    if brings_roles:
        text += f"  as they were: {', '.join(visible(f'.fleet/{name}') for name in files)}\n"
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
