"""A held start and its gate, as people meet it: ``fleet why``, the question, the answer, a denial with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.config.gate import GateConfig
from fleet.core.work import DeliveryState
from fleet.dispatch.dispatcher import Dispatcher
from fleet.fabric.router import Router
from fleet.store import deliveries
from fleet.testing.desk import Desk
from fleet.testing.scene import member, usual_members

GATE = GateConfig.model_validate_json(
    """{"all_of": [{"approvals": 2}, {"any_of": [{"label": "go-now"}, {"event": "smoke_done"}]},
        {"max_diff": {"lines": 50}}, {"time_window": {"opens": "02:00", "closes": "03:00"}}]}"""
)
PERSON = GateConfig(approved_by_person=True)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The usual members; the release manager has GATE, the auditor waits for a person."""
    kept = [one for one in usual_members() if one.name != "release-manager"]
    release = member("release-manager", "release-manager", "pr_approved", subscription_gate=GATE)
    auditor = member("auditor", "tech-lead", "pr_created", subscription_gate=PERSON)
    made = Desk(tmp_path, (*kept, release, auditor))
    yield made
    made.close()


def rest(desk: Desk) -> None:
    """Route and dispatch until nothing moves."""
    router, dispatcher = Router(desk.db, desk.context.config), Dispatcher(desk.db, desk.live, desk.context.config)
    while router.tick(desk.clock.now()).did + dispatcher.tick(desk.clock.now()).did:
        pass


def approved(desk: Desk) -> tuple[int, int]:
    """A pull request that both reviewers approved, everything routed; ticket and number."""
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    for name in ("tech-lead", "qa-engineer"):
        desk.ask("pr.review", desk.reviewer(name, pull, ticket, head), number=pull, verdict="approve")
    rest(desk)
    return ticket, pull


def test_why_lists_each_condition_with_its_fact_and_what_to_type(desk: Desk) -> None:
    ticket, pull = approved(desk)
    found = desk.ask("why", ref=f"pr/{pull}")
    lines = found["lines"]
    at = lines.index(f"release-manager starts on pr/{pull} once this is met:")
    told = [line.strip() for line in lines[at + 1 : at + 8]]
    assert told[0] == "not yet  all of these:"
    assert told[1].startswith("met      approvals 2: agent:tech-lead, agent:qa-engineer approved ")
    assert told[2] == "not yet  one of these:"
    assert told[3] == (f"not yet  label go-now: pr/{pull} does not carry it (fleet ticket label {pull} --add go-now)")
    assert told[4].endswith(f"(fleet fabric publish --event smoke_done --subject pr/{pull})")
    assert told[5].startswith("met      a diff of at most 50 lines: it is ")
    assert told[6].startswith("not yet  time 02:00-03:00 UTC: it is closed; it opens 2023-11-1")
    held = {one["agent"]: one for one in found["waiting"]}
    gate = held["release-manager"]["gate"]
    assert [one["answer"] for one in gate["conditions"]] == ["met", "not yet", "met", "not yet"]
    assert gate["conditions"][3]["opens_at"] > desk.clock.now()
    for ref in (f"ticket/{ticket}", "release-manager"):
        assert {one["agent"] for one in desk.ask("why", ref=ref)["waiting"]} >= {"release-manager"}


EVERY: dict[str, object] = {
    "approved": True,
    "approvals": 3,
    "approved_by_person": True,
    "reviewers_answered": True,
    "check": "build",
    "label": "go-now",
    "event": "smoke_done",
    "time_window": {"opens": "02:00", "closes": "03:00"},
    "max_diff": {"lines": 50},
    "max_risk": "low",
}


