"""Check: where the budget of an agent, a ticket or the fleet is used up, a start waits; else it is given its share.

Seconds are promised: what a live run was given is reserved until it ends, so two starts never share the same last
seconds. Runs of one agent that may live at the same time share what is left. Tokens and money are only known once
they are measured: nothing of them is promised, and a run is stopped after the answer that crossed the line. Waiting
costs nothing: only runs use anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.core.decision import Reason, Verdict
from fleet.core.money import dollars
from fleet.policy.facts import BudgetFacts, Limit, StartFacts, WarnFacts

SMALLEST_ALLOWANCE = 1.0  # seconds; less than this buys no work

_EXHAUSTED = {"agent": "FLT-POL-021", "ticket": "FLT-POL-023", "fleet": "FLT-POL-024"}  # of seconds
_MEASURED = {"tokens": "FLT-POL-026", "usd": "FLT-POL-027"}
_UNKNOWN = "FLT-POL-025"  # what was spent is not known


@dataclass(frozen=True, slots=True)
class Allowance:
    """Seconds that a new run may use; ``kind`` says which bound is nearer, ``of`` whose budget ("" for timeout)."""

    seconds: float
    kind: str  # timeout or budget
    of: str = ""


def share(limit: Limit) -> float:
    """What one more run may use of a limit of seconds."""
    return max(limit.left / max(1, limit.slots), min(limit.left, SMALLEST_ALLOWANCE))


def allowance(budget: BudgetFacts) -> Allowance:
    """The nearest of all bounds in seconds."""
    timed = [limit for limit in budget.limits if limit.unit == "seconds"]
    nearest = min(timed, key=share, default=None)
    if nearest is None or share(nearest) >= budget.timeout_seconds:
        return Allowance(float(budget.timeout_seconds), "timeout")
    return Allowance(share(nearest), "budget", label(nearest))


def label(limit: Limit) -> str:
    """A limit's name in records: agent/developer, ticket/7, run/developer or fleet."""
    return f"{limit.scope}/{limit.name}" if limit.scope in ("agent", "run") else limit.name or "fleet"


def used_up(limit: Limit) -> bool:
    """True when waiting for live runs cannot help: too little is left even if they used nothing.

    Money is used up as well where it is not known how much was spent.
    """
    if limit.ceiling is None:
        return False
    if limit.unit == "seconds":
        return limit.total - limit.spent < SMALLEST_ALLOWANCE
    return limit.spent >= limit.total or unknown(limit)


def unknown(limit: Limit) -> bool:
    """True where money has a bound and answers have no price, so that nobody can say what is left."""
    return limit.unit == "usd" and limit.ceiling is not None and limit.unpriced > 0


def is_nearly_used(facts: WarnFacts) -> bool:
    """True where people are told; never of a budget without a ceiling."""
    return facts.limit.ceiling is not None and facts.used >= facts.limit.total * facts.percent / 100


def check(facts: StartFacts) -> Reason:
    """HOLD when nothing is left of a limit, or when live runs hold all of it."""
    budget = facts.budget
    given = allowance(budget)
    limits = [limit for limit in budget.limits if limit.ceiling is not None]
    seen: dict[str, object] = {
        "limits": {_seen_as(limit): _seen(limit) for limit in limits},
        "timeout_seconds": budget.timeout_seconds,
        "allowance_seconds": round(given.seconds, 3),
        "allowance_kind": given.kind,
        "allowance_of": given.of,
    }
    empty = [limit for limit in limits if used_up(limit)]
    timed = [limit for limit in limits if limit.unit == "seconds"]
    held = [limit for limit in timed if share(limit) < SMALLEST_ALLOWANCE and limit not in empty]
    if empty:
        text = "; ".join(exhausted(limit) for limit in empty)
        return Reason("budget", Verdict.HOLD, _code_of(empty[0]), text, seen)
    if held:
        text = "; ".join(
            f"live runs hold the rest of the budget of {limit.title}; it starts when one ends with seconds left"
            for limit in held
        )
        return Reason("budget", Verdict.HOLD, "FLT-POL-022", text, seen)
    return Reason("budget", Verdict.ALLOW, "FLT-POL-020", f"{facts.agent.name} has budget left", seen)


def _code_of(limit: Limit) -> str:
    if unknown(limit):
        return _UNKNOWN
    return _EXHAUSTED[limit.scope] if limit.unit == "seconds" else _MEASURED[limit.unit]


def exhausted(limit: Limit) -> str:
    """That nothing is left, when that changes by itself, and what a person may type. Names no changing counts."""
    if unknown(limit):
        return (
            f"what the budget of {limit.title} has spent is unknown: answers have no price, so nothing goes on; give"
            " the model a price (prices: in .fleet/config.yaml; fleet budget list names it)"
        )
    whole = (
        f"all {amount(limit.total, limit.unit)}{'' if limit.window == 'lifetime' else f' of this {limit.window}'}"
        " are used"
    )
    waits = f"; it goes on at {limit.until}, or" if limit.until else ";"
    target = {"agent": limit.name, "ticket": limit.name, "fleet": "fleet"}[limit.scope]
    asked = {"seconds": "SECONDS", "tokens": "--tokens N", "usd": "--usd N"}[limit.unit]
    more = f"a person grants more: fleet budget grant {target} {asked} --reason TEXT"
    return f"the budget of {limit.title} is exhausted: {whole}{waits} {more}"


def amount(number: float, unit: str) -> str:
    """So many of a unit, for people."""
    if unit == "usd":
        return dollars(round(number))
    return f"{number:g} s" if unit == "seconds" else f"{round(number):,} tokens"


def _seen_as(limit: Limit) -> str:
    return label(limit) if limit.unit == "seconds" else f"{label(limit)} {limit.unit}"


def _seen(limit: Limit) -> dict[str, object]:
    seen: dict[str, object] = {
        "ceiling": limit.ceiling,
        "granted": limit.granted,
        "spent": round(limit.spent, 3),
        "reserved": round(limit.reserved, 3),
        "window": limit.window,
        "until": limit.until,
        "slots": limit.slots,
    }
    return {**seen, "unit": limit.unit, "unpriced": limit.unpriced} if limit.unit != "seconds" else seen
