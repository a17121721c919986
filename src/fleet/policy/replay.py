"""A recorded decision made again under another configuration: the same deciders, on the facts that were recorded. Pure.

One step: what would have followed from another verdict is not simulated. What people said (grants, waivers, reviews)
is taken as said. Where the candidate would look at something that was not recorded, nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import assert_never

from fleet.config.gate import GateConfig, names_in
from fleet.config.model import FleetConfig
from fleet.core.decision import Decision, Verdict
from fleet.policy.budget import Allowance, allowance, amount, is_nearly_used
from fleet.policy.ceilings import METERED, window_named
from fleet.policy.conditions import APPROVALS
from fleet.policy.decide import decide_merge, decide_review, decide_start
from fleet.policy.facts import (
    AttemptFacts,
    BrokenFacts,
    CallOffFacts,
    Limit,
    MergeFacts,
    ReviewFacts,
    StartFacts,
    WarnFacts,
)
from fleet.policy.gates import NO_MERGE
from fleet.policy.record import Facts, NotReplayable
from fleet.policy.recovery import called_off, used_up, what_becomes_of
from fleet.policy.under import (
    Roles,
    attempt_under,
    broken_under,
    call_off_under,
    merge_under,
    review_under,
    start_under,
    warn_under,
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was answered, in a word, and why; of a verdict also its reasons, of a start the seconds it is given."""

    word: str
    text: str
    decision: Decision | None = None
    seconds: Allowance | None = None


def decide(facts: Facts) -> Replayed:
    """What this program decides on facts as they are."""
    match facts:
        case StartFacts():
            found = _verdict(decide_start(facts))
            return replace(found, seconds=allowance(facts.budget)) if found.word == Verdict.ALLOW else found
        case MergeFacts():
            return _verdict(decide_merge(facts))
        case ReviewFacts():
            return _verdict(decide_review(facts))
        case BrokenFacts():
            outcome = what_becomes_of(facts)
            return Replayed(outcome.kind, outcome.reason)
        case AttemptFacts():
            granted = f"attempt {facts.attempt} of {facts.attempts}"
            return Replayed("dead" if used_up(facts) else "returned", granted)
        case CallOffFacts():
            off = called_off(facts)
            return Replayed("stopped", f"entry {off} calls it off") if off else Replayed("goes on", "it may go on")
        case WarnFacts():
            unit = facts.limit.unit
            text = f"{amount(round(facts.used), unit)} of {amount(facts.limit.total, unit)} are used"
            return Replayed("warned" if is_nearly_used(facts) else "not warned", text)
        case _:
            assert_never(facts)


def _verdict(decision: Decision) -> Replayed:
    return Replayed(str(decision.verdict), decision.text, decision)


def decide_under(facts: Facts, config: FleetConfig, roles: Roles) -> Replayed:
    """What it decides on the same facts under this configuration. Raises NotReplayable."""
    return decide(_under(facts, config, roles))


def _under(facts: Facts, config: FleetConfig, roles: Roles) -> Facts:
    match facts:
        case StartFacts():
            found = start_under(facts, config, roles)
            _require_recorded(facts, found, config)
            return found
        case MergeFacts():
            return merge_under(facts, config, roles)
        case ReviewFacts():
            return review_under(facts, config, roles)
        case BrokenFacts():
            return broken_under(facts, config, roles)
        case AttemptFacts():
            return attempt_under(facts, config)
        case CallOffFacts():
            return call_off_under(facts, config, roles)
        case WarnFacts():
            _require_window(config, facts.limit.name, facts.limit)
            return warn_under(facts, config)
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
        _require_window(config, now.agent.name, limit)
    measured = {(limit.scope, limit.unit) for limit in was.budget.limits}
    scopes = ("agent", "fleet", *(("ticket",) if ("ticket", "seconds") in measured else ()))
    for scope, unit in product(scopes, METERED):
        if window_named(config, now.agent.name, scope, unit) and (scope, unit) not in measured:
            raise NotReplayable(f"a budget in {unit}: what was used of it was not recorded")


def _require_window(config: FleetConfig, agent: str, limit: Limit) -> None:
    window = window_named(config, agent, limit.scope, limit.unit)
    if window not in ("", limit.window):
        raise NotReplayable(f"a budget by {window}: what was used was recorded by {limit.window}")


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
