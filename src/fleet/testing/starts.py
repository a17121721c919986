"""A start of one session as a vendor is told about it, for tests of vendors."""

from __future__ import annotations

from pathlib import Path

from fleet.config.catalogue import load_roles
from fleet.config.model import AgentConfig, FleetConfig
from fleet.runtime.vendors.port import Start


def a_start(agent: AgentConfig, settings: Path, folder: Path, **keys: object) -> Start:
    """A start of this agent; ``keys`` are further keys of the fleet's configuration."""
    config = FleetConfig.model_validate({"version": 1, "agents": (agent,), **keys})
    return Start(
        agent,
        config,
        load_roles().get(agent.role),
        settings,
        folder,
        folder / "clone",
        folder.name,
        handbook="# A handbook\n",
        secret="5" * 64,
        meter="6" * 64,
        door="http://127.0.0.1:1",
    )
