"""``fleet config get``, ``explain``, ``show``, ``diff`` and ``revisions``: what the configuration says, and why.

``get``, ``explain`` and ``show`` read the file in the working tree, faulty or not; what is in force comes from the
daemon, or from the record where none runs.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, moment, result_line, table, visible
from fleet.cli.remote import Call, Local, Remote, Result, ask, style_of, wants_json
from fleet.cli.rolebook import roles_at, roles_in_force
from fleet.cli.words import pass_door
from fleet.config.catalogue import load_roles
from fleet.config.changes import compare_loaded, said
from fleet.config.configfile import digest_of
from fleet.config.environment import VARIABLES
from fleet.config.keys import Key, effective_keys, key_named, value_in
from fleet.config.loader import load_config, parse_config, read_config
from fleet.config.ownroles import shown_as, texts_of
from fleet.config.paths import CONFIG_RELATIVE, find_checkout
from fleet.config.roles import Role
from fleet.config.yamlfile import read_yaml
from fleet.core.errors import FleetError, NotFound, Unreachable

NAME = str(CONFIG_RELATIVE)


def _file(door: Door) -> Path:
    return find_checkout(Path(door.folder)) / CONFIG_RELATIVE


def _print(ctx: click.Context, facts: dict[str, Any], text: str) -> None:
    sys.stdout.write(result_line(facts) if wants_json(ctx) else text)


def _found(door: Door, key: Key) -> dict[str, Any]:
    """The key's value in the working tree's file, and where it comes from."""
    found = value_in(read_yaml(read_config(_file(door), NAME), NAME), key)
    return {
        "key": key.name,
        "value": found.value,
        "source": "file" if found.spot is not None else "default",
        "file": NAME if found.spot is not None else "",
        "line": found.spot.line if found.spot is not None else 0,
    }


@click.command(
    cls=Local, examples=("fleet config get max_concurrent", "fleet config get agents.developer.model --json")
)
@click.argument("key")
@click.pass_context
@pass_door
def get(door: Door, ctx: click.Context, key: str) -> None:
    """Print the value of a key: what the file says, or the default."""
    facts = _found(door, key_named(key))
    value = facts["value"]
    _print(ctx, facts, f"{visible(value if isinstance(value, str) else said(value))}\n")


@click.command(cls=Local, examples=("fleet config explain retry.attempts", "fleet config explain FLEET_SOCKET"))
@click.argument("key")
@click.pass_context
@pass_door
def explain(door: Door, ctx: click.Context, key: str) -> None:
    """Tell what a key means, what is allowed, its value, where that comes from and since when it is in force.

    KEY may also be a variable of the environment that Fleet reads.
    """
    if key in VARIABLES:
        value = door.env.get(key)
        facts: dict[str, Any] = {
            "key": key,
            "means": VARIABLES[key],
            "value": value,
            "source": "environment" if value else "default",
        }
        text = f"{visible(value)} (the environment of this shell)" if value else "not set"
        _print(ctx, facts, f"{key}: {text}\n  {VARIABLES[key]}\n")
        return
    known = key_named(key)
    in_force = _in_force(door, key)
    facts = {
        **_found(door, known),
        "means": known.means,
        "allowed": known.allowed,
        "required": known.required,
        "default": known.default,
        "in_force": in_force,
    }
    if key.startswith("agents.") and key.endswith(".role"):
        facts["role"] = _role_facts(roles_at(door).get(str(facts["value"])))
    if key.startswith("agents.") and key.endswith(".model"):
        facts["used"] = _model_facts(door, key.removeprefix("agents.").removesuffix(".model"))
    _print(ctx, facts, _explained(facts))


def _in_force(door: Door, key: str) -> dict[str, Any] | None:
    """The key as it is in force, and since when; None where there is no record yet, or it was not there."""
    try:
        return ask(door, Call("config.key", {"key": key}))
    except NotFound:
        return None
    except Unreachable:
        return None


def _role_facts(role: Role | None) -> dict[str, Any] | None:
    if role is None:
        return None
    return {"name": role.name, "may": sorted(role.verbs), "emits": sorted(role.emits)}


def _model_facts(door: Door, name: str) -> dict[str, Any] | None:
    """The model that runs of an agent get by the file, and by whose word; None where the file is faulty."""
    try:
        loaded = load_config(_file(door), roles=load_roles(), name=NAME)
    except FleetError:
        return None
    agent = loaded.config.agent(name)
    if agent is None:
        return None
    choice = loaded.model_of(agent)
    return {"model": choice.model, "asked": choice.asked, "because": list(choice.because)}


def _explained(facts: dict[str, Any]) -> str:
    where = f"{facts['file']}:{facts['line']}" if facts["source"] == "file" else "the default; the file does not say"
    rows = [
        ("means", facts["means"] or "-"),
        ("allowed", facts["allowed"]),
        ("default", "none: it has to be written" if facts["required"] else said(facts["default"])),
        ("from", where),
    ]
    used = facts.get("used")
    if used is not None:
        rows.append(("its runs", f"{used['model'] or 'whatever the vendor takes'}: {', then '.join(used['because'])}"))
    role, in_force = facts.get("role"), facts["in_force"]
    if role is not None:
        rows.append(("the role", f"may {', '.join(role['may']) or 'nothing of its own'}"))
        rows.append(("", f"emits {', '.join(role['emits']) or 'nothing'}"))
    if in_force is None:
        rows.append(("in force", "not yet: fleet up, or fleet reload"))
    else:
        since = f"since {moment(in_force['since'])} by {in_force['actor']}" if in_force["revision"] else ""
        why = f": {in_force['reason']}" if in_force["reason"] else ""
        same = in_force["value"] == _plain(facts["value"])
        value = "" if same else f"{said(in_force['value'])}, until fleet reload; "
        rows.append(("in force", f"{value}{since}{why}" or "yes"))
    text = f"{facts['key']}: {visible(said(facts['value']))}\n"
    return text + "".join(f"  {name:<9} {visible(words)}\n" for name, words in rows)


def _plain(value: object) -> object:
    """A value as it comes back over the socket."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


