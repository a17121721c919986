"""Refusals on record, bounded: a caller that knocks all day fills neither the journal nor the disk."""

from __future__ import annotations

import threading

from fleet.core.clock import SECOND
from fleet.core.errors import FleetError
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal, system
from fleet.store import journal
from fleet.store.db import Database, Tx

_WINDOW_SECONDS = 10  # in this time the same refusal is written once,
_MOST = 20  # and no more than so many different ones


class Refusals:
    """Writes ``request.refused`` entries."""

    def __init__(self, db: Database) -> None:
        """Take the store."""
        self._db = db
        self._lock = threading.Lock()
        self._since = 0
        self._written: set[tuple[str, str, str]] = set()  # who or where, verb, code: in this window
        self._unwritten = 0

    def record(self, who: Principal | None, pid: int, verb: str, error: FleetError) -> None:
        """Write the refusal, unless it or too many others were written a moment ago. Does not wait for the disk.

        ``who`` is None where identity itself was refused; the entry then stands under ``system:door``. The next
        entry says how many were left out before it.
        """
        now = self._db.clock.now()
        key = (str(who) if who else error.where, verb, error.code)
        with self._lock:
            if not 0 <= now - self._since < _WINDOW_SECONDS * SECOND:
                self._since = now
                self._written.clear()
            if key in self._written or len(self._written) >= _MOST:
                self._unwritten += 1
                return
            self._written.add(key)
            unwritten, self._unwritten = self._unwritten, 0
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
                "left_out_before": unwritten,
            },
            run_id=run_id,
        ),
    )
