"""A full disk in the middle of a group commit: acknowledged stays, callers hear of it, writing comes back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from fleet.audit.verify import verify_journal
from fleet.core.errors import FleetError, TemporaryError
from fleet.core.journal import Draft, Stream
from fleet.store import journal
from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon

BIG = "x" * 40_000


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """An open store."""
    database = open_for_daemon(tmp_path / "fleet.db")
    yield database
    database.close()


def limit_pages(db: Database, more: int) -> None:
    """SQLite itself says that the disk is full once the file has this many pages more than now."""

    def limit(tx: Tx) -> None:
        (pages,) = tx.all("PRAGMA page_count")[0]
        tx.all(f"PRAGMA max_page_count = {pages + more}")

    db.write(limit)


def publish(tx: Tx, size: str = BIG) -> journal.Appended:
    """A large entry."""
    return journal.append(tx, Draft(Stream.EVENT, "note", "human:ann", payload={"text": size}))


def fill(db: Database) -> list[str]:
    """Publish until the disk is full; what was acknowledged."""
    acknowledged = []
    for _ in range(100):
        try:
            acknowledged.append(db.write(publish).id)
        except TemporaryError:
            return acknowledged
    raise AssertionError("the disk never became full")


def test_what_was_acknowledged_before_the_disk_was_full_is_there_and_writing_comes_back(db: Database) -> None:
    limit_pages(db, 60)
    before = fill(db)
    assert before
    with pytest.raises(TemporaryError) as caught:
        db.write(publish)
    assert caught.value.code == "FLT-STO-008"
    limit_pages(db, 1_000)
    after = db.write(publish).id
    stored = {entry.id for entry in db.read(lambda tx: journal.select(tx, journal.Filter()))}
    assert {*before, after} <= stored
    assert verify_journal(db).ok


def test_each_caller_of_a_group_is_told_what_became_of_its_own_work(db: Database) -> None:
    """Small work between two large pieces: whoever was told yes is on record, nobody else is."""
    limit_pages(db, 25)
    answers: list[Future[journal.Appended]] = []
    for _ in range(20):
        answers += [db.submit(publish), db.submit(lambda tx: publish(tx, "small"))]
    told = [future.exception(30) for future in answers]
    kept = [future.result().id for future in answers if future.exception() is None]
    assert any(told)
    for error in told:
        assert error is None or (isinstance(error, FleetError) and error.code == "FLT-STO-008")
    limit_pages(db, 1_000)
    stored = [entry.id for entry in db.read(lambda tx: journal.select(tx, journal.Filter()))]
    assert sorted(stored) == sorted(kept)
    assert verify_journal(db).ok


def test_work_that_hides_the_full_disk_behind_an_error_of_its_own_does_not_end_the_writer(db: Database) -> None:
    limit_pages(db, 0)

    def hides(tx: Tx) -> None:
        try:
            publish(tx)
        except FleetError:
            tx.all("ROLLBACK")  # what SQLite may do by itself
            raise ValueError("something else") from None

    with pytest.raises((ValueError, FleetError)):
        db.write(hides)
    limit_pages(db, 1_000)
    assert db.write(publish).fresh


def test_an_emptied_log_holds_no_old_bytes_and_what_was_written_is_there(db: Database, tmp_path: Path) -> None:
    secret = "correct-horse-battery-staple"
    made = db.write(lambda tx: publish(tx, secret))
    log = tmp_path / "fleet.db-wal"
    assert secret.encode() in log.read_bytes()
    assert db.empty_log()
    assert log.stat().st_size == 0
    assert db.read(lambda tx: journal.get(tx, made.id)).payload == {"text": secret}


def test_a_reader_keeps_the_log_and_nobody_waits_for_it(db: Database) -> None:
    db.write(publish)

    def inside(tx: Tx) -> bool:
        tx.one("SELECT count(*) FROM journal")
        db.write(publish)
        return db.empty_log()

    assert db.read(inside) is False
    assert db.empty_log()
