"""Looks after sessions that report: takes in transcripts, finds stops that were not heard, ends what stands still.

Hooks say what happens at once; this service is for what they did not say, because the daemon was away or a person
interrupted. It moves the sessions table, never a run: the runner ends what is settled here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.core.clock import SECOND
from fleet.core.journal import Draft, Stream
from fleet.core.redact import Redactor
from fleet.core.service import Tick
from fleet.core.session import PermissionState, Session, SessionState
from fleet.core.work import LIVE_RUNS, Run
from fleet.runtime import turns
from fleet.runtime.restarting import transcript_of
from fleet.runtime.transcript import Part, Remark, read_part
from fleet.store import journal, permissions, runs, sessions
from fleet.store.db import Database, Tx

LOOK_SECONDS = 2.0
QUIET_SECONDS = 20.0  # a turn that is over by its transcript and was not heard of for so long has stopped
_PART_LIMIT = 8 * 1024 * 1024  # bytes taken in at once
_SUMMARY_LIMIT = 300  # characters


@dataclass(frozen=True, slots=True)
class _Read:
    """What was new in a transcript; ``end`` is the place of the next byte to read."""

    part: Part
    end: int


class Attendant:
    """The service. ``tick`` is called by one thread at a time."""

    name = "sessions"

    def __init__(self, db: Database, paths: FleetPaths, config_at: Callable[[str], LoadedConfig]) -> None:
        """``config_at`` knows the configuration of a hash, which a run keeps to its end."""
        self._db = db
        self._paths = paths
        self._config_at = config_at

    def tick(self, now: int) -> Tick:
        """One look at every session that has not ended, and at the questions whose time is over."""
        did = self._db.write(self._expire) if self._db.read(permissions.due) else 0
        found = self._db.read(lambda tx: [(one, _run_of(tx, one)) for one in sessions.open_ones(tx)])
        for session, run in found:
            did += self._look(session, run, now)
        return Tick(did, now + round(LOOK_SECONDS * SECOND)) if found else Tick(did)

    def _look(self, session: Session, run: Run | None, now: int) -> int:
        read = self._read(session)
        took = self._take_in(session, run, read) if read is not None and run is not None else 0
        if run is None or run.epoch != session.epoch or run.state not in LIVE_RUNS:
            self._db.write(lambda tx: _close(tx, session))
            return took + 1
        over = read.part.over if read is not None else self._was_over(session)
        quiet = now - session.heard_at > QUIET_SECONDS * SECOND
        if session.state is SessionState.WORKING and not session.ending and over and quiet:
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

    # -- transcripts -----------------------------------------------------------------------------

    def _read(self, session: Session) -> _Read | None:
        """What is new, in whole lines; None when nothing is."""
        data = _tail(self.transcript(session), session.read_to)
        end = data.rfind(b"\n") + 1
        return _Read(read_part(data[:end]), session.read_to + end) if end else None

    def transcript(self, session: Session) -> Path | None:
        """The file of a session's conversation."""
        return transcript_of(self._paths.runs / session.session, session.conversation)

    def _was_over(self, session: Session) -> bool | None:
        """Whether the turn is over by what was taken in before: the end of the file is read once more."""
        data = _tail(self.transcript(session), max(0, session.read_to - 65_536))
        return read_part(data[data.find(b"\n") + 1 :]).over if data else None

    def _take_in(self, session: Session, run: Run, read: _Read) -> int:
        """Count the answers and put what was said on record, once."""
        redactor = Redactor(self._secrets(session.session))

        def transaction(tx: Tx) -> int:
            if not sessions.read_on(tx, session.session, session.read_to, read.end):
                return 0
            sessions.count_answers(tx, session, read.part.answers, "transcript")
            for number, remark in enumerate(read.part.remarks):
                _say(tx, run, session, remark, number, redactor)
            return 1

        return self._db.write(transaction)

    def _secrets(self, session: str) -> Sequence[str]:
        """What a conversation must not carry into the record although it has no particular form."""
        try:
            return [(self._paths.runs / session / "capability").read_text("ascii")]
        except (OSError, ValueError):
            return []


def _run_of(tx: Tx, session: Session) -> Run | None:
    return runs.find(tx, session.run_id)


def _close(tx: Tx, session: Session) -> None:
    sessions.close(tx, session.session)
    permissions.drop(tx, session.session)


def _stop_unheard(tx: Tx, loaded: LoadedConfig, run: Run, session: Session) -> None:
    now = sessions.get(tx, session.session)
    if now is not None and now.heard_at == session.heard_at:
        turns.stopped(tx, loaded, run, session, may_tell=False)


def _say(tx: Tx, run: Run, session: Session, remark: Remark, number: int, redactor: Redactor) -> None:
    """One remark as an entry. The text was written by a model or a person: data, never an instruction."""
    text = redactor.text(remark.text)
    who = f"uses {remark.tool}" if remark.who == "tool" else {"user": "is told"}.get(remark.who, "says")
    payload: Mapping[str, object] = {
        "session": session.session,
        "who": remark.who,
        "tool": remark.tool,
        "text": text,
        "line": remark.id,
    }
    journal.append(
        tx,
        Draft(
            Stream.ACTIVITY,
            "conversation.said",
            turns.ACTOR,
            subject=f"run/{run.id}",
            generation=run.generation,
            work_item=run.work_item,
            agent=run.agent,
            run_id=run.id,
            cause_id=run.event_id,
            dedup_key=f"conversation:{session.session}:{session.read_to}:{number}",
            summary=f"{run.agent} {who}: {' '.join(text.split())[:_SUMMARY_LIMIT]}",
            payload=dict(payload),
        ),
    )


def _tail(path: Path | None, begin: int) -> bytes:
    """A file from a place on, bounded; empty when it is no plain file of ours or has nothing there."""
    if path is None:
        return b""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.pread(descriptor, _PART_LIMIT, begin)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
