"""Calls about work that was given up."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

VERBS = (
    Verb("deadletters", Access.READ, (Arg("all", "flag", False),), "dead_letters[]"),
    Verb("deadletter.explain", Access.READ, (need("id", "line"),), "dead_letter, attempts[], replayable, commands[]"),
    Verb("deadletter.replay", Access.HUMAN, (need("id", "line"), Arg("reason", "line", "")), "dead_letter, event"),
    Verb("deadletter.discard", Access.HUMAN, (need("id", "line"), need("reason", "line")), "dead_letter"),
)
