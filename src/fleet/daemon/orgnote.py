"""Whether a fleet runs in the daemon of an org: a note in its state folder, believed while its writer has the lock."""

from __future__ import annotations

import os
from pathlib import Path

from fleet.config.paths import FleetPaths
from fleet.daemon.lease import holder
from fleet.runtime import records

NOTE = "org.json"


def note(paths: FleetPaths, org: str) -> Path:
    """Write that this process runs the fleet for an org; the file, which goes with the fleet's end."""
    records.write(str(paths.state), NOTE, {"org": org, "pid": os.getpid()})
    return paths.state / NOTE


def org_of(paths: FleetPaths) -> str:
    """The org whose daemon runs this fleet now; "" where none does."""
    found = records.read(str(paths.state), NOTE)
    if not found or holder(paths.daemon_lock) != found.get("pid"):
        return ""
    return str(found.get("org", ""))
