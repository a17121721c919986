"""Looks after sessions that report: takes in transcripts, finds stops that were not heard, ends what stands still.

Hooks say what happens at once; this service is for what they did not say, because the daemon was away or a person
interrupted. It moves the sessions table, never a run: the runner ends what is settled here.
"""

from __future__ import annotations

from collections.abc import Callable

from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.core.clock import SECOND
from fleet.core.service import Tick
from fleet.core.session import PermissionState, Session, SessionState
from fleet.core.work import LIVE_RUNS, Run
from fleet.runtime import turns
from fleet.runtime.transcripts import Transcripts
from fleet.store import permissions, runs, sessions
from fleet.store.db import Database, Tx

LOOK_SECONDS = 2.0
QUIET_SECONDS = 20.0  # a turn that is over by its transcript and was not heard of for so long has stopped


class Attendant:
    """The service. ``tick`` is called by one thread at a time."""

    name = "sessions"

    def __init__(self, db: Database, paths: FleetPaths, config_at: Callable[[str], LoadedConfig]) -> None:
        """``config_at`` knows the configuration of a hash, which a run keeps to its end."""
        self._db = db
        self._config_at = config_at
        self._transcripts = Transcripts(db, paths, config_at)

    def tick(self, now: int) -> Tick:
        """One look at every session that has not ended, and at the questions whose time is over."""
        did = self._db.write(self._expire) if self._db.read(permissions.due) else 0
        found = self._db.read(lambda tx: [(one, _run_of(tx, one)) for one in sessions.open_ones(tx)])
        for session, run in found:
            did += self._look(session, run, now)
        return Tick(did, now + round(LOOK_SECONDS * SECOND)) if found else Tick(did)

    def _look(self, session: Session, run: Run | None, now: int) -> int:
        read = self._transcripts.catch_up(session, run) if run is not None else None
        took = int(read is not None)
        if run is None or run.epoch != session.epoch or run.state not in LIVE_RUNS:
            self._db.write(lambda tx: _close(tx, session))
            return took + 1
        quiet = now - session.heard_at > QUIET_SECONDS * SECOND
        unheard = quiet and session.state is SessionState.WORKING and not session.ending
        if unheard and (read.over if read is not None else self._transcripts.was_over(session)):
            loaded = self._config_at(run.config_hash)
            self._db.write(lambda tx: _stop_unheard(tx, loaded, run, session))
            return took + 1
        return took + self._end_idle(session, run, now)

    def _end_idle(self, session: Session, run: Run, now: int) -> int:
        """A session outside a turn, or one that never began, does not stay for ever."""
        if session.ending or session.state not in (SessionState.STOPPED, SessionState.STARTING):
            return 0
        if run.restart_at is not None:  # its program is dead and is to be resumed
            return 0
        seconds = self._config_at(run.config_hash).config.claude.idle_seconds
        if now - session.since <= seconds * SECOND:
            return 0
        what = "did not begin" if session.state is SessionState.STARTING else "stood still outside a turn"
        self._db.write(lambda tx: turns.fail(tx, run, session, f"{what} for {seconds} s"))
        return 1

    def _expire(self, tx: Tx) -> int:
        """Nobody answered: the waiting hook finds a no."""
        late = permissions.due(tx)
        for one in late:
            if permissions.answer(tx, one.id, PermissionState.EXPIRED):
                sessions.hear(tx, one.session, SessionState.WORKING)
                run = runs.get(tx, one.run_id)
                text = f"nobody answered whether {one.agent} may use {one.tool}; that means no"
                payload: dict[str, object] = {"permission": one.id, "tool": one.tool, "answer": "expired"}
                turns.note(tx, run, "permission.expired", text, payload, f"permission.expired:{one.id}")
        return len(late)


def _run_of(tx: Tx, session: Session) -> Run | None:
    return runs.find(tx, session.run_id)


def _close(tx: Tx, session: Session) -> None:
    sessions.close(tx, session.session)
    permissions.drop(tx, session.session)


def _stop_unheard(tx: Tx, loaded: LoadedConfig, run: Run, session: Session) -> None:
    now = sessions.get(tx, session.session)
    if now is not None and now.heard_at == session.heard_at:
        turns.stopped(tx, loaded, run, session, may_tell=False)
