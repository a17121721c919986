"""The chain names the first entry that was edited, inserted, removed or moved, whatever column was touched."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from fleet.audit.verify import verify_journal
from fleet.core.journal import Draft, Stream
from fleet.store import journal
from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon, open_read_only

ENTRIES = 12
TRIGGERS = ("journal_no_update", "journal_no_delete", "journal_payloads_erase_only", "journal_payloads_no_delete")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A closed store with a journal of a dozen entries."""
    path = tmp_path / "fleet.db"
    db = open_for_daemon(path)

    def fill(tx: Tx) -> None:
        for number in range(1, ENTRIES + 1):
            draft = Draft(
                Stream.DECISION,
                "delivery.held",
                "system:dispatcher",
                subject="pr/3",
                generation="abc",
                work_item="ticket/1",
                agent="dev",
                run_id="r1",
                cause_id="e0",
                kind="decision",
                dedup_key=f"k{number}",
                summary=f"entry {number}",
                payload={"n": number},
            )
            journal.append(tx, draft)

    db.write(fill)
    db.close()
    return path


def tamper(path: Path, *statements: str) -> None:
    """Change the file behind the program's back, triggers removed, as an owner of the file could."""
    connection = apsw.Connection(str(path))
    for trigger in TRIGGERS:
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute("PRAGMA ignore_check_constraints = 1")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def first_bad(path: Path) -> tuple[int, str]:
    """Sequence and words of the first fault."""
    db = open_read_only(path)
    try:
        found = verify_journal(db)
    finally:
        db.close()
    assert found.fault is not None, "the change went unnoticed"
    return found.fault.seq, found.fault.what


def test_an_untouched_journal_verifies(store: Path) -> None:
    db: Database = open_read_only(store)
    found = verify_journal(db)
    db.close()
    assert found.ok
    assert found.entries == ENTRIES
    assert found.head_seq == ENTRIES


TEXT_COLUMNS = (
    "id", "writer", "stream", "type", "kind", "actor", "subject", "generation", "work_item", "agent",
    "run_id", "cause_id", "dedup_key", "summary", "payload_hash",
)  # fmt: skip


@pytest.mark.parametrize("column", TEXT_COLUMNS)
def test_an_edit_of_any_column_is_found_at_its_entry(store: Path, column: str) -> None:
    tamper(store, f"UPDATE journal SET {column} = {column} || 'x' WHERE seq = 5")
    assert first_bad(store)[0] == 5


def test_an_edit_of_time_payload_salt_or_hash_is_found(store: Path) -> None:
    tamper(store, "UPDATE journal SET at = at + 1 WHERE seq = 5")
    assert first_bad(store) == (5, "was edited: its content does not match its seal")


def test_an_edited_payload_is_found(store: Path) -> None:
    tamper(store, "UPDATE journal_payloads SET body = CAST('{\"n\":99}' AS BLOB) WHERE seq = 4")
    assert first_bad(store)[0] == 4


def test_a_replaced_hash_breaks_the_link(store: Path) -> None:
    tamper(store, "UPDATE journal SET hash = 'x' || substr(hash, 2) WHERE seq = 6")
    assert first_bad(store)[0] in {6, 7}


def test_a_deleted_entry_is_named_by_its_gap(store: Path) -> None:
    tamper(store, "DELETE FROM journal_payloads WHERE seq = 7", "DELETE FROM journal WHERE seq = 7")
    seq, what = first_bad(store)
    assert seq == 8
    assert "entries 7 to 7 are missing" in what


def test_a_deletion_hidden_by_renumbering_is_found(store: Path) -> None:
    tamper(
        store,
        "DELETE FROM journal_payloads WHERE seq = 7",
        "DELETE FROM journal WHERE seq = 7",
        "UPDATE journal SET seq = seq - 1 WHERE seq > 7",
        "UPDATE journal_payloads SET seq = seq - 1 WHERE seq > 7",
    )
    assert first_bad(store)[0] == 7


def test_two_swapped_entries_are_found(store: Path) -> None:
    tamper(
        store,
        "UPDATE journal SET seq = 99 WHERE seq = 3",
        "UPDATE journal SET seq = 3 WHERE seq = 4",
        "UPDATE journal SET seq = 4 WHERE seq = 99",
    )
    assert first_bad(store)[0] == 3


def test_an_inserted_entry_is_found(store: Path) -> None:
    columns = (
        "id, writer, stream, type, kind, actor, subject, generation, work_item, agent, run_id, cause_id, summary, at,"
        " payload_hash, prev_hash, hash"
    )
    copied = columns.replace("id, writer", "id || 'b', writer", 1)
    tamper(
        store,
        f"INSERT INTO journal (seq, {columns}) SELECT {ENTRIES + 1}, {copied} FROM journal WHERE seq = {ENTRIES}",
        f"INSERT INTO journal_payloads SELECT {ENTRIES + 1}, salt, body FROM journal_payloads WHERE seq = {ENTRIES}",
    )
    assert first_bad(store)[0] == ENTRIES + 1


def test_a_payload_that_vanished_without_a_record_is_found(store: Path) -> None:
    tamper(store, "UPDATE journal_payloads SET salt = NULL, body = NULL WHERE seq = 9")
    assert first_bad(store)[0] == 9


def test_a_payload_erased_on_record_leaves_the_proof_whole(store: Path) -> None:
    db = open_for_daemon(store)
    victim = db.read(lambda tx: journal.select(tx, journal.Filter()))[4]
    db.write(lambda tx: journal.erase_payload(tx, victim.id, "human:ann", "a key was pasted"))
    found = verify_journal(db)
    assert found.ok
    assert found.erased == (5,)
    assert db.read(lambda tx: journal.get(tx, victim.id)).payload is None
    db.close()
    assert b'"n":5' not in store.read_bytes()
