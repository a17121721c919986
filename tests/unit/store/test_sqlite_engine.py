"""What only the embedded engine promises: version gate, PRAGMAs, migrations with backups, broken disks."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from tests.tampering import tamper

from fleet.core.errors import IntegrityError, PermanentError
from fleet.core.journal import Draft, Stream
from fleet.store import journal, runs, sqlite
from fleet.store import migrate as migrations
from fleet.store.db import Tx
from fleet.store.migrate import Migration, migrate, shipped
from fleet.store.open import open_for_daemon, open_up_to_date
from fleet.store.sqlite import SqliteEngine
from fleet.testing.clock import ManualClock


def schema_of(path: Path) -> list[tuple[object, ...]]:
    """Every object of a database file, as text."""
    connection = apsw.Connection(str(path))
    try:
        return list(connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"))
    finally:
        connection.close()


def test_the_loaded_sqlite_is_new_enough() -> None:
    sqlite._check_version(sqlite.sqlite_version())


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.0"])
def test_a_sqlite_that_can_corrupt_the_file_is_refused(version: str) -> None:
    with pytest.raises(PermanentError, match="oldest safe one") as caught:
        sqlite._check_version(version)
    assert caught.value.code == "FLT-STO-001"


def test_every_pragma_is_in_force(tmp_path: Path) -> None:
    connection = SqliteEngine(tmp_path / "a.db").connect(read_only=False)
    for pragma, value in {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}.items():
        assert connection.rows(f"PRAGMA {pragma}", {}) == [(value,)]
    connection.close()


def test_a_pragma_that_does_not_take_is_refused() -> None:
    raw = apsw.Connection(":memory:")  # has no write-ahead log
    with pytest.raises(PermanentError, match="journal_mode") as caught:
        sqlite._configure(raw, read_only=False)
    raw.close()
    assert caught.value.code == "FLT-STO-002"


def test_the_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    migrate(SqliteEngine(tmp_path / "a.db"), backups=tmp_path / "backups")
    assert (tmp_path / "a.db").stat().st_mode & 0o077 == 0


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "a.db")
    assert migrate(engine, backups=tmp_path / "b") == [f"{item.number:04d}_{item.name}" for item in shipped()]
    before = schema_of(engine.path)
    assert migrate(engine, backups=tmp_path / "b") == []
    assert schema_of(engine.path) == before
    assert not (tmp_path / "b").exists(), "an empty file needs no backup"


def test_a_file_with_data_is_backed_up_before_it_is_changed(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "a.db")
    first = Migration(1, "first", "CREATE TABLE t (x INTEGER) STRICT; INSERT INTO t VALUES (7);")
    second = Migration(2, "second", "ALTER TABLE t ADD COLUMN y INTEGER;")
    migrate(engine, backups=tmp_path / "b", migrations=[first])
    assert migrate(engine, backups=tmp_path / "b", migrations=[first, second]) == ["0002_second"]
    (backup,) = (tmp_path / "b").iterdir()
    copy = apsw.Connection(str(backup))
    assert list(copy.execute("SELECT * FROM t")) == [(7,)]
    copy.close()


def test_a_failing_migration_leaves_the_old_state(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "a.db")
    first = Migration(1, "first", "CREATE TABLE t (x INTEGER) STRICT;")
    broken = Migration(2, "broken", "CREATE TABLE u (x INTEGER) STRICT; NONSENSE;")
    migrate(engine, backups=tmp_path / "b", migrations=[first])
    before = schema_of(engine.path)
    with pytest.raises(PermanentError) as caught:
        migrate(engine, backups=tmp_path / "b", migrations=[first, broken])
    assert caught.value.code == "FLT-STO-011"
    assert schema_of(engine.path) == before


def test_a_newer_file_is_left_alone_and_named(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "a.db")
    newer = Migration(99, "future", "CREATE TABLE t (x INTEGER) STRICT;")
    migrate(engine, backups=tmp_path / "b", migrations=[newer])
    with pytest.raises(PermanentError, match="schema 99") as caught:
        migrate(engine, backups=tmp_path / "b")
    assert caught.value.code == "FLT-STO-012"


def test_an_applied_migration_with_another_text_is_refused(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "a.db")
    migrate(engine, backups=tmp_path / "b", migrations=[Migration(1, "first", "CREATE TABLE t (x INTEGER) STRICT;")])
    with pytest.raises(IntegrityError, match="another text") as caught:
        migrate(
            engine, backups=tmp_path / "b", migrations=[Migration(1, "first", "CREATE TABLE u (x INTEGER) STRICT;")]
        )
    assert caught.value.code == "FLT-STO-013"


def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"this is not a database, and never was one" * 50)
    with pytest.raises(IntegrityError, match="damaged") as caught:
        migrate(SqliteEngine(path), backups=tmp_path / "b")
    assert caught.value.code == "FLT-STO-010"


def test_a_payload_that_is_no_json_is_named_by_its_entry(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = open_for_daemon(path)
    writer.write(lambda tx: journal.append(tx, Draft(Stream.EVENT, "note", actor="human:ann")))
    writer.close()
    tamper(path, "UPDATE journal_payloads SET body = x'7b' WHERE seq = 1")
    reader = open_up_to_date(path)
    with pytest.raises(IntegrityError) as caught:
        reader.read(lambda tx: journal.at(tx, 1))
    reader.close()
    assert (caught.value.code, caught.value.where) == ("FLT-JRN-002", "journal seq 1")


def test_every_shipped_migration_has_its_own_number() -> None:
    numbers = [item.number for item in shipped()]
    assert numbers == sorted(set(numbers))
    assert migrations.shipped("sqlite") == shipped()


def test_broken_runs_are_found_by_index_however_long_the_history(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "a.db")
    migrate(engine, backups=tmp_path / "b")
    connection = engine.connect(read_only=True)
    asked: list[str] = []

    def trace(_: object, sql: str, __: object) -> bool:
        asked.append(sql)
        return True

    connection._raw.exec_trace = trace
    assert runs.finished_without_result(Tx(connection, ManualClock())) == []
    connection._raw.exec_trace = None
    plan = connection.rows(f"EXPLAIN QUERY PLAN {asked[0]}", {"limit": 1})
    connection.close()
    assert [row[3] for row in plan] == ["SCAN runs USING INDEX runs_to_follow_up"]


def test_a_store_of_an_older_program_is_read_after_it_was_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    migrate(SqliteEngine(path), backups=tmp_path / "b", migrations=shipped()[:1])
    with pytest.raises(PermanentError, match="older program") as caught:
        open_up_to_date(path)
    assert caught.value.code == "FLT-STO-014"
    open_for_daemon(path).close()
    open_up_to_date(path).close()
