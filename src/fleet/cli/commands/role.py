"""``fleet role``: the templates that agents are made from."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, counted, duration, result_line, table, visible
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.rolebook import roles_at
from fleet.cli.words import pass_door
from fleet.config.catalogue import index, short
from fleet.config.ownroles import own_of
from fleet.config.roles import Role
from fleet.config.validate import nearest
from fleet.control.rolelook import refused_to_all
from fleet.core.errors import NotFound

Row = Mapping[str, Any]
_SHIPPED = "Fleet"  # where a role is from that no repository brought


@click.group()
def role() -> None:
    """List, search and show the roles that agents are made from."""


def _print(ctx: click.Context, rows: Mapping[str, Row]) -> None:
    if wants_json(ctx):
        sys.stdout.write(result_line({"roles": [{"name": name, **row} for name, row in rows.items()]}))
        return
    style = style_of(ctx)
    cells = [
        (name, row["department"], row["skill"], row["tier"], row["from"], row["mission"]) for name, row in rows.items()
    ]
    sys.stdout.write(table(("ROLE", "DEPARTMENT", "SKILL", "TIER", "FROM", "MISSION"), cells, style))
    sys.stdout.write(f"{counted(len(rows), 'role')}; all about one: fleet role show ROLE\n")


def _rows(door: Door) -> dict[str, Row]:
    """Every role in short, with where it is from. Reads no file of a shipped one."""
    own = own_of(roles_at(door))
    rows: dict[str, Row] = {name: {**row, "from": _SHIPPED} for name, row in index().items()}
    rows |= {name: {**short(found), "from": found.file} for name, found in own.items()}
    return dict(sorted(rows.items()))


@role.command("list", cls=Local, examples=("fleet role list --own", "fleet role list --department security --json"))
@click.option("--department", metavar="NAME", default="", help="Only those of this department.")
@click.option("--own", is_flag=True, help="Only those of this repository, from .fleet/roles/.")
@click.pass_context
@pass_door
def list_(door: Door, ctx: click.Context, department: str, own: bool) -> None:
    """List the roles: department, how they work, size of model, where they are from, and what they are for.

    Those of this repository lie in .fleet/roles/; the others come with Fleet.
    """
    rows = {name: row for name, row in _rows(door).items() if not own or row["from"] != _SHIPPED}
    known = sorted({str(row["department"]) for row in rows.values()})
    if department and department not in known:
        hint = nearest(department, known) or f"There are {', '.join(known)}."
        raise NotFound("FLT-CFG-130", "no role is in this department", where=department, hint=hint)
    _print(ctx, {name: row for name, row in rows.items() if department in ("", row["department"])})


@role.command(cls=Local, examples=("fleet role search payments", "fleet role search pr_approved"))
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.pass_context
@pass_door
def search(door: Door, ctx: click.Context, words: tuple[str, ...]) -> None:
    """Find roles by what they are for: name, department, mission, what they own, the events they hear and cause.

    Every word has to be there; the roles whose name holds one come first.
    """
    wanted = [word.lower() for text in words for word in text.split()]
    rows = _rows(door)
    hits = [name for name, row in rows.items() if all(word in _haystack(name, row) for word in wanted)]
    hits.sort(key=lambda name: (not any(word in name for word in wanted), name))
    if not hits:
        hint = nearest(words[0], list(rows)) or "fleet role list shows them all."
        raise NotFound("FLT-CFG-130", "no role is about this", where=" ".join(words), hint=hint)
    _print(ctx, {name: rows[name] for name in hits})


def _haystack(name: str, row: Row) -> str:
    texts = [
        name,
        name.replace("-", " "),
        row["department"],
        row["mission"],
        *row["owns"],
        *row["hears"],
        *row["emits"],
    ]
    return "\n".join(texts).lower()


@role.command(cls=Local, examples=("fleet role show release-manager", "fleet role show payments-developer --json"))
@click.argument("name", metavar="ROLE")
@click.pass_context
@pass_door
def show(door: Door, ctx: click.Context, name: str) -> None:
    """Show all about a role: its job, its bans, the events, what it may run and change, and examples of its work."""
    roles = roles_at(door)
    if name not in roles:
        hint = nearest(name, list(roles)) or "fleet role list shows them all."
        raise NotFound("FLT-CFG-130", "no such role", where=name, hint=hint)
    found = roles[name]
    if wants_json(ctx):
        sys.stdout.write(result_line({"role": _facts(found)}))
    else:
        sys.stdout.write(_text(found, style_of(ctx)))


def _facts(found: Role) -> dict[str, Any]:
    return {
        "name": found.name,
        "from": found.file if found.file.startswith(".fleet/") else _SHIPPED,
        "file": found.file,
        "sha256": found.digest,
        **short(found),
        "duties": list(found.duties),
        "must_never": list(found.must_never),
        "verbs": sorted(found.verbs),
        "expects": {event: list(events) for event, events in found.expects.items()},
        "commands": list(found.scope.commands),
        "refused_to_all": refused_to_all(found.scope.commands),
        "write": list(found.scope.write),
        "never": list(found.scope.never),
        "tier_reason": found.tier_reason,
        "budget_seconds": found.budget_seconds,
        "examples": list(found.examples),
        "widens": found.widens,
    }


def _text(found: Role, style: Style) -> str:
    lines = [f"{style.paint(found.name, 'bold')} ({visible(found.department)}, {found.file})", found.mission, ""]
    if found.extends:
        lines.insert(1, f"extends {found.extends}" + (f"; may do more: {found.widens}" if found.widens else ""))
    for title, items in (
        ("owns", found.owns),
        ("duties", found.duties),
        ("never", found.must_never),
        ("examples", found.examples),
    ):
        lines += [style.paint(title, "bold"), *(f"  - {item}" for item in items)]
    lines += [style.paint("facts", "bold"), *(f"  {line}" for line in _short_facts(found))]
    return "".join(f"{line}\n" for line in lines)


def _short_facts(found: Role) -> Iterator[str]:
    yield f"hears: {', '.join(found.hears) or 'nothing'}"
    yield f"emits: {', '.join(sorted(found.emits))}"
    for event, events in found.expects.items():
        yield f"done after {'anything' if event == '*' else event}: {' or '.join(events)}"
    yield f"may change: {', '.join(found.scope.write) or 'nothing'}"
    if found.scope.never:
        yield f"not: {', '.join(found.scope.never)}"
    yield f"may run: {counted(len(found.scope.commands), 'pattern')} (with --json)"
    for pattern, why in refused_to_all(found.scope.commands).items():
        yield f"but no agent may run {visible(pattern)}: {why}"
    yield f"skill: {found.skill}"
    yield f"model: {found.default_tier}. {found.tier_reason}"
    yield f"budget of a new agent: {duration(found.budget_seconds)}"
