"""A member of the fleet: the states an agent can be in."""

from __future__ import annotations

from enum import StrEnum


class AgentState(StrEnum):
    """Where an agent stands; only ``active`` agents are started."""

    ACTIVE = "active"  # from config; moved back here by a person
    PAUSED = "paused"  # by a person
    QUARANTINED = "quarantined"  # by the assessor or a person; released by a person only
    RETIRED = "retired"  # no longer in the config; kept because the journal names it
