"""May this principal give this verdict?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.core.decision import Verdict
from fleet.policy.decide import REVIEW_CHECKS, decide_review
from fleet.policy.facts import ReviewFacts

QA = ReviewFacts(
    number=8,
    state="open",
    head="h1",
    reviewed_head="h1",
    principal="agent:qa",
    principal_is_agent=True,
    role="qa-engineer",
    reviews=True,
    lineage=frozenset({"agent:qa", "run:r2", "mail:qa@agents.fleet.invalid"}),
    authors=frozenset({"agent:dev", "run:r1", "mail:dev@agents.fleet.invalid"}),
    run_subject="pr/8",
    run_head="h1",
)
ANN = replace(
    QA,
    principal="human:ann",
    principal_is_agent=False,
    role="",
    reviews=False,
    lineage=frozenset({"human:ann"}),
    run_subject="",
    run_head="",
)


def test_a_reviewer_that_was_asked_at_this_head_may_answer() -> None:
    """An agent asked about this very commit, and a person at any time."""
    for facts, who in ((QA, "FLT-POL-081"), (ANN, "FLT-POL-080")):
        decision = decide_review(facts)
        assert decision.verdict is Verdict.ALLOW, decision.text
        assert len(decision.reasons) == len(REVIEW_CHECKS)
        assert {reason.code for reason in decision.reasons} == {
            who,
            "FLT-POL-083",
            "FLT-POL-060",
            "FLT-POL-085",
            "FLT-POL-051",
        }


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (replace(QA, reviews=False, role="developer"), "FLT-POL-082"),
        (replace(QA, run_subject="pr/9"), "FLT-POL-084"),
        (replace(QA, run_subject="ticket/7"), "FLT-POL-084"),
        (replace(QA, state="merged"), "FLT-POL-061"),
        (replace(QA, head="h2"), "FLT-POL-086"),
        (replace(QA, reviewed_head="h2", head="h2"), "FLT-POL-086"),
        (replace(QA, head="", reviewed_head="", run_head=""), "FLT-POL-086"),
        (replace(QA, lineage=QA.lineage | {"agent:dev"}), "FLT-POL-052"),
        (replace(QA, lineage=QA.lineage | {"run:r1"}), "FLT-POL-052"),
        (replace(QA, authors=QA.authors | {"mail:qa@agents.fleet.invalid"}), "FLT-POL-052"),
        (replace(ANN, reviewed_head="h0"), "FLT-POL-086"),
        (replace(ANN, authors=frozenset({"human:ann"})), "FLT-POL-052"),
    ],
)
def test_everybody_else_is_refused_with_the_fact(facts: ReviewFacts, code: str) -> None:
    """Each refusal has its own code; one wrong fact is enough."""
    decision = decide_review(facts)
    assert decision.verdict is Verdict.DENY
    assert {reason.code for reason in decision.binding} == {code}
