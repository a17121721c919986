"""May an agent start? Each condition by itself, and all of them in any order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.agent import AgentState
from fleet.core.decision import Verdict, strictest
from fleet.policy.budget import allowance
from fleet.policy.decide import START_CHECKS, decide_start
from fleet.policy.facts import (
    AgentFacts,
    BudgetFacts,
    DiskFacts,
    Limit,
    LoadFacts,
    PullFacts,
    StartFacts,
    TicketFacts,
    WorkFacts,
)


def budget_of(ceiling: float, spent: float, reserved: float, timeout: float, slots: int) -> BudgetFacts:
    """An agent's budget and nobody else's."""
    return BudgetFacts(timeout, (Limit("agent", "dev", ceiling, 0.0, spent, reserved, slots),))


WORK = WorkFacts("ticket_ready", 10, "ticket/7", "", 1, False)
AGENT = AgentFacts("dev", True, True, AgentState.ACTIVE, "developer", False, False, True)
REVIEWER = AgentFacts("qa", True, True, AgentState.ACTIVE, "qa-engineer", True, False, False)
LOAD = LoadFacts(0, 1, 0, 8)
BUDGET = BudgetFacts(3600)
TICKET = TicketFacts(7, "open", frozenset({"ready"}), "")
PULL = PullFacts(8, "open", "h1", "agent:dev", True)
GOOD = StartFacts(WORK, AGENT, LOAD, BUDGET, ticket=TICKET, lineage=frozenset({"agent:dev"}))
REVIEW = StartFacts(
    WorkFacts("pr_needs_review", 11, "pr/8", "h1", 1, False),
    REVIEWER,
    LOAD,
    BUDGET,
    pull=PULL,
    lineage=frozenset({"agent:qa"}),
    authors=frozenset({"agent:dev", "run:r1"}),
)
CHANGES = StartFacts(replace(REVIEW.work, event_type="pr_changes_requested"), AGENT, LOAD, BUDGET, pull=PULL)
BY_HAND = replace(REVIEW, work=replace(REVIEW.work, event_type="agent_start_requested", generation=""))
IN_HAND = replace(TICKET, in_hand=8, in_hand_author="agent:dev")

HOLDS = [
    (replace(GOOD, agent=replace(AGENT, enabled=False)), "FLT-POL-003"),
    (replace(GOOD, agent=replace(AGENT, state=AgentState.PAUSED)), "FLT-POL-004"),
    (replace(GOOD, agent=replace(AGENT, state=AgentState.QUARANTINED)), "FLT-POL-005"),
    (replace(GOOD, budget=budget_of(60, 59.5, 0.0, 3600, 1)), "FLT-POL-021"),
    (replace(GOOD, budget=budget_of(60, 10.0, 50.0, 3600, 1)), "FLT-POL-022"),
    (replace(GOOD, load=LoadFacts(1, 1, 1, 8)), "FLT-POL-031"),
    (replace(GOOD, load=LoadFacts(0, 1, 8, 8)), "FLT-POL-033"),
    (replace(GOOD, load=LoadFacts(1, 2, 1, 8, busy_run="r1")), "FLT-POL-035"),
    (replace(GOOD, load=LoadFacts(0, 1, 1, 8, other_author="dev2")), "FLT-POL-041"),
    (replace(GOOD, agent=replace(AGENT, probation=True), load=LoadFacts(1, 3, 1, 8)), "FLT-POL-009"),
    (replace(GOOD, disk=DiskFacts("/state", 10, 1000, 500, low=True)), "FLT-KEP-002"),
]
DENIALS = [
    (replace(GOOD, agent=replace(AGENT, member=False)), "FLT-POL-002"),
    (replace(GOOD, agent=replace(AGENT, state=AgentState.RETIRED)), "FLT-POL-006"),
    (replace(REVIEW, pull=None), "FLT-POL-011"),
    (replace(REVIEW, pull=replace(PULL, state="merged")), "FLT-POL-012"),
    (replace(BY_HAND, pull=replace(PULL, state="closed")), "FLT-POL-012"),
    (replace(REVIEW, pull=replace(PULL, head="h2")), "FLT-POL-013"),
    (replace(GOOD, ticket=None), "FLT-POL-014"),
    (replace(GOOD, ticket=replace(TICKET, state="closed")), "FLT-POL-015"),
    (replace(GOOD, ticket=IN_HAND), "FLT-POL-016"),
    (replace(GOOD, ticket=replace(TICKET, labels=frozenset({"bug"}))), "FLT-POL-017"),
    (replace(GOOD, ticket=replace(TICKET, required_label="fleet")), "FLT-POL-017"),
    (replace(GOOD, ticket=replace(TICKET, merged_seq=11)), "FLT-POL-018"),
    (replace(CHANGES, pull=replace(PULL, author="agent:dev2")), "FLT-POL-045"),
    (replace(CHANGES, pull=replace(PULL, author="human:ann", author_is_member=False)), "FLT-POL-045"),
    (replace(REVIEW, lineage=frozenset({"agent:qa", "run:r1"})), "FLT-POL-052"),
]
STARTS = [
    GOOD,
    REVIEW,
    CHANGES,
    BY_HAND,
    replace(GOOD, ticket=replace(TICKET, merged_seq=9)),  # reopened and made ready again after a merge
    replace(GOOD, work=replace(WORK, returned=True, attempt=2), ticket=IN_HAND),  # goes on with its own branch
    replace(CHANGES, pull=replace(PULL, author="agent:gone", author_is_member=False)),
    replace(REVIEW, load=LoadFacts(0, 1, 1, 8, other_author="dev")),  # a reviewer pushes nothing
    replace(GOOD, work=replace(WORK, event_type="note", subject="")),
    replace(REVIEW, work=replace(REVIEW.work, event_type="pr_merged"), pull=replace(PULL, state="merged")),
]


USUAL = {
    "FLT-KEP-001",
    "FLT-POL-140",
    "FLT-POL-142",
    "FLT-POL-144",
    "FLT-POL-146",
    "FLT-POL-001",
    "FLT-POL-007",
    "FLT-POL-010",
    "FLT-POL-020",
    "FLT-POL-030",
    "FLT-POL-032",
    "FLT-POL-034",
    "FLT-POL-040",
    "FLT-POL-042",
    "FLT-POL-110",
    "FLT-POL-120",
    "FLT-POL-050",
}  # what each check says to an ordinary start
GRANTED = [
    (GOOD, USUAL),
    (REVIEW, USUAL - {"FLT-POL-050"} | {"FLT-POL-051"}),
    (CHANGES, USUAL - {"FLT-POL-042"} | {"FLT-POL-043"}),
    (
        replace(CHANGES, pull=replace(PULL, author="agent:gone", author_is_member=False)),
        USUAL - {"FLT-POL-042"} | {"FLT-POL-044"},
    ),
    (replace(GOOD, agent=replace(AGENT, probation=True)), USUAL - {"FLT-POL-007"} | {"FLT-POL-008"}),
]


def codes(facts: StartFacts) -> set[str]:
    """Codes of the binding reasons."""
    return {reason.code for reason in decide_start(facts).binding}


@pytest.mark.parametrize(("facts", "code"), HOLDS, ids=range(len(HOLDS)))
def test_not_yet(facts: StartFacts, code: str) -> None:
    """Conditions that time or a person changes hold the work; they do not lose it."""
    assert decide_start(facts).verdict is Verdict.HOLD
    assert codes(facts) == {code}


@pytest.mark.parametrize(("facts", "code"), DENIALS, ids=range(len(DENIALS)))
def test_no(facts: StartFacts, code: str) -> None:
    """Conditions that cannot come true again for this event."""
    assert decide_start(facts).verdict is Verdict.DENY
    assert codes(facts) == {code}


@pytest.mark.parametrize("facts", STARTS, ids=range(len(STARTS)))
def test_yes(facts: StartFacts) -> None:
    """Work that is wanted, by somebody who may do it."""
    assert decide_start(facts).verdict is Verdict.ALLOW, decide_start(facts).text


@pytest.mark.parametrize(
    ("facts", "said"), GRANTED, ids=["ticket", "review", "own pull", "pull of one who left", "probation"]
)
def test_a_yes_says_why_with_one_code_for_each_check(facts: StartFacts, said: set[str]) -> None:
    """What a person reads in the log about a start that nothing stood against."""
    found = {reason.code for reason in decide_start(facts).reasons}
    assert found == said


def test_work_that_a_person_cancelled_after_the_event_is_not_started() -> None:
    """And the reason is the person's own."""
    cancelled = replace(GOOD, work=replace(WORK, cancelled_seq=11, cancelled="human:ann cancelled it: wrong ticket"))
    decision = decide_start(cancelled)
    assert (decision.verdict, decision.text) == (Verdict.DENY, "human:ann cancelled it: wrong ticket")
    assert codes(cancelled) == {"FLT-FRG-110"}
    assert codes(replace(GOOD, work=replace(cancelled.work, cancelled_seq=9))) == codes(GOOD), "older than the event"


