"""How a session is asked to end, what becomes of one that stands frozen because its work cannot be saved, and the last
look at what it used."""

from __future__ import annotations

from collections.abc import Callable

from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.core.probe import probe
from fleet.core.risk import AGENT_QUARANTINED
from fleet.core.work import Run
from fleet.runtime import moves
from fleet.runtime.port import Observation, Runtime, SessionRef
from fleet.runtime.transcripts import Transcripts
from fleet.store import risk, sessions
from fleet.store.db import Database


class Stopping:
    """For the runner, whose thread calls it. Remembers only what was said already."""

    def __init__(
        self, db: Database, runtime: Runtime, paths: FleetPaths, config_at: Callable[[str], LoadedConfig]
    ) -> None:
        """Take the store, the runtime, where run folders are, and who knows the configuration of a hash."""
        self._db = db
        self._runtime = runtime
        self._transcripts = Transcripts(db, paths, config_at)
        self._let_go: set[str] = set()  # frozen sessions that were asked to end although their work is not saved
        self._listed: dict[str, str] = {}  # frozen sessions that are on record, with why

    def pass_on(self, run: Run, ref: SessionRef) -> None:
        """Ask a session to end for the reason that its run was given."""
        # what a quarantined agent has made is evidence: it is not killed before it is saved
        hold = run.cancel_reason.startswith(AGENT_QUARANTINED)
        hold = hold and not self._db.read(lambda tx: risk.is_let_go(tx, run.id))
        self._runtime.stop(ref, run.cancel_reason, hold=hold)
        probe("stop.passed_on")

    def note(self, run: Run, ref: SessionRef, seen: Observation) -> int:
        """List a session that stands still, once; and let it end when a person said so. How much changed."""
        if not seen.frozen:
            return 0
        if self._db.read(lambda tx: risk.is_let_go(tx, run.id)):
            if run.session not in self._let_go:
                self._let_go.add(run.session)
                self._runtime.stop(ref, run.cancel_reason, hold=False)
            return 0
        if self._listed.get(run.session) == seen.frozen:
            return 0
        self._listed[run.session] = seen.frozen
        listed = self._db.write(lambda tx: moves.frozen(tx, run, seen.frozen))
        if listed:
            probe("frozen.listed")
        return int(listed)

    def read_out(self, run: Run) -> None:
        """Count what a session that is over wrote down last, so that its run ends with all that it used."""
        session = self._db.read(lambda tx: sessions.get(tx, run.session)) if run.epoch else None
        if session is not None:
            self._transcripts.catch_up(session, run)

    def forget(self, session: str) -> None:
        """The session is over."""
        self._let_go.discard(session)
        self._listed.pop(session, None)
