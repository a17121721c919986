"""The store as a whole: copied while it is in use, checked, and made safe to go on from after a restore."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleet.core.errors import IntegrityError
from fleet.core.work import Run, RunState
from fleet.store import capabilities, journal, runs
from fleet.store.db import Tx
from fleet.store.sqlite import SqliteEngine

Progress = Callable[[int, int], None]  # pages done, pages in all


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one store from another and one age of it from the next. Hashes are "" for an empty journal."""

    schema: int
    entries: int
    head: str
    first: str


def copy_to(source: Path, target: Path, progress: Progress = lambda _done, _all: None) -> None:
    """Copy a store that may be in use into a new file, as it is at one instant.

    Holds one snapshot for as long as it copies, so writers go on and the copy does not start over; the
    write-ahead log cannot be reset meanwhile. Raises PermanentError FLT-STO-006 when there is no store.
    """
    engine = SqliteEngine(source, create=False)
    connection = engine.connect(read_only=True)
    try:
        connection.begin_read()
        connection.rows("SELECT count(*) FROM schema_version", {})  # the snapshot is taken here
        connection.backup_to(target, progress)
    finally:
        connection.rollback()
        connection.close()
    os.chmod(target, 0o600)


def identity(tx: Tx) -> Identity:
    """Schema, length, head and first entry of a store."""
    (schema,) = tx.all("SELECT coalesce(max(number), 0) FROM schema_version")[0]
    entries, head = journal.head(tx)
    first = tx.one("SELECT hash FROM journal WHERE seq = 1")
    return Identity(int(schema), entries, head if entries else "", str(first[0]) if first else "")


def check_pages(tx: Tx) -> None:
    """Let the engine look at every page. Raises IntegrityError FLT-STO-010 with what it found."""
    found = [str(row[0]) for row in tx.all("PRAGMA quick_check(5)")]
    if found != ["ok"]:
        raise IntegrityError("FLT-STO-010", f"the database file is damaged: {'; '.join(found)[:300]}")


def end_everything(tx: Tx, reason: str) -> list[Run]:
    """End what lived when this store was copied: runs and capabilities. The runs, as they were.

    For a store that no daemon has open. ``reason`` is kept as why the runs were cancelled; a run that had begun is
    lost, one that had not is cancelled.
    """
    ended = runs.live(tx)
    for run in ended:
        runs.ask_cancel(tx, run.id, reason)
        state = RunState.CANCELLED if run.state is RunState.QUEUED else RunState.LOST
        runs.finish(tx, run.id, epoch=run.epoch, state=state, used_seconds=0.0, exit_code=None, outcome=reason)
    capabilities.revoke_all(tx)
    return ended
