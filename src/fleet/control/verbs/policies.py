"""Calls about policy itself."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

VERBS = (
    Verb(
        "policy.replay",
        Access.HUMAN,
        (
            need("text", "text"),
            Arg("name", "line", "candidate"),
            Arg("since", "instant", 0),
            Arg("limit", "count", 200),
        ),
        "decisions, counts, differs[], more, program_differs[], not_replayable[], archived_to, candidate, in_force,"
        " since, changes[], warnings[], notes[]",
    ),
)
