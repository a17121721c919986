"""Calls about the event bus."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb

VERBS = (
    Verb(
        "fabric.publish",
        Access.ROLE,
        (
            Arg("event", "event", ""),
            Arg("kind", "kind", ""),
            Arg("summary", "summary", ""),
            Arg("payload", "payload", ""),
            Arg("subject", "subject", ""),
            Arg("key", "summary", ""),
        ),
        "id, seq, repeated",
        quick=True,
    ),
    Verb(
        "fabric.history",
        Access.READ,
        (
            Arg("event", "event", ""),
            Arg("subject", "subject", ""),
            Arg("since", "instant", 0),
            Arg("limit", "count", 100),
            Arg("after", "count0", 0),
        ),
        "entries[]",
    ),
)
