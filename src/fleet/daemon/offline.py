"""Reading without a daemon: the same verbs over the store as it lies. Nothing can be written this way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.config.loader import load_config
from fleet.config.paths import CONFIG_RELATIVE, FleetPaths
from fleet.config.roles import load_roles
from fleet.control.commands import Control
from fleet.control.verbs import OFFLINE, VERBS, Access
from fleet.core.errors import Unreachable
from fleet.core.principal import Principal
from fleet.daemon.build import reading_context
from fleet.store.db import Database
from fleet.store.open import open_read_only


class Offline:
    """What a person can still ask while no daemon runs."""

    def __init__(self, db: Database, control: Control, owner: Principal) -> None:
        """Take a store opened for reading."""
        self._db = db
        self._control = control
        self._owner = owner

    def handle(self, verb: str, args: Mapping[str, object]) -> dict[str, Any]:
        """Answer a reading verb. Raises Unreachable FLT-DMN-015 for one that changes something."""
        row = VERBS.get(verb)
        if row is not None and row.access is not Access.READ and verb not in OFFLINE:
            raise Unreachable(
                "FLT-DMN-015", f"{verb} needs the daemon, and none runs", hint="Start the fleet: fleet up"
            )
        return self._control.handle(self._owner, verb, args)

    def close(self) -> None:
        """Let the store go."""
        self._db.close()


def open_offline(paths: FleetPaths) -> Offline:
    """Open a fleet's store for reading. Raises PermanentError FLT-STO-006 when there is none, ConfigError."""
    loaded = load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
    db = open_read_only(paths.database)
    context = reading_context(db, paths, loaded)
    return Offline(db, Control(context), context.owner)
