"""What becomes of a broken run, of one whose ticket was called off, and of one attempt too many."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.core.agent import AgentState
from fleet.core.work import RunState
from fleet.policy.facts import AgentFacts, AttemptFacts, BrokenFacts, CallOffFacts, PullFacts, TicketFacts, WorkFacts
from fleet.policy.recovery import called_off, used_up, what_becomes_of

BROKEN = BrokenFacts(
    run="r1",
    state=RunState.LOST,
    outcome="",
    cancel_reason="",
    work=WorkFacts("ticket_ready", 5, "ticket/7", "", 1, returned=True),
    agent=AgentFacts("dev", True, True, AgentState.ACTIVE, "developer", False, False, True),
    attempts=3,
    failures_limit=5,
    ticket=TicketFacts(7, "open", frozenset({"ready"}), ""),
)
DOWN = {"state": RunState.CANCELLED, "cancel_reason": "fleet down", "interrupted": "the fleet went down"}
CLOSED = {"ticket": TicketFacts(7, "closed", frozenset({"ready"}), "")}
SAME = {"failures": 5, "cause": "lost"}


@pytest.mark.parametrize(
    ("changes", "attempt", "member", "expected"),
    [
        ({}, 1, True, ("returned", 2)),
        ({}, 2, True, ("returned", 3)),
        ({}, 3, True, ("dead", 3)),
        ({}, 1, False, ("dead", 1)),
        ({"result": "pr_created"}, 1, True, ("moot", 1)),
        (CLOSED, 3, False, ("moot", 3)),
        ({"state": RunState.CANCELLED, "cancel_reason": "wrong ticket"}, 1, True, ("moot", 1)),
        (DOWN, 1, True, ("returned", 1)),
        (DOWN, 3, True, ("returned", 3)),
        (DOWN | CLOSED, 1, True, ("moot", 1)),
        ({"state": RunState.OVER_BUDGET}, 1, True, ("returned", 2)),
        (SAME, 1, True, ("dead", 1)),
        (SAME | {"failures": 4}, 1, True, ("returned", 2)),
        (SAME | CLOSED, 1, True, ("moot", 1)),
    ],
    ids=range(14),
)
def test_what_becomes_of_a_broken_run(
    changes: dict[str, object], attempt: int, member: bool, expected: tuple[str, int]
) -> None:
    """Three attempts are granted here; every outcome says why."""
    facts = replace(
        BROKEN,
        work=replace(BROKEN.work, attempt=attempt),
        agent=replace(BROKEN.agent, member=member),
        **changes,  # type: ignore[arg-type]
    )
    outcome = what_becomes_of(facts)
    assert (outcome.kind, outcome.attempt) == expected
    assert outcome.reason


def test_work_on_a_head_that_is_gone_is_moot() -> None:
    work = WorkFacts("pr_needs_review", 5, "pr/8", "h1", 1, returned=True)
    gone = replace(BROKEN, work=work, ticket=None, pull=PullFacts(8, "open", "h2", "agent:dev", True))
    assert what_becomes_of(gone).kind == "moot"


def test_an_attempt_too_many_is_one_above_what_is_granted() -> None:
    """It may have been lowered while the delivery waited."""
    assert [used_up(AttemptFacts("dev", attempt, 2)) for attempt in (1, 2, 3)] == [False, False, True]


LIVE = CallOffFacts("dev", "ticket_ready", 5, "open", frozenset({"ready"}), 0, 0, 0, True, "")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, 0),
        ({"state": "closed", "closed": 9}, 9),
        ({"state": "closed", "closed": 4}, 0),  # it was opened again, and the run began after that
        ({"state": "closed", "closed": 9, "merged": 8}, 0),
        ({"state": "closed", "closed": 9, "event_type": "ticket_closed"}, 0),
        ({"unready": 9}, 0),  # the label is there again
        ({"unready": 9, "labels": frozenset[str]()}, 9),
        ({"unready": 9, "required_label": "fleet"}, 9),
        ({"unready": 9, "labels": frozenset[str](), "pushes": False}, 0),
    ],
    ids=range(9),
)
def test_a_run_is_called_off_by_the_newest_word_if_the_live_ticket_bears_it_out(
    changes: dict[str, object], word: int
) -> None:
    assert called_off(replace(LIVE, **changes)) == word  # type: ignore[arg-type]
