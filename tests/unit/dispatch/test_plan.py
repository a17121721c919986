"""Pure planning: what is looked at, what one run answers, how long to wait, what becomes of a broken run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.clock import SECOND
from fleet.core.work import Delivery, DeliveryState, Run, RunState
from fleet.dispatch.plan import LONGEST_BACKOFF, answered_together, backoff, plan, what_becomes_of

FIRST = Delivery(
    id="d1", event_seq=1, event_id="e1", event_type="pr_approved", agent="rel", subject="pr/8", generation="h1",
    work_item="ticket/7", attempt=1, state=DeliveryState.PENDING, not_before=0, lease_token="", lease_until=0,
    run_id="", reason="", created_at=0, updated_at=0,
)  # fmt: skip
BROKEN = Run(
    id="r1", delivery_id="d1", event_id="e1", event_type="ticket_ready", agent="dev", role="developer",
    subject="ticket/7", generation="", work_item="ticket/7", attempt=1, parent_run="", state=RunState.LOST, epoch=1,
    host="", allowance_seconds=1.0, allowance_kind="timeout", used_seconds=1.0, cancel_reason="", exit_code=None,
    outcome="", escrow_ref="", escrow_sha="", config_hash="", queued_at=0, started_at=None, finished_at=1,
)  # fmt: skip

some = st.lists(
    st.builds(
        replace,
        st.just(FIRST),
        id=st.uuids().map(str),
        event_seq=st.integers(1, 9),
        agent=st.sampled_from(("a", "b")),
        work_item=st.sampled_from(("ticket/1", "ticket/2")),
        not_before=st.sampled_from((0, 5, 50)),
        generation=st.sampled_from(("h1", "h2")),
        event_type=st.sampled_from(("pr_approved", "note")),
    ),
    max_size=12,
)


@given(some, st.integers(0, 60))
def test_one_delivery_an_agent_and_work_the_earliest_that_is_due(opened: list[Delivery], now: int) -> None:
    """Nothing early, nothing twice, nothing skipped, in journal order."""
    found = plan(opened, now)
    keys = [(one.agent, one.work_item) for one in found.consider]
    assert len(keys) == len(set(keys))
    assert [one.event_seq for one in found.consider] == sorted(one.event_seq for one in found.consider)
    due = [one for one in opened if one.not_before <= now]
    assert set(keys) == {(one.agent, one.work_item) for one in due}
    for chosen in found.consider:
        rivals = [one for one in due if (one.agent, one.work_item) == (chosen.agent, chosen.work_item)]
        assert chosen.event_seq == min(one.event_seq for one in rivals)
    later = [one.not_before for one in opened if one.not_before > now]
    assert found.next_at == (min(later) if later else None)


@given(some)
def test_one_run_answers_only_the_same_question(opened: list[Delivery]) -> None:
    """Same agent, work, event type and head; never remarks."""
    for chosen in opened:
        for other in answered_together(chosen, opened):
            assert other.id != chosen.id
            assert chosen.event_type == "pr_approved"
            assert replace(other, id="", event_seq=0, not_before=0) == replace(chosen, id="", event_seq=0, not_before=0)


def test_the_pause_doubles_and_has_an_end() -> None:
    """None before the first attempt, base before the second."""
    assert [backoff(attempt, 2) // SECOND for attempt in (1, 2, 3, 4)] == [0, 2, 4, 8]
    assert backoff(40, 3600) == LONGEST_BACKOFF * SECOND
    assert backoff(3, 0) == 0


@pytest.mark.parametrize(
    ("changes", "overtaken", "member", "expected"),
    [
        ({}, "", True, ("returned", 2)),
        ({"attempt": 2}, "", True, ("returned", 3)),
        ({"attempt": 3}, "", True, ("dead", 3)),
        ({}, "", False, ("dead", 1)),
        ({}, "pr/8 is merged", True, ("moot", 1)),
        ({"attempt": 3}, "pr/8 is merged", False, ("moot", 3)),
        ({"state": RunState.CANCELLED, "cancel_reason": "wrong ticket"}, "", True, ("moot", 1)),
        ({"state": RunState.CANCELLED, "cancel_reason": "fleet down"}, "", True, ("returned", 1)),
        ({"state": RunState.CANCELLED, "cancel_reason": "fleet down", "attempt": 3}, "", True, ("returned", 3)),
        ({"state": RunState.CANCELLED, "cancel_reason": "fleet down"}, "closed", True, ("moot", 1)),
        ({"state": RunState.OVER_BUDGET}, "", True, ("returned", 2)),
    ],
    ids=range(11),
)
def test_what_becomes_of_a_broken_run(
    changes: dict[str, object], overtaken: str, member: bool, expected: tuple[str, int]
) -> None:
    """Three attempts are granted here; every outcome says why."""
    run = replace(BROKEN, **changes)  # type: ignore[arg-type]
    outcome = what_becomes_of(run, overtaken=overtaken, member=member, attempts=3)
    assert (outcome.kind, outcome.attempt) == expected
    assert outcome.reason
