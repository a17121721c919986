"""Calls about the configuration."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

VERBS = (
    Verb(
        "config.change",
        Access.HUMAN,
        (need("edits", "edits"), Arg("reason", "line", ""), Arg("if_hash", "digest", "")),
        "changed, revision, hash, before, changes{}, warnings[]",
    ),
    Verb(
        "config.reload",
        Access.HUMAN,
        (Arg("reason", "line", ""),),
        "changed, revision, hash, before, changes{}, warnings[]",
    ),
)
