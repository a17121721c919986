"""pr.push: branches, pull requests, and that a push cut short anywhere is completed by the next one."""

from __future__ import annotations

import pytest

from fleet.core import probe
from fleet.core.errors import Conflict, FleetError, NotFound, Refused, UsageError
from fleet.core.principal import Principal
from fleet.testing.desk import ANN, Desk
from fleet.testing.repos import commit, git


def code_of(desk: Desk, who: Principal = ANN, **args: object) -> tuple[type[FleetError], str]:
    """How a push is refused."""
    with pytest.raises(FleetError) as caught:
        desk.ask("pr.push", who, **args)
    return type(caught.value), caught.value.code


def labels(desk: Desk, number: int) -> list[str]:
    """The labels of a pull request."""
    found: list[str] = desk.ask("pr.show", number=number)["pr"]["labels"]
    return found


def test_a_run_pushes_its_clone_to_its_tickets_branch(desk: Desk) -> None:
    ticket = desk.ticket("Greet")
    who, pull, head = desk.pushed("developer", ticket)
    shown = desk.ask("pr.show", number=pull)["pr"]
    assert (shown["branch"], shown["head"], shown["ticket"]) == (f"fleet/{ticket}", head, ticket)
    assert shown["author"] == "agent:developer"
    assert labels(desk, pull) == ["needs-review"]
    assert [entry.type for entry in desk.entries(run_id=who.run_id)][-3:] == [
        "push.intended",
        "push.done",
        "pr_created",
    ]
    event = desk.entries("pr_created")[0]
    assert (event.subject, event.generation, event.work_item, event.agent) == (
        f"pr/{pull}",
        head,
        f"ticket/{ticket}",
        "",
    )
    assert desk.entries("push.done")[0].work_item == f"ticket/{ticket}"


def test_the_run_may_touch_the_pull_request_it_made(desk: Desk) -> None:
    ticket = desk.ticket()
    who = desk.run("developer", f"ticket/{ticket}")
    commit(desk.clone(who, f"fleet/{ticket}"), {"a.py": "1\n"})
    pull = desk.ask("pr.push", who)["pr"]
    assert f"pr/{pull}" in desk.again(who).subjects


