"""What was signed against what is stored: keys, checkpoints, seals of archives, the anchor outside.

Takes one snapshot, gives the first contradiction and what a person should know although it is none. Works
after the chain was walked: the hashes in the rows are then known to belong to the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.audit.anchor import Anchor
from fleet.audit.chain import Fault, kept_digest_of
from fleet.audit.keys import is_signed
from fleet.audit.statement import ARCHIVE_FORMAT, CHECKPOINT_FORMAT, KEY_FORMAT, key_id_of, link_of, parsed
from fleet.audit.verify import sealed_prefix
from fleet.core.journal import GENESIS
from fleet.store import audits, journal
from fleet.store.db import Tx


@dataclass(frozen=True, slots=True)
class Expected:
    """What the caller knows from elsewhere: the key file's public key ("" = unread), a key somebody noted."""

    key_file: str = ""
    pinned: str = ""


@dataclass(frozen=True, slots=True)
class Proofs:
    """The first contradiction, remarks, and how far the journal is signed."""

    fault: Fault | None
    remarks: tuple[str, ...]
    checkpoints: int
    signed_seq: int
    signed_at: int
    key: str
    public: str
    anchored: int
    archives: int


def check_proofs(tx: Tx, anchored: Anchor, expected: Expected) -> Proofs:
    """Compare everything that was signed with everything that is stored."""
    keys, points, seals = audits.keys(tx), audits.checkpoints(tx), audits.archives(tx)
    remarks = [
        f"the key {row.key_id} replaces one that was lost: nothing but entry {row.entry_seq} vouches for it"
        for row in keys
        if row.signed_by_old == "" and row is not keys[0]
    ]
    faults = (
        *_keys(tx, keys, expected),
        *_checkpoints(tx, points, keys),
        *_archives(tx, seals, keys),
        *_anchor(points, anchored),
    )
    if anchored.torn:
        remarks.append(f"{anchored.torn} lines of the anchor cannot be read")
    last = points[-1] if points else None
    if last is None:
        remarks.append("nothing is signed yet: the chain alone does not stop whoever owns the file")
    return Proofs(
        fault=faults[0] if faults else None,
        remarks=tuple(remarks),
        checkpoints=len(points),
        signed_seq=last.seq if last is not None else 0,
        signed_at=last.at if last is not None else 0,
        key=keys[-1].key_id if keys else "",
        public=keys[-1].public if keys else "",
        anchored=len(anchored.lines),
        archives=len(seals),
    )


def _keys(tx: Tx, keys: list[audits.KeyRow], expected: Expected) -> Iterator[Fault]:
    """Every key but the first is signed for by the one before, or said to replace a lost one."""
    before: audits.KeyRow | None = None
    for row in keys:
        what = _key_problem(tx, row, before)
        if what:
            yield Fault(row.entry_seq, f"key {row.key_id}", what, "key")
        before = row
    if expected.key_file and (before is None or expected.key_file != before.public):
        yield Fault(before.entry_seq if before else 0, "key", "is not the one in the key file: it was swapped", "key")
    if expected.pinned and expected.pinned not in {row.public for row in keys}:
        yield Fault(before.entry_seq if before else 0, "key", "the key that you name never signed here", "key")


def _key_problem(tx: Tx, row: audits.KeyRow, before: audits.KeyRow | None) -> str:
    facts = parsed(row.statement)
    if facts is None or facts.get("format") != KEY_FORMAT or facts.get("public") != row.public:
        return "its statement is malformed or speaks of another key"
    if facts.get("key") != row.key_id or key_id_of(row.public) != row.key_id:
        return "its name does not belong to it"
    if facts.get("replaces") != (before.key_id if before is not None else ""):
        return "it does not follow the key before it"
    if not is_signed(row.public, row.statement, row.signed_by_new):
        return "its statement is not signed by itself"
    if before is not None and not facts.get("lost") and not is_signed(before.public, row.statement, row.signed_by_old):
        return "the key before it did not sign for it"
    entry = journal.at(tx, row.entry_seq)
    told = (entry.payload or {}).get("statement") if entry is not None else None
    return "" if told == row.statement else f"entry {row.entry_seq} of the journal does not speak of it"


