"""approvals, approval.show, grant and deny: all that an approver needs, one answer, for exactly one content."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.control.test_merges import approved_pull

from fleet.assess.assessor import Assessor
from fleet.config.catalogue import load_roles
from fleet.control.proofs import outcomes
from fleet.core.errors import Conflict, FleetError, NotFound, Refused
from fleet.core.journal import Draft, Stream
from fleet.core.live import LiveCheck, WantedCheck
from fleet.core.principal import human
from fleet.core.work import RunState
from fleet.dispatch.glance import Reported
from fleet.store import journal
from fleet.testing.desk import ANN, Desk
from fleet.testing.repos import commit, git
from fleet.testing.scene import load, usual_members

BOB = human("bob")
PROTECTED = {"CLAUDE.md": "obey\n", "new.py": "print(1)\n"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The usual members; agents may merge."""
    made = Desk(tmp_path)
    yield made
    made.close()


def held(desk: Desk, files: dict[str, str] | None = None) -> tuple[int, int, str, str]:
    """A merge of protected paths that an agent tried: ticket, pull request, head, the approval's id."""
    ticket, pull, head = approved_pull(desk, files or PROTECTED)
    agent = desk.run("release-manager", f"pr/{pull}", event="agent_start_requested", item=f"ticket/{ticket}", head=head)
    with pytest.raises(Refused) as caught:
        desk.ask("pr.merge", agent, number=pull)
    assert (caught.value.code, "fleet approvals" in caught.value.hint) == ("FLT-POL-072", True)
    desk.end(agent)
    (one,) = desk.ask("approvals")["approvals"]
    assert (one["subject"], one["head"], one["agent"], one["status"]) == (
        f"pr/{pull}", head, "release-manager", "requested",
    )  # fmt: skip
    return ticket, pull, head, one["id"]


def try_merge(desk: Desk, ticket: int, pull: int, head: str) -> dict[str, Any]:
    """The release manager tries once more."""
    agent = desk.run("release-manager", f"pr/{pull}", event="agent_start_requested", item=f"ticket/{ticket}", head=head)
    try:
        return desk.ask("pr.merge", agent, number=pull)
    finally:
        desk.end(agent)


def refusal(desk: Desk, verb: str, who: Any = ANN, **args: object) -> tuple[type[FleetError], str]:
    """How a call is refused."""
    with pytest.raises(FleetError) as caught:
        desk.ask(verb, who, **args)
    return type(caught.value), caught.value.code


def edit_ticket(desk: Desk, number: int) -> None:
    """Somebody edits the ticket's body."""
    desk.db.write(lambda tx: tx.run("UPDATE forge_tickets SET body = 'other' WHERE number = :n", n=number))


def test_show_carries_all_that_an_approver_needs(desk: Desk) -> None:
    ticket, pull, head, name = held(desk)
    shown = desk.ask("approval.show", id=name)
    assert shown["approval"]["id"] == name
    assert [reason["facts"]["paths"] for reason in shown["approval"]["reasons"]] == [["CLAUDE.md"]]
    assert (shown["ticket"]["number"], shown["pr"]["number"], shown["pr"]["head"]) == (ticket, pull, head)
    assert "agent:developer" in shown["authors"]
    assert {one["by"] for one in shown["reviews"]} == {"agent:tech-lead", "agent:qa-engineer"}
    assert {one["agent"] for one in shown["runs"]} >= {"developer", "release-manager"}
    assert shown["used_seconds"] == 4.0
    assert shown["diffstat"] == [
        {"path": "CLAUDE.md", "added": 1, "removed": 0},
        {"path": "new.py", "added": 1, "removed": 0},
    ]
    assert "+obey" in shown["diff"]
    assert desk.ask("approval.show", id=f"pr/{pull}")["approval"]["id"] == name


def test_show_tells_the_risk_of_who_is_behind_it_and_of_who_waits(desk: Desk) -> None:
    """From the assessor's rows: nobody was assessed before its first tick."""
    _, _, _, name = held(desk)
    before = desk.ask("approval.show", id=name)["risk"]
    assert [(row["agent"], row["level"]) for row in before] == [("developer", ""), ("release-manager", "")]
    for _ in range(3):
        desk.end(desk.run("developer", f"ticket/{desk.ticket()}", event="ticket_ready"), RunState.TIMED_OUT)
    Assessor(desk.db, desk.context.doorway).tick(desk.clock.now())
    author, waits = desk.ask("approval.show", id=name)["risk"]
    assert (author["level"], waits["level"]) == ("high", "low")
    assert author["signals"][0]["value"] > 0
    assert (waits["signals"], waits["quarantined"]) == ([], False)


