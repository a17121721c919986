"""Verify a store's journal: read every stored byte once, in one snapshot, and judge it by the chain."""

from __future__ import annotations

from fleet.audit.chain import Verification, verify
from fleet.store import journal
from fleet.store.db import Database, Tx


def verify_journal(db: Database) -> Verification:
    """Check the whole journal. Reading does not hold up writers."""
    return db.read(_verify)


def _verify(tx: Tx) -> Verification:
    erasures = journal.erased_ids(tx)
    return verify(journal.walk(tx), erasures=erasures)
