"""Signed checkpoints: when they are made, what they refuse to sign, and what they give away."""

from __future__ import annotations

import stat

import pytest
from tests.tampering import reseal, tamper
from tests.unit.audit.conftest import Record

from fleet.audit.anchor import read_anchor
from fleet.audit.checkpoint import Checkpointer, make_checkpoint
from fleet.audit.keys import KeyFiles, read_key, rotate
from fleet.audit.statement import parsed
from fleet.core.errors import Conflict, IntegrityError, NotFound, TemporaryError
from fleet.store import audits, journal

TWELFTH = 12  # eleven entries of the fixture, and the one that introduces the key


def test_a_signed_journal_verifies(record: Record) -> None:
    assert record.first_bad() is None
    proofs = record.proofs()
    assert (proofs.checkpoints, proofs.signed_seq, proofs.anchored) == (2, TWELFTH, 2)


def test_the_key_file_is_readable_by_its_owner_only_and_is_made_once(record: Record) -> None:
    facts = record.plan.keys.current.stat()
    assert stat.S_IMODE(facts.st_mode) == 0o400
    assert len(record.db.read(audits.keys)) == 1


def test_a_statement_names_fleet_heads_count_time_predecessor_and_key(record: Record) -> None:
    first, second = record.points()
    facts = parsed(second.statement)
    assert facts is not None
    assert facts["fleet"] == "shop-1"
    assert facts["heads"] == {"local": [second.seq, second.hash]}
    assert facts["entries"] == second.seq
    assert facts["previous"] not in ("", first.hash)
    assert facts["key"] == first.key_id
    assert set(facts) == {"format", "fleet", "number", "heads", "entries", "previous", "key", "at"}


def test_nothing_is_signed_while_nothing_is_new(record: Record) -> None:
    assert record.sign() == 0
    assert len(record.points()) == 2


def test_many_entries_are_signed_at_once_and_few_after_a_while(record: Record) -> None:
    service = Checkpointer(record.db, lambda: record.plan)
    record.add(1)
    assert service.tick(record.clock.now()).did == 1  # the first look of a daemon
    record.add(1)
    waiting = service.tick(record.clock.now())
    assert waiting.did == 0
    assert waiting.next_at == record.clock.now() + 600 * 1_000_000
    record.add(1000)
    assert service.tick(record.clock.now()).did == 1
    record.add(1)
    record.clock.advance(601)
    assert service.tick(record.clock.now()).did == 1


def test_an_entry_edited_before_the_signature_is_never_signed(record: Record) -> None:
    record.add(3)
    tamper(record.path, "UPDATE journal SET summary = 'x' WHERE seq = 14")
    with pytest.raises(IntegrityError) as caught:
        make_checkpoint(record.db, record.plan)
    assert caught.value.code == "FLT-AUD-007"
    assert "entry 14" in caught.value.where
    assert len(record.points()) == 2


def test_a_refusal_is_on_record_once_and_costs_nothing_while_it_lasts(record: Record) -> None:
    record.add(3)
    tamper(record.path, "UPDATE journal SET summary = 'x' WHERE seq = 14")
    service = Checkpointer(record.db, lambda: record.plan)
    for _ in range(5):
        record.add(300)
        assert service.tick(record.clock.now()).did == 0
    assert record.sign() == 0
    refused = record.db.read(lambda tx: journal.select(tx, journal.Filter(type="checkpoint.refused")))
    assert len(refused) == 1


def test_a_history_rewritten_and_sealed_anew_behind_a_checkpoint_is_not_signed_on(record: Record) -> None:
    record.add(3)
    tamper(record.path, "UPDATE journal SET actor = 'human:eve' WHERE seq = 3")
    reseal(record.path)
    with pytest.raises(IntegrityError) as caught:
        make_checkpoint(record.db, record.plan)
    assert "the last checkpoint saw" in caught.value.message


def test_a_checkpoint_row_that_nobody_signed_is_not_built_upon(record: Record) -> None:
    record.add(1)
    tamper(record.path, "UPDATE checkpoints SET signature = replace(signature, substr(signature, 1, 4), 'beef')")
    with pytest.raises(IntegrityError) as caught:
        make_checkpoint(record.db, record.plan)
    assert "not what was signed" in caught.value.message


def test_a_checkpoint_that_missed_the_anchor_is_added_at_the_next_look(record: Record) -> None:
    lines = record.plan.anchor.read_text().splitlines(keepends=True)
    record.plan.anchor.write_text(lines[0] + lines[1][:40])  # the machine went down while it was written
    record.sign()
    assert [line.number for line in read_anchor(record.plan.anchor).lines] == [1, 2]
    assert read_anchor(record.plan.anchor).torn == 1
    assert record.first_bad() is None


