"""Check: where the seconds of an agent, a ticket or the fleet are used up, a start waits; else it is given its share.

What a live run was given is reserved until it ends, so two starts never share the same last seconds. Runs of one
agent that may live at the same time share what is left. Waiting costs nothing: only runs use seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.core.decision import Reason, Verdict
from fleet.policy.facts import BudgetFacts, Limit, StartFacts

SMALLEST_ALLOWANCE = 1.0  # seconds; less than this buys no work

_EXHAUSTED = {"agent": "FLT-POL-021", "ticket": "FLT-POL-023", "fleet": "FLT-POL-024"}


@dataclass(frozen=True, slots=True)
class Allowance:
    """Seconds that a new run may use; ``kind`` says which bound is nearer, ``of`` whose budget ("" for timeout)."""

    seconds: float
    kind: str  # timeout or budget
    of: str = ""


def share(limit: Limit) -> float:
    """What one more run may use of a limit."""
    return max(limit.left / max(1, limit.slots), min(limit.left, SMALLEST_ALLOWANCE))


def allowance(budget: BudgetFacts) -> Allowance:
    """The nearest of all bounds."""
    nearest = min(budget.limits, key=share, default=None)
    if nearest is None or share(nearest) >= budget.timeout_seconds:
        return Allowance(float(budget.timeout_seconds), "timeout")
    return Allowance(share(nearest), "budget", label(nearest))


def label(limit: Limit) -> str:
    """A limit's name in records: agent/developer, ticket/7 or fleet."""
    return f"agent/{limit.name}" if limit.scope == "agent" else limit.name or "fleet"


def used_up(limit: Limit) -> bool:
    """True when waiting for live runs cannot help: too little is left even if they used nothing."""
    return limit.total - limit.spent < SMALLEST_ALLOWANCE


def check(facts: StartFacts) -> Reason:
    """HOLD when nothing is left of a limit, or when live runs hold all of it."""
    budget = facts.budget
    given = allowance(budget)
    limits = [limit for limit in budget.limits if limit.ceiling is not None]
    seen: dict[str, object] = {
        "limits": {label(limit): _seen(limit) for limit in limits},
        "timeout_seconds": budget.timeout_seconds,
        "allowance_seconds": round(given.seconds, 3),
        "allowance_kind": given.kind,
        "allowance_of": given.of,
    }
    empty = [limit for limit in limits if used_up(limit)]
    held = [limit for limit in limits if share(limit) < SMALLEST_ALLOWANCE and limit not in empty]
    if empty:
        text = "; ".join(exhausted(limit) for limit in empty)
        return Reason("budget", Verdict.HOLD, _EXHAUSTED[empty[0].scope], text, seen)
    if held:
        text = "; ".join(
            f"live runs hold the rest of the budget of {limit.title}; it starts when one ends with seconds left"
            for limit in held
        )
        return Reason("budget", Verdict.HOLD, "FLT-POL-022", text, seen)
    return Reason("budget", Verdict.ALLOW, "FLT-POL-020", f"{facts.agent.name} has seconds left", seen)


def exhausted(limit: Limit) -> str:
    """That nothing is left, when that changes by itself, and what a person may type. Names no changing counts."""
    whole = f"all {limit.total:g} s{'' if limit.window == 'lifetime' else f' of this {limit.window}'} are used"
    waits = f"; it goes on at {limit.until}, or" if limit.until else ";"
    target = {"agent": limit.name, "ticket": limit.name, "fleet": "fleet"}[limit.scope]
    more = f"a person grants more: fleet budget grant {target} SECONDS --reason TEXT"
    return f"the budget of {limit.title} is exhausted: {whole}{waits} {more}"


def _seen(limit: Limit) -> dict[str, object]:
    return {
        "ceiling": limit.ceiling,
        "granted": limit.granted,
        "spent": round(limit.spent, 3),
        "reserved": round(limit.reserved, 3),
        "window": limit.window,
        "until": limit.until,
        "slots": limit.slots,
    }
