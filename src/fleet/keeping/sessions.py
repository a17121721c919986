"""Which sessions live, from their own records and from /proc, whatever the store says."""

from __future__ import annotations

import os

from fleet.config.paths import FleetPaths
from fleet.runtime import proctree, records


def living_sessions(paths: FleetPaths) -> tuple[str, ...]:
    """Names of the sessions whose shims live now."""
    found = []
    for folder in sorted(paths.runs.glob("*-e*")):
        started = records.read(os.fspath(folder), records.STARTED) or {}
        pid, start = started.get("pid"), started.get("start")
        same_boot = started.get("boot") == proctree.boot_id()
        if same_boot and isinstance(pid, int) and isinstance(start, int) and proctree.is_alive(pid, start):
            found.append(folder.name)
    return tuple(found)
