"""Calls about what a person is asked."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

VERBS = (
    Verb("approvals", Access.READ, (Arg("all", "flag", False),), "approvals[]"),
    Verb(
        "approval.show",
        Access.READ,
        (need("id", "line"),),
        "approval, pr, ticket, authors[], reviews[], events[], runs[], used_seconds, diffstat[], diff",
    ),
    Verb(
        "approval.grant",
        Access.HUMAN,
        (need("id", "line"), Arg("head", "sha", ""), Arg("content", "line", ""), Arg("reason", "line", "")),
        "approval, waiting, merged",
    ),
    Verb("approval.deny", Access.HUMAN, (need("id", "line"), need("reason", "line")), "approval, author"),
)
