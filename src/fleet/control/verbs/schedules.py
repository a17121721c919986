"""Calls about what starts by the clock."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Verb

VERBS = (Verb("schedules", Access.READ, (), "schedules[]"),)
