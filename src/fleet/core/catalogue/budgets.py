"""Codes of budgets, and of halting."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-BUD-001": (
        "A budget that the start would have to fit into is used up, so it would only wait.",
        "Grant more: fleet budget grant TARGET SECONDS --reason TEXT. fleet budget list shows what is left of which.",
    ),
    "FLT-BUD-002": ("There is no agent, ticket or fleet of this name.", "Write an agent's name, ticket/N or fleet."),
    "FLT-BUD-003": ("This has no budget, so there is nothing to add to.", "fleet budget list shows the budgets."),
    "FLT-CTL-120": ("The fleet is not halted, so there is nothing to resume.", "fleet status says what it waits for."),
    "FLT-POL-020": ("The agent has seconds left.", "Nothing."),
    "FLT-POL-021": (
        "The agent's budget is exhausted.",
        "Wait for the next window, grant more (fleet budget grant), or raise its budget_seconds.",
    ),
    "FLT-POL-022": ("Live runs hold the rest of a budget.", "Wait for one to end, or grant more: fleet budget grant."),
    "FLT-POL-023": ("The ticket's budget is exhausted.", "Grant more: fleet budget grant ticket/N SECONDS --reason …"),
    "FLT-POL-024": (
        "The budget of the whole fleet is exhausted.",
        "Wait for the next window, or grant more: fleet budget grant fleet SECONDS --reason …",
    ),
}
