"""Halting a fleet from the command line: through its daemon where one answers, and on its processes in any case."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from fleet.config.paths import FleetPaths
from fleet.core.clock import Clock
from fleet.core.principal import human
from fleet.daemon.identity import login_of
from fleet.runtime.halting import Ended, end_everything, write_halt


@dataclass(frozen=True, slots=True)
class Halted:
    """What halting came to, and how long it took in seconds."""

    ended: tuple[str, ...]
    killed: tuple[str, ...]
    survivors: tuple[int, ...]
    seconds: float


def halt_without_daemon(paths: FleetPaths, reason: str, clock: Clock) -> None:
    """Put the halt where the daemon takes it up at its next start, in the name of this user."""
    paths.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_halt(paths.state, clock.entropy(8).hex(), str(human(login_of(os.getuid()))), reason, clock.now())


def end_runs(paths: FleetPaths) -> Halted:
    """End every session of this fleet; needs no daemon, and does not disturb one."""
    begun = time.monotonic()
    found: Ended = end_everything(paths)
    return Halted(found.ended, found.killed, found.survivors, time.monotonic() - begun)
