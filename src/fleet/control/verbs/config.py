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
    Verb("config.state", Access.READ, (), "hash, text, revision, since, actor, reason, running"),
    Verb("config.key", Access.READ, (need("key", "line"),), "key, value, source, line, since, actor, reason, revision"),
    Verb("config.revisions", Access.READ, (Arg("limit", "count", 20),), "revisions[], in_force"),
    Verb(
        "config.rollback",
        Access.HUMAN,
        (need("revision", "number"), Arg("reason", "line", ""), Arg("if_hash", "digest", "")),
        "changed, revision, hash, before, changes{}, files[], warnings[]",
    ),
    Verb(
        "config.reload",
        Access.HUMAN,
        (Arg("reason", "line", ""),),
        "changed, revision, hash, before, changes{}, warnings[]",
    ),
)
