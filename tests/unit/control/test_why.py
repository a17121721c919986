"""fleet why: plain words about what happened, why, what waits for what, and what to type."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.control.sentences import moment
from fleet.core.clock import SECOND
from fleet.core.errors import NotFound, Refused
from fleet.testing.desk import Desk


def told(desk: Desk, ref: str) -> str:
    """Title and lines as one text."""
    found = desk.ask("why", ref=ref)
    return "\n".join([found["title"], *found["lines"]])


def test_a_pull_request_says_what_it_waits_for_and_what_to_type(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    lead = desk.reviewer("tech-lead", pull, ticket, head)
    desk.ask("pr.review", lead, number=pull, verdict="approve")
    text = told(desk, f"pr/{pull}")
    assert f"opened by agent:developer for ticket/{ticket}" in text
    assert "agent:tech-lead approves" in text
    assert "waiting for qa-engineer to review this head" in text
    assert f"fleet pr waive {pull} qa-engineer" in text
    assert "At work: tech-lead" in text
    assert told(desk, str(pull)) == told(desk, f"#{pull}") == text


def test_a_merged_pull_request_says_who_merged_it_and_on_which_reasons(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    for name in ("tech-lead", "qa-engineer"):
        desk.ask("pr.review", desk.reviewer(name, pull, ticket, head), number=pull, verdict="approve")
    assert f"To merge it yourself: fleet pr merge {pull}" in told(desk, f"pr/{pull}")
    desk.ask("pr.merge", number=pull)
    text = told(desk, f"pr/{pull}")
    assert "human:ann decided merge.allowed" in text
    assert "approved by agent:tech-lead, agent:qa-engineer" in text
    assert "human:ann merged" in text


def test_a_refused_merge_is_told_with_its_reason(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, _ = desk.pushed("developer", ticket)
    with pytest.raises(Refused):
        desk.ask("pr.merge", number=pull)
    assert "Last refusal" in told(desk, f"pr/{pull}")


def test_a_ticket_that_is_not_ready_says_what_it_lacks(desk: Desk) -> None:
    ticket = desk.ticket()
    text = told(desk, f"ticket/{ticket}")
    assert "it lacks ready" in text
    assert f"fleet ticket label {ticket} --add ready" in text
    assert told(desk, str(ticket)) == text


def test_a_ticket_tells_its_pull_requests_story_too(desk: Desk) -> None:
    ticket = desk.ticket("Greet", "ready")
    _, pull, _ = desk.pushed("developer", ticket)
    text = told(desk, f"ticket/{ticket}")
    assert f"pr/{pull} (Work on ticket/{ticket}):" in text
    assert "The merge gate does not pass" in text


def test_a_run_says_what_caused_it_what_it_said_and_how_it_ended(desk: Desk) -> None:
    ticket = desk.ticket()
    who, _, _ = desk.pushed("developer", ticket)
    text = told(desk, who.run_id)
    assert f"It works on ticket/{ticket}" in text
    assert "ticket_ready by forge:local" in text
    assert "It put on record: pr_created." in text
    assert "succeeded" in text
    assert told(desk, f"{who.run_id}-e1") == text


def test_an_agent_says_its_state_and_what_it_is_at(desk: Desk) -> None:
    desk.run("developer", "ticket/1")
    text = told(desk, "developer")
    assert "It is active, in the role developer." in text
    assert "On ticket/1: developer" in text
    assert told(desk, "agent/developer") == text
    assert "Nothing waits for it" in told(desk, "scribe")


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("nobody", "FLT-CTL-018"),
        ("pr/99", "FLT-FRG-002"),
        ("ticket/99", "FLT-FRG-001"),
        ("99", "FLT-FRG-001"),
        ("r" + "0" * 18, "FLT-RUN-001"),
        ("pr/", "FLT-CTL-018"),
        ("pr/0", "FLT-CTL-018"),
        ("../x", "FLT-CTL-018"),
        ("' or 1=1", "FLT-CTL-018"),
    ],
)
def test_what_names_nothing_is_not_found(desk: Desk, ref: str, code: str) -> None:
    with pytest.raises(NotFound) as caught:
        desk.ask("why", ref=ref)
    assert caught.value.code == code


@given(st.integers(min_value=0, max_value=4_102_444_800))
def test_moments_are_the_calendars(seconds: int) -> None:
    known = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    assert moment(seconds * SECOND) == known


def test_open_questions_blockers_claims_and_unread_messages_are_told_with_what_to_type(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, _ = desk.pushed("developer", ticket)
    who = desk.run("developer", f"ticket/{ticket}")
    desk.ask("ask", who, text="May I change\nthe API? " + "x" * 300)
    desk.ask("fabric.publish", who, kind="blocker", summary="No credentials")
    desk.ask("fabric.publish", kind="task", summary="Write the guide")
    token = desk.ask("fabric.claim", who, task=1)["token"]
    desk.ask("agent.send", name="developer", text="hello")
    asked, stuck = "agent:developer asks a person: May I change the API? x", "(fleet fabric resolve 1 TEXT)"
    for ref in (f"ticket/{ticket}", f"pr/{pull}", "developer", who.run_id):
        text = told(desk, ref)
        assert text.count(asked) == text.count(stuck) == 1, ref
        assert "(fleet answer 1 TEXT)" in text
        assert "x" * 201 not in text
    text = told(desk, "developer")
    assert "It holds task/1: Write the guide" in text
    assert "Its inbox holds 1 unread: fleet agent messages developer" in text
    assert asked not in told(desk, f"ticket/{desk.ticket()}")
    assert token not in text
