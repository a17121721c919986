"""Which forge a fleet works with, out of its configuration and the daemon's environment."""

from __future__ import annotations

import os

from fleet.config.model import FleetConfig
from fleet.config.paths import FleetPaths
from fleet.daemon.kin import Company
from fleet.forge.github.connect import connect
from fleet.forge.local import LocalForge
from fleet.forge.port import Forge
from fleet.store.db import Database

_REQUESTS = 3  # of one look
_PER_SECOND = 12.0  # of one login: GitHub bears 900 a minute on one path


def open_forge(config: FleetConfig, paths: FleetPaths, db: Database, company: Company | None = None) -> Forge:
    """The forge of a fleet; ``company`` may lend the way to GitHub. Raises what the forge raises for the checkout."""
    company = company or Company()
    if config.forge == "github":
        return connect(
            config.repo,
            paths.bare,
            paths.checkout,
            config.base,
            env=os.environ,
            clock=db.clock,
            transport=company.transport or config.forge_transport,
            poll_seconds=max(config.github.poll_seconds, company.crowd * _REQUESTS / _PER_SECOND),
            permission=config.github.label_permission,
            bots=config.github.trusted_bots,
            label_prefix=config.label_prefix,
        )
    return LocalForge(db, paths.bare, paths.checkout, config.base)
