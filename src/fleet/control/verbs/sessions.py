"""Calls about sessions that report: what they ask, and the providers that their models are at."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

VERBS = (
    Verb("permissions", Access.READ, (Arg("all", "flag", False),), "permissions[]"),
    Verb("permission.allow", Access.HUMAN, (need("id", "line"), Arg("reason", "line", "")), "permission"),
    Verb("permission.deny", Access.HUMAN, (need("id", "line"), Arg("reason", "line", "")), "permission"),
    Verb("providers", Access.READ, (), "providers[]"),
    Verb("provider.release", Access.HUMAN, (need("name", "line"), Arg("reason", "line", "")), "provider"),
)
