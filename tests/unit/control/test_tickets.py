"""Verbs about tickets."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.core.errors import Conflict, NotFound, Refused, UsageError
from fleet.core.journal import Draft, Stream
from fleet.core.pin import text_digest
from fleet.store import journal
from fleet.testing.desk import ANN, Desk


def test_a_ticket_is_opened_with_its_labels_and_author(desk: Desk) -> None:
    made = desk.ask("ticket.create", title="Greet", body="please", labels=["ready", "small"])["ticket"]
    assert (made["title"], made["body"], made["author"]) == ("Greet", "please", "human:ann")
    assert made["labels"] == ["ready", "small"]
    (entry,) = desk.entries("label.changed")
    assert entry.actor == "human:ann"


def test_labels_are_changed_in_one_step_and_on_record(desk: Desk) -> None:
    number = desk.ticket("Greet", "ready")
    assert desk.ask("ticket.label", number=number, add=["small"], remove=["ready"])["labels"] == ["small"]
    entry = desk.entries("label.changed")[-1]
    assert entry.payload == {"added": ["small"], "removed": ["ready"]}
    desk.ask("ticket.label", number=number, add=["small"])
    assert desk.entries("label.changed")[-1].seq == entry.seq, "nothing changed, nothing written"


def test_pull_requests_share_the_numbers(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, _ = desk.pushed("developer", ticket)
    answer = desk.ask("ticket.label", number=pull, add=["urgent"])
    assert answer == {"labels": ["needs-review", "urgent"], "subject": f"pr/{pull}"}
    assert desk.entries("label.changed")[-1].work_item == f"ticket/{ticket}"


@pytest.mark.parametrize("args", [{}, {"add": ["a"], "remove": ["a"]}])
def test_a_change_that_changes_nothing_or_both_ways_is_refused(desk: Desk, args: dict[str, Any]) -> None:
    number = desk.ticket()
    with pytest.raises(UsageError) as caught:
        desk.ask("ticket.label", ANN, number=number, **args)
    assert caught.value.code == "FLT-CTL-008"


def test_labels_of_nothing_are_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.ask("ticket.label", number=99, add=["ready"])


def test_no_role_opens_tickets_or_sets_labels(desk: Desk) -> None:
    number = desk.ticket()
    who = desk.run("developer", f"ticket/{number}")
    for verb, args in (("ticket.create", {"title": "x"}), ("ticket.label", {"number": number, "add": ["ready"]})):
        with pytest.raises(Refused) as caught:
            desk.ask(verb, who, **args)
        assert caught.value.code == "FLT-AUT-012"


def test_an_agent_does_not_take_the_brake_off(desk: Desk) -> None:
    number = desk.ticket("Greet", "ready", "fleet:hold")
    who = desk.run("developer", f"ticket/{number}", event="ticket_ready")
    with pytest.raises(Refused) as caught:
        desk.ask("ticket.label", who, number=number, remove=["fleet:hold"])
    assert caught.value.code == "FLT-AUT-012"
    assert desk.ask("ticket.label", number=number, remove=["fleet:hold"])["labels"] == ["ready"]


def test_a_changed_text_is_accepted_once_and_on_record(desk: Desk) -> None:
    number = desk.ticket("Greet", "ready")
    with pytest.raises(Conflict) as caught:
        desk.ask("ticket.accept", number=number)
    assert caught.value.code == "FLT-CTL-040"
    draft = Draft(
        Stream.EVENT, "ticket_ready", "forge:local", subject=f"ticket/{number}", payload={"text": text_digest("A", "B")}
    )
    desk.db.write(lambda tx: journal.append(tx, draft))
    who = desk.run("developer", f"ticket/{number}", event="note")
    assert desk.ask("ticket.show", who, number=number)["ticket"]["title"] == "", "nobody accepted it yet"
    assert desk.ask("ticket.show", number=number)["ticket"]["title"] == "Greet"
    assert [desk.ask("ticket.accept", number=number, reason="a typo")["accepted"] for _ in range(2)] == [True, False]
    (entry,) = desk.entries("ticket.text_accepted")
    assert (entry.actor, (entry.payload or {})["reason"]) == ("human:ann", "a typo")
    assert desk.ask("ticket.show", who, number=number)["ticket"]["title"] == "Greet"


def test_the_text_of_a_pull_request_is_known_from_its_opening_and_accepted_by_its_number(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    (opened,) = desk.entries("pr_created")
    shown = desk.forge.pull(pull)
    assert (opened.payload or {})["text"] == text_digest(shown.title, shown.body)
    assert desk.ask("ticket.accept", number=pull)["accepted"] is False
    edited = Draft(
        Stream.DECISION, "pr.text_accepted", "human:ann", subject=f"pr/{pull}", payload={"text": text_digest("A", "B")}
    )
    desk.db.write(lambda tx: journal.append(tx, edited))
    who = desk.reviewer("tech-lead", pull, ticket, head)
    assert desk.ask("pr.show", who, number=pull)["pr"]["title"] == "", "nobody accepted it yet"
    answer = desk.ask("ticket.accept", number=pull)
    assert (answer["subject"], answer["ticket"], answer["accepted"]) == (f"pr/{pull}", ticket, True)
    assert desk.entries("pr.text_accepted")[-1].work_item == f"ticket/{ticket}"
    assert desk.ask("pr.show", who, number=pull)["pr"]["title"] == shown.title
    with pytest.raises(NotFound):
        desk.ask("ticket.accept", number=99)


def test_why_names_the_hold(desk: Desk) -> None:
    number = desk.ticket("Greet", "fleet:hold")
    lines = "\n".join(desk.ask("why", ref=f"ticket/{number}")["lines"])
    assert "It carries fleet:hold" in lines
    assert f"fleet ticket label {number} --remove fleet:hold" in lines
