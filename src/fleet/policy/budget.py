"""Check: an agent whose seconds are used up waits for a person; otherwise a start is given its share.

Runs that live at the same time share what is left, so together they cannot pass the ceiling.
"""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.policy.facts import BudgetFacts, StartFacts

SMALLEST_ALLOWANCE = 1.0  # seconds; less than this buys no work


def allowance(budget: BudgetFacts) -> tuple[float, str]:
    """Seconds a new run may use, and which limit is the nearer one: ``timeout`` or ``budget``."""
    if budget.budget_seconds is None:
        return float(budget.timeout_seconds), "timeout"
    left = budget.budget_seconds - budget.spent - budget.reserved
    share = max(0.0, left / max(1, budget.free_slots))
    if share < budget.timeout_seconds:
        return share, "budget"
    return float(budget.timeout_seconds), "timeout"


def check(facts: StartFacts) -> Reason:
    """HOLD when nothing is left, or when live runs hold all of it."""
    budget, name = facts.budget, facts.agent.name
    seconds, kind = allowance(budget)
    seen: dict[str, object] = {
        "budget_seconds": budget.budget_seconds,
        "spent": round(budget.spent, 3),
        "reserved": round(budget.reserved, 3),
        "allowance_seconds": round(seconds, 3),
        "allowance_kind": kind,
    }
    if seconds >= SMALLEST_ALLOWANCE:
        return Reason("budget", Verdict.ALLOW, "FLT-POL-020", f"{name} has seconds left", seen)
    if budget.budget_seconds is not None and budget.budget_seconds - budget.spent >= SMALLEST_ALLOWANCE:
        text = f"live runs of {name} hold the rest of its budget; it starts when one ends with seconds left"
        return Reason("budget", Verdict.HOLD, "FLT-POL-022", text, seen)
    text = f"the budget of {name} is exhausted; raise its budget_seconds to let it go on"
    return Reason("budget", Verdict.HOLD, "FLT-POL-021", text, seen)