def test_show_tells_what_tests_came_to_in_structure(desk: Desk) -> None:
    """Checks of the forge, required ones that are missing, and events at this head; no prose of anybody."""
    loaded = load(usual_members(), load_roles(), required_checks=({"name": "build", "app_id": 7}, {"name": "lint"}))
    said = Reported((WantedCheck("docs"),), (LiveCheck("build", 7, "passed"), LiveCheck("extra", 0, "failed")))
    rows = outcomes(said, (), loaded)
    assert [(row["name"], row["by"], row["state"], row["required"]) for row in rows] == [
        ("build", "app 7", "passed", True),
        ("docs", "", "missing", True),
        ("lint", "", "missing", True),
        ("extra", "", "failed", False),
    ]
    ticket, pull, head, name = held(desk)
    assert desk.ask("approval.show", id=name)["tests"] == []
    draft = Draft(
        Stream.EVENT, "smoke_done", "agent:qa-engineer", subject=f"pr/{pull}", generation=head,
        work_item=f"ticket/{ticket}",
    )  # fmt: skip
    desk.db.write(lambda tx: journal.append(tx, draft))
    (row,) = desk.ask("approval.show", id=name)["tests"]
    assert (row["source"], row["name"], row["by"], row["state"]) == (
        "event", "smoke_done", "agent:qa-engineer", "published",
    )  # fmt: skip


def test_a_grant_lets_the_agent_merge_exactly_that_head(desk: Desk) -> None:
    ticket, pull, head, name = held(desk)
    answer = desk.ask("approval.grant", id=name, reason="read it")
    assert (answer["waiting"], answer["merged"], answer["approval"]["decided_by"]) == (
        "release-manager", None, "human:ann",
    )  # fmt: skip
    assert desk.ask("approvals")["approvals"] == []
    assert desk.ask("pr.show", number=pull)["pr"]["labels"] == ["approved"]
    assert try_merge(desk, ticket, pull, head)["head"] == head
    (entry,) = desk.entries("approval.granted")
    assert (entry.actor, entry.generation) == ("human:ann", head)


def test_an_agent_grants_and_denies_nothing(desk: Desk) -> None:
    ticket, pull, head, name = held(desk)
    lead = desk.reviewer("tech-lead", pull, ticket, head)
    assert refusal(desk, "approval.grant", lead, id=name) == (Refused, "FLT-AUT-011")
    assert refusal(desk, "approval.deny", lead, id=name, reason="no") == (Refused, "FLT-AUT-011")
    assert desk.ask("approval.show", lead, id=name)["approval"]["status"] == "requested"


def test_a_person_who_wrote_it_does_not_approve_it(desk: Desk) -> None:
    git(desk.paths.checkout, "switch", "--quiet", "--create", "topic")
    commit(desk.paths.checkout, PROTECTED)
    pull = desk.ask("pr.push", BOB, title="By hand", ref="topic")["pr"]
    head = desk.ask("pr.show", number=pull)["pr"]["head"]
    for name in ("tech-lead", "qa-engineer"):
        who = desk.run(name, f"pr/{pull}", event="pr_needs_review", head=head)
        desk.ask("pr.review", who, number=pull, verdict="approve")
    assert refusal(desk, "pr.merge", BOB, number=pull) == (Refused, "FLT-POL-072")
    assert refusal(desk, "approval.grant", BOB, id=f"pr/{pull}") == (Refused, "FLT-POL-052")
    assert refusal(desk, "approval.deny", BOB, id=f"pr/{pull}", reason="x") == (Refused, "FLT-POL-052")
    answer = desk.ask("approval.grant", ANN, id=f"pr/{pull}")
    assert answer["merged"] == git(desk.paths.bare, "rev-parse", "main"), "nobody else was waiting to merge it"
    assert git(desk.paths.bare, "rev-parse", "main^2") == head


