"""The levels of risk, from mild to the one that takes an agent out of service; and the facts risk is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RiskLevel(StrEnum):
    """How likely it is that an agent does harm if it goes on; only ``critical`` has consequences by itself."""

    LOW = "low"
    ELEVATED = "elevated"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical: levels in order."""
        return _ORDER.index(self)


_ORDER = tuple(RiskLevel)

# How the reason begins by which a quarantine asks a run to end: its work comes back, and nothing of it is lost.
AGENT_QUARANTINED = "agent quarantined"


@dataclass(frozen=True, slots=True)
class EndedRun:
    """An ended run, and the entry that says so (``seq`` 0 and ``entry`` "" where there is none).

    ``reason`` is the runtime's word for the end, "" when it is not on record; ``had_result``: it had put an event
    that proves its work on record before it ended.
    """

    id: str
    state: str
    subject: str
    at: int
    reason: str
    had_result: bool
    seq: int
    entry: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry, blocker or dead letter that counts."""

    seq: int
    entry: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Silence:
    """A run that lives, and since when it has put nothing on record."""

    run_id: str
    since: int
    seq: int
    entry: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about one agent in one window. ``whole`` is False when an archive took a part of the journal."""

    runs: tuple[EndedRun, ...]
    restarts: tuple[Mark, ...]
    refusals: tuple[Mark, ...]
    blocked: tuple[Mark, ...]
    silent: tuple[Silence, ...]
    whole: bool
