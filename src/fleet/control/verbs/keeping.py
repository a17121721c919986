"""Calls about what lies on the disk."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Verb

VERBS = (
    Verb("gc.plan", Access.HUMAN, (), "goes[], kept[], bytes"),
    Verb("gc.run", Access.HUMAN, (), "removed[], kept[], bytes, left"),
)
