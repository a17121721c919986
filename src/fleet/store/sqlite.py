"""SQLite through apsw: the embedded engine, with its version gate and every PRAGMA asserted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw

from fleet.core.errors import Conflict, FleetError, IntegrityError, PermanentError, TemporaryError
from fleet.store.dialect import Params, Row

T = TypeVar("T")

# The first release without the WAL-reset bug, which can corrupt a file under several connections
# (sqlite.org, release notes of 3.51.3).
MINIMUM_SQLITE = (3, 51, 3)
_BUSY_MILLISECONDS = 5000
_BACKUP_PAGES = 256  # a step
_WAL_LIMIT_BYTES = 64 * 1024 * 1024


class SqliteConnection:
    """An apsw connection behind the engine's protocol; foreign errors are translated here."""

    def __init__(self, raw: apsw.Connection) -> None:
        """Take an open, configured connection."""
        self._raw = raw
        self._closed = False

    def rows(self, sql: str, params: Params) -> list[Row]:
        """Execute and fetch everything."""
        return _translated(lambda: list(self._raw.execute(sql, params)))

    def run(self, sql: str, params: Params) -> int:
        """Execute and return the number of rows changed."""

        def step() -> int:
            for _ in self._raw.execute(sql, params):
                pass
            return self._raw.changes()

        return _translated(step)

    def begin_read(self) -> None:
        """Start a deferred transaction: the snapshot is taken at the first read."""
        self._plain("BEGIN")

    def begin_write(self) -> None:
        """Take the write lock at once."""
        self._plain("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """COMMIT; with synchronous=FULL it returns after the fsync."""
        self._plain("COMMIT")

    def rollback(self) -> None:
        """ROLLBACK when a transaction is open."""
        if not self._raw.in_transaction:
            return
        self._plain("ROLLBACK")

    def savepoint(self) -> None:
        """Open the one nested unit that the writer uses."""
        self._plain("SAVEPOINT unit")

    def release_savepoint(self) -> None:
        """Keep it."""
        self._plain("RELEASE unit")

    def rollback_savepoint(self) -> None:
        """Forget it and close it."""
        self._plain("ROLLBACK TO unit")
        self._plain("RELEASE unit")

    @property
    def in_transaction(self) -> bool:
        """False also when SQLite rolled everything back by itself, as it may on a full disk."""
        return self._raw.in_transaction

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the database and empty its file; False while a reader still needs it."""
        self._raw.set_busy_timeout(0)  # nobody waits for a reader here: other writes stand in the queue
        try:
            answer = _translated(lambda: list(self._raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")))
        finally:
            self._raw.set_busy_timeout(_BUSY_MILLISECONDS)
        return bool(answer[0][0] == 0)

    def total_changes(self) -> int:
        """SQLite's own counter."""
        return self._raw.total_changes()

    def backup_to(self, target: Path, progress: Callable[[int, int], None] = lambda _done, _all: None) -> None:
        """Copy the whole database into a new file through SQLite's backup interface.

        ``progress`` hears pages done and pages in all after every step.
        """

        def copy() -> None:
            destination = apsw.Connection(str(target))
            try:
                with destination.backup("main", self._raw, "main") as backup:
                    while not backup.done:
                        backup.step(_BACKUP_PAGES)
                        progress(backup.page_count - backup.remaining, backup.page_count)
            finally:
                destination.close()

        _translated(copy)

    def script(self, sql: str) -> None:
        """Run several statements; the caller holds the transaction."""
        _translated(lambda: [None for _ in self._raw.execute(sql)])

    def close(self) -> None:
        """Close; harmless twice."""
        if not self._closed:
            self._closed = True
            self._raw.close()

    def _plain(self, sql: str) -> None:
        _translated(lambda: [None for _ in self._raw.execute(sql)])


class SqliteEngine:
    """One database file."""

    name = "sqlite"

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Take the file; ``create=False`` refuses a missing one (FLT-STO-006)."""
        self._path = path
        self._create = create
        self._immutable_reader = False

    @property
    def path(self) -> Path:
        """The database file."""
        return self._path

    def connect(self, *, read_only: bool) -> SqliteConnection:
        """Open and configure. Raises PermanentError FLT-STO-001/002/006."""
        _check_version(apsw.sqlite_lib_version())
        if not self._path.exists() and (read_only or not self._create):
            raise PermanentError(
                "FLT-STO-006", "there is no store yet", where=str(self._path), hint="Start the fleet: fleet up"
            )
        flags = apsw.SQLITE_OPEN_READWRITE | (0 if read_only else apsw.SQLITE_OPEN_CREATE)
        old_mask = os.umask(0o077)
        try:
            raw = _translated(lambda: apsw.Connection(str(self._path), flags=flags))
        finally:
            os.umask(old_mask)
        _translated(lambda: _configure(raw, read_only=read_only))
        return SqliteConnection(raw)

    def is_fatal(self, error: BaseException) -> bool:
        """I/O errors and corruption end all writing; a full disk or a busy file do not."""
        return isinstance(error, IntegrityError) or (isinstance(error, PermanentError) and error.code == "FLT-STO-007")


def sqlite_version() -> str:
    """The version of the SQLite that is really loaded."""
    return apsw.sqlite_lib_version()


def _check_version(version: str) -> None:
    found = tuple(int(part) for part in version.split(".")[:3])
    if found < MINIMUM_SQLITE:
        wanted = ".".join(map(str, MINIMUM_SQLITE))
        raise PermanentError(
            "FLT-STO-001",
            f"SQLite {version} can corrupt a database that several processes read; {wanted} is the oldest safe one",
            where="apsw",
            hint="Reinstall with: pip install --force-reinstall 'apsw>=3.51.3'",
        )


def _configure(raw: apsw.Connection, *, read_only: bool) -> None:
    """Set every PRAGMA and read each answer back: some fail silently until their row is fetched."""
    raw.set_busy_timeout(_BUSY_MILLISECONDS)
    wanted: list[tuple[str, object]] = [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("secure_delete", 1),  # an erased payload must not survive in freed pages
        ("journal_size_limit", _WAL_LIMIT_BYTES),
        ("query_only", 1 if read_only else 0),
    ]
    for pragma, value in wanted:
        raw.pragma(pragma, value)
        answer = raw.pragma(pragma)
        if answer != value:
            raise PermanentError(
                "FLT-STO-002",
                f"PRAGMA {pragma} is {answer!r} instead of {value!r}",
                where=raw.filename,
                hint="The file system may not support write-ahead logging; use a local disk.",
            )


def _translated(step: Callable[[], T]) -> T:
    """Run a driver call; turn its errors into ours, sorted by who must act."""
    try:
        return step()
    except apsw.Error as error:
        raise _meaning(error) from error


def _meaning(error: apsw.Error) -> FleetError:
    text = str(error)
    if isinstance(error, apsw.ConstraintError):
        return Conflict("FLT-STO-003", f"the store refuses the change: {text}")
    # The shared index cannot grow: also a full disk, and by itself no sign of a broken one.
    if isinstance(error, apsw.FullError) or getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE:
        return TemporaryError(
            "FLT-STO-008", "the disk is full; nothing was written", hint="Free space; writing resumes by itself."
        )
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return TemporaryError("FLT-STO-009", f"the store is busy: {text}")
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return IntegrityError(
            "FLT-STO-010", f"the database file is damaged: {text}", hint="Stop the fleet and restore a backup."
        )
    if isinstance(error, apsw.IOError):
        return PermanentError(
            "FLT-STO-007",
            f"the disk failed: {text}; nothing is written any more",
            hint="Check the disk, then restart the fleet; it verifies what it has.",
        )
    return PermanentError("FLT-STO-011", f"the store failed: {text}")
