"""Messages, questions, handoffs and blockers: who is told, who may read, and that nothing is lost silently."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.control.acceptance import accept_config
from fleet.core.errors import Conflict, FleetError, NotFound, Refused, UsageError
from fleet.core.journal import Stream
from fleet.core.principal import Principal, human
from fleet.fabric import asking, blocking, mail
from fleet.fabric.reporting import responsible
from fleet.store import agents
from fleet.testing.desk import ANN, Desk
from fleet.testing.scene import load, member, usual_members

BOB = human("bob")


def code_of(call: Callable[[], object]) -> tuple[type[FleetError], str]:
    """How a call is refused."""
    with pytest.raises(FleetError) as caught:
        call()
    return type(caught.value), caught.value.code


def items(desk: Desk, who: Principal = ANN, **args: Any) -> list[dict[str, Any]]:
    """What an inbox shows."""
    found: list[dict[str, Any]] = desk.ask("inbox", who, **args)["items"]
    return found


def leave(desk: Desk, name: str) -> None:
    """An agent leaves the fleet, as when it is taken out of the configuration."""
    rest = tuple(one for one in desk.loaded.config.agents if one.name != name)
    changed = load(rest, desk.loaded.roles)
    accept_config(desk.db, changed, ANN)


# -- people write to agents ----------------------------------------------------------------------------


def test_a_message_is_queued_then_delivered_when_its_reader_looks_then_consumed_when_it_says_so(desk: Desk) -> None:
    sent = desk.ask("agent.send", name="developer", text="Leave the old API in place.", subject="ticket/1")["message"]
    assert (sent["state"], sent["kind"], sent["from"], sent["trusted"]) == ("queued", "message", "human:ann", True)
    (seen,) = items(desk, agent="developer")
    assert seen["state"] == "queued", "a person who looks into it delivers nothing"

    who = desk.run("developer", "ticket/1")
    (shown,) = items(desk, who)
    assert (shown["state"], shown["shown_to"], shown["text"]) == (
        "delivered",
        who.run_id,
        "Leave the old API in place.",
    )
    (done,) = desk.ask("inbox.ack", who, messages=[sent["number"]])["items"]
    assert done["state"] == "consumed"
    assert done["queued_at"] < done["delivered_at"] < done["consumed_at"]
    assert items(desk, who) == []
    assert [one["number"] for one in items(desk, who, all=True)] == [sent["number"]]
    told = [entry.type for entry in desk.entries(agent="developer") if entry.type.startswith("message.")]
    assert told == ["message.sent", "message.delivered", "message.consumed"]


def test_looking_and_acknowledging_twice_is_recorded_once(desk: Desk) -> None:
    number = desk.ask("agent.send", name="developer", text="hello")["message"]["number"]
    who = desk.run("developer", "ticket/1")
    for _ in range(2):
        items(desk, who)
    for _ in range(2):
        desk.ask("inbox.ack", who, messages=[number, number])
    assert len(desk.entries("message.delivered")) == len(desk.entries("message.consumed")) == 1


def test_what_was_said_stands_in_the_payload_and_not_in_the_summary(desk: Desk) -> None:
    desk.ask("agent.send", name="developer", text="the password is hunter2")
    number = desk.ask("ask", desk.run("developer", "ticket/1"), text="is hunter2 right?")["question"]["number"]
    desk.ask("answer", question=number, text="no, hunter3")
    for entry in desk.entries():
        assert "hunter" not in entry.summary
    assert {entry.type for entry in desk.entries() if "hunter" in str(entry.payload)} == {
        "message.sent",
        "question.asked",
        "question.answered",
    }


def test_erasing_an_entry_blanks_what_the_inbox_still_says(desk: Desk) -> None:
    desk.ask("agent.send", name="developer", text="the password is hunter2")
    number = desk.ask("ask", desk.run("developer", "ticket/1"), text="hunter2?")["question"]["number"]
    desk.ask("answer", question=number, text="hunter3!")
    desk.ask("fabric.publish", kind="task", summary="Log in", payload='{"body": "with hunter4"}')
    for kind in ("message.sent", "question.asked", "question.answered", "task"):
        (entry,) = desk.entries(kind)
        desk.ask("audit.erase", entry=entry.id, reason="a password")
    said = [
        desk.ask("inbox", all=True),
        desk.ask("inbox", agent="developer", all=True),
        desk.ask("questions", all=True),
        desk.ask("fabric.tasks"),
    ]
    assert "hunter" not in str(said)
    assert desk.ask("audit.verify")["ok"]


def test_an_agent_reads_and_acknowledges_its_own_messages_only(desk: Desk) -> None:
    number = desk.ask("agent.send", name="tech-lead", text="for the lead")["message"]["number"]
    who = desk.run("developer", "ticket/1")
    refused = (Refused, "FLT-FAB-113")
    assert code_of(lambda: items(desk, who, agent="tech-lead")) == refused
    assert code_of(lambda: desk.ask("inbox.ack", who, messages=[number])) == refused
    assert code_of(lambda: desk.ask("inbox.ack", messages=[number])) == refused
    assert code_of(lambda: desk.ask("inbox.ack", messages=[99])) == (NotFound, "FLT-FAB-110")
    assert code_of(lambda: desk.ask("agent.send", who, name="tech-lead", text="hi")) == (Refused, "FLT-AUT-011")
    assert items(desk, agent="tech-lead")[0]["state"] == "queued"
    assert items(desk, who, agent="developer") == []


def test_an_acknowledgement_that_is_refused_in_part_changes_nothing(desk: Desk) -> None:
    mine = desk.ask("agent.send", name="developer", text="yours")["message"]["number"]
    other = desk.ask("agent.send", name="tech-lead", text="not yours")["message"]["number"]
    who = desk.run("developer", "ticket/1")
    code_of(lambda: desk.ask("inbox.ack", who, messages=[mine, other]))
    assert [one["number"] for one in items(desk, who)] == [mine]


def test_a_full_inbox_refuses_and_names_what_to_do(firm: Desk) -> None:
    for _ in range(3):
        firm.ask("agent.send", name="developer", text="again")
    with pytest.raises(Refused) as caught:
        firm.ask("agent.send", name="developer", text="once too often")
    assert (caught.value.code, caught.value.exit_code) == ("FLT-FAB-112", 6)
    assert caught.value.message == "the inbox of agent:developer holds 3 unread messages and takes no more"
    who = firm.run("developer", "ticket/1")
    firm.ask("inbox.ack", who, messages=[items(firm, who)[0]["number"]])
    firm.ask("agent.send", name="developer", text="room again")


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 8193, "a\0b"])
def test_words_are_bounded_and_not_blank(desk: Desk, text: str) -> None:
    assert code_of(lambda: desk.ask("agent.send", name="developer", text=text)) == (UsageError, "FLT-CTL-003")
    assert code_of(lambda: desk.ask("ask", text=text)) == (UsageError, "FLT-CTL-003")
    assert code_of(lambda: desk.ask("answer", question=1, text=text)) == (UsageError, "FLT-CTL-003")


@pytest.mark.parametrize("messages", [[], [0], ["1"], list(range(1, 102)), "1"])
def test_messages_to_acknowledge_are_numbers(desk: Desk, messages: object) -> None:
    assert code_of(lambda: desk.ask("inbox.ack", messages=messages)) == (UsageError, "FLT-CTL-003")


def test_what_an_agent_that_left_did_not_read_is_for_people_and_on_record(desk: Desk) -> None:
    numbers = [desk.ask("agent.send", name="scribe", text=f"no {count}")["message"]["number"] for count in range(3)]
    who = desk.run("scribe", "ticket/1")
    items(desk, who)
    desk.ask("inbox.ack", who, messages=[numbers[0]])
    leave(desk, "scribe")
    assert [(one["number"], one["returned_from"]) for one in items(desk)] == [
        (numbers[1], "scribe"),
        (numbers[2], "scribe"),
    ]
    (entry,) = desk.entries("message.returned")
    assert entry.payload == {"agent": "scribe", "messages": numbers[1:]}
    assert code_of(lambda: desk.ask("agent.send", name="scribe", text="hi")) == (NotFound, "FLT-FAB-117")
    assert code_of(lambda: desk.ask("fabric.handoff", to="scribe", summary="x")) == (NotFound, "FLT-FAB-117")
    assert code_of(lambda: desk.ask("agent.send", name="nobody", text="hi")) == (NotFound, "FLT-AGT-001")
    desk.ask("inbox.ack", messages=numbers[1:])


# -- agents ask people ---------------------------------------------------------------------------------


def test_an_agent_asks_and_the_answer_is_in_its_inbox(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    asked = desk.ask("ask", who, text="May I change the API?")["question"]
    assert (asked["state"], asked["asker"], asked["subject"], asked["run"]) == (
        "open",
        "agent:developer",
        "ticket/1",
        who.run_id,
    )
    (mine,) = items(desk)
    assert (mine["kind"], mine["about"], mine["trusted"], mine["state"]) == (
        "question",
        asked["number"],
        False,
        "delivered",
    )
    answer = desk.ask("answer", BOB, question=asked["number"], text="Yes.")
    assert (answer["delivered_to"], answer["question"]["answered_by"]) == ("agent:developer", "human:bob")
    assert items(desk) == [], "answering acknowledges the question"
    (got,) = items(desk, who)
    assert (got["kind"], got["text"], got["from"], got["trusted"], got["about"]) == (
        "answer",
        "Yes.",
        "human:bob",
        True,
        asked["number"],
    )
    (entry,) = desk.entries("question.answered")
    assert (entry.stream, entry.work_item, entry.agent) == (Stream.DECISION, "ticket/1", "developer")


def test_a_question_is_answered_once_and_the_second_person_is_told_by_whom(desk: Desk) -> None:
    number = desk.ask("ask", desk.run("developer", "ticket/1"), text="Which?")["question"]["number"]
    desk.ask("answer", question=number, text="This one.")
    with pytest.raises(Conflict) as caught:
        desk.ask("answer", BOB, question=number, text="That one.")
    assert (caught.value.code, caught.value.exit_code) == ("FLT-FAB-115", 8)
    assert caught.value.message == "answered already by human:ann"
    assert desk.ask("question", question=number)["question"]["answer"] == "This one."


def test_only_people_answer(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    number = desk.ask("ask", who, text="May I?")["question"]["number"]
    assert code_of(lambda: desk.ask("answer", who, question=number, text="Yes!")) == (Refused, "FLT-AUT-011")
    assert code_of(lambda: desk.ask("answer", question=99, text="Yes!")) == (NotFound, "FLT-FAB-111")
    assert desk.ask("question", who, question=number)["question"]["state"] == "open"


def test_work_that_is_tried_again_asks_its_open_question_once(desk: Desk) -> None:
    first = desk.run("developer", "ticket/1")
    asked = desk.ask("ask", first, text="Which?")["question"]["number"]
    desk.end(first)
    second = desk.run("developer", "ticket/1")
    again = desk.ask("ask", second, text="Which?")
    assert (again["question"]["number"], again["repeated"]) == (asked, True)
    desk.ask("answer", question=asked, text="This one.")
    fresh = desk.ask("ask", second, text="Which?")
    assert not fresh["repeated"], "an old answer never answers a new question"


def test_the_asker_that_waits_for_its_question_is_shown_the_answer(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    number = desk.ask("ask", who, text="Which?")["question"]["number"]
    desk.ask("answer", question=number, text="This one.")
    assert desk.ask("question", who, question=number)["question"]["answer"] == "This one."
    (got,) = items(desk, agent="developer")
    assert (got["state"], got["shown_to"]) == ("delivered", who.run_id)


def test_open_questions_of_one_agent_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_OPEN", 2)
    who = desk.run("developer", "ticket/1")
    for count in range(2):
        desk.ask("ask", who, text=f"no {count}")
    assert code_of(lambda: desk.ask("ask", who, text="no 2")) == (Refused, "FLT-FAB-114")
    assert len(desk.entries("question.asked")) == 2
    monkeypatch.setattr(mail, "MOST_PEOPLE", 2)
    other = desk.run("tech-lead", "ticket/2")
    assert code_of(lambda: desk.ask("ask", other, text="and I?")) == (Refused, "FLT-FAB-112")
    assert len(desk.entries("question.asked")) == 2


def test_the_answer_for_an_agent_that_left_is_on_record_and_says_so(desk: Desk) -> None:
    number = desk.ask("ask", desk.run("scribe", "ticket/1"), text="Which?")["question"]["number"]
    leave(desk, "scribe")
    answer = desk.ask("answer", question=number, text="This one.")
    assert (answer["delivered_to"], answer["question"]["answer"]) == ("", "This one.")


def test_an_agent_asks_about_its_own_work_only(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    assert code_of(lambda: desk.ask("ask", who, text="Which?", subject="ticket/2")) == (Refused, "FLT-AUT-013")


# -- work is passed on ---------------------------------------------------------------------------------


def test_a_handoff_is_an_event_for_one_agent_and_a_message_in_its_inbox(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    made = desk.ask("fabric.handoff", who, to="scribe", summary="The docs are yours", payload='{"files": 2}')
    (entry,) = desk.entries("handoff")
    assert (entry.id, entry.agent, entry.subject, entry.run_id) == (made["id"], "scribe", "ticket/1", who.run_id)
    assert entry.payload == {"files": 2, "to": "scribe", "message": made["message"]["number"]}
    assert (made["message"]["kind"], made["message"]["to"], made["message"]["trusted"]) == (
        "handoff",
        "agent:scribe",
        False,
    )
    assert made["wakes"] is False


def test_a_run_that_repeats_a_handoff_hands_over_once_and_a_person_means_it_again(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    first, second = (desk.ask("fabric.handoff", who, to="scribe", summary="Yours") for _ in range(2))
    assert (second["repeated"], second["message"]["number"]) == (True, first["message"]["number"])
    desk.ask("fabric.handoff", who, to="scribe", summary="Yours, and this too")
    for _ in range(2):
        desk.ask("fabric.handoff", to="scribe", summary="Yours")
    assert len(items(desk, agent="scribe")) == 4


def test_a_handoff_to_nobody_or_by_a_role_that_hands_nothing_over_is_refused(desk: Desk) -> None:
    assert code_of(lambda: desk.ask("fabric.handoff", to="nobody", summary="x")) == (NotFound, "FLT-AGT-001")
    who = desk.run("developer", "ticket/1")
    mute = Principal(who.kind, who.name, who.run_id, who.epoch, who.role, who.verbs, frozenset(), who.subjects)
    assert code_of(lambda: desk.ask("fabric.handoff", mute, to="scribe", summary="x")) == (Refused, "FLT-AUT-015")
    assert code_of(lambda: desk.ask("fabric.handoff", who, to="scribe", summary="x", subject="ticket/9")) == (
        Refused,
        "FLT-AUT-013",
    )
    desk.end(who)
    assert code_of(lambda: desk.ask("fabric.handoff", who, to="scribe", summary="x")) == (Refused, "FLT-AUT-001")


# -- what stands in the way ----------------------------------------------------------------------------


def test_a_blocker_shows_in_the_status_until_it_is_resolved_and_its_opener_hears_how(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    name = desk.ask("fabric.publish", who, kind="blocker", summary="No credentials")["object"]
    assert name == "blocker/1"
    (shown,) = desk.ask("status")["blockers"]
    assert (shown["text"], shown["opened_by"], shown["subject"], shown["told"]) == (
        "No credentials",
        "agent:developer",
        "ticket/1",
        "people",
    )
    assert [(one["kind"], one["about"]) for one in items(desk)] == [("blocker", 1)]
    desk.ask("fabric.resolve", blocker=1, text="They are in the vault")
    status = desk.ask("status")
    assert (status["blockers"], status["inbox"]["people"]) == ([], {"queued": 0, "delivered": 0})
    assert status["inbox"]["agents"] == {"developer": {"queued": 1, "delivered": 0}}
    (got,) = items(desk, who)
    assert (got["kind"], got["text"], got["about"]) == ("resolution", "They are in the vault", 1)
    (entry,) = desk.entries("blocker_resolved")
    assert (entry.kind, entry.work_item) == ("blocker", "ticket/1")
    with pytest.raises(Conflict) as caught:
        desk.ask("fabric.resolve", BOB, blocker=1, text="again")
    assert (caught.value.code, caught.value.message) == (
        "FLT-FAB-123",
        "resolved already by human:ann: They are in the vault",
    )
    assert [one["state"] for one in desk.ask("fabric.blockers", all=True)["blockers"]] == ["resolved"]
    assert desk.ask("fabric.blockers")["blockers"] == []


def test_the_same_open_blocker_is_not_opened_twice(desk: Desk) -> None:
    first = desk.run("developer", "ticket/1")
    desk.ask("fabric.publish", first, kind="blocker", summary="No credentials")
    desk.end(first)
    again = desk.ask("fabric.publish", desk.run("developer", "ticket/1"), kind="blocker", summary="No credentials")
    assert (again["repeated"], again["object"]) == (True, "blocker/1")
    other = desk.ask("fabric.publish", desk.run("developer", "ticket/2"), kind="blocker", summary="No credentials")
    assert other["object"] == "blocker/2"
    assert len(desk.entries("blocker")) == 2


def test_strangers_do_not_resolve_a_blocker_and_whoever_opened_it_may(desk: Desk) -> None:
    who, stranger = desk.run("developer", "ticket/1"), desk.run("tech-lead", "ticket/2")
    desk.ask("fabric.publish", who, kind="blocker", summary="stuck")
    assert code_of(lambda: desk.ask("fabric.resolve", stranger, blocker=1, text="go")) == (Refused, "FLT-FAB-122")
    assert code_of(lambda: desk.ask("fabric.resolve", blocker=9, text="go")) == (NotFound, "FLT-FAB-120")
    desk.ask("fabric.resolve", who, blocker=1, text="found another way")
    assert items(desk, who) == [], "nobody is told what it did itself"


def test_open_blockers_of_one_sender_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "MOST_OPEN", 1)
    desk.ask("fabric.publish", kind="blocker", summary="one")
    assert code_of(lambda: desk.ask("fabric.publish", kind="blocker", summary="two")) == (Refused, "FLT-FAB-121")
    assert len(desk.entries("blocker")) == 1


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[Desk]:
    """Inboxes that take three messages; developer -> (disabled) deputy -> tech-lead -> the owner."""
    usual = tuple(one for one in usual_members() if one.name not in ("developer", "tech-lead"))
    made = Desk(
        tmp_path,
        (
            member("developer", "developer", "ticket_ready", reports_to="deputy"),
            member("deputy", "tech-lead", enabled=False, reports_to="tech-lead"),
            member("tech-lead", "tech-lead", "pr_needs_review", "handoff", reports_to="ann"),
            *usual,
        ),
        owner="ann",
        fabric={"inbox_limit": 3},
    )
    yield made
    made.close()


def test_a_blocker_goes_to_whoever_reports_to_says(firm: Desk) -> None:
    config = firm.loaded.config
    assert responsible(config, "agent:developer") == "agent:tech-lead", "a disabled deputy is passed over"
    assert responsible(config, "agent:tech-lead") == "people"
    assert responsible(config, "agent:qa-engineer") == "people"
    assert responsible(config, "human:ann") == "people"
    who, lead = firm.run("developer", "ticket/1"), firm.run("tech-lead", "ticket/2")
    firm.ask("fabric.publish", who, kind="blocker", summary="stuck")
    assert items(firm) == []
    (told,) = items(firm, lead)
    assert (told["kind"], told["from"], told["trusted"]) == ("blocker", "agent:developer", False)
    firm.ask("fabric.resolve", lead, blocker=1, text="do it like this")
    (got,) = items(firm, who)
    assert (got["from"], got["trusted"]) == ("agent:tech-lead", False)
    assert items(firm, lead) == []
    assert firm.ask("fabric.handoff", who, to="tech-lead", summary="Yours")["wakes"] is True


def test_a_blocker_whose_reader_has_a_full_inbox_goes_to_people(firm: Desk) -> None:
    for _ in range(3):
        firm.ask("agent.send", name="tech-lead", text="again")
    firm.ask("fabric.publish", firm.run("developer", "ticket/1"), kind="blocker", summary="stuck")
    assert [one["kind"] for one in items(firm)] == ["blocker"]
    assert firm.ask("fabric.blockers")["blockers"][0]["told"] == "people"


def test_a_paused_agent_keeps_its_messages(desk: Desk) -> None:
    desk.ask("agent.pause", name="developer", reason="a break")
    desk.ask("agent.send", name="developer", text="later")
    assert desk.db.read(lambda tx: agents.get(tx, "developer")).state == "paused"
    assert [one["text"] for one in items(desk, agent="developer")] == ["later"]