def test_a_second_push_updates_the_pull_request_and_asks_for_review_again(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    reviewer = desk.reviewer("tech-lead", pull, ticket, head)
    desk.ask("pr.review", reviewer, number=pull, verdict="request_changes", body="no")
    assert labels(desk, pull) == ["changes-requested"]
    _, same, second = desk.pushed("developer", ticket)
    assert same == pull
    assert labels(desk, pull) == ["needs-review"]
    assert [entry.generation for entry in desk.entries("pr_updated")] == [second]
    assert len(desk.entries("pr_created")) == 1


def test_the_same_head_is_announced_once(desk: Desk) -> None:
    ticket = desk.ticket()
    who = desk.run("developer", f"ticket/{ticket}")
    commit(desk.clone(who, f"fleet/{ticket}"), {"a.py": "1\n"})
    first = desk.ask("pr.push", who)
    second = desk.ask("pr.push", desk.again(who))
    assert (first["created"], second["created"]) == (True, False)
    assert len(desk.entries("pr_created")) + len(desk.entries("pr_updated")) == 1


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_push_that_was_killed_before_its_pull_request_is_completed_by_the_next(desk: Desk) -> None:
    ticket = desk.ticket()
    who = desk.run("developer", f"ticket/{ticket}")
    head = commit(desk.clone(who, f"fleet/{ticket}"), {"a.py": "1\n"})

    def die(point: str) -> None:
        if point == "push.acted":
            raise Killed

    probe.install(die)
    try:
        with pytest.raises(Killed):
            desk.ask("pr.push", who)
    finally:
        probe.install(None)
    desk.end(who)
    assert desk.forge.branch_head(f"fleet/{ticket}") == head
    assert desk.ask("prs")["pulls"] == []
    again = desk.run("developer", f"ticket/{ticket}")
    desk.clone(again, f"fleet/{ticket}")  # continues the branch; nothing is left to commit
    answer = desk.ask("pr.push", again)
    assert (answer["head"], answer["created"]) == (head, True)
    assert desk.entries("pr_created")[0].run_id == again.run_id


def test_a_run_that_the_clock_started_opens_a_pull_request_from_its_own_branch(desk: Desk) -> None:
    who = desk.run("developer", "agent/developer", event="schedule_due")
    clone = desk.clone(who, f"fleet/{who.run_id}")
    commit(clone, {"deps.txt": "newer\n"})
    first = desk.ask("pr.push", who, title="Weekly update")
    assert (first["branch"], first["ticket"], first["created"]) == (f"fleet/{who.run_id}", 0, True)
    commit(clone, {"deps.txt": "newest\n"})
    second = desk.ask("pr.push", desk.again(who))
    assert (second["pr"], second["branch"], second["created"]) == (first["pr"], first["branch"], False)
    assert {entry.work_item for entry in desk.entries("pr_created")} == {f"pr/{first['pr']}"}


def test_another_run_without_ticket_or_pull_request_pushes_nothing(desk: Desk) -> None:
    who = desk.run("developer", "agent/developer")
    commit(desk.clone(who, "fleet/x"), {"a.py": "1\n"})
    assert code_of(desk, who) == (UsageError, "FLT-CTL-013")


def test_a_run_names_neither_ref_nor_ticket(desk: Desk) -> None:
    who = desk.run("developer", f"ticket/{desk.ticket()}")
    assert code_of(desk, who, ref="main") == (UsageError, "FLT-CTL-012")
    assert code_of(desk, who, ticket=99) == (Refused, "FLT-AUT-013")


def test_a_reviewer_cannot_push(desk: Desk) -> None:
    assert code_of(desk, desk.run("tech-lead", "ticket/1")) == (Refused, "FLT-AUT-012")


def test_a_push_without_a_new_commit_is_refused(desk: Desk) -> None:
    ticket = desk.ticket()
    who = desk.run("developer", f"ticket/{ticket}")
    desk.clone(who, f"fleet/{ticket}")
    assert code_of(desk, who) == (UsageError, "FLT-FRG-009")
    assert desk.forge.branch_head(f"fleet/{ticket}") == ""


def test_a_run_that_heard_of_another_repository_pushes_nothing_and_is_told_who_can(desk: Desk) -> None:
    desk.ticket()
    who = desk.run("developer", "repo/acme/shop/ticket/1")
    commit(desk.clone(who, "fleet/x"), {"a.py": "1\n"})
    with pytest.raises(Refused) as caught:
        desk.ask("pr.push", who)
    assert (caught.value.code, "an agent of acme/shop" in caught.value.hint) == ("FLT-ORG-006", True)
    assert desk.forge.branch_head("fleet/1") == ""


def test_a_run_without_a_clone_has_nothing_to_push(desk: Desk) -> None:
    who = desk.run("developer", f"ticket/{desk.ticket()}")
    assert code_of(desk, who)[1] in ("FLT-CTL-013", "FLT-FRG-015")


def test_nothing_is_pushed_for_a_closed_ticket(desk: Desk) -> None:
    ticket = desk.ticket()
    who = desk.run("developer", f"ticket/{ticket}")
    commit(desk.clone(who, f"fleet/{ticket}"), {"a.py": "1\n"})
    desk.forge.close_ticket(ticket)
    assert code_of(desk, who) == (Conflict, "FLT-CTL-014")


def test_a_person_proposes_a_branch_of_the_checkout(desk: Desk) -> None:
    checkout = desk.paths.checkout
    git(checkout, "switch", "--quiet", "-c", "feature/greeting")
    head = commit(checkout, {"greet.py": "1\n"})
    made = desk.ask("pr.push", title="Greeting")
    assert (made["branch"], made["head"]) == ("fleet/feature-greeting", head)
    assert desk.ask("pr.show", number=made["pr"])["pr"]["author"] == "human:ann"
    event = desk.entries("pr_created")[0]
    assert event.work_item == f"pr/{made['pr']}"


def test_a_person_may_work_on_a_ticket(desk: Desk) -> None:
    ticket = desk.ticket("Greet")
    git(desk.paths.checkout, "switch", "--quiet", "-c", "topic")
    commit(desk.paths.checkout, {"greet.py": "1\n"})
    made = desk.ask("pr.push", ref="topic", ticket=ticket)
    shown = desk.ask("pr.show", number=made["pr"])["pr"]
    assert (shown["branch"], shown["title"], shown["ticket"]) == (f"fleet/{ticket}", "Greet", ticket)


@pytest.mark.parametrize("ref", ["nothing-like-that", "a" * 40])
def test_a_ref_that_does_not_exist_is_not_found(desk: Desk, ref: str) -> None:
    assert code_of(desk, ref=ref) == (NotFound, "FLT-CTL-015")


def test_a_bare_commit_names_no_branch(desk: Desk) -> None:
    head = commit(desk.paths.checkout, {"greet.py": "1\n"})
    assert code_of(desk, ref=head) == (UsageError, "FLT-CTL-016")
    git(desk.paths.checkout, "switch", "--quiet", "-c", "12")
    assert code_of(desk, ref="12") == (UsageError, "FLT-CTL-016")
