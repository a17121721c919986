"""Calls about what agents are told to be."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Verb, need

VERBS = (Verb("handbook", Access.READ, (need("name", "name"),), "agent, role, text, sha256, parts[], added[]"),)