def test_every_check_answers_with_the_facts_it_saw() -> None:
    """Nothing is decided without its record."""
    decision = decide_start(REVIEW)
    assert len(decision.reasons) == len(START_CHECKS)
    assert all(reason.text and reason.code.startswith(("FLT-POL-", "FLT-KEP-")) for reason in decision.reasons)
    assert len({reason.check for reason in decision.reasons}) == len(START_CHECKS)


@given(st.permutations(START_CHECKS), st.sampled_from([case for case, _ in HOLDS + DENIALS] + STARTS))
def test_the_order_of_checks_plays_no_part(checks: list[object], facts: StartFacts) -> None:
    """The same verdict for the same reasons, in whatever order they are asked."""
    asked = strictest(check(facts) for check in checks)  # type: ignore[operator]
    plain = strictest(check(facts) for check in START_CHECKS)
    assert asked.verdict is plain.verdict
    assert {reason.code for reason in asked.binding} == {reason.code for reason in plain.binding}


def test_a_denial_outweighs_a_hold() -> None:
    """Stale work of a paused agent is stale."""
    both = replace(GOOD, agent=replace(AGENT, state=AgentState.PAUSED), ticket=replace(TICKET, state="closed"))
    assert codes(both) == {"FLT-POL-015"}


TIGHT = Limit("ticket", "ticket/7", 100, 20, 70, 0)


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        (Limit("ticket", "ticket/7", 100, 0, 99.5, 0), "FLT-POL-023"),
        (Limit("fleet", "", 100, 0, 100, 0, window="day", until="2026-01-02 00:00 UTC"), "FLT-POL-024"),
        (Limit("fleet", "", 100, 0, 10, 90), "FLT-POL-022"),
        (Limit("fleet", "", 100, 50, 100, 0), "FLT-POL-020"),
    ],
)
def test_a_shared_budget_holds_a_start_as_well(limit: Limit, code: str) -> None:
    """Whose budget it is has a code of its own; what was granted counts."""
    decision = decide_start(replace(GOOD, budget=BudgetFacts(3600, (limit,))))
    assert code in {reason.code for reason in decision.reasons}
    if limit.until:
        assert limit.until in decision.text


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (BudgetFacts(600), (600.0, "timeout", "")),
        (budget_of(1000, 0.0, 0.0, 600, 1), (600.0, "timeout", "")),
        (budget_of(1000, 700.0, 0.0, 600, 1), (300.0, "budget", "agent/dev")),
        (budget_of(1000, 0.0, 0.0, 600, 4), (250.0, "budget", "agent/dev")),
        (budget_of(1000, 100.0, 600.0, 600, 3), (100.0, "budget", "agent/dev")),
        (budget_of(1000, 2000.0, 0.0, 600, 1), (0.0, "budget", "agent/dev")),
        (budget_of(2, 0.5, 0.0, 600, 3), (1.0, "budget", "agent/dev")),
        (BudgetFacts(600, (*budget_of(1000, 700.0, 0.0, 600, 1).limits, TIGHT)), (50.0, "budget", "ticket/7")),
    ],
)
def test_the_share_of_a_run(budget: BudgetFacts, expected: tuple[float, str, str]) -> None:
    """What is left, divided among the free slots, at most the timeout; the nearest of several budgets counts."""
    found = allowance(budget)
    assert (found.seconds, found.kind, found.of) == expected


@given(
    st.integers(1, 10_000),
    st.lists(st.floats(0, 1), max_size=12),
    st.integers(1, 5),
    st.integers(1, 5_000),
)
def test_parallel_runs_never_pass_the_ceiling(ceiling: int, used: list[float], slots: int, timeout: int) -> None:
    """Fill every slot, let each run use any part of its allowance, again and again: the sum stays below."""
    spent = 0.0
    for part in used:
        reserved: list[float] = []
        for free in range(slots, 0, -1):
            reserved.append(allowance(budget_of(ceiling, spent, sum(reserved), timeout, free)).seconds)
        spent += sum(reserved) * part
        assert spent <= ceiling * (1 + 1e-9)
