"""Which forge a fleet works with, out of its configuration and the daemon's environment."""

from __future__ import annotations

import os

from fleet.config.model import FleetConfig
from fleet.config.paths import FleetPaths
from fleet.forge.github.connect import connect
from fleet.forge.local import LocalForge
from fleet.forge.port import Forge
from fleet.store.db import Database


def open_forge(config: FleetConfig, paths: FleetPaths, db: Database) -> Forge:
    """The forge of a fleet. Raises what the forge raises when it cannot work with the checkout."""
    if config.forge == "github":
        return connect(
            config.repo,
            paths.bare,
            paths.checkout,
            config.base,
            env=os.environ,
            clock=db.clock,
            transport=config.forge_transport,
            poll_seconds=config.github.poll_seconds,
        )
    return LocalForge(db, paths.bare, paths.checkout, config.base)
