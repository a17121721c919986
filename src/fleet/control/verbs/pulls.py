"""Calls about pull requests, reviews and merges."""

from __future__ import annotations

from fleet.control.verbs.words import NUMBER, Access, Arg, Verb, need

VERBS = (
    Verb("prs", Access.READ, (), "pulls[]", patient=True),
    Verb("pr.show", Access.READ, (NUMBER,), "pr, reviews[], gate", patient=True),
    Verb("pr.diff", Access.READ, (NUMBER,), "diff", patient=True),
    Verb(
        "pr.push",
        Access.ROLE,
        (Arg("title", "short", ""), Arg("body", "body", ""), Arg("ref", "ref", ""), Arg("ticket", "ticket", 0)),
        "pr, head, created, branch",
        patient=True,
    ),
    Verb(
        "pr.review",
        Access.ROLE,
        (NUMBER, need("verdict", "verdict"), Arg("body", "body", ""), Arg("head", "sha", "")),
        "pr, head, verdict",
        patient=True,
    ),
    Verb("pr.merge", Access.ROLE, (NUMBER,), "pr, merge_commit, head", patient=True),
    Verb("pr.close", Access.HUMAN, (NUMBER, need("reason", "line")), "pr, state, ticket"),
    Verb("pr.waive", Access.HUMAN, (NUMBER, need("agent", "name"), need("reason", "line")), "pr, head, agent"),
    Verb(
        "release.check",
        Access.READ,
        (NUMBER,),
        "schema_version, pr_number, mergeable, reason, detail, approved_by[], head, events_considered, reasons[]",
        patient=True,
    ),
)
