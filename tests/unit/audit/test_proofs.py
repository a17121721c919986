"""An owner of the file edits the store with plain SQL and recomputes the whole chain: signatures tell.

The last tests say honestly what they do not tell.
"""

from __future__ import annotations

import pytest
from tests.tampering import reseal, tamper
from tests.unit.audit.conftest import Record

from fleet.audit.keys import Signer, read_key
from fleet.audit.statement import checkpoint_statement, link_of
from fleet.core.journal import GENESIS
from fleet.store import journal

EDITS = {
    "an actor": "UPDATE journal SET actor = 'human:eve' WHERE seq = 3",
    "a payload": "UPDATE journal_payloads SET body = CAST('{\"n\":99}' AS BLOB) WHERE seq = 3",
    "a time": "UPDATE journal SET at = at - 1 WHERE seq = 3",
    "a look-alike letter": "UPDATE journal SET summary = replace(summary, 'e', char(1077)) WHERE seq = 3",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_with_the_whole_chain_computed_anew_is_found(record: Record, edit: str) -> None:
    tamper(record.path, edit)
    reseal(record.path)
    fault = record.first_bad()
    assert fault is not None
    assert fault.seq == record.points()[0].seq
    assert "rewritten" in fault.what


def test_an_edit_after_the_first_checkpoint_is_found_at_the_second(record: Record) -> None:
    tamper(record.path, "UPDATE journal SET actor = 'human:eve' WHERE seq = 10")
    reseal(record.path)
    fault = record.first_bad()
    assert fault is not None
    assert fault.seq == record.points()[1].seq


def test_a_deletion_hidden_by_renumbering_and_resealing_is_found(record: Record) -> None:
    tamper(
        record.path,
        "DELETE FROM journal_payloads WHERE seq = 3",
        "DELETE FROM journal WHERE seq = 3",
        "UPDATE journal SET seq = seq - 1 WHERE seq > 3",
        "UPDATE journal_payloads SET seq = seq - 1 WHERE seq > 3",
    )
    reseal(record.path)
    assert record.first_bad() is not None


def test_a_cut_tail_is_found_by_the_checkpoint_that_saw_it(record: Record) -> None:
    tamper(record.path, "DELETE FROM journal_payloads WHERE seq > 9", "DELETE FROM journal WHERE seq > 9")
    fault = record.first_bad()
    assert fault is not None
    assert fault.seq == 10
    assert "10 to 12 were cut" in fault.what


def test_a_tail_cut_together_with_its_checkpoint_is_found_by_the_anchor(record: Record) -> None:
    tamper(
        record.path,
        "DELETE FROM journal_payloads WHERE seq > 9",
        "DELETE FROM journal WHERE seq > 9",
        "DELETE FROM checkpoints WHERE number > 1",
    )
    fault = record.first_bad()
    assert fault is not None
    assert (fault.kind, fault.seq) == ("anchor", 12)


CHECKPOINTS = {
    "removed from the middle": ("DELETE FROM checkpoints WHERE number = 1", "one was removed"),
    "row edited": ("UPDATE checkpoints SET seq = 5 WHERE number = 1", "differ"),
    "hash edited": ("UPDATE checkpoints SET hash = 'x' || substr(hash, 2) WHERE number = 1", "differ"),
    "signature edited": ("UPDATE checkpoints SET signature = replace(signature, 'a', 'b') WHERE number = 1", "forged"),
    "key renamed": ("UPDATE checkpoints SET key_id = 'other' WHERE number = 2", "differ"),
}


@pytest.mark.parametrize(("edit", "words"), CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_checkpoint_that_was_changed_is_found(record: Record, edit: str, words: str) -> None:
    tamper(record.path, edit)
    fault = record.first_bad()
    assert fault is not None
    assert fault.kind == "checkpoint"
    assert words in fault.what


def resign(record: Record, signer: Signer) -> None:
    """Replace the checkpoints by ones of ``signer``, over the journal as it is now."""
    previous, statements = GENESIS, []
    for point in record.points():
        digest = record.db.read(lambda tx: journal.hash_at(tx, point.seq))
        text = checkpoint_statement(
            "shop-1", point.number, {"local": (point.seq, digest)}, previous=previous, key=signer.id, at=point.at
        )
        signature = signer.sign(text)
        previous = link_of(text, signature)
        statements.append(
            f"UPDATE checkpoints SET hash = '{digest}', key_id = '{signer.id}', statement = '{text}',"
            f" signature = '{signature}' WHERE number = {point.number}"
        )
    tamper(record.path, *statements)


def test_checkpoints_signed_anew_by_another_key_are_found(record: Record) -> None:
    tamper(record.path, "UPDATE journal SET actor = 'human:eve' WHERE seq = 3")
    reseal(record.path)
    eve = Signer(b"3" * 32)
    resign(record, eve)
    assert record.first_bad() is not None  # the key's own row still speaks of the old key
    tamper(record.path, f"UPDATE audit_keys SET key_id = '{eve.id}', public = '{eve.public}'")
    fault = record.first_bad()
    assert fault is not None
    assert fault.kind == "key"


def test_a_pinned_key_that_never_signed_here_is_said(record: Record) -> None:
    fault = record.first_bad(pinned="ab" * 32)
    assert fault is not None
    assert "never signed here" in fault.what


def test_seq_below_one_is_not_overlooked(record: Record) -> None:
    tamper(
        record.path,
        "INSERT INTO journal SELECT 0, 'e00', writer, stream, type, kind, actor, subject, generation, work_item, agent,"
        " run_id, cause_id, 'k0', summary, at, payload_hash, prev_hash, hash FROM journal WHERE seq = 1",
    )
    fault = record.first_bad()
    assert fault is not None
    assert fault.seq == 0


def test_what_is_newer_than_the_last_checkpoint_can_still_be_rewritten_unseen(record: Record) -> None:
    """The uncovered window: the docs say so, and `fleet audit verify` prints how many entries are in it."""
    record.add(2)
    tamper(record.path, "UPDATE journal SET actor = 'human:eve' WHERE seq = 14")
    reseal(record.path)
    assert record.first_bad() is None


def test_whoever_has_store_and_key_is_bound_by_nothing_but_the_anchor(record: Record) -> None:
    """Nothing on one machine stops its owner: an anchor out of reach does, and only that."""
    tamper(record.path, "UPDATE journal SET actor = 'human:eve' WHERE seq = 3")
    reseal(record.path)
    resign(record, read_key(record.plan.keys.current))
    fault = record.first_bad()
    assert fault is not None
    assert fault.kind == "anchor"
    record.plan.anchor.unlink()
    assert record.first_bad() is None
