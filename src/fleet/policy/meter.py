"""May a run go on by what its model's answers used? Asked after every answer and before every use of a tool. Pure.

The answer that crosses the line is paid for: what is not yet measured cannot be refused. Nothing starts after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.core.work import OVER_BUDGET
from fleet.policy.budget import amount, label, unknown, used_up
from fleet.policy.facts import Limit

BLIND_USES = 2  # uses of tools in a row whose answers nobody measured; the next one is refused
BLIND_STOP = 5  # the run is stopped


def crossed(limits: Sequence[Limit]) -> Limit | None:
    """The first limit of tokens or money that is used up; None while all have something left."""
    return next((limit for limit in limits if limit.unit != "seconds" and used_up(limit)), None)


def why(limit: Limit) -> str:
    """Why a run is stopped, as its reason to end. Begins with OVER_BUDGET."""
    if unknown(limit):
        return (
            f"{OVER_BUDGET}: what {limit.title} has spent is unknown, for an answer of its model has no price, and a"
            f" budget of {amount(limit.total, limit.unit)} has to hold"
        )
    window = "" if limit.window == "lifetime" else f" of this {limit.window}"
    used = f"{amount(limit.spent, limit.unit)} of {amount(limit.total, limit.unit)}{window}"
    return f"{OVER_BUDGET}: the budget of {limit.title} is used up ({used})"


def facts_of(limit: Limit) -> dict[str, object]:
    """What a journal entry keeps of a limit of tokens or money."""
    return {
        "budget": label(limit),
        "unit": limit.unit,
        "ceiling": limit.ceiling,
        "granted": limit.granted,
        "used": limit.spent,
        "over": max(0, round(limit.spent - limit.total)),
        "unpriced": limit.unpriced,
        "window": limit.window,
        "until": limit.until,
    }