def test_an_anchor_that_cannot_be_written_is_tried_again_and_loses_nothing(record: Record) -> None:
    record.add(1)
    record.plan.anchor.unlink()
    record.plan.anchor.mkdir()
    service = Checkpointer(record.db, lambda: record.plan)
    with pytest.raises(TemporaryError) as caught:
        service.tick(record.clock.now())
    assert caught.value.code == "FLT-AUD-006"
    record.plan.anchor.rmdir()
    service.tick(record.clock.now())
    assert [line.number for line in read_anchor(record.plan.anchor).lines] == [1, 2, 3]


# -- keys ----------------------------------------------------------------------------------------------


def test_a_new_key_is_signed_for_by_the_old_one_and_old_checkpoints_stay_valid(record: Record) -> None:
    old = read_key(record.plan.keys.current)
    new, seq = rotate(record.db, record.plan.keys, "shop-1", actor="human:ann", reason="yearly", lost=False)
    assert read_key(record.plan.keys.current).id == new.id != old.id
    record.sign()
    assert record.points()[-1].key_id == new.id
    assert record.first_bad() is None
    assert record.first_bad(pinned=old.public) is None
    entry = record.db.read(lambda tx: journal.at(tx, seq))
    assert entry is not None
    assert (entry.type, entry.actor) == ("audit.key_rotated", "human:ann")
    assert record.proofs().remarks == ()


def test_a_lost_key_is_replaced_and_that_is_said_whenever_somebody_verifies(record: Record) -> None:
    record.plan.keys.current.unlink()
    with pytest.raises(NotFound) as caught:
        make_checkpoint(record.db, record.plan)
    assert caught.value.code == "FLT-AUD-001"
    rotate(record.db, record.plan.keys, "shop-1", actor="human:ann", reason="disk died", lost=True)
    record.sign()
    assert record.first_bad() is None
    assert any("lost" in remark for remark in record.proofs().remarks)


def test_a_key_that_is_there_is_not_lost(record: Record) -> None:
    with pytest.raises(Conflict) as caught:
        rotate(record.db, record.plan.keys, "shop-1", actor="human:ann", reason="x", lost=True)
    assert caught.value.code == "FLT-AUD-005"


def test_a_fleet_without_a_key_has_none_to_rotate(record: Record) -> None:
    tamper(record.path, "DELETE FROM audit_keys")
    with pytest.raises(Conflict) as caught:
        rotate(record.db, record.plan.keys, "shop-1", actor="human:ann", reason="x", lost=False)
    assert caught.value.code == "FLT-AUD-004"


def test_a_key_that_others_may_read_or_that_is_none_signs_nothing(record: Record) -> None:
    record.add(1)
    record.plan.keys.current.chmod(0o644)
    with pytest.raises(IntegrityError) as caught:
        make_checkpoint(record.db, record.plan)
    assert caught.value.code == "FLT-AUD-002"
    record.plan.keys.current.chmod(0o600)
    record.plan.keys.current.write_text("fleet-signing-key-1 abc\n")
    with pytest.raises(IntegrityError) as caught:
        make_checkpoint(record.db, record.plan)
    assert caught.value.code == "FLT-AUD-002"


def test_another_key_in_the_key_file_signs_nothing(record: Record, tmp_path_factory: pytest.TempPathFactory) -> None:
    record.add(1)
    seed = "11" * 32
    record.plan.keys.current.unlink()
    record.plan.keys.current.write_text(f"fleet-signing-key-1 {seed}\n")
    record.plan.keys.current.chmod(0o400)
    with pytest.raises(IntegrityError) as caught:
        make_checkpoint(record.db, record.plan)
    assert caught.value.code == "FLT-AUD-003"
    fault = record.first_bad()
    assert fault is not None
    assert fault.kind == "key"


def test_a_rotation_cut_short_before_its_record_changes_nothing(record: Record) -> None:
    before = read_key(record.plan.keys.current).id
    record.plan.keys.coming.write_text("fleet-signing-key-1 " + "22" * 32)
    record.plan.keys.coming.chmod(0o400)
    record.add(1)
    assert record.sign() == 1
    assert record.points()[-1].key_id == before


def test_a_rotation_cut_short_after_its_record_is_completed(record: Record) -> None:
    kept = record.plan.keys.current.read_bytes()
    new, _ = rotate(record.db, record.plan.keys, "shop-1", actor="human:ann", reason="x", lost=False)
    files = KeyFiles(record.plan.keys.folder)
    files.current.rename(files.coming)  # as it was before the rename
    files.current.write_bytes(kept)
    files.current.chmod(0o400)
    assert record.sign() == 1
    assert record.points()[-1].key_id == new.id
    assert not files.coming.exists()
