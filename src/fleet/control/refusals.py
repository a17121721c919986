"""Refusals on record, bounded: a caller that knocks all day fills neither the journal nor the disk."""

from __future__ import annotations

import threading

from fleet.core.clock import SECOND
from fleet.core.errors import FleetError
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal, system
from fleet.store import journal
from fleet.store.db import Database, Tx

_QUIET_SECONDS = 10  # the same refusal is written once in this time; the next one says how many there were
_REMEMBERED = 1000


class Refusals:
    """Writes ``request.refused`` entries."""

    def __init__(self, db: Database) -> None:
        """Take the store."""
        self._db = db
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str, str], tuple[int, int]] = {}  # who, verb, code -> (when, unwritten since)

    def record(self, who: Principal | None, pid: int, verb: str, error: FleetError) -> None:
        """Write the refusal, unless the very same one was written a moment ago. Does not wait for the disk.

        ``who`` is None where identity itself was refused; the entry then stands under ``system:door``.
        """
        now = self._db.clock.now()
        key = (str(who) if who else f"{error.where}", verb, error.code)
        with self._lock:
            written_at, unwritten = self._last.get(key, (-_QUIET_SECONDS * SECOND, 0))
            if now - written_at < _QUIET_SECONDS * SECOND:
                self._last[key] = (written_at, unwritten + 1)
                return
            if len(self._last) >= _REMEMBERED:
                self._last.clear()
            self._last[key] = (now, 0)
        self._db.submit(lambda tx: _append(tx, who, pid, verb, error, unwritten))


def _append(tx: Tx, who: Principal | None, pid: int, verb: str, error: FleetError, unwritten: int) -> None:
    run_id = who.run_id if who else ""
    journal.append(
        tx,
        Draft(
            Stream.DECISION,
            "request.refused",
            str(who or system("door")),
            subject=f"run/{run_id}" if run_id else "",
            summary=f"{verb}: {error.message}",
            payload={
                "verb": verb,
                "code": error.code,
                "text": error.message,
                "pid": pid,
                "where": error.where,
                "same_before": unwritten,
            },
            run_id=run_id,
        ),
    )
