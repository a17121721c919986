"""Verbs that change who is a member and how: each an edit of .fleet/config.yaml, checked whole, then in force.

The file is looked at first and named by its hash, so that an edit in between is noticed and nothing is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fleet.config.configfile import digest_of
from fleet.config.edit import Append, Edit, PutAgent, Remove, Set, Unset, apply_edits
from fleet.config.loader import parse_config, read_config
from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.roles import Role
from fleet.config.scaffold import member_files
from fleet.config.validate import nearest
from fleet.config.yamlfile import read_yaml
from fleet.control import configs
from fleet.control.context import Context, Handlers
from fleet.control.members import budget
from fleet.core.errors import Conflict, FleetError, NotFound, PermanentError, UsageError
from fleet.core.money import MICROS
from fleet.core.principal import Principal
from fleet.store import config_revisions
from fleet.store.config_revisions import Revision
from fleet.store.db import Tx

Block = Mapping[str, Any]

# Arguments of agent.create that become keys of the agent, where they say something.
_KEYS = (
    "vendor", "command", "stdin", "model", "department", "reports_to", "subscribes_to", "publishes", "may_start",
    "budget_seconds", "timeout_seconds", "max_concurrent",
)  # fmt: skip
_CEILINGS = {"seconds": "seconds", "tokens": "tokens", "micros": "usd"}  # argument and unit of set_budget
_SAY_NOTHING = ("", 0, (), None, "terminal")


def create(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Add a member: its entry in the configuration, a prompt, and for a scripted one a playbook.

    With ``template`` it also gets the role's usual events and budget, unless others are given. Files that are there
    stay as they are. Raises NotFound FLT-AGT-122 for the role, Conflict FLT-AGT-121 for a name that is taken,
    ConfigError FLT-CFG-010 when the whole would be faulty, PermanentError FLT-AGT-124.
    """
    roles = configs.roles_now(ctx)
    name, role = args["name"], roles.get(args["role"])
    if role is None:
        hint = nearest(args["role"], list(roles)) or "fleet role list shows them all."
        raise NotFound("FLT-AGT-122", "no such role", where=args["role"], hint=hint)
    usual = {"subscribes_to": role.hears, "budget_seconds": role.budget_seconds} if args["template"] else {}
    given = {**usual, **{key: args[key] for key in _KEYS if args[key] not in _SAY_NOTHING}}
    fields = {"role": args["role"], **given, **({"enabled": False} if args["disabled"] else {})}
    data = read_config(ctx.paths.config, configs.NAME)
    if name in _blocks(data):
        raise Conflict("FLT-AGT-121", "there is an agent of this name", where=name, hint=f"fleet agent show {name}")
    edited = apply_edits(data, [PutAgent(name, fields)], configs.NAME)
    wanted = parse_config(edited, name=configs.NAME, roles=roles).config
    member = wanted.agent(name)
    assert member is not None
    made = _write_files(ctx, member, role, wanted)
    try:
        done = configs.change(ctx, principal, [PutAgent(name, fields)], args["reason"], if_hash=digest_of(data))
    except FleetError:
        for path in made:
            path.unlink(missing_ok=True)
        raise
    folder = ctx.paths.config.parent
    return {
        "agent": name,
        "role": args["role"],
        "files": sorted(str(path.relative_to(folder)) for path in made),
        **done,
    }


def _write_files(ctx: Context, member: AgentConfig, role: Role, config: FleetConfig) -> list[Path]:
    """Write what a member needs and does not have; the files that are new. All of them, or none."""
    made: list[Path] = []
    folder = ctx.paths.config.parent
    try:
        for name, text in member_files(member, role, config).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
            except FileExistsError:
                continue
            made.append(path)
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise PermanentError("FLT-AGT-124", f"a file cannot be written: {reason}", where=str(folder)) from error
    return made


