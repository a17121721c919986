"""Bring a SQLite file to this program's schema: numbered, forward only, one transaction each, backup first."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from fleet.core.clock import Clock, SystemClock
from fleet.core.errors import FleetError, IntegrityError, PermanentError
from fleet.core.probe import probe
from fleet.store.db import Tx
from fleet.store.sqlite import SqliteConnection, SqliteEngine


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered change and the digest of its text."""

    number: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def shipped(engine: str = "sqlite") -> list[Migration]:
    """Every migration this program brings, in order."""
    folder = resources.files("fleet.store.migrations").joinpath(engine)
    found = []
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if item.name.endswith(".sql"):
            number, _, rest = item.name.partition("_")
            found.append(Migration(int(number), rest.removesuffix(".sql"), item.read_text("utf-8")))
    return found


def migrate(
    engine: SqliteEngine,
    *,
    backups: Path,
    clock: Clock | None = None,
    migrations: list[Migration] | None = None,
) -> list[str]:
    """Apply what is missing and return the names applied.

    A file that already holds data is copied to ``backups`` before each change. Raises PermanentError
    FLT-STO-012 when the file is newer than the program (nothing is touched), IntegrityError FLT-STO-013
    when an applied migration differs from the one shipped.
    """
    wanted = shipped() if migrations is None else migrations
    stamp = (clock or SystemClock()).now()
    connection = engine.connect(read_only=False)
    try:
        done = _applied(connection)
        _compare(done, wanted, engine.path)
        applied: list[str] = []
        for item in wanted:
            if item.number in done:
                continue
            if done:  # a file that is just being made holds nothing to lose
                _backup(connection, backups, item, stamp)
            _apply(connection, item, stamp)
            applied.append(f"{item.number:04d}_{item.name}")
        return applied
    finally:
        connection.close()


def schema_of(tx: Tx) -> int:
    """The number of the newest migration that was applied to an open store; 0 for none."""
    row = tx.one("SELECT coalesce(max(number), 0) FROM schema_version")
    return int(row[0]) if row else 0


def outstanding(engine: SqliteEngine, *, migrations: list[Migration] | None = None) -> list[str]:
    """Names of the changes that ``migrate`` would apply to an existing file. Changes nothing; raises as it does."""
    wanted = shipped() if migrations is None else migrations
    connection = engine.connect(read_only=True)
    try:
        known = connection.rows("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'", {})
        done = _digests(connection) if known else {}
        _compare(done, wanted, engine.path)
    finally:
        connection.close()
    return [f"{item.number:04d}_{item.name}" for item in wanted if item.number not in done]


def _applied(connection: SqliteConnection) -> dict[int, str]:
    connection.run(
        "CREATE TABLE IF NOT EXISTS schema_version (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
        " digest TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT",
        {},
    )
    return _digests(connection)


def _digests(connection: SqliteConnection) -> dict[int, str]:
    return {number: digest for number, digest in connection.rows("SELECT number, digest FROM schema_version", {})}


def _compare(done: dict[int, str], wanted: list[Migration], path: Path) -> None:
    newest = max((item.number for item in wanted), default=0)
    if done and max(done) > newest:
        raise PermanentError(
            "FLT-STO-012",
            f"the store has schema {max(done)}, this program knows {newest}",
            where=str(path),
            hint="Install the newer program again, or restore a backup made before the upgrade.",
        )
    for item in wanted:
        if item.number in done and done[item.number] != item.digest:
            raise IntegrityError(
                "FLT-STO-013", f"migration {item.number:04d} was applied with another text", where=str(path)
            )


def _backup(connection: SqliteConnection, backups: Path, item: Migration, stamp: int) -> None:
    backups.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = backups / f"before-{item.number:04d}-{stamp}.db"
    partial = target.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    connection.backup_to(partial)
    partial.rename(target)
    probe("migrate.backed_up")


def _apply(connection: SqliteConnection, item: Migration, stamp: int) -> None:
    connection.begin_write()
    try:
        connection.script(item.sql)
        connection.run(
            "INSERT INTO schema_version (number, name, digest, applied_at) VALUES (:number, :name, :digest, :at)",
            {"number": item.number, "name": item.name, "digest": item.digest, "at": stamp},
        )
        probe("migrate.before_commit")
        connection.commit()
    except FleetError:
        connection.rollback()
        raise
