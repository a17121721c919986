"""Calls about the record itself."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

VERBS = (
    Verb(
        "audit.verify",
        Access.HUMAN,
        (
            Arg("after", "count0", 0),
            Arg("hash", "hash", ""),
            Arg("limit", "count0", 0),
            Arg("quick", "flag", False),
            Arg("key", "hash", ""),
        ),
        "ok, done, entries, head, erased[], first_bad, checkpoints{}, remarks[]",
    ),
    Verb("audit.verify_git", Access.HUMAN, (), "ok, findings[], movements, merges, runs"),
    Verb("audit.accept_base", Access.HUMAN, (need("sha", "sha"), need("reason", "line")), "id, seq, sha, open[]"),
    Verb("audit.erase", Access.HUMAN, (need("entry", "line"), need("reason", "line")), "id, seq, log_emptied"),
    Verb(
        "audit.export",
        Access.HUMAN,
        (
            need("file", "file"),
            Arg("format", "export_format", "jsonl"),
            Arg("since", "instant", 0),
            Arg("until", "instant", 0),
            Arg("agent", "name", ""),
            Arg("type", "type", ""),
            Arg("ticket", "ticket", 0),
            Arg("pr", "ticket", 0),
        ),
        "file, entries, first, last, head, checkpoints, sha256, signed, whole",
    ),
    Verb("audit.verify_files", Access.HUMAN, (need("files", "files"), Arg("key", "hash", "")), "ok, entries, problem"),
    Verb(
        "audit.archive",
        Access.HUMAN,
        (
            Arg("file", "file_or_none", ""),
            Arg("before", "instant", 0),
            Arg("keep", "count0", 0),
            Arg("dry_run", "flag", False),
        ),
        "file, first, last, entries, removed, kept, number, seq, sha256",
    ),
    Verb("audit.checkpoints", Access.HUMAN, (Arg("limit", "count", 20),), "checkpoints[], total, anchor{}, archives[]"),
    Verb("audit.checkpoint", Access.HUMAN, (), "made, number, seq, hash"),
    Verb("audit.key", Access.HUMAN, (), "key, public, file, keys[]"),
    Verb("audit.rotate_key", Access.HUMAN, (need("reason", "line"), Arg("lost", "flag", False)), "key, public, seq"),
)
