"""Cancel, retry, close, reopen, remark: what the store decides at once, and what follows at the forge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fleet.core import probe
from fleet.core.errors import Conflict, NotFound, Refused, UsageError
from fleet.core.work import DeliveryState, RunState
from fleet.dispatch.operations import Places, carry_on
from fleet.store import deliveries, journal, operations, runs
from fleet.store.db import Tx
from fleet.testing.desk import Desk


class Killed(Exception):
    """The process ends at a named point."""


@pytest.fixture
def kill_at() -> Iterator[list[str]]:
    """Names of points at which the next pass ends the caller."""
    points: list[str] = []

    def handler(name: str) -> None:
        if name in points:
            points.clear()
            raise Killed(name)

    probe.install(handler)
    yield points
    probe.install(None)


def go_on(desk: Desk) -> list[bool]:
    """What the reconciler does with operations that are open."""
    places = Places(desk.db, desk.live, desk.live)
    return [carry_on(places, one) for one in desk.db.read(operations.open_ones)]


def waiting(desk: Desk, agent: str, subject: str, event: str = "ticket_ready") -> str:
    """A delivery that waits."""
    entry = desk.publish(event, subject)

    def make(tx: Tx) -> str:
        made = deliveries.create(
            tx,
            event_seq=entry.seq,
            event_id=entry.id,
            event_type=event,
            agent=agent,
            subject=subject,
            generation="",
            work_item=subject,
            not_before=tx.now + 10**12,
        )
        assert made is not None
        return made

    return desk.db.write(make)


def failed(desk: Desk, agent: str, subject: str, *, event: str = "ticket_ready", item: str = "", head: str = "") -> str:
    """A run that ended without its result, and that recovery has given up; its id."""
    who = desk.run(agent, subject, event=event, item=item, head=head)
    desk.end(who, RunState.FAILED)
    desk.given_up(who)
    return who.run_id


# -- cancel ----------------------------------------------------------------------------------------


def test_cancelling_ends_runs_denies_what_waits_and_closes_pull_request_and_ticket(desk: Desk) -> None:
    ticket = desk.ticket("Do it", "ready")
    _, pull, head = desk.pushed("developer", ticket)
    reviewer = desk.reviewer("tech-lead", pull, ticket, head)
    other = desk.run("developer", "ticket/99")
    held = waiting(desk, "developer", f"ticket/{ticket}")
    answer = desk.ask("ticket.cancel", number=ticket, reason="superseded")
    assert answer == {
        "ticket": ticket,
        "stopping": [reviewer.run_id],
        "denied": [held],
        "closed_pulls": [pull],
        "done": False,
    }
    assert desk.forge.ticket(ticket).state == "closed"
    assert desk.forge.pull(pull).state == "closed"
    assert "superseded" in desk.forge.comments(ticket)[0].body
    reasons = {run.id: run.cancel_reason for run in desk.db.read(runs.live)}
    assert reasons == {
        reviewer.run_id: f"ticket/{ticket} was cancelled by human:ann: superseded",
        other.run_id: "",
    }
    assert desk.db.read(lambda tx: deliveries.get(tx, held)).state is DeliveryState.DENIED
    assert desk.entries("delivery.denied")[-1].actor == "human:ann"
    assert desk.entries("ticket.cancelled") == [], "its run has not ended yet"
    assert go_on(desk) == [False]
    desk.end(reviewer, RunState.CANCELLED)
    assert go_on(desk) == [True]
    (done,) = desk.entries("ticket.cancelled")
    assert (done.subject, done.work_item, done.actor) == (f"ticket/{ticket}", f"ticket/{ticket}", "human:ann")
    assert desk.db.read(operations.open_ones) == []


def test_a_pull_request_that_a_stopping_run_opens_meanwhile_is_closed_too(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, _ = desk.pushed("developer", ticket)
    desk.forge.close_pull(pull)
    who = desk.run("developer", f"ticket/{ticket}", event="ticket_ready")
    desk.ask("ticket.cancel", number=ticket, reason="x")
    late = desk.forge.open_pull(
        branch=f"fleet/{ticket}", title="Late", body="", author="agent:developer", ticket=ticket
    )
    desk.end(who, RunState.CANCELLED)
    assert go_on(desk) == [True]
    assert desk.forge.pull(late.number).state == "closed"


@pytest.mark.parametrize("point", ["operation.intended", "operation.half", "operation.acted"])
def test_a_cancellation_that_was_cut_short_is_completed_and_done_once(
    desk: Desk, kill_at: list[str], point: str
) -> None:
    ticket = desk.ticket("Do it", "ready")
    _, pull, _ = desk.pushed("developer", ticket)
    kill_at.append(point)
    with pytest.raises(Killed):
        desk.ask("ticket.cancel", number=ticket, reason="x")
    assert len(desk.entries("ticket.cancel_requested")) == 1
    assert go_on(desk) == [True]
    assert (desk.forge.ticket(ticket).state, desk.forge.pull(pull).state) == ("closed", "closed")
    assert len(desk.entries("ticket.cancelled")) == 1
    assert len(desk.forge.comments(ticket)) == 1
    assert go_on(desk) == []


def test_what_is_over_or_being_cancelled_is_not_cancelled_again(desk: Desk) -> None:
    ticket = desk.ticket()
    who = desk.run("developer", f"ticket/{ticket}")
    desk.ask("ticket.cancel", number=ticket, reason="x")
    with pytest.raises(Conflict) as caught:
        desk.ask("ticket.cancel", number=ticket, reason="me too")
    assert (caught.value.code, caught.value.exit_code) == ("FLT-FRG-102", 8)
    assert "human:ann" in caught.value.message
    desk.end(who, RunState.CANCELLED)
    go_on(desk)
    with pytest.raises(Conflict) as over:
        desk.ask("ticket.cancel", number=ticket, reason="again")
    assert over.value.code == "FLT-FRG-101"
    with pytest.raises(NotFound):
        desk.ask("ticket.cancel", number=99, reason="x")
    assert len(desk.entries("ticket.cancel_requested")) == 1


def test_a_merge_that_landed_stands(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    seen = desk.live.pulls()
    desk.forge.merge(pull, head_sha=head, actor="human:ann")
    assert [one.state for one in seen] == ["open"]
    desk.ask("ticket.cancel", number=ticket, reason="too late")
    assert desk.forge.pull(pull).state == "merged"
    assert len(desk.entries("ticket.cancelled")) == 1


# -- retry -----------------------------------------------------------------------------------------


def returned(desk: Desk) -> list[tuple[str, str, str, int]]:
    """Work that is offered again: to whom, which event, about what, which attempt."""
    found: list[tuple[str, str, str, int]] = []
    for entry in desk.entries("work_returned"):
        payload: Any = entry.payload
        found.append((entry.agent, payload["event_type"], entry.subject, payload["attempt"]))
    return found


def test_dead_work_starts_anew_with_its_attempts_counted_from_one(desk: Desk) -> None:
    ticket = desk.ticket("Do it", "ready")
    run = failed(desk, "developer", f"ticket/{ticket}")
    answer = desk.ask("ticket.retry", number=ticket, reason="repaired")
    assert [(one["agent"], one["run"]) for one in answer["retried"]] == [("developer", run)]
    assert (answer["reopened"], answer["done"]) == (False, True)
    assert returned(desk) == [("developer", "ticket_ready", f"ticket/{ticket}", 1)]
    (event,) = desk.entries("work_returned")
    assert event.actor == "human:ann"
    assert "repaired" in event.summary


def test_a_cancelled_ticket_is_opened_again_and_its_author_begins_anew(desk: Desk) -> None:
    ticket = desk.ticket("Do it", "ready")
    desk.pushed("developer", ticket)
    desk.ask("ticket.cancel", number=ticket, reason="x")
    answer = desk.ask("ticket.retry", number=ticket)
    assert answer["reopened"]
    assert desk.forge.ticket(ticket).state == "open"
    assert returned(desk) == [("developer", "ticket_ready", f"ticket/{ticket}", 1)]


def test_a_reviewer_that_failed_at_the_live_head_is_retried_and_one_that_answered_is_not(desk: Desk) -> None:
    ticket = desk.ticket("Do it", "ready")
    _, pull, head = desk.pushed("developer", ticket)
    answered = desk.reviewer("tech-lead", pull, ticket, head)
    desk.ask("pr.review", answered, number=pull, verdict="approve")
    desk.end(answered)
    failed(desk, "qa-engineer", f"pr/{pull}", event="pr_needs_review", item=f"ticket/{ticket}", head=head)
    answer = desk.ask("ticket.retry", number=ticket)
    assert returned(desk) == [("qa-engineer", "pr_needs_review", f"pr/{pull}", 1)]
    assert desk.entries("work_returned")[0].generation == head
    assert {one["agent"] for one in answer["left"]} == {"developer", "tech-lead"}


def test_nothing_to_retry_is_answered_with_the_reason(desk: Desk) -> None:
    def hint(number: int) -> str:
        with pytest.raises(Conflict) as caught:
            desk.ask("ticket.retry", number=number)
        assert (caught.value.code, caught.value.exit_code) == ("FLT-FRG-103", 8)
        return f"{caught.value.message}; {caught.value.hint}"

    untold = desk.ticket()
    assert f"let it in: fleet ticket label {untold} --add ready" in hint(untold)
    desk.forge.close_ticket(untold)
    assert f"let it in: fleet ticket reopen {untold}, then fleet ticket label" in hint(untold)
    busy = desk.ticket("Do it", "ready")
    who = desk.run("developer", f"ticket/{busy}", event="ticket_ready")
    assert f"developer is at work on it (run {who.run_id})" in hint(busy)
    desk.end(who, RunState.FAILED)
    assert "comes back by itself" in hint(busy)
    unready = desk.ticket()
    failed(desk, "developer", f"ticket/{unready}")
    assert "the label ready was taken off" in hint(unready)
    shipped = desk.ticket("Do it", "ready")
    _, pull, _ = desk.pushed("developer", shipped)
    desk.ask("pr.review", number=pull, verdict="approve")
    for reviewer in ("tech-lead", "qa-engineer"):
        desk.ask("pr.waive", number=pull, agent=reviewer, reason="a test")
    desk.ask("pr.merge", number=pull)
    assert f"pr/{pull} was merged" in hint(shipped)
    assert desk.entries("work_returned") == []
    with pytest.raises(NotFound) as caught:
        desk.ask("ticket.retry", number=99)
    assert caught.value.code == "FLT-FRG-001"


@pytest.mark.parametrize("point", ["operation.intended", "operation.acted"])
def test_a_retry_that_was_cut_short_offers_the_work_once(desk: Desk, kill_at: list[str], point: str) -> None:
    ticket = desk.ticket("Do it", "ready")
    failed(desk, "developer", f"ticket/{ticket}")
    desk.forge.close_ticket(ticket)
    kill_at.append(point)
    with pytest.raises(Killed):
        desk.ask("ticket.retry", number=ticket)
    assert go_on(desk) == [True]
    assert desk.forge.ticket(ticket).state == "open"
    assert len(returned(desk)) == 1


# -- the simple ones -------------------------------------------------------------------------------


def test_a_pull_request_is_closed_with_a_reason_and_its_ticket_stays(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, _ = desk.pushed("developer", ticket)
    assert desk.ask("pr.close", number=pull, reason="wrong way") == {"pr": pull, "state": "closed", "ticket": ticket}
    assert desk.forge.ticket(ticket).state == "open"
    assert "wrong way" in desk.forge.comments(pull)[-1].body
    assert desk.entries("pr.closed")[0].work_item == f"ticket/{ticket}"
    with pytest.raises(Conflict) as caught:
        desk.ask("pr.close", number=pull, reason="x")
    assert caught.value.code == "FLT-FRG-104"
    with pytest.raises(NotFound):
        desk.ask("pr.close", number=99, reason="x")


def test_a_ticket_is_closed_and_opened_again(desk: Desk) -> None:
    ticket = desk.ticket()
    assert desk.ask("ticket.close", number=ticket, reason="done elsewhere")["state"] == "closed"
    with pytest.raises(Conflict):
        desk.ask("ticket.close", number=ticket, reason="x")
    assert desk.ask("ticket.reopen", number=ticket)["state"] == "open"
    with pytest.raises(Conflict) as caught:
        desk.ask("ticket.reopen", number=ticket)
    assert caught.value.code == "FLT-FRG-104"
    said = [entry.type for entry in desk.entries(subject=f"ticket/{ticket}")]
    assert said[-4:] == ["ticket.close_requested", "ticket.closed", "ticket.reopen_requested", "ticket.reopened"]


def test_remarks_stand_on_tickets_and_pull_requests(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, _ = desk.pushed("developer", ticket)
    for number, subject in ((ticket, f"ticket/{ticket}"), (pull, f"pr/{pull}")):
        assert desk.ask("ticket.comment", number=number, body="look\nhere")["subject"] == subject
        assert desk.forge.comments(number)[-1].body == "look\nhere"
        assert desk.entries("comment.written")[-1].work_item == f"ticket/{ticket}"
    with pytest.raises(UsageError) as caught:
        desk.ask("ticket.comment", number=ticket, body=" \n")
    assert caught.value.code == "FLT-FRG-012"
    with pytest.raises(NotFound) as unknown:
        desk.ask("ticket.comment", number=99, body="x")
    assert unknown.value.code == "FLT-FRG-007"


def test_what_the_forge_refuses_for_good_is_on_record_and_blocks_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = desk.ticket()

    def gone(number: int) -> None:
        raise NotFound("FLT-FRG-001", "no such ticket", where=f"ticket/{number}")

    monkeypatch.setattr(desk.forge, "close_ticket", gone)
    with pytest.raises(NotFound):
        desk.ask("ticket.close", number=ticket, reason="x")
    assert "no such ticket" in desk.entries("operation.given_up")[0].summary
    assert desk.db.read(operations.open_ones) == []


def test_agents_do_none_of_this(desk: Desk) -> None:
    ticket = desk.ticket()
    who = desk.run("developer", f"ticket/{ticket}")
    for verb in ("ticket.cancel", "ticket.retry", "ticket.close", "ticket.reopen", "pr.close"):
        with pytest.raises(Refused) as caught:
            desk.ask(verb, who, number=ticket, reason="x")
        assert caught.value.code == "FLT-AUT-011"


# -- assign ----------------------------------------------------------------------------------------


def starts(desk: Desk) -> list[tuple[str, str, str]]:
    """Who is asked to start on what, by whom."""
    return [(entry.agent, entry.subject, entry.actor) for entry in desk.entries("agent_start_requested")]


def test_a_task_becomes_a_ticket_that_wakes_nobody_and_a_start_of_the_named_agent(desk: Desk) -> None:
    answer = desk.ask("task.assign", name="developer", text="Greet the user\n\nKindly, by name.")
    (one,) = answer["assigned"]
    ticket = desk.forge.ticket(one["ticket"])
    assert (ticket.title, ticket.body) == ("Greet the user", "Greet the user\n\nKindly, by name.")
    assert (ticket.author, ticket.labels) == ("human:ann", ())
    assert starts(desk) == [("developer", f"ticket/{ticket.number}", "human:ann")]
    assert desk.entries("task.assigned")[0].payload is not None


def test_each_agent_of_a_group_gets_a_ticket_of_its_own_unless_one_is_named(desk: Desk) -> None:
    answer = desk.ask("task.assign", department="engineering", text="Read the error messages", title="Errors")
    numbers = {one["agent"]: one["ticket"] for one in answer["assigned"]}
    assert len(set(numbers.values())) == len(numbers) > 1
    assert {desk.forge.ticket(number).title for number in numbers.values()} == {"Errors"}
    same = desk.ticket("Shared")
    again = desk.ask("task.assign", all=True, ticket=same)
    assert {one["ticket"] for one in again["assigned"]} == {same}
    assert again["title"] == "Shared"


def test_a_dry_run_says_what_policy_would_and_changes_nothing(desk: Desk) -> None:
    desk.ask("agent.pause", name="developer", reason="lunch")
    before = desk.db.read(journal.head)
    answer = desk.ask("task.assign", all=True, text="Anything", dry_run=True)
    verdicts = {
        one["agent"]: (one["verdict"], [reason["code"] for reason in one["reasons"]]) for one in answer["assigned"]
    }
    assert verdicts["developer"] == ("hold", ["FLT-POL-004"])
    assert verdicts["tech-lead"][0] == "allow"
    assert desk.db.read(journal.head) == before
    assert desk.forge.snapshot().tickets == ()


@pytest.mark.parametrize(
    ("args", "error", "code"),
    [
        ({"name": "develper", "text": "x"}, NotFound, "FLT-AGT-001"),
        ({"team": "ghosts", "text": "x"}, NotFound, "FLT-AGT-103"),
        ({"department": "catering", "text": "x"}, NotFound, "FLT-AGT-108"),
        ({"text": "x"}, UsageError, "FLT-AGT-106"),
        ({"name": "developer", "all": True, "text": "x"}, UsageError, "FLT-AGT-106"),
        ({"name": "developer"}, UsageError, "FLT-AGT-107"),
        ({"name": "developer", "text": " \n "}, UsageError, "FLT-AGT-107"),
        ({"name": "developer", "ticket": 99}, NotFound, "FLT-FRG-001"),
    ],
)
def test_a_task_that_cannot_be_given_leaves_no_trace(
    desk: Desk, args: dict[str, Any], error: type[Exception], code: str
) -> None:
    before = desk.db.read(journal.head)
    with pytest.raises(error) as caught:
        desk.ask("task.assign", **args)
    assert getattr(caught.value, "code", "") == code
    assert desk.db.read(journal.head) == before
    assert desk.forge.snapshot().tickets == ()


@pytest.mark.parametrize("point", ["operation.intended", "operation.acted"])
def test_an_assignment_that_was_cut_short_opens_each_ticket_once(desk: Desk, kill_at: list[str], point: str) -> None:
    kill_at.append(point)
    with pytest.raises(Killed):
        desk.ask("task.assign", all=True, text="Anything")
    assert go_on(desk) == [True]
    names = [member.name for member in desk.loaded.config.agents]
    assert sorted(agent for agent, _, _ in starts(desk)) == sorted(names)
    assert len(desk.forge.snapshot().tickets) == len(names)
