"""The three questions: may this agent start, may this be reviewed, may this be merged?

Every check runs, every answer is kept, the strictest wins. The order of a table below is only the
order in which reasons are shown.
"""

from __future__ import annotations

from collections.abc import Callable

from fleet.core.decision import Decision, Reason, strictest
from fleet.policy import (
    agent_state,
    budget,
    checks,
    concurrency,
    conditions,
    disk,
    freshness,
    gates,
    hold,
    loops,
    probation,
    review,
    scope,
    separation,
)
from fleet.policy.facts import MergeFacts, ReviewFacts, StartFacts

START_CHECKS: tuple[Callable[[StartFacts], Reason], ...] = (
    agent_state.check,
    probation.check,
    freshness.check,
    separation.check_start,
    scope.own_pull,
    scope.one_author,
    concurrency.one_run_per_work,
    concurrency.agent_limit,
    concurrency.fleet_limit,
    budget.check,
    disk.check,
    hold.start,
    conditions.check,
    loops.hops,
    loops.review_rounds,
    loops.start_rate,
    loops.same_failure,
)

MERGE_CHECKS: tuple[Callable[[MergeFacts], Reason], ...] = (
    gates.pull_open,
    gates.approved,
    gates.no_objection,
    gates.reviewers_answered,
    gates.protected_paths,
    separation.check_merge,
    gates.shared_uid,
    gates.base_explained,
    hold.merge,
    checks.required_checks,
    checks.into_the_base,
    checks.merges_cleanly,
)

REVIEW_CHECKS: tuple[Callable[[ReviewFacts], Reason], ...] = (
    review.is_reviewer,
    review.was_asked,
    review.pull_open,
    review.head_is_live,
    separation.check_review,
)


def decide_start(facts: StartFacts) -> Decision:
    """May this agent start on this event now? An agent that would start in order to merge needs the gate too."""
    reasons = [check(facts) for check in START_CHECKS]
    if facts.merge is not None:
        reasons.extend(check(facts.merge) for check in MERGE_CHECKS)
    return strictest(reasons)


def decide_merge(facts: MergeFacts) -> Decision:
    """May this principal merge exactly this head now?"""
    return strictest(check(facts) for check in MERGE_CHECKS)


def decide_review(facts: ReviewFacts) -> Decision:
    """May this principal give a verdict on exactly this head?"""
    return strictest(check(facts) for check in REVIEW_CHECKS)
