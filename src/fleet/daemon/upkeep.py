"""Backups and restoring as one calls them from outside: with every lock that they need, in the right order."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.core.clock import Clock
from fleet.core.errors import Conflict, PermanentError
from fleet.core.principal import human
from fleet.daemon.door import gate
from fleet.daemon.identity import login_of
from fleet.daemon.lease import take
from fleet.daemon.supervisor import running
from fleet.daemon.terminals import end_terminals
from fleet.keeping.backup import Made, Progress, make, stamp, target_of
from fleet.keeping.lock import keeping
from fleet.keeping.restore import Incoming, prepare
from fleet.keeping.sessions import living_sessions
from fleet.keeping.swap import Settled, settle, swap

_END_SECONDS = 75.0  # a shim saves its work for at most a minute
_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did, or would do. ``aside`` is where the state that was left is now."""

    incoming: Incoming
    aside: Path | None
    settled: Settled
    dry_run: bool


def backup(paths: FleetPaths, loaded: LoadedConfig, wanted: Path | None, *, clock: Clock, progress: Progress) -> Made:
    """Make a backup, with a daemon or without. Raises Conflict FLT-KEP-019 while another keeper is at work."""
    if not paths.database.exists():
        raise PermanentError(
            "FLT-STO-006", "there is no store yet", where=str(paths.database), hint="Start the fleet: fleet up"
        )
    with keeping(paths.state):
        return make(paths, loaded, target_of(paths, wanted, clock.now()), clock=clock, progress=progress)


def restore(
    paths: FleetPaths,
    loaded: LoadedConfig,
    source: Path,
    *,
    clock: Clock,
    dry_run: bool,
    force: bool,
    progress: Progress,
) -> Restored:
    """Put a backup in the place of the fleet's state; with ``dry_run`` only check that this would work.

    Raises Conflict FLT-KEP-015 while a daemon runs, FLT-KEP-016 while sessions live (with ``force`` they are
    ended), FLT-KEP-017 while another restore or a start is under way, and what ``prepare`` raises.
    """
    with gate(paths), ExitStack() as locks:
        settled = settle(paths)
        if not dry_run:
            locks.enter_context(_nobody_runs(paths))
            _no_session_lives(paths, clock, force=force)
        who = human(login_of(os.getuid()))
        incoming = prepare(paths, loaded, source, who=who, clock=clock, force=force, progress=progress)
        if dry_run:
            shutil.rmtree(incoming.folder)
            return Restored(incoming, None, settled, dry_run=True)
        # the new folder's locks are held before it can be seen, so that nothing starts in it half-way
        for name in (paths.supervisor_lock.name, paths.daemon_lock.name):
            locks.enter_context(take(incoming.folder / name, "a restore", code="FLT-KEP-017"))
        aside = swap(paths, incoming.folder, stamp(clock.now()))
        return Restored(incoming, aside, settled, dry_run=False)


@contextmanager
def _nobody_runs(paths: FleetPaths) -> Iterator[None]:
    """Hold the locks of daemon and supervisor, and of whoever clears away. Raises Conflict FLT-KEP-015 with a pid."""
    if not paths.state.exists():
        yield
        return
    there = running(paths)
    if there is not None:
        raise Conflict(
            "FLT-KEP-015",
            f"a daemon runs for this fleet (pid {there.pid}), and restoring replaces what it works on",
            where=str(paths.checkout),
            hint="Stop it first: fleet down",
        )
    with (
        take(paths.supervisor_lock, "a supervisor", code="FLT-KEP-015"),
        take(paths.daemon_lock, "a daemon", code="FLT-KEP-015"),
        keeping(paths.state),
    ):
        yield


def _no_session_lives(paths: FleetPaths, clock: Clock, *, force: bool) -> None:
    """Refuse while agents work without a daemon; with ``force`` end them, which saves their work where it was."""
    alive = living_sessions(paths)
    if alive and force:
        end_terminals(paths)
        deadline = clock.monotonic() + _END_SECONDS
        while (alive := living_sessions(paths)) and clock.monotonic() < deadline:
            time.sleep(_PAUSE)
    if alive:
        raise Conflict(
            "FLT-KEP-016",
            f"agents still work for this fleet: {', '.join(alive[:5])}",
            where=str(paths.runs),
            hint="Let them end (fleet up, then fleet down), or end them with --force.",
        )
