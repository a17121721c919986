"""The roles that a command knows: those that come with Fleet, and those of the repository around it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.cli.door import Door
from fleet.cli.remote import Call, ask
from fleet.config.catalogue import load_roles
from fleet.config.ownroles import roles_in, roles_with
from fleet.config.paths import CONFIG_RELATIVE, find_checkout
from fleet.config.roles import Role
from fleet.core.errors import NotFound


def roles_at(door: Door) -> Mapping[str, Role]:
    """The roles around a folder, as they lie there; an agent's run gets those in force, never those of its clone.

    Raises ConfigError FLT-CFG-010 and FLT-CFG-011 for faulty ones.
    """
    if door.is_agent or door.env.get("FLEET_SOCKET"):
        return roles_in_force(ask(door, Call("config.state", {})))
    try:
        checkout = find_checkout(Path(door.folder))
    except NotFound:
        return load_roles()
    return roles_in((checkout / CONFIG_RELATIVE).parent, load_roles())


def roles_in_force(state: Mapping[str, Any]) -> Mapping[str, Role]:
    """The roles of an answer to ``config.state``."""
    return roles_with(load_roles(), {name: text.encode() for name, text in state["own_roles"].items()})