@click.command(cls=Local, examples=("fleet config show", "fleet config show --effective", "fleet config show --json"))
@click.option("--effective", is_flag=True, help="Every key with its value, and whether it is written or the default.")
@click.option("--in-force", is_flag=True, help="What the fleet works by, instead of the file.")
@click.pass_context
@pass_door
def show(door: Door, ctx: click.Context, effective: bool, in_force: bool) -> None:
    """Print the configuration file, or what is in force."""
    state = ask(door, Call("config.state", {})) if in_force else None
    if state is not None:
        name, data = "in force", str(state["text"]).encode()
    else:
        name, data = NAME, read_config(_file(door), NAME)
    facts: dict[str, Any] = {
        "file": "" if in_force else NAME,
        "hash": digest_of(data),
        "text": data.decode("utf-8", "replace"),
    }
    if not effective:
        _print(ctx, facts, visible(facts["text"], lines=True))
        return
    loaded = parse_config(data, name=name, roles=roles_at(door) if state is None else roles_in_force(state))
    document = read_yaml(data, name)
    rows = []
    for key in effective_keys(loaded.config):
        found = value_in(document, key_named(key))
        rows.append({"key": key, "value": found.value, "line": found.spot.line if found.spot is not None else 0})
    lines = [(row["key"], said(row["value"]), f"line {row['line']}" if row["line"] else "default") for row in rows]
    _print(ctx, {**facts, "keys": rows}, table(("KEY", "VALUE", "FROM"), lines, style_of(ctx)))


@click.command(
    cls=Local,
    examples=("fleet config diff", "fleet config diff --json"),
    exits={3: "the file has faults, so it cannot come into force; each is printed"},
)
@click.pass_context
@pass_door
def diff(door: Door, ctx: click.Context) -> None:
    """Compare the file with what is in force: what fleet reload would change."""
    state = ask(door, Call("config.state", {}))
    loaded = load_config(_file(door), roles=load_roles(), name=NAME)
    try:
        roles = roles_in_force(state)
        changes = compare_loaded(parse_config(state["text"].encode(), name="in force", roles=roles), loaded)
    except FleetError:  # an older program took what this one refuses
        changes = compare_loaded(loaded, loaded)
    old = {NAME: str(state["text"])} | {shown_as(name): text for name, text in state["own_roles"].items()}
    new = {NAME: loaded.text} | {shown_as(name): data for name, data in texts_of(loaded.roles).items()}
    lines = (line for name in sorted({*old, *new}) for line in _lines(name, old.get(name, ""), new.get(name, b"")))
    text = "".join(f"{visible(line)}\n" for line in lines)
    facts = {
        "same": loaded.digest == state["hash"],
        "hash": loaded.digest,
        "in_force": state["hash"],
        "changes": changes.as_dict(),
        "diff": text,
    }
    _print(ctx, facts, _difference(facts))


def _lines(name: str, old: str, new: bytes) -> Iterator[str]:
    """What is different in one file."""
    return difflib.unified_diff(old.splitlines(), new.decode().splitlines(), "in force", name, n=1, lineterm="")


def _difference(facts: dict[str, Any]) -> str:
    if facts["same"]:
        return f"the file is what is in force ({facts['hash'][:12]})\n"
    lines = facts["changes"]["lines"] or ["only comments or the order differ"]
    return f"{facts['diff']}\nfleet reload would change:\n" + "".join(f"  {visible(line)}\n" for line in lines)


def _revisions(result: Result, style: Style) -> str:
    rows = []
    for row in result["revisions"]:
        state = "in force" if row["revision"] == result["in_force"] else row["phase"]
        said_ = "; ".join(row["changes"]) or "-"
        reason = f" ({row['reason']})" if row["reason"] else ""
        what = said_ if len(said_) <= 70 else said_[:67] + "..."
        rows.append((row["revision"], moment(row["accepted_at"] or row["at"]), row["actor"], state, what + reason))
    return table(("REVISION", "WHEN", "WHO", "STATE", "CHANGES"), rows, style)


@click.command(
    cls=Remote, show=_revisions, examples=("fleet config revisions", "fleet config revisions --limit 50 --json")
)
@click.option("--limit", type=click.IntRange(1, 50), default=20, show_default=True, help="How many, newest first.")
def revisions(limit: int) -> Call:
    """List what the configuration was before: when, by whom, why, and what changed.

    The last 50 are kept with their whole text; fleet config rollback brings one back.
    """
    return Call("config.revisions", {"limit": limit})
