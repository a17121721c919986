"""Verify a store's journal: read every stored byte once, judge it by the chain, then by what was signed."""

from __future__ import annotations

from fleet.audit.chain import NOTHING_SEALED, Sealed, Verification, verify
from fleet.core.journal import GENESIS
from fleet.store import audits, journal
from fleet.store.db import Database, Tx


def sealed_prefix(tx: Tx) -> Sealed:
    """The part of the journal that lies in archives."""
    last = audits.last_archive(tx)
    return NOTHING_SEALED if last is None else Sealed(last.last_seq, last.head_hash)


def verify_journal(db: Database, *, after: int = 0, prev_hash: str = GENESIS, limit: int | None = None) -> Verification:
    """Check the whole journal, or at most ``limit`` entries from where an earlier part ended.

    Reading does not hold up writers.
    """

    def look(tx: Tx) -> Verification:
        walk = journal.walk(tx, after=after, limit=limit)
        sealed = sealed_prefix(tx)
        return verify(walk, erasures=journal.erased_ids(tx), after=after, prev_hash=prev_hash, sealed=sealed)

    return db.read(look)
