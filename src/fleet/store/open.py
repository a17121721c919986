"""Open a fleet's store: create and migrate it for the daemon, or open it for reading only."""

from __future__ import annotations

from pathlib import Path

from fleet.core.clock import Clock
from fleet.core.errors import PermanentError
from fleet.store.db import Database
from fleet.store.migrate import migrate, outstanding
from fleet.store.sqlite import SqliteEngine


def open_for_daemon(path: Path, *, clock: Clock | None = None) -> Database:
    """Create or migrate the file, then open it for writing. One process at a time does this."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = SqliteEngine(path)
    migrate(engine, backups=path.parent / "backups", clock=clock)
    return Database(engine, clock=clock)


def open_up_to_date(path: Path) -> Database:
    """Open an existing store for the queries of this program.

    Raises PermanentError FLT-STO-006 when there is none, FLT-STO-012 when it is newer than this program,
    FLT-STO-014 when it is older: only the daemon changes it.
    """
    missing = outstanding(SqliteEngine(path, create=False))
    if missing:
        raise PermanentError(
            "FLT-STO-014",
            f"the store was made by an older program and lacks {', '.join(missing)}",
            where=str(path),
            hint="Bring it up to date (a backup is made first): fleet up",
        )
    return open_read_only(path)


def open_read_only(path: Path, *, clock: Clock | None = None) -> Database:
    """Open an existing store for queries. Raises PermanentError FLT-STO-006 when there is none."""
    return Database(SqliteEngine(path, create=False), clock=clock, read_only=True)
