"""A recorded decision made again under another configuration: the same deciders, on the facts that were recorded. Pure.

One step: what would have followed from another verdict is not simulated. What people said (grants, waivers, reviews)
is taken as said. Where the candidate would look at something that was not recorded, nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import assert_never

from fleet.config.gate import GateConfig, names_in
from fleet.config.model import FleetConfig
from fleet.core.decision import Decision, Verdict
from fleet.policy.budget import Allowance, allowance
from fleet.policy.ceilings import METERED, window_named
from fleet.policy.conditions import APPROVALS
from fleet.policy.decide import decide_merge, decide_review, decide_start
from fleet.policy.facts import MergeFacts, ReviewFacts, StartFacts
from fleet.policy.gates import NO_MERGE
from fleet.policy.record import Facts, NotReplayable
from fleet.policy.under import Roles, merge_under, review_under, start_under


@dataclass(frozen=True, slots=True)
class Replayed:
    """A verdict with its reasons; of a start that is allowed also the seconds it is given."""

    decision: Decision
    seconds: Allowance | None = None


def decide(facts: Facts) -> Replayed:
    """What this program decides on facts as they are."""
    match facts:
        case StartFacts():
            decision = decide_start(facts)
            return Replayed(decision, allowance(facts.budget) if decision.verdict is Verdict.ALLOW else None)
        case MergeFacts():
            return Replayed(decide_merge(facts))
        case ReviewFacts():
            return Replayed(decide_review(facts))
        case _:
            assert_never(facts)


def decide_under(facts: Facts, config: FleetConfig, roles: Roles) -> Replayed:
    """What it decides on the same facts under this configuration. Raises NotReplayable."""
    match facts:
        case StartFacts():
            found = start_under(facts, config, roles)
            _require_recorded(facts, found, config)
            return decide(found)
        case MergeFacts():
            return decide(merge_under(facts, config, roles))
        case ReviewFacts():
            return decide(review_under(facts, config, roles))
        case _:
            assert_never(facts)


def _require_recorded(was: StartFacts, now: StartFacts, config: FleetConfig) -> None:
    """Raise NotReplayable where the candidate looks at something that nobody looked at then."""
    is_open = was.pull is not None and was.pull.state == "open"
    about_a_merge = now.agent.merges and is_open and was.work.event_type not in NO_MERGE
    if about_a_merge and was.merge is None:
        raise NotReplayable(f"{now.agent.name} would start in order to merge, and then it did not: what a merge needs")
    if now.agent.reviews and was.pull is not None and not was.agent.reviews:
        raise NotReplayable(f"{now.agent.name} would review, and then it did not: who wrote the change")
    member = config.agent(now.agent.name)
    _require_gate(was, member.subscription_gate if member is not None else None, is_open=is_open)
    for limit in was.budget.limits:
        window = window_named(config, now.agent.name, limit.scope, limit.unit)
        if window not in ("", limit.window):
            raise NotReplayable(f"a budget by {window}: what was used was recorded by {limit.window}")
    measured = {(limit.scope, limit.unit) for limit in was.budget.limits}
    scopes = ("agent", "fleet", *(("ticket",) if ("ticket", "seconds") in measured else ()))
    for scope, unit in product(scopes, METERED):
        if window_named(config, now.agent.name, scope, unit) and (scope, unit) not in measured:
            raise NotReplayable(f"a budget in {unit}: what was used of it was not recorded")


def _require_gate(was: StartFacts, gate: GateConfig | None, *, is_open: bool) -> None:
    wanted = names_in(gate)
    if wanted and was.gate is None:
        raise NotReplayable("a gate: what its conditions read")
    if "max_risk" in wanted and was.gate is not None and not was.gate.risks:
        raise NotReplayable("a gate that asks for the level of risk")
    if was.gate is None or not is_open:
        return
    if wanted & APPROVALS and was.merge is None and was.gate.approval is None:
        raise NotReplayable("a gate that asks who approved")
    asked = was.agent.merges or "check" in names_in(was.gate.gate)
    if "check" in wanted and not asked:
        raise NotReplayable("a gate that asks for a check of the forge")
    if "max_diff" in wanted and was.gate.diff is None:
        raise NotReplayable("a gate that asks how large the diff is")
