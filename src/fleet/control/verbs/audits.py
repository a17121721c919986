"""Calls about the record itself."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Verb, need

VERBS = (
    Verb("audit.verify", Access.HUMAN, (), "ok, entries, head, first_bad"),
    Verb("audit.erase", Access.HUMAN, (need("entry", "line"), need("reason", "line")), "id, seq, log_emptied"),
)
