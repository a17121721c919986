"""fabric.publish: who may say what, and what is written."""

from __future__ import annotations

import pytest

from fleet.control.publish import SOURCES
from fleet.core.errors import Conflict, FleetError, Refused, UsageError
from fleet.core.event import BUILTIN, FABRIC_KINDS
from fleet.core.journal import Stream
from fleet.testing.desk import ANN, Desk

RESERVED = sorted(set(BUILTIN) - set(FABRIC_KINDS))


def code_of(desk: Desk, who: object = ANN, **args: object) -> tuple[type[FleetError], str]:
    """How a publish is refused."""
    with pytest.raises(FleetError) as caught:
        desk.ask("fabric.publish", who, **args)  # type: ignore[arg-type]
    return type(caught.value), caught.value.code


def test_a_note_is_written_with_the_sender_derived(desk: Desk) -> None:
    number = desk.ticket()
    who = desk.run("developer", f"ticket/{number}")
    made = desk.ask("fabric.publish", who, kind="note", summary="half done", payload='{"files": 3}')
    (entry,) = desk.entries("note", run_id=who.run_id)
    assert (entry.id, entry.seq) == (made["id"], made["seq"])
    assert (entry.stream, entry.kind, entry.actor) == (Stream.EVENT, "note", "agent:developer")
    assert (entry.subject, entry.work_item, entry.agent) == (f"ticket/{number}", f"ticket/{number}", "")
    assert entry.payload == {"files": 3}


@pytest.mark.parametrize("event", RESERVED)
def test_events_with_a_source_of_their_own_cannot_be_published_by_anybody(desk: Desk, event: str) -> None:
    developer = desk.run("developer", "ticket/1")
    reviewer = desk.run("tech-lead", "pr/2", item="ticket/1", head="a" * 40)
    expected = (UsageError, "FLT-CTL-003") if "." in event else (Refused, "FLT-CTL-005")
    assert code_of(desk, event=event) == expected
    assert code_of(desk, developer, event=event) == expected
    assert code_of(desk, reviewer, event=event, subject="pr/2") == expected


def test_the_refusal_of_a_reserved_event_names_its_verb() -> None:
    assert set(SOURCES) == {name for name in RESERVED if BUILTIN[name].stream is Stream.EVENT}


def test_the_refusal_is_on_record(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    code_of(desk, who, event="pr_approved", subject="ticket/1")
    desk.db.write(lambda tx: None)  # behind what was submitted without waiting
    (entry,) = desk.entries("request.refused")
    assert (entry.actor, entry.run_id) == ("agent:developer", who.run_id)
    assert entry.payload is not None
    assert entry.payload["code"] == "FLT-CTL-005"


def test_a_declared_custom_event_is_published_by_its_declarer_and_by_people_only(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    reviewer = desk.run("tech-lead", "pr/2", item="ticket/1", head="a" * 40)
    desk.ask("fabric.publish", who, event="smoke_done")
    desk.ask("fabric.publish", event="smoke_done", subject="ticket/1")
    assert [entry.kind for entry in desk.entries("smoke_done")] == ["note", "note"]
    assert code_of(desk, reviewer, event="smoke_done") == (Refused, "FLT-AUT-015")


def test_an_event_that_nobody_declares_is_a_usage_error_for_people(desk: Desk) -> None:
    assert code_of(desk, event="deploy_done") == (UsageError, "FLT-CTL-006")
    assert code_of(desk, desk.run("developer", "ticket/1"), event="deploy_done") == (Refused, "FLT-AUT-015")


def test_an_event_that_the_role_does_not_emit_is_refused(desk: Desk) -> None:
    assert code_of(desk, desk.run("release-manager", "pr/2"), event="task") == (Refused, "FLT-AUT-015")
    desk.ask("fabric.publish", event="task")


def test_a_run_speaks_about_its_own_objects_only(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    assert code_of(desk, who, event="note", subject="ticket/2") == (Refused, "FLT-AUT-013")


def test_event_and_kind_have_to_fit(desk: Desk) -> None:
    assert code_of(desk) == (UsageError, "FLT-CTL-004")
    assert code_of(desk, event="blocker", kind="note") == (UsageError, "FLT-CTL-007")
    desk.ask("fabric.publish", event="blocker", kind="blocker")
    desk.ask("fabric.publish", event="smoke_done", kind="artifact")
    assert [entry.kind for entry in desk.entries("smoke_done")] == ["artifact"]


def test_a_run_that_has_ended_says_nothing_more(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    desk.end(who)
    assert code_of(desk, who, event="note") == (Refused, "FLT-AUT-001")


def test_the_quick_way_gives_the_same_answer_and_the_same_errors(desk: Desk) -> None:
    made = desk.control.start(ANN, "fabric.publish", {"event": "note"}).result(60)
    assert desk.entries("note")[0].id == made["id"]
    future = desk.control.start(ANN, "fabric.publish", {"event": "pr_merged"})
    with pytest.raises(Refused):
        future.result(60)


def test_a_statement_about_a_pull_request_speaks_of_the_head_its_author_saw(desk: Desk) -> None:
    number = desk.ticket()
    _, pull, head = desk.pushed("developer", number)
    reviewer = desk.reviewer("tech-lead", pull, number, head)
    _, _, second = desk.pushed("developer", number)
    assert second != head
    desk.ask("fabric.publish", reviewer, event="note")
    desk.ask("fabric.publish", event="note", subject=f"pr/{pull}")
    by_run, by_ann = (entry for entry in desk.entries("note") if entry.actor != "forge:local")
    assert (by_run.generation, by_run.work_item) == (head, f"ticket/{number}")
    assert (by_ann.generation, by_ann.work_item) == (second, f"ticket/{number}")


def test_a_publish_repeated_with_its_key_is_recorded_once(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    first = desk.ask("fabric.publish", who, kind="note", summary="half done", key="k1")
    again = desk.ask("fabric.publish", who, kind="note", summary="half done", key="k1")
    assert (first["repeated"], again) == (False, {**first, "repeated": True})
    assert len(desk.entries("note", run_id=who.run_id)) == 1


def test_a_key_belongs_to_its_sender(desk: Desk) -> None:
    first, second = desk.run("developer", "ticket/1"), desk.run("developer", "ticket/2")
    made = [desk.ask("fabric.publish", who, kind="note", summary="x", key="k1") for who in (first, second, ANN)]
    assert len({row["seq"] for row in made}) == 3


@pytest.mark.parametrize("other", [{"summary": "y"}, {"summary": "x", "payload": '{"a": 1}'}])
def test_a_key_cannot_carry_another_event(desk: Desk, other: dict[str, object]) -> None:
    desk.ask("fabric.publish", kind="note", summary="x", key="k1")
    assert code_of(desk, kind="note", key="k1", **other) == (Conflict, "FLT-FAB-003")
    assert code_of(desk, kind="blocker", key="k1", summary="x") == (Conflict, "FLT-FAB-003")


def test_a_repeated_publish_is_fine_after_its_payload_was_erased(desk: Desk) -> None:
    made = desk.ask("fabric.publish", kind="note", summary="x", payload='{"a": 1}', key="k1")
    desk.ask("audit.erase", entry=made["id"], reason="a secret")
    assert desk.ask("fabric.publish", kind="note", summary="x", payload='{"a": 1}', key="k1")["repeated"]
