"""Calls about budgets, and about limits on loops and storms."""

from __future__ import annotations

from fleet.control.verbs.words import Access, Arg, Verb, need

_ROW = (
    "budget, runs, used_seconds, reserved_seconds, budget_seconds, granted_seconds, window, until, left_seconds,"
    " used_percent, counts_with[], tokens{}, usd_micros{}, unpriced_answers"
)

VERBS = (
    Verb("budgets", Access.READ, (), "budgets[], grants[], warn_percent, unpriced[], price_table"),
    Verb(
        "budget.grant",
        Access.HUMAN,
        (
            need("target", "budget_target"),
            Arg("seconds", "seconds0", 0),
            Arg("tokens", "amount0", 0),
            Arg("micros", "amount0", 0),
            need("reason", "line"),
        ),
        f"{_ROW}, granted{{}}, reason",
    ),
    Verb("limits", Access.READ, (), "limits{}, starts_last_hour, held[]"),
    Verb(
        "limit.release",
        Access.HUMAN,
        (need("target", "limit_target"), need("reason", "line")),
        "released, reason, deliveries[]",
    ),
)
