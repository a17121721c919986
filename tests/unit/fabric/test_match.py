"""Who an event reaches is a function of the event and the configuration, and of nothing else."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fleet.core.journal import Entry
from fleet.fabric.match import match
from fleet.fabric.subscription import Subscription, subscriptions
from fleet.testing.scene import member

NAMES = ("anna", "bert", "cleo", "dora")
TYPES = ("ticket_ready", "pr_needs_review", "qa_passed", "handoff")


def event(kind: str = "ticket_ready", *, agent: str = "", actor: str = "forge:local") -> Entry:
    """An entry as the router reads it."""
    return Entry(
        seq=1, id="e1", writer="local", stream="event", type=kind, kind="task", actor=actor, subject="ticket/7",
        generation="", work_item="ticket/7", agent=agent, run_id="", cause_id="", dedup_key=None, summary="", at=1,
        payload_hash="", prev_hash="", hash="", payload={},
    )  # fmt: skip


subscribers = st.lists(
    st.builds(
        Subscription,
        agent=st.sampled_from(NAMES),
        enabled=st.booleans(),
        types=st.frozensets(st.sampled_from(TYPES)),
    ),
    unique_by=lambda one: one.agent,
)
events = st.builds(
    event,
    st.sampled_from(TYPES),
    agent=st.sampled_from(("", *NAMES)),
    actor=st.sampled_from(("forge:local", "human:ann", *(f"agent:{name}" for name in NAMES))),
)
names = st.frozensets(st.sampled_from(NAMES))


@given(events, subscribers, names, st.randoms())
def test_the_order_of_members_plays_no_part(
    what: Entry, known: list[Subscription], retired: frozenset[str], random: Random
) -> None:
    """The same members in any order give the same answers in the same order."""
    shuffled = list(known)
    random.shuffle(shuffled)
    assert match(what, known, retired) == match(what, shuffled, retired)


@given(events, subscribers, names)
def test_every_member_gets_exactly_one_answer_with_a_reason(
    what: Entry, known: list[Subscription], retired: frozenset[str]
) -> None:
    """Nobody is forgotten, nobody is asked twice, and every answer says why."""
    answers = match(what, known, retired)
    assert [answer.agent for answer in answers] == sorted(one.agent for one in known)
    assert all(answer.why for answer in answers)


@given(events, subscribers, names)
def test_who_is_reached_follows_the_rules(what: Entry, known: list[Subscription], retired: frozenset[str]) -> None:
    """The rules once more, as one set comprehension."""
    if what.agent:
        named = (one for one in known if one.agent == what.agent)
        expected = {one.agent for one in named if what.type != "handoff" or "handoff" in one.types} - retired
    else:
        expected = {
            one.agent
            for one in known
            if one.enabled
            and what.type in one.types
            and one.agent not in retired
            and what.actor != f"agent:{one.agent}"
        }
    assert {answer.agent for answer in match(what, known, retired) if answer.reached} == expected


def test_subscriptions_come_from_the_members() -> None:
    """Events and the enabled flag are taken over; the order is by name."""
    made = subscriptions([member("zoe", "developer", "ticket_ready", enabled=False), member("al", "tech-lead")])
    assert made == (
        Subscription("al", True, frozenset()),
        Subscription("zoe", False, frozenset({"ticket_ready"})),
    )


def test_a_handoff_starts_its_agent_only_if_that_one_subscribes_to_handoffs() -> None:
    known = [
        Subscription("anna", True, frozenset({"handoff"})),
        Subscription("bert", True, frozenset()),
        Subscription("cleo", True, frozenset({"handoff"})),
    ]
    for agent, reached in (("anna", ["anna"]), ("bert", []), ("", ["anna", "cleo"])):
        answers = match(event("handoff", agent=agent, actor="agent:dora"), known, frozenset())
        assert [answer.agent for answer in answers if answer.reached] == reached
