"""pr.review and pr.waive: bound to the head, never by an author, whatever name or sub-run it uses."""

from __future__ import annotations

import pytest

from fleet.core.errors import FleetError, NotFound, Refused
from fleet.core.principal import Principal
from fleet.testing.desk import ANN, Desk
from fleet.testing.repos import commit, git


def refused(desk: Desk, who: Principal, pull: int, **args: object) -> str:
    """The code with which a review is refused."""
    with pytest.raises(FleetError) as caught:
        desk.ask("pr.review", who, **{"number": pull, "verdict": "approve", **args})
    assert caught.value.exit_code == 6
    return caught.value.code


def test_an_approval_is_on_record_for_exactly_this_head(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    who = desk.reviewer("tech-lead", pull, ticket, head)
    assert desk.ask("pr.review", who, number=pull, verdict="approve", body="good") == {
        "pr": pull, "head": head, "verdict": "approve",
    }  # fmt: skip
    (event,) = desk.entries("pr_approved")
    assert (event.generation, event.actor, event.run_id, event.agent) == (head, "agent:tech-lead", who.run_id, "")
    assert event.payload is not None
    assert event.payload["body"] == "good"
    (comment,) = desk.ask("pr.show", number=pull)["comments"]
    assert "good" in comment["body"]
    assert comment["author"] == "agent:tech-lead"


def test_said_twice_it_is_on_record_once_and_the_last_word_counts(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    who = desk.reviewer("tech-lead", pull, ticket, head)
    for verdict in ("approve", "approve", "request_changes", "approve", "approve"):
        desk.ask("pr.review", who, number=pull, verdict=verdict)
    events = sorted([*desk.entries("pr_approved"), *desk.entries("pr_changes_requested")], key=lambda one: one.seq)
    assert [event.type for event in events] == ["pr_approved", "pr_changes_requested", "pr_approved"]
    assert desk.ask("release.check", number=pull)["approved_by"] == ["agent:tech-lead"]


def test_the_label_follows_the_gate_not_the_first_approval(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    lead = desk.reviewer("tech-lead", pull, ticket, head)
    desk.ask("pr.review", lead, number=pull, verdict="approve")
    assert desk.ask("pr.show", number=pull)["pr"]["labels"] == ["needs-review"]
    tester = desk.reviewer("qa-engineer", pull, ticket, head)
    desk.ask("pr.review", tester, number=pull, verdict="approve")
    assert desk.ask("pr.show", number=pull)["pr"]["labels"] == ["approved"]


def test_the_author_cannot_review_under_another_role(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    who = desk.run("developer", f"pr/{pull}", item=f"ticket/{ticket}", head=head)
    disguised = Principal(who.kind, who.name, who.run_id, who.epoch, "tech-lead", frozenset({"pr.review"}),
                          who.emits, who.subjects)  # fmt: skip
    assert refused(desk, disguised, pull) == "FLT-POL-052"
    (entry,) = desk.entries("review.refused")
    assert entry.run_id == who.run_id
    assert entry.payload is not None
    assert "agent:developer" in str(entry.payload["decision"])


def test_the_author_cannot_review_through_a_sub_run(desk: Desk) -> None:
    ticket = desk.ticket()
    author, pull, head = desk.pushed("developer", ticket)
    child = desk.run("tech-lead", f"pr/{pull}", item=f"ticket/{ticket}", head=head, parent=author.run_id)
    assert refused(desk, child, pull) == "FLT-POL-052"


def test_a_person_cannot_review_what_they_pushed(desk: Desk) -> None:
    git(desk.paths.checkout, "switch", "--quiet", "-c", "topic")
    commit(desk.paths.checkout, {"greet.py": "1\n"})
    pull = desk.ask("pr.push")["pr"]
    assert refused(desk, ANN, pull) == "FLT-POL-052"


def test_a_verdict_on_a_head_that_has_moved_is_refused(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    who = desk.reviewer("tech-lead", pull, ticket, head)
    desk.pushed("developer", ticket)
    assert refused(desk, who, pull) == "FLT-POL-086"
    assert refused(desk, ANN, pull, head=head) == "FLT-POL-086"
    assert desk.entries("pr_approved") == []


def test_a_developer_has_no_such_verb_and_a_foreign_pull_request_is_out_of_reach(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    assert refused(desk, desk.run("developer", f"pr/{pull}"), pull) == "FLT-AUT-012"
    elsewhere = desk.reviewer("tech-lead", 99, 98, head)
    assert refused(desk, elsewhere, pull) == "FLT-AUT-013"


def test_a_review_of_nothing_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound) as caught:
        desk.ask("pr.review", number=77, verdict="approve")
    assert caught.value.code == "FLT-FRG-002"


def test_a_person_waives_an_answer_and_the_gate_opens(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    lead = desk.reviewer("tech-lead", pull, ticket, head)
    desk.ask("pr.review", lead, number=pull, verdict="approve")
    assert desk.ask("release.check", number=pull)["reason"] == "reviewers_answered"
    desk.ask("pr.waive", number=pull, agent="qa-engineer", reason="on holiday")
    (event,) = desk.entries("review_waived")
    assert (event.agent, event.generation) == ("", head)
    assert desk.ask("release.check", number=pull)["mergeable"] is True
    assert desk.ask("pr.show", number=pull)["pr"]["labels"] == ["approved"]


def test_only_people_waive(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    lead = desk.reviewer("tech-lead", pull, ticket, head)
    with pytest.raises(Refused) as caught:
        desk.ask("pr.waive", lead, number=pull, agent="qa-engineer", reason="I say so")
    assert caught.value.code == "FLT-AUT-011"
