"""Checks: loops and storms, in which each start by itself is allowed. All of them hold, and a person may let go on.

The texts name limits, never the changing counts: a held delivery is journaled again only when its text changes.
"""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.core.event import subject_kind
from fleet.policy.facts import StartFacts

_ROUNDS = frozenset({"pr_needs_review", "pr_changes_requested"})  # what a round of review consists of


def hops(facts: StartFacts) -> Reason:
    """HOLD a start that follows from too many others, none of which a person began."""
    if facts.loops is None:
        return _fine("hops", "FLT-POL-140", "nobody counted", {})
    seen: dict[str, object] = {"hops": facts.loops.hops, "limit": facts.loops.hops_limit}
    if facts.loops.hops <= facts.loops.hops_limit:
        return _fine("hops", "FLT-POL-140", "no long chain of causes", seen)
    text = (
        f"more than {facts.loops.hops_limit} starts follow from each other here (limits.hops), as in a loop;"
        f" {_release(facts.work.subject)}"
    )
    return Reason("hops", Verdict.HOLD, "FLT-POL-141", text, seen)


def review_rounds(facts: StartFacts) -> Reason:
    """HOLD the next round of a pull request that was sent back too often."""
    if facts.loops is None or facts.work.event_type not in _ROUNDS or subject_kind(facts.work.subject) != "pr":
        return _fine("review_rounds", "FLT-POL-142", "no round of review", {})
    seen: dict[str, object] = {"rounds": facts.loops.rounds, "limit": facts.loops.rounds_limit}
    if facts.loops.rounds < facts.loops.rounds_limit:
        return _fine("review_rounds", "FLT-POL-142", "not sent back too often", seen)
    text = (
        f"{facts.work.subject} was sent back {facts.loops.rounds_limit} times (limits.review_rounds);"
        f" review it yourself, or {_release(facts.work.subject)}"
    )
    return Reason("review_rounds", Verdict.HOLD, "FLT-POL-143", text, seen)


def start_rate(facts: StartFacts) -> Reason:
    """HOLD every start while the fleet has started too many runs within an hour."""
    if facts.loops is None:
        return _fine("start_rate", "FLT-POL-144", "nobody counted", {})
    seen: dict[str, object] = {"starts": facts.loops.starts, "limit": facts.loops.starts_limit}
    if facts.loops.starts < facts.loops.starts_limit:
        return _fine("start_rate", "FLT-POL-144", "no storm of starts", seen)
    text = f"the fleet has started {facts.loops.starts_limit} runs within an hour (limits.starts_per_hour)"
    return Reason("start_rate", Verdict.HOLD, "FLT-POL-145", f"{text}; it goes on as they grow old", seen)


def same_failure(facts: StartFacts) -> Reason:
    """HOLD an agent whose runs end in the same failure again and again."""
    if facts.loops is None:
        return _fine("same_failure", "FLT-POL-146", "nobody counted", {})
    name, loops = facts.agent.name, facts.loops
    seen: dict[str, object] = {"failures": loops.failures, "limit": loops.failures_limit, "cause": loops.cause}
    if loops.failures < loops.failures_limit:
        return _fine("same_failure", "FLT-POL-146", f"{name} does not fail the same way again and again", seen)
    text = (
        f"{loops.failures_limit} runs of {name} in a row ended the same way (limits.same_failures): {loops.cause};"
        f" mend the cause, then {_release(f'agent/{name}')}"
    )
    return Reason("same_failure", Verdict.HOLD, "FLT-POL-147", text, seen)


def _release(what: str) -> str:
    return f"a person lets it go on: fleet limits release {what or 'SUBJECT'} --reason TEXT"


def _fine(check: str, code: str, text: str, seen: dict[str, object]) -> Reason:
    return Reason(check, Verdict.ALLOW, code, text, seen)