def test_why_explains_every_condition_of_the_grammar_on_one_screen(tmp_path: Path) -> None:
    """Each with what it asks, whether it is met and the fact it saw; what a person can do about it can be typed."""
    assert EVERY.keys() | {"all_of", "any_of"} == GateConfig.model_fields.keys(), "a new condition belongs here"
    gate = GateConfig.model_validate({"all_of": tuple({name: value} for name, value in EVERY.items())}, strict=False)
    kept = [one for one in usual_members() if one.name != "release-manager"]
    held = Desk(tmp_path, (*kept, member("release-manager", "release-manager", "pr_approved", subscription_gate=gate)))
    _, pull = approved(held)
    found = held.ask("why", ref=f"pr/{pull}")
    (waits,) = [one for one in found["waiting"] if one["agent"] == "release-manager"]
    told = {one["condition"]: one for one in waits["gate"]["conditions"]}
    assert told.keys() == EVERY.keys()
    assert all(one["asks"] and one["text"] and one["answer"] in ("met", "not yet", "never") for one in told.values())
    met = {name for name, one in told.items() if one["answer"] == "met"}
    assert met == {"approved", "reviewers_answered", "max_diff"}
    typed = {name for name, one in told.items() if one.get("hint", "").startswith("fleet ")}
    assert typed == EVERY.keys() - met - {"check", "time_window"}  # a program, and the hour
    at = found["lines"].index(f"release-manager starts on pr/{pull} once this is met:")
    told_lines = found["lines"][at + 2 : at + 2 + len(EVERY)]
    assert [name for name, line in zip(EVERY, told_lines, strict=True) if told[name]["text"] not in line] == []
    assert len(found["lines"]) <= 40, "more than one screen"
    held.close()


def test_a_person_is_asked_about_a_start_and_the_start_goes_on(desk: Desk) -> None:
    _, pull = approved(desk)
    (one,) = desk.ask("approvals")["approvals"]
    assert (one["asked"], one["agent"], one["subject"]) == ("start", "auditor", f"pr/{pull}")
    shown = desk.ask("approval.show", id=one["id"])
    assert shown["approval"]["reasons"][0]["code"] == "FLT-POL-112"
    desk.ask("approval.grant", id=one["id"])
    rest(desk)
    (entry,) = [one for one in desk.entries("delivery.dispatched") if one.agent == "auditor"]
    assert "human:ann approved" in str(entry.payload)
    (granted,) = desk.entries("approval.granted")
    assert f"auditor may start on pr/{pull}" in granted.summary


def test_a_persons_review_answers_the_question_about_a_start(desk: Desk) -> None:
    _, pull = approved(desk)
    desk.ask("pr.review", number=pull, verdict="approve")
    assert desk.ask("approvals")["approvals"] == []
    rest(desk)
    assert [one.agent for one in desk.entries("delivery.dispatched")].count("auditor") == 1


def test_a_denied_start_goes_back_to_the_author_with_the_reason(desk: Desk) -> None:
    _, pull = approved(desk)
    (one,) = desk.ask("approvals")["approvals"]
    desk.ask("approval.deny", id=one["id"], reason="say why in the ticket")
    rest(desk)
    (back,) = desk.entries("pr_changes_requested")
    assert (back.actor, (back.payload or {})["body"]) == ("human:ann", "say why in the ticket")
    assert [entry.agent for entry in desk.entries("delivery.dispatched")][-1] == "developer"
    held = [one for one in desk.db.read(lambda tx: deliveries.for_agent(tx, "auditor")) if one.subject == f"pr/{pull}"]
    assert {one.state for one in held} == {DeliveryState.HELD}


def test_the_gate_is_judged_anew_at_the_hour(desk: Desk) -> None:
    _, pull = approved(desk)
    desk.ask("ticket.label", number=pull, add=["go-now"])
    desk.ask("pr.waive", number=pull, agent="auditor", reason="not today")
    rest(desk)
    assert [one for one in desk.entries("delivery.dispatched") if one.agent == "release-manager"] == []
    gate = {one["agent"]: one["gate"] for one in desk.ask("why", ref=f"pr/{pull}")["waiting"]}["release-manager"]
    desk.clock.advance((gate["conditions"][3]["opens_at"] - desk.clock.now()) / 1_000_000 + 1)
    rest(desk)
    assert len([one for one in desk.entries("delivery.dispatched") if one.agent == "release-manager"]) == 1
