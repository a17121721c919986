"""Whether a person cancelled a piece of work: whatever was asked before that does not start any more."""

from __future__ import annotations

from fleet.store import journal
from fleet.store.db import Tx
from fleet.store.journal import Filter


def cancelled(tx: Tx, work_item: str) -> tuple[int, str]:
    """Where in the journal a person last cancelled this work, and in which words; 0 when nobody did."""
    found = journal.select(tx, Filter(type="ticket.cancel_requested", work_item=work_item), limit=1, newest=True)
    return (found[0].seq, found[0].summary) if found else (0, "")
