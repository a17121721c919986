"""Put the oldest part of the journal into a file, and take out of the store what nothing open needs.

Three steps: the file, whole and read back by both verifiers; then seal, entry and removal in one transaction.
A kill before that transaction leaves a good copy and the old store, a kill after it the new one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fleet.audit.chain import kept_digest_of
from fleet.audit.export import Range, Written, export, write_whole
from fleet.audit.exported import verify_files
from fleet.audit.keys import Signer
from fleet.audit.statement import archive_statement
from fleet.audit.verify_fleet_audit import Problem, check_files
from fleet.core.errors import Conflict, IntegrityError
from fleet.core.journal import GENESIS, Draft, Stream
from fleet.core.probe import probe
from fleet.store import audits, journal, pruning
from fleet.store.db import Database, Tx

MOST = 50_000  # entries of one archive: they leave in one transaction, and others wait for it
_PATIENCE = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Prefix:
    """What would go into the next archive."""

    first: int
    last: int
    after_hash: str
    going: int
    staying: int


@dataclass(frozen=True, slots=True)
class Archived:
    """What went into it."""

    number: int
    first: int
    last: int
    removed: int
    kept: int
    sha256: str
    seq: int


def plan(tx: Tx, last: int) -> Prefix:
    """The prefix that ends at ``last`` at the latest. Raises Conflict FLT-AUD-031 when there is none.

    The caller has signed the head, or only wants to know what would happen if it had.
    """
    before = audits.last_archive(tx)
    start, digest = (before.last_seq, before.head_hash) if before is not None else (0, GENESIS)
    last = min(last, start + MOST)
    if last <= start:
        raise Conflict(
            "FLT-AUD-031",
            "nothing can be archived: all that is old enough, signed and dealt with is in an archive already",
            hint="fleet audit checkpoints shows what is signed; audit.keep_days says how long entries stay.",
        )
    sorted_out = pruning.sort_out(tx, last)
    return Prefix(start + 1, last, digest, len(sorted_out.going), sorted_out.staying)


def archive(db: Database, prefix: Prefix, path: Path, *, fleet: str, signer: Signer, actor: str) -> Archived:
    """Write, read back, seal, remove. Raises Conflict FLT-AUD-011/032, PermanentError FLT-AUD-012, IntegrityError."""

    def fill(file: BinaryIO) -> Written:
        part = Range(after=prefix.first - 1, after_hash=prefix.after_hash, last=prefix.last)
        return db.read(lambda tx: export(tx, file, part, form="jsonl", fleet=fleet, signer=signer))

    written = write_whole(path, fill)
    head = _read_back(path, prefix, signer)
    digest = digest_of(path)
    probe("archive.written")

    def seal(tx: Tx) -> Archived:
        before = audits.last_archive(tx)
        signed = audits.last_checkpoint(tx)
        is_signed = signed is not None and signed.seq >= prefix.last
        if (before.last_seq if before is not None else 0) != prefix.first - 1 or not is_signed:
            raise Conflict("FLT-AUD-032", "another archive was made meanwhile", where=str(path))
        sorted_out = pruning.sort_out(tx, prefix.last)  # as things are now, not as they were planned
        going = frozenset(sorted_out.going)
        kept = kept_digest_of(seq for seq in journal.seqs_to(tx, prefix.last) if seq not in going)
        number = before.number + 1 if before is not None else 1
        facts: dict[str, object] = {
            "fleet": fleet, "number": number, "first": prefix.first, "last": prefix.last, "head": head, "kept": kept,
            "sha256": digest, "entries": written.entries, "file": path.name, "key": signer.id, "at": tx.now,
        }  # fmt: skip
        statement = archive_statement(facts)
        row = audits.ArchiveRow(
            number, prefix.first, prefix.last, head, kept, str(path), digest, statement, signer.sign(statement), tx.now
        )
        audits.add_archive(tx, row)
        removed = pruning.remove(tx, sorted_out.going)
        summary = (
            f"entries {prefix.first} to {prefix.last} are sealed in {path.name}; {removed} left the store,"
            f" {sorted_out.staying} stay"
        )
        payload: dict[str, object] = {"statement": statement, "signature": row.signature, "removed": removed}
        draft = Draft(Stream.DECISION, "journal.archived", actor, summary=summary, payload=payload)
        seq = journal.append(tx, draft).seq
        return Archived(number, prefix.first, prefix.last, removed, sorted_out.staying, digest, seq)

    done = db.write(seal, timeout=_PATIENCE)
    probe("archive.sealed")
    return done


def _read_back(path: Path, prefix: Prefix, signer: Signer) -> str:
    """Both verifiers must accept what really lies in the file; the hash that it ends with."""
    pieces = verify_files([path], pinned=signer.public)
    try:
        alone = check_files([str(path)], key=signer.public)
    except Problem as problem:
        raise IntegrityError(
            "FLT-AUD-013", f"the file is not what was written: {problem}", where=str(path)
        ) from problem
    if (pieces.seq, pieces.entries) != (prefix.last, prefix.last - prefix.first + 1) or alone.head != pieces.hash:
        raise IntegrityError("FLT-AUD-013", "the file does not hold the whole prefix", where=str(path))
    return pieces.hash


def digest_of(path: Path) -> str:
    """SHA-256 of a file, as the seal of an archive names it. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
