"""Reads the end of the journal and the live sessions without writing; loaded only where there is a store."""

from __future__ import annotations

from pathlib import Path

from fleet.core.clock import SECOND
from fleet.core.errors import FleetError
from fleet.daemon.startup import check_tail
from fleet.health.words import Record
from fleet.store import journal, risk, runs
from fleet.store.db import Database, Tx
from fleet.store.migrate import schema_of
from fleet.store.open import open_read_only

_MANY = 1000
_RISK_SCHEMA = 14  # the migration that brought the table of frozen runs
_JUST_ENDED = 120 * SECOND  # the runner still tidies up after such a run
_AHEAD = 2 * SECOND


def read(database: Path, now: int) -> tuple[Record, int]:
    """What the journal's end says, and when the newest start of a daemon was recorded (0 without one)."""
    try:
        db = open_read_only(database)
    except FleetError as error:
        return Record(exists=True, error=error.message, code=error.code), 0
    try:
        return _read(db, now)
    except FleetError as error:
        return Record(exists=True, error=error.message, code=error.code), 0
    finally:
        db.close()


def _read(db: Database, now: int) -> tuple[Record, int]:
    checked = check_tail(db)

    def look(tx: Tx) -> tuple[Record, int]:
        last, _ = journal.head(tx)
        tail = journal.select(tx, journal.Filter(), limit=1, newest=True)
        ahead = journal.select(tx, journal.Filter(since=now + _AHEAD), limit=_MANY)
        starts = journal.select(tx, journal.Filter(type="daemon.started"), limit=1, newest=True)
        live = [run.session for run in runs.live(tx)]
        live += [run.session for run in runs.recent(tx) if (run.finished_at or 0) > now - _JUST_ENDED]
        knows_risk = schema_of(tx) >= _RISK_SCHEMA
        record = Record(
            exists=True,
            entries=last,
            checked=checked,
            last_at=max([entry.at for entry in (*tail, *ahead)], default=0),
            future=len(ahead),
            schema=schema_of(tx),
            live_sessions=tuple(sorted({name for name in live if name})),
            frozen=tuple(f"{one.run_id}-e{one.epoch}: {one.error}" for one in risk.frozen(tx)) if knows_risk else (),
        )
        return record, starts[0].at if starts else 0

    return db.read(look)


def tail(database: Path, entries: int) -> list[dict[str, object]]:
    """The newest entries without payload, summary and hashes. Raises what opening the store raises."""
    db = open_read_only(database)
    try:
        found = db.read(lambda tx: journal.select(tx, journal.Filter(), limit=entries, newest=True))
    finally:
        db.close()
    kept = ("seq", "id", "at", "stream", "type", "kind", "actor", "subject", "work_item", "agent", "run_id", "cause_id")
    return [{name: _plain(getattr(entry, name)) for name in kept} for entry in found]


def _plain(value: object) -> object:
    return value if isinstance(value, int) or value is None else str(value)