def test_of_two_operators_one_decides_and_the_other_learns_who(desk: Desk) -> None:
    _, pull, _, name = held(desk)
    barrier = threading.Barrier(2)
    said: dict[str, str] = {}

    def answer(who: Any, verb: str, args: dict[str, object]) -> None:
        barrier.wait()
        try:
            desk.control.handle(who, verb, {"id": name, **args})
            said[who.name] = "ok"
        except Conflict as error:
            said[who.name] = f"{error.exit_code} {error.code} {error.message}"

    one = threading.Thread(target=answer, args=(ANN, "approval.grant", {}))
    two = threading.Thread(target=answer, args=(BOB, "approval.deny", {"reason": "no"}))
    for thread in (one, two):
        thread.start()
    for thread in (one, two):
        thread.join()
    assert sorted(said.values())[1] == "ok"
    first = "ann" if said["ann"] == "ok" else "bob"
    loser = said["bob" if first == "ann" else "ann"]
    assert loser.startswith("8 FLT-APR-002 human:")
    assert f"human:{first}" in loser
    assert len(desk.entries("approval.granted")) + len(desk.entries("approval.refused")) == 1
    assert len([one for one in desk.entries("pr_changes_requested") if one.subject == f"pr/{pull}"]) == (first == "bob")


def test_after_a_push_nothing_is_granted_and_the_new_head_is_named(desk: Desk) -> None:
    ticket, pull, _, name = held(desk)
    _, _, head = desk.pushed("developer", ticket, {"new.py": "print(2)\n"})
    with pytest.raises(Conflict) as caught:
        desk.ask("approval.grant", id=name)
    assert (caught.value.code, caught.value.exit_code) == ("FLT-APR-003", 8)
    assert head in caught.value.hint
    assert desk.entries("approval.granted") == []
    assert desk.ask("approvals")["approvals"] == []
    (row,) = desk.ask("approvals", all=True)["approvals"]
    assert (row["status"], row["changed"][0][:14]) == ("void", "the head moved")
    assert refusal(desk, "approval.grant", id=f"pr/{pull}") == (NotFound, "FLT-APR-004")


def test_an_edit_of_the_ticket_voids_the_question_and_the_grant(desk: Desk) -> None:
    ticket, pull, head, name = held(desk)
    desk.ask("approval.grant", id=name)
    edit_ticket(desk, ticket)
    with pytest.raises(Refused):
        try_merge(desk, ticket, pull, head)
    (new,) = desk.ask("approvals")["approvals"]
    assert new["id"] != name
    assert (new["head"], new["status"]) == (head, "requested")
    edit_again = refusal(desk, "approval.grant", id=name)
    assert edit_again == (Conflict, "FLT-APR-003")


def test_another_diff_of_the_same_head_voids_the_grant(desk: Desk) -> None:
    """The base moved into the branch: the commit is the one that was shown, what a merge of it brings in is not."""
    ticket = desk.ticket()
    _, pull, first = desk.pushed("developer", ticket, {"new.py": "print(1)\n"})
    _, _, head = desk.pushed("developer", ticket, {"CLAUDE.md": "obey\n"})

    def reviewed() -> None:
        for name in ("tech-lead", "qa-engineer"):
            who = desk.reviewer(name, pull, ticket, head)
            desk.ask("pr.review", who, number=pull, verdict="approve")
            desk.end(who)

    reviewed()
    with pytest.raises(Refused):
        try_merge(desk, ticket, pull, head)
    (one,) = desk.ask("approvals")["approvals"]
    desk.ask("approval.grant", id=one["id"])
    git(desk.paths.bare, "update-ref", "refs/heads/main", first)
    reviewed()
    with pytest.raises(Refused, match="protected"):
        try_merge(desk, ticket, pull, head)


def test_another_policy_voids_the_grant(desk: Desk) -> None:
    ticket, pull, head, name = held(desk)
    desk.ask("approval.grant", id=name)
    stricter = load(usual_members(), load_roles(), protected_paths=("CLAUDE.md", "new.py"), digest="d" * 64)
    desk.context.config.replace(stricter)
    with pytest.raises(Refused, match="protected"):
        try_merge(desk, ticket, pull, head)
    (new,) = desk.ask("approvals")["approvals"]
    assert (new["head"], new["id"] == name) == (head, False)


@pytest.mark.parametrize(("field", "value"), [("head", "b" * 40), ("content", "c" * 64)])
def test_what_the_caller_saw_has_to_be_what_is_there(desk: Desk, field: str, value: str) -> None:
    _, _, _, name = held(desk)
    assert refusal(desk, "approval.grant", id=name, **{field: value}) == (Conflict, "FLT-APR-003")
    assert desk.entries("approval.granted") == []


