"""Service: clears away in small bites now and then, and sooner while the disk is low. Acts in a worker, never here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future

from fleet.config.model import FleetConfig
from fleet.config.paths import FleetPaths
from fleet.core.clock import SECOND
from fleet.core.errors import Conflict, FleetError, TemporaryError
from fleet.core.principal import system
from fleet.core.service import Tick
from fleet.keeping.collect import Pass, collect
from fleet.keeping.gauge import DiskGauge
from fleet.store.db import Database

FIRST_AFTER = 600 * SECOND  # of a start: it has better things to do at first
EVERY = 3 * 3600 * SECOND
WHILE_LOW = 300 * SECOND
LOOK_EVERY = 30 * SECOND
AT_ONCE = 20  # things in one pass
PASS_SECONDS = 20.0


class Keeper:
    """One pass at a time. ``tick`` only looks at the time and the disk."""

    name = "keeper"

    def __init__(
        self,
        db: Database,
        paths: FleetPaths,
        config: Callable[[], FleetConfig],
        disk: DiskGauge,
        executor: Executor,
        *,
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """``executor`` does the passes; while ``may_go_on`` says False, none begins and the present one ends early."""
        self._db = db
        self._paths = paths
        self._config = config
        self._disk = disk
        self._executor = executor
        self._may_go_on = may_go_on
        self._pass: Future[Pass] | None = None
        self._last = db.clock.now() - EVERY + FIRST_AFTER

    def tick(self, now: int) -> Tick:
        """Begin a pass when one is due, take in one that has ended. Raises TemporaryError of a pass."""
        did = self._take_in()
        due = self._last + (EVERY if self._disk.allows_starts() else WHILE_LOW)
        ready = self._pass is None and self._may_go_on() and self._config().keeping.automatic
        if ready and not now < due <= now + EVERY:
            self._last = now
            self._pass = self._executor.submit(self._collect)
            did += 1
        return Tick(did, now + LOOK_EVERY)

    def _take_in(self) -> int:
        if self._pass is None or not self._pass.done():
            return 0
        ended, self._pass = self._pass, None
        error = ended.exception()
        if isinstance(error, Conflict):
            return 0  # a person is at it
        if isinstance(error, FleetError):
            # trouble while clearing away is no reason to end a fleet
            raise TemporaryError(error.code, error.message, where=error.where, hint=error.hint) from error
        if error is not None:
            raise error
        return len(ended.result().done)

    def _collect(self) -> Pass:
        return collect(
            self._db,
            self._paths,
            self._config(),
            actor=str(system(self.name)),
            most=AT_ONCE,
            seconds=PASS_SECONDS,
            stop=lambda: not self._may_go_on(),
        )
