"""Takes in the transcripts of sessions that report: answers are counted and remarks put on record, each once.

A session has one transcript of its conversation and one for each child agent that it started. How far each was taken
in is on record, so that whoever reads next (a service, a hook, the runner at the end) goes on there.
Weakness: the files belong to the same user as the agent. What the client measured and reported itself is the other
witness; of each number the larger one counts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.core.journal import Draft, Stream
from fleet.core.redact import Redactor
from fleet.core.session import Session
from fleet.core.work import Run
from fleet.runtime import turns
from fleet.runtime.transcript import Part, Remark, read_part
from fleet.store import journal, sessions, usage
from fleet.store.db import Database, Tx

_PART_LIMIT = 8 * 1024 * 1024  # bytes taken in at once
_PARTS = 200  # of one file that are taken in by one call
_CHILDREN = 500  # transcripts of child agents that are looked at
_SUMMARY_LIMIT = 300  # characters


@dataclass(frozen=True, slots=True)
class Fresh:
    """What is new in one file: whole lines from byte ``begin`` to byte ``end``."""

    file: str
    part: Part
    begin: int
    end: int


class Transcripts:
    """Reads and takes in; what it knows is in the store. Thread-safe."""

    def __init__(self, db: Database, paths: FleetPaths, config_at: Callable[[str], LoadedConfig]) -> None:
        """``config_at`` knows the configuration of a hash, which a run keeps to its end."""
        self._db = db
        self._paths = paths
        self._config_at = config_at

    def catch_up(self, session: Session, run: Run) -> Part | None:
        """Take in all that is new; the newest part of the conversation, None when it has nothing new."""
        newest: Part | None = None
        for place, path in enumerate(self.files(session)):
            for _ in range(_PARTS):
                fresh = self._fresh(session, path)
                if fresh is None:
                    break
                self._take_in(session, run, fresh, child=path.stem if place else "")
                newest = fresh.part if place == 0 else newest
        return newest

    def files(self, session: Session) -> list[Path]:
        """The files of a session's conversation, its own first; found by what we gave the client, not by its word."""
        folder = self._paths.runs / session.session / "home" / ".claude" / "projects"
        own = sorted(folder.glob(f"*/{session.conversation}.jsonl"))[:1]
        children = sorted(folder.glob(f"*/{session.conversation}/subagents/*.jsonl"))[:_CHILDREN]
        return [*own, *children]

    def holds(self, session: Session, words: str) -> bool:
        """Whether one of the transcripts holds these words near its end."""
        return any(words.encode() in last_bytes(path) for path in self.files(session))

    def was_over(self, session: Session) -> bool | None:
        """Whether the turn is over by what was taken in before: the end of the file is read once more."""
        own = next(iter(self.files(session)), None)
        data = last_bytes(own) if own is not None else b""
        return read_part(data[data.find(b"\n") + 1 :]).over if data else None

    def _fresh(self, session: Session, path: Path) -> Fresh | None:
        begin = self._db.read(lambda tx: sessions.read_to(tx, session.session, path.name))
        data = _read(path, begin)
        end = data.rfind(b"\n") + 1
        return Fresh(path.name, read_part(data[:end]), begin, begin + end) if end else None

    def _take_in(self, session: Session, run: Run, fresh: Fresh, *, child: str) -> None:
        """Count the answers and say what was said, by a ``child`` agent or ("") the session itself.

        Nothing, when somebody else just did.
        """
        redactor = Redactor(self._secrets(session.session))
        prices = self._config_at(run.config_hash).prices

        def transaction(tx: Tx) -> None:
            if not sessions.read_on(tx, session.session, fresh.file, fresh.begin, fresh.end):
                return
            usage.count(tx, session, fresh.part.answers, "transcript", prices)
            for number, remark in enumerate(fresh.part.remarks):
                place = f"{child}:{fresh.begin}:{number}" if child else f"{fresh.begin}:{number}"
                _say(tx, run, session, remark, place, redactor, child)

        self._db.write(transaction)

    def _secrets(self, session: str) -> Sequence[str]:
        """What a conversation must not carry into the record although it has no particular form."""
        try:
            return [(self._paths.runs / session / "capability").read_text("ascii")]
        except (OSError, ValueError):
            return []


def last_bytes(path: Path) -> bytes:
    """The end of a plain file, of which not more than matters here."""
    try:
        size = path.stat(follow_symlinks=False).st_size
    except OSError:
        return b""
    return _read(path, max(0, size - 4 * 65_536))


def _say(tx: Tx, run: Run, session: Session, remark: Remark, place: str, redactor: Redactor, child: str) -> None:
    """One remark as an entry, of the session itself or of a child agent that it started. The text is data."""
    text = redactor.text(remark.text)
    who = f"uses {remark.tool}" if remark.who == "tool" else {"user": "is told"}.get(remark.who, "says")
    payload: Mapping[str, object] = {
        "session": session.session,
        "who": remark.who,
        "tool": remark.tool,
        "text": text,
        "line": remark.id,
        "child": child,
    }
    speaker = f"a child of {run.agent}" if child else run.agent
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
            dedup_key=f"conversation:{session.session}:{place}",
            summary=f"{speaker} {who}: {' '.join(text.split())[:_SUMMARY_LIMIT]}",
            payload=dict(payload),
        ),
    )


def _read(path: Path, begin: int) -> bytes:
    """A file from a place on, bounded; empty when it is no plain file of ours or has nothing there."""
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