def set_budget(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Give an agent another ceiling in seconds, tokens or millionths of a dollar, or none (0).

    Raises NotFound FLT-AGT-001, UsageError FLT-BUD-004 unless exactly one is given.
    """
    name = args["name"]
    chosen = [(key, unit) for key, unit in _CEILINGS.items() if args[key] is not None]
    if len(chosen) != 1:
        raise UsageError("FLT-BUD-004", "a ceiling is of seconds, tokens or dollars: exactly one of them")
    ((key, unit),) = chosen
    number: int | float = args[key]
    if key == "micros":
        number = number // MICROS if number % MICROS == 0 else number / MICROS
    data = read_config(ctx.paths.config, configs.NAME)
    block = _blocks(data).get(name, {})
    place: tuple[str, ...] = ("agents", name, f"budget_{unit}")
    # a window that stands there stays
    edit: Edit = Set((*place, unit) if isinstance(block.get(place[-1]), dict) else place, number)
    if not number:
        edit = Unset(place)
    if number or not block or place[-1] in block:
        configs.change(ctx, principal, [edit], args["reason"], if_hash=digest_of(data))
    return budget(ctx, principal, {"name": name})


# -- earlier blocks of an agent ----------------------------------------------------------------------


def revisions(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The revisions of the configuration in which an agent's block changed, newest first.

    Raises NotFound FLT-AGT-123 when none of those that are kept has it.
    """
    name = args["name"]
    found = [
        {
            "revision": one.number,
            "at": one.accepted_at or one.at,
            "actor": one.actor,
            "reason": one.reason,
            "block": block,
        }
        for one, block in _history(ctx, name)
    ]
    if not any(one["block"] for one in found):
        names = {one for block_of in (_blocks(ctx.loaded.text),) for one in block_of}
        hint = nearest(name, sorted(names)) or "fleet agent list shows the names"
        raise NotFound("FLT-AGT-123", "no revision that is kept has this agent", where=name, hint=hint)
    return {"agent": name, "revisions": found}


def _history(ctx: Context, name: str) -> list[tuple[Revision, Block | None]]:
    """Each revision at which the agent's block became what it is, newest first; None where it left."""

    def read(tx: Tx) -> list[tuple[Revision, bytes]]:
        return [(one, config_revisions.text_of(tx, one.number)) for one in config_revisions.accepted(tx)]

    blocks = [(one, _blocks(text).get(name)) for one, text in ctx.db.read(read)]
    return [
        (one, block)
        for place, (one, block) in enumerate(blocks)
        if block != (blocks[place + 1][1] if place + 1 < len(blocks) else None)
    ]


def rollback(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Bring an agent's block back as it was in a revision, by default the one before its last change.

    Everything else stays as it is now. Raises NotFound FLT-AGT-123, FLT-CFG-108; ConfigError FLT-CFG-010 when
    the block does not fit into what the rest has become.
    """
    name, number = args["name"], args["revision"]
    data = read_config(ctx.paths.config, configs.NAME)
    if not number:
        present = _blocks(data).get(name)
        number = next((one.number for one, block in _history(ctx, name) if block and block != present), 0)
    if not number:
        hint = f"fleet agent revisions {name}"
        raise NotFound("FLT-AGT-123", "nothing earlier of this agent is kept", where=name, hint=hint)
    block = _blocks(ctx.db.read(lambda tx: config_revisions.text_of(tx, number))).get(name)
    if block is None:
        hint = f"fleet agent revisions {name}"
        raise NotFound("FLT-AGT-123", f"revision {number} has no such agent", where=name, hint=hint)
    fields = {key: value for key, value in block.items() if key != "name"}
    reason = args["reason"] or f"{name} as of revision {number}"
    done = configs.change(ctx, principal, [PutAgent(name, fields)], reason, if_hash=digest_of(data))
    return {"agent": name, "from_revision": number, **done}


def _blocks(text: bytes) -> dict[str, Block]:
    """The agents of a configuration's text as they stand there, by name."""
    rows = read_yaml(text, configs.NAME).data.get("agents")
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, tuple) else []
    return {str(row.get("name")): row for row in found}


# -- teams -----------------------------------------------------------------------------------------


def team_add(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Put agents into a team, which is made where there is none. Raises Conflict FLT-AGT-125 for a member of it."""
    team, names = args["team"], list(args["agents"])

    def edits(teams: Sequence[Block]) -> list[Edit]:
        for place, one in enumerate(teams):
            if one.get("name") == team:
                _require(team, names, one, present=False)
                return [Append(("teams", place, "agents"), name) for name in names]
        return [Append(("teams",), {"name": team, "agents": names})]

    return _change_teams(ctx, principal, args, edits)


def team_remove(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Take agents out of a team; without any, the team itself. Raises NotFound FLT-AGT-103, Conflict FLT-AGT-125."""
    team, names = args["team"], list(args["agents"])

    def edits(teams: Sequence[Block]) -> list[Edit]:
        place = next((place for place, one in enumerate(teams) if one.get("name") == team), None)
        if place is None:
            hint = nearest(team, [str(one.get("name")) for one in teams]) or "fleet team list shows the names"
            raise NotFound("FLT-AGT-103", "no such team", where=team, hint=hint)
        if not names:
            return [Unset(("teams", place))]
        _require(team, names, teams[place], present=True)
        return [Remove(("teams", place, "agents"), name) for name in names]

    return _change_teams(ctx, principal, args, edits)


def _require(team: str, names: list[str], block: Block, *, present: bool) -> None:
    members = block.get("agents", ())
    wrong = [name for name in names if (name in members) is not present]
    if wrong:
        word = "is no member of" if present else "is a member of"
        raise Conflict("FLT-AGT-125", f"{wrong[0]} {word} {team}", where=team, hint=f"fleet team show {team}")


def _change_teams(
    ctx: Context, principal: Principal, args: dict[str, Any], edits: Callable[[Sequence[Block]], list[Edit]]
) -> dict[str, Any]:
    data = read_config(ctx.paths.config, configs.NAME)
    rows = read_yaml(data, configs.NAME).data.get("teams")
    teams = [row for row in rows if isinstance(row, dict)] if isinstance(rows, tuple) else []
    done = configs.change(ctx, principal, edits(teams), args["reason"], if_hash=digest_of(data))
    team = next((one for one in ctx.loaded.config.teams if one.name == args["team"]), None)
    return {"team": args["team"], "agents": sorted(team.agents) if team is not None else [], **done}


HANDLERS: Handlers = {
    "agent.create": create,
    "agent.set_budget": set_budget,
    "agent.revisions": revisions,
    "agent.rollback": rollback,
    "team.add": team_add,
    "team.remove": team_remove,
}
