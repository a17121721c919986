"""Pure planning: what is looked at, what one run answers, how long to wait."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fleet.core.clock import SECOND
from fleet.core.work import Delivery, DeliveryState
from fleet.dispatch.plan import LONGEST_BACKOFF, answered_together, backoff, plan

FIRST = Delivery(
    id="d1", event_seq=1, event_id="e1", event_type="pr_approved", agent="rel", subject="pr/8", generation="h1",
    work_item="ticket/7", attempt=1, state=DeliveryState.PENDING, not_before=0, lease_token="", lease_until=0,
    run_id="", reason="", created_at=0, updated_at=0,
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
