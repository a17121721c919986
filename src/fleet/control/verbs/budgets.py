"""Calls about budgets, and about limits on loops and storms."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Verb, need

_ROW = (
    "budget, runs, used_seconds, reserved_seconds, budget_seconds, granted_seconds, window, until, left_seconds,"
    " used_percent, counts_with[]"
)

VERBS = (
    Verb("budgets", Access.READ, (), "budgets[], grants[], warn_percent"),
    Verb(
        "budget.grant",
        Access.HUMAN,
        (need("target", "budget_target"), need("seconds", "seconds"), need("reason", "line")),
        f"{_ROW}, reason",
    ),
    Verb("limits", Access.READ, (), "limits{}, starts_last_hour, held[]"),
    Verb(
        "limit.release",
        Access.HUMAN,
        (need("target", "limit_target"), need("reason", "line")),
        "released, reason, deliveries[]",
    ),
)
