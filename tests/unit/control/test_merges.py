"""pr.merge: exactly the approved head, once, with its reasons on record before and its outcome after."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.core import probe
from fleet.core.errors import Conflict, FleetError, Refused
from fleet.testing.desk import ANN, Desk
from fleet.testing.repos import commit, git


def approved_pull(desk: Desk, files: dict[str, str] | None = None) -> tuple[int, int, str]:
    """A pull request that both reviewers approved: ticket, number, head."""
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket, files)
    for name in ("tech-lead", "qa-engineer"):
        who = desk.reviewer(name, pull, ticket, head)
        desk.ask("pr.review", who, number=pull, verdict="approve")
        desk.end(who)
    return ticket, pull, head


def test_a_merge_has_its_reasons_before_and_its_outcome_after(desk: Desk) -> None:
    ticket, pull, head = approved_pull(desk)
    who = desk.run("release-manager", f"pr/{pull}", event="pr_approved", item=f"ticket/{ticket}", head=head)
    answer = desk.ask("pr.merge", who, number=pull)
    assert answer["head"] == head
    types = [entry.type for entry in desk.entries(run_id=who.run_id)]
    assert types.index("merge.allowed") < types.index("pr_merged")
    (allowed,) = desk.entries("merge.allowed")
    assert allowed.payload is not None
    assert "approved by" in str(allowed.payload["decision"])
    (merged,) = desk.entries("pr_merged")
    assert (merged.generation, merged.run_id, merged.agent) == (head, who.run_id, "")
    assert git(desk.paths.bare, "rev-parse", "main") == answer["merge_commit"]
    assert git(desk.paths.bare, "rev-parse", "main^2") == head
    shown = desk.ask("ticket.show", number=ticket)["ticket"]
    assert (shown["state"], shown["labels"]) == ("closed", ["shipped"])
    assert desk.ask("pr.show", number=pull)["pr"]["labels"] == ["shipped"]
    assert (desk.paths.checkout / "new.py").exists(), "a clean checkout follows the merge"
    assert len(desk.entries("checkout.updated")) == 1


def test_merging_again_finds_the_first_merge(desk: Desk) -> None:
    _, pull, _ = approved_pull(desk)
    first = desk.ask("pr.merge", number=pull)
    assert desk.ask("pr.merge", number=pull)["merge_commit"] == first["merge_commit"]
    assert len(desk.entries("pr_merged")) == len(desk.entries("merge.allowed")) == 1


def test_without_approvals_it_is_refused_and_the_reason_is_on_record(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, _ = desk.pushed("developer", ticket)
    with pytest.raises(Refused) as caught:
        desk.ask("pr.merge", number=pull)
    assert caught.value.code == "FLT-POL-064"
    (entry,) = desk.entries("merge.refused")
    assert entry.actor == "human:ann"
    assert desk.entries("merge.allowed") == []
    assert desk.ask("prs")["pulls"][0]["state"] == "open"


def test_a_push_after_the_approvals_makes_them_void(desk: Desk) -> None:
    ticket, pull, _ = approved_pull(desk)
    desk.pushed("developer", ticket)
    with pytest.raises(Refused):
        desk.ask("pr.merge", number=pull)


def test_a_push_between_verdict_and_merge_ends_the_merge(desk: Desk) -> None:
    ticket, pull, head = approved_pull(desk)
    moved: list[str] = []

    def push_now(point: str) -> None:
        if point == "merge.intended" and not moved:
            moved.append(desk.pushed("developer", ticket)[2])

    probe.install(push_now)
    try:
        with pytest.raises(Conflict) as caught:
            desk.ask("pr.merge", number=pull)
    finally:
        probe.install(None)
    assert caught.value.code == "FLT-FRG-005"
    assert moved
    assert moved[0] != head
    assert desk.ask("prs")["pulls"][0]["state"] == "open"
    assert len(desk.entries("merge.allowed")) == len(desk.entries("merge.refused")) == 1


def test_agents_that_share_one_uid_merge_only_where_the_configuration_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path, allow_shared_uid_merge=False)
    try:
        ticket, pull, head = approved_pull(desk)
        who = desk.run("release-manager", f"pr/{pull}", item=f"ticket/{ticket}", head=head)
        with pytest.raises(Refused) as caught:
            desk.ask("pr.merge", who, number=pull)
        assert caught.value.exit_code == 6
        assert f"fleet pr merge {pull}" in caught.value.message
        desk.ask("pr.merge", number=pull)
    finally:
        desk.close()


def test_a_conflict_goes_back_to_the_author(desk: Desk) -> None:
    ticket, pull, head = approved_pull(desk, {"app.py": "theirs\n"})
    commit(desk.paths.checkout, {"app.py": "ours\n"})
    desk.forge.refresh()
    who = desk.run("release-manager", f"pr/{pull}", item=f"ticket/{ticket}", head=head)
    with pytest.raises(Conflict) as caught:
        desk.ask("pr.merge", who, number=pull)
    assert caught.value.code == "FLT-FRG-006"
    (event,) = desk.entries("pr_conflict")
    assert (event.agent, event.generation, event.run_id) == ("developer", head, who.run_id)
    assert event.payload is not None
    assert "app.py" in str(event.payload["conflict"])
    with pytest.raises(Conflict):
        desk.ask("pr.merge", who, number=pull)
    assert len(desk.entries("pr_conflict")) == 1, "the same conflict is told once"
    commit(desk.paths.checkout, {"other.py": "more\n"})
    desk.forge.refresh()
    with pytest.raises(Conflict):
        desk.ask("pr.merge", who, number=pull)
    assert len(desk.entries("pr_conflict")) == 1, "its author knows: another move of the base says nothing new"


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("place", ["merge.intended", "merge.acted", "merge.recorded"])
def test_a_merge_that_was_killed_is_completed_by_asking_again(desk: Desk, place: str) -> None:
    ticket, pull, head = approved_pull(desk)
    who = desk.run("release-manager", f"pr/{pull}", item=f"ticket/{ticket}", head=head)

    def die(point: str) -> None:
        if point == place:
            raise Killed

    probe.install(die)
    try:
        with pytest.raises(Killed):
            desk.ask("pr.merge", who, number=pull)
    finally:
        probe.install(None)
    desk.end(who)
    answer = desk.ask("pr.merge", number=pull)
    assert answer["head"] == head
    (event,) = desk.entries("pr_merged")
    assert event.actor == (str(ANN) if place == "merge.intended" else "agent:release-manager")
    assert git(desk.paths.bare, "log", "--merges", "--format=%H", "main").split() == [answer["merge_commit"]]
    assert desk.ask("ticket.show", number=ticket)["ticket"]["labels"] == ["shipped"]


def test_what_cannot_be_merged_is_told_by_release_check(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    found = desk.ask("release.check", number=pull)
    assert (found["schema_version"], found["pr_number"], found["mergeable"], found["head"]) == (1, pull, False, head)
    assert found["detail"]
    assert {reason["verdict"] for reason in found["reasons"]} == {"allow", "hold"}
    with pytest.raises(FleetError):
        desk.ask("release.check", number=99)