def test_a_repeated_grant_is_one_and_another_persons_is_late(desk: Desk) -> None:
    _, _, _, name = held(desk)
    desk.ask("approval.grant", id=name)
    assert desk.ask("approval.grant", id=name)["approval"]["state"] == "granted"
    assert refusal(desk, "approval.grant", BOB, id=name) == (Conflict, "FLT-APR-002")
    assert refusal(desk, "approval.deny", id=name, reason="no") == (Conflict, "FLT-APR-002")
    assert len(desk.entries("approval.granted")) == 1


def test_a_denial_goes_back_to_the_author_with_its_reason(desk: Desk) -> None:
    _, pull, head, name = held(desk)
    answer = desk.ask("approval.deny", id=name, reason="CLAUDE.md stays as it is")
    assert (answer["approval"]["state"], answer["author"]) == ("refused", "agent:developer")
    (event,) = desk.entries("pr_changes_requested")
    assert (event.actor, event.generation) == ("human:ann", head)
    assert (event.payload or {})["body"] == "CLAUDE.md stays as it is"
    shown = desk.ask("pr.show", number=pull)
    assert shown["pr"]["labels"] == ["changes-requested"]
    assert "CLAUDE.md stays as it is" in shown["comments"][-1]["body"]
    assert refusal(desk, "approval.grant", BOB, id=name) == (Conflict, "FLT-APR-002")


@pytest.mark.parametrize(("verdict", "state"), [("approve", "granted"), ("request_changes", "refused")])
def test_a_persons_own_review_at_that_head_is_an_answer_too(desk: Desk, verdict: str, state: str) -> None:
    ticket, pull, head, _ = held(desk)
    desk.ask("pr.review", number=pull, verdict=verdict, body="read")
    (row,) = desk.ask("approvals", all=True)["approvals"]
    assert (row["state"], row["decided_by"]) == (state, "human:ann")
    if verdict == "approve":
        assert try_merge(desk, ticket, pull, head)["head"] == head


def test_a_merge_by_hand_answers_what_was_asked(tmp_path: Path) -> None:
    desk = Desk(tmp_path, allow_shared_uid_merge=False)
    ticket, pull, head = approved_pull(desk)
    with pytest.raises(Refused):
        try_merge(desk, ticket, pull, head)
    desk.ask("pr.merge", number=pull)
    (row,) = desk.ask("approvals", all=True)["approvals"]
    assert (row["status"], row["decided_by"], row["reason"]) == ("granted", "human:ann", "merges it")
    desk.close()


def test_an_expired_question_is_not_answered_any_more(desk: Desk) -> None:
    _, _, _, name = held(desk)
    desk.clock.advance(604_801)
    assert refusal(desk, "approval.grant", id=name) == (Conflict, "FLT-APR-002")
    assert desk.ask("approvals", all=True)["approvals"][0]["status"] == "expired"


def test_a_grant_that_nobody_used_in_time_lets_nothing_through(desk: Desk) -> None:
    """Also before the janitor has put that on record."""
    ticket, pull, head, name = held(desk)
    desk.ask("approval.grant", id=name)
    desk.clock.advance(604_801)
    with pytest.raises(Refused) as caught:
        try_merge(desk, ticket, pull, head)
    assert caught.value.code == "FLT-POL-072"


@pytest.mark.parametrize("name", ["a000000000000000000", "x", "pr", "../x"])
def test_an_unknown_id_is_not_found(desk: Desk, name: str) -> None:
    for verb, more in (("approval.show", {}), ("approval.grant", {}), ("approval.deny", {"reason": "x"})):
        assert refusal(desk, verb, id=name, **more) == (NotFound, "FLT-APR-001")


def test_an_unknown_pull_request_is_not_found(desk: Desk) -> None:
    assert refusal(desk, "approval.show", id="pr/99") == (NotFound, "FLT-FRG-002")


def test_the_status_counts_what_waits_for_a_person(desk: Desk) -> None:
    _, _, _, name = held(desk)
    status = desk.ask("status")
    assert [one["id"] for one in status["approvals"]] == [name]
    (need,) = [one for one in status["attention"] if one["kind"] == "approval"]
    assert (need["command"], need["code"]) == (f"fleet approvals show {need['subject']}", "FLT-POL-072")
    desk.ask("approval.grant", id=name)
    status = desk.ask("status")
    assert (status["approvals"], [one for one in status["attention"] if one["kind"] == "approval"]) == ([], [])