def _checkpoints(tx: Tx, points: list[audits.CheckpointRow], keys: list[audits.KeyRow]) -> Iterator[Fault]:
    """Numbers without gaps, links, signatures, and the very entries that were seen are still there."""
    publics = {row.key_id: row.public for row in keys}
    height, sealed = journal.head(tx)[0], sealed_prefix(tx)
    previous, seq = GENESIS, 0
    for count, row in enumerate(points, 1):
        name = f"checkpoint {row.number}"
        what = _checkpoint_problem(row, count, previous, publics)
        if what:
            yield Fault(row.seq, name, what, "checkpoint")
        elif row.seq < seq:
            yield Fault(row.seq, name, "goes back behind the one before it", "checkpoint")
        elif row.seq > height:
            yield Fault(height + 1, name, f"saw entries up to {row.seq}: {height + 1} to {row.seq} were cut", "entry")
        elif row.seq >= sealed.seq and _stored(tx, row.seq) not in ("", row.hash):
            what = f"was signed by {name} with another content: it, or one after {seq}, was rewritten"
            yield Fault(row.seq, "", what, "entry")
        previous, seq = link_of(row.statement, row.signature), row.seq


def _stored(tx: Tx, seq: int) -> str:
    """The hash at a place: of the entry, or of the seal that ends there; "" inside an archive."""
    sealed = sealed_prefix(tx)
    return sealed.hash if seq == sealed.seq else journal.hash_at(tx, seq) or ("gone" if seq > sealed.seq else "")


def _checkpoint_problem(row: audits.CheckpointRow, count: int, previous: str, publics: Mapping[str, str]) -> str:
    facts = parsed(row.statement)
    expected = {
        "format": CHECKPOINT_FORMAT,
        "number": row.number,
        "heads": {journal.WRITER: [row.seq, row.hash]},
        "key": row.key_id,
        "at": row.at,
    }
    if row.number != count:
        return f"is number {row.number} where {count} is due: one was removed"
    if facts is None or any(facts.get(name) != value for name, value in expected.items()):
        return "was edited: its row and its statement differ"
    if facts.get("previous") != previous:
        return "does not continue the one before it"
    if not is_signed(publics.get(row.key_id, ""), row.statement, row.signature):
        return "is forged: no key of this fleet signed it"
    return ""


def _archives(tx: Tx, seals: list[audits.ArchiveRow], keys: list[audits.KeyRow]) -> Iterator[Fault]:
    """Seals follow each other without gap, are signed, and nothing is missing that was to stay here."""
    publics = {row.key_id: row.public for row in keys}
    last_seq = 0
    for row in seals:
        facts = parsed(row.statement)
        told = {
            "format": ARCHIVE_FORMAT,
            "first": row.first_seq,
            "last": row.last_seq,
            "head": row.head_hash,
            "kept": row.kept_digest,
            "sha256": row.sha256,
        }
        signer = publics.get(str(facts.get("key")), "") if facts is not None else ""
        if facts is None or any(facts.get(name) != value for name, value in told.items()):
            yield Fault(row.last_seq, f"archive {row.number}", "was edited: its row and its seal differ", "archive")
        elif row.first_seq != last_seq + 1:
            yield Fault(row.first_seq, f"archive {row.number}", "does not follow the one before it", "archive")
        elif not is_signed(signer, row.statement, row.signature):
            yield Fault(row.last_seq, f"archive {row.number}", "is forged: no key of this fleet sealed it", "archive")
        last_seq = row.last_seq
    if seals and kept_digest_of(journal.seqs_to(tx, last_seq)) != seals[-1].kept_digest:
        what = "an entry that stayed beside the archive is gone, or one was added"
        yield Fault(last_seq, f"archive {seals[-1].number}", what, "archive")


def _anchor(points: list[audits.CheckpointRow], anchored: Anchor) -> Iterator[Fault]:
    """The store must have every checkpoint that the anchor has, word for word."""
    known = {row.number: row for row in points}
    for line in anchored.lines:
        row = known.get(line.number)
        facts = parsed(line.statement) or {}
        seq = int(str(facts.get("entries", 0)))
        if row is None:
            what = f"the anchor holds a checkpoint at entry {seq} that the store has not: the store was cut or replaced"
            yield Fault(seq, f"checkpoint {line.number}", what, "anchor")
        elif (row.statement, row.signature) != (line.statement, line.signature):
            what = "differs from the one in the anchor: the store or the anchor was rewritten"
            yield Fault(row.seq, f"checkpoint {line.number}", what, "anchor")
