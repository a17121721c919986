"""What a vendor answers: how its program is started for one session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fleet.config.model import AgentConfig


@dataclass(frozen=True, slots=True)
class VendorLaunch:
    """One start: the argument list, the vendor's own variables, and files for the run folder by name."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


# Takes the agent, the .fleet/ folder of the checkout and the run folder of the session.
Vendor = Callable[[AgentConfig, Path, Path], VendorLaunch]
